package reports

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/lunchrush/lunchrush/internal/stats"
)

// CompareText writes a comparison for the terminal, as benchstat writes one: a line for each measure with the medians of both
// sides, and the change where the runs show one. Measures that are the same in every run are only counted, unless all asks for
// them or the scenario names them. color puts ANSI colours on what is better or worse.
func CompareText(w io.Writer, c *Comparison, all, color bool) error {
	out := bufio.NewWriter(w)
	fmt.Fprintf(out, "%s: %s against %s\n", c.Scenario, c.A.title(), c.B.title())
	for _, text := range c.Warnings {
		fmt.Fprintf(out, "warning: %s\n", printable(text))
	}
	for _, line := range c.leftOut() {
		fmt.Fprintf(out, "left out: %s\n", printable(line))
	}
	fmt.Fprintln(out)
	if len(c.Differs) > 0 {
		rows := [][]string{{"set", "A", "B"}}
		for _, d := range c.Differs {
			rows = append(rows, []string{d.Name, d.A, d.B})
		}
		writeColumns(out, rows, "lll", nil)
		fmt.Fprintln(out)
	}
	shown := c.shown(all)
	rows := [][]string{{"measure", "A", "B", "change", "", ""}}
	colors := []string{""}
	for i := range shown {
		r := &shown[i]
		word := r.Says
		if word == Same {
			word = ""
		}
		rows = append(rows, []string{r.Name, r.A.text(r.Unit), r.B.text(r.Unit), r.change(), word, r.evidence()})
		colors = append(colors, map[string]string{Improved: "32", Worsened: "31", Changed: "33", Same: ""}[r.Says])
	}
	if !color {
		colors = nil
	}
	writeColumns(out, rows, "lrrrll", colors)
	fmt.Fprintln(out)
	for _, note := range c.notes(len(shown)) {
		fmt.Fprintf(out, "%s\n", note)
	}
	return out.Flush()
}

// writeColumns aligns cells as widths say, one letter a column: l left, r right. A row is painted in its colour, if any.
func writeColumns(w io.Writer, rows [][]string, widths string, colors []string) {
	longest := make([]int, len(widths))
	for _, row := range rows {
		for i, cell := range row {
			row[i] = printable(cell)
			longest[i] = max(longest[i], len([]rune(cell)))
		}
	}
	for n, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", longest[i]-len([]rune(cell)))
			if widths[i] == 'r' {
				b.WriteString(pad + cell)
			} else {
				b.WriteString(cell + pad)
			}
			b.WriteString("  ")
		}
		line := strings.TrimRight(b.String(), " ")
		if colors != nil && colors[n] != "" {
			line = "\x1b[" + colors[n] + "m" + line + "\x1b[0m"
		}
		fmt.Fprintln(w, line)
	}
}

// title is "A hardened (5 runs: 4 PASS, 1 FAIL)".
func (g *Group) title() string {
	profile := settingTraits[0].sum(g)
	counts := map[string]int{}
	for _, r := range g.Runs {
		counts[r.Verdict.Outcome]++
	}
	var verdicts []string
	for _, outcome := range []string{Pass, Fail, Inconclusive} {
		if n := counts[outcome]; n > 0 {
			verdicts = append(verdicts, fmt.Sprintf("%d %s", n, outcome))
		}
	}
	return fmt.Sprintf("%s %s (%s: %s)", g.Name, profile, several(len(g.Runs), "run", "runs"), strings.Join(verdicts, ", "))
}

func (c *Comparison) leftOut() []string {
	var list []string
	for _, g := range []*Group{&c.A, &c.B} {
		for _, l := range g.Left {
			list = append(list, fmt.Sprintf("%s: %s: %s", g.Name, l.Dir, l.Why))
		}
	}
	return list
}

// shown are the rows that are worth a line.
func (c *Comparison) shown(all bool) []Row {
	var rows []Row
	for _, r := range c.Rows {
		if all || r.Named || r.Why != everSame && r.A.N+r.B.N > 0 {
			rows = append(rows, r)
		}
	}
	return rows
}

// counts are how many rows say what.
func (c *Comparison) counts() map[string]int {
	n := map[string]int{}
	for _, r := range c.Rows {
		n[r.Says]++
	}
	return n
}

// Sum is "3 better, 1 worse, 2 differ, of 64 measures that are not the same in every run".
func (c *Comparison) Sum() string {
	n, varied := c.counts(), 0
	for _, r := range c.Rows {
		if r.Why != everSame && r.A.N+r.B.N > 0 {
			varied++
		}
	}
	return fmt.Sprintf("%d better, %d worse, %d otherwise different, of %s that %s not the same in every run",
		n[Improved], n[Worsened], n[Changed], several(varied, "measure", "measures"), map[bool]string{true: "is", false: "are"}[varied == 1])
}

