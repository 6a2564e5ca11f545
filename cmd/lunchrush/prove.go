package main

import (
	"context"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

func newProve(t *terminal) *cobra.Command {
	var o overrides
	var p place
	c := &cobra.Command{
		Use:   "prove NAME",
		Short: "Show a documented failure, then its cure, on the same plan",
		Long: `Run both sides of a scenario on one testbed with the same plan and seed. It is proved when the as-was side fails with the
documented signature and the hardened side passes.

Exit codes: 0 proved; 99 a side did not behave as documented; 98 the hardened side lost money or data; 97 a side was
inconclusive.`,
		Example:           "  lunchrush prove callback-serial\n  lunchrush prove notify-duplicates --testbed local --seed 3",
		Args:              exactly(1, "the name of a scenario with an as-was side"),
		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.check(); err != nil {
				return err
			}
			s, err := o.load(args[0])
			if err != nil {
				return err
			}
			if len(s.AsWas) == 0 {
				return &usageError{err: fmt.Errorf("%s has no as-was side to prove", s.Name), hint: provable()}
			}
			stage, err := openStage(c.Context(), t, p, s)
			if err != nil {
				return err
			}
			proof, err := proveOne(c.Context(), t, stage, s, o.seed, p.runs)
			if err := closeStage(t, stage, err); err != nil {
				return err
			}
			proof.print(t)
			if proof.code() != exitPass {
				return &verdictError{code: proof.code()}
			}
			return nil
		},
	}
	o.flags(c)
	p.flags(c)
	return c
}

func provable() string {
	all, err := catalogue()
	if err != nil {
		return ""
	}
	var names []string
	for _, s := range all {
		if len(s.AsWas) > 0 {
			names = append(names, s.Name)
		}
	}
	return "scenarios with one: " + strings.Join(names, ", ")
}

// A proof is both sides of a scenario, judged.
type proof struct {
	name            string
	asWas, hardened *reports.Analysis
	took            time.Duration
}

func proveOne(ctx context.Context, t *terminal, stage *harness.Stage, s *scenarios.Scenario, seed uint64, runs string) (proof, error) {
	began := time.Now()
	p := proof{name: s.Name}
	asWas, err := playOne(ctx, t, stage, s, harness.AsWas, seed, nil, runs)
	if err != nil {
		return p, err
	}
	p.asWas = asWas.Analysis
	t.say("")
	hardened, err := playOne(ctx, t, stage, s, harness.Hardened, seed, nil, runs)
	if err != nil {
		return p, err
	}
	p.hardened = hardened.Analysis
	p.took = time.Since(began)
	return p, nil
}

// failed reports whether the as-was side is the documented failure: judged bad, with every part of its signature seen.
func (p proof) failed() bool {
	return p.asWas.Verdict.Outcome == reports.Fail && reports.SignatureSeen(p.asWas)
}

func (p proof) cured() bool { return p.hardened.Verdict.Outcome == reports.Pass }

func (p proof) code() int {
	switch {
	case p.failed() && p.cured():
		return exitPass
	case p.hardened.Verdict.ExitCode == exitInvariant:
		return exitInvariant
	case p.hardened.Verdict.Outcome == reports.Inconclusive, p.asWas.Verdict.Outcome == reports.Inconclusive:
		return exitInconclusive
	default:
		return exitExpectation
	}
}

func (p proof) print(t *terminal) {
	word := t.paint(green, "PROVED")
	if p.code() != exitPass {
		word = t.paint(red, "NOT PROVED")
	}
	fmt.Fprintf(t.out, "\n%s %s in %s\n", word, p.name, roundSeconds(p.took))
	w := tabwriter.NewWriter(t.out, 2, 0, 2, ' ', 0)
	fmt.Fprintf(w, "  as-was\t%s\t%s\n", p.asWas.Verdict.Outcome, p.asWas.Verdict.Headline)
	for _, c := range p.asWas.Signature {
		seen := "seen"
		if c.Status != "pass" {
			seen = "NOT SEEN"
		}
		fmt.Fprintf(w, "  \t%s\t%s %s, got %s\n", seen, c.Name, c.Want, c.Got)
	}
	fmt.Fprintf(w, "  hardened\t%s\t%s\n", p.hardened.Verdict.Outcome, p.hardened.Verdict.Headline)
	w.Flush()
}
