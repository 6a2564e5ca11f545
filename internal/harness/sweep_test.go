package harness

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

// An idleStack starts nothing.
type idleStack struct {
	testbed.Stack
	closed *int
}

func (idleStack) Engine() string                  { return "no engine" }
func (s idleStack) Close(_ context.Context) error { *s.closed++; return nil }

// A desk is a sweep whose runs are made up: what comes back by itself does so below 11 orders a second, after a long trigger
// below 9.
type desk struct {
	*Sweep
	opened, closed int
	played         []string
	fails          func(n int) error
	told           []string
}

func newDesk(t *testing.T, change func(*Sweep)) *desk {
	t.Helper()
	sc, err := scenarios.Find("notify-storm", Known())
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{fails: func(int) error { return nil }}
	m := NewMap(sc, AsWas, 1, "test")
	m.LoadsPerS, m.TriggersNS = []float64{6, 8, 10, 12, 14}, []int64{int64(9 * time.Second), int64(18 * time.Second)}
	d.Sweep = &Sweep{
		Scenario: sc, Side: AsWas, Map: m, Dir: t.TempDir(), Kick: true, Watch: 3 * time.Minute, Tell: func(line string) { d.told = append(d.told, line) },
		Open: func(context.Context) (*Stage, error) {
			d.opened++
			return &Stage{Choice: testbed.Choice{Name: "desk"}, stack: idleStack{closed: &d.closed}}, nil
		},
		Play: func(_ context.Context, _ *Stage, sc *scenarios.Scenario, label string) (Result, error) {
			d.played = append(d.played, label)
			if err := d.fails(len(d.played)); err != nil {
				return Result{}, err
			}
			limit := 11.0
			if sc.TriggerLength() > 10*time.Second {
				limit = 9
			}
			s := &reports.Stability{Class: reports.Recovering, Why: "made up"}
			if sc.LoadAtFault() > limit {
				s.Class = reports.Metastable
			}
			return Result{Analysis: &reports.Analysis{Stability: s}}, nil
		},
	}
	if change != nil {
		change(d.Sweep)
	}
	return d
}

func TestASweepDrawsItsMapOnOneTestbed(t *testing.T) {
	d := newDesk(t, nil)
	if err := d.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.opened != 1 || d.closed != 1 {
		t.Errorf("%d testbeds were started, %d stopped", d.opened, d.closed)
	}
	back, err := reports.ReadMap(d.Dir)
	if err != nil {
		t.Fatal(err)
	}
	short, long := back.Rows[0], back.Rows[1]
	if !back.Complete || short.UpTo != 10 || short.DownFrom != 12 || long.UpTo != 8 || long.DownFrom != 10 || back.Testbed != "desk" || back.ExitCode() != 0 {
		t.Errorf("%+v", back)
	}
	if len(d.played) > 6 || d.played[0] != "as-was-10-per-s-18s" {
		t.Errorf("played %q", d.played)
	}
	if back.Trigger != "wechat: latency 4s" || back.CapacityPerS != 20 {
		t.Errorf("%q, %v", back.Trigger, back.CapacityPerS)
	}
}

func TestARunThatBreaksOffCostsItsTestbedAndNotTheMap(t *testing.T) {
	d := newDesk(t, nil)
	d.fails = func(n int) error {
		if n == 1 {
			return errors.New("the service\ndied")
		}
		return nil
	}
	if err := d.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if d.opened != 2 || d.closed != 2 || d.played[0] != d.played[1] || !d.Map.Complete {
		t.Errorf("%d testbeds, %d stopped, played %q", d.opened, d.closed, d.played)
	}
	if text := strings.Join(d.told, "\n"); !strings.Contains(text, "the run broke off: the service died") {
		t.Error(text)
	}
}

func TestWhatACellLostBeforeItsRunBrokeOffIsLost(t *testing.T) {
	d := newDesk(t, nil)
	play := d.Play
	d.Play = func(ctx context.Context, stage *Stage, sc *scenarios.Scenario, label string) (Result, error) {
		result, err := play(ctx, stage, sc, label)
		if len(d.played) == 1 {
			result.Analysis.Verdict, err = reports.Verdict{ExitCode: reports.ExitViolated, LossFen: 390}, errors.New("the service died")
		}
		return result, err
	}
	if err := d.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	violated := 0
	for i := range d.Map.Cells {
		if c := &d.Map.Cells[i]; c.Violated && c.LossFen == 390 && c.Tries == 2 {
			violated++
		}
	}
	if violated != 1 {
		t.Errorf("%d cells lost money: %+v", violated, d.Map.Cells)
	}
}

