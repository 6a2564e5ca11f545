package harness

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/simulator"
)

// The two sides of a scenario.
const (
	Hardened = "hardened" // the service as it ships
	AsWas    = "as-was"   // with the scenario's documented mistakes switched back on
)

// closeTimeout bounds every stop: of a service process, of a stack.
const closeTimeout = 20 * time.Second

// A Stage is a started testbed on which runs are made one after the other. Close must be called.
type Stage struct {
	Choice testbed.Choice
	stack  testbed.Stack
	logs   string
	binary string
	judge  func(dir string) (*reports.Analysis, error)
	notice func(message string)
	used   bool
}

// Engines is what a scenario asks of the databases when they are started. Scenarios with equal ones can share a stage.
type Engines struct {
	MaxConnections int           // of the database; 0 leaves its default
	Replica        bool          // of the database, too
	ReplicaDelay   time.Duration // how far that is behind
}

// EnginesOf is what a scenario asks for.
func EnginesOf(sc *scenarios.Scenario) Engines {
	return Engines{
		MaxConnections: sc.Database.MaxConnections,
		Replica:        slices.Contains(sc.Needs, "replica"), ReplicaDelay: sc.Database.ReplicaDelay,
	}
}

func (e Engines) compare(o Engines) int {
	replicas := func(e Engines) int {
		if e.Replica {
			return 1
		}
		return 0
	}
	return cmp.Or(cmp.Compare(e.MaxConnections, o.MaxConnections), cmp.Compare(replicas(e), replicas(o)), cmp.Compare(e.ReplicaDelay, o.ReplicaDelay))
}

// A Ground says what a stage is to stand on.
type Ground struct {
	Choice  testbed.Choice
	Engines Engines
	RunsDir string               // where runs land; the parts' logs wait in a hidden folder of it, and those of a killed run, and of parts that did not start, stay there
	Binary  string               // the program that is the service; "" means this one
	Notice  func(message string) // is told what is worth showing while a start takes long; nil: nobody is
	Held    testbed.Holding      // for a measurement; zero: everybody runs anywhere
	// Judge judges the folder of a run that has ended; nil: [Judge] does, in this process, where it holds up the sends of other runs.
	Judge func(dir string) (*reports.Analysis, error)
}

// opened counts the stages that this process has opened.
var opened atomic.Int64

// Open starts a testbed.
func Open(ctx context.Context, g Ground) (*Stage, error) {
	shareCores()
	collectSeldom()
	id := fmt.Sprintf("%d-%d-%d", os.Getpid(), time.Now().UnixMilli(), opened.Add(1)) // several may open in one millisecond
	logs := filepath.Join(g.RunsDir, ".logs-"+id)
	if err := os.MkdirAll(logs, 0o755); err != nil {
		return nil, err
	}
	stack, err := testbed.Start(ctx, g.Choice, testbed.Spec{
		RunID:          id,
		LogDir:         logs,
		MaxConnections: g.Engines.MaxConnections,
		Replica:        g.Engines.Replica,
		ReplicaDelay:   g.Engines.ReplicaDelay,
		Binary:         g.Binary,
		Notice:         g.Notice,
		Held:           g.Held,
	})
	if err != nil {
		err = fmt.Errorf("starting the %s testbed: %w", g.Choice.Name, err)
		if ctx.Err() != nil {
			return nil, errors.Join(err, os.RemoveAll(logs))
		}
		_ = os.Remove(logs) // if empty: the error names the log that says why
		return nil, err
	}
	judge := g.Judge
	if judge == nil {
		judge = Judge
	}
	notice := g.Notice
	if notice == nil {
		notice = func(string) {}
	}
	return &Stage{Choice: g.Choice, stack: stack, logs: logs, binary: g.Binary, judge: judge, notice: notice}, nil
}

// Engine says what runs on the stage: "MariaDB 10.11.14, Redis 7.0.15".
func (s *Stage) Engine() string { return s.stack.Engine() }

