package scenarios

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A Knot is one corner of a demand curve.
type Knot struct {
	At   time.Duration // since the run's play began: compressed time
	Rate float64       // orders per second of the whole fleet
}

// A Curve is the offered load over a run, linear between its knots, whose At ascend. Two knots at one At are a jump.
// The rate is that of the real day: compression shortens the day, it never raises the load.
type Curve []Knot

// Length is how long the plan plays: the clock's span divided by its speed.
func (s *Scenario) Length() time.Duration { return s.compressed(s.Clock.To) }

// At is the moment of the run at which the scenario's clock shows t.
func (s *Scenario) At(t TimeOfDay) time.Duration { return s.compressed(t) }

// TimeOfDay is what the scenario's clock shows at a moment of the run: the reverse of [Scenario.At].
func (s *Scenario) TimeOfDay(at time.Duration) TimeOfDay {
	return s.Clock.From + TimeOfDay(float64(at)*s.Clock.Speed)
}

func (s *Scenario) compressed(t TimeOfDay) time.Duration {
	return time.Duration(float64(t-s.Clock.From) / s.Clock.Speed)
}

// Curve is the scenario's demand in compressed time. It starts at 0 and ends at [Scenario.Length].
//
// A peak lies within its times: the rate begins to rise at From, is full from From+Ramp to To-Ramp, and is back at To.
// A peak that begins before the clock or ends after it is cut there. Where peaks overlap their extra demand adds up
// (x6 and x3 make 1+5+2 = x8): a sum stays linear between knots, so arrivals can be found by inversion in closed form,
// which a product of two ramps would not.
func (s *Scenario) Curve() Curve { return s.curve(s.Demand.PerMachineHour, s.Demand.Peaks) }

// curve is the rate of what each machine sees so often in an hour, with peaks, over the scenario's clock.
func (s *Scenario) curve(perMachineHour float64, peaks []Peak) Curve {
	base := float64(s.Fleet.Machines) * perMachineHour / 3600
	corners := []TimeOfDay{s.Clock.From, s.Clock.To}
	for _, p := range peaks {
		for _, t := range p.corners() {
			if t > s.Clock.From && t < s.Clock.To {
				corners = append(corners, t)
			}
		}
	}
	if s.Kick.For > 0 {
		for _, t := range []TimeOfDay{s.Kick.At, s.kickEnd()} {
			if t > s.Clock.From && t < s.Clock.To {
				corners = append(corners, t)
			}
		}
	}
	slices.Sort(corners)
	var curve Curve
	for _, t := range slices.Compact(corners) {
		before, after := 1.0, 1.0
		for _, p := range peaks {
			left, right := p.height(t)
			// The conversions keep the compiler from fusing multiply and add, which some processors do and others do
			// not: the same scenario must give the same plan everywhere.
			before += float64((p.Times - 1) * left)
			after += float64((p.Times - 1) * right)
		}
		at := s.compressed(t)
		lullBefore, lullAfter := s.lull(t)
		before, after = float64(before*lullBefore), float64(after*lullAfter)
		if t > s.Clock.From {
			curve = append(curve, Knot{at, base * before})
		}
		if t == s.Clock.From || t < s.Clock.To && before != after {
			curve = append(curve, Knot{at, base * after})
		}
	}
	return curve
}

// kickEnd is when the load is back, on the scenario's clock: the kick lasts real time.
func (s *Scenario) kickEnd() TimeOfDay {
	return s.Kick.At + TimeOfDay(float64(s.Kick.For)*s.Clock.Speed)
}

// lull is what the kick leaves of the load just before and just after t. It multiplies the sum of base and peaks, and is
// constant between its ends, so the curve stays linear between knots.
func (s *Scenario) lull(t TimeOfDay) (before, after float64) {
	before, after = 1, 1
	if s.Kick.For <= 0 {
		return before, after
	}
	if t > s.Kick.At && t <= s.kickEnd() {
		before = KickShare
	}
	if t >= s.Kick.At && t < s.kickEnd() {
		after = KickShare
	}
	return before, after
}

func (p Peak) corners() [4]TimeOfDay {
	ramp := TimeOfDay(p.Ramp)
	return [4]TimeOfDay{p.From, p.From + ramp, p.To - ramp, p.To}
}

// height is how much of the peak is there just before and just after t, 0..1. The two differ only where a peak without
// a ramp begins or ends.
func (p Peak) height(t TimeOfDay) (before, after float64) {
	c := p.corners()
	switch {
	case t < c[0] || t > c[3]:
		return 0, 0
	case p.Ramp == 0:
		if t > c[0] {
			before = 1
		}
		if t < c[3] {
			after = 1
		}
		return before, after
	case t < c[1]:
		before = float64(t-c[0]) / float64(p.Ramp)
	case t <= c[2]:
		before = 1
	default:
		before = float64(c[3]-t) / float64(p.Ramp)
	}
	return before, before
}

// Total is the number of orders under the curve.
func (c Curve) Total() float64 {
	orders := 0.0
	for i := 1; i < len(c); i++ {
		orders += float64((c[i].At - c[i-1].At).Seconds() * (c[i].Rate + c[i-1].Rate) / 2)
	}
	return orders
}

// Rate is the offered load at a moment, in orders per second; at a jump it is the rate after it. Outside the curve it
// is 0.
func (c Curve) Rate(at time.Duration) float64 {
	if len(c) == 0 || at < c[0].At || at > c[len(c)-1].At {
		return 0
	}
	// The first knot beyond at: the segment that holds at ends there.
	i, _ := slices.BinarySearchFunc(c, at, func(k Knot, at time.Duration) int {
		if k.At <= at {
			return -1
		}
		return 1
	})
	if i == len(c) {
		return c[len(c)-1].Rate
	}
	a, b := c[i-1], c[i]
	part := float64(at-a.At) / float64(b.At-a.At)
	return a.Rate + float64(part*(b.Rate-a.Rate))
}

// Max is the highest rate, in orders per second.
func (c Curve) Max() float64 {
	if len(c) == 0 {
		return 0
	}
	return slices.MaxFunc(c, func(a, b Knot) int { return cmp.Compare(a.Rate, b.Rate) }).Rate
}

// Steepest is the greatest change of the rate in a second, as a share of the rate, and when that is. Rates below a tenth of the
// highest count as that tenth: a morning's first orders are no disturbance. Jumps are none of it; they are meant.
func (c Curve) Steepest() (perSecond float64, at time.Duration) {
	least := c.Max() / 10
	for i := 1; i < len(c); i++ {
		a, b := c[i-1], c[i]
		if a.At == b.At || a.Rate == b.Rate {
			continue
		}
		change := math.Abs(b.Rate-a.Rate) / (b.At - a.At).Seconds() / max(least, min(a.Rate, b.Rate))
		if change > perSecond {
			perSecond, at = change, a.At
			if b.Rate < a.Rate {
				at = b.At
			}
		}
	}
	return perSecond, at
}

// lowest is the lowest rate; below 0 when lulls overlap.
func (c Curve) lowest() float64 {
	if len(c) == 0 {
		return 0
	}
	return slices.MinFunc(c, func(a, b Knot) int { return cmp.Compare(a.Rate, b.Rate) }).Rate
}
