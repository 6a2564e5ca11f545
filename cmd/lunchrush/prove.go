package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

func newProve(t *terminal) *cobra.Command {
	var o overrides
	var p place
	var all proveAll
	var ui uiFlags
	c := &cobra.Command{
		Use:   "prove NAME | --all [NAME...] | --mutate [NAME...]",
		Short: "Show a documented failure, then its cure, on the same plan",
		Long: `Run both sides of a scenario on one testbed with the same plan and seed. It is proved when the as-was side fails with the
documented signature and the hardened side passes.

Exit codes: 0 proved; 99 a side did not behave as documented; 98 the hardened side lost money or data; 97 a side was
inconclusive; 1 a run could not be made.

--all proves every scenario that has both sides, or those named after it, and ends with a table. Light ones are played side by
side, each on a testbed of its own. One that is inconclusive is tried again in a smaller crowd, twice at most; one that missed
a limit beside others once. The table says so. Lost money and data have no second try. What a testbed can not carry is skipped, and said.

--mutate turns one switch after the other back to what it was and plays the hardened side of the scenarios that know it: a cure
without which every run passes is reported, with exit code 99.`,
		Example: `  lunchrush prove callback-serial
  lunchrush prove notify-duplicates --testbed local --seed 3
  lunchrush prove --all
  lunchrush prove --all callback-serial refund-race --testbed containers --junit proofs.xml`,
		Args: func(c *cobra.Command, args []string) error {
			if all.on || all.mutate {
				return nil
			}
			for _, flag := range []string{"abreast", "junit", "record"} {
				if c.Flags().Changed(flag) {
					return &usageError{err: fmt.Errorf("--%s goes with --all", flag), hint: "`lunchrush prove --all NAME ...` proves those that are named"}
				}
			}
			return exactly(1, "the name of a scenario with an as-was side, or --all")(c, args)
		},
		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.check(); err != nil {
				return err
			}
			if all.on || all.mutate {
				if ui.addr != "" {
					return &usageError{err: errors.New("--ui shows one proof: it goes with neither --all nor --mutate"), hint: "`lunchrush prove NAME --ui " + ui.addr + "`"}
				}
				return all.run(c.Context(), t, &o, p, args)
			}
			s, err := o.load(args[0])
			if err != nil {
				return err
			}
			if len(s.AsWas) == 0 {
				return &usageError{err: fmt.Errorf("%s has no as-was side to prove", s.Name), hint: provable()}
			}
			screen, ctx, err := ui.open(c.Context(), t)
			if err != nil {
				return err
			}
			return screen.close(proveAlone(ctx, t, screen, p, s, o.seed))
		},
	}
	o.flags(c)
	p.flags(c)
	all.flags(c)
	ui.flags(c)
	return c
}

func codeOf(code int) error {
	if code == exitPass {
		return nil
	}
	return &verdictError{code: code}
}

// unlessLost is the error of what ended early. Money or data that was lost until then is lost all the same: code, when it says so, stands
// above the error, which is only told.
func unlessLost(t *terminal, code int, err error) error {
	if code != exitInvariant {
		return err
	}
	t.say("ended early: %v", err)
	return codeOf(code)
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

// proveAlone proves one scenario on a testbed of its own.
func proveAlone(ctx context.Context, t *terminal, screen *screen, p place, s *scenarios.Scenario, seed uint64) error {
	screen.say("%s: starting the databases", s.Name)
	stage, err := openStage(ctx, t, p, s)
	if err != nil {
		return err
	}
	proof, err := proveOne(ctx, t, screen, stage, s, seed, p.runs)
	code := proof.ExitCode()
	if err == nil || code == exitInvariant {
		printProof(t, &proof)
	}
	if err != nil {
		err = unlessLost(t, code, err)
	} else {
		err = codeOf(code)
	}
	return closeStage(t, stage, err)
}

// proveOne proves a scenario with each run's progress and summary shown.
func proveOne(ctx context.Context, t *terminal, screen *screen, stage *harness.Stage, s *scenarios.Scenario, seed uint64, runs string) (reports.Proof, error) {
	first := true
	return stage.Prove(ctx, s, seed, func(ctx context.Context, s *scenarios.Scenario, side string) (harness.Result, error) {
		if !first {
			t.say("")
		}
		first = false
		return playOne(ctx, t, screen, stage, s, side, seed, nil, runs)
	})
}

func printProof(t *terminal, p *reports.Proof) {
	word := t.paint(green, p.Outcome())
	if p.ExitCode() != exitPass {
		word = t.paint(red, p.Outcome())
	}
	fmt.Fprintf(t.out, "\n%s %s in %s\n", word, p.Name, roundSeconds(p.Took))
	w := tabwriter.NewWriter(t.out, 2, 0, 2, ' ', 0)
	for _, side := range p.Sides {
		fmt.Fprintf(w, "  %s\t%s\t%s\n", side.Name, side.Analysis.Verdict.Outcome, side.Analysis.Verdict.Headline)
		if !side.Fails {
			continue
		}
		for _, c := range side.Analysis.Signature {
			seen := "seen"
			if c.Status != "pass" {
				seen = "NOT SEEN"
			}
			fmt.Fprintf(w, "  \t%s\t%s %s, got %s\n", seen, c.Name, c.Want, c.Got)
		}
	}
	_ = w.Flush() // to the same place as the line above
}
