package harness

import (
	"context"

	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

// fewerShare is the share of the budget that is kept for the search with one instance fewer, where there are several.
const fewerShare = 0.35

// A coarser search will do for what is to be known when an instance is away.
const (
	fewerGrowth     = 1.2
	fewerResolution = 0.10
	fewerNeed       = 2
	fewerOf         = 3
)

// oneFewer is a topology with one instance fewer of each role that has several.
func oneFewer(t scenarios.Topology) scenarios.Topology {
	for _, n := range []*int{&t.Front, &t.Gate, &t.Shop, &t.Notifier, &t.Jobs} {
		if *n > 1 {
			*n--
		}
	}
	return t
}

// fewer searches again with one instance fewer: from the fleet with headroom to the one that all instances carried.
func (c *capacity) fewer(ctx context.Context, o CapacityOptions, play player, purse *purse) (found, error) {
	sc := *o.Scenario
	sc.Topology = oneFewer(sc.Topology)
	o.Scenario = &sc
	c.Fewer = &reports.FewerSearch{
		Deployed: describe(sc.Topology), ConfirmNeed: fewerNeed, ConfirmOf: fewerOf, Resolution: fewerResolution, Trials: []reports.CapacityTrial{},
	}
	look := &search{
		start: max(1, c.Sizing.Machines), ceiling: c.Answer.Machines, growth: fewerGrowth, resolution: fewerResolution,
		majority: c.Method.Majority, need: fewerNeed, of: fewerOf, afford: purse.affords,
	}
	look.trial, look.replaced = c.trials(&o, play, purse, &c.Fewer.Trials)
	return look.run(ctx)
}
