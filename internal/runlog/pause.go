package runlog

import "math"

// A Pause is a time for which somebody held the plan by hand: nothing that was due by the plan alone left, and all that the
// plan still had came so much later. What was under way went on.
type Pause struct {
	FromNS int64 `json:"from_ns"` // since the run's start: what was due later was held
	ToNS   int64 `json:"to_ns"`   // 0: the run ended before the pause did
}

// Touched reports whether somebody did anything to the run by hand. Its load is then not the one that was planned.
func (m *Manifest) Touched() bool {
	if len(m.Pauses) > 0 {
		return true
	}
	for _, f := range m.Faults {
		if f.ByHand {
			return true
		}
	}
	return false
}

// Moment is when a moment of the plan falls, since the run's start: later by all pauses before it. What a pause that never
// ended held is due never, [math.MaxInt64].
func (m *Manifest) Moment(planNS int64) int64 {
	at := m.PlayFromNS + planNS
	for _, p := range m.Pauses {
		switch {
		case at <= p.FromNS:
			return at
		case p.ToNS == 0:
			return math.MaxInt64
		}
		at += max(0, p.ToNS-p.FromNS)
	}
	return at
}

// PlanEnd is when the plan was over, since the run's start; where it was held for good, from when on.
func (m *Manifest) PlanEnd() int64 {
	if end := m.Moment(m.PlayForNS); end != math.MaxInt64 {
		return end
	}
	return m.Pauses[len(m.Pauses)-1].FromNS
}

// PlanAt is the moment of the plan at a moment of the run; it stands still in a pause.
func (m *Manifest) PlanAt(atNS int64) int64 {
	planned := atNS - m.PlayFromNS
	for _, p := range m.Pauses {
		to := p.ToNS
		if to == 0 || to > atNS {
			to = atNS
		}
		planned -= max(0, to-p.FromNS)
	}
	return planned
}
