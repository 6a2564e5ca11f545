package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

// Mutate takes each cure away by itself: for every switch that a scenario's as-was side turns back, it plays the hardened
// side with that switch turned back and all others as they ship. A cure that is worth its switch is needed: the run fails.
// One that fails in a scenario is not tried in another. Before anything is taken away each scenario is played with all its cures:
// where that does not pass, a failure would say nothing of a cure, and none is tried. The mutants come by switch.
//
// When ctx is canceled, the mutants that were not reached are left out.
func (s *Suite) Mutate(ctx context.Context) []reports.Mutant {
	controls := s.controls(ctx)
	type trial struct {
		key string
		sc  *scenarios.Scenario
	}
	var trials []trial
	var found []*reports.Mutant
	for i, sc := range s.Scenarios {
		for _, key := range slices.Sorted(maps.Keys(sc.AsWas)) {
			trials = append(trials, trial{key, sc})
			switch c := controls[i]; {
			case c == nil: // ctx was canceled
				found = append(found, nil)
			case c.skipped != "" || c.doubt != "":
				found = append(found, &reports.Mutant{
					Switch: key, Value: sc.AsWas[key], Scenario: sc.Name, Skipped: c.skipped, Doubt: c.doubt, Control: c.code,
				})
			default:
				found = append(found, nil)
			}
		}
	}
	var (
		mu     sync.Mutex
		caught = map[string]bool{} // guarded by mu
	)
	one := func(ctx context.Context, l *lane, i int) {
		t := trials[i]
		mu.Lock()
		known := caught[t.key]
		mu.Unlock()
		if known {
			return
		}
		m := l.mutate(ctx, t.sc, t.key)
		if ctx.Err() != nil && m.Err != nil {
			return
		}
		if found[i] != nil {
			m.Took += found[i].Took
		}
		found[i] = &m
		mu.Lock()
		defer mu.Unlock()
		caught[t.key] = caught[t.key] || m.Caught()
	}
	var open []int
	for i := range trials {
		if found[i] == nil {
			open = append(open, i)
		}
	}
	played := func(i int) *scenarios.Scenario { return trials[i].sc }
	slices.SortStableFunc(open, func(a, b int) int { return lastAlone(trials[a].sc, trials[b].sc) })
	s.lanes(ctx, open, s.Abreast, played, one)
	doubtful := func(i int) bool { return found[i] != nil && found[i].Outcome() == reports.Inconclusive }
	s.lanes(ctx, only(open, doubtful), s.Abreast/2, played, one)
	var mutants []reports.Mutant
	for _, m := range found {
		if m != nil {
			mutants = append(mutants, *m)
		}
	}
	slices.SortStableFunc(mutants, func(a, b reports.Mutant) int { return cmp.Compare(a.Switch, b.Switch) })
	return mutants
}

// A control is what came of a scenario with all its cures.
type control struct {
	skipped string // why the testbed cannot play it
	doubt   string // why it did not pass
	code    int    // its exit code
}

// controls plays the hardened side of every scenario, once more where it did not pass. nil is one that was not reached.
func (s *Suite) controls(ctx context.Context) []*control {
	found := make([]*control, len(s.Scenarios))
	order := s.order()
	one := func(ctx context.Context, l *lane, i int) {
		c := l.control(ctx, s.Scenarios[i])
		if ctx.Err() != nil && c.code != reports.ExitViolated {
			return
		}
		found[i] = c
		switch {
		case c.skipped != "":
			s.Tell(s.Scenarios[i].Name + ": skipped: " + c.skipped)
		case c.doubt != "":
			s.Tell(s.Scenarios[i].Name + " with all cures: " + c.doubt)
		default:
			s.Tell(s.Scenarios[i].Name + " with all cures: PASS")
		}
	}
	doubtful := func(i int) bool {
		return found[i] != nil && found[i].doubt != "" && found[i].code != reports.ExitViolated
	}
	s.lanes(ctx, order, s.Abreast, s.row, one)
	s.lanes(ctx, only(order, doubtful), s.Abreast/2, s.row, one)
	return found
}

// control plays a scenario's hardened side.
func (l *lane) control(ctx context.Context, sc *scenarios.Scenario) *control {
	s := l.suite
	if s.Testbed != testbed.Auto {
		if err := testbed.Unmet(s.Testbed, sc.Needs); err != nil {
			return &control{skipped: fmt.Sprintf("testbed %s %v", s.Testbed, err)}
		}
	}
	if err := l.enter(ctx, sc); err != nil {
		return &control{doubt: err.Error(), code: 1}
	}
	result, err := l.stage.Run(ctx, Options{
		Scenario: sc, Side: Hardened, Label: "with-all-cures", Seed: s.Seed, RunsDir: s.RunsDir, Version: s.Version, Args: s.Args,
	})
	if err != nil {
		c := &control{doubt: errors.Join(err, l.leave()).Error(), code: 1}
		if a := result.Analysis; a != nil && a.Verdict.ExitCode == reports.ExitViolated {
			c.code = reports.ExitViolated
		}
		return c
	}
	v := result.Analysis.Verdict
	c := &control{code: v.ExitCode}
	if v.Outcome != reports.Pass {
		c.doubt = v.Outcome + ": " + v.Headline
	}
	return c
}

// mutate plays a scenario's hardened side without one of its cures.
func (l *lane) mutate(ctx context.Context, sc *scenarios.Scenario, key string) (m reports.Mutant) {
	s := l.suite
	m = reports.Mutant{Switch: key, Value: sc.AsWas[key], Scenario: sc.Name}
	mutant, with, err := withoutCure(sc, key)
	if err != nil {
		m.Skipped = fmt.Sprintf("can not be turned back by itself: %v", err)
		return m
	}
	if with != "" {
		m.With = with + " " + sc.AsWas[with]
	}
	began := time.Now()
	defer func() {
		m.Took = time.Since(began)
		s.Tell(fmt.Sprintf("%s without %s: %s", sc.Name, key, m.Outcome()))
	}()
	s.Tell(fmt.Sprintf("%s without %s begins", sc.Name, key))
	if m.Err = l.enter(ctx, mutant); m.Err != nil {
		return m
	}
	result, err := l.stage.Run(ctx, Options{
		Scenario: mutant, Side: Hardened, Label: "without-" + key, Seed: s.Seed, RunsDir: s.RunsDir, Version: s.Version, Args: s.Args,
	})
	m.Dir, m.Analysis = result.Dir, result.Analysis
	if err != nil {
		m.Err = errors.Join(err, l.leave())
	}
	return m
}

// withoutCure takes a cure away by itself or, where the service refuses that, with the first other one that makes it do: the
// remedy can not be off while void rows go to it.
func withoutCure(sc *scenarios.Scenario, key string) (mutant *scenarios.Scenario, with string, err error) {
	mutant = sc.WithoutCures(key)
	if err = Check(mutant); err == nil {
		return mutant, "", nil
	}
	for _, with := range slices.Sorted(maps.Keys(sc.AsWas)) {
		if mutant := sc.WithoutCures(key, with); Check(mutant) == nil {
			return mutant, with, nil
		}
	}
	return nil, "", err
}
