package reports

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports/svg"
)

// A timeline is the picture of a run over time: panels under each other that share the X axis.
type timeline struct {
	a        *Analysis
	clock    wallClock
	samples  []runlog.Sample // from the play's beginning on
	from, to float64         // ns
	step     int             // samples that one rate is the mean of
	live     *Glance         // nil: the run is over, and judged
}

// A series is one line of a panel.
type series struct {
	name, class string
	area        string // class of the area below it, "" for none
	points      []svg.Point
}

// A panel is one plot of the timeline.
type panel struct {
	name   string
	height float64
	log    bool
	steps  []float64 // of the ticks where 1, 2, 5 are not round: seconds
	floor  float64   // the axis reaches at least to here
	label  svg.Label
	series []series

	keys    []svg.Point // where each series' key stands: X, and Y as its row
	keyRows int
	head    float64 // room above the box for the panel's name and the keys
}

func newTimeline(a *Analysis) *timeline {
	t := &timeline{a: a, clock: clockOf(&a.Run)}
	for _, s := range a.Timeline {
		if s.AtNS > a.Run.PlayFromNS {
			t.samples = append(t.samples, s)
		}
	}
	slices.SortStableFunc(t.samples, func(x, y runlog.Sample) int { return cmp.Compare(x.AtNS, y.AtNS) })
	t.from = float64(a.Run.PlayFromNS)
	t.to = float64(a.Run.PlanEnd())
	if n := len(t.samples); n > 0 {
		t.to = max(float64(t.samples[n-1].AtNS), t.from+1e9)
	}
	t.step = t.rateStep()
	return t
}

// rateStep is over how many samples a rate is taken: enough for five orders, and no more than a hundred steps in all, so
// that the picture shows the load and not the noise of counting.
func (t *timeline) rateStep() int {
	orders, play := 0, 0
	for _, s := range t.samples {
		if s.Phase == "play" {
			orders, play = orders+s.Creates, play+1
		}
	}
	mean := float64(orders) / float64(max(play, 1))
	for _, step := range []int{1, 2, 5, 10, 15, 30, 60, 120, 300, 600} {
		if len(t.samples) <= step*100 && mean*float64(step) >= 5 {
			return step
		}
		if len(t.samples) <= step*20 {
			return step
		}
	}
	return 600
}

// rates is the mean of count over each step, as a staircase.
func (t *timeline) rates(count func(*runlog.Sample) int) []svg.Point {
	var points []svg.Point
	before := t.from
	for i := 0; i < len(t.samples); i += t.step {
		group := t.samples[i:min(i+t.step, len(t.samples))]
		sum := 0
		for j := range group {
			sum += count(&group[j])
		}
		end := float64(group[len(group)-1].AtNS)
		points = append(points, svg.Point{X: before, Y: float64(sum) / max((end-before)/1e9, 0.1)})
		before = end
	}
	return svg.Steps(points, before)
}

// values is one figure a sample; below zero it is unknown, a gap.
func (t *timeline) values(value func(*runlog.Sample) float64) []svg.Point {
	points := make([]svg.Point, len(t.samples))
	for i := range t.samples {
		y := value(&t.samples[i])
		if y < 0 || math.IsInf(y, 0) {
			y = math.NaN()
		}
		points[i] = svg.Point{X: float64(t.samples[i].AtNS), Y: y}
	}
	return points
}

func (t *timeline) planned() []svg.Point {
	points := make([]svg.Point, 0, len(t.a.Demand))
	for i, d := range t.a.Demand {
		at := svg.Point{X: float64(d.AtNS), Y: d.Rate}
		if at.X > t.to { // the run was cut short: the plan goes on, the picture ends
			if i > 0 {
				before := t.a.Demand[i-1]
				part := (t.to - float64(before.AtNS)) / (at.X - float64(before.AtNS))
				points = append(points, svg.Point{X: t.to, Y: before.Rate + part*(at.Y-before.Rate)})
			}
			break
		}
		points = append(points, at)
	}
	return points
}