// Close stops everything that the stage started. It does not depend on the run's context. A database that had to be killed is told of and
// no error: all has been counted by then.
func (s *Stage) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	notes, err := sortKilled(s.stack.Close(ctx))
	for _, note := range notes {
		s.notice(note)
	}
	if err != nil {
		return err // which may name a log
	}
	return os.RemoveAll(s.logs)
}

// Options says what to run.
type Options struct {
	Scenario *scenarios.Scenario // with the caller's overrides applied
	Side     string              // Hardened or AsWas
	Label    string              // how the run calls its side; "" means Side
	Seed     uint64
	Plan     *simulator.Plan // to replay; nil: the one that Scenario and Seed make
	RunsDir  string          // the run folder is made in it
	Binary   string          // the program that is the service in this run; "" means the stage's
	Version  string          // of lunchrush, for the manifest
	WarmUp   time.Duration   // of the play's beginning, which is audited and not measured
	// OwnDefaults leaves out of the service's configuration what neither the scenario nor the wiring asks for, so that the program
	// takes its own defaults. Otherwise it is told this program's.
	OwnDefaults bool
	Args        []string
	// Notice, when set, is told what is worth showing while a run takes long.
	Notice func(message string)
	// Watch, when set, is called with the world as soon as it exists; its Progress may be asked for until Run returns.
	Watch func(*simulator.World)

	Watching *Watching // nil: nobody looks at the run while it goes on
}

// plan is what the run plays. One that is replayed must be of this scenario: its fleet is what the service is told of.
func (o *Options) plan() (*simulator.Plan, error) {
	if o.Plan == nil {
		return simulator.NewPlan(o.Scenario, o.Seed)
	}
	h := o.Plan.Header
	for _, part := range []struct {
		what      string
		got, want any
	}{
		{"scenario", h.Scenario, o.Scenario.Name},
		{"machines", h.Machines, o.Scenario.Fleet.Machines},
		{"slots of a machine", h.Slots, o.Scenario.Fleet.Slots},
		{"length", h.Length, o.Scenario.Length()},
	} {
		if part.got != part.want {
			return nil, fmt.Errorf("the plan is of another run: %s: %v, here %v", part.what, part.got, part.want)
		}
	}
	o.Seed = h.Seed
	return o.Plan, nil
}

// A Result is a run that was made and judged. Dir is set as soon as there is a folder, also beside an error.
type Result struct {
	Dir      string
	Analysis *reports.Analysis
}

// Run makes one run and judges it. When ctx is canceled it stops, writes what there is, and returns the partial result
// with an error that wraps context.Canceled.
func (s *Stage) Run(ctx context.Context, o Options) (Result, error) {
	plan, err := o.plan()
	if err != nil {
		return Result{}, fmt.Errorf("planning %s: %w", o.Scenario.Name, err)
	}
	m := newManifest(o, plan, s)
	dir, err := newRunDir(o.RunsDir, m)
	if err != nil {
		return Result{}, err
	}
	log, err := runlog.Create(dir, m)
	if err != nil {
		return Result{}, err
	}
	given, back := turns.take()
	playErr := s.play(ctx, o, plan, m, log)
	back()
	if playErr != nil {
		playErr = &relocated{playErr, s.logs, filepath.Join(dir, logsFolder)}
	}
	m.Generator.First, m.Generator.Awake = given.First, given.Awake
	switch {
	case ctx.Err() != nil:
		m.Ended, m.Error = "interrupted", context.Cause(ctx).Error()
		if playErr == nil { // while the books were collected, or the service stopped
			playErr = fmt.Errorf("interrupted at its end: %w", errors.Join(ctx.Err(), context.Cause(ctx)))
		}
	case playErr != nil:
		m.Ended, m.Error = "error", playErr.Error()
	default:
		m.Ended = "whole"
	}
	m.Finished = time.Now()
	err = errors.Join(log.SaveManifest(m), log.Close(), s.keepLogs(dir))
	if err != nil {
		return Result{Dir: dir}, errors.Join(playErr, fmt.Errorf("writing the run folder: %w", err))
	}
	analysis, err := s.judge(dir)
	if err != nil {
		return Result{Dir: dir}, errors.Join(playErr, err)
	}
	return Result{Dir: dir, Analysis: analysis}, playErr
}

