package reports

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
)

// phaseCells are a phase's figures for people, in the order of phaseHeads.
func phaseCells(p *Phase) []string {
	part := func(v float64) string {
		if v < 0 {
			return "-"
		}
		return percent(v)
	}
	attempts, backlog := "-", "-"
	if p.Attempts >= 0 {
		attempts = strconv.FormatFloat(p.Attempts, 'f', 2, 64)
	}
	if p.BacklogMax >= 0 {
		backlog = count(int64(p.BacklogMax))
	}
	return []string{
		seconds(p.FromNS) + " to " + seconds(p.ToNS), strconv.FormatFloat(p.OfferedPerS, 'f', 1, 64), part(p.Goodput), part(p.Late), attempts,
		backlog, span(p.OldestNS),
	}
}

// phaseHeads name the figures of a phase.
var phaseHeads = []string{"run", "orders/s", "goodput", "too late", "sends each", "backlog", "oldest"}

// Facts are recovery, the model and the horizon in a line each.
func (s *Stability) Facts() [][2]string {
	recovery := orUnknown(s.RecoveryNS)
	if s.RecoveryOpen {
		recovery = "none in " + span(s.SeenNS)
	}
	model := "unknown: nobody says what the service can carry"
	switch {
	case s.ModelNS >= 0:
		model = fmt.Sprintf("%s: faults of %s at %.2f of a capacity of %.1f orders/s (%s)", span(s.ModelNS), span(s.FaultNS), s.Rho, s.CapacityPerS, s.CapacityFrom)
	case s.Rho >= 0:
		model = fmt.Sprintf("never: the load is %.2f of a capacity of %.1f orders/s (%s)", s.Rho, s.CapacityPerS, s.CapacityFrom)
	}
	return [][2]string{{"recovery", recovery}, {"the model's drain time", model}, {"watched after the faults", span(s.SeenNS) + " of a horizon of " + span(s.HorizonNS)}}
}

func writeStability(w io.Writer, s *Stability) {
	if s == nil {
		return
	}
	fmt.Fprintf(w, "stability: %s\n  %s\n", s.Class, s.Why)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if len(s.Phases) > 0 {
		fmt.Fprintf(tw, "  \t%s\n", strings.Join(phaseHeads, "\t"))
	}
	for i := range s.Phases {
		fmt.Fprintf(tw, "  %s\t%s\n", s.Phases[i].Name, strings.Join(phaseCells(&s.Phases[i]), "\t"))
	}
	_ = tw.Flush() // into a buffer
	for _, f := range s.Facts() {
		fmt.Fprintf(w, "  %s: %s\n", f[0], f[1])
	}
	for _, n := range s.Notes {
		fmt.Fprintf(w, "  note: %s\n", n)
	}
	fmt.Fprintln(w)
}

func markdownStability(b *strings.Builder, s *Stability) {
	if s == nil {
		return
	}
	fmt.Fprintf(b, "\n**Stability: %s.** %s\n", markdown(s.Class), markdown(s.Why))
	if len(s.Phases) > 0 {
		fmt.Fprintf(b, "\n| phase | %s |\n|---|%s\n", strings.Join(phaseHeads, " | "), strings.Repeat("--:|", len(phaseHeads)))
	}
	for i := range s.Phases {
		fmt.Fprintf(b, "| %s | %s |\n", s.Phases[i].Name, strings.Join(phaseCells(&s.Phases[i]), " | "))
	}
	b.WriteString("\n")
	for _, f := range s.Facts() {
		fmt.Fprintf(b, "- %s: %s\n", f[0], markdown(f[1]))
	}
	for _, n := range s.Notes {
		fmt.Fprintf(b, "- note: %s\n", markdown(n))
	}
}
