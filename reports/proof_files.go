package reports

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// ProofJUnit writes the proofs as a JUnit file: a suite for each incident, a case for each side. A side that did not
// behave as documented is a failure; one that is in doubt or could not be run is an error.
func ProofJUnit(w io.Writer, proofs []Proof) error {
	file := junitSuites{Name: "lunchrush prove"}
	for i := range proofs {
		p := &proofs[i]
		suite := junitSuite{Name: p.Name}
		class := "lunchrush.prove." + p.Name
		switch {
		case p.Skipped != "":
			suite.Cases = []junitCase{{Name: "proof", Class: class, Skipped: &junitSkip{Message: p.Skipped}}}
		case p.Err != nil:
			suite.Cases = []junitCase{{Name: "proof", Class: class, Error: &junitMessage{Message: p.Err.Error(), Type: "could not run"}}}
		}
		for _, s := range p.Sides {
			suite.Cases = append(suite.Cases, junitSide(s, class))
		}
		file.add(suite)
	}
	return file.write(w)
}

func junitSide(s ProofSide, class string) junitCase {
	c := junitCase{Name: s.Name, Class: class}
	message := &junitMessage{Message: s.brief(), Type: "not as documented", Text: s.Dir}
	switch {
	case s.Shown():
	case s.doubtful():
		message.Type = "inconclusive"
		c.Error = message
	default:
		c.Failure = message
	}
	return c
}

// Incidents writes the proofs as the page docs/INCIDENTS.md: a track record with the command that reproduces each, and where and
// when it was seen. before is the page as it was, "" if there is none: of an incident that was not tried now it keeps what was
// seen then.
func Incidents(w io.Writer, proofs []Proof, before string) error {
	sections := sectionsOf(before)
	for i := range proofs {
		p := &proofs[i]
		if _, known := sections[p.Name]; known && p.Skipped != "" {
			continue
		}
		sections[p.Name] = recordProof(p)
	}
	shown, tried := 0, 0
	for _, text := range sections {
		switch {
		case strings.Contains(text, "\n**"+Proved+"**"):
			shown++
			tried++
		case !strings.Contains(text, "\n"+Skipped+": "):
			tried++
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# The incidents, and what was seen of them\n\nWritten by `lunchrush prove --all --record docs/INCIDENTS.md`; not edited by hand. "+
		"Each documented failure is brought back by the\nservice's own switches (as-was), and then cured (hardened): same plan, same seed, same faults. "+
		"`lunchrush explain NAME` tells the story.\n\n**%d of %d proved.**\n", shown, tried)
	for _, name := range slices.Sorted(maps.Keys(sections)) {
		b.WriteString("\n## " + name + "\n" + sections[name])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// sectionsOf takes a page apart into its incidents.
func sectionsOf(page string) map[string]string {
	sections := make(map[string]string)
	parts := strings.Split(page, "\n## ")
	for _, part := range parts[1:] {
		if name, text, ok := strings.Cut(part, "\n"); ok {
			sections[name] = strings.TrimRight(text, "\n") + "\n"
		}
	}
	return sections
}

// recordProof is what the page says of one incident, below its name.
func recordProof(p *Proof) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n%s. Source: %s.\n\n", strings.TrimSuffix(markdown(p.Title), "."), strings.TrimSuffix(markdown(p.Source), "."))
	fmt.Fprintf(&b, "    lunchrush prove %s --seed %d\n\n", p.Name, p.Seed)
	switch {
	case p.Skipped != "":
		fmt.Fprintf(&b, "%s: %s\n", p.Outcome(), markdown(p.Skipped))
	case p.Err != nil:
		fmt.Fprintf(&b, "%s: %s\n", p.Outcome(), markdown(oneLine(p.Err.Error())))
		if len(p.Sides) > 0 {
			b.WriteString("\n")
			recordSides(&b, p.Sides)
		}
	default:
		run := p.Sides[0].Analysis.Run
		fmt.Fprintf(&b, "**%s** in %s on %s, %s testbed (%s), %s with %d cores, lunchrush %s.\n\n", p.Outcome(), proofTime(p),
			run.StartedAt.UTC().Format("2006-01-02"), run.Testbed, run.Engine, cmp.Or(run.Machine.CPU, run.Machine.OS), run.Machine.Cores, run.Lunchrush)
		recordSides(&b, p.Sides)
	}
	return b.String()
}

// recordSides lists what was asked of each side and what was seen: of one that must fail its signature, else its
// expectations.
func recordSides(b *strings.Builder, sides []ProofSide) {
	fmt.Fprint(b, "| side | verdict | wanted | seen |\n|---|---|---|---|\n")
	for _, s := range sides {
		checks := s.Analysis.Expect
		if s.Fails {
			checks = s.Analysis.Signature
		}
		name, verdict := s.Name, s.Analysis.Verdict.Outcome
		for _, c := range checks {
			fmt.Fprintf(b, "| %s | %s | `%s %s` | %s |\n", name, verdict, c.Name, c.Want, markdown(c.Got))
			name, verdict = "", ""
		}
	}
	fmt.Fprintln(b)
	for _, s := range sides {
		fmt.Fprintf(b, "- %s: %s.\n", s.Name, strings.TrimSuffix(markdown(s.Analysis.Verdict.Headline), "."))
	}
}
