package reports

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// steadyRun is a run of 30 s with a warm-up of 10 s, 20 sends a second of 250 ms each, judged well, and its folder.
func steadyRun(t *testing.T) (string, *Analysis) {
	t.Helper()
	start := time.Date(2026, 11, 20, 11, 56, 0, 0, time.UTC)
	a := &Analysis{
		Run: runlog.Manifest{
			StartedAt: start, PlayFromNS: int64(2500 * time.Millisecond), PlayForNS: 30e9, WarmUpNS: 10e9, Machines: 600, Ended: "whole",
		},
		Certificate: []Check{{Name: "lateness p99", Status: passed}, {Name: checkFreeWorker, Status: passed}},
		Invariants:  []Check{{Name: checkOrders, Status: passed}},
		Expect:      []Check{{Name: "create.p99", Want: "< 1s", Got: "212 ms", Status: passed}},
		Latency:     []Latency{{Kind: "create", Response: Quantiles{N: 400, P99: 212e6}}, {Kind: "notify", Response: Quantiles{N: 400, P99: 12e6}}},
		Measures: []Measure{
			{Name: "goodput.offered", Value: 0.998, Samples: 390, Known: true},
			{Name: "backlog.slope", Value: 0.01, Samples: 18, Known: true},
			{Name: "lateness.p99", Value: 1e6, Known: true},
			{Name: "amplification", Value: 1.02, Known: true},
			{Name: "create.max", Unit: "ns", Value: 400e6, Samples: 400, Known: true},
		},
	}
	for s := range 35 {
		phase, mean := "play", 5.0
		switch {
		case s < 3:
			phase, mean = "provision", 0
		case s < 13:
			mean = 50 // while it warms up
		case s > 32:
			phase, mean = "drain", 1
		}
		a.Timeline = append(a.Timeline, runlog.Sample{AtNS: int64(s+1) * 1e9, Phase: phase, InFlightMean: mean})
	}
	dir := t.TempDir()
	f, err := os.Create(filepath.Join(dir, runlog.ResultsFile))
	if err != nil {
		t.Fatal(err)
	}
	enc := vegeta.NewEncoder(f)
	for i := range 20 * 30 {
		due := 2500*time.Millisecond + time.Duration(i)*50*time.Millisecond
		wait := 250 * time.Millisecond
		if due < 12500*time.Millisecond {
			wait = 2 * time.Second
		}
		if err := enc(&vegeta.Result{Attack: "create", Timestamp: start.Add(due), Latency: wait}); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return dir, a
}

func TestTrialThatHoldsEverythingPasses(t *testing.T) {
	dir, a := steadyRun(t)
	got, err := JudgeTrial(dir, a, 400, Evidence{Cores: 2})
	if err != nil {
		t.Fatal(err)
	}
	if got.Outcome != TrialPassed || got.Offered != 20 || math.Abs(got.Goodput-19.96) > 1e-9 || got.CreateP99NS != 212e6 || got.NotifyP99NS != 12e6 || got.Loss {
		t.Errorf("%+v", got)
	}
	// L was counted by heads, lambda and W from answers; both of the time after the warm-up only.
	if l := got.Little; math.Abs(l.L-5) > 1e-9 || math.Abs(l.Rate-20) > 0.1 || math.Abs(l.WaitNS-250e6) > 1 || l.Off > 0.01 {
		t.Errorf("%+v", l)
	}
}

func TestTrialOutcomes(t *testing.T) {
	tests := []struct {
		name    string
		change  func(*Analysis)
		outcome string
		loss    bool
		why     string
	}{
		{"money was lost, under whatever load", func(a *Analysis) {
			a.Invariants[0] = Check{Name: checkOrders, Got: "3 lost", Status: failed}
			a.Certificate[0].Status = failed
		}, TrialFailed, true, "3 lost"},
		{"the load was late", func(a *Analysis) {
			a.Certificate[0] = Check{Name: "lateness p99", Want: "<= 5ms", Got: "9 ms", Status: failed}
		}, TrialInvalid, false, "9 ms, wanted <= 5ms"},
		{"the load was late and the service slow: nobody knows by whose fault", func(a *Analysis) {
			a.Certificate[0] = Check{Name: "lateness p99", Want: "<= 5ms", Got: "9 ms", Status: failed}
			a.Expect[0].Status = failed
		}, TrialInvalid, false, "9 ms, wanted <= 5ms"},
		{"the load was late since all workers waited for a service that was slow", func(a *Analysis) {
			a.Certificate[0].Status, a.Certificate[1].Status = failed, failed
			a.Expect[0].Status, a.Expect[0].Got = failed, "8 s"
		}, TrialFailed, false, "all workers of the harness waited for the service"},
		{"all workers waited, on a machine that others used", func(a *Analysis) {
			a.Certificate[0].Status, a.Certificate[1].Status, a.Expect[0].Status = failed, failed, failed
			a.Run.Machine.Cores = 4 // of which others used one, see below
		}, TrialInvalid, false, ""},
		{"all workers waited, and the run broke off besides", func(a *Analysis) {
			a.Certificate = append(a.Certificate, Check{Name: checkEndedWhole, Status: failed})
			a.Certificate[1].Status, a.Expect[0].Status = failed, failed
		}, TrialInvalid, false, ""},
		{"a limit was missed", func(a *Analysis) { a.Expect[0].Status, a.Expect[0].Got = failed, "1.3 s" }, TrialFailed, false, "create.p99: 1.3 s, wanted < 1s"},
		{"a limit was missed, on a machine that others used", func(a *Analysis) {
			a.Expect[0].Status, a.Expect[0].Got = failed, "1.3 s"
			a.Run.Machine.Cores = 4 // of which others used one, see below
		}, TrialInvalid, false, "create.p99: 1.3 s, wanted < 1s; but others used 1.00 cores"},
		{"goods were late or not there", func(a *Analysis) { a.Measures[0].Value = 0.98 }, TrialFailed, false, "98.00 %, wanted >= 99 %"},
		{"the backlog grew by more than one in a hundred", func(a *Analysis) { a.Measures[1].Value = 0.3 }, TrialFailed, false, "backlog"},
		{"the backlog grew by less than can be told", func(a *Analysis) { a.Measures[1].Value = 0.19 }, TrialPassed, false, ""},
		{"nothing is known of the backlog", func(a *Analysis) { a.Measures[1].Known = false }, TrialInvalid, false, "not known"},
		{"the books cannot tell", func(a *Analysis) { a.Invariants[0].Status = unknown }, TrialInvalid, false, "not known"},
		{"too few sends for a p99, and all of them within", func(a *Analysis) { a.Expect[0].Status = unknown }, TrialPassed, false, ""},
		{"too few sends for a p99, and one of them beyond", func(a *Analysis) {
			a.Expect[0].Status = unknown
			a.Measures[4].Value = 1.2e9
		}, TrialInvalid, false, "create.p99 is not known"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir, a := steadyRun(t)
			tt.change(a)
			e := Evidence{Cores: 4, OtherCores: 0.1}
			if a.Run.Machine.Cores == 4 {
				e.OtherCores = 1
			}
			got, err := JudgeTrial(dir, a, 400, e)
			if err != nil {
				t.Fatal(err)
			}
			if got.Outcome != tt.outcome || got.Loss != tt.loss || !strings.Contains(got.Why, tt.why) || (got.Why == "") != (got.Outcome == TrialPassed) && tt.why != "" {
				t.Errorf("%s, loss %v: %q", got.Outcome, got.Loss, got.Why)
			}
		})
	}
}

