package reports

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestACureIsMissedByAnyScenarioThatFailsWithoutIt(t *testing.T) {
	mutants := []Mutant{
		{Switch: "a", Value: "none", Scenario: "first", Analysis: judged(Pass, ExitPass)},
		{Switch: "a", Value: "none", Scenario: "second", Analysis: judged(Fail, ExitViolated)},
		{Switch: "b", Value: "1", Scenario: "first", Analysis: judged(Pass, ExitPass)},
		{Switch: "c", Value: "off", Scenario: "first", Analysis: judged(Inconclusive, ExitInconclusive)},
		{Switch: "d", Value: "off", Scenario: "first", Err: errors.New("no port"), Analysis: judged(Fail, ExitViolated)},
		{Switch: "e", Value: "off", Scenario: "first", Skipped: "testbed embedded does not have innodb"},
		{Switch: "h", Value: "off", Scenario: "third", Doubt: "FAIL: 2 orders lost", Analysis: judged(Fail, ExitViolated)},
		{Switch: "f", Value: "off", With: "g silent", Scenario: "first", Analysis: judged(Fail, ExitMissed)},
	}
	if got, want := UnusedCures(mutants), []string{"b", "c", "d", "e", "h"}; !slices.Equal(got, want) {
		t.Errorf("not missed: %v, want %v", got, want)
	}
	var b bytes.Buffer
	if err := MutantTable(&b, mutants); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"a     none                second  MISSED", "b     1                   first   NOT MISSED", "c     off                 first   INCONCLUSIVE",
		"d     off                 first   ERROR         -     no port", "e     off                 first   SKIPPED",
		"f     off, with g silent  first   MISSED",
		"h     off                 third   INCONCLUSIVE  -     with all cures it did not pass either: FAIL: 2 orders lost",
		"8 mutants: not missed by any scenario: b, c, d, e, h\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if UnusedCures(nil) != nil {
		t.Error("cures are unused where there are none")
	}
}
