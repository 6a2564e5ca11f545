package reports

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
)

// mapLetters stand for the classes where there is room for one character.
var mapLetters = map[string]string{
	Stable: "S", Recovering: "R", Metastable: "M", Suspect: "m", Broken: "B", Undecided: "?",
}

// legend explains the letters that a map uses.
func (m *StabilityMap) legend() [][2]string {
	var list [][2]string
	for _, class := range []string{Stable, Recovering, Metastable, Suspect, Broken, Undecided} {
		if slices.ContainsFunc(m.Cells, func(c MapCell) bool { return c.Class == class }) {
			list = append(list, [2]string{mapLetters[class], class})
		}
	}
	if len(m.Cells) < len(m.LoadsPerS)*len(m.TriggersNS) {
		list = append(list, [2]string{"·", "not played"})
	}
	return list
}

// letter is a cell of the map in one character.
func (m *StabilityMap) letter(load float64, trigger int64) string {
	if c := m.cell(load, trigger); c != nil {
		return mapLetters[c.Class]
	}
	return "·"
}

// WriteMapText draws the map for a terminal, the longest trigger on top. A bar stands where a row stops coming back.
func WriteMapText(w io.Writer, m *StabilityMap) error {
	fmt.Fprintf(w, "%s, %s: offered load x length of the trigger (%s)\n\n", m.Scenario, m.Profile, m.Trigger)
	tw := tabwriter.NewWriter(w, 0, 0, 1, ' ', tabwriter.AlignRight)
	for i, trigger := range slices.Backward(m.TriggersNS) {
		fmt.Fprintf(tw, "  %s\t", span(trigger))
		low, high := -1, len(m.LoadsPerS)
		if i < len(m.Rows) {
			low, high = m.between(trigger)
		}
		for k, load := range m.LoadsPerS {
			bar := " "
			if k > 0 && k == high && high-low <= 1 && m.Rows[i].UpBeyond == nil {
				bar = "|"
			}
			fmt.Fprintf(tw, "%s %s\t", bar, m.letter(load, trigger))
		}
		fmt.Fprintln(tw)
	}
	heads := []string{"  orders/s"}
	for _, load := range m.LoadsPerS {
		heads = append(heads, rate(load))
	}
	fmt.Fprintf(tw, "%s\t\n", strings.Join(heads, "\t"))
	if m.CapacityPerS > 0 {
		heads = []string{"  of capacity"}
		for _, load := range m.LoadsPerS {
			heads = append(heads, fmt.Sprintf("%.2f", load/m.CapacityPerS))
		}
		fmt.Fprintf(tw, "%s\t\n", strings.Join(heads, "\t"))
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	var keys []string
	for _, l := range m.legend() {
		keys = append(keys, l[0]+" "+l[1])
	}
	fmt.Fprintf(w, "\n  %s\n\n", strings.Join(keys, ", "))
	for _, r := range slices.Backward(m.Rows) {
		fmt.Fprintf(w, "  %s: %s\n", span(r.TriggerNS), m.boundary(r))
	}
	fmt.Fprintf(w, "  model: %s\n", m.Model.sentence())
	if m.Why != "" {
		fmt.Fprintf(w, "  not complete: %s; %d of at most %d cells played\n", m.Why, len(m.Cells), len(m.LoadsPerS)*len(m.TriggersNS))
	}
	return nil
}

// rate writes orders a second with no more digits than they have.
func rate(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// boundary is a row of the map in words.
func (m *StabilityMap) boundary(r MapBoundary) string {
	switch {
	case r.UpBeyond != nil:
		var loads []string
		for _, load := range r.UpBeyond {
			loads = append(loads, rate(load))
		}
		return "stays down at " + rate(r.DownFrom) + " orders/s and comes back at " + strings.Join(loads, " and ") + ": there is no boundary to name"
	case r.UpTo < 0 && r.DownFrom < 0:
		return "nothing is known yet"
	case r.DownFrom < 0 && r.Narrow:
		return "comes back at every load up to " + rate(r.UpTo) + " orders/s"
	case r.DownFrom < 0:
		return "comes back up to " + rate(r.UpTo) + " orders/s; what is beyond is not decided"
	case r.UpTo < 0 && r.Narrow:
		return "stays down at every load from " + rate(r.DownFrom) + " orders/s on"
	case r.UpTo < 0:
		return "stays down from " + rate(r.DownFrom) + " orders/s; what is below is not decided"
	case r.Narrow:
		return "comes back up to " + rate(r.UpTo) + " orders/s, stays down from " + rate(r.DownFrom) + " on"
	default:
		return "comes back up to " + rate(r.UpTo) + " orders/s, stays down from " + rate(r.DownFrom) + "; what is between is not decided"
	}
}

func (m MapModel) sentence() string {
	if !m.Known {
		return "unknown: " + m.Why
	}
	return fmt.Sprintf("after a long trigger it stays down from %.1f orders/s on: rho* = 1 / (1 + a) = %.2f of the capacity, with a = %.2f retries for each operation",
		m.LoadPerS, m.RhoStar, m.Retries)
}

// mapCells are a cell's figures for people, in the order of mapHeads.
func (m *StabilityMap) mapCells(c *MapCell) []string {
	part := func(v float64) string {
		if v < 0 {
			return "-"
		}
		return percent(v)
	}
	of := "-"
	if m.CapacityPerS > 0 {
		of = strconv.FormatFloat(c.LoadPerS/m.CapacityPerS, 'f', 2, 64)
	}
	recovery := span(c.RecoveryNS)
	if c.Open {
		recovery = "none in " + recovery
	}
	attempts, backlog := "-", "-"
	if c.Attempts >= 0 {
		attempts = strconv.FormatFloat(c.Attempts, 'f', 2, 64)
	}
	if c.BacklogMax >= 0 {
		backlog = count(int64(c.BacklogMax))
	}
	return []string{
		span(c.TriggerNS), rate(c.LoadPerS), of, c.Class, recovery, span(c.ModelNS), part(c.During), part(c.After), attempts, backlog, span(c.OldestNS),
	}
}

var mapHeads = []string{"trigger", "orders/s", "of capacity", "class", "recovery", "model", "goodput during", "after", "sends each", "backlog", "oldest"}

// inOrder are the cells by trigger, the longest first, and load.
func (m *StabilityMap) inOrder() []*MapCell {
	var list []*MapCell
	for _, trigger := range slices.Backward(m.TriggersNS) {
		for _, load := range m.LoadsPerS {
			if c := m.cell(load, trigger); c != nil {
				list = append(list, c)
			}
		}
	}
	return list
}

// MapMD writes the map in Markdown.
func MapMD(w io.Writer, m *StabilityMap) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## Stability of %s, %s\n\n%s\n\nTrigger: %s. Seed %d, %s, %s.\n\n", markdown(m.Scenario), markdown(m.Profile), markdown(m.Title),
		markdown(m.Trigger), m.Seed, markdown(orDash(m.Testbed)), markdown(orDash(m.Engine)))
	fmt.Fprintf(&b, "| trigger \\ orders/s |")
	for _, load := range m.LoadsPerS {
		fmt.Fprintf(&b, " %s |", rate(load))
	}
	b.WriteString("\n|--:|" + strings.Repeat(":-:|", len(m.LoadsPerS)) + "\n")
	for _, trigger := range slices.Backward(m.TriggersNS) {
		fmt.Fprintf(&b, "| %s |", span(trigger))
		for _, load := range m.LoadsPerS {
			fmt.Fprintf(&b, " %s |", m.letter(load, trigger))
		}
		b.WriteString("\n")
	}
	var keys []string
	for _, l := range m.legend() {
		keys = append(keys, l[0]+" "+l[1])
	}
	fmt.Fprintf(&b, "\n%s.\n\n", strings.Join(keys, ", "))
	for _, r := range slices.Backward(m.Rows) {
		fmt.Fprintf(&b, "- %s: %s\n", span(r.TriggerNS), m.boundary(r))
	}
	fmt.Fprintf(&b, "- model: %s\n", markdown(m.Model.sentence()))
	if m.Why != "" {
		fmt.Fprintf(&b, "\nNot complete: %s.\n", markdown(m.Why))
	}
	fmt.Fprintf(&b, "\n| %s | why |\n|%s---|\n", strings.Join(mapHeads, " | "), strings.Repeat("--:|", len(mapHeads)))
	for _, c := range m.inOrder() {
		fmt.Fprintf(&b, "| %s | %s |\n", strings.Join(m.mapCells(c), " | "), markdown(c.Why))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
