package reports

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A Mutant is a hardened run without one of its cures: one switch is as it was in a documented failure.
type Mutant struct {
	Switch   string // "refund.guard"
	Value    string // "none", as it was
	With     string // "queue.void silent": what had to be taken away with it, since the service refuses the one without the other
	Scenario string
	Dir      string    // the run's folder
	Analysis *Analysis // nil when there is none
	Took     time.Duration
	Skipped  string // why it was not tried; "" when it was
	Doubt    string // what came of the scenario with all its cures, when it did not pass either; "" when it did
	Err      error  // why it could not be run to its end
}

// Missed reports whether the run failed for want of the cure.
func (m *Mutant) Missed() bool {
	return m.Err == nil && m.Skipped == "" && m.Doubt == "" && m.Analysis.Verdict.Outcome == Fail
}

// The outcomes of a mutant, besides [Inconclusive], [Skipped] and [NotRun].
const (
	CureMissed = "MISSED"     // the run failed, as it should
	CureUnused = "NOT MISSED" // the run passed without the cure: nothing shows what it is for
)

// Outcome is what became of the mutant, in a word.
func (m *Mutant) Outcome() string {
	switch {
	case m.Skipped != "":
		return Skipped
	case m.Err != nil || m.Analysis == nil:
		return NotRun
	case m.Analysis.Verdict.Outcome == Inconclusive, m.Doubt != "":
		return Inconclusive
	case m.Missed():
		return CureMissed
	}
	return CureUnused
}

// UnusedCures are the switches that no scenario missed.
func UnusedCures(mutants []Mutant) []string {
	var all, missed []string
	for i := range mutants {
		all = append(all, mutants[i].Switch)
		if mutants[i].Missed() {
			missed = append(missed, mutants[i].Switch)
		}
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(key string) bool { return slices.Contains(missed, key) })
}

// MutantTable writes the mutants as a table for a terminal.
func MutantTable(w io.Writer, mutants []Mutant) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "CURE\tTAKEN AWAY\tIN\tOUTCOME\tTIME\tWHAT WAS SEEN")
	for i := range mutants {
		m := &mutants[i]
		seen, took := "", "-"
		switch {
		case m.Skipped != "":
			seen = oneLine(m.Skipped)
		case m.Err != nil:
			seen = oneLine(m.Err.Error())
		case m.Doubt != "":
			seen = "with all cures it did not pass either: " + oneLine(m.Doubt)
		default:
			seen = m.Analysis.Verdict.Headline
		}
		if m.Took > 0 {
			took = m.Took.Round(time.Second).String()
		}
		value := m.Value
		if m.With != "" {
			value += ", with " + m.With
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", m.Switch, value, m.Scenario, m.Outcome(), took, seen)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	unused := UnusedCures(mutants)
	said := "every cure is missed by at least one scenario"
	if len(unused) > 0 {
		said = "not missed by any scenario: " + strings.Join(unused, ", ")
	}
	_, err := fmt.Fprintf(w, "\n%d mutants: %s\n", len(mutants), said)
	return err
}
