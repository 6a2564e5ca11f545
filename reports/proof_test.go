package reports

import (
	"bytes"
	"encoding/xml"
	"errors"
	"strings"
	"testing"
	"time"
)

func judged(outcome string, code int, signature ...string) *Analysis {
	a := &Analysis{Verdict: Verdict{Outcome: outcome, ExitCode: code, Headline: "headline of " + outcome}}
	for _, status := range signature {
		a.Signature = append(a.Signature, Check{Name: "double_dispense", Want: "> 0", Got: "19", Status: status})
	}
	a.Expect = []Check{{Name: "notify.p99", Want: "< 1s", Got: "212 ms", Status: passed}}
	return a
}

// strange is a run whose fault was never felt.
func strange(a *Analysis) *Analysis {
	a.Certificate = []Check{{Name: "felt: latency 200ms on mysql", Want: "measured while it was on", Got: neverMeasured, Status: failed}}
	return a
}

func proofOf(asWas, hardened *Analysis) Proof {
	return Proof{
		Name: "some-row", Title: "What happened", Source: "an account", Testbed: "local", Engine: "MariaDB", Seed: 7, Took: 90 * time.Second, Tries: 1,
		Sides: []ProofSide{{Name: "as-was", Fails: true, Analysis: asWas}, {Name: "hardened", Analysis: hardened}},
	}
}

func TestProofIsJudgedByBothSides(t *testing.T) {
	lost, missed := judged(Fail, ExitViolated, passed), judged(Fail, ExitMissed)
	pass, doubt := judged(Pass, ExitPass), judged(Inconclusive, ExitInconclusive)
	for _, c := range []struct {
		name            string
		asWas, hardened *Analysis
		outcome         string
		code            int
	}{
		{"the failure with its signature, then the cure", lost, pass, Proved, 0},
		{"a failure of another kind is not the documented one", judged(Fail, ExitViolated, passed, failed), pass, NotProved, ExitMissed},
		{"a failure without any signature is not the documented one", judged(Fail, ExitViolated), pass, NotProved, ExitMissed},
		{"a signature that could not be measured was not seen", judged(Fail, ExitViolated, unknown), pass, NotProved, ExitMissed},
		{"as-was that passes shows nothing", judged(Pass, ExitPass, passed), pass, NotProved, ExitMissed},
		{"a cure that misses a limit", lost, missed, NotProved, ExitMissed},
		{"a cure that loses money stands above doubt", doubt, judged(Fail, ExitViolated), NotProved, ExitViolated},
		{"as-was that loses money in another way is no loss of the cure", judged(Fail, ExitViolated, failed), pass, NotProved, ExitMissed},
		{"doubt about the cure", lost, doubt, Inconclusive, ExitInconclusive},
		{"money lost by another way than the one that was planned", strange(judged(Fail, ExitViolated, passed)), pass, Inconclusive, ExitInconclusive},
		{"doubt about the failure", doubt, pass, Inconclusive, ExitInconclusive},
		{"doubt stands above a missed limit", judged(Pass, ExitPass), doubt, Inconclusive, ExitInconclusive},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := proofOf(c.asWas, c.hardened)
			if p.Outcome() != c.outcome || p.ExitCode() != c.code {
				t.Errorf("got %s, exit code %d; want %s, %d", p.Outcome(), p.ExitCode(), c.outcome, c.code)
			}
		})
	}
}

func TestALossBeforeAProofBrokeOffIsTold(t *testing.T) {
	lost := proofOf(judged(Fail, ExitViolated, passed), judged(Fail, ExitViolated))
	lost.Err = errors.New("the third side did not start")
	kept := proofOf(judged(Fail, ExitViolated, passed), judged(Pass, ExitPass))
	kept.Err = lost.Err
	if lost.Outcome() != NotProved || lost.ExitCode() != ExitViolated || kept.Outcome() != NotRun || kept.ExitCode() != 1 {
		t.Errorf("%s, %d with a loss of the hardened side and %s, %d without one", lost.Outcome(), lost.ExitCode(), kept.Outcome(), kept.ExitCode())
	}
	var table, junit, page bytes.Buffer
	if err := errors.Join(ProofTable(&table, []Proof{lost}), ProofJUnit(&junit, []Proof{lost}), Incidents(&page, []Proof{lost}, "")); err != nil {
		t.Fatal(err)
	}
	for text, wants := range map[string][]string{
		table.String(): {"NOT PROVED", "the third side did not start\n", "hardened  FAIL; headline of FAIL\n"},
		junit.String(): {`tests="3" failures="1"`, "the third side did not start", "headline of FAIL"},
		page.String():  {"NOT PROVED: the third side did not start\n", "- hardened: headline of FAIL.\n"},
	} {
		for _, want := range wants {
			if !strings.Contains(text, want) {
				t.Errorf("no %q in\n%s", want, text)
			}
		}
	}
}

