package reports

import (
	_ "embed"
	"fmt"
	"io"
	"strings"
)

// CompareSchema is the JSON Schema (draft 2020-12) of what [CompareJSON] writes.
//
//go:embed compare.schema.json
var CompareSchema []byte

// CompareJSON writes the whole Comparison.
func CompareJSON(w io.Writer, c *Comparison) error { return writeJSON(w, c) }

// CompareMarkdown writes a comparison in the dialect of a CI step summary: the rows that [CompareText] shows.
func CompareMarkdown(w io.Writer, c *Comparison, all bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "## %s: %s against %s\n\n**%s**\n", markdown(c.Scenario), markdown(c.A.title()), markdown(c.B.title()), markdown(c.Sum()))
	var says []string
	for _, text := range c.Warnings {
		says = append(says, "warning: "+text)
	}
	for _, line := range c.leftOut() {
		says = append(says, "left out: "+line)
	}
	if len(says) > 0 {
		fmt.Fprintln(&b)
	}
	for _, line := range says {
		fmt.Fprintf(&b, "- %s\n", markdown(line))
	}
	if len(c.Differs) > 0 {
		fmt.Fprint(&b, "\n| set | A | B |\n|---|---|---|\n")
		for _, d := range c.Differs {
			fmt.Fprintf(&b, "| %s | %s | %s |\n", markdown(d.Name), markdown(d.A), markdown(d.B))
		}
	}
	shown := c.shown(all)
	fmt.Fprint(&b, "\n| measure | A | B | change | | |\n|---|--:|--:|--:|---|---|\n")
	for i := range shown {
		r := &shown[i]
		change, word := markdown(r.change()), r.Says
		if r.Says == Same {
			word = ""
		} else {
			change = "**" + change + "**"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s |\n", markdown(r.Name), markdown(r.A.text(r.Unit)), markdown(r.B.text(r.Unit)),
			change, word, markdown(strings.Trim(r.evidence(), "()")))
	}
	fmt.Fprintln(&b)
	for _, note := range c.notes(len(shown)) {
		fmt.Fprintf(&b, "- %s\n", markdown(note))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteComparePage writes the page of a comparison to path in one step, as all reports are written.
func WriteComparePage(path string, c *Comparison) error {
	return writePage(path, func(w io.Writer, dir string) error { return CompareHTML(w, c, dir) })
}
