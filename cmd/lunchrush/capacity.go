package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator"
)

// capacityFlags are what capacity takes besides the scenario's overrides and the place.
type capacityFlags struct {
	cpus            float64
	memory          int
	instances       int
	budget          time.Duration
	warm, measure   time.Duration
	outage, drainIn time.Duration
	retries         float64

	given func(flag string) bool
}

func newCapacity(t *terminal) *cobra.Command {
	var o overrides
	var p place
	var f capacityFlags
	c := &cobra.Command{
		Use:   "capacity NAME",
		Short: "Search for the largest fleet that a service carries",
		Long: `Search for the largest fleet that the service carries at the scenario's peak, under the scenario's expectations: up by 1.5
from the scenario's machines until a load does not pass, halved to 3 %, confirmed by 4 of 5 trials. A trial is the whole fleet
at the peak's rate, held constant; it passes when no money or goods are lost, 99 % of the orders offered end with goods in time,
the backlog is level, every expectation holds and the load was what was planned.

The answer is orders a second, and what fleet that is at the peak: as it was carried, with one instance fewer, and with
headroom to drain an outage. The report says which limit was run into and by what evidence, or that none can be named.

--cpus, --memory and --instances state another service than the scenario's. --budget decides beforehand how long trials are, and says what that
gave up; the full method's trials are 10s + 30s, about 25 minutes in all.

Exit codes: 0 answered (also "at least", when the harness gives out before the service); 99 the scenario's own fleet is not carried; 98 money or
data was lost in a trial; 97 no confirmed answer; 105 interrupted: what was measured is written.`,
		Example: `  lunchrush capacity six-hundred-devices
  lunchrush capacity six-hundred-devices --testbed containers --cpus 1
  lunchrush capacity peak-lunch --budget 30m --outage 2m --drain-in 10m`,
		Args:              exactly(1, "the name of a scenario or a file"),
		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, args []string) error {
			began := time.Now()
			if err := errors.Join(p.check(), f.check()); err != nil {
				return err
			}
			s, err := o.load(args[0])
			if err != nil {
				return err
			}
			if err := f.apply(s); err != nil {
				return err
			}
			if _, _, err := harness.Steady(s, s.Fleet.Machines, time.Minute); err != nil {
				return &usageError{err: err, hint: "`lunchrush capacity six-hundred-devices` is made for it"}
			}
			return f.search(c.Context(), t, s, p, o.seed, began)
		},
	}
	o.flags(c)
	p.flags(c)
	f.flags(c)
	return c
}

func (f *capacityFlags) flags(c *cobra.Command) {
	f.given = c.Flags().Changed
	c.Flags().Float64Var(&f.cpus, "cpus", 0, "CPUs of each process of the service (default: the scenario's)")
	c.Flags().IntVar(&f.memory, "memory", 0, "MiB of memory of each process of the service (default: the scenario's)")
	c.Flags().IntVar(&f.instances, "instances", 0, "processes of front, gate and notifier each, behind a balancer (default: the scenario's topology)")
	c.Flags().DurationVar(&f.budget, "budget", 15*time.Minute, "how long it may take in all; 0 is no limit")
	c.Flags().DurationVar(&f.warm, "warm-up", 0, "of a trial, thrown away (default: from the budget, at most 10s)")
	c.Flags().DurationVar(&f.measure, "measure", 0, "of a trial (default: from the budget, at most 30s)")
	c.Flags().DurationVar(&f.outage, "outage", time.Minute, "the outage that there must be headroom for")
	c.Flags().DurationVar(&f.drainIn, "drain-in", 5*time.Minute, "by when what it piled up must be gone")
	c.Flags().Float64Var(&f.retries, "retries", -1, "further sends an operation while an outage lasts (default: as measured)")
}

func (f *capacityFlags) check() error {
	wrong := func(flag, what, hint string) error {
		return &usageError{err: fmt.Errorf("--%s: %s", flag, what), hint: hint}
	}
	switch {
	case f.budget < 0 || f.budget > 0 && f.budget < 2*time.Minute:
		return wrong("budget", f.budget.String()+" is too short for a search", "2m at least, or 0 for no limit")
	case (f.warm > 0) != (f.measure > 0):
		return wrong("warm-up", "goes with --measure", "give both, as --warm-up 5s --measure 15s")
	case f.measure > 0 && (f.measure < harness.LeastMeasure || f.warm < time.Second):
		return wrong("measure", fmt.Sprintf("%s after a warm-up of %s is too short to tell a backlog that grows", f.measure, f.warm),
			fmt.Sprintf("a warm-up of 1s and %s at least", harness.LeastMeasure))
	case f.outage < 0 || f.drainIn <= 0:
		return wrong("drain-in", "wants a time above 0", "as --outage 60s --drain-in 5m")
	case f.given("cpus") && (f.cpus < 0.1 || f.cpus > 1024):
		return wrong("cpus", fmt.Sprintf("%g is not 0.1 to 1024", f.cpus), "")
	case f.given("memory") && (f.memory < 32 || f.memory > 1<<20):
		return wrong("memory", fmt.Sprintf("%d is not 32 to %d MiB", f.memory, 1<<20), "")
	case f.given("instances") && (f.instances < 1 || f.instances > 16):
		return wrong("instances", fmt.Sprintf("%d is not 1 to 16", f.instances), "")
	case f.given("retries") && (f.retries < 0 || f.retries > 100):
		return wrong("retries", fmt.Sprintf("%g is not 0 to 100", f.retries), "1 is every operation sent twice")
	}
	return nil
}

