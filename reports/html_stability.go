package reports

import (
	"fmt"
	"html/template"
	"slices"

	"github.com/lunchrush/lunchrush/reports/svg"
)

// drawStability is the picture of a recovery: goodput bucket by bucket, with the phases as bands behind it, what counts as
// recovered as a dashed line, and the moments when it had recovered and when the model would have.
func drawStability(s *Stability, id, class string, width float64) string {
	if s == nil || len(s.Phases) == 0 || len(s.Buckets) == 0 {
		return ""
	}
	const left, right, height = 58.0, 10.0, 110.0
	first, last := &s.Phases[0], &s.Phases[len(s.Phases)-1]
	d := &svg.Drawing{Width: width}
	x := svg.Scale{Min: float64(first.FromNS), Max: float64(last.ToNS), From: left, To: width - right}
	rows := 1
	for _, label := range stabilityMarks(s) {
		rows = max(rows, label.row+1)
	}
	const names = 18.0 // where the bands begin, with their names
	top := names + 4 + 14*float64(rows)
	foot := top + height
	bands := svg.Plot{Drawing: d, X: x, Y: svg.Scale{From: foot, To: names}}
	box := svg.Plot{Drawing: d, X: x, Y: svg.Scale{Min: 0, Max: 1, From: foot, To: top}}
	for i := range s.Phases {
		p := &s.Phases[i]
		if p.ToNS <= p.FromNS {
			continue
		}
		bands.Band("band "+p.Name, float64(p.FromNS), float64(p.ToNS))
		from, to := x.At(float64(p.FromNS)), x.At(float64(p.ToNS))
		if textWidth(p.Name)*0.9 <= to-from { // the table below names them all
			d.Text("strip-name", svg.Start, from+3, names+11, p.Name)
		}
	}
	box.YAxis("", []float64{0, 0.5, 1}, func(v float64) string { return fmt.Sprintf("%.0f %%", 100*v) })
	d.Text("name", svg.Start, 0, 12, "goodput of the load")
	for _, b := range s.Buckets {
		if b.Goodput < 0 {
			continue
		}
		colour := "bad-bucket"
		if b.Good {
			colour = "good"
		}
		from, to := x.At(float64(b.FromNS))+0.5, x.At(float64(b.ToNS))-0.5
		y := box.Y.At(min(b.Goodput, 1))
		d.Rect(colour, from, min(y, foot-1.5), max(to-from, 1), max(foot-y, 1.5))
	}
	box.Level("limit", goodOfBaseline*max(first.Goodput, 0))
	box.Level("axis", 0)
	for _, m := range stabilityMarks(s) {
		at := x.At(float64(m.at))
		y := names + 8 + 14*float64(m.row)
		d.Line(m.class, at, y-6, at, foot)
		if at+4+textWidth(m.text) < width {
			d.Text("key", svg.Start, at+4, y+4, m.text)
		} else {
			d.Text("key", svg.End, at-4, y+4, m.text)
		}
	}
	ticks := x.TicksOf(int(width/70), secondSteps(1e9))
	d.Text("name", svg.Start, 0, foot+14, "run")
	svg.Plot{Drawing: d, X: x, Y: svg.Scale{From: foot}}.XAxis(14, ticks, runLabel(ticks))
	d.Height = foot + 20
	return d.Markup(id, class, "Goodput before, during and after the faults", stabilitySummary(s))
}

// A stabilityMark is one moment of the picture, with its name in a row of its own.
type stabilityMark struct {
	at          int64
	class, text string
	row         int
}

func stabilityMarks(s *Stability) []stabilityMark {
	var marks []stabilityMark
	i := slices.IndexFunc(s.Phases, func(p Phase) bool { return p.Name == "trigger" })
	if i < 0 {
		return nil
	}
	end, last := s.Phases[i].ToNS, s.Phases[len(s.Phases)-1].ToNS
	if s.RecoveryNS >= 0 && !s.RecoveryOpen {
		marks = append(marks, stabilityMark{end + s.RecoveryNS, "recovery", "recovered " + span(s.RecoveryNS) + " after", len(marks)})
	}
	if s.ModelNS >= 0 && end+s.ModelNS <= last {
		marks = append(marks, stabilityMark{end + s.ModelNS, "model", "model " + span(s.ModelNS), len(marks)})
	}
	if at := end + recoveringModels*s.ModelNS; s.ModelNS > 0 && at <= last {
		marks = append(marks, stabilityMark{at, "model", fmt.Sprintf("%d x model", recoveringModels), len(marks)})
	}
	for i := range marks {
		marks[i].row++ // below the picture's name
	}
	return marks
}

// stabilitySummary is the picture in words.
func stabilitySummary(s *Stability) string {
	text := s.Class + ": " + s.Why + "."
	for _, p := range s.Phases {
		if p.Goodput >= 0 {
			text += fmt.Sprintf(" %s: %s of the load.", p.Name, percent(p.Goodput))
		}
	}
	return text
}

// StabilityWide and StabilityNarrow are the picture for a desk and for a hand.
func (p *page) StabilityWide() template.HTML {
	return template.HTML(drawStability(p.Stability, "stability-wide", "stability-chart wide", 1080))
}

// StabilityNarrow is the picture for a phone.
func (p *page) StabilityNarrow() template.HTML {
	return template.HTML(drawStability(p.Stability, "stability-narrow", "stability-chart narrow", 400))
}

// StabilityTone is the colour of the class: green for what came back, red for what did not.
func (p *page) StabilityTone() string {
	switch p.Stability.Class {
	case Stable, Recovering:
		return "pass"
	case Undecided:
		return "unsure"
	default:
		return "fail"
	}
}

// PhaseHeads are the columns of the table of phases.
func (p *page) PhaseHeads() []string { return phaseHeads }

// A phaseRow is one line of that table.
type phaseRow struct {
	Name  string
	Cells []string
}

// PhaseRows are its lines.
func (p *page) PhaseRows() []phaseRow {
	rows := make([]phaseRow, len(p.Stability.Phases))
	for i := range p.Stability.Phases {
		rows[i] = phaseRow{p.Stability.Phases[i].Name, phaseCells(&p.Stability.Phases[i])}
		for j, c := range rows[i].Cells {
			rows[i].Cells[j] = unbroken(c)
		}
	}
	return rows
}
