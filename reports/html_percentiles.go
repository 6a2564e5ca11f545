package reports

import (
	"fmt"
	"math"
	"slices"

	"github.com/lunchrush/lunchrush/reports/svg"
)

// drawPercentiles draws how long each share of the sends of one kind took: the X axis is 1/(1-q) on a log scale, so that
// each nine of a percentile is as wide as the one before. A distance between the two lines is time that a send waited
// before it was made or answered out of turn: load that the service did not keep up with. "" with too few samples for a median:
// one answer is no curve.
func drawPercentiles(l Latency) string {
	if l.Response.N < quantileSamples(0.5) || len(l.Curve) == 0 {
		return ""
	}
	nines := max(1, math.Log10(float64(l.Response.N)))
	response, served := ninesOf(l.Curve, nines), ninesOf(l.Served, nines)
	p := percentilePlot(l.Kind, nines, slices.Concat(response, served),
		percentileKey{"line response", "response (from due)"}, percentileKey{"line service", "service (from send)"})
	p.Curve("line service", svg.Thin(served, 170))
	p.Curve("line response", svg.Thin(response, 170))
	p.Level("axis", p.Y.Min)

	summary := fmt.Sprintf("%s %s sends. Response time: median %s, p99 %s, longest %s. Service time: median %s, p99 %s, longest %s.",
		count(l.Response.N), l.Kind, l.Response.told(50), l.Response.told(99), span(l.Response.Max),
		l.Service.told(50), l.Service.told(99), span(l.Service.Max))
	return p.Markup("percentiles-"+l.Kind, "percentiles", "Latency percentiles of "+l.Kind, summary)
}

// A percentileKey names one line of a percentile plot.
type percentileKey struct{ class, name string }

// percentilePlot is the empty plot for curves that reach up to so many nines: axes that hold all points, the name of the kind
// of send, and a key.
func percentilePlot(kind string, nines float64, points []svg.Point, keys ...percentileKey) svg.Plot {
	const width, height, left, right, top, foot = 400.0, 220.0, 48.0, 12.0, 30.0, 22.0
	d := &svg.Drawing{Width: width, Height: height}
	p := svg.Plot{
		Drawing: d,
		X:       svg.Scale{Min: 0, Max: nines, From: left, To: width - right},
		Y:       svg.Scale{Min: math.Inf(1), From: height - foot, To: top, Log: true},
	}
	for _, at := range points {
		p.Y.Min, p.Y.Max = min(p.Y.Min, at.Y), max(p.Y.Max, at.Y)
	}
	p.Y = p.Y.Up(1)
	ticks := []float64{0, -math.Log10(0.5)}
	for n := 1.0; n <= nines; n++ {
		ticks = append(ticks, n)
	}
	p.XRules(ticks[1:])
	p.YAxis(kind, p.Y.Ticks(6), shortSpan)
	p.XAxis(14, ticks, func(v float64) string {
		switch v {
		case 0:
			return "fastest"
		case ticks[1]:
			return "50%"
		}
		q := 100 - 100*math.Pow(10, -v)
		return fmt.Sprintf("%.*f%%", max(0, int(v)-2), q)
	})
	x := left + textWidth(kind)*1.1 + 10
	for _, key := range keys {
		d.Line(key.class, x, top-9.5, x+16, top-9.5)
		d.Text("key", svg.Start, x+20, top-6, key.name)
		x += 20 + textWidth(key.name) + 12
	}
	return p
}

// ninesOf places the steps of a curve by their nines, -log10(1-q); the last step, q = 1, stands at the edge.
func ninesOf(curve []CurveStep, edge float64) []svg.Point {
	points := make([]svg.Point, 0, len(curve))
	for _, step := range curve {
		nines := edge
		if step.Quantile < 1 {
			nines = min(edge, -math.Log10(1-max(step.Quantile, 0)))
		}
		if step.NS > 0 {
			points = append(points, svg.Point{X: nines, Y: float64(step.NS)})
		}
	}
	return points
}
