package reports

import (
	"fmt"
	"math"
	"slices"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports/svg"
)

// An overlay is the timelines of two groups on one clock, which begins with the play.
type overlay struct {
	base  *timeline // of A's first run: it has the plan and the faults of all
	sides [2]overlaid
}

// overlaid is one side: its runs, and the class of its lines.
type overlaid struct {
	name, class string
	runs        []*timeline
}

// runsDrawn bounds the lines of single runs behind a side's median: more are a smear.
const runsDrawn = 12

func newOverlay(c *Comparison) *overlay {
	o := &overlay{sides: [2]overlaid{{name: "A", class: "line a"}, {name: "B", class: "line b"}}}
	for i, g := range []*Group{&c.A, &c.B} {
		for _, a := range g.analyses {
			t := newTimeline(fromPlay(a))
			o.sides[i].runs = append(o.sides[i].runs, t)
			if o.base == nil {
				o.base = t
			}
			o.base.to = max(o.base.to, t.to)
		}
	}
	return o
}

// fromPlay is the analysis with every moment counted from the beginning of the play: how long providing took is no part of a
// comparison.
func fromPlay(a *Analysis) *Analysis {
	x, zero := *a, a.Run.PlayFromNS
	x.Run.PlayFromNS = 0
	if x.Run.DrainedAtNS > 0 {
		x.Run.DrainedAtNS -= zero
	}
	x.Timeline, x.Faults, x.Demand = slices.Clone(a.Timeline), slices.Clone(a.Faults), slices.Clone(a.Demand)
	for i := range x.Timeline {
		x.Timeline[i].AtNS -= zero
	}
	for i := range x.Faults {
		x.Faults[i].FromNS -= zero
		x.Faults[i].ToNS -= zero
	}
	for i := range x.Demand {
		x.Demand[i].AtNS -= zero
	}
	return &x
}

// panels are what the timeline of a report has, with a line for each side: the median of its runs, second by second, and
// behind it the runs themselves.
func (o *overlay) panels() []panel {
	ms := func(v float64) string { return shortSpan(v * 1e6) }
	age := func(v float64) string { return shortSpan(v * 1e9) }
	goodput := panel{name: "goodput, orders/s", height: 90, floor: 1, label: shortNumber, series: []series{
		{name: "planned orders", class: "line planned", area: "fill planned", points: o.base.planned()},
	}}
	for _, side := range o.sides {
		goodput.series = append(goodput.series, series{
			name: side.name, class: side.class, points: side.rate(o.base, func(s *runlog.Sample) int { return s.Dropped }),
		})
	}
	panels := []panel{goodput}
	for _, p := range []struct {
		panel
		state bool
		value func(*runlog.Sample) float64
	}{
		{panel{name: "notify p99", height: 100, log: true, label: ms}, false, func(s *runlog.Sample) float64 { return s.NotifyP99MS }},
		{panel{name: "create p99", height: 100, log: true, label: ms}, false, func(s *runlog.Sample) float64 { return s.CreateP99MS }},
		{panel{name: "backlog", height: 80, floor: 5, label: shortNumber}, true, func(s *runlog.Sample) float64 { return float64(s.Backlog) }},
		{panel{name: "age of the oldest row", height: 70, floor: 1, steps: secondSteps(1), label: age}, true, func(s *runlog.Sample) float64 {
			if s.Backlog < 0 {
				return -1
			}
			return s.BacklogAge
		}},
		{panel{name: "paid orders open", height: 60, floor: 5, label: shortNumber}, true, func(s *runlog.Sample) float64 { return float64(s.Open) }},
		{panel{name: "service, CPU cores", height: 50, floor: 0.5, label: shortNumber}, false, func(s *runlog.Sample) float64 { return s.ServiceCPU }},
	} {
		for _, side := range o.sides {
			if len(side.runs) > 1 {
				for _, run := range side.runs[:min(len(side.runs), runsDrawn)] {
					p.series = append(p.series, series{class: side.class + " faint", points: run.values(p.value)})
				}
			}
		}
		for _, side := range o.sides {
			p.series = append(p.series, series{name: side.name, class: side.class, points: side.median(p.value, p.state)})
		}
		panels = append(panels, p.panel)
	}
	return panels
}

