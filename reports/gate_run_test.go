package reports

import (
	"strings"
	"testing"
)

func TestWhatAGateTakesFromARun(t *testing.T) {
	run := func(change func(*Analysis)) GateRun {
		a := passedRun()
		change(a)
		return GateRunOf("run", a)
	}
	measured := func(a *Analysis, name string, value float64, samples int, known bool) {
		a.Measures = append(a.Measures, Measure{Name: name, Value: value, Samples: samples, Known: known, Unit: "ns"})
	}
	whole := run(func(a *Analysis) {
		a.Measures = nil
		measured(a, "create.p50", 82e6, 480, true)
		measured(a, "create.p99", 0, 120, false)
		measured(a, "goodput.ratio", 1, 270, true)
		measured(a, "goodput.offered", 0.75, 360, true)
		measured(a, "result.p50", 1e6, 480, true)
	})
	if whole.Doubt != "" || whole.Broken != "" || whole.Folder != "run" {
		t.Errorf("a run that passed: %+v", whole)
	}
	if v := whole.Values["create.p50"]; v.Value != 82e6 || v.Samples != 480 || v.Why != "" {
		t.Errorf("create.p50 is %+v", v)
	}
	if v := whole.Values["create.p99"]; v.Why != "120 samples are too few: this needs 299" || v.Value != 0 {
		t.Errorf("create.p99 is %+v", v)
	}
	if v := whole.Values["goodput"]; v.Value != 0.75 || v.Samples != 360 {
		t.Errorf("270 goods for 360 orders that were planned, of which 300 were paid: %+v", v)
	}
	for _, name := range []string{"result.p50", "recovery_time", "bid.p50"} {
		if v, ok := whole.Values[name]; ok {
			t.Errorf("%s is taken: %+v", name, v)
		}
	}
	turnedAway := run(func(a *Analysis) {
		a.Measures = nil
		measured(a, "goodput.offered", 0, 360, true)
		a.Audit.Payments, a.Audit.PaidFen, a.Audit.RefundedFen = 0, 0, 0
		a.Invariants = append(a.Invariants, Check{Name: checkMoney, Status: unknown, Note: "no payments"})
	})
	if v := turnedAway.Values["goodput"]; v.Value != 0 || v.Why != "" || turnedAway.Doubt != "" {
		t.Errorf("a build that turned all buyers away: %+v, doubt %q", v, turnedAway.Doubt)
	}
	recovered := run(func(a *Analysis) {
		a.Stability = &Stability{}
		a.Measures = []Measure{{Name: "recovery_time", Value: 3e9, Samples: 9, Known: true, AtLeast: true, Unit: "ns"}}
	})
	if v := recovered.Values["recovery_time"]; v.Value != 3e9 || !v.AtLeast {
		t.Errorf("recovery_time is %+v", v)
	}

	for name, tt := range map[string]struct {
		change        func(*Analysis)
		doubt, broken string
	}{
		"a limit that was missed is the scenario's business": {func(a *Analysis) { a.Expect[0].Status = failed }, "", ""},
		"and one with too few samples":                       {func(a *Analysis) { a.Expect[0].Status = unknown }, "", ""},
		"a load that was not as planned": {
			func(a *Analysis) { a.Certificate[0].Status = failed }, "the run proves nothing", "",
		},
		"money that cannot be judged": {func(a *Analysis) { a.Invariants[0].Status = unknown }, "money and data cannot be judged", ""},
		"money that went wrong": {func(a *Analysis) {
			a.Invariants[0].Status, a.Verdict.Headline = failed, "2 orders lost"
		}, "", "2 orders lost"},
		"money that went wrong under a load that was not as planned": {func(a *Analysis) {
			a.Invariants[0].Status, a.Certificate[0].Status, a.Verdict.Headline = failed, failed, "2 orders lost"
		}, "the run proves nothing", "2 orders lost"},
	} {
		r := run(tt.change)
		if !strings.HasPrefix(r.Doubt, tt.doubt) || (r.Doubt == "") != (tt.doubt == "") || r.Broken != tt.broken {
			t.Errorf("%s: doubt %q, violated %q; want %q, %q", name, r.Doubt, r.Broken, tt.doubt, tt.broken)
		}
	}
}
