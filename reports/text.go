package reports

import (
	"bufio"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteText writes the summary that ends a run in the terminal: the verdict first, then what failed, then the account
// of orders and money, then latency. color puts ANSI colours on the outcome and on what failed.
func WriteText(w io.Writer, a *Analysis, color bool) error {
	out := bufio.NewWriter(w)
	paint := func(code, s string) string {
		if !color {
			return s
		}
		return "\x1b[" + code + "m" + s + "\x1b[0m"
	}
	v := &a.Verdict
	colour := map[string]string{Pass: "1;32", Fail: "1;31", Inconclusive: "1;33"}[v.Outcome]
	fmt.Fprintf(out, "%s  %s\n", paint(colour, v.Outcome), v.Headline)
	if v.Likely != "" {
		fmt.Fprintf(out, "  likely: %s\n", v.Likely)
	}
	fmt.Fprintf(out, "  %s, %s, seed %d, on %s\n\n", a.Run.Scenario, a.Run.Profile, a.Run.Seed, orDash(a.Run.Testbed))

	marks := map[string]string{passed: paint("32", "ok  "), failed: paint("31", "FAIL"), unknown: paint("33", "?   ")}
	writeChecks(out, "load and books", a.Certificate, false, marks)
	writeChecks(out, "money and goods", a.Invariants, true, marks)
	writeChecks(out, "expected", a.Expect, true, marks)
	// A failure that is not seen is good news on one side and bad on the other: no colour.
	writeChecks(out, "documented failure", a.Signature, true, map[string]string{passed: "seen", failed: "no  ", unknown: "?   "})
	writeStability(out, a.Stability)
	writeClasses(out, &a.Audit)
	writeCalls(out, a.Calls)
	if a.Bid != nil {
		fmt.Fprintf(out, "%s\n\n", a.Bid.sentence())
	}
	writeLatency(out, a)
	writeShares(out, a)
	for _, s := range a.Warnings {
		fmt.Fprintf(out, "note: %s\n", s)
	}
	return out.Flush()
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// writeChecks lists checks. Of a group that is only of interest when something is wrong, those that pass are one line.
func writeChecks(w io.Writer, name string, checks []Check, all bool, marks map[string]string) {
	if len(checks) == 0 {
		return
	}
	fmt.Fprintf(w, "%s\n", name)
	good := 0
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, c := range checks {
		if c.Status == passed && !all {
			good++
			continue
		}
		note := c.Note
		if note != "" {
			note = "(" + note + ")"
		}
		// The mark comes first: its colour codes would count as width.
		fmt.Fprintf(tw, "  %s %s\t%s\t%s\t%s\n", marks[c.Status], c.Name, c.Got, "want "+c.Want, note)
	}
	_ = tw.Flush() // into a buffer
	if good > 0 {
		fmt.Fprintf(w, "  %s %d of %d hold\n", marks[passed], good, len(checks))
	}
	fmt.Fprintln(w)
}

func writeClasses(w io.Writer, a *Audit) {
	var parts []string
	for i := len(classes) - 1; i >= 0; i-- {
		if n := a.Classes[classes[i]]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %s", count(int64(n)), classes[i]))
		}
	}
	fmt.Fprintf(w, "%s %s: %s\n", count(int64(a.Orders)), plural(a.Orders, "order"), orDash(strings.Join(parts, ", ")))
	equals, left := "=", ""
	if over := a.DispensedFen + a.RefundedFen + a.OpenFen - a.PaidFen; over > 0 {
		equals, left = "!=", ": "+yuan(over)+" too much"
	} else if over < 0 {
		equals, left = "!=", ": "+yuan(-over)+" unaccounted for"
	}
	fmt.Fprintf(w, "%s yuan paid %s %s dispensed + %s refunded + %s open%s\n", yuan(a.PaidFen), equals, yuan(a.DispensedFen),
		yuan(a.RefundedFen), yuan(a.OpenFen), left)
	if a.Probes > 0 {
		fmt.Fprintf(w, "%s false %s sent (%s), %s taken\n", count(int64(a.Probes)), plural(a.Probes, "notification"), kindsOf(a.ProbeKinds), count(int64(a.ProbesTaken)))
	}
	if a.UpperBound != "" {
		fmt.Fprintf(w, "%s\n", a.UpperBound)
	}
	if s := a.Histories.sentence(); s != "" {
		fmt.Fprintf(w, "%s\n", s)
	}
	if q := a.PayToDrop; q.N > 0 {
		fmt.Fprintf(w, "payment to goods: p50 %s, p99 %s, max %s\n", q.told(50), q.told(99), span(q.Max))
	}
	fmt.Fprintln(w)
}

// writeShares is a line for each instance of which there are several.
func writeShares(w io.Writer, a *Analysis) {
	rows := spreadRows(&a.Run)
	if len(rows) == 0 {
		return
	}
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "balancer\tinstance\trequests\tshare\tfair\tp99\t\n")
	for _, r := range rows {
		var note string
		if r.Added {
			note = "added"
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", r.Listener, r.Instance, count(r.Requests), tenths(r.Got), tenths(r.Due), r.P99().Cell, note)
	}
	_ = tw.Flush() // into a buffer
	for _, c := range a.Run.Cold {
		fmt.Fprintf(w, "cold %s: p99 %s, max %s of %s answers, longest wait for a core %s\n", c.Instance, coldP99(c), span(c.MaxNS), count(c.Answered), span(c.LongestNS))
	}
	fmt.Fprintln(w)
}

func writeLatency(w io.Writer, a *Analysis) {
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	rows, few := 0, false
	for _, l := range a.Latency {
		q, of := l.Response, "response"
		if q.N == 0 {
			q, of = l.Service, "service"
		}
		if q.N == 0 {
			continue
		}
		if rows == 0 {
			fmt.Fprintf(tw, "latency\t\tsends\tp50\tp90\tp99\tp99.9\tmax\t\n")
		}
		rows++
		few = few || q.N < quantileSamples(0.999)
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", l.Kind, of, count(q.N), span(q.P50), span(q.P90), span(q.P99), span(q.P999), span(q.Max))
	}
	_ = tw.Flush() // into a buffer
	if few {
		fmt.Fprintf(w, "-: too few samples; %s\n", samplesNeeded)
	}
	if rows > 0 {
		fmt.Fprintln(w)
	}
}
