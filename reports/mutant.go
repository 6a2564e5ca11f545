package reports

import (
	"fmt"
	"io"
	"maps"
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
	Doubt    string // why nothing that it did would tell of the cure: with all its cures the scenario does not pass either. "" when it does
	Control  int    // exit code of the scenario with all its cures
	Err      error  // why it could not be run to its end
}

// Caught reports whether the run failed for want of the cure.
func (m *Mutant) Caught() bool { return m.Outcome() == MutantCaught }

// The outcomes of a mutant, besides [Inconclusive], [Skipped] and [NotRun].
const (
	MutantCaught   = "CAUGHT"   // the run failed, as it should
	MutantSurvived = "SURVIVED" // the run passed without the cure: nothing shows what it is for
)

// Outcome is what became of the mutant, in a word.
func (m *Mutant) Outcome() string {
	switch {
	case m.Skipped != "":
		return Skipped
	case m.Doubt != "":
		return Inconclusive
	case m.Err != nil || m.Analysis == nil:
		return NotRun
	case m.Analysis.Verdict.Outcome == Inconclusive, !m.Analysis.Certified():
		return Inconclusive
	case m.Analysis.Verdict.Outcome == Fail:
		return MutantCaught
	}
	return MutantSurvived
}

// Cures are the switches that mutants took away, sorted by what was seen of them in all scenarios together.
type Cures struct {
	Needed    []string // one scenario at least fails without it
	Unneeded  []string // none does, and each was tried
	Undecided []string // none does, and one at least was inconclusive or could not be run
	Skipped   []string // not tried
}

// CuresOf sorts the switches.
func CuresOf(mutants []Mutant) Cures {
	seen := map[string]map[string]bool{}
	for i := range mutants {
		m := &mutants[i]
		if seen[m.Switch] == nil {
			seen[m.Switch] = map[string]bool{}
		}
		seen[m.Switch][m.Outcome()] = true
	}
	var c Cures
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		switch of := seen[key]; {
		case of[MutantCaught]:
			c.Needed = append(c.Needed, key)
		case of[Inconclusive] || of[NotRun]:
			c.Undecided = append(c.Undecided, key)
		case of[MutantSurvived]:
			c.Unneeded = append(c.Unneeded, key)
		default:
			c.Skipped = append(c.Skipped, key)
		}
	}
	return c
}

// MutantsExit is 98 when a scenario lost money or data with all its cures, 97 when a cure is undecided or none was tried, 99 when
// no scenario fails without one, else 0.
func MutantsExit(mutants []Mutant) int {
	c := CuresOf(mutants)
	switch {
	case slices.ContainsFunc(mutants, func(m Mutant) bool { return m.Control == ExitViolated }):
		return ExitViolated
	case len(c.Undecided) > 0, len(c.Needed)+len(c.Unneeded) == 0:
		return ExitInconclusive
	case len(c.Unneeded) > 0:
		return ExitMissed
	}
	return ExitPass
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
		case m.Doubt != "":
			seen = "with all cures it does not pass either: " + oneLine(m.Doubt)
		case m.Err != nil:
			seen = oneLine(m.Err.Error())
		case m.Analysis.Verdict.Outcome == Fail && !m.Analysis.Certified():
			seen = m.Analysis.uncertified()
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
	c := CuresOf(mutants)
	var said []string
	for _, part := range []struct {
		what string
		keys []string
	}{{"no scenario fails without", c.Unneeded}, {"undecided", c.Undecided}, {"skipped", c.Skipped}} {
		if len(part.keys) > 0 {
			said = append(said, part.what+": "+strings.Join(part.keys, ", "))
		}
	}
	if len(said) == 0 && len(c.Needed) > 0 {
		said = append(said, "without any one of them a scenario fails")
	}
	_, err := fmt.Fprintf(w, "\n%d mutants of %d cures: %s\n", len(mutants), len(c.Needed)+len(c.Unneeded)+len(c.Undecided)+len(c.Skipped), strings.Join(said, "; "))
	return err
}