func (t *timeline) panels() []panel {
	ms := func(v float64) string { return shortSpan(v * 1e6) }
	plain := func(v float64) string { return shortNumber(v) }
	age := func(v float64) string { return shortSpan(v * 1e9) }
	any := func(value func(*runlog.Sample) int) bool {
		return slices.ContainsFunc(t.samples, func(s runlog.Sample) bool { return value(&s) > 0 })
	}
	refunds := func(s *runlog.Sample) int { return s.Refunds }
	loss := func(s *runlog.Sample) int { return s.LossSoFar }

	load := panel{name: "orders/s", height: 120, floor: 1, label: plain, series: []series{
		{name: "planned", class: "line planned", area: "fill planned", points: t.planned()},
		{name: "asked for", class: "line offered", points: t.rates(func(s *runlog.Sample) int { return s.Creates })},
		{name: "goodput", class: "line goodput", points: t.rates(func(s *runlog.Sample) int { return s.Dropped })},
	}}
	if any(refunds) {
		load.series = append(load.series, series{name: "refunds", class: "line bad", points: t.rates(refunds)})
	}
	panels := []panel{load, {
		name: "response", height: 130, log: true, label: ms, series: []series{
			{name: "notify p50", class: "line notify low", points: t.values(func(s *runlog.Sample) float64 { return s.NotifyP50MS })},
			{name: "notify p99", class: "line notify", points: t.values(func(s *runlog.Sample) float64 { return s.NotifyP99MS })},
			{name: "create p50", class: "line create low", points: t.values(func(s *runlog.Sample) float64 { return s.CreateP50MS })},
			{name: "create p99", class: "line create", points: t.values(func(s *runlog.Sample) float64 { return s.CreateP99MS })},
		},
	}, {
		name: "backlog", height: 80, floor: 5, label: plain, series: []series{
			{
				name: "pay_queue rows waiting", class: "line backlog", area: "fill backlog",
				points: t.values(func(s *runlog.Sample) float64 { return float64(s.Backlog) }),
			},
		},
	}, {
		name: "oldest", height: 60, floor: 1, steps: secondSteps(1), label: age, series: []series{
			{
				name: "age of the oldest row", class: "line backlog", area: "fill backlog",
				points: t.values(func(s *runlog.Sample) float64 {
					if s.Backlog < 0 {
						return -1
					}
					return s.BacklogAge
				}),
			},
		},
	}, {
		name: "paid orders open", height: 60, floor: 5, label: plain, series: []series{
			{name: "neither goods nor money back yet", class: "line offered", points: t.values(func(s *runlog.Sample) float64 { return float64(s.Open) })},
		},
	}}
	if any(loss) {
		name, so := "orders lost", "proven by the books so far"
		if t.live != nil {
			name, so = "orders in doubt", "goods and money both, or twice, so far; judged at the end"
		}
		panels = append(panels, panel{name: name, height: 60, floor: 5, label: plain, series: []series{
			{
				name: so, class: "line bad", area: "fill bad",
				points: t.values(func(s *runlog.Sample) float64 { return float64(s.LossSoFar) }),
			},
		}})
	}
	if workers, ever := t.workers(); ever {
		panels = append(panels, workers)
	}
	panels = append(panels, panel{name: "CPU cores", height: 50, floor: 0.5, label: plain, series: []series{
		{name: "service", class: "line create", points: t.values(func(s *runlog.Sample) float64 { return s.ServiceCPU })},
		{name: "harness", class: "line planned", points: t.values(func(s *runlog.Sample) float64 { return s.HarnessCPU })},
	}})
	return panels
}

// draw makes the picture width units wide.
func (t *timeline) draw(id, class string, width float64) string {
	if len(t.samples) == 0 {
		return ""
	}
	const left, right = 58.0, 10.0
	d := &svg.Drawing{Width: width}
	x := svg.Scale{Min: t.from, Max: t.to, From: left, To: width - right}
	panels := t.panels()

	strips := t.strips()
	top := stripsTop + stripsHeight(strips)
	bottom := top + placePanels(panels, left, width)

	clockTicks, runTicks := t.clockTicks(x, int(width/90)), x.TicksOf(int(width/70), secondSteps(1e9))
	drawStrips(svg.Plot{Drawing: d, X: x, Y: svg.Scale{From: bottom, To: top + panels[0].head}}, strips, width)
	drawPanels(d, x, top, panels, clockTicks, func(box svg.Plot) {
		if t.since() {
			box.Mark("since", float64(t.a.Verdict.Since))
		}
	})
	foot := svg.Plot{Drawing: d, X: x, Y: svg.Scale{From: bottom}}
	line := 14.0
	if len(clockTicks) > 0 {
		d.Text("name", svg.Start, 0, bottom+line, "clock")
		foot.XAxis(line, clockTicks, func(v float64) string {
			day := t.clock.day(int64(math.Round(v)))
			return timeOfDay(day, int64(day.Round(time.Second)/time.Second)%60 != 0)
		})
		line += 14
	}
	d.Text("name", svg.Start, 0, bottom+line, "run")
	foot.XAxis(line, runTicks, runLabel(runTicks))
	d.Height = bottom + line + 6
	return d.Markup(id, class, "The run over time", t.summary(),
		svg.Attribute{Name: "data-left", Value: plainNumber(left)}, svg.Attribute{Name: "data-right", Value: plainNumber(width - right)},
		svg.Attribute{Name: "data-foot", Value: plainNumber(bottom)}, svg.Attribute{Name: "tabindex", Value: "0"})
}

