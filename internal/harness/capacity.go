package harness

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator"
)

// CapacityOptions says what to search for, and how.
type CapacityOptions struct {
	Scenario *scenarios.Scenario
	Seed     uint64
	Dir      string // of the report; trials land in a folder below it
	Version  string
	Args     []string
	Room     Room  // on which the stage was opened
	All      []int // processors of this process, before it was held to its own
	Began    time.Time
	Budget   time.Duration // from Began; 0: none
	WarmUp   time.Duration // of a trial; 0: from the budget
	Measure  time.Duration // likewise
	Outage   reports.OutageAsk

	Tell  func(line string)      // is told what begins and what came of it
	Watch func(*simulator.World) // see [Options]
	Quiet func()                 // is called when a world that was watched has ended
}

// trialsFolder is where a capacity report keeps its trials' runs.
const trialsFolder = "trials"

// errBudget ends what is still under way when the budget is used up.
var errBudget = errors.New(outOfBudget)

// Capacity searches for the largest fleet that the service carries. Whatever ends the search, what was measured until then is
// returned, concluded and written; the error says why it is partial.
func (s *Stage) Capacity(ctx context.Context, o CapacityOptions) (*reports.Capacity, error) {
	c, err := newCapacity(&o, s.Choice.Name, s.Engine())
	if err != nil {
		return nil, err
	}
	return c.search(ctx, o, s.trial)
}

// A player plays one trial of a search.
type player func(ctx context.Context, o *CapacityOptions, c *capacity, step string, machines int) (reports.CapacityTrial, error)

// search is Capacity, whoever plays the trials.
func (c *capacity) search(ctx context.Context, o CapacityOptions, play player) (*reports.Capacity, error) {
	if err := os.MkdirAll(o.Dir, 0o755); err != nil {
		return nil, err
	}
	if o.Budget > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadlineCause(ctx, o.Began.Add(o.Budget-closing/2), errBudget)
		defer cancel()
	}
	purse := &purse{
		budget: o.Budget, spent: func() time.Duration { return time.Since(o.Began) },
		length: func(machines int) time.Duration { return time.Duration(c.Method.WarmUpNS) + c.measured(machines) },
	}
	if c.Stated.Instances > 1 {
		purse.budget -= time.Duration(fewerShare * float64(o.Budget))
	}
	look := &search{
		start: c.Load.Machines, ceiling: c.Method.Ceiling, growth: c.Method.Growth, resolution: c.Method.Resolution,
		majority: c.Method.Majority, need: c.Method.ConfirmNeed, of: c.Method.ConfirmOf, afford: purse.affords,
	}
	look.floor = int(math.Ceil(fewestOrders / c.Load.PerMachine() / longestTrial.Seconds()))
	look.start = max(look.start, look.floor) // of fewer there would be nothing to judge
	look.trial, look.replaced = c.trials(&o, play, purse, &c.Trials)
	f, err := look.run(ctx)
	if err == nil && c.Stated.Instances > 1 && c.Answer.Found {
		purse.budget = o.Budget
		var one found
		if one, err = c.fewer(ctx, o, play, purse); one.stopped != "" {
			c.Method.GaveUp = append(c.Method.GaveUp, "with one instance fewer: "+one.stopped)
		}
	}
	c.FinishedAt = time.Now()
	switch {
	case errors.Is(err, errBudget) || err != nil && errors.Is(context.Cause(ctx), errBudget):
		c.Ended, err = reports.EndedBudget, nil
		c.Method.GaveUp = append(c.Method.GaveUp, fmt.Sprintf("the trial that was under way when the %s were over", o.Budget))
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errBudget):
		c.Ended, c.Error = reports.EndedInterrupted, context.Cause(ctx).Error()
	case err != nil:
		c.Ended, c.Error = reports.EndedError, err.Error()
	case f.stopped != "":
		c.Ended = reports.EndedBudget
		c.Method.GaveUp = append(c.Method.GaveUp, f.stopped+": the bounds are as near, and as well confirmed, as it allowed")
	default:
		c.Ended = reports.EndedWhole
	}
	c.Conclude()
	return c.Capacity, errors.Join(err, reports.WriteCapacity(o.Dir, c.Capacity))
}

