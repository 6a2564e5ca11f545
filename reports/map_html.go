package reports

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"net/url"
	"slices"
	"strings"

	"github.com/lunchrush/lunchrush/reports/svg"
)

//go:embed templates/map.html.tmpl templates/map.css
var mapAssets embed.FS

var mapTemplate = template.Must(template.New("map.html.tmpl").Funcs(template.FuncMap{
	"span": func(ns int64) string { return unbroken(span(ns)) },
}).ParseFS(mapAssets, "templates/map.html.tmpl"))

// A mapPage is what the template draws from.
type mapPage struct {
	*StabilityMap
	CSS      template.CSS
	Policy   string
	Wide     template.HTML
	Narrow   template.HTML
	Heads    []string
	Table    []mapRow
	Sentence string // of the model
	Bounds   []string
	Legend   [][2]string
}

// A mapRow is a cell of the map as a line of the table.
type mapRow struct {
	Cells []string
	Tone  string
	Why   string
	Link  string // to the run's report
}

// MapHTML writes the map as a page: one file that needs no network.
func MapHTML(w io.Writer, m *StabilityMap) error {
	var style []byte
	for _, name := range []string{"templates/report.css", "templates/map.css"} {
		from := assets
		if strings.HasSuffix(name, "map.css") {
			from = mapAssets
		}
		css, err := from.ReadFile(name)
		if err != nil {
			return err
		}
		style = append(style, css...)
	}
	p := &mapPage{
		StabilityMap: m, CSS: template.CSS(style), Heads: mapHeads, Sentence: m.Model.sentence(), Legend: m.legend(),
		Policy: fmt.Sprintf("default-src 'none'; style-src '%s'; base-uri 'none'; form-action 'none'", fence(style)),
		Wide:   template.HTML(m.draw("map-wide", "map wide", 900)),
		Narrow: template.HTML(m.draw("map-narrow", "map narrow", 380)),
	}
	for _, r := range slices.Backward(m.Rows) {
		p.Bounds = append(p.Bounds, span(r.TriggerNS)+": "+m.boundary(r))
	}
	for _, c := range m.inOrder() {
		row := mapRow{Cells: m.mapCells(c), Tone: tone(c), Why: c.Why}
		for i := range row.Cells {
			row.Cells[i] = unbroken(row.Cells[i])
		}
		if c.Dir != "" {
			row.Link = "./" + (&url.URL{Path: c.Dir}).EscapedPath() + "/" + ReportFile
		}
		p.Table = append(p.Table, row)
	}
	var b bytes.Buffer // a half-written page is worse than none
	if err := mapTemplate.Execute(&b, p); err != nil {
		return fmt.Errorf("drawing the map: %w", err)
	}
	_, err := w.Write(b.Bytes())
	return err
}

// tone is the class of a cell for a style sheet.
func tone(c *MapCell) string {
	if c == nil {
		return "empty"
	}
	return strings.ToLower(c.Class)
}

// draw is the heat map: a column for each load, a row for each trigger with the longest on top, the measured boundary as a thick
// line, the model's as a dashed one.
func (m *StabilityMap) draw(id, class string, width float64) string {
	columns, rows := len(m.LoadsPerS), len(m.TriggersNS)
	if columns == 0 || rows == 0 {
		return ""
	}
	const left, right, top = 62.0, 8.0, 26.0
	step := (width - left - right) / float64(columns)
	high := min(max(step*0.5, 34), 54)
	foot := top + high*float64(rows)
	d := &svg.Drawing{Width: width, Height: foot + 52}
	d.Text("name", svg.Start, 0, 12, "trigger")
	x := func(column float64) float64 { return left + step*column }
	y := func(row int) float64 { return top + high*float64(row) }
	each := func(do func(row, column int, c *MapCell)) {
		for i, trigger := range m.TriggersNS {
			for column, load := range m.LoadsPerS {
				do(rows-1-i, column, m.cell(load, trigger))
			}
		}
	}
	for i, trigger := range m.TriggersNS {
		d.Text("tick", svg.End, left-6, y(rows-1-i)+high/2+4, span(trigger))
	}
	each(func(row, column int, c *MapCell) {
		d.Rect("cell "+tone(c), x(float64(column))+1, y(row)+1, step-2, high-2)
	})
	m.drawModel(d, x, top, foot, width)
	m.drawBoundary(d, x, y, high)
	each(func(row, column int, c *MapCell) {
		if c == nil {
			return
		}
		lines := cellLines(c, step)
		for i, text := range lines {
			class := "cell-name"
			if i > 0 {
				class = "cell-note"
			}
			at := y(row) + high/2 + 4 + 13*(float64(i)-float64(len(lines)-1)/2)
			d.Text(class+" "+tone(c), svg.Middle, x(float64(column))+step/2, at, text)
		}
	})
	for column, load := range m.LoadsPerS {
		d.Text("tick", svg.Middle, x(float64(column))+step/2, foot+15, rate(load))
		if m.CapacityPerS > 0 {
			d.Text("tick", svg.Middle, x(float64(column))+step/2, foot+29, fmt.Sprintf("%.2f", load/m.CapacityPerS))
		}
	}
	d.Text("name", svg.Start, 0, foot+15, "orders/s")
	if m.CapacityPerS > 0 {
		d.Text("name", svg.Start, 0, foot+29, "of cap.")
	}
	return d.Markup(id, class, "Stability by offered load and length of the trigger", m.summary())
}