func TestProcessorTimeThatWasStolenIsNotBlamedOnTheService(t *testing.T) {
	for _, tt := range []struct {
		name           string
		others, stolen float64
		outcome, why   string
	}{
		{"nobody else had any", 0.1, 0, TrialFailed, "create.p99: 1.3 s, wanted < 1s"},
		{"the host took an eighth of the machine", 0.1, 0.5, TrialInvalid, "but others used 0.10 cores and the host of this virtual machine took 0.50 meanwhile"},
		{"others and the host took an eighth together", 0.25, 0.25, TrialInvalid, "but others used 0.25 cores and the host of this virtual machine took 0.25 meanwhile"},
		{"only the host did", 0, 0.5, TrialInvalid, "but the host of this virtual machine took 0.50 cores meanwhile"},
		{"what others used is not known, and the host took an eighth", -1, 0.5, TrialInvalid, "but the host of this virtual machine took 0.50 cores meanwhile"},
		{"what the host took is not known", 0.3, -1, TrialFailed, "create.p99: 1.3 s, wanted < 1s"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir, a := steadyRun(t)
			a.Expect[0].Status, a.Expect[0].Got = failed, "1.3 s"
			got, err := JudgeTrial(dir, a, 400, Evidence{Cores: 4, OtherCores: tt.others, StealCores: tt.stolen})
			if err != nil || got.Outcome != tt.outcome || !strings.HasSuffix(got.Why, tt.why) {
				t.Errorf("%s: %q, want %s: ...%q; %v", got.Outcome, got.Why, tt.outcome, tt.why, err)
			}
		})
	}
}