// trials is what a search plays: each is kept in list, and what is known by then is written. One whose run breaks off is played once
// more: it says nothing of the load. replaced marks the last of them.
func (c *capacity) trials(o *CapacityOptions, play player, purse *purse, list *[]reports.CapacityTrial) (trial func(context.Context, string, int) (string, error), replaced func()) {
	trial = func(ctx context.Context, step string, machines int) (string, error) {
		began := time.Now()
		t, err := play(ctx, o, c, step, machines)
		if err != nil && !t.Loss && ctx.Err() == nil && !errors.Is(err, errBudget) && purse.affords(1, machines) {
			o.Tell(fmt.Sprintf("%d machines: the run broke off, and is played once more: %v", machines, err))
			t, err = play(ctx, o, c, step, machines)
		}
		if err != nil && !t.Loss {
			return "", err
		}
		t.TookNS = int64(time.Since(began))
		purse.paid(machines, time.Since(began))
		*list = append(*list, t)
		c.Conclude()
		o.Tell(trialLine(&t))
		if err != nil { // what was lost until then is lost
			return "", errors.Join(err, reports.WriteCapacity(o.Dir, c.Capacity))
		}
		outcome := t.Outcome
		if t.Hopeless() {
			outcome = hopeless
		}
		return outcome, reports.WriteCapacity(o.Dir, c.Capacity)
	}
	return trial, func() { (*list)[len(*list)-1].Replaced = true }
}

// A capacity is a report in the making.
type capacity struct {
	*reports.Capacity
}

// measured is how long a trial of that fleet is measured: longer than the others where these would bring too few orders for a
// 99th percentile.
func (c *capacity) measured(machines int) time.Duration {
	const orders = 360 // 299 of each kind, of which some buyers never pay
	rate := c.Load.PerMachine() * float64(machines)
	least := time.Duration(orders / rate * float64(time.Second)).Round(time.Second)
	return max(time.Duration(c.Method.MeasureNS), min(least, longestTrial))
}

// fewestOrders is how many orders a trial has at the least: of fewer there is nothing to judge.
const fewestOrders = 10

// longestTrial bounds that: percentiles of fewer orders are then judged by their maximum.
const longestTrial = time.Minute

// newCapacity says what will be searched, by which method, before anything is played.
func newCapacity(o *CapacityOptions, place, engine string) (*capacity, error) {
	sc := o.Scenario
	_, leftOut, err := Steady(sc, sc.Fleet.Machines, fullMeasure)
	if err != nil {
		return nil, err
	}
	rate, at := Peak(sc)
	c := &reports.Capacity{
		Schema: reports.CapacitySchema, Scenario: sc.Name, Title: sc.Title, Source: sc.Source, Seed: o.Seed, StartedAt: o.Began,
		Testbed: place, Engine: engine, Lunchrush: o.Version, CommandLine: o.Args, Machine: fingerprint(),
		Stated: reports.StatedService{
			CPUs: sc.Topology.CPUs, MemoryMiB: sc.Topology.MemoryMiB, Instances: instances(sc.Topology), Processes: processes(sc.Topology),
			Deployed: describe(sc.Topology), MaxConnections: sc.Database.MaxConnections, Held: o.Room.Says, Apart: o.Room.Apart, Settings: []string{},
		},
		Load: reports.CapacityLoad{
			Machines: sc.Fleet.Machines, PerMachineHour: rate, PeakAt: at.String(), Arrivals: "poisson", Expect: []string{}, LeftOut: leftOut,
		},
		Method: reports.CapacityMethod{
			Growth: 1.5, Resolution: 0.03, Majority: 3, ConfirmNeed: 4, ConfirmOf: 5,
			BudgetNS: int64(o.Budget), WarmUpNS: int64(o.WarmUp), MeasureNS: int64(o.Measure),
		},
		Outage: o.Outage, Trials: []reports.CapacityTrial{}, Warnings: []string{},
	}
	if c.Load.LeftOut == nil {
		c.Load.LeftOut = []string{}
	}
	for _, key := range slices.Sorted(maps.Keys(sc.Service)) {
		c.Stated.Settings = append(c.Stated.Settings, key+": "+sc.Service[key])
	}
	for _, name := range slices.Sorted(maps.Keys(sc.Expect)) {
		line := name + " " + sc.Expect[name].Text
		if len(sc.Faults) > 0 && reports.NeedsFault(name) {
			c.Load.LeftOut = append(c.Load.LeftOut, line)
			continue
		}
		c.Load.Expect = append(c.Load.Expect, line)
	}
	share := 1.0
	if c.Stated.Instances > 1 {
		share -= fewerShare
	}
	c.Method = fit(c.Method, sc.Fleet.Machines, share)
	c.Method.Ceiling, c.Method.CeilingWhy = ceiling(sc.Topology, openFilesLimit())
	c.Conclude()
	return &capacity{c}, nil
}

// instances is how many there are of the role that there are most of.
func instances(t scenarios.Topology) int {
	if !several(t) {
		return 1
	}
	n := 1
	for _, role := range rolesInOrder {
		n = max(n, count(t, role))
	}
	return n
}