// apply states the service.
func (f *capacityFlags) apply(s *scenarios.Scenario) error {
	if f.given("cpus") {
		s.Topology.CPUs = f.cpus
	}
	if f.given("memory") {
		s.Topology.MemoryMiB = f.memory
	}
	switch n := f.instances; {
	case !f.given("instances"):
	case n == 1:
		s.Topology.Front, s.Topology.Gate, s.Topology.Notifier, s.Topology.Shop, s.Topology.Jobs = 0, 0, 0, 0, 0
	default:
		s.Topology.Front, s.Topology.Gate, s.Topology.Notifier = n, n, n
	}
	return nil
}

// search opens the stage, searches, and tells what came of it.
func (f *capacityFlags) search(ctx context.Context, t *terminal, s *scenarios.Scenario, p place, seed uint64, began time.Time) error {
	choice, err := harness.Choose(ctx, p.testbed, s.Needs)
	if err != nil {
		return &hintedError{err: err, hint: "`make setup` brings a Debian machine up; --testbed auto takes what is there"}
	}
	t.say("testbed: %s%s", choice.Name, because(choice.Why))
	if choice.Name == testbed.Embedded {
		return &usageError{
			err:  errors.New("the embedded database engine is no database benchmark: its capacity would say nothing of MySQL's"),
			hint: "install MariaDB and Redis (`make packages`), or start a container engine",
		}
	}
	if n := s.Topology.CPUs; choice.Name != testbed.Containers && n != math.Trunc(n) {
		return &usageError{
			err:  fmt.Errorf("%g CPUs: only a container is held to a part of one; here the service would have %g", n, math.Ceil(n)),
			hint: "--cpus with a whole number, or --testbed containers",
		}
	}
	all, err := testbed.Processors()
	if err != nil {
		return fmt.Errorf("counting the processors: %w", err)
	}
	room := harness.RoomFor(s.Topology, choice.Name, all)
	t.say("service: %s", room.Says)
	stage, err := harness.Open(ctx, harness.Ground{
		Choice: choice, Engines: harness.EnginesOf(s), RunsDir: p.runs, Binary: p.service, Held: room.Held,
		Judge: harness.JudgeBy(""), Notice: func(message string) { t.say("%s", message) },
	})
	if err != nil {
		return &hintedError{err: err, hint: "`lunchrush testbed clean` removes what earlier runs may have left; --testbed picks another"}
	}
	if room.Own != nil {
		back, err := testbed.KeepTo(room.Own)
		if err != nil {
			return closeStage(t, stage, fmt.Errorf("keeping the harness off the service's processors: %w", err))
		}
		defer func() { _ = back() }()
	}
	dir, err := harness.NewFolder(p.runs, began, s.Name+"-capacity")
	if err != nil {
		return closeStage(t, stage, err)
	}
	var shown *meter
	watch := func(w *simulator.World) {
		if shown = newMeter(t); t.live { // plain lines of each trial would bury those of the search
			shown.watch(w)
		}
	}
	found, err := stage.Capacity(ctx, harness.CapacityOptions{
		Scenario: s, Seed: seed, Dir: dir, Version: versionText(), Args: slices.Clone(os.Args), Room: room, All: all, Began: began,
		Budget: f.budget, WarmUp: f.warm, Measure: f.measure,
		Outage: reports.OutageAsk{ForNS: int64(f.outage), DrainNS: int64(f.drainIn), Retries: f.retries},
		Watch:  watch, Quiet: func() {
			if shown != nil {
				shown.stop()
			}
		},
		Tell: func(line string) { t.say("%7s  %s", roundSeconds(time.Since(began)), line) },
	})
	if found != nil {
		t.say("")
		_ = reports.CapacityText(t.out, found)
		fmt.Fprintf(t.out, "report: %s (in %s)\n", filepath.Join(dir, reports.CapacityHTMLFile), roundSeconds(time.Since(began)))
	}
	if err != nil && ctx.Err() != nil {
		err = fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	switch {
	case err == nil:
		err = codeOf(found.ExitCode())
	case found != nil:
		err = unlessLost(t, found.ExitCode(), err)
	}
	return closeStage(t, stage, err)
}

// concludeAgain draws the reports of a capacity search anew from its trials; false when there is none of that name.
func concludeAgain(t *terminal, runs, name string) (bool, error) {
	for _, dir := range []string{name, filepath.Join(runs, name)} {
		text, err := os.ReadFile(filepath.Join(dir, reports.CapacityJSONFile))
		if err != nil {
			continue
		}
		c, err := reports.ReadCapacity(text)
		if err == nil {
			err = reports.WriteCapacity(dir, c)
		}
		if err != nil {
			return true, fmt.Errorf("%s: %w", filepath.Join(dir, reports.CapacityJSONFile), err)
		}
		_ = reports.CapacityText(t.out, c)
		fmt.Fprintf(t.out, "report: %s\n", filepath.Join(dir, reports.CapacityHTMLFile))
		return true, codeOf(c.ExitCode())
	}
	return false, nil
}
