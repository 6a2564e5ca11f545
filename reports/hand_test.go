package reports

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// Whatever a run came to, it is said in the verdict's line that somebody laid a hand on it.
func TestARunThatWasTouchedByHandProvesNothing(t *testing.T) {
	latency := runlog.FaultPlan{ID: "by hand 1: latency 200ms on mysql", What: "latency 200ms", On: "mysql", ByHand: true}
	tests := []struct {
		name   string
		change func(*runlog.Manifest)
		says   string
	}{
		{"a pause", func(m *runlog.Manifest) { m.Pauses = []runlog.Pause{{FromNS: 5e9, ToNS: 17e9}} }, "by hand: paused for 12.0 s"},
		{
			"several pauses", func(m *runlog.Manifest) {
				m.Pauses = []runlog.Pause{{FromNS: 5e9, ToNS: 17e9}, {FromNS: 20e9, ToNS: 23e9}}
			},
			"by hand: paused 2 times, for 15.0 s in all",
		},
		{"a pause without an end", func(m *runlog.Manifest) { m.Pauses = []runlog.Pause{{FromNS: 5e9}} }, "by hand: paused to the run's end"},
		{"a fault", func(m *runlog.Manifest) { m.Faults = []runlog.FaultPlan{latency} }, "by hand: latency 200ms on mysql"},
		{"many faults", func(m *runlog.Manifest) { m.Faults = slices.Repeat([]runlog.FaultPlan{latency}, 5) }, "on mysql; and 2 more faults"},
		{"both", func(m *runlog.Manifest) {
			m.Faults, m.Pauses = []runlog.FaultPlan{latency}, []runlog.Pause{{FromNS: 5e9, ToNS: 17e9}}
		}, "by hand: paused for 12.0 s; latency 200ms on mysql"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			run := &runlog.Manifest{Ended: "whole"}
			tt.change(run)
			checks := []Check{byHand(run)}
			x := &Analysis{Run: *run, Certificate: checks}
			v := decide(x, &audit{run: run})
			if v.Outcome != Inconclusive || v.ExitCode != ExitInconclusive || !strings.Contains(v.Headline, tt.says) {
				t.Errorf("the verdict is %d %s", v.ExitCode, v.Headline)
			}
			x.Expect = []Check{{Name: "notify.p99", Status: failed}}
			if v := decide(x, &audit{run: run}); v.ExitCode != ExitInconclusive {
				t.Errorf("with a limit missed it is %d %s", v.ExitCode, v.Headline)
			}
			x.Invariants = []Check{{Name: checkOrders, Status: failed}}
			if v := decide(x, &audit{run: run}); v.ExitCode != ExitViolated || !strings.Contains(v.Headline, "(by hand: ") {
				t.Errorf("money that is wrong stays wrong, and the hand is told: %d %s", v.ExitCode, v.Headline)
			}
		})
	}
	planned := &runlog.Manifest{Ended: "whole", Faults: []runlog.FaultPlan{{ID: "1", What: "hold", On: "mysql"}}}
	if planned.Touched() {
		t.Error("a fault of the timeline counts as one by hand")
	}
}

func TestTheReportOfATouchedRunSaysWhatWasDone(t *testing.T) {
	a := passedRun()
	a.Run.Pauses = []runlog.Pause{{FromNS: a.Run.PlayFromNS + 10e9, ToNS: a.Run.PlayFromNS + 14e9}}
	a.Faults = append(a.Faults, Fault{
		ID: "by hand 1", What: "latency 200ms", On: "mysql", FromNS: a.Run.PlayFromNS + 16e9, ToNS: a.Run.PlayFromNS + 20e9, Injected: true, Felt: true,
		Evidence: "203ms", Healed: true, ByHand: true,
	})
	page := rendered(t, a)
	for _, want := range []string{"plan held by hand", "by hand: mysql: latency 200ms", `mysql: latency 200ms<span class="note">by hand</span>`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page has no %q", want)
		}
	}
}

func TestTheDayStandsStillInAPause(t *testing.T) {
	m := &runlog.Manifest{
		ClockFrom: "11:00", Speed: 60, PlayFromNS: 1e9, PlayForNS: 60e9, Pauses: []runlog.Pause{{FromNS: 11e9, ToNS: 31e9}},
	}
	c := clockOf(m)
	for at, want := range map[int64]string{11e9: "11:10:00", 20e9: "11:10:00", 31e9: "11:10:00", 41e9: "11:20:00", 81e9: "12:00:00", 84e9: "12:00:00 +3s"} {
		if got := c.at(at); got != want {
			t.Errorf("at %v it is %s, want %s", time.Duration(at), got, want)
		}
	}
	if got := c.moment(11*time.Hour + 20*time.Minute); got != 41e9 {
		t.Errorf("11:20 is at %d", got)
	}
}

