package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/simulator"
)

// Choose picks the testbed for a run; see [testbed.Choose].
func Choose(ctx context.Context, want string, needs []string) (testbed.Choice, error) {
	return testbed.Choose(ctx, want, needs)
}

// Known is what a scenario file may name: the service's switches and the measures of a report.
func Known() scenarios.Known {
	known := scenarios.Known{Switches: make(map[string]func(string) error), Faults: make(map[string][]string), CheckFault: checkFault}
	for _, s := range service.Switches() {
		known.Switches[s.Key] = func(value string) error {
			cfg := service.Default()
			return cfg.Set(s.Key, value)
		}
	}
	for _, m := range reports.Measures() {
		known.Measures = append(known.Measures, m.Name)
	}
	for _, k := range chaos.Kinds() {
		known.Faults[k.Name] = slices.Sorted(maps.Keys(k.Params))
	}
	return known
}

// serviceConfig is the hardened service with the scenario's own switches, for the as-was side with the documented
// mistakes on top, wired to the stack and to the simulator's upstreams.
func serviceConfig(sc *scenarios.Scenario, side string, stack testbed.Stack, up simulator.ServiceSettings) (*service.Config, error) {
	cfg, err := profile(sc, side)
	if err != nil {
		return nil, err
	}
	wire(cfg, stack, up)
	if sc.Uploads.Voided > 0 {
		cfg.MySQL.Archive = stack.Archive()
	}
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("%s: the service refuses these switches: %w", sc.Name, err)
	}
	return cfg, nil
}

// profile is the service's switches for one side of a scenario, checked; it has no addresses and keys yet.
func profile(sc *scenarios.Scenario, side string) (*service.Config, error) {
	cfg := service.Default()
	if err := setAll(cfg, sc.Service); err != nil {
		return nil, fmt.Errorf("%s: service: %w", sc.Name, err)
	}
	if side == AsWas {
		if err := setAll(cfg, sc.AsWas); err != nil {
			return nil, fmt.Errorf("%s: as-was: %w", sc.Name, err)
		}
	}
	if err := cfg.ValidateSwitches(); err != nil {
		return nil, fmt.Errorf("%s (%s): the service refuses these switches: %w", sc.Name, side, err)
	}
	return cfg, nil
}

// Check tells what a scenario asks for that the service or the faults cannot do, before anything is started.
func Check(sc *scenarios.Scenario) error {
	_, hardened := profile(sc, Hardened)
	_, asWas := profile(sc, AsWas)
	for _, side := range sc.Sides {
		if _, err := profile(sc.On(side), side.Name); err != nil && hardened == nil {
			asWas = errors.Join(asWas, err)
		}
	}
	_, broken := newFaults(sc)
	if hardened != nil { // the as-was side stands on the same switches
		asWas = nil
	}
	return errors.Join(hardened, asWas, broken, checkReplica(sc))
}

func setAll(cfg *service.Config, switches map[string]string) error {
	var problems []error
	for _, key := range slices.Sorted(maps.Keys(switches)) {
		if scenarios.ForBalancer(key) {
			continue // see Scenario.BalancerOf
		}
		problems = append(problems, cfg.Set(key, switches[key]))
	}
	return errors.Join(problems...)
}
