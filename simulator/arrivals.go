package simulator

import (
	"math"
	"time"

	"github.com/lunchrush/lunchrush/scenarios"
)

// area is the trapezium between two knots, in orders.
func area(a, b scenarios.Knot) float64 {
	return float64((a.Rate + b.Rate) / 2 * (b.At - a.At).Seconds())
}

// An inverse walks L^-1 along a curve. Its arguments must ascend, so that a whole plan costs one pass.
type inverse struct {
	curve scenarios.Curve
	knot  int     // the segment is curve[knot] to curve[knot+1]
	below float64 // L at curve[knot]
}

// at returns the moment by which y orders have been offered, in whole microseconds; false past the curve's end.
//
// Within a segment of length d that starts at rate r with slope s, y orders have come when r x + s x^2 / 2 = y, so
// x = 2y / (r + sqrt(r^2 + 2 s y)): the form of the root that is exact for s = 0 and does not cancel for small s.
func (v *inverse) at(y float64) (time.Duration, bool) {
	for ; v.knot+1 < len(v.curve); v.knot++ {
		a, b := v.curve[v.knot], v.curve[v.knot+1]
		size := area(a, b)
		if y > v.below+size || size == 0 {
			v.below += size
			continue
		}
		rest := y - v.below
		length := (b.At - a.At).Seconds()
		slope := (b.Rate - a.Rate) / length
		root := math.Sqrt(max(0, float64(a.Rate*a.Rate)+float64(float64(2*slope)*rest)))
		x := 0.0
		if rest > 0 {
			x = min(length, float64(2*rest)/(a.Rate+root))
		}
		at := a.At + time.Duration(math.Round(float64(x*1e9)))
		return min(at, b.At).Truncate(time.Microsecond), true
	}
	return 0, false
}

// arrivals returns the moments at which orders are due, ascending. "even" spaces them by the curve, t_k = L^-1(k - 1/2);
// "poisson" puts them at L^-1 of cumulative Exp(1).
func arrivals(c scenarios.Curve, kind string, chance *stream) []time.Duration {
	walk := inverse{curve: c}
	due := make([]time.Duration, 0, int(c.Total())+1)
	y := 0.0
	for k := 1; ; k++ {
		if kind == "poisson" {
			y += chance.exponential()
		} else {
			y = float64(k) - 0.5
		}
		at, ok := walk.at(y)
		if !ok {
			return due
		}
		due = append(due, at)
	}
}
