package simulator

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lunchrush/lunchrush/scenarios"
)

const (
	drawRows     = 8
	drawMinWidth = 40
	drawMaxWidth = 120
)

// DrawDemand draws the plan's demand for a terminal of so many columns: the curve in eighths of a row, the scenario's
// clock below it, and what it adds up to.
func DrawDemand(w io.Writer, s *scenarios.Scenario, p *Plan, width int) error {
	curve := s.Curve()
	top := niceTop(curve.Max())
	labels := [...]string{formatRate(top), formatRate(top / 2), "0"}
	margin := 0
	for _, l := range labels {
		margin = max(margin, utf8.RuneCountInString(l))
	}
	columns := min(max(width, drawMinWidth), drawMaxWidth) - margin - 2

	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s: orders per second over the clock\n\n", s.Name)
	length := p.Header.Length
	eighths := make([]int, columns)
	for c := range eighths {
		at := time.Duration((float64(c) + 0.5) / float64(columns) * float64(length))
		eighths[c] = int(math.Round(curve.Rate(at) / top * drawRows * 8))
		if eighths[c] == 0 && curve.Rate(at) > 0 {
			eighths[c] = 1 // little is not nothing
		}
	}
	for row := drawRows; row > 0; row-- {
		label := ""
		switch row {
		case drawRows:
			label = labels[0]
		case drawRows / 2:
			label = labels[1]
		}
		line := make([]rune, columns)
		for c, e := range eighths {
			line[c] = []rune(" ▁▂▃▄▅▆▇█")[min(8, max(0, e-(row-1)*8))]
		}
		fmt.Fprintf(out, "%*s ┤%s\n", margin, label, strings.TrimRight(string(line), " "))
	}

	axis := []rune(strings.Repeat("─", columns))
	clock := []rune(strings.Repeat(" ", columns+8))
	for _, t := range clockTicks(s, columns/9) {
		c := int(float64(s.At(t)) / float64(length) * float64(columns))
		text := []rune(clockText(t))
		from := max(0, c-len(text)/2)
		if c >= columns || from+len(text) > columns+margin {
			c = columns - 1
			from = columns - len(text)
		}
		if from > 0 && clock[from-1] != ' ' {
			continue
		}
		axis[c] = '┬'
		copy(clock[from:], text)
	}
	fmt.Fprintf(out, "%*s ┼%s\n", margin, labels[2], string(axis))
	fmt.Fprintf(out, "%*s  %s\n\n", margin, "", strings.TrimRight(string(clock), " "))
	fmt.Fprintln(out, demandTotals(s, p))
	return out.Flush()
}

// demandTotals says what a plan adds up to, and what the day that it shortens would.
func demandTotals(s *scenarios.Scenario, p *Plan) string {
	text := fmt.Sprintf("%s orders in %s", thousands(p.Header.Orders), spanText(p.Header.Length))
	if p.Header.Calls > 0 {
		text += fmt.Sprintf(", and %s calls beside them", thousands(p.Header.Calls))
	}
	if s.Clock.Speed != 1 {
		real := time.Duration(s.Clock.To - s.Clock.From)
		text += fmt.Sprintf("; the real day's %s have %s", spanText(real), thousands(int(math.Round(s.Curve().Total()*s.Clock.Speed))))
	}
	return text
}

// clockTicks are at most n round moments of the scenario's clock, its span's length apart by a step people count in.
func clockTicks(s *scenarios.Scenario, n int) []scenarios.TimeOfDay {
	span := s.Clock.To - s.Clock.From
	step := scenarios.TimeOfDay(24 * time.Hour)
	for _, d := range []time.Duration{
		5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
		time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
		time.Hour, 2 * time.Hour, 3 * time.Hour, 4 * time.Hour, 6 * time.Hour, 12 * time.Hour,
	} {
		if int(span/scenarios.TimeOfDay(d)) <= n {
			step = scenarios.TimeOfDay(d)
			break
		}
	}
	var ticks []scenarios.TimeOfDay
	for t := (s.Clock.From + step - 1) / step * step; t <= s.Clock.To; t += step {
		ticks = append(ticks, t)
	}
	return ticks
}

// clockText is a moment of the clock, "11:30" or "11:30:15"; past midnight it starts over.
func clockText(t scenarios.TimeOfDay) string {
	d := time.Duration(t).Round(time.Second)
	h, m, sec := int(d.Hours())%24, int(d.Minutes())%60, int(d.Seconds())%60
	if sec != 0 {
		return fmt.Sprintf("%02d:%02d:%02d", h, m, sec)
	}
	return fmt.Sprintf("%02d:%02d", h, m)
}

// spanText is a length in the unit that suits it: "100 s", "150 min", "24 h".
func spanText(d time.Duration) string {
	switch {
	case d <= 5*time.Minute || d%time.Minute != 0:
		return fmt.Sprintf("%.0f s", d.Seconds())
	case d < 6*time.Hour || d%time.Hour != 0:
		return fmt.Sprintf("%.0f min", d.Minutes())
	default:
		return fmt.Sprintf("%.0f h", d.Hours())
	}
}

