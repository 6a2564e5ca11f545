package reports

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"io"
	"math"
	"net/url"
	"strings"

	"github.com/lunchrush/lunchrush/reports/svg"
)

var gatePage = template.Must(template.New("gate.html.tmpl").Funcs(template.FuncMap{
	"lower":   strings.ToLower,
	"several": several,
	"span":    func(ns int64) string { return unbroken(span(ns)) },
	"percent": percent,
	"machine": machineText,
	"kept":    unbroken,
}).ParseFS(assets, "templates/gate.html.tmpl"))

// A gateView is what the page of a gate draws from.
type gateView struct {
	*Gate
	CSS      template.CSS
	Policy   string
	Subject  string
	Rows     []gateRow
	Wide     template.HTML
	Narrow   template.HTML
	Pictures []template.HTML
	Remarks  []string
	PairRows []pairRow
	Typed    string
}

// A gateRow is one line of the table.
type gateRow struct {
	Name, Base, Head, Changed, Interval, Bound, Status, Class, Why string
}

// A pairRow is one pair of the list, with links to its runs.
type pairRow struct {
	GatePair
	Number             string
	BaseLink, HeadLink string
	Brief              string
}

// GateHTML writes the page of a gate: one file that needs no network and no script.
func GateHTML(w io.Writer, g *Gate) error {
	css, err := assets.ReadFile("templates/report.css")
	if err != nil {
		return err
	}
	v := gateView{
		Gate: g, CSS: template.CSS(css), Subject: g.subject(), Remarks: g.remarks(), Typed: shellLine(g.CommandLine),
		Policy: fmt.Sprintf("default-src 'none'; style-src '%s'; base-uri 'none'; form-action 'none'", fence(css)),
		Wide:   template.HTML(drawIntervals(g, "intervals-wide", "intervals wide", 1080)),
		Narrow: template.HTML(drawIntervals(g, "intervals-narrow", "intervals narrow", 400)),
	}
	for i := range g.Measures {
		m := &g.Measures[i]
		row := gateRow{Name: m.Name, Base: "-", Head: "-", Changed: "-", Interval: "-", Bound: m.bound(), Status: m.Status, Class: statusClass(m.Status), Why: m.Why}
		if m.Needs > 0 {
			row.Why += fmt.Sprintf("; about %d pairs would decide", m.Needs)
		}
		if m.compared() {
			row.Base, row.Head, row.Changed, row.Interval = m.middle(m.Base), m.middle(m.Head), m.changed(), m.interval()
			if drawn := g.drawPairs(m); drawn != "" {
				v.Pictures = append(v.Pictures, template.HTML(drawn))
			}
		}
		v.Rows = append(v.Rows, row)
	}
	for _, p := range g.Pairs {
		v.PairRows = append(v.PairRows, pairRow{p, fmt.Sprint(p.Number), runLink(p.Base), runLink(p.Head), p.Brief()})
	}
	seen := map[int]int{}
	for _, p := range g.Repeated {
		seen[p.Number]++
		name := fmt.Sprintf("%d, played again", p.Number)
		if seen[p.Number] == g.tries(p.Number) {
			name = fmt.Sprintf("%d, proved nothing", p.Number)
		}
		v.PairRows = append(v.PairRows, pairRow{p, name, runLink(p.Base), runLink(p.Head), cmp.Or(p.Why, p.Brief())})
	}
	var b bytes.Buffer
	if err := gatePage.Execute(&b, v); err != nil {
		return fmt.Errorf("drawing the gate: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

func statusClass(status string) string {
	switch status {
	case Pass:
		return "pass"
	case Fail:
		return "fail"
	}
	return "unknown"
}

// runLink leads to a run's report, "" when there is none.
func runLink(r GateRun) string {
	if r.Folder == "" {
		return ""
	}
	return "./" + url.PathEscape(r.Folder) + "/" + ReportFile
}

// drawIntervals is the gate in one picture: for each measure the interval of the change, right being worse, with a scale of its own
// on which 1 is its margin. So one line is the margin of all of them.
func drawIntervals(g *Gate, id, class string, width float64) string {
	var rows []*GateMeasure
	for i := range g.Measures {
		if m := &g.Measures[i]; m.compared() {
			rows = append(rows, m)
		}
	}
	if len(rows) == 0 {
		return ""
	}
	const rowHeight, top, foot, left, right = 26.0, 24.0, 22.0, 146.0, 14.0
	height := top + rowHeight*float64(len(rows)) + foot
	d := &svg.Drawing{Width: width, Height: height}
	reach := 1.5
	for _, m := range rows {
		low, _, high := m.inMargins()
		reach = max(reach, min(max(math.Abs(low), math.Abs(high))*1.1, 4))
	}
	p := svg.Plot{
		Drawing: d,
		X:       svg.Scale{Min: -reach, Max: reach, From: left, To: width - right},
		Y:       svg.Scale{Min: 0, Max: float64(len(rows)), From: top + rowHeight*float64(len(rows)), To: top},
	}
	p.Band("beyond", 1, reach)
	p.Mark("axis", 0)
	p.Mark("limit", 1)
	d.Text("tick", svg.End, p.X.At(0)+8, top-8, "no change")
	d.Text("tick", svg.Start, p.X.At(1)-8, top-8, "margin")
	d.Text("tick", svg.Start, left, height-6, "\u2190 better")
	d.Text("tick", svg.End, width-right, height-6, "worse \u2192")
	var said []string
	for i, m := range rows {
		y := top + rowHeight*(float64(i)+0.5)
		low, mid, high := m.inMargins()
		d.Text("name", svg.End, left-8, y+3.5, m.Name)
		class := statusClass(m.Status)
		if m.Status == Pass && m.Why != "" { // a change that is ignored has no colour
			class = "ignored"
		}
		d.Line("whisker "+class, p.X.At(low), y, p.X.At(high), y)
		d.Path("dot "+class, []svg.Point{{X: p.X.At(mid), Y: y}})
		said = append(said, fmt.Sprintf("%s: %s, interval %s, %s", m.Name, m.changed(), m.interval(), m.Status))
	}
	return d.Markup(id, class, "Change of each measure against its margin", strings.Join(said, ". ")+".")
}

// inMargins is the interval of a change on a scale where 0 is none, and 1 is worse by the margin.
func (m *GateMeasure) inMargins() (low, mid, high float64) {
	limit := limitOf(m.Better == "more", m.Margin)
	scaled := func(change float64) float64 {
		v := math.Log1p(max(change, -1+1e-9)) / limit
		if m.Better == "more" {
			v = -v
		}
		return v
	}
	low, mid, high = scaled(m.Change.Low), scaled(m.Change.Median), scaled(m.Change.High)
	if m.Change.Open {
		high = math.Inf(1)
		if m.Better == "more" {
			high = math.Inf(-1)
		}
	}
	return min(low, high), mid, max(low, high)
}

// drawPairs draws each pair as two dots, base and head, one above the other.
func (g *Gate) drawPairs(m *GateMeasure) string {
	pairs := g.pairsOf(m.Name)
	if len(pairs) == 0 {
		return ""
	}
	const width, height, left, right, top, foot = 400.0, 200.0, 52.0, 12.0, 30.0, 22.0
	least, most := math.Inf(1), 0.0
	for _, p := range pairs {
		least, most = min(least, p[0], p[1]), max(most, p[0], p[1])
	}
	d := &svg.Drawing{Width: width, Height: height}
	y := svg.Scale{Min: least, Max: most, From: height - foot, To: top}
	switch {
	case m.Unit == "share":
		y.Min, y.Max = max(0, least-0.02), 1
		y.Max += (y.Max - y.Min) / 12 // a dot at 100 % is whole
	case least > most/2: // near each other: zero would squeeze them
		room := max(most-least, most/20)
		y.Min, y.Max = max(0, least-room/2), most+room/2
	default:
		y.Min = 0
		y = y.Up(4)
	}
	p := svg.Plot{Drawing: d, X: svg.Scale{Min: 0.5, Max: float64(len(pairs)) + 0.5, From: left, To: width - right}, Y: y}
	label := shortSpan
	if m.Unit == "share" {
		label = func(v float64) string { return fmt.Sprintf("%.3g %%", 100*v) }
	}
	p.YAxis(m.Name, y.Ticks(4), label)
	var ticks []float64
	for n := range pairs {
		ticks = append(ticks, float64(n+1))
	}
	p.XAxis(14, ticks, func(v float64) string { return fmt.Sprint(int(v)) })
	for _, key := range []struct {
		class, name string
		x           float64
	}{{"dot base", SideBase, width - right - 92}, {"dot head", SideHead, width - right - 40}} {
		d.Path(key.class, []svg.Point{{X: key.x, Y: top - 9.5}})
		d.Text("key", svg.Start, key.x+8, top-6, key.name)
	}
	for i, pair := range pairs {
		x := p.X.At(float64(i + 1))
		d.Line("joins", x, p.Y.At(pair[0]), x, p.Y.At(pair[1]))
		d.Path("dot base", []svg.Point{{X: x, Y: p.Y.At(pair[0])}})
		d.Path("dot head", []svg.Point{{X: x, Y: p.Y.At(pair[1])}})
	}
	summary := fmt.Sprintf("%d pairs. Base: %s. Head: %s. Change: %s.", len(pairs), m.middle(m.Base), m.middle(m.Head), m.changed())
	return d.Markup("pairs-"+strings.ReplaceAll(m.Name, ".", "-"), "pairs", "Pairs of "+m.Name, summary)
}