func TestATrialIsHopelessWhenManyOrdersMissed(t *testing.T) {
	for _, tt := range []struct {
		goodput  float64
		hopeless bool
	}{{0.999, false}, {0.95, false}, {0.85, true}, {0, true}} {
		dir, a := steadyRun(t)
		a.Measures[0].Value = tt.goodput
		got, err := JudgeTrial(dir, a, 400, Evidence{Cores: 4, OtherCores: 0.1})
		if err != nil || got.Hopeless() != tt.hopeless {
			t.Errorf("goodput %v: %s, hopeless %v, %v", tt.goodput, got.Outcome, got.Hopeless(), err)
		}
	}
	dir, a := steadyRun(t)
	a.Measures[0].Known = false
	if got, _ := JudgeTrial(dir, a, 400, Evidence{}); got.Hopeless() {
		t.Error("hopeless, although nobody knows the goodput")
	}
}

func TestLittleTellsWhenRequestsAreMissing(t *testing.T) {
	dir, a := steadyRun(t)
	for i := range a.Timeline {
		if a.Timeline[i].Phase == "play" {
			a.Timeline[i].InFlightMean = 6
		}
	}
	got, err := JudgeTrial(dir, a, 400, Evidence{})
	if err != nil || math.Abs(got.Little.Off-1.0/6) > 0.01 {
		t.Errorf("%+v, %v", got.Little, err)
	}
}

func TestWarmUpIsLeftOutOfRows(t *testing.T) {
	_, a := steadyRun(t)
	rows := measured(&a.Run, a.Timeline)
	if len(rows) != len(a.Timeline)-10 {
		t.Errorf("%d of %d rows are left", len(rows), len(a.Timeline))
	}
	for _, s := range rows {
		if s.InFlightMean == 50 {
			t.Errorf("the row at %v is of the warm-up", time.Duration(s.AtNS))
		}
	}
	a.Run.WarmUpNS = 0
	if len(measured(&a.Run, a.Timeline)) != len(a.Timeline) {
		t.Error("rows are missing from a run without a warm-up")
	}
}

func TestOrdersOfTheWarmUpAreAuditedAndNotMeasured(t *testing.T) {
	b := wholeRun(t)
	b.manifest.WarmUpNS = 20 * second
	b.many(320) // due every quarter of a second: 80 of them in the warm-up
	plan := b.plan
	for i := range 320 {
		plan += fmt.Sprintf("{\"key\":\"kf%d\",\"due_ns\":%d,\"buyer\":\"pays\",\"device\":\"dispenses\"}\n", i, int64(i)*second/4)
	}
	// Two that never came to an order: one in the warm-up, one after it.
	plan += fmt.Sprintf("{\"key\":\"x1\",\"due_ns\":%d,\"buyer\":\"pays\",\"device\":\"dispenses\"}\n", 5*second)
	b.plan = plan + fmt.Sprintf("{\"key\":\"x2\",\"due_ns\":%d,\"buyer\":\"pays\",\"device\":\"dispenses\"}\n", 50*second)
	b.end()
	a := b.analyse()
	m := byName(a.Measures)
	if got := m["goodput.offered"]; got.Samples != 241 || math.Abs(got.Value-240.0/241) > 1e-9 {
		t.Errorf("goodput of what was offered: %+v", got)
	}
	if a.Audit.PayToDrop.N != 240 {
		t.Errorf("%d orders are measured, 240 came after the warm-up", a.Audit.PayToDrop.N)
	}
	if a.Audit.Payments != 320 || a.Audit.Classes[OKDispensed] != 320 {
		t.Errorf("%d payments, %v: all are audited", a.Audit.Payments, a.Audit.Classes)
	}
}

func TestMeasuresOfFaultsAreKnownAsSuch(t *testing.T) {
	for name, want := range map[string]bool{"stability": true, "goodput.after": true, "notify.p99": false, "goodput.offered": false} {
		if NeedsFault(name) != want {
			t.Errorf("%s: %v", name, !want)
		}
	}
}
