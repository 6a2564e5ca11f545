package reports

import (
	"math"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// demandPoints is about how many points the planned demand is drawn with.
const demandPoints = 180

// A Demand counts a plan's orders over its length, to be drawn.
type Demand struct {
	length, bin time.Duration
	orders      []int // of each bin
}

// NewDemand is that of a plan so long, which must be more than nothing.
func NewDemand(length time.Duration) *Demand {
	bin := max(time.Second, (length / demandPoints).Round(time.Second))
	return &Demand{length: length, bin: bin, orders: make([]int, min(length/bin+1, 100*demandPoints))}
}

// Add counts an order that is due then by the plan.
func (d *Demand) Add(due time.Duration) {
	if b := int(due / d.bin); b >= 0 && b < len(d.orders) {
		d.orders[b]++
	}
}

// Points is the demand at its moments of the run: later by the run's pauses, in which there is none.
func (d *Demand) Points(run *runlog.Manifest) []DemandPoint {
	var points []DemandPoint
	before := 0.0
	pauses := run.Pauses
	for i, n := range d.orders {
		from := time.Duration(i) * d.bin
		width := min(d.bin, d.length-from)
		if width < d.bin/2 {
			break // a sliver at the end would only show noise
		}
		rate := float64(n) / width.Seconds()
		at := run.Moment(int64(from + width/2))
		for len(pauses) > 0 && pauses[0].FromNS < at {
			p := pauses[0]
			pauses = pauses[1:]
			if p.ToNS == p.FromNS {
				continue
			}
			points = append(points, DemandPoint{AtNS: p.FromNS, Rate: before}, DemandPoint{AtNS: p.FromNS})
			if p.ToNS != 0 {
				points = append(points, DemandPoint{AtNS: p.ToNS}, DemandPoint{AtNS: p.ToNS, Rate: rate})
			}
		}
		if at == math.MaxInt64 {
			break // held for good
		}
		points = append(points, DemandPoint{AtNS: at, Rate: rate})
		before = rate
	}
	return points
}
