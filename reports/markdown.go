package reports

import (
	"fmt"
	"io"
	"strings"
	"unicode"
)

// Markdown writes summary.md: the verdict, the key figures, what was lost and what did not hold, in the dialect of a CI
// step summary. What comes from the books is escaped: it can make neither a table cell nor markup.
func Markdown(w io.Writer, a *Analysis) error {
	var b strings.Builder
	m := &a.Run
	fmt.Fprintf(&b, "## %s: %s", a.Verdict.Outcome, markdown(m.Scenario))
	if m.Profile != "" {
		fmt.Fprintf(&b, ", %s", markdown(m.Profile))
	}
	fmt.Fprintf(&b, "\n\n**%s**\n", markdown(a.Verdict.Headline))
	if cut := cutShort(a); cut != "" {
		fmt.Fprintf(&b, "\n%s\n", markdown(cut))
	}
	if a.Verdict.Outcome == Pass && a.Audit.UpperBound != "" && !strings.Contains(a.Verdict.Headline, a.Audit.UpperBound) {
		fmt.Fprintf(&b, "\n%s\n", markdown(a.Audit.UpperBound))
	}
	var answer []string
	if lost := lostOrders(&a.Audit); lost > 0 || a.Verdict.LossFen != 0 {
		answer = append(answer, fmt.Sprintf("Lost: %s, **%s yuan**", several(lost, "order", "orders"), yuan(a.Verdict.LossFen)))
	}
	if a.Verdict.Since >= 0 && a.Verdict.Outcome != Pass {
		since := seconds(int64(a.Verdict.Since)) + " into the run"
		if a.Verdict.SinceTime != "" {
			since = a.Verdict.SinceTime + " on the scenario's clock, " + since
		}
		answer = append(answer, "Since: "+markdown(since))
	}
	if a.Verdict.Likely != "" {
		answer = append(answer, "Likely: "+markdown(a.Verdict.Likely))
	}
	if len(answer) > 0 {
		b.WriteString("\n- " + strings.Join(answer, "\n- ") + "\n")
	}

	b.WriteString("\n| | | |\n|---|--:|---|\n")
	for _, f := range keyFigures(a) {
		fmt.Fprintf(&b, "| %s | %s | %s |\n", f.Name, markdown(f.Value), markdown(f.Note))
	}

	b.WriteString("\n| class | orders | yuan | what it means |\n|---|--:|--:|---|\n")
	for _, row := range classRows(&a.Audit) {
		if row.Count == 0 {
			continue
		}
		name := string(row.Class)
		if row.Bad {
			name = "**" + name + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, count(int64(row.Count)), row.Fen, row.Says)
	}
	fmt.Fprintf(&b, "| all | %s | | |\n", count(int64(a.Audit.Orders)))

	if s := a.Audit.Histories.sentence(); s != "" {
		fmt.Fprintf(&b, "\n%s\n", markdown(s))
	}
	markdownStability(&b, a.Stability)
	markdownCalls(&b, a.Calls)
	if a.Bid != nil {
		fmt.Fprintf(&b, "\n%s\n", markdown(a.Bid.sentence()))
	}
	markdownChecks(&b, a)
	if len(a.Warnings) > 0 {
		b.WriteString("\nWarnings:\n")
		for _, warning := range a.Warnings {
			fmt.Fprintf(&b, "- %s\n", markdown(warning))
		}
	}
	fmt.Fprintf(&b, "\n[The whole report](report.html) · seed %d · %s · plan %.12s\n\n", m.Seed, markdown(m.Testbed), markdown(m.PlanSHA256))
	b.WriteString(fenced(repeatLine(m)))
	_, err := io.WriteString(w, b.String())
	return err
}

// markdownChecks lists what did not hold, and counts what did.
func markdownChecks(b *strings.Builder, a *Analysis) {
	held, head := 0, false
	for _, group := range []struct {
		name   string
		checks []Check
	}{{"certificate", a.Certificate}, {"invariant", a.Invariants}, {"expectation", a.Expect}} {
		for _, c := range rankChecks(group.checks) {
			if c.Status == "pass" {
				held++
				continue
			}
			if !head {
				b.WriteString("\n| check | status | want | got |\n|---|---|---|---|\n")
				head = true
			}
			status := "failed"
			if c.Status != "fail" {
				status = c.Status
			}
			got := c.Got
			if c.Note != "" {
				got += " (" + c.Note + ")"
			}
			fmt.Fprintf(b, "| %s: %s | %s | %s | %s |\n", group.name, markdown(c.Name), markdown(status), markdown(c.Want), markdown(got))
		}
	}
	total := len(a.Certificate) + len(a.Invariants) + len(a.Expect)
	fmt.Fprintf(b, "\n%d of %d checks held.\n", held, total)
}

// markdown escapes what could be read as markup, and keeps it on one line.
func markdown(s string) string {
	return markdownEscapes.Replace(printable(strings.Join(strings.Fields(s), " ")))
}

var markdownEscapes = strings.NewReplacer(
	"&", "&amp;", "<", "&lt;", ">", "&gt;", "|", `\|`, "`", "\\`", "*", `\*`, "_", `\_`, "[", `\[`, "]", `\]`, `\`, `\\`, "~", `\~`, "#", `\#`, "@", "&#64;",
)

// printable replaces what a terminal or a parser could choke on.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// fenced sets a command apart as code, inside a fence longer than any run of backticks in it.
func fenced(s string) string {
	fence := "```"
	for strings.Contains(s, fence) {
		fence += "`"
	}
	return fence + "\n" + printable(s) + "\n" + fence + "\n"
}
