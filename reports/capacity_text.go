package reports

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// CapacityText writes the answer for a terminal.
func CapacityText(w io.Writer, c *Capacity) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s %s\n", c.Verdict(), c.Scenario, c.Headline())
	if cut := c.Cut(); cut != "" {
		fmt.Fprintf(&b, "  %s\n", cut)
	}
	for _, s := range c.Sayings() {
		fmt.Fprintf(&b, "  %-9s  %s\n", strings.ToLower(s.Name), s.Says)
	}
	b.WriteString("\n")
	t := tabwriter.NewWriter(&b, 2, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "trial\tstep\tmachines\torders/s\tin time\tcreate p99\tnotify p99\tgoods p99\tservice\tdatabase\tharness\tidle\t\t")
	for _, r := range c.Played() {
		e := &r.Evidence
		fmt.Fprintf(t, "%d\t%s\t%s\t%.1f\t%.1f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", r.N, r.Step, count(int64(r.Machines)), r.Offered, r.Goodput,
			span(r.CreateP99NS), span(r.NotifyP99NS), span(r.DropP99NS),
			coresText(e.ServiceCores), coresText(e.DatabaseCores), coresText(e.HarnessCores), coresText(e.IdleCores), r.Outcome)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if len(c.Binding.Limits) > 0 {
		b.WriteString("\nlimits, of the least load that did not pass (and of the greatest that did)\n")
		t = tabwriter.NewWriter(&b, 2, 0, 2, ' ', 0)
		for _, l := range c.Binding.Limits {
			full := "    "
			if l.Full {
				full = "full"
			}
			fmt.Fprintf(t, "  %s\t%s\t%s\t(%s)\t%s\n", full, l.Name, shareText(l.Used), shareText(l.Below), l.Says)
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	fmt.Fprintf(&b, "\nmachine  %s\nlittle   %s\nusl      %s\nmethod   %s\n\n", c.machineText(), c.littleText(), c.curveText(), c.methodText())
	for _, s := range c.Honesty() {
		fmt.Fprintf(&b, "%s\n", s)
	}
	for _, s := range c.Warnings {
		fmt.Fprintf(&b, "warning: %s\n", s)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// CapacityMarkdown writes capacity.md, in the dialect of a CI step summary.
func CapacityMarkdown(w io.Writer, c *Capacity) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s: capacity of %s\n\n**%s**\n", c.Verdict(), markdown(c.Scenario), markdown(c.Headline()))
	if cut := c.Cut(); cut != "" {
		fmt.Fprintf(&b, "\n%s\n", markdown(cut))
	}
	b.WriteString("\n| | |\n|---|---|\n")
	for _, s := range c.Sayings() {
		fmt.Fprintf(&b, "| %s | %s |\n", s.Name, markdown(s.Says))
	}
	if len(c.Played()) > 0 {
		b.WriteString("\n| trial | step | machines | orders/s | in time | create p99 | notify p99 | goods p99 | service | database | harness | idle | |\n|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|---|\n")
	}
	for _, r := range c.Played() {
		e := &r.Evidence
		fmt.Fprintf(&b, "| %d | %s | %s | %.1f | %.1f | %s | %s | %s | %s | %s | %s | %s | %s |\n", r.N, r.Step, count(int64(r.Machines)), r.Offered, r.Goodput,
			span(r.CreateP99NS), span(r.NotifyP99NS), span(r.DropP99NS),
			coresText(e.ServiceCores), coresText(e.DatabaseCores), coresText(e.HarnessCores), coresText(e.IdleCores), r.Outcome)
	}
	if len(c.Binding.Limits) > 0 {
		b.WriteString("\n| limit | used | at the load carried | |\n|---|--:|--:|---|\n")
		for _, l := range c.Binding.Limits {
			name := l.Name
			if l.Full {
				name = "**" + name + "**"
			}
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, shareText(l.Used), shareText(l.Below), markdown(l.Says))
		}
	}
	fmt.Fprintf(&b, "\n- Machine: %s\n- Little's law: %s\n- USL: %s\n- Method: %s\n", markdown(c.machineText()), markdown(c.littleText()), markdown(c.curveText()), markdown(c.methodText()))
	for _, s := range c.Honesty() {
		fmt.Fprintf(&b, "- %s\n", markdown(s))
	}
	for _, s := range c.Warnings {
		fmt.Fprintf(&b, "- **Warning:** %s\n", markdown(s))
	}
	_, err := io.WriteString(w, b.String())
	return err
}
