package reports

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// GateText writes a gate for a terminal, as benchstat would: each build's median with its interval, the change, and how likely
// chance alone is; `~` where the interval has no change in it.
func GateText(w io.Writer, g *Gate, color bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s\n", colored(g.Verdict.Outcome, color), g.Verdict.Headline)
	fmt.Fprintf(&b, "  %s\n\n", g.subject())
	if len(g.Measures) > 0 {
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintf(t, "\tbase\thead\tchange\t95 %% interval\tmargin\t\n")
		for i := range g.Measures {
			m := &g.Measures[i]
			if !m.compared() {
				fmt.Fprintf(t, "%s\t-\t-\t-\t-\t%s\t%s: %s\n", m.Name, m.bound(), m.Status, m.Why)
				continue
			}
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", m.Name, m.middle(m.Base), m.middle(m.Head), m.changed(), m.interval(), m.bound(),
				strings.TrimRight(m.Status+" "+m.note(), " "))
		}
		_ = t.Flush() // into a builder
		b.WriteString("\n")
	}
	for _, line := range g.remarks() {
		fmt.Fprintf(&b, "note: %s\n", line)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func colored(outcome string, color bool) string {
	code := map[string]string{Pass: "32;1", Fail: "31;1"}[outcome]
	if code == "" {
		code = "33;1"
	}
	if !color {
		return outcome
	}
	return "\x1b[" + code + "m" + outcome + "\x1b[0m"
}

// subject says what was compared: "gate-lunch on local: head this lunchrush against base main (1a2b3c4d5e6f)".
func (g *Gate) subject() string {
	s := g.Scenario
	if g.Testbed != "" {
		s += " on " + g.Testbed
	}
	return s + ": head " + g.Head.String() + " against base " + g.Base.String()
}

// String is the build as a headline calls it: "main (1f2e3d4c5b6a) with callback.workers=8".
func (b GateBuild) String() string {
	s := b.Name
	if b.Revision != "" && !strings.HasPrefix(b.Revision, b.Name) {
		s += " (" + short(b.Revision) + ")"
	}
	for _, set := range settings(b.Set) {
		s += " with " + set
	}
	return s
}

// remarks are what a reader of the table must know besides.
func (g *Gate) remarks() []string {
	var lines []string
	r := g.Rules
	if r.ExtendTo > r.Pairs && len(g.Pairs) > r.Pairs {
		lines = append(lines, fmt.Sprintf("extended from %d to %d pairs, as declared: %d left something undecided", r.Pairs, len(g.Pairs), r.Pairs))
	}
	for i, p := range g.Repeated {
		if i+1 < len(g.Repeated) && g.Repeated[i+1].Number == p.Number {
			continue // told with the last try
		}
		var line string
		switch again := g.tries(p.Number) - 1; again {
		case 0:
			line = fmt.Sprintf("pair %d was not played again: %s", p.Number, p.Why)
		case 1:
			line = fmt.Sprintf("pair %d was played again: %s", p.Number, p.Why)
		default:
			line = fmt.Sprintf("pair %d was played again %d times, at last: %s", p.Number, again, p.Why)
		}
		lines = append(lines, line)
	}
	lines = append(lines, g.noiseLines()...)
	return append(lines, g.Notes...)
}

// tries is how often the pair of that number was played.
func (g *Gate) tries(number int) int {
	n := 0
	for _, p := range slices.Concat(g.Pairs, g.Repeated) {
		if p.Number == number {
			n++
		}
	}
	return n
}

// noiseLines say what this machine's own noise means for the margins.
func (g *Gate) noiseLines() []string {
	if g.Noise == nil {
		return []string{fmt.Sprintf("how noisy this machine is has not been measured: `lunchrush gate --calibrate %s`", g.Scenario)}
	}
	var lines []string
	most := 0
	for i := range g.Noise.Measures {
		m := &g.Noise.Measures[i]
		needs := fmt.Sprintf("about %d pairs are needed", m.Needs)
		if m.Needs == 0 {
			needs = fmt.Sprintf("more than %d pairs are needed", pairsMax)
		}
		switch {
		case m.Below:
			lines = append(lines, fmt.Sprintf("%s: its margin of %s is below this machine's own noise (± %s in %d pairs of one build): %s",
				m.Name, percent(m.Margin), percent(m.Width), g.Rules.Pairs, needs))
		case m.Needs > g.Rules.ExtendTo || m.Needs == 0:
			lines = append(lines, fmt.Sprintf("%s: an unchanged build passes in nine of ten gates only with more: %s (noise ± %s in %d)",
				m.Name, needs, percent(m.Width), g.Rules.Pairs))
		}
		most = max(most, m.Needs)
	}
	for i := range g.Measures {
		if name := g.Measures[i].Name; g.Noise.Of(name) == nil {
			lines = append(lines, name+": its noise on this machine is not known")
		}
	}
	if len(lines) == 0 {
		lines = append(lines, fmt.Sprintf("the margins are above this machine's own noise, measured by %d pairs of one build until %s; with %d pairs each measure of an unchanged build passes in nine of ten gates",
			g.Noise.Pairs, g.Noise.To.Format("2006-01-02"), most))
	}
	return lines
}

// NoiseText writes what a calibration has shown.
func NoiseText(w io.Writer, n *GateNoise, rules GateRules) error {
	if n == nil {
		_, err := fmt.Fprintln(w, "too few pairs to know the noise by: 6 are needed")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "\tpairs\tnoise in %d pairs\tmargin\tpairs needed\n", rules.Pairs)
	for _, m := range n.Measures {
		needs := fmt.Sprint(m.Needs)
		if m.Needs == 0 {
			needs = fmt.Sprintf("more than %d", pairsMax)
		}
		if m.Below {
			needs += " (the margin is below the noise)"
		}
		fmt.Fprintf(t, "%s\t%d\t± %s\t%s\t%s\n", m.Name, m.Pairs, percent(m.Width), percent(m.Margin), needs)
	}
	return t.Flush()
}

// middle is a build's median and the half width of its interval: "81.7 ms ± 1%".
func (m *GateMeasure) middle(v GateMiddle) string {
	half := 0.0
	if v.Median > 0 {
		half = max(v.High-v.Median, v.Median-v.Low) / v.Median
	}
	return fmt.Sprintf("%s ± %.0f%%", m.amount(v.Median), 100*half)
}

// amount is a value in the measure's unit.
func (m *GateMeasure) amount(v float64) string {
	if m.Unit == "ns" {
		return span(int64(math.Round(v)))
	}
	return fmt.Sprintf("%.1f%%", 100*v)
}

// changed is "+28.80% (p=0.002 n=10)", or "~ (p=0.700 n=10)" where the interval holds no change at all.
func (m *GateMeasure) changed() string {
	c := signedPercent(m.Change.Median, 2)
	if m.Change.Low <= 0 && (m.Change.High >= 0 || m.Change.Open) {
		c = "~"
	}
	return fmt.Sprintf("%s (p=%.3f n=%d)", c, m.P, m.Pairs)
}

// interval is "+25.1% to +31.9%".
func (m *GateMeasure) interval() string {
	high := signedPercent(m.Change.High, 1)
	if m.Change.Open {
		high = "open"
	}
	return signedPercent(m.Change.Low, 1) + " to " + high
}

// bound is the margin with its side: "+10%", "-3%".
func (m *GateMeasure) bound() string {
	if m.Better == "more" {
		return fmt.Sprintf("-%g%%", 100*m.Margin)
	}
	return fmt.Sprintf("+%g%%", 100*m.Margin)
}

// signedPercent is "+12.3%" or "-4.5%"; what rounds to nothing has no sign.
func signedPercent(change float64, places int) string {
	s := fmt.Sprintf("%+.*f%%", places, 100*change)
	if strings.Trim(s, "+-0.%") == "" {
		s = s[1:]
	}
	return s
}

func (m *GateMeasure) note() string {
	switch {
	case m.Status == Pass && m.Why != "":
		return "(" + m.Why + ")"
	case m.Status == Inconclusive && m.Needs > 0:
		return fmt.Sprintf("(about %d pairs would decide)", m.Needs)
	case m.Status == Inconclusive:
		return "(" + m.Why + ")"
	}
	return ""
}

// sentence is the change in words: "create.p50 +28.8% (+26.2% to +31.8%, margin +10%), 82.1 ms to 105 ms".
func (m *GateMeasure) sentence() string {
	s := fmt.Sprintf("%s %s (%s, margin %s), %s to %s", m.Name, signedPercent(m.Change.Median, 1), m.interval(), m.bound(), m.amount(m.Base.Median), m.amount(m.Head.Median))
	if m.Change.Open {
		s += ", or more: it did not recover while it was watched"
	}
	return s
}

func machineText(f runlog.Fingerprint) string {
	return fmt.Sprintf("%s, %s, %s, %s, %s", orDash(f.CPU), several(f.Cores, "core", "cores"), bytesOf(f.Memory), f.OS, f.Go)
}

func settings(set map[string]string) []string {
	var list []string
	for _, s := range settingsOf(set) {
		list = append(list, s.Name+"="+s.Value)
	}
	return list
}

func settingsOf(set map[string]string) []setting {
	all := make(map[string]any, len(set))
	for name, value := range set {
		all[name] = value
	}
	return switches(all)
}