func TestWorstExitOfManyProofs(t *testing.T) {
	proved := proofOf(judged(Fail, ExitViolated, passed), judged(Pass, ExitPass))
	lost := proofOf(judged(Fail, ExitViolated, passed), judged(Fail, ExitViolated))
	missed := proofOf(judged(Fail, ExitViolated, passed), judged(Fail, ExitMissed))
	doubt := proofOf(judged(Fail, ExitViolated, passed), judged(Inconclusive, ExitInconclusive))
	broken := Proof{Name: "broken", Err: errors.New("no port")}
	skipped := Proof{Name: "skipped", Skipped: "does not have innodb"}
	for _, c := range []struct {
		name   string
		proofs []Proof
		want   int
	}{
		{"all proved", []Proof{proved, skipped, proved}, 0},
		{"nothing at all is doubt", nil, ExitInconclusive},
		{"nothing but skipped is doubt", []Proof{skipped}, ExitInconclusive},
		{"a missed limit", []Proof{proved, missed}, ExitMissed},
		{"doubt stands above a missed limit", []Proof{missed, doubt}, ExitInconclusive},
		{"what could not run stands above doubt", []Proof{doubt, broken}, 1},
		{"a loss stands above all", []Proof{broken, doubt, missed, lost}, ExitViolated},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := WorstExit(c.proofs); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}

// sampleProofs has one of each outcome.
func sampleProofs() []Proof {
	again := proofOf(judged(Fail, ExitViolated, passed), judged(Inconclusive, ExitInconclusive))
	again.Name, again.Tries = "doubtful", 2
	return []Proof{
		proofOf(judged(Fail, ExitViolated, passed), judged(Pass, ExitPass)),
		again,
		{Name: "broken", Title: "It could not run", Source: "ours", Err: errors.New("the service has\nnot started")},
		{Name: "elsewhere", Title: "Not here", Source: "ours", Skipped: "testbed embedded does not have innodb"},
	}
}

func TestProofTableTellsEveryOutcome(t *testing.T) {
	var b bytes.Buffer
	if err := ProofTable(&b, sampleProofs()); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"some-row   PROVED        1m30s            as-was    FAIL; double_dispense > 0: 19\n",
		"hardened  PASS; headline of PASS\n",
		"doubtful   INCONCLUSIVE  1m30s (2 tries)  as-was ",
		"broken     ERROR         -                -         the service has not started\n",
		"elsewhere  SKIPPED       -                -         testbed embedded does not have innodb\n",
		"4 incidents: 1 proved, 1 inconclusive, 1 error, 1 skipped\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}

func TestProofJUnitCountsEveryOutcome(t *testing.T) {
	var b bytes.Buffer
	proofs := append(sampleProofs(), proofOf(judged(Pass, ExitPass, failed), judged(Fail, ExitMissed)))
	if err := ProofJUnit(&b, proofs); err != nil {
		t.Fatal(err)
	}
	var got junitSuites
	if err := xml.Unmarshal(b.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.Tests != 8 || got.Failures != 2 || got.Errors != 2 || len(got.Suites) != 5 || got.Suites[3].Skipped != 1 {
		t.Errorf("tests %d, failures %d, errors %d, suites %d, want 8, 2, 2, 5, and the fourth skipped\n%s",
			got.Tests, got.Failures, got.Errors, len(got.Suites), b.String())
	}
}

func TestIncidentsRecordsCommandAndFigures(t *testing.T) {
	var b bytes.Buffer
	const before = "# The incidents\n\n**2 of 2 proved.**\n\n## another-row\n\n**PROVED** in 1m on 2026-10-01.\n\n## some-row\n\n**PROVED** in 9m.\n"
	if err := Incidents(&b, sampleProofs(), before); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "9m") {
		t.Errorf("what was seen before of a row that was played again is still there:\n%s", b.String())
	}
	again := b.String()
	b.Reset()
	skipped := []Proof{{Name: "some-row", Skipped: "testbed embedded does not have innodb"}}
	if err := Incidents(&b, skipped, again); err != nil || b.String() != again {
		t.Errorf("a row that was skipped has lost what was seen of it before (%v):\n%s", err, b.String())
	}
	b.Reset()
	if err := Incidents(&b, nil, again); err != nil || b.String() != again {
		t.Errorf("a page that nothing was added to is another one (%v):\n%s", err, b.String())
	}
	for _, want := range []string{
		"**2 of 4 proved.**\n\n## another-row\n\n**PROVED** in 1m on 2026-10-01.\n\n## ", "## some-row\n\nWhat happened. Source: an account.\n", "    lunchrush prove some-row --seed 7\n",
		"| as-was | FAIL | `double_dispense > 0` | 19 |\n| hardened | PASS | `notify.p99 < 1s` | 212 ms |\n",
		"ERROR: the service has not started\n", "SKIPPED: testbed embedded does not have innodb\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
