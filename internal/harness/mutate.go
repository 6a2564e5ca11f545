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
// side with that switch turned back and all others as they ship. A cure that is worth its switch is missed: the run fails.
// One that fails in a scenario is not tried in another; the scenarios that failed are played with all cures too, which must
// pass. The mutants come by switch.
//
// When ctx is canceled, the mutants that were not reached are left out.
func (s *Suite) Mutate(ctx context.Context) []reports.Mutant {
	type trial struct {
		key string
		sc  *scenarios.Scenario
	}
	var trials []trial
	for _, sc := range s.Scenarios {
		for _, key := range slices.Sorted(maps.Keys(sc.AsWas)) {
			trials = append(trials, trial{key, sc})
		}
	}
	var (
		mu     sync.Mutex
		missed = map[string]bool{} // guarded by mu
		found  = make([]*reports.Mutant, len(trials))
	)
	one := func(ctx context.Context, l *lane, i int) {
		t := trials[i]
		mu.Lock()
		known := missed[t.key]
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
		missed[t.key] = missed[t.key] || m.Missed()
	}
	var crowd, alone []int
	for i, t := range trials {
		if t.sc.Alone {
			alone = append(alone, i)
		} else {
			crowd = append(crowd, i)
		}
	}
	s.lanes(ctx, crowd, s.Abreast, one)
	s.lanes(ctx, alone, 1, one)
	doubtful := func(i int) bool { return found[i] != nil && found[i].Outcome() == reports.Inconclusive }
	s.lanes(ctx, only(crowd, doubtful), s.Abreast/2, one)
	s.lanes(ctx, only(alone, doubtful), 1, one)
	s.control(ctx, found)
	var mutants []reports.Mutant
	for _, m := range found {
		if m != nil {
			mutants = append(mutants, *m)
		}
	}
	slices.SortStableFunc(mutants, func(a, b reports.Mutant) int { return cmp.Compare(a.Switch, b.Switch) })
	return mutants
}

// control plays the hardened side, with all its cures, of each scenario that missed one: where that does not pass either, its
// failures say nothing of the cures.
func (s *Suite) control(ctx context.Context, found []*reports.Mutant) {
	var asked []int
	for i, sc := range s.Scenarios {
		if slices.ContainsFunc(found, func(m *reports.Mutant) bool { return m != nil && m.Scenario == sc.Name && m.Missed() }) {
			asked = append(asked, i)
		}
	}
	s.sort(asked)
	said := make([]string, len(s.Scenarios)) // why the failures say nothing
	for _, i := range asked {
		said[i] = "it was not played"
	}
	one := func(ctx context.Context, l *lane, i int) {
		sc := s.Scenarios[i]
		said[i] = l.control(ctx, sc)
		if said[i] == "" {
			s.Tell(sc.Name + " with all cures: PASS")
		} else {
			s.Tell(sc.Name + " with all cures: " + said[i])
		}
	}
	var crowd, alone, again []int
	for _, i := range asked {
		if s.Scenarios[i].Alone {
			alone = append(alone, i)
		} else {
			crowd = append(crowd, i)
		}
	}
	s.lanes(ctx, crowd, s.Abreast, one)
	for _, i := range crowd {
		if said[i] != "" {
			again = append(again, i)
		}
	}
	s.lanes(ctx, again, s.Abreast/2, one)
	s.lanes(ctx, alone, 1, one)
	for _, m := range found {
		for i, sc := range s.Scenarios {
			if m != nil && m.Scenario == sc.Name && m.Missed() {
				m.Doubt = said[i]
			}
		}
	}
}

// control plays a scenario's hardened side. It says what came of it, "" when it passed.
func (l *lane) control(ctx context.Context, sc *scenarios.Scenario) string {
	s := l.suite
	if err := l.enter(ctx, sc); err != nil {
		return err.Error()
	}
	result, err := l.stage.Run(ctx, Options{
		Scenario: sc, Side: Hardened, Label: "with-all-cures", Seed: s.Seed, RunsDir: s.RunsDir, Version: s.Version, Args: s.Args,
	})
	if err != nil {
		return errors.Join(err, l.leave()).Error()
	}
	if v := result.Analysis.Verdict; v.Outcome != reports.Pass {
		return v.Outcome + ": " + v.Headline
	}
	return ""
}

// mutate plays a scenario's hardened side without one of its cures.
func (l *lane) mutate(ctx context.Context, sc *scenarios.Scenario, key string) (m reports.Mutant) {
	s := l.suite
	m = reports.Mutant{Switch: key, Value: sc.AsWas[key], Scenario: sc.Name}
	if s.Testbed != testbed.Auto {
		if err := testbed.Unmet(s.Testbed, sc.Needs); err != nil {
			m.Skipped = fmt.Sprintf("testbed %s %v", s.Testbed, err)
			return m
		}
	}
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