// niceTop is the least of 1, 2, 5, 10, ... (and their tenths) that holds the rate.
func niceTop(rate float64) float64 {
	if rate <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(rate)))
	for _, f := range []float64{1, 1.5, 2, 3, 4, 5, 6, 8} {
		if f*unit >= rate {
			return f * unit
		}
	}
	return 10 * unit
}

func formatRate(r float64) string {
	return strings.TrimSuffix(strings.TrimRight(fmt.Sprintf("%.3f", r), "0"), ".")
}

// thousands is n with commas: 37,080.
func thousands(n int) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// The SVG's measures, in its own units.
const (
	svgWidth, svgHeight              = 960.0, 320.0
	svgLeft, svgRight, svgTop, svgLo = 64.0, 28.0, 48.0, 64.0
	svgBars                          = 120
)

// DemandSVG draws the plan's demand as an SVG that needs nothing else: the curve, the plan's orders as bars behind it, the
// scenario's clock, light or dark as its reader is.
func DemandSVG(w io.Writer, s *scenarios.Scenario, p *Plan) error {
	curve, length := s.Curve(), p.Header.Length
	// A bar is the mean rate of its stretch; with few orders stretches are longer, so that a bar is not 0 or 1 order.
	bars := min(svgBars, max(8, len(p.Orders)/8))
	counts := make([]int, bars)
	for i := range p.Orders {
		counts[min(bars-1, int(float64(p.Orders[i].Due)/float64(length)*float64(bars)))]++
	}
	stretch := length.Seconds() / float64(bars)
	top := curve.Max()
	for _, n := range counts {
		top = max(top, float64(n)/stretch)
	}
	top = niceTop(top)
	plotW, plotH := svgWidth-svgLeft-svgRight, svgHeight-svgTop-svgLo
	x := func(at time.Duration) float64 { return svgLeft + float64(at)/float64(length)*plotW }
	y := func(rate float64) float64 { return svgTop + (1-rate/top)*plotH }

	out := bufio.NewWriter(w)
	title := xmlText(s.Title)
	if title == "" {
		title = xmlText(s.Name)
	}
	fmt.Fprintf(out, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" role="img" aria-labelledby="t d">
<title id="t">%s</title>
<desc id="d">%s</desc>
<style>
  svg { color-scheme: light dark; font: 13px system-ui, sans-serif; background: light-dark(#fff, #14171a); }
  text { fill: #333; } .grid { stroke: #ddd; } .axis { stroke: #888; }
  .bar { fill: #9ec5e8; } .curve { fill: none; stroke: #b3261e; stroke-width: 2; stroke-linejoin: round; }
  .head { font-size: 16px; font-weight: 600; } .faint { fill: #666; }
  @media (prefers-color-scheme: dark) {
    text { fill: #ddd; } .grid { stroke: #333; } .axis { stroke: #888; } .bar { fill: #2f5d86; } .curve { stroke: #ff8a80; } .faint { fill: #999; }
  }
</style>
<text class="head" x="%.0f" y="24">%s</text>
`, svgWidth, svgHeight, title, xmlText(demandTotals(s, p)), svgLeft, title)
	for i := range 5 {
		rate := top * float64(i) / 4
		fmt.Fprintf(out, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/><text x="%.1f" y="%.1f" text-anchor="end">%s</text>`+"\n",
			svgLeft, y(rate), svgLeft+plotW, y(rate), svgLeft-8, y(rate)+4, formatRate(rate))
	}
	for i, n := range counts {
		if n > 0 {
			rate := float64(n) / stretch
			fmt.Fprintf(out, `<rect class="bar" x="%.2f" y="%.2f" width="%.2f" height="%.2f"/>`+"\n",
				svgLeft+float64(i)*plotW/float64(bars), y(rate), plotW/float64(bars)*0.9, svgTop+plotH-y(rate))
		}
	}
	points := make([]string, len(curve))
	for i, k := range curve {
		points[i] = fmt.Sprintf("%.2f,%.2f", x(k.At), y(k.Rate))
	}
	fmt.Fprintf(out, `<polyline class="curve" points="%s"/>`+"\n", strings.Join(points, " "))
	fmt.Fprintf(out, `<line class="axis" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`+"\n", svgLeft, svgTop+plotH, svgLeft+plotW, svgTop+plotH)
	for _, t := range clockTicks(s, 12) {
		at := x(s.At(t))
		fmt.Fprintf(out, `<line class="axis" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/><text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`+"\n",
			at, svgTop+plotH, at, svgTop+plotH+5, at, svgTop+plotH+20, clockText(t))
	}
	fmt.Fprintf(out, `<text x="16" y="%.1f" text-anchor="middle" transform="rotate(-90 16 %.1f)">orders per second</text>`+"\n", svgTop+plotH/2, svgTop+plotH/2)
	fmt.Fprintf(out, `<text class="faint" x="%.0f" y="%.0f">%s. Line: demand; bars: the plan, seed %d.</text>`+"\n</svg>\n",
		svgLeft, svgHeight-14, xmlText(demandTotals(s, p)), p.Header.Seed)
	return out.Flush()
}

var xmlEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;")

func xmlText(s string) string { return xmlEscapes.Replace(s) }
