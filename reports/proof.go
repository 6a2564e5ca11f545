package reports

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// A Proof is what came of showing one documented failure and its cure, with one plan and one seed.
type Proof struct {
	Name    string
	Title   string
	Source  string
	Testbed string // "local"; "" when nothing was started
	Engine  string // "MariaDB 10.11.14, Redis 7.0.15"
	Seed    uint64
	Sides   []ProofSide
	Took    time.Duration // of all tries
	Tries   int
	Skipped string // why it cannot be shown here; "" when it was tried
	Err     error  // why it could not be run to its end
}

// A ProofSide is one side of a proof, played and judged.
type ProofSide struct {
	Name     string // "as-was", "hardened"
	Fails    bool   // it must fail with the documented signature, else it must pass
	Dir      string // the run's folder
	Analysis *Analysis
}

// Shown reports whether the side behaved as documented. Money that was lost under another load than the one that was planned, or by
// somebody's hand, is lost all the same and makes the run FAIL; it shows nothing of the documented failure.
func (s ProofSide) Shown() bool {
	if s.Fails {
		return s.Analysis.Verdict.Outcome == Fail && s.Analysis.Certified() && SignatureSeen(s.Analysis)
	}
	return s.Analysis.Verdict.Outcome == Pass
}

// lost reports whether a side that must pass lost money or data. What it lost before it broke off is lost all the same.
func (s ProofSide) lost() bool { return !s.Fails && s.Analysis.Verdict.ExitCode == ExitViolated }

// doubtful reports whether the side's run proves nothing.
func (s ProofSide) doubtful() bool {
	return s.Analysis.Verdict.Outcome == Inconclusive || s.Fails && !s.Analysis.Certified()
}

// The outcomes of a proof besides [Inconclusive].
const (
	Proved    = "PROVED"
	NotProved = "NOT PROVED"
	Skipped   = "SKIPPED"
	NotRun    = "ERROR"
)

// Outcome is the proof in a word.
func (p *Proof) Outcome() string {
	outcome, _ := p.judge()
	return outcome
}

// ExitCode is 0 for proved and skipped, 98 when a side that must pass lost money or data, 97 for inconclusive, 99 when a
// side did not behave as documented, 1 when it could not be run.
func (p *Proof) ExitCode() int {
	_, code := p.judge()
	return code
}

func (p *Proof) judge() (outcome string, code int) {
	switch {
	case p.Skipped != "":
		return Skipped, ExitPass
	case slices.ContainsFunc(p.Sides, ProofSide.lost):
		return NotProved, ExitViolated
	case p.Err != nil || len(p.Sides) == 0:
		return NotRun, 1
	}
	outcome, code = Proved, ExitPass
	for _, s := range p.Sides {
		switch {
		case s.Shown():
		case s.doubtful():
			outcome, code = Inconclusive, ExitInconclusive
		case outcome == Proved:
			outcome, code = NotProved, ExitMissed
		}
	}
	return outcome, code
}

// WorstExit is the exit code of several proofs: a loss stands above all, then what could not be run, then doubt, then a
// missed limit. Nothing proved is doubt.
func WorstExit(proofs []Proof) int {
	codes := map[int]bool{}
	for i := range proofs {
		if proofs[i].Skipped == "" {
			codes[proofs[i].ExitCode()] = true
		}
	}
	for _, code := range []int{ExitViolated, 1, ExitInconclusive, ExitMissed, ExitPass} {
		if codes[code] {
			return code
		}
	}
	return ExitInconclusive
}

// signatures are the parts of the documented signature with what was seen of them: "double_dispense > 0: 19".
func (s ProofSide) signatures() []string {
	var seen []string
	for _, c := range s.Analysis.Signature {
		text := fmt.Sprintf("%s %s: %s", c.Name, c.Want, c.Got)
		if c.Status != passed {
			text += " (NOT SEEN)"
		}
		seen = append(seen, text)
	}
	return seen
}

// brief says what became of a side in a line.
func (s ProofSide) brief() string {
	if s.Fails {
		text := s.Analysis.Verdict.Outcome + "; " + strings.Join(s.signatures(), "; ")
		if why := s.Analysis.uncertified(); why != "" && s.Analysis.Verdict.Outcome == Fail {
			text += "; " + why
		}
		return text
	}
	return s.Analysis.Verdict.Outcome + "; " + s.Analysis.Verdict.Headline
}

// ProofTable writes the proofs as a table for a terminal: a line for each side.
func ProofTable(w io.Writer, proofs []Proof) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "INCIDENT\tOUTCOME\tTIME\tSIDE\tWHAT WAS SEEN")
	counts := map[string]int{}
	var took time.Duration
	for i := range proofs {
		p := &proofs[i]
		outcome := p.Outcome()
		counts[outcome]++
		took += p.Took
		row := fmt.Sprintf("%s\t%s\t%s", p.Name, outcome, proofTime(p))
		switch {
		case p.Skipped != "":
			fmt.Fprintf(t, "%s\t-\t%s\n", row, p.Skipped)
		case p.Err != nil:
			fmt.Fprintf(t, "%s\t-\t%s\n", row, oneLine(p.Err.Error()))
			row = "\t\t"
		}
		for _, s := range p.Sides {
			fmt.Fprintf(t, "%s\t%s\t%s\n", row, s.Name, s.brief())
			row = "\t\t"
		}
	}
	if err := t.Flush(); err != nil {
		return err
	}
	var sum []string
	for _, outcome := range []string{Proved, NotProved, Inconclusive, NotRun, Skipped} {
		if n := counts[outcome]; n > 0 {
			sum = append(sum, fmt.Sprintf("%d %s", n, strings.ToLower(outcome)))
		}
	}
	_, err := fmt.Fprintf(w, "\n%d incidents: %s\n", len(proofs), strings.Join(sum, ", "))
	return err
}

func proofTime(p *Proof) string {
	if p.Took == 0 {
		return "-"
	}
	text := p.Took.Round(time.Second).String()
	if p.Tries > 1 {
		text += fmt.Sprintf(" (%d tries)", p.Tries)
	}
	return text
}

// oneLine is an error as a table can hold it.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }
