package harness

import (
	"context"
	"time"

	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

// Prove plays both sides of a scenario on the stage, and those that it has besides, and tells what came of it. play makes
// one run of the scenario that it is given; its error ends the proof, and is returned beside the sides that were played, the one that
// broke off among them where it could be judged.
func (s *Stage) Prove(ctx context.Context, sc *scenarios.Scenario, seed uint64, play func(ctx context.Context, sc *scenarios.Scenario, side string) (Result, error)) (reports.Proof, error) {
	began := time.Now()
	p := reports.Proof{
		Name: sc.Name, Title: sc.Title, Source: sc.Source, Testbed: s.Choice.Name, Engine: s.Engine(), Seed: seed, Tries: 1,
	}
	type way struct {
		name  string
		sc    *scenarios.Scenario
		fails bool
	}
	ways := []way{{AsWas, sc, true}, {Hardened, sc, false}}
	for _, side := range sc.Sides {
		ways = append(ways, way{side.Name, sc.On(side), side.Fails()})
	}
	for _, side := range ways {
		result, err := play(ctx, side.sc, side.name)
		p.Took = time.Since(began)
		if result.Analysis != nil {
			p.Sides = append(p.Sides, reports.ProofSide{Name: side.name, Fails: side.fails, Dir: result.Dir, Analysis: result.Analysis})
		}
		if err != nil {
			p.Err = err
			return p, err
		}
	}
	return p, nil
}
