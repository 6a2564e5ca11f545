package reports

import (
	"cmp"
	"fmt"

	"github.com/lunchrush/lunchrush/reports/svg"
)

// A strip is a bar above the panels that says what was going on: a phase, a fault, the first bad moment.
type strip struct {
	name, class, shade string
	from, to           float64
	shares             bool // the row of the strip before it, which names it too
}

func (t *timeline) strips() []strip {
	var strips []strip
	playEnd := float64(t.a.Run.PlanEnd())
	if t.a.Run.PlayForNS > 0 && playEnd < t.to {
		end := t.to
		if drained := float64(t.a.Run.DrainedAtNS); drained > playEnd {
			end = min(end, drained)
		}
		strips = append(strips, strip{name: "drain", class: "strip drain", shade: "shade drain", from: playEnd, to: end})
	}
	strips = append(strips, t.faultStrips()...)
	strips = append(strips, t.pauseStrips()...)
	if v := t.a.Verdict; t.since() {
		strips = append(strips, strip{
			name: "first bad moment " + cmp.Or(v.SinceTime, seconds(int64(v.Since))), class: "strip since",
			from: float64(v.Since), to: float64(v.Since),
		})
	}
	return strips
}

// faultStrips gives each fault a row, while there are few. Of many, the last ones share a row.
func (t *timeline) faultStrips() []strip {
	const rows = 8
	var strips []strip
	for i, f := range t.a.Faults {
		from, to := max(float64(f.FromNS), t.from), min(float64(f.ToNS), t.to)
		if to > from {
			strips = append(strips, t.faultStrip(i, strip{class: "strip fault", shade: "shade fault", from: from, to: to}))
		}
	}
	if len(strips) > rows {
		together := strips[rows-1:]
		together[0].name = fmt.Sprintf("%d more faults", len(together))
		for i := range together[1:] {
			together[1+i].name, together[1+i].shares = "", true
		}
	}
	return strips
}

// since reports whether the picture shows a first bad moment.
func (t *timeline) since() bool {
	v := t.a.Verdict
	return v.Since >= 0 && v.Outcome != Pass && float64(v.Since) >= t.from && float64(v.Since) <= t.to
}

// What the strips take of a picture: from stripsTop on, a row each.
const stripsTop, stripHeight = 2.0, 15.0

func stripsHeight(strips []strip) float64 {
	rows := 0
	for _, s := range strips {
		if !s.shares {
			rows++
		}
	}
	return float64(rows) * stripHeight
}

// drawStrips draws the strips above the panels, and their shades over the plot, which is as high as all panels.
func drawStrips(panels svg.Plot, strips []strip, width float64) {
	d, x := panels.Drawing, panels.X
	at := stripsTop - stripHeight
	for _, s := range strips {
		if !s.shares {
			at += stripHeight
		}
		if s.shade != "" {
			panels.Band(s.shade, s.from, s.to)
		}
		d.Rect(s.class, x.At(s.from), at+1, max(x.At(s.to)-x.At(s.from), 2), stripHeight-3)
		if s.name != "" {
			nameStrip(d, x, s, at+stripHeight-5, width)
		}
	}
}

// nameStrip writes the strip's name where there is room: right of its bar's start, or left of it near the right edge. One
// that fits on neither side is cut where there is more of it.
func nameStrip(d *svg.Drawing, x svg.Scale, s strip, y, width float64) {
	from := x.At(s.from)
	right, left := width-2-(from+5), from-6
	name := []rune(s.name)
	if room := int(max(right, left) / 6.3); len(name) > room {
		name = append(name[:max(room-1, 0)], '…')
	}
	if needs := textWidth(string(name)); needs <= right || right >= left {
		d.Text("strip-name", svg.Start, from+4, y, string(name))
		return
	}
	d.Text("strip-name", svg.End, from-4, y, string(name))
}
