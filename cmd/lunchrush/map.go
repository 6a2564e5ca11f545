package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

// mapFlags are the flags of map beside those that it shares with run.
type mapFlags struct {
	side, loads, triggers, resume string
	capacity                      float64
	budget, watch                 time.Duration
	grid, noKick                  bool
}

func newMap(t *terminal) *cobra.Command {
	var o overrides
	var p place
	var more faultFlags
	var f mapFlags
	c := &cobra.Command{
		Use:   "map NAME",
		Short: "Draw at which load, and after how long a trigger, a service stays down",
		Long: `Play a scenario at several offered loads, with its fault for several lengths, and draw where the service stops coming back by
itself, beside the model's boundary for long triggers, rho* = 1 / (1 + a). The scenario's own fault is the trigger; only the
orders of each machine and the fault's for: are changed, and the clock so that a baseline, a recovery and a lull can be seen.

For each trigger the load is bisected; --grid plays every cell. A cell whose run the machine disturbed is played twice at most.
The cells share one testbed. The map's folder has map.html, map.md, map.json and the run folder of every cell; --resume goes on
in such a folder.

Without --loads they are 0.3 to 0.9 of demand.capacity or, where that is not known, 0.5 to 2 times the scenario's own; without
--triggers a quarter, half, once and twice the scenario's own. The as-was side is played where there is one.

Exit codes: 0 every row has its boundary, or none within the map; 97 a row is not decided or the budget is used up; 98 the
hardened side lost money or data; 105 interrupted; 1 could not run.`,
		Example: `  lunchrush map notify-storm
  lunchrush map notify-storm --profile hardened --triggers 18s --loads 8,12,16
  lunchrush map notify-storm --resume last --budget 2h`,
		Args:              exactly(1, "the name of a scenario or a file"),
		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, args []string) error {
			if err := p.check(); err != nil {
				return err
			}
			s, err := o.load(args[0])
			if err != nil {
				return err
			}
			if err := more.apply(s); err != nil {
				return err
			}
			sweep, err := f.sweep(s, o.seed)
			if err != nil {
				return err
			}
			if sweep.Map.Service, err = harness.Sum(p.service); err != nil {
				return err
			}
			if err := f.folder(sweep, p.runs); err != nil {
				return err
			}
			return runSweep(c.Context(), t, sweep, p)
		},
	}
	o.flags(c)
	p.flags(c)
	more.flags(c)
	fl := c.Flags()
	fl.StringVar(&f.side, "profile", "", "the service's switches: hardened, or as-was (default: as-was where there is one)")
	complete(c, "profile", harness.Hardened, harness.AsWas)
	fl.StringVar(&f.loads, "loads", "", "orders a second, such as 8,10,12")
	fl.StringVar(&f.triggers, "triggers", "", "lengths of the trigger, such as 5s,10s,20s")
	fl.Float64Var(&f.capacity, "capacity", 0, "orders a second that the service can carry (default: the scenario's demand.capacity)")
	fl.DurationVar(&f.budget, "budget", time.Hour, "begin no cell that would end later than this; 0: no bound")
	fl.DurationVar(&f.watch, "watch", 3*time.Minute, "how long the load goes on after a trigger, at most")
	fl.BoolVar(&f.grid, "grid", false, "play every cell instead of bisecting each trigger's loads")
	fl.BoolVar(&f.noKick, "no-kick", false, "leave out the lull that tells METASTABLE from BROKEN: a cell that stays down is then METASTABLE-suspect")
	fl.StringVar(&f.resume, "resume", "", "go on in the folder of an earlier map of the same scenario and settings, or in the last one")
	return c
}