// filesAside is how many open files the harness needs beside the machines' long polls.
const filesAside = 1500

// ceiling is the largest fleet that this process can be: each machine keeps a connection, and so a file, open; behind the
// balancer, which is in this process, it takes three.
func ceiling(t scenarios.Topology, files int) (int, string) {
	if files <= 0 || files > 1<<20 {
		return 0, ""
	}
	each, what := 1, "a connection"
	if several(t) {
		each, what = 3, "three connections, two of them through the balancer"
	}
	n := max(1, (files-filesAside)/each)
	return n, fmt.Sprintf("the harness can be %d machines at most: each keeps %s open, and this process may have %d files open (ulimit -n)", n, what, files)
}

// trial plays one load.
func (s *Stage) trial(ctx context.Context, o *CapacityOptions, c *capacity, step string, machines int) (reports.CapacityTrial, error) {
	n := len(c.Trials) + 1
	if c.Fewer != nil {
		n += len(c.Fewer.Trials)
	}
	none := reports.CapacityTrial{}
	measure, warm := c.measured(machines), time.Duration(c.Method.WarmUpNS)
	sc, _, err := Steady(o.Scenario, machines, warm+measure)
	if err != nil {
		return none, err
	}
	for name := range sc.Expect {
		if len(o.Scenario.Faults) > 0 && reports.NeedsFault(name) {
			sc.Expect = maps.Clone(sc.Expect)
			delete(sc.Expect, name)
		}
	}
	seed := o.Seed + uint64(n)<<32 // no two trials meet the same buyers
	plan, err := simulator.NewPlan(sc, seed)
	if err != nil {
		return none, err
	}
	planned := 0
	for i := range plan.Orders {
		if plan.Orders[i].Due >= warm {
			planned++
		}
	}
	cfg, err := profile(sc, Hardened)
	if err != nil {
		return none, err
	}
	w, err := newWitness(ctx, s.stack, serviceParts(sc.Topology), cfg, o.All)
	if err != nil {
		return none, err
	}
	o.Tell(fmt.Sprintf("trial %d, %s: %d machines, %.1f orders/s for %s + %s", n, step, machines, c.Load.PerMachine()*float64(machines), warm, measure))
	result, err := s.Run(ctx, Options{
		Scenario: sc, Side: Hardened, Label: fmt.Sprintf("trial-%02d", n), Seed: seed, Plan: plan, RunsDir: filepath.Join(o.Dir, trialsFolder),
		Version: o.Version, Args: o.Args, WarmUp: warm, Watch: o.Watch,
	})
	if o.Quiet != nil {
		o.Quiet()
	}
	most := w.maxConnections(ctx)
	closing := w.close()
	var dead *death
	died := ctx.Err() == nil && errors.As(err, &dead) && slices.Contains(serviceParts(sc.Topology), testbed.Part(dead.part)) && result.Analysis != nil
	if died {
		err = nil
	}
	broke := errors.Join(err, closing)
	if broke != nil && (result.Analysis == nil || result.Analysis.Verdict.ExitCode != reports.ExitViolated) {
		return none, broke
	}
	run := &result.Analysis.Run
	from := run.StartedAt.Add(time.Duration(run.PlayFromNS + run.WarmUpNS))
	e, err := w.evidence(from, from.Add(measure))
	if err != nil && !errors.Is(err, errUnseen) { // a trial without evidence is one all the same
		return none, err
	}
	e.DBConnections = most
	t, err := reports.JudgeTrial(result.Dir, result.Analysis, planned, e)
	if err != nil {
		return none, errors.Join(broke, err)
	}
	if died {
		t.Outcome, t.Why = reports.TrialFailed, "the service did not live through it: "+dead.Error()
	}
	t.N, t.Step, t.Planned = n, step, c.Load.PerMachine()*float64(machines)
	if t.Folder, err = filepath.Rel(o.Dir, result.Dir); err != nil {
		return none, err
	}
	return t, broke
}

func trialLine(t *reports.CapacityTrial) string {
	line := fmt.Sprintf("trial %d, %s: %d machines: %s: %.1f of %.1f orders/s in time, create p99 %s, notify p99 %s", t.N, t.Step, t.Machines,
		t.Outcome, t.Goodput, t.Offered, millis(t.CreateP99NS), millis(t.NotifyP99NS))
	if t.Why != "" {
		line += ": " + t.Why
	}
	return line
}

func millis(ns int64) string {
	if ns < 0 {
		return "-"
	}
	return time.Duration(ns).Round(100 * time.Microsecond).String()
}