func (p panel) scale(foot, top float64) svg.Scale {
	s := svg.Scale{Min: math.Inf(1), Max: p.floor, From: foot, To: top, Log: p.log}
	for _, line := range p.series {
		for _, at := range line.points {
			if math.IsNaN(at.Y) || math.IsInf(at.Y, 0) || p.log && at.Y <= 0 {
				continue
			}
			s.Min, s.Max = min(s.Min, at.Y), max(s.Max, at.Y)
		}
	}
	if p.log {
		if math.IsInf(s.Min, 1) {
			s.Min, s.Max = 1, 10
		}
		return s.Up(1)
	}
	s.Min = 0
	if p.steps != nil {
		return s.UpOf(p.room(), p.steps)
	}
	return s.Up(p.room())
}

func (p panel) ticks(s svg.Scale) []float64 {
	if p.steps != nil {
		return s.TicksOf(p.room(), p.steps)
	}
	return s.Ticks(p.room())
}

// room is how many ticks the panel is high enough for.
func (p panel) room() int { return max(int(p.height/25), 2) }

// placeKeys finds room for the series' names beside the panel's own name, in as many rows as they need.
func (p *panel) placeKeys(left, width float64) {
	x, row := left+textWidth(p.name)*1.1+10, 0
	p.keys = p.keys[:0]
	for _, s := range p.series {
		if s.name == "" {
			p.keys = append(p.keys, svg.Point{})
			continue
		}
		needs := 20 + textWidth(s.name)
		if x+needs > width && x > left {
			x, row = left, row+1
		}
		p.keys = append(p.keys, svg.Point{X: x, Y: float64(row)})
		x += needs + 12
	}
	p.keyRows = row + 1
}

// textWidth is about how wide s is at the charts' 11 units; the drawing cannot ask the browser.
// It reckons with a wide face: too much room is no harm, and letters over letters cannot be read.
func textWidth(s string) float64 { return float64(len([]rune(s))) * 6.3 }

func (t *timeline) clockTicks(x svg.Scale, n int) []float64 {
	if !t.clock.known {
		return nil
	}
	last := t.clock.from + time.Duration(float64(t.clock.play)*t.clock.speed)
	day := svg.Scale{Min: t.clock.from.Seconds(), Max: last.Seconds()}
	n = max(2, int(float64(n)*float64(t.clock.play)/(x.Max-x.Min)))
	steps := []float64{1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 3 * 3600, 6 * 3600, 12 * 3600}
	ticks := day.TicksOf(n, steps)
	for i, s := range ticks {
		ticks[i] = float64(t.clock.moment(time.Duration(s * float64(time.Second))))
	}
	return slices.DeleteFunc(ticks, func(at float64) bool { return at > t.to }) // held for good, or not played
}

// runLabel labels the moments of the run, all of them in minutes or all in seconds.
func runLabel(ticks []float64) svg.Label {
	unit, name := 60e9, " min"
	for _, v := range ticks {
		if math.Mod(v, unit) != 0 {
			unit, name = 1e9, " s"
			break
		}
	}
	return func(v float64) string { return shortNumber(v/unit) + name }
}

// secondSteps are round numbers of seconds, of so many units each.
func secondSteps(unit float64) []float64 {
	steps := []float64{1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 4 * 3600}
	for i := range steps {
		steps[i] *= unit
	}
	return steps
}

// summary is the picture in words, for those who cannot see it.
func (t *timeline) summary() string {
	orders, goods, backlog, age := 0, 0, 0, 0.0
	for _, s := range t.samples {
		orders, goods = orders+s.Creates, goods+s.Dropped
		backlog, age = max(backlog, s.Backlog), max(age, s.BacklogAge)
	}
	says := fmt.Sprintf("From %s to %s: %s orders asked for, goods fell in time for %s. The backlog was highest at %s rows; the oldest row waited %s.",
		seconds(int64(t.from)), seconds(int64(t.to)), count(int64(orders)), count(int64(goods)), count(int64(backlog)), span(int64(age*1e9)))
	if t.live != nil {
		return says + " The run goes on."
	}
	return says + " The table below the chart has the figures."
}

