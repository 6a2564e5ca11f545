package reports

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lunchrush/lunchrush/reports/svg"
)

// The measures of a plot of a capacity report, in its own units.
const (
	plotWidth, plotHeight           = 480.0, 300.0
	plotLeft, plotRight             = 56.0, 14.0
	plotTop, plotFoot, plotKeys     = 46.0, 40.0, 26.0
	plotDot                         = 3.6
	plotXTicks, plotYTicks      int = 6, 6
)

// box is an empty plot with a name above it, rules, and what its X axis counts.
func box(name, below string, xTop float64, y svg.Scale, label svg.Label) svg.Plot {
	d := &svg.Drawing{Width: plotWidth, Height: plotHeight}
	x := svg.Scale{Min: 0, Max: xTop}.Up(plotXTicks)
	x.From, x.To = plotLeft, plotWidth-plotRight
	y.From, y.To = plotHeight-plotFoot, plotTop
	p := svg.Plot{Drawing: d, X: x, Y: y}
	ticks := x.Ticks(plotXTicks)
	p.XRules(ticks)
	p.YAxis("", y.Ticks(plotYTicks), label)
	p.XAxis(14, ticks, plainNumber)
	d.Text("name", svg.Start, 0, 12, name)
	d.Text("key", svg.End, plotWidth-plotRight, plotHeight-6, below)
	return p
}

// mark draws a trial by its outcome.
func mark(p svg.Plot, outcome string, x, y float64) {
	switch px, py := p.X.At(x), p.Y.At(y); outcome {
	case TrialPassed:
		p.Dot("trial pass", px, py, plotDot)
	case TrialFailed:
		p.Cross("trial fail", px, py, plotDot)
	default:
		p.Dot("trial invalid", px, py, plotDot)
	}
}

// marksKey explains the marks.
func marksKey(p svg.Plot) {
	x := plotLeft + plotDot
	for _, k := range []struct{ outcome, says string }{{TrialPassed, "passed"}, {TrialFailed, "did not"}, {TrialInvalid, "load not as planned"}} {
		switch k.outcome {
		case TrialPassed:
			p.Dot("trial pass", x, plotKeys+2, plotDot)
		case TrialFailed:
			p.Cross("trial fail", x, plotKeys+2, plotDot)
		default:
			p.Dot("trial invalid", x, plotKeys+2, plotDot)
		}
		p.Text("key", svg.Start, x+8, plotKeys+6, k.says)
		x += 8 + textWidth(k.says) + 14
	}
}

// drawCarried is what ended well over what was offered: on the diagonal all of it did.
func drawCarried(c *Capacity) string {
	top := 0.0
	for _, t := range c.Trials {
		top = max(top, t.Offered)
	}
	if top == 0 {
		return ""
	}
	p := box("orders/s with goods in time", "orders/s offered", top, svg.Scale{Min: 0, Max: top}.Up(plotYTicks), plainNumber)
	edge := min(p.X.Max, p.Y.Max)
	p.Curve("line planned", []svg.Point{{X: 0, Y: 0}, {X: edge, Y: edge}})
	if a := c.Answer; a.Found {
		p.Mark("recovery", a.PerSecond)
		p.Text("key", svg.End, p.X.At(a.PerSecond)-5, plotHeight-plotFoot-6, "carried "+rateText(a.PerSecond))
	}
	for _, t := range c.Trials {
		mark(p, t.Outcome, t.Offered, t.Goodput)
	}
	marksKey(p)
	p.Level("axis", 0)
	return p.Markup("carried", "capacity", "Orders with goods in time over orders offered", c.Headline())
}

