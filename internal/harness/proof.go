package harness

import (
	"context"
	"time"

	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

// Prove plays both sides of a scenario on the stage and tells what came of it. play makes one run; its error ends the
// proof, and is returned beside the sides that were played.
func (s *Stage) Prove(ctx context.Context, sc *scenarios.Scenario, seed uint64, play func(ctx context.Context, side string) (Result, error)) (reports.Proof, error) {
	began := time.Now()
	p := reports.Proof{
		Name: sc.Name, Title: sc.Title, Source: sc.Source, Testbed: s.Choice.Name, Engine: s.Engine(), Seed: seed, Tries: 1,
	}
	for _, side := range []string{AsWas, Hardened} {
		result, err := play(ctx, side)
		p.Took = time.Since(began)
		if err != nil {
			p.Err = err
			return p, err
		}
		p.Sides = append(p.Sides, reports.ProofSide{Name: side, Fails: side == AsWas, Dir: result.Dir, Analysis: result.Analysis})
	}
	return p, nil
}