// revive starts those of the stack's own parts again that the run before has left dead, as a kill with restart: no does.
func (s *Stage) revive(ctx context.Context) error {
	again, ok := s.stack.(testbed.Restarter)
	if !ok {
		return nil
	}
	for _, name := range []testbed.Part{testbed.PartMySQL, testbed.PartCache, testbed.PartQueue} {
		i := s.stack.Part(name)
		if i == nil {
			continue
		}
		select {
		case <-i.Exited():
			if _, _, err := again.Restart(ctx, name); err != nil {
				return err
			}
		default:
		}
	}
	return nil
}

// play starts the service, plays the plan against it, and stops it. Everything it starts is stopped before it returns.
func (s *Stage) play(ctx context.Context, o Options, plan *simulator.Plan, m *runlog.Manifest, log *runlog.Writer) (err error) {
	if s.used {
		if err := s.revive(ctx); err != nil {
			return fmt.Errorf("starting again what a fault had ended for good: %w", err)
		}
		if err := s.stack.Reset(ctx); err != nil {
			return fmt.Errorf("resetting the databases: %w", err)
		}
	}
	s.used = true
	var rewrite func([]byte) ([]byte, error)
	if o.OwnDefaults {
		rewrite = sparing(o.Scenario, o.Side)
	}
	if err := s.stack.Serve(ctx, o.Binary, rewrite); err != nil {
		return err
	}

	broken, err := newFaults(o.Scenario)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, broken.Close()) }()
	m.Faults = broken.plans
	if o.steered() {
		broken.reach(o.Scenario, s.stack)
		m.Notes = append(m.Notes, viaProxies)
	}

	var served deployed
	var world *simulator.World
	doctor := &supervisor{health: o.Scenario.Topology.Health, now: func() time.Duration { return world.Now() }}
	var faultErr error // set by Begun, which has returned when Play does
	var controls *Controls
	settings := simulator.Config{
		Scenario: o.Scenario,
		Plan:     plan,
		Log:      log,
		Manifest: m,
		Notice:   o.Notice,
		Steered:  o.steered(),
		Begun: func(ctx context.Context, _ time.Duration) {
			var watching sync.WaitGroup
			if t, ok := served.(*town); ok && o.Scenario.Topology.Health.Every > 0 {
				watching.Go(func() { doctor.watch(ctx, t.patients()) })
			}
			c := &chronicler{world: world, log: log}
			var handErr error
			if controls != nil {
				c.seen = controls.seen
				watching.Go(func() { handErr = controls.play(ctx) })
			}
			faultErr = broken.play(ctx, c)
			watching.Wait()
			faultErr = errors.Join(faultErr, handErr)
		},
		ServiceUsage: func(ctx context.Context) (cpu time.Duration, rss int64, err error) {
			if served == nil {
				return 0, 0, errors.New("the service has not started")
			}
			return served.usage(ctx)
		},
	}
	if o.Watching != nil {
		settings.Sampled = o.Watching.Second
	}
	world, err = simulator.New(settings)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	if o.Watch != nil {
		o.Watch(world)
	}
	if o.Watching != nil {
		controls = newControls(o, plan, m, world, broken, s.stack, log)
		o.Watching.Begin(controls)
	}
	broken.unsettle(world)

	cfg, err := serviceConfig(o.Scenario, o.Side, s.stack, world.ServiceSettings())
	if err != nil {
		return err
	}
	if err := broken.reroute(cfg); err != nil {
		return err
	}
	m.ServiceCfg = switched(cfg, o.Scenario, o.Side)
	m.RefundAfterNS = int64(cfg.Switches.Refund.After)
	m.SettleNS = int64(cfg.Switches.SettleWithin())
	target, err := s.serve(ctx, o.Scenario, o.Side, cfg, broken, &served)
	if err != nil {
		return err
	}
	defer func() {
		if t, ok := served.(*town); ok {
			m.Balance, m.Cold = t.told()
		}
		m.Health = doctor.account()
		stopCtx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		stubborn, stopErr := sortKilled(served.end(stopCtx))
		m.Notes = append(append(m.Notes, broken.stubborn(served)...), stubborn...)
		err = errors.Join(err, stopErr)
	}()

	// The replica has the tables before anybody asks for them: a service does not go live before that.
	if r, ok := s.stack.(testbed.Replicator); ok {
		if err := r.CatchUp(ctx); err != nil {
			return err
		}
	}

	// A part that dies unasked ends the run: there is nothing left to measure.
	playCtx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	go func() { stop(broken.died(playCtx)) }()
	_, err = world.Play(playCtx, target)
	err = errors.Join(err, faultErr)
	if err != nil && ctx.Err() == nil && playCtx.Err() != nil {
		return context.Cause(playCtx)
	}
	return err
}