// median is the median of the runs in each second of the play, unknown where no run knows and once fewer than half of the runs
// still go on: those that are left are not what the side was like. A run that has come to its end stays as it was then where
// that is a state, such as a backlog of nothing, and is left out where it is not.
func (s *overlaid) median(value func(*runlog.Sample) float64, state bool) []svg.Point {
	type second struct {
		at     []float64
		values []float64
		runs   int
	}
	last := 0
	for _, run := range s.runs {
		if n := len(run.samples); n > 0 {
			last = max(last, secondOf(&run.samples[n-1]))
		}
	}
	seconds := make([]second, last+1)
	enter := func(at int, ns, v float64) {
		t := &seconds[at]
		t.at, t.runs = append(t.at, ns), t.runs+1
		if v >= 0 && !math.IsInf(v, 0) {
			t.values = append(t.values, v)
		}
	}
	for _, run := range s.runs {
		for i := range run.samples {
			enter(secondOf(&run.samples[i]), float64(run.samples[i].AtNS), value(&run.samples[i]))
		}
		if n := len(run.samples); n > 0 && state && run.a.Run.Ended == "whole" {
			end := &run.samples[n-1]
			for at := secondOf(end) + 1; at <= last; at++ {
				enter(at, float64(end.AtNS)+float64(at-secondOf(end))*1e9, value(end))
			}
		}
	}
	var points []svg.Point
	for _, t := range seconds {
		if t.runs == 0 {
			continue
		}
		at := svg.Point{Y: math.NaN()}
		for _, ns := range t.at {
			at.X += ns / float64(len(t.at))
		}
		if 2*t.runs >= len(s.runs) {
			at.Y = middle(t.values)
		}
		points = append(points, at)
	}
	return points
}

// secondOf is the second of the play in which a sample was taken.
func secondOf(s *runlog.Sample) int { return max(0, int(s.AtNS/1e9)) }

// rate is the mean of the runs' counts over each step of base, as a staircase; a run that has come to its end counts nothing.
func (s *overlaid) rate(base *timeline, count func(*runlog.Sample) int) []svg.Point {
	step := float64(base.step) * 1e9
	var sums []float64
	for _, run := range s.runs {
		for i := range run.samples {
			at := int(max(0, float64(run.samples[i].AtNS)-1) / step)
			for len(sums) <= at {
				sums = append(sums, 0)
			}
			sums[at] += float64(count(&run.samples[i]))
		}
	}
	points := make([]svg.Point, 0, len(sums))
	for at := range sums {
		points = append(points, svg.Point{X: float64(at) * step, Y: sums[at] / float64(base.step) / float64(len(s.runs))})
	}
	return svg.Steps(points, float64(len(sums))*step)
}