// cellWithName is how wide a cell must be for the longest name of a class.
const cellWithName = 90

// cellLines are the texts of a cell: the class, and how long the recovery took where there is room for it.
func cellLines(c *MapCell, step float64) []string {
	name := c.Class
	if c.Class == Suspect {
		name = "SUSPECT"
	}
	if step < cellWithName {
		name = mapLetters[c.Class]
	}
	lines := []string{name}
	if c.Up() && c.RecoveryNS >= 0 {
		if text := "after " + span(c.RecoveryNS); textWidth(text)+4 <= step {
			lines = append(lines, text)
		}
	} else if c.Down() && c.After >= 0 {
		if text := percent(c.After) + " goodput"; textWidth(text)+4 <= step {
			lines = append(lines, text)
		}
	}
	return lines
}

// drawBoundary is the line between what comes back and what stays down, where no load of the map lies between them.
func (m *StabilityMap) drawBoundary(d *svg.Drawing, x func(float64) float64, y func(int) float64, high float64) {
	var line []svg.Point
	for i, trigger := range slices.Backward(m.TriggersNS) {
		row := len(m.TriggersNS) - 1 - i
		low, first := m.between(trigger)
		contradicts := i < len(m.Rows) && m.Rows[i].UpBeyond != nil
		if first-low > 1 || first == len(m.LoadsPerS) && low < 0 || contradicts {
			line = append(line, svg.Point{X: 0, Y: math.NaN()})
			continue
		}
		at := x(float64(first))
		line = append(line, svg.Point{X: at, Y: y(row)}, svg.Point{X: at, Y: y(row) + high})
	}
	d.Path("line boundary", line)
}

// drawModel is the model's boundary for long triggers, where it lies within the map's loads.
func (m *StabilityMap) drawModel(d *svg.Drawing, x func(float64) float64, top, foot, width float64) {
	if !m.Model.Known {
		return
	}
	at := x(m.column(m.Model.LoadPerS))
	text := fmt.Sprintf("model %.1f/s", m.Model.LoadPerS)
	d.Line("model", at, top-4, at, foot)
	if at+6+textWidth(text) > width {
		d.Text("key", svg.End, at-4, top-8, text)
	} else {
		d.Text("key", svg.Start, max(at-2, 62), top-8, text)
	}
}

// column is where a load lies among the columns, whose middles are the map's loads; held within the map.
func (m *StabilityMap) column(load float64) float64 {
	loads := m.LoadsPerS
	n := len(loads)
	if load <= loads[0] || n == 1 {
		return max(0.5*load/loads[0], 0)
	}
	for i := 1; i < n; i++ {
		if load <= loads[i] {
			return float64(i) - 0.5 + (load-loads[i-1])/(loads[i]-loads[i-1])
		}
	}
	return min(float64(n)-0.5+(load-loads[n-1])/(loads[n-1]-loads[n-2]), float64(n))
}

// summary is the map in words.
func (m *StabilityMap) summary() string {
	var parts []string
	for _, r := range slices.Backward(m.Rows) {
		parts = append(parts, "After a trigger of "+span(r.TriggerNS)+" it "+m.boundary(r)+".")
	}
	parts = append(parts, "Model: "+m.Model.sentence()+".")
	return strings.Join(parts, " ")
}
