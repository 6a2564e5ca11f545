package reports

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestACureIsNeededWhereAnyScenarioFailsWithoutIt(t *testing.T) {
	mutants := []Mutant{
		{Switch: "a", Value: "none", Scenario: "first", Analysis: judged(Pass, ExitPass)},
		{Switch: "a", Value: "none", Scenario: "second", Analysis: judged(Fail, ExitViolated)},
		{Switch: "b", Value: "1", Scenario: "first", Analysis: judged(Pass, ExitPass)},
		{Switch: "c", Value: "off", Scenario: "first", Analysis: judged(Inconclusive, ExitInconclusive)},
		{Switch: "d", Value: "off", Scenario: "first", Err: errors.New("no port"), Analysis: judged(Fail, ExitViolated)},
		{Switch: "e", Value: "off", Scenario: "first", Skipped: "testbed embedded does not have innodb"},
		{Switch: "h", Value: "off", Scenario: "third", Doubt: "FAIL: 2 orders lost", Control: ExitViolated},
		{Switch: "i", Value: "off", Scenario: "third", Analysis: strange(judged(Fail, ExitViolated))},
		{Switch: "f", Value: "off", With: "g silent", Scenario: "first", Analysis: judged(Fail, ExitMissed)},
	}
	want := Cures{Needed: []string{"a", "f"}, Unneeded: []string{"b"}, Undecided: []string{"c", "d", "h", "i"}, Skipped: []string{"e"}}
	if got := CuresOf(mutants); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
	var b bytes.Buffer
	if err := MutantTable(&b, mutants); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"a     none                second  CAUGHT", "b     1                   first   SURVIVED", "c     off                 first   INCONCLUSIVE",
		"d     off                 first   ERROR         -     no port", "e     off                 first   SKIPPED",
		"f     off, with g silent  first   CAUGHT",
		"h     off                 third   INCONCLUSIVE  -     with all cures it does not pass either: FAIL: 2 orders lost",
		"9 mutants of 8 cures: no scenario fails without: b; undecided: c, d, h, i; skipped: e\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestExitCodeOfMutants(t *testing.T) {
	caught := Mutant{Switch: "a", Analysis: judged(Fail, ExitViolated)}
	survived := Mutant{Switch: "b", Analysis: judged(Pass, ExitPass)}
	doubt := Mutant{Switch: "c", Analysis: judged(Inconclusive, ExitInconclusive)}
	for _, tt := range []struct {
		name    string
		mutants []Mutant
		code    int
	}{
		{"every mutant is caught", []Mutant{caught}, ExitPass},
		{"one is not", []Mutant{caught, survived}, ExitMissed},
		{"one is not in one scenario, and is in another", []Mutant{caught, survived, {Switch: "b", Analysis: judged(Fail, ExitMissed)}}, ExitPass},
		{"doubt stands above it", []Mutant{caught, survived, doubt}, ExitInconclusive},
		{"one that could not be run", []Mutant{caught, {Switch: "d", Err: errors.New("no port")}}, ExitInconclusive},
		{"one that cannot be tried here is said, and no more", []Mutant{caught, {Switch: "e", Skipped: "needs a replica"}}, ExitPass},
		{"none was tried", []Mutant{{Switch: "e", Skipped: "needs a replica"}}, ExitInconclusive},
		{"nothing at all", nil, ExitInconclusive},
		{"money lost with all cures stands above all", []Mutant{caught, doubt, {Switch: "f", Doubt: "FAIL: 1 order lost", Control: ExitViolated}}, ExitViolated},
	} {
		if got := MutantsExit(tt.mutants); got != tt.code {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.code)
		}
	}
}