// readout is what the page's script shows of the second under the pointer: names once, then one row a sample.
type readout struct {
	From  float64  `json:"from"` // seconds since the run's start
	To    float64  `json:"to"`
	Names []string `json:"names"`
	Rows  [][]any  `json:"rows"` // second, clock, then one value a name; null is unknown
}

// rowLimit bounds what a page carries: past it, rows are left out evenly.
const rowLimit = 3600

func (t *timeline) readout() readout {
	r := readout{
		From: t.from / 1e9, To: t.to / 1e9,
		Names: []string{"orders", "goods", "refunds", "notify p50 ms", "p99", "create p50 ms", "p99", "backlog", "oldest s", "open", "lost"},
	}
	every := 1 + len(t.samples)/rowLimit
	for i := 0; i < len(t.samples); i += every {
		s := &t.samples[i]
		r.Rows = append(r.Rows, []any{
			jsonNumber(float64(s.AtNS) / 1e9), t.clock.at(s.AtNS), s.Creates, s.Dropped, s.Refunds,
			jsonNumber(s.NotifyP50MS), jsonNumber(s.NotifyP99MS), jsonNumber(s.CreateP50MS), jsonNumber(s.CreateP99MS),
			jsonNumber(float64(s.Backlog)), jsonNumber(s.BacklogAge), s.Open, s.LossSoFar,
		})
	}
	return r
}

// jsonNumber keeps a figure short in JSON; what is unknown is null.
func jsonNumber(v float64) any {
	if v < 0 || math.IsNaN(v) || math.IsInf(v, 0) {
		return nil
	}
	decimals := 1
	if v >= 100 {
		decimals = 0
	}
	return json.Number(strconv.FormatFloat(v, 'f', decimals, 64))
}

// A tableRow is one stretch of the run in figures.
type tableRow struct {
	At, Clock, Phase                               string
	Creates, Dropped, Refunds, Backlog, Open, Lost int
	NotifyP99, CreateP99, Age                      string
}

// table is the timeline in at most about 40 rows: sums of counts, the highest of everything else.
func (t *timeline) table() []tableRow {
	every := max(1, (len(t.samples)+39)/40)
	var rows []tableRow
	for group := range slices.Chunk(t.samples, every) {
		last := group[len(group)-1]
		row := tableRow{At: seconds(last.AtNS), Clock: t.clock.at(last.AtNS), Phase: last.Phase, Backlog: -1, Lost: last.LossSoFar}
		notify, create, age := -1.0, -1.0, -1.0
		for _, s := range group {
			row.Creates, row.Dropped, row.Refunds = row.Creates+s.Creates, row.Dropped+s.Dropped, row.Refunds+s.Refunds
			row.Backlog, row.Open = max(row.Backlog, s.Backlog), max(row.Open, s.Open)
			notify, create = max(notify, s.NotifyP99MS), max(create, s.CreateP99MS)
			if s.Backlog >= 0 {
				age = max(age, s.BacklogAge)
			}
		}
		row.NotifyP99, row.CreateP99, row.Age = span(ns(notify, 1e6)), span(ns(create, 1e6)), span(ns(age, 1e9))
		rows = append(rows, row)
	}
	return rows
}

// ns turns a figure in units of so many nanoseconds into nanoseconds; below zero is unknown, -1.
func ns(v, unit float64) int64 {
	if v < 0 {
		return -1
	}
	return int64(math.Round(v * unit))
}

func plainNumber(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// shortNumber labels a tick: "0.5", "200", "13k".
func shortNumber(v float64) string {
	if v >= 10_000 && math.Mod(v, 1000) == 0 {
		return thousands(uint64(v/1000)) + "k"
	}
	return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64)
}

// shortSpan labels a tick of ns nanoseconds: "0.1 ms", "5 s", "2 min".
func shortSpan(ns float64) string {
	switch {
	case ns == 0:
		return "0"
	case ns < 1e4:
		return shortNumber(ns/1e3) + " µs"
	case ns < 1e9:
		return shortNumber(ns/1e6) + " ms"
	case ns < 120e9:
		return shortNumber(ns/1e9) + " s"
	default:
		return shortNumber(math.Round(ns/6e9)/10) + " min"
	}
}
