package runlog

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestAPauseMovesWhatThePlanStillHas(t *testing.T) {
	m := Manifest{PlayFromNS: 1000, Pauses: []Pause{{FromNS: 1100, ToNS: 1150}, {FromNS: 1300, ToNS: 1400}}}
	tests := []struct {
		name    string
		planned int64
		at      int64
	}{
		{"before the first pause nothing moves", 40, 1040},
		{"what was due when it began still leaves", 100, 1100},
		{"what comes next is later by the pause", 101, 1151},
		{"up to where the second begins", 250, 1300},
		{"and after it by both", 251, 1401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := m.Moment(tt.planned); got != tt.at {
				t.Errorf("%d of the plan falls at %d, want %d", tt.planned, got, tt.at)
			}
			if got := m.PlanAt(tt.at); got != tt.planned {
				t.Errorf("at %d the plan is at %d, want %d", tt.at, got, tt.planned)
			}
		})
	}
	for at := int64(1100); at <= 1150; at += 10 {
		if got := m.PlanAt(at); got != 100 {
			t.Errorf("in the pause, at %d, the plan is at %d", at, got)
		}
	}
}

func TestAPauseThatNeverEndedHoldsTheRestForGood(t *testing.T) {
	m := Manifest{PlayFromNS: 1000, Pauses: []Pause{{FromNS: 1100}}}
	if got := m.Moment(101); got != math.MaxInt64 {
		t.Errorf("what was held is due at %d", got)
	}
	if got := m.Moment(100); got != 1100 {
		t.Errorf("what was not held is due at %d", got)
	}
	m.PlayForNS = 500
	if got := m.PlanEnd(); got != 1100 {
		t.Errorf("the plan ended at %d", got)
	}
	if got := m.PlanAt(5000); got != 100 {
		t.Errorf("the plan is at %d", got)
	}
}

func TestMomentsOfThePlanAreFoundAgain(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := Manifest{PlayFromNS: rapid.Int64Range(1, 1e6).Draw(t, "from")} // a pause that ends at 0 never ended
		at := m.PlayFromNS
		for range rapid.IntRange(0, 5).Draw(t, "pauses") {
			from := at + rapid.Int64Range(0, 1e6).Draw(t, "after")
			at = from + rapid.Int64Range(0, 1e6).Draw(t, "long")
			m.Pauses = append(m.Pauses, Pause{FromNS: from, ToNS: at})
		}
		planned := rapid.SliceOfN(rapid.Int64Range(0, 1e7), 2, 20).Draw(t, "planned")
		slices.Sort(planned)
		var before int64
		for i, p := range planned {
			moment := m.Moment(p)
			if got := m.PlanAt(moment); got != p {
				t.Fatalf("%d falls at %d, where the plan is at %d", p, moment, got)
			}
			if i > 0 && moment < before {
				t.Fatalf("the plan's order is lost at %d", p)
			}
			before = moment
		}
	})
}