// sweep is what the flags ask for, checked against the scenario before anything is started.
func (f *mapFlags) sweep(s *scenarios.Scenario, seed uint64) (*harness.Sweep, error) {
	if f.side == "" {
		f.side = harness.Hardened
		if len(s.AsWas) > 0 {
			f.side = harness.AsWas
		}
	}
	if err := oneOf("--profile", f.side, harness.Hardened, harness.AsWas); err != nil {
		return nil, err
	}
	if f.side == harness.AsWas && len(s.AsWas) == 0 {
		return nil, &usageError{err: fmt.Errorf("%s has no as-was side", s.Name), hint: "`lunchrush list` shows which scenarios have one"}
	}
	if f.capacity < 0 || f.budget < 0 || f.watch < 0 {
		return nil, &usageError{err: errors.New("--capacity, --budget and --watch are not below 0")}
	}
	if f.capacity > 0 {
		s.Demand.Capacity = f.capacity
	}
	own, load := s.TriggerLength(), s.LoadAtFault()
	if own <= 0 || load <= 0 {
		return nil, &usageError{err: fmt.Errorf("%s has no fault while there is load: nothing triggers anything", s.Name), hint: "--fault adds one; `lunchrush map notify-storm` has its own"}
	}
	m := harness.NewMap(s, f.side, seed, versionText())
	m.Grid = f.grid
	var err error
	if m.LoadsPerS, err = f.loadsOf(s, load); err != nil {
		return nil, err
	}
	if m.TriggersNS, err = f.triggersOf(own); err != nil {
		return nil, err
	}
	sweep := &harness.Sweep{Scenario: s, Side: f.side, Map: m, Budget: f.budget, Watch: f.watch, Kick: !f.noKick}
	for _, load := range m.LoadsPerS {
		for _, trigger := range m.TriggersNS {
			if _, err := sweep.Cell(load, time.Duration(trigger)); err != nil {
				return nil, &usageError{err: err, hint: "a map wants a load that is constant from the fault on, and faults that come once"}
			}
		}
	}
	m.Digest, err = sweep.Digest()
	return sweep, err
}

func (f *mapFlags) loadsOf(s *scenarios.Scenario, own float64) ([]float64, error) {
	var loads []float64
	switch {
	case f.loads != "":
		for text := range strings.SplitSeq(f.loads, ",") {
			v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
			if err != nil || !(v >= 0.1 && v <= 50_000) {
				return nil, &usageError{err: fmt.Errorf("--loads: %q is not a number of orders a second from 0.1 to 50000", text), hint: "--loads 8,10,12"}
			}
			loads = append(loads, v)
		}
	case s.Demand.Capacity > 0:
		for rho := 3; rho <= 9; rho++ {
			loads = append(loads, tidyLoad(s.Demand.Capacity*float64(rho)/10))
		}
	default:
		for quarter := 2; quarter <= 8; quarter++ {
			loads = append(loads, tidyLoad(own*float64(quarter)/4))
		}
	}
	slices.Sort(loads)
	return slices.Compact(loads), nil
}

// tidyLoad keeps a tenth of an order a second.
func tidyLoad(v float64) float64 { return float64(int(v*10+0.5)) / 10 }

func (f *mapFlags) triggersOf(own time.Duration) ([]int64, error) {
	var list []int64
	if f.triggers == "" {
		for _, quarters := range []time.Duration{1, 2, 4, 8} {
			list = append(list, int64((own * quarters / 4).Round(100*time.Millisecond)))
		}
	} else {
		for text := range strings.SplitSeq(f.triggers, ",") {
			d, err := time.ParseDuration(strings.TrimSpace(text))
			if err != nil || d < 100*time.Millisecond || d > time.Hour {
				return nil, &usageError{err: fmt.Errorf("--triggers: %q is not a duration from 100ms to 1h", text), hint: "--triggers 5s,10s,20s"}
			}
			list = append(list, int64(d))
		}
	}
	slices.Sort(list)
	return slices.Compact(list), nil
}

// mapFolder is in the name of a map's folder, behind its time.
const mapFolder = "map-"