// middle is the median, NaN of none.
func middle(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	values = slices.Sorted(slices.Values(values))
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// draw makes the picture width units wide; "" when neither side has samples.
func (o *overlay) draw(id, class string, width float64) string {
	if len(o.base.samples) == 0 {
		return ""
	}
	const left, right = 58.0, 10.0
	d := &svg.Drawing{Width: width}
	x := svg.Scale{Min: 0, Max: o.base.to, From: left, To: width - right}
	panels := o.panels()
	var faults []strip
	for _, s := range o.base.strips() {
		if s.class == "strip fault" {
			faults = append(faults, s)
		}
	}
	top := stripsTop + stripsHeight(faults)
	bottom := top + placePanels(panels, left, width)
	drawStrips(svg.Plot{Drawing: d, X: x, Y: svg.Scale{From: bottom, To: top + panels[0].head}}, faults, width)
	ticks := x.TicksOf(int(width/70), secondSteps(1e9))
	drawPanels(d, x, top, panels, ticks, func(svg.Plot) {})
	d.Text("name", svg.Start, 0, bottom+14, "play")
	svg.Plot{Drawing: d, X: x, Y: svg.Scale{From: bottom}}.XAxis(14, ticks, runLabel(ticks))
	d.Height = bottom + 20
	return d.Markup(id, class, "Both sides over time", o.summary())
}

// summary is the picture in words.
func (o *overlay) summary() string {
	text := "Medians of the runs of each side, second by second since the play began."
	for i := range o.sides {
		s := &o.sides[i]
		backlog, worst := 0.0, 0.0
		for _, p := range s.median(func(x *runlog.Sample) float64 { return float64(x.Backlog) }, true) {
			backlog = max(backlog, known(p.Y))
		}
		for _, p := range s.median(func(x *runlog.Sample) float64 { return x.NotifyP99MS }, false) {
			worst = max(worst, known(p.Y))
		}
		text += fmt.Sprintf(" %s: backlog up to %s rows, notify p99 up to %s.", s.name, count(int64(backlog)), span(int64(worst*1e6)))
	}
	return text
}

// known is v, or 0 where there is nothing.
func known(v float64) float64 {
	if math.IsNaN(v) {
		return 0
	}
	return v
}

// overlaidPercentiles draws the response times of one kind of send of both sides in one plot; "" where a side has too few sends
// for a median.
func overlaidPercentiles(kind string, c *Comparison) string {
	groups := []*Group{&c.A, &c.B}
	var (
		nines = math.Inf(1) // as far as every run reaches
		lines [2][][]svg.Point
		mids  [2][]svg.Point
		all   []svg.Point
		text  string
	)
	for i, g := range groups {
		var curves [][]CurveStep
		for _, a := range g.analyses {
			for _, l := range a.Latency {
				if l.Kind == kind && l.Response.N >= quantileSamples(0.5) && len(l.Curve) > 0 {
					curves = append(curves, l.Curve)
					nines = min(nines, max(1, math.Log10(float64(l.Response.N))))
				}
			}
		}
		if len(curves) == 0 {
			return ""
		}
		for _, curve := range curves {
			lines[i] = append(lines[i], ninesOf(curve, math.Inf(1)))
		}
		mids[i] = ninesOf(middleCurve(curves), math.Inf(1))
	}
	for i, g := range groups {
		for j := range lines[i] {
			lines[i][j] = upTo(lines[i][j], nines)
			all = append(all, lines[i][j]...)
		}
		mids[i] = upTo(mids[i], nines)
		all = append(all, mids[i]...)
		row := func(name string) string {
			for _, r := range c.Rows {
				if r.Name == kind+"."+name {
					return map[string]*Spread{"A": &r.A, "B": &r.B}[g.Name].text(r.Unit)
				}
			}
			return "-"
		}
		text += fmt.Sprintf("%s: median %s, p99 %s. ", g.Name, row("p50"), row("p99"))
	}
	p := percentilePlot(kind, nines, all, percentileKey{"line a", "A"}, percentileKey{"line b", "B"})
	for i, class := range []string{"line a", "line b"} {
		if len(lines[i]) > 1 {
			for _, line := range lines[i][:min(len(lines[i]), runsDrawn)] {
				p.Curve(class+" faint", svg.Thin(line, 170))
			}
		}
	}
	for i, class := range []string{"line a", "line b"} {
		p.Curve(class, svg.Thin(mids[i], 170))
	}
	p.Level("axis", p.Y.Min)
	return p.Markup("percentiles-"+kind, "percentiles", "Response times of "+kind+", A and B", text)
}

// middleCurve is the median of curves at each share that all of them tell. Their steps lie at the same shares but for the last.
func middleCurve(curves [][]CurveStep) []CurveStep {
	if len(curves) == 1 {
		return curves[0]
	}
	at := map[float64][]float64{}
	for _, curve := range curves {
		for _, step := range curve {
			at[step.Quantile] = append(at[step.Quantile], float64(step.NS))
		}
	}
	var steps []CurveStep
	for _, step := range curves[0] {
		if values := at[step.Quantile]; len(values) == len(curves) {
			steps = append(steps, CurveStep{step.Quantile, int64(middle(values))})
		}
	}
	return steps
}

// upTo leaves out the points beyond so many nines.
func upTo(points []svg.Point, nines float64) []svg.Point {
	return slices.DeleteFunc(slices.Clone(points), func(p svg.Point) bool { return p.X > nines })
}

// drawDots is the runs of one measure on a line of their own for each side, A above B, between the least and the greatest; ""
// when all are the same.
func drawDots(r *Row) string {
	if r.A.N+r.B.N < 2 || oneValue(r.A.Values, r.B.Values) {
		return ""
	}
	const width, height = 120.0, 22.0
	d := &svg.Drawing{Width: width, Height: height}
	all := slices.Concat(r.A.Values, r.B.Values)
	x := svg.Scale{Min: slices.Min(all), Max: slices.Max(all), From: 5, To: width - 5}
	for _, side := range []struct {
		class string
		y     float64
		of    *Spread
	}{{"a", 6, &r.A}, {"b", 16, &r.B}} {
		if side.of.N == 0 {
			continue
		}
		d.Line("dots-rule", 0, side.y, width, side.y)
		var points []svg.Point
		for _, v := range side.of.Values {
			points = append(points, svg.Point{X: x.At(v), Y: side.y}, svg.Point{Y: math.NaN()})
		}
		d.Path("dots "+side.class, points)
		d.Line("dots-median "+side.class, x.At(*side.of.Median), side.y-4, x.At(*side.of.Median), side.y+4)
	}
	what := fmt.Sprintf("A %s, B %s", r.A.text(r.Unit), r.B.text(r.Unit))
	return d.Markup("dots-"+r.Name, "dots", r.Name+" run by run", what)
}
