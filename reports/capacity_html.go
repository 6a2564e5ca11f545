package reports

import (
	"bytes"
	"fmt"
	"html/template"
	"io"
	"strings"
)

var capacityPage = template.Must(template.New("capacity.html.tmpl").Funcs(template.FuncMap{
	"span": func(ns int64) string { return unbroken(span(ns)) }, "count": func(n int) string { return count(int64(n)) },
	"lower": strings.ToLower, "percent": percent, "share": shareText, "cores": coresText, "several": several,
	"rate":   func(v float64) string { return fmt.Sprintf("%.1f", v) },
	"little": func(v float64) string { return fmt.Sprintf("%.2f", v) },
	"report": func(t CapacityTrial) string { return "./" + t.Folder + "/" + ReportFile },
}).ParseFS(capacityAssets, "templates/capacity.html.tmpl"))

// A capacitySheet is what the template draws from.
type capacitySheet struct {
	*Capacity
	CSS     template.CSS
	Policy  string
	Tone    string
	Plots   []template.HTML
	Typed   string
	Quiet   string
	Method  string
	Law     string
	Cross   string
	Figures []keyFigure
}

// CapacityHTML writes the report that people read: one file, like [HTML], without a script.
func CapacityHTML(w io.Writer, c *Capacity) error {
	report, err := assets.ReadFile("templates/report.css")
	if err != nil {
		return err
	}
	own, err := capacityAssets.ReadFile("templates/capacity.css")
	if err != nil {
		return err
	}
	css := append(report, own...)
	s := &capacitySheet{
		Capacity: c, CSS: template.CSS(css), Tone: map[string]string{"ANSWERED": "pass", "AT LEAST": "pass", "LOST": "fail"}[c.Verdict()],
		Policy: fmt.Sprintf("default-src 'none'; style-src '%s'; base-uri 'none'; form-action 'none'", fence(css)),
		Typed:  shellLine(c.CommandLine), Quiet: c.machineText(), Method: c.methodText(), Law: c.curveText(), Cross: c.littleText(), Figures: c.figures(),
	}
	for _, drawn := range []string{drawCarried(c), drawTails(c), drawCurve(c)} {
		if drawn != "" {
			s.Plots = append(s.Plots, template.HTML(drawn))
		}
	}
	var b bytes.Buffer
	if err := capacityPage.Execute(&b, s); err != nil {
		return fmt.Errorf("drawing the capacity report: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// figures are the numbers of the first screen.
func (c *Capacity) figures() []keyFigure {
	a := c.Answer
	carried := keyFigure{Name: "carried", Value: "-", Note: "no load was", Bad: !a.Found}
	fleet := keyFigure{Name: "machines, with headroom", Value: "-", Note: "none"}
	if a.Found {
		carried.Value, carried.Note = rateText(a.PerSecond), fmt.Sprintf("orders/s, %s machines at the peak", count(int64(a.Machines)))
		fleet.Value, fleet.Note = count(int64(c.Sizing.Machines)), fmt.Sprintf("%.2f of the capacity: %s binds", c.Sizing.RhoMax, c.Sizing.Binds)
	}
	fewer := keyFigure{Name: "with one instance fewer", Value: "-", Note: c.Sizing.Fewer.Says}
	if c.Sizing.Fewer.Known {
		fewer.Value = count(int64(c.Sizing.Fewer.Machines))
	}
	passed := 0
	all := c.Played()
	for _, t := range all {
		if t.Outcome == TrialPassed {
			passed++
		}
	}
	return []keyFigure{
		carried, fleet, fewer,
		{Name: "trials", Value: count(int64(len(all))), Note: fmt.Sprintf("%d passed", passed)},
	}
}
