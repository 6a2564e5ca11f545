package harness

import (
	"context"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/reports"
)

func method(budget time.Duration) reports.CapacityMethod {
	return reports.CapacityMethod{Growth: 1.5, Resolution: 0.03, Majority: 3, ConfirmNeed: 4, ConfirmOf: 5, BudgetNS: int64(budget)}
}

func TestLengthOfTrialsIsDecidedByTheBudget(t *testing.T) {
	tests := []struct {
		name          string
		budget        time.Duration
		warm, measure time.Duration // 0: not looked at
		gaveUp        []string
	}{
		{"no budget, the full method", 0, fullWarmUp, fullMeasure, nil},
		{"an hour, the full method", time.Hour, fullWarmUp, fullMeasure, nil},
		{"a quarter of an hour, shorter trials", 15 * time.Minute, 0, 0, []string{"length: "}},
		{"five minutes, the shortest, and fewer", 5 * time.Minute, leastWarmUp, LeastMeasure, []string{"length: ", "count: "}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := fit(method(tt.budget), 600, 1)
			if tt.warm > 0 && (m.WarmUpNS != int64(tt.warm) || m.MeasureNS != int64(tt.measure)) {
				t.Errorf("%v + %v", time.Duration(m.WarmUpNS), time.Duration(m.MeasureNS))
			}
			if len(m.GaveUp) != len(tt.gaveUp) {
				t.Fatalf("gave up %q, want %q", m.GaveUp, tt.gaveUp)
			}
			for i, want := range tt.gaveUp {
				if !strings.HasPrefix(m.GaveUp[i], want) {
					t.Errorf("gave up %q, want %q", m.GaveUp, tt.gaveUp)
				}
			}
		})
	}
}

func TestTrialsThatAreToldTheirLengthKeepIt(t *testing.T) {
	m := method(3 * time.Minute)
	m.WarmUpNS, m.MeasureNS = 3e9, 20e9
	if got := fit(m, 600, 1); got.WarmUpNS != 3e9 || got.MeasureNS != 20e9 || len(got.GaveUp) > 0 {
		t.Errorf("%+v", got)
	}
}

func TestMoreBudgetNeverMeansShorterTrials(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		less := rapid.Int64Range(int64(2*time.Minute), int64(time.Hour)).Draw(t, "less")
		more := less + rapid.Int64Range(0, int64(time.Hour)).Draw(t, "more")
		start := rapid.IntRange(1, 20_000).Draw(t, "start")
		a, b := fit(method(time.Duration(less)), start, 1), fit(method(time.Duration(more)), start, 1)
		if b.WarmUpNS < a.WarmUpNS || b.MeasureNS < a.MeasureNS || a.MeasureNS < int64(LeastMeasure) || a.WarmUpNS < int64(leastWarmUp) {
			t.Fatalf("%v: %d + %d; %v: %d + %d", less, a.WarmUpNS, a.MeasureNS, more, b.WarmUpNS, b.MeasureNS)
		}
	})
}

// A search on a service of known capacity, on a clock that a trial moves on, ends within its budget whatever a trial costs
// beside its play; and a quarter of an hour is enough where it costs what was reckoned with.
func TestSearchKeepsItsBudgetWhateverATrialCosts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := &known{capacity: rapid.Float64Range(700, 15_000).Draw(t, "capacity")}
		budget := time.Duration(rapid.Int64Range(int64(2*time.Minute), int64(time.Hour)).Draw(t, "budget"))
		base := time.Duration(rapid.Int64Range(0, int64(30*time.Second)).Draw(t, "beside"))
		m := fit(method(budget), 600, 1)
		clock := 10 * time.Second
		p := &purse{budget: budget, spent: func() time.Duration { return clock }, length: func(int) time.Duration { return time.Duration(m.WarmUpNS + m.MeasureNS) }}
		s := methods(nil)
		s.afford = p.affords
		beside := time.Duration(0) // of all trials
		s.trial = func(ctx context.Context, step string, load int) (string, error) {
			took := p.length(load) + base + overheadMachines*time.Duration(load)
			beside += took - p.length(load)
			clock += took
			p.paid(load, took)
			return k.trial(ctx, step, load)
		}
		f, err := s.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		// The first trial is played before anything is known of what one costs.
		if clock > budget && len(k.trials) > 1 {
			t.Fatalf("%v of %v after %d trials", clock, budget, len(k.trials))
		}
		if f.lower > 0 && float64(f.lower) > k.capacity {
			t.Fatalf("%d passed", f.lower)
		}
		mean := beside / time.Duration(max(1, len(k.trials)))
		if budget >= 15*time.Minute && mean <= reckoned(600) && (!f.confirmed || float64(f.upper) > 1.03*float64(f.lower)+1) {
			t.Fatalf("%+v in %v of %v after %d trials that took %v beside their play", f, clock, budget, len(k.trials), mean)
		}
	})
}
