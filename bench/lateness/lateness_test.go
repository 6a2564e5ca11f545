package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator"
)

func TestTheScenarioIsAThousandSendsASecond(t *testing.T) {
	sc, err := scenarios.Load("thousand.yaml", thousand, harness.Known())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := simulator.NewPlan(sc, 1)
	if err != nil {
		t.Fatal(err)
	}
	seconds := plan.Header.Length.Seconds()
	orders := float64(len(plan.Orders)) / seconds
	sends := 3*orders + float64(sc.Fleet.Machines)/sc.Fleet.Beat.Seconds() // order, notification, result; heartbeats
	if sends < 950 || sends > 1050 {
		t.Errorf("%.0f sends a second, want 1000", sends)
	}
}

func TestTellReadsARunsFolder(t *testing.T) {
	dir := t.TempDir()
	write := func(name string, v any) {
		t.Helper()
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	q := func(p50, p99 time.Duration) reports.Quantiles {
		return reports.Quantiles{N: 10_000, P50: int64(p50), P90: -1, P99: int64(p99), Max: int64(time.Second)}
	}
	tests := []struct {
		name string
		p99  time.Duration
		want string
	}{
		{"punctual", 1500 * time.Microsecond, "lateness p99 of all: 1.50ms, wanted at most 2ms: as wanted"},
		{"late", 2500 * time.Microsecond, "lateness p99 of all: 2.50ms, wanted at most 2ms: too late"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			write(reports.JSONFile, reports.Analysis{
				Latency:  []reports.Latency{{Kind: "notify", Lateness: q(time.Millisecond, tt.p99), Response: q(5*time.Millisecond, 9*time.Millisecond)}},
				Measures: []reports.Measure{{Name: "lateness.p99", Value: float64(tt.p99), Known: true}},
				Verdict:  reports.Verdict{Outcome: "PASS"},
			})
			write(runlog.ManifestFile, runlog.Manifest{Testbed: "local", Engine: "MariaDB", Generator: runlog.GeneratorCost{WallNS: int64(10 * time.Second)}})
			var out bytes.Buffer
			if err := tell(dir, &out); err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{tt.want, "about 1000 a second for 10 s", "local, MariaDB", "9.00ms", "verdict: PASS"} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("does not say %q:\n%s", want, out.String())
				}
			}
		})
	}
}
