package scenarios

import "time"

// A Knot is one corner of a demand curve.
type Knot struct {
	At   time.Duration // since the run's play began: compressed time
	Rate float64       // orders per second of the whole fleet
}

// A Curve is the offered load over a run, linear between its knots, whose At ascend. Two knots at one At are a jump.
// The rate is that of the real day: compression shortens the day, it never raises the load.
type Curve []Knot
