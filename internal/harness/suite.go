package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

// A Suite proves scenarios, several of them side by side.
//
// Those that follow each other on equal engines share a started testbed, which is reset between runs. A scenario takes as many
// of the places as it says; one that says alone is played when nothing else is. A proof that is inconclusive, as it is when
// something else disturbed the machine, is tried again, twice at most, in a crowd half as large and then a third; one that missed a
// limit in a crowd once: what neighbours did to it they may not do again, what it does by itself it will. Lost money and data
// have no second try.
type Suite struct {
	Scenarios []*scenarios.Scenario
	Testbed   string // as [Choose] wants it
	RunsDir   string
	Binary    string // the program that is the service; "" means this one
	Seed      uint64
	Abreast   int // places, at least 1: most scenarios take one each, on a testbed of its own
	Version   string
	Args      []string
	Judge     func(dir string) (*reports.Analysis, error) // as [Ground] has it
	Tell      func(line string)                           // is told what begins and what came of it; called from several goroutines
}

// suiteTries is how often a proof is tried at most. Ours: on a virtual machine whose host took it processors for seconds 7 of 77 runs of a
// pass were late, most of them within five minutes, and one row of thirty twice.
const suiteTries = 3

// Run proves all scenarios and returns a proof for each, in their order. When ctx is canceled, the proofs that were not
// reached are left out, and one that broke off unless it has a loss to tell.
func (s *Suite) Run(ctx context.Context) []reports.Proof {
	found := make([]*reports.Proof, len(s.Scenarios))
	order := s.order()
	one := func(ctx context.Context, l *lane, i int) {
		if p := l.prove(ctx, s.Scenarios[i]); ctx.Err() == nil || p.Err == nil || p.ExitCode() == reports.ExitViolated {
			found[i] = &p
		}
	}
	s.lanes(ctx, order, s.Abreast, s.row, one)
	for try := 2; try <= suiteTries; try++ {
		before := slices.Clone(found)
		again := only(order, func(i int) bool { return onceMore(before[i], try == 2 && s.crowded(i)) })
		s.lanes(ctx, again, s.Abreast/try, s.row, one)
		for _, i := range again {
			if found[i] != before[i] {
				found[i].Tries += before[i].Tries
				found[i].Took += before[i].Took
			}
		}
	}
	var proofs []reports.Proof
	for _, p := range found {
		if p != nil {
			proofs = append(proofs, *p)
		}
	}
	return proofs
}

// crowded reports whether others may be played beside the i-th scenario.
func (s *Suite) crowded(i int) bool { return places(s.Scenarios[i], s.Abreast) < s.Abreast }

// onceMore reports whether a proof, nil when it was not reached, is to be tried again; crowded: what it missed may have been its
// neighbours' doing.
func onceMore(p *reports.Proof, crowded bool) bool {
	return p != nil && (p.Outcome() == reports.Inconclusive || crowded && p.ExitCode() == reports.ExitMissed)
}

// row is the i-th scenario.
func (s *Suite) row(i int) *scenarios.Scenario { return s.Scenarios[i] }

// order is the scenarios' indices in the order in which they are best played. Those that are played alone come last. The widest come
// first: while narrow ones wait, they leave no place empty. Of equal ones those that want the same engines are together, so that
// few testbeds are started, the rarest engines first; and of these the longest come first, so that the lanes end at about the
// same time.
func (s *Suite) order() []int {
	indices := make([]int, len(s.Scenarios))
	wanted := map[Engines]int{}
	for i, sc := range s.Scenarios {
		indices[i] = i
		wanted[EnginesOf(sc)]++
	}
	slices.SortStableFunc(indices, func(a, b int) int {
		scA, scB := s.Scenarios[a], s.Scenarios[b]
		enginesA, enginesB := EnginesOf(scA), EnginesOf(scB)
		return cmp.Or(
			lastAlone(scA, scB),
			cmp.Compare(places(scB, s.Abreast), places(scA, s.Abreast)),
			cmp.Compare(wanted[enginesA], wanted[enginesB]),
			enginesA.compare(enginesB),
			cmp.Compare(longest(scB), longest(scA)),
		)
	})
	return indices
}

// lastAlone puts scenarios that are played alone behind the others.
func lastAlone(a, b *scenarios.Scenario) int {
	switch {
	case a.Alone == b.Alone:
		return 0
	case a.Alone:
		return 1
	default:
		return -1
	}
}

// longest is how long the scenario's sides take at most, without what starts and collects.
func longest(sc *scenarios.Scenario) time.Duration {
	return time.Duration(2+len(sc.Sides)) * (sc.Length() + sc.Drain)
}

// only is those of the indices that keep says.
func only(indices []int, keep func(i int) bool) []int {
	return slices.DeleteFunc(slices.Clone(indices), func(i int) bool { return !keep(i) })
}

// prove proves one scenario. Whatever goes wrong is in the proof.
func (l *lane) prove(ctx context.Context, sc *scenarios.Scenario) reports.Proof {
	s := l.suite
	p := reports.Proof{Name: sc.Name, Title: sc.Title, Source: sc.Source, Seed: s.Seed}
	if s.Testbed != testbed.Auto {
		if err := testbed.Unmet(s.Testbed, sc.Needs); err != nil {
			p.Skipped = fmt.Sprintf("testbed %s %v", s.Testbed, err)
			s.Tell(fmt.Sprintf("%s: skipped: %s", sc.Name, p.Skipped))
			return p
		}
	}
	if err := l.enter(ctx, sc); err != nil {
		p.Err = err
		s.Tell(fmt.Sprintf("%s: %v", sc.Name, err))
		return p
	}
	p, err := l.stage.Prove(ctx, sc, s.Seed, func(ctx context.Context, sc *scenarios.Scenario, side string) (Result, error) {
		s.Tell(fmt.Sprintf("%s: %s begins", sc.Name, side))
		result, err := l.stage.Run(ctx, Options{
			Scenario: sc, Side: side, Seed: s.Seed, RunsDir: s.RunsDir, Version: s.Version, Args: s.Args,
		})
		if err == nil {
			s.Tell(fmt.Sprintf("%s: %s %s: %s", sc.Name, side, result.Analysis.Verdict.Outcome, result.Analysis.Verdict.Headline))
		}
		return result, err
	})
	if err != nil {
		// A stage on which a run broke off may be in any state.
		p.Err = errors.Join(err, l.leave())
	}
	if p.Err != nil {
		s.Tell(fmt.Sprintf("%s: %s: %v", sc.Name, p.Outcome(), p.Err))
	} else {
		s.Tell(fmt.Sprintf("%s: %s", sc.Name, p.Outcome()))
	}
	return p
}