// drawTails is the 99th percentiles over the load, with their limits.
func drawTails(c *Capacity) string {
	kinds := []struct {
		name, class, expect string
		of                  func(*CapacityTrial) int64
	}{
		{"create", "create", "create.p99", func(t *CapacityTrial) int64 { return t.CreateP99NS }},
		{"notify", "notify", "notify.p99", func(t *CapacityTrial) int64 { return t.NotifyP99NS }},
		{"paid to goods", "goods", "pay_to_dispense.p99", func(t *CapacityTrial) int64 { return t.DropP99NS }},
	}
	y, top := svg.Scale{Min: math.Inf(1), Log: true}, 0.0
	limits := map[string]float64{}
	for _, k := range kinds {
		for _, e := range c.Load.Expect {
			if name, text, ok := strings.Cut(e, " "); ok && name == k.expect {
				if want, err := ParseCondition(text); err == nil && want.Unit == "ns" && want.Ref == "" {
					limits[k.name] = want.Limit
					y.Max = max(y.Max, want.Limit)
				}
			}
		}
		for i := range c.Trials {
			if v := k.of(&c.Trials[i]); v > 0 {
				y.Min, y.Max, top = min(y.Min, float64(v)), max(y.Max, float64(v)), max(top, c.Trials[i].Offered)
			}
		}
	}
	if math.IsInf(y.Min, 1) {
		return ""
	}
	p := box("99th percentiles", "orders/s offered", top, y.Up(1), shortSpan)
	x := plotLeft
	for _, k := range kinds {
		var points []svg.Point
		for i := range c.Trials {
			if v := k.of(&c.Trials[i]); v > 0 {
				points = append(points, svg.Point{X: c.Trials[i].Offered, Y: float64(v)})
			}
		}
		for _, at := range points {
			p.Dot("dot "+k.class, p.X.At(at.X), p.Y.At(at.Y), plotDot-0.6)
		}
		p.Curve("line "+k.class, medians(c, k.of))
		if limit, ok := limits[k.name]; ok {
			p.Level("limit "+k.class, limit)
		}
		p.Dot("dot "+k.class, x+plotDot, plotKeys+2, plotDot)
		p.Text("key", svg.Start, x+12, plotKeys+6, k.name)
		x += 12 + textWidth(k.name) + 14
	}
	if len(limits) > 0 {
		p.Line("limit", x, plotKeys+2, x+16, plotKeys+2)
		p.Text("key", svg.Start, x+20, plotKeys+6, "limits")
	}
	p.Level("axis", p.Y.Min)
	return p.Markup("tails", "capacity", "99th percentiles over orders offered", c.Headline())
}

// medians is a figure's median at each load, by load.
func medians(c *Capacity, of func(*CapacityTrial) int64) []svg.Point {
	var points []svg.Point
	for _, l := range levelsOf(c.Trials) {
		var values []int64
		offered := 0.0
		for _, t := range c.at(l.machines) {
			if v := of(t); v > 0 {
				values = append(values, v)
				offered += t.Offered
			}
		}
		if len(values) == 0 {
			continue
		}
		slices.Sort(values)
		points = append(points, svg.Point{X: offered / float64(len(values)), Y: float64(values[len(values)/2])})
	}
	return points
}

// drawCurve is the law of scalability with its band, the trials that it is fitted to, and hollow beside them those that had not settled.
func drawCurve(c *Capacity) string {
	u := c.Curve
	if u == nil {
		return ""
	}
	top := 0.0
	var line, low, high []svg.Point
	for _, p := range u.Points {
		line, low, high = append(line, svg.Point{X: p.N, Y: p.X}), append(low, svg.Point{X: p.N, Y: p.Low}), append(high, svg.Point{X: p.N, Y: p.High})
		top = max(top, p.High)
	}
	most := u.To
	for i := range c.Trials {
		if t := &c.Trials[i]; t.told() {
			top, most = max(top, t.Goodput), max(most, t.Little.L)
		}
	}
	p := box("orders/s with goods in time", "sends under way on average, N", most, svg.Scale{Min: 0, Max: top}.Up(plotYTicks), plainNumber)
	p.Between("between", low, high)
	p.Curve("line response", line)
	for i := range c.Trials {
		switch t := &c.Trials[i]; {
		case t.settled():
			mark(p, t.Outcome, t.Little.L, t.Goodput)
		case t.told():
			p.Dot("trial unfitted", p.X.At(t.Little.L), p.Y.At(t.Goodput), plotDot)
		}
	}
	p.Line("line response", plotLeft, plotKeys+2, plotLeft+16, plotKeys+2)
	key := fmt.Sprintf("USL, 95 %% band of %s resamples", count(int64(u.Resamples)))
	p.Text("key", svg.Start, plotLeft+20, plotKeys+6, key)
	if _, out := c.fitted(); out > 0 {
		x := plotLeft + 20 + textWidth(key) + 14
		p.Dot("trial unfitted", x+plotDot, plotKeys+2, plotDot)
		p.Text("key", svg.Start, x+12, plotKeys+6, "not settled, not fitted")
	}
	p.Level("axis", 0)
	return p.Markup("usl", "capacity", "Universal Scalability Law fitted to the trials", c.curveText())
}