// serve starts the service as the scenario deploys it, and says where to reach it. served is set when it succeeds.
func (s *Stage) serve(ctx context.Context, sc *scenarios.Scenario, side string, cfg *service.Config, broken *faults, served *deployed) (simulator.Target, error) {
	if several(sc.Topology) {
		if err := broken.grip(s.stack); err != nil {
			return simulator.Target{}, err
		}
		settings, err := sc.BalancerOf(side == AsWas)
		if err != nil {
			return simulator.Target{}, fmt.Errorf("%s: %w", sc.Name, err)
		}
		t, target, err := settle(ctx, s.stack, sc.Topology, settings, cfg)
		if err != nil {
			return target, err
		}
		if err := broken.seize(t); err != nil {
			return target, errors.Join(err, t.end(context.WithoutCancel(ctx)))
		}
		*served = t
		return target, nil
	}
	text, err := marshal(cfg)
	if err != nil {
		return simulator.Target{}, err
	}
	spec := testbed.ServiceSpec{
		Name: "service", Roles: slices.Sorted(slices.Values(rolesInOrder)), Config: text,
		CPUs: sc.Topology.CPUs, MemoryMiB: sc.Topology.MemoryMiB,
	}
	instance, err := s.stack.StartService(ctx, spec)
	if err != nil {
		return simulator.Target{}, fmt.Errorf("starting the service: %w", err)
	}
	if err := errors.Join(waitReady(ctx, instance), broken.grip(s.stack)); err != nil {
		return simulator.Target{}, errors.Join(err, instance.Kill())
	}
	p, target, err := broken.face(s.stack, spec, instance)
	if err != nil {
		return target, errors.Join(err, instance.Kill())
	}
	*served = p
	return target, nil
}

// logsFolder is where a run folder has the parts' logs.
const logsFolder = "logs"

// A relocated error names logs where [Stage.keepLogs] has put them: the stage's own are gone when somebody reads it.
type relocated struct {
	error
	from, to string
}

func (r *relocated) Error() string { return strings.ReplaceAll(r.error.Error(), r.from, r.to) }
func (r *relocated) Unwrap() error { return r.error }

// keepLogs copies the parts' logs into the run folder and empties them for the next run.
func (s *Stage) keepLogs(dir string) error {
	entries, err := os.ReadDir(s.logs)
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		from := filepath.Join(s.logs, entry.Name())
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.MkdirAll(filepath.Join(dir, logsFolder), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, logsFolder, entry.Name()), text, 0o644); err != nil {
			return err
		}
		if err := os.Truncate(from, 0); err != nil {
			return err
		}
	}
	return nil
}
