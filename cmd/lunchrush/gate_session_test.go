package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/reports"
)

// gateIn reads the gate of a session.
func gateIn(t *testing.T, s *session) *reports.Gate {
	t.Helper()
	g, err := reports.ReadGate(filepath.Join(s.dir, "gate", reports.GateFile))
	if err != nil {
		t.Fatalf("%v\n%s\n%s", err, s.stdout.String(), s.stderr)
	}
	return g
}

// Goods that fall twice stand whatever the load was, so this session ends the same on a busy machine.
func TestAGateFailsAtOnceWhenTheHeadLosesMoney(t *testing.T) {
	needTestbed(t, sessionTestbed)
	summary := filepath.Join(t.TempDir(), "summary.md")
	t.Setenv("GITHUB_ACTIONS", "true")
	t.Setenv("GITHUB_STEP_SUMMARY", summary)
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	s := startSession(t, "gate", "twice.yaml", "--base", buildBinary(t), "--head-set", "dedupe=none", "--testbed", sessionTestbed, "--out", "gate")
	if code := s.wait(t); code != exitInvariant {
		t.Fatalf("exit code %d, want %d\n%s\n%s", code, exitInvariant, s.stdout.String(), s.stderr)
	}
	g := gateIn(t, s)
	if len(g.WarmUps) != 2 || len(g.Pairs) != 0 || !strings.Contains(g.Verdict.Headline, "the head lost money or data in its warm-up") {
		t.Errorf("%d warm-ups, %d pairs: %s", len(g.WarmUps), len(g.Pairs), g.Verdict.Headline)
	}
	if g.WarmUps[0].Broken != "" || g.Base.Program != g.Head.Program || g.Base.Program == "" {
		t.Errorf("the base has the switch too, or the builds differ: %+v, %+v, %+v", g.WarmUps[0], g.Base, g.Head)
	}
	for _, want := range []string{"::error title=gate twice%3A FAIL::the head lost money or data", "FAIL  the head lost", "head this lunchrush with dedupe=none"} {
		if !strings.Contains(s.stdout.String(), want) {
			t.Errorf("stdout lacks %q:\n%s", want, s.stdout.String())
		}
	}
	if text, err := os.ReadFile(summary); err != nil || !strings.HasPrefix(string(text), "## FAIL: gate twice") {
		t.Errorf("the step's summary: %v\n%s", err, text)
	}
	for _, name := range []string{reports.GateFile, reports.GatePageFile, reports.JUnitFile, reports.SummaryFile, reports.GateBenchmarkFile, g.WarmUps[1].Folder + "/report.html"} {
		if info, err := os.Stat(filepath.Join(s.dir, "gate", name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.leftovers(t)
}

func TestAnInterruptedGateStopsEverythingAndKeepsWhatItHas(t *testing.T) {
	needTestbed(t, sessionTestbed)
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	s := startSession(t, "gate", "short.yaml", "--base", buildBinary(t), "--testbed", sessionTestbed, "--out", "gate")
	s.stderr.waitFor(t, `^warm-up: head`)
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := s.wait(t); code != exitInterrupted {
		t.Fatalf("exit code %d, want %d\n%s\n%s", code, exitInterrupted, s.stdout.String(), s.stderr)
	}
	if g := gateIn(t, s); g.Ended != "interrupted" || len(g.WarmUps) != 1 || g.Verdict.Outcome != reports.Inconclusive {
		t.Errorf("ended %q after %d warm-ups: %+v", g.Ended, len(g.WarmUps), g.Verdict)
	}
	s.leftovers(t)
}
