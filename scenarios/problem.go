package scenarios

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Problem is one mistake in a scenario file. Line and Col count from 1; both are 0 when there is no place to point at
// (a flag that overrides the file, a file that cannot be read).
type Problem struct {
	File  string
	Line  int
	Col   int
	Field string // "payments.notify.delay", "demand.peaks[0].to"; "" when the file as a whole is meant
	What  string // "no such field"
	Hint  string // "did you mean delay?"; "" when there is nothing to suggest
}

// Error is `file:line:col: field: what; hint`.
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", p.Line, p.Col)
	}
	if p.Field != "" {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(p.Field)
	}
	b.WriteString(": ")
	b.WriteString(p.What)
	if p.Hint != "" {
		b.WriteString("; ")
		b.WriteString(p.Hint)
	}
	return b.String()
}

// Problems are all the mistakes of one file, in the order of their places. Empty Problems are never returned as an error.
type Problems []Problem

// Error is one line a problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

func (ps Problems) sorted() Problems {
	slices.SortStableFunc(ps, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return ps
}
