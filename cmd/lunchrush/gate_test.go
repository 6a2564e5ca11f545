package main

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/reports"
)

func TestACalibrationIsOfOneBuildSetAsItsScenarioSays(t *testing.T) {
	for flag, value := range map[string]string{"base": "main", "base-set": "callback.workers=1", "head-set": "callback.workers=1"} {
		var errs strings.Builder
		root := newRoot(newTerminal(strings.NewReader(""), io.Discard, &errs))
		root.SetArgs([]string{"gate", "--calibrate", "gate-lunch", "--" + flag, value})
		root.SetOut(io.Discard)
		root.SetErr(io.Discard)
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // what is taken all the same goes no farther
		err := root.ExecuteContext(ctx)
		if exitCode(t.Context(), err) != exitUsage || !strings.Contains(err.Error(), "--"+flag+" does not go with --calibrate") {
			t.Errorf("--%s: %v", flag, err)
		}
	}
}

func TestAKilledGateIsReportedAsSuch(t *testing.T) {
	runs := t.TempDir()
	dir := filepath.Join(runs, "20261120-115600-gate-gate-lunch")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	g := &reports.Gate{
		Schema: reports.GateSchema, Scenario: "gate-lunch", Rules: reports.DefaultGateRules(), StartedAt: time.Now(), Noise: nil,
		WarmUps: []reports.GateRun{}, Pairs: []reports.GatePair{}, Repeated: []reports.GatePair{}, Notes: []string{},
	}
	for n := range 2 {
		run := reports.GateRun{Values: map[string]reports.GateValue{"create.p50": {Value: 82e6, Samples: 480}}}
		g.Pairs = append(g.Pairs, reports.GatePair{Number: n + 1, First: reports.SideBase, Base: run, Head: run})
	}
	g.Judge()
	text, err := os.Create(filepath.Join(dir, reports.GateFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := reports.GateJSON(text, g); err != nil {
		t.Fatal(err)
	}
	if err := text.Close(); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	root := newRoot(newTerminal(strings.NewReader(""), &out, io.Discard))
	root.SetArgs([]string{"report", filepath.Base(dir), "--runs", runs})
	if err := root.ExecuteContext(t.Context()); exitCode(t.Context(), err) != exitInconclusive {
		t.Errorf("%v", err)
	}
	if !strings.Contains(out.String(), "it was killed after 2 pairs") {
		t.Error(out.String())
	}
	if page, err := os.ReadFile(filepath.Join(dir, reports.GatePageFile)); err != nil || !strings.Contains(string(page), "it was killed after 2 pairs") {
		t.Errorf("the page does not say it: %v", err)
	}
}