func TestThePlannedDemandComesLaterByAPause(t *testing.T) {
	d := NewDemand(10 * time.Second)
	for i := range 100 {
		d.Add(time.Duration(i) * 100 * time.Millisecond)
	}
	m := &runlog.Manifest{PlayFromNS: 1e9, PlayForNS: 10e9}
	whole := d.Points(m)
	if len(whole) != 10 || whole[0].AtNS != 15e8 || whole[9].AtNS != 105e8 || whole[4].Rate != 10 {
		t.Fatalf("without a pause %v", whole)
	}
	m.Pauses = []runlog.Pause{{FromNS: 4e9, ToNS: 9e9}}
	held := d.Points(m)
	last := held[len(held)-1]
	if last.AtNS != whole[9].AtNS+5e9 || len(held) != 14 {
		t.Errorf("%d points, the last at %d", len(held), last.AtNS)
	}
	for _, p := range held {
		if p.AtNS > 4e9 && p.AtNS < 9e9 {
			t.Errorf("%v orders a second are planned at %d, in the pause", p.Rate, p.AtNS)
		}
	}
	if held[4].Rate != 0 || held[5].Rate != 0 {
		t.Errorf("the demand does not stop: %v", held)
	}
	m.Pauses[0].ToNS = 0 // for good
	if cut := d.Points(m); cut[len(cut)-1].AtNS != 4e9 || len(cut) != 5 {
		t.Errorf("held for good: %v", cut)
	}
}

// A live drawing is the report's, with what is not known yet left open.
func TestARunThatGoesOnIsDrawnWithoutAJudgement(t *testing.T) {
	a := failedRun()
	g := &Glance{Run: a.Run, Demand: a.Demand, NowNS: a.Timeline[len(a.Timeline)/2].AtNS}
	for _, s := range a.Timeline {
		if s.AtNS <= g.NowNS {
			s.LossSoFar = 3
			g.Samples = append(g.Samples, s)
		}
	}
	from := g.Samples[len(g.Samples)-3].AtNS
	g.Faults = []LiveFault{
		{Fault: Fault{ID: "1", On: "mysql", What: "hold", FromNS: from, Injected: true}, ForNS: 60e9},
		{Fault: Fault{ID: "2", On: "redis-cache", What: "down", FromNS: from, ToNS: from + 1e9, Injected: true, Felt: true, Evidence: "refused", Healed: true}},
		{Fault: Fault{ID: "3", On: "gate-1", What: "kill", FromNS: g.NowNS + 5e9}, ForNS: 2e9},
		{Fault: Fault{ID: "4", On: "wechat", What: "errors", FromNS: from, ToNS: from + 1e9, Injected: true, Evidence: "no error in 40", Healed: true, ByHand: true}},
	}
	drawn := g.Timeline("timeline", "timeline", 1080)
	for _, want := range []string{
		"mysql: hold (being measured)", "redis-cache: down (felt: refused)", ">gate-1: kill<", "strip fault planned",
		"by hand: wechat: errors (not felt: no error in 40)", "orders in doubt", "judged at the end", "The run goes on.",
	} {
		if !strings.Contains(drawn, want) {
			t.Errorf("the drawing has no %q", want)
		}
	}
	for _, never := range []string{"lost", "first bad moment"} {
		if strings.Contains(drawn, never) {
			t.Errorf("the drawing of a run that goes on says %q", never)
		}
	}
	if (&Glance{Run: a.Run}).Timeline("t", "t", 400) != "" {
		t.Error("a run without a second has a drawing")
	}
}

func TestTheStateOfALiveFault(t *testing.T) {
	tests := []struct {
		name        string
		fault       LiveFault
		state, says string
	}{
		{"of the plan", LiveFault{}, FaultPlanned, ""},
		{"asked for by hand", LiveFault{Fault: Fault{ByHand: true}}, FaultPlanned, "being injected"},
		{"on", LiveFault{Fault: Fault{Injected: true}}, FaultOn, "being measured"},
		{"on and felt", LiveFault{Fault: Fault{Injected: true, Felt: true, Evidence: "x"}}, FaultOn, "felt: x"},
		{"over before it was measured", LiveFault{Fault: Fault{Injected: true, ToNS: 1, Healed: true}}, FaultHealed, "not felt: never measured"},
		{"not injected", LiveFault{Fault: Fault{ByHand: true, Note: "no such table"}}, FaultFailed, "no such table"},
		{"not healed", LiveFault{Fault: Fault{Injected: true, ToNS: 1, Note: "not healed: gone"}}, FaultFailed, "not healed: gone"},
	}
	for _, tt := range tests {
		if got, says := tt.fault.State(), tt.fault.Says(); got != tt.state || says != tt.says {
			t.Errorf("%s: %s, %q", tt.name, got, says)
		}
	}
}