func TestWhatACellLostBeforeTheSweepWasInterruptedIsLost(t *testing.T) {
	d := newDesk(t, nil)
	d.Side, d.Map.Profile = Hardened, Hardened
	ctx, cancel := context.WithCancel(t.Context())
	play := d.Play
	d.Play = func(ctx context.Context, stage *Stage, sc *scenarios.Scenario, label string) (Result, error) {
		result, err := play(ctx, stage, sc, label)
		if len(d.played) == 2 {
			cancel()
			result.Analysis.Verdict, err = reports.Verdict{ExitCode: reports.ExitViolated, LossFen: 390}, ctx.Err()
		}
		return result, err
	}
	if err := d.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if len(d.Map.Cells) != 2 || d.Map.ExitCode() != reports.ExitViolated {
		t.Errorf("exit code %d of %+v", d.Map.ExitCode(), d.Map.Cells)
	}
}

// What is judged when Ctrl-C comes was played whole.
func TestACellThatWasWholeWhenTheSweepWasInterruptedIsKept(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := newDesk(t, nil)
	d.fails = func(n int) error {
		if n == 2 {
			cancel()
		}
		return nil
	}
	if err := d.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if back, err := reports.ReadMap(d.Dir); err != nil || back.Why != "interrupted" || len(back.Cells) != 2 {
		t.Fatalf("%v, %+v", err, back)
	}
}

func TestASweepKeepsItsBudget(t *testing.T) {
	d := newDesk(t, func(s *Sweep) { s.Budget = time.Minute })
	if err := d.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	back, err := reports.ReadMap(d.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.played) != 0 || d.opened != 0 || back.Complete || back.Why != "the budget of 1 min is used up" || back.ExitCode() != reports.ExitInconclusive {
		t.Errorf("played %q, %+v", d.played, back)
	}
}

func TestAnInterruptedSweepGoesOn(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	d := newDesk(t, nil)
	d.fails = func(n int) error {
		if n == 2 {
			cancel()
			return context.Canceled
		}
		return nil
	}
	if err := d.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	back, err := reports.ReadMap(d.Dir)
	if err != nil || back.Complete || back.Why != "interrupted" || len(back.Cells) != 1 || d.closed != 1 {
		t.Fatalf("%v, %+v", err, back)
	}
	again := newDesk(t, func(s *Sweep) { s.Map, s.Dir = back, d.Dir })
	if err := again.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if again.played[0] != d.played[1] || !again.Map.Complete || again.Map.Why != "" {
		t.Errorf("went on with %q after %q", again.played, d.played)
	}
}

func TestACellHasSoMuchLoadThatItCanBeJudged(t *testing.T) {
	d := newDesk(t, nil)
	for _, tt := range []struct {
		name                          string
		load                          float64
		trigger                       time.Duration
		baseline, after, kick, beyond time.Duration
		wantKick                      bool
	}{
		{name: "the scenario's own", load: 12, trigger: 18 * time.Second, baseline: 19 * time.Second, after: 110 * time.Second, kick: 32 * time.Second, beyond: 29 * time.Second, wantKick: true},
		{name: "little load wants wide buckets", load: 4, trigger: 9 * time.Second, baseline: 36 * time.Second, after: 84 * time.Second, kick: 20 * time.Second, beyond: 77 * time.Second, wantKick: true},
		{name: "near the capacity it is watched as long as it may be", load: 19, trigger: 36 * time.Second, baseline: 18 * time.Second, after: 180 * time.Second, kick: 60 * time.Second, beyond: 20 * time.Second, wantKick: true},
		{name: "beyond the capacity no drain is waited for", load: 22, trigger: 9 * time.Second, baseline: 18 * time.Second, after: 63 * time.Second, kick: 20 * time.Second, beyond: 17 * time.Second, wantKick: true},
		{name: "without a lull", load: 12, trigger: 18 * time.Second, baseline: 19 * time.Second, after: 110 * time.Second},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d.Kick = tt.wantKick
			c, err := d.Cell(tt.load, tt.trigger)
			if err != nil {
				t.Fatal(err)
			}
			want := tt.baseline + tt.trigger + tt.after + tt.kick + tt.beyond
			if c.BaselineLength() != tt.baseline || c.Kick.For != tt.kick || c.Length() != want || math.Abs(c.LoadAtFault()-tt.load) > 1e-9 {
				t.Errorf("baseline %v, lull %v, %v in all, want %v", c.BaselineLength(), c.Kick.For, c.Length(), want)
			}
		})
	}
}

func TestMapsOfOtherSettingsAreOtherMaps(t *testing.T) {
	digest := func(change func(*Sweep)) string {
		t.Helper()
		sum, err := newDesk(t, change).Digest()
		if err != nil {
			t.Fatal(err)
		}
		return sum
	}
	same := digest(nil)
	if same != digest(func(s *Sweep) { s.Budget, s.Map.LoadsPerS = time.Hour, nil }) {
		t.Error("a greater budget, or another load, makes another map")
	}
	for name, change := range map[string]func(*Sweep){
		"the other side": func(s *Sweep) { s.Side = Hardened }, "another seed": func(s *Sweep) { s.Map.Seed = 2 },
		"no lull": func(s *Sweep) { s.Kick = false }, "another fault": func(s *Sweep) { s.Scenario.Faults[0].Params["by"] = "3s" },
	} {
		if digest(change) == same {
			t.Errorf("%s is the same map", name)
		}
	}
}