// folder gives the sweep its folder: a new one, or that of the map that it goes on with.
func (f *mapFlags) folder(s *harness.Sweep, runs string) error {
	if f.resume == "" {
		var err error
		s.Dir, err = harness.NewFolder(runs, s.Map.StartedAt, mapFolder+s.Map.Scenario+"-"+s.Side)
		return err
	}
	dir, err := findMap(runs, f.resume)
	if err != nil {
		return err
	}
	old, err := reports.ReadMap(dir)
	if err != nil {
		return &usageError{err: fmt.Errorf("--resume: %w", err), hint: "a map's folder has " + reports.MapFile}
	}
	if old.Digest != s.Map.Digest {
		return &usageError{
			err:  fmt.Errorf("--resume: %s is a map of %s, %s, seed %d, with other settings or of an older file", dir, old.Scenario, old.Profile, old.Seed),
			hint: "give the same scenario, --profile, --seed, --watch, --capacity and faults as then",
		}
	}
	if old.Service != s.Map.Service {
		return &usageError{
			err:  fmt.Errorf("--resume: %s was played with another build of the service", dir),
			hint: "a map compares its cells: begin another one, or give --service the program of then",
		}
	}
	if other := s.Map.Machine.Differs(old.Machine); other != "" {
		return &usageError{
			err:  fmt.Errorf("--resume: %s was played on another machine, %s", dir, other),
			hint: "a map compares its cells: begin another one here",
		}
	}
	// Cells that only the new map wants are played, and those of the old one stay on it.
	s.Map.LoadsPerS = union(s.Map.LoadsPerS, old.LoadsPerS)
	s.Map.TriggersNS = union(s.Map.TriggersNS, old.TriggersNS)
	s.Map.Cells, s.Map.StartedAt, s.Map.Testbed, s.Map.Engine = old.Cells, old.StartedAt, old.Testbed, old.Engine
	s.Dir = dir
	return nil
}

func union[T int64 | float64](a, b []T) []T {
	all := slices.Concat(a, b)
	slices.Sort(all)
	return slices.Compact(all)
}

func findMap(runs, name string) (string, error) {
	if name != "last" {
		for _, dir := range []string{name, filepath.Join(runs, name)} {
			if _, err := os.Stat(filepath.Join(dir, reports.MapFile)); err == nil {
				return dir, nil
			}
		}
		return "", &usageError{err: fmt.Errorf("--resume: no map in %s", name), hint: "maps are in " + runs + "; `--resume last` takes the newest"}
	}
	entries, err := os.ReadDir(runs)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	for _, entry := range slices.Backward(entries) {
		if dir := filepath.Join(runs, entry.Name()); strings.Contains(entry.Name(), "-"+mapFolder) {
			if _, err := os.Stat(filepath.Join(dir, reports.MapFile)); err == nil {
				return dir, nil
			}
		}
	}
	return "", &usageError{err: fmt.Errorf("--resume: no map in %s yet", runs), hint: "`lunchrush map notify-storm` makes one"}
}

// runSweep plays what is open and prints the map.
func runSweep(ctx context.Context, t *terminal, s *harness.Sweep, p place) error {
	began := time.Now()
	s.Tell = func(line string) { t.say("%6s  %s", roundSeconds(time.Since(began)), line) }
	where := p
	where.runs = s.Dir
	s.Open = func(ctx context.Context) (*harness.Stage, error) { return openStage(ctx, t, where, s.Scenario) }
	s.Play = func(ctx context.Context, stage *harness.Stage, sc *scenarios.Scenario, label string) (harness.Result, error) {
		meter := newMeter(t)
		defer meter.stop()
		return stage.Run(ctx, harness.Options{
			Scenario: sc, Side: s.Side, Label: label, Seed: s.Map.Seed, RunsDir: s.Dir, Version: versionText(), Args: slices.Clone(os.Args), Watch: meter.watchQuietly(),
		})
	}
	t.say("map: %s (%s), %d loads, %d triggers, in %s", s.Scenario.Name, s.Side, len(s.Map.LoadsPerS), len(s.Map.TriggersNS), s.Dir)
	err := s.Run(ctx)
	if len(s.Map.Cells) > 0 {
		fmt.Fprintln(t.out)
		_ = reports.WriteMapText(t.out, s.Map) // to a terminal
		fmt.Fprintf(t.out, "map:  %s\n", filepath.Join(s.Dir, reports.MapPage))
	}
	if err != nil && ctx.Err() != nil {
		t.say("hint: `lunchrush map %s --resume %s` goes on, with the same flags", s.Scenario.Name, s.Dir)
		err = fmt.Errorf("interrupted after %d cells: %w", len(s.Map.Cells), context.Cause(ctx))
	}
	if err != nil {
		return unlessLost(t, s.Map.ExitCode(), err)
	}
	return codeOf(s.Map.ExitCode())
}
