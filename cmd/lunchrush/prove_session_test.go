package main

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/internal/harness"
)

// twiceScenario is a documented failure in ten seconds: every notify comes twice at once, and nothing has a key.
const twiceScenario = `name: twice
title: Every notify comes twice
source: ours
incident:
  happened: The same notify came twice.
  mechanism: Two that look at the same moment both see an unpaid order.
  cure: One row and one command for a payment, by unique key.
  code: [service/callback.go:dispatch]
clock: {from: "11:30", to: "11:30:10"}
fleet: {machines: 60}
demand: {per_machine_hour: 300}
payments: {think: 500ms, notify: {duplicates: 100%, apart: 0s..50ms}}
machines: {dispense: 300ms}
upstream: {query: 300ms}
service: {callback.confirm: true, refund.after: 10s, command.ttl: 5s}
as-was: {dedupe: none}
signature: {double_dispense: "> 0"}
expect: {loss.total: "== 0"}
`

// seenAsWas is what the as-was side of twice.yaml shows, in the table of prove.
var seenAsWas = regexp.MustCompile(`as-was +FAIL; double_dispense > 0: [1-9]`)

func TestProveAllShowsFailureAndCureAndWritesThemDown(t *testing.T) {
	t.Parallel()
	needTestbed(t, sessionTestbed)
	s := startSession(t, "prove", "--all", "twice.yaml", "--testbed", sessionTestbed, "--junit", "proofs.xml", "--record", "INCIDENTS.md")
	// The cure may be inconclusive for late sends, the failure may not: goods that fell twice stand whatever the load was.
	if code := s.wait(t); code != exitPass && code != exitInconclusive {
		t.Fatalf("exit code %d\n%s\n%s", code, s.stdout.String(), s.stderr)
	}
	if !seenAsWas.MatchString(s.stdout.String()) {
		t.Errorf("the table does not show the failure:\n%s", s.stdout.String())
	}
	var junit struct {
		Tests int `xml:"tests,attr"`
	}
	text, err := os.ReadFile(filepath.Join(s.dir, "proofs.xml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := xml.Unmarshal(text, &junit); err != nil || junit.Tests != 2 {
		t.Errorf("proofs.xml: %d tests, %v", junit.Tests, err)
	}
	record, err := os.ReadFile(filepath.Join(s.dir, "INCIDENTS.md"))
	if err != nil || !strings.Contains(string(record), "lunchrush prove twice --seed 1") {
		t.Errorf("INCIDENTS.md: %v\n%s", err, record)
	}
	s.leftovers(t)
}

func TestMutateCatchesACureTakenAway(t *testing.T) {
	t.Parallel()
	needTestbed(t, sessionTestbed)
	s := startSession(t, "prove", "--mutate", "twice.yaml", "--testbed", sessionTestbed)
	lines := []string{`dedupe +none +twice +CAUGHT`, `1 mutants of 1 cures: without any one of them a scenario fails`}
	switch code := s.wait(t); code {
	case exitPass:
	case exitInconclusive: // for late sends, of the control or of the mutant, and for nothing else
		lines = []string{`dedupe +none +twice +INCONCLUSIVE .*lateness p99`, `1 mutants of 1 cures: undecided: dedupe`}
		for _, dir := range runsOf(t, s, "with-all-cures") {
			if !onlyLate(t, dir) {
				t.Errorf("with all its cures the scenario does not pass:\n%s", s.stdout.String())
			}
		}
	default:
		t.Fatalf("exit code %d\n%s\n%s", code, s.stdout.String(), s.stderr)
	}
	for _, want := range lines {
		if !regexp.MustCompile(want).MatchString(s.stdout.String()) {
			t.Errorf("no line like %q:\n%s", want, s.stdout.String())
		}
	}
	// Goods that fell twice stand whatever the load was.
	mutants := runsOf(t, s, "without-dedupe")
	if len(mutants) == 0 && strings.Contains(s.stdout.String(), "CAUGHT") {
		t.Error("the run without its cure has no folder")
	}
	for _, dir := range mutants {
		a, err := harness.Judge(dir)
		if err != nil {
			t.Fatal(err)
		}
		if a.Verdict.ExitCode != exitInvariant {
			t.Errorf("without its cure it is %s: %s", a.Verdict.Outcome, a.Verdict.Headline)
		}
	}
	s.leftovers(t)
}

// runsOf are the folders of a session's runs of one label.
func runsOf(t *testing.T, s *session, label string) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join(s.dir, "reports", "runs", "*-twice-"+label+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return dirs
}

func TestAnInterruptedProveAllStopsEverythingAndPrintsWhatItHas(t *testing.T) {
	t.Parallel()
	needTestbed(t, sessionTestbed)
	s := startSession(t, "prove", "--all", "twice.yaml", "--testbed", sessionTestbed)
	s.stderr.waitFor(t, `twice: hardened begins`)
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := s.wait(t); code != exitInterrupted {
		t.Fatalf("exit code %d\n%s\n%s", code, s.stdout.String(), s.stderr)
	}
	if !strings.Contains(s.stderr.String(), "interrupted after 0 of 1 scenarios") {
		t.Errorf("stderr does not say how far it came:\n%s", s.stderr)
	}
	s.leftovers(t)
}
