package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

// proveAll is what --all adds to prove.
type proveAll struct {
	on, mutate    bool
	abreast       int
	junit, record string
}

func (a *proveAll) flags(c *cobra.Command) {
	c.Flags().BoolVar(&a.on, "all", false, "prove every scenario with both sides, or those that are named")
	c.Flags().BoolVar(&a.mutate, "mutate", false, "take each cure away by itself and see that a hardened run fails, in all scenarios or those that are named")
	c.Flags().IntVar(&a.abreast, "abreast", 4, "with --all and --mutate: places to play at the same time; a light scenario takes one, others say places or alone")
	c.Flags().StringVar(&a.junit, "junit", "", "with --all: write the proofs to this file as JUnit")
	c.Flags().StringVar(&a.record, "record", "", "with --all: write the track record to this file, such as docs/INCIDENTS.md; what it says of other incidents stays")
}

func (a *proveAll) run(ctx context.Context, t *terminal, o *overrides, p place, names []string) error {
	if a.abreast < 1 || a.abreast > 16 {
		return &usageError{err: fmt.Errorf("--abreast: %d is not 1 to 16", a.abreast), hint: "each takes databases and a service of its own"}
	}
	list, err := a.choose(o, names)
	if err != nil {
		return err
	}
	before, err := os.ReadFile(a.record)
	if a.record != "" && err != nil && !errors.Is(err, fs.ErrNotExist) {
		return &usageError{err: fmt.Errorf("--record: %w", err), hint: "name a file that can be written; what it says of incidents that are not played now stays"}
	}
	began := time.Now()
	suite := &harness.Suite{
		Scenarios: list, Testbed: p.testbed, RunsDir: p.runs, Binary: p.service, Seed: o.seed, Abreast: a.abreast,
		Version: versionText(), Args: commandLine(), Judge: harness.JudgeBy(""),
		Tell: func(line string) { t.say("%7s  %s", roundSeconds(time.Since(began)), line) },
	}
	if a.mutate {
		return a.runMutants(ctx, t, suite)
	}
	proofs := suite.Run(ctx)
	t.say("")
	if err := reports.ProofTable(t.out, proofs); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "in %s\n", roundSeconds(time.Since(began)))
	for _, f := range []struct {
		name  string
		write func(*os.File) error
	}{
		{a.junit, func(f *os.File) error { return reports.ProofJUnit(f, proofs) }},
		{a.record, func(f *os.File) error { return reports.Incidents(f, proofs, string(before)) }},
	} {
		if f.name == "" {
			continue
		}
		if err := writeFile(f.name, f.write); err != nil {
			return err
		}
		t.say("written: %s", f.name)
	}
	code := reports.WorstExit(proofs)
	if ctx.Err() != nil {
		return unlessLost(t, code, fmt.Errorf("interrupted after %d of %d scenarios: %w", len(proofs), len(list), context.Cause(ctx)))
	}
	return codeOf(code)
}

// choose loads the named scenarios, or all of the catalogue that can be proved.
func (a *proveAll) choose(o *overrides, names []string) ([]*scenarios.Scenario, error) {
	if len(names) == 0 {
		all, err := catalogue()
		if err != nil {
			return nil, err
		}
		for _, s := range all {
			if len(s.AsWas) > 0 {
				names = append(names, s.Name)
			}
		}
	}
	var list []*scenarios.Scenario
	for i, name := range names {
		s, err := o.load(name)
		if err != nil {
			return nil, err
		}
		if len(s.AsWas) == 0 {
			return nil, &usageError{err: fmt.Errorf("%s has no as-was side to prove", s.Name), hint: provable()}
		}
		if slices.Contains(names[:i], name) {
			return nil, &usageError{err: fmt.Errorf("%s is named twice", name)}
		}
		list = append(list, s)
	}
	return list, nil
}

// runMutants takes each cure away by itself. A cure that no scenario needs is as bad as a failure that is not shown.
func (a *proveAll) runMutants(ctx context.Context, t *terminal, suite *harness.Suite) error {
	began := time.Now()
	mutants := suite.Mutate(ctx)
	t.say("")
	if err := reports.MutantTable(t.out, mutants); err != nil {
		return err
	}
	fmt.Fprintf(t.out, "in %s\n", roundSeconds(time.Since(began)))
	if ctx.Err() != nil {
		return unlessLost(t, reports.MutantsExit(mutants), fmt.Errorf("interrupted after %d mutants: %w", len(mutants), context.Cause(ctx)))
	}
	return codeOf(reports.MutantsExit(mutants))
}