// notes say how the table is to be read.
func (c *Comparison) notes(shown int) []string {
	notes := []string{
		c.Sum(),
		fmt.Sprintf("medians, ± their 95 %% interval; ~ is no difference that these runs show (Mann-Whitney, p > %g; or less than %s)", c.Alpha, shortSpan(float64(sameWithin))),
	}
	runs := min(len(c.A.Runs), len(c.B.Runs))
	if i := slices.IndexFunc(c.Rows, func(r Row) bool { return r.Needs > 0 && r.A.N == len(c.A.Runs) && r.B.N == len(c.B.Runs) }); i >= 0 {
		notes = append(notes, fmt.Sprintf("too few runs: a difference needs %d a side, and the smaller side has %d", c.Rows[i].Needs, runs))
	}
	if runs < stats.CenterNeeds {
		notes = append(notes, fmt.Sprintf("an interval of a median needs %d runs", stats.CenterNeeds))
	}
	if chance := float64(c.Tested) * c.Alpha; c.Tested > 0 {
		notes = append(notes, fmt.Sprintf("%s tested at p %g: about %.0f would differ by chance alone", several(c.Tested, "measure was", "measures were"), c.Alpha, max(1, math.Round(chance))))
	}
	if left := len(c.Rows) - shown; left > 0 {
		notes = append(notes, several(left, "measure is", "measures are")+" the same in every run, or not known: --all shows them")
	}
	return notes
}

// text is a side's cell: "12.4 ms ± 3%", "STABLE 4, UNDECIDED 1", "-".
func (s *Spread) text(unit string) string {
	if unit == "word" {
		if len(s.Words) == 0 {
			return "-"
		}
		counts := map[string]int{}
		for _, w := range s.Words {
			counts[w]++
		}
		if len(counts) == 1 {
			return s.Words[0]
		}
		return kindsOf(counts)
	}
	if s.Median == nil {
		return "-"
	}
	text := value(unit, *s.Median)
	if s.AtLeast {
		text = ">" + text
	}
	return text + s.interval(unit)
}

// interval is the half of the interval that is longer, as a part of the median: " ± 3%".
func (s *Spread) interval(unit string) string {
	if s.Lo == nil {
		return ""
	}
	far := max(*s.Hi-*s.Median, *s.Median-*s.Lo)
	switch {
	case far == 0:
		return " ± 0%"
	case *s.Median == 0:
		return " ± " + value(unit, far)
	}
	return fmt.Sprintf(" ± %.0f%%", 100*far/math.Abs(*s.Median))
}

// value writes a figure of a unit; unlike [reading] also one below zero.
func value(unit string, v float64) string {
	if v < 0 && (unit == "ns" || unit == "fen" || unit == "") {
		return "-" + value(unit, -v)
	}
	return reading(Measure{Unit: unit, Value: v})
}

// change is the row's change, "+20.9%", or "~".
func (r *Row) change() string {
	switch {
	case r.Says == Same:
		return Same
	case r.Change == nil && *r.A.Median != 0:
		return "not seen to end"
	case r.Change == nil:
		return "from 0"
	}
	return signed(*r.Change)
}

// signed writes a part as per cents with a sign.
func signed(part float64) string {
	if math.Abs(part) >= 10 {
		return fmt.Sprintf("%+.0f%%", 100*part)
	}
	return fmt.Sprintf("%+.1f%%", 100*part)
}

// evidence is what stands behind the change: "(p=0.008 n=5+4)".
func (r *Row) evidence() string {
	var parts []string
	if r.P != nil && r.Why != everSame {
		p := fmt.Sprintf("p=%.3f", *r.P)
		if *r.P < 0.0005 {
			p = "p<0.001"
		}
		parts = append(parts, p)
	}
	if r.A.N == r.B.N {
		parts = append(parts, fmt.Sprintf("n=%d", r.A.N))
	} else {
		parts = append(parts, fmt.Sprintf("n=%d+%d", r.A.N, r.B.N))
	}
	text := strings.Join(parts, " ")
	switch {
	case r.Needs > 0 && r.Why != everSame:
		text += fmt.Sprintf(", needs %d", r.Needs)
	case r.Says == Same && r.Why != "within chance" && r.Why != "":
		text += ", " + r.Why
	}
	return "(" + text + ")"
}
