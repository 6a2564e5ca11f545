package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"syscall"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "gate:", err)
		os.Exit(1)
	}
}

// Options are the flags.
type options struct {
	dir       string
	scenario  string
	kinds     []kind
	abreast   int
	resampled int
	seed      uint64
	keep      bool
	rules     reports.GateRules
}

// A kind of gate, and what is wanted of it.
type kind struct {
	name   string  // of its folders
	title  string  // of its line
	slower float64 // the head, so many times
	gates  int     // that are played
}

// The shares wanted: of alarms among gates of one build (2 of 40), and of slower builds that are caught with the first pairs.
const (
	alarmLimit = 0.05
	caughtGoal = 0.85
)

// run is the program.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o := options{rules: reports.DefaultGateRules()}
	slower, gates, slowerGates := 1.3, 1, -1
	f := flag.NewFlagSet("gate", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&o.dir, "dir", filepath.Join("reports", "runs", "bench-gate"), "folder in which gates are kept; one that is there goes on")
	f.StringVar(&o.scenario, "scenario", "gate-lunch", "scenario that is played")
	f.IntVar(&gates, "gates", gates, "gates of one build against itself that are played, each about 5 minutes")
	f.IntVar(&slowerGates, "slower-gates", slowerGates, "gates whose head is slower; -1: as many as of one build")
	f.Float64Var(&slower, "slower", slower, "how much longer the slower build takes to answer, as a multiple from 1")
	f.IntVar(&o.rules.Pairs, "pairs", o.rules.Pairs, "pairs of a gate; its extension doubles them")
	f.IntVar(&o.rules.Repeats, "repeats", o.rules.Repeats, "most pairs of a gate that are played again since they proved nothing")
	f.IntVar(&o.abreast, "abreast", 1, "gates that are played at the same time, each on databases of its own: they are noise to each other")
	f.IntVar(&o.resampled, "resampled", 1000, "gates of each kind that are put together from recorded pairs, not played")
	f.Uint64Var(&o.seed, "seed", 1, "seed of the first gate's plans and of the resampling")
	f.BoolVar(&o.keep, "keep", false, "keep the run folders, not only each gate's gate.json and page: 10 MB a gate")
	if err := f.Parse(args); err != nil {
		return err
	}
	o.rules.ExtendTo = 2 * o.rules.Pairs
	if slowerGates == -1 {
		slowerGates = gates
	}
	if gates < 0 || slowerGates < 0 || o.abreast < 1 || o.resampled < 0 || !(slower >= 1 && slower <= 100) || o.rules.Pairs < 6 || o.rules.Pairs%2 != 0 {
		return errors.New("-gates, -slower-gates and -resampled must be 0 or more, -abreast 1 or more, -slower from 1 to 100, and -pairs an even number from 6")
	}
	o.kinds = []kind{
		{"same", "one build", 1, gates},
		{"slower", fmt.Sprintf("%+.0f %% to answer", 100*(slower-1)), slower, slowerGates},
	}
	if err := play(ctx, o, stderr); err != nil {
		return err
	}
	return tell(o, stdout)
}

// folder is where the n-th gate of a kind is kept.
func (o options) folder(k kind, n int) string {
	return filepath.Join(o.dir, fmt.Sprintf("%s-%g-%s-%d-seed%d-%03d", k.name, k.slower, o.scenario, o.rules.Pairs, o.seed, n))
}

// play plays the gates that are not there yet, in turn.
func play(ctx context.Context, o options, stderr io.Writer) (err error) {
	type todo struct {
		kind
		n int
	}
	var list []todo
	most := 0
	for _, k := range o.kinds {
		most = max(most, k.gates)
	}
	for at := 1; at <= most; at++ {
		for _, k := range o.kinds {
			n := at * k.gates / most // the kind with fewer is spread over the time of the other
			if n == (at-1)*k.gates/most {
				continue
			}
			if _, played, err := recorded(o.folder(k, n)); err != nil {
				return err
			} else if !played {
				list = append(list, todo{k, n})
			}
		}
	}
	if len(list) == 0 {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	sc, err := scenario(o.scenario)
	if err != nil {
		return err
	}
	programs, err := build(ctx, o.kinds)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, programs.remove()) }()
	choice, err := harness.Choose(ctx, testbed.Local, sc.Needs)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(o.dir, 0o755); err != nil {
		return err
	}
	next := make(chan int)
	go func() {
		defer close(next)
		for i := range list {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	problems := make([]error, min(o.abreast, len(list)))
	var lanes sync.WaitGroup
	for n := range problems {
		lanes.Go(func() {
			defer func() {
				if problems[n] != nil {
					stop() // the other lanes too
				}
			}()
			stage, err := harness.Open(ctx, harness.Ground{Choice: choice, Engines: harness.EnginesOf(sc), RunsDir: o.dir, Binary: programs.slower[1], Judge: harness.JudgeBy(programs.slower[1])})
			if err != nil {
				problems[n] = err
				return
			}
			defer func() { problems[n] = errors.Join(problems[n], stage.Close()) }()
			for i := range next {
				k := list[i].kind
				say := func(line string) { fmt.Fprintf(stderr, "gate %d of %d (%s): %s\n", i+1, len(list), k.title, line) }
				if err := o.playOne(ctx, stage, sc, programs, k, list[i].n, say); err != nil {
					problems[n] = err
					return
				}
			}
		})
	}
	lanes.Wait()
	fmt.Fprintf(stderr, "%s/%s, %d cores\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	return errors.Join(problems...)
}

// playOne plays the n-th gate of a kind on a stage, and keeps what came of it.
func (o options) playOne(ctx context.Context, stage *harness.Stage, sc *scenarios.Scenario, p *programs, k kind, n int, say func(line string)) error {
	dir := o.folder(k, n)
	if err := os.RemoveAll(dir); err != nil { // of an interrupt
		return err
	}
	if err := os.Mkdir(dir, 0o755); err != nil {
		return err
	}
	g := &harness.Gate{
		Scenario: sc, Rules: o.rules, Dir: dir, Version: "bench", Args: slices.Clone(os.Args), Tell: say,
		Base: harness.Candidate{GateBuild: reports.GateBuild{Name: "lunchrush"}, Path: p.slower[1]},
		Head: harness.Candidate{GateBuild: reports.GateBuild{Name: "lunchrush, " + k.title}, Path: p.slower[k.slower]},
	}
	g.Rules.Seed = o.seed + uint64(1000*n) // no two gates of a kind share a plan
	if err := g.PlayOn(stage, nil); err != nil {
		return err
	}
	out, err := g.Run(ctx)
	if err != nil {
		return err
	}
	if !o.keep {
		if err := dropRuns(dir, out); err != nil {
			return err
		}
	}
	if err := reports.WriteGate(dir, out); err != nil {
		return err
	}
	say(out.Verdict.Outcome + ": " + out.Verdict.Headline)
	return nil
}

// dropRuns removes the runs of a gate, whose figures it has.
func dropRuns(dir string, g *reports.Gate) error {
	var errs []error
	drop := func(r *reports.GateRun) {
		if r.Folder != "" {
			errs = append(errs, os.RemoveAll(filepath.Join(dir, r.Folder)))
		}
		r.Folder = ""
	}
	for _, pairs := range [][]reports.GatePair{g.Pairs, g.Repeated} {
		for i := range pairs {
			drop(&pairs[i].Base)
			drop(&pairs[i].Head)
		}
	}
	for i := range g.WarmUps {
		drop(&g.WarmUps[i])
	}
	return errors.Join(errs...)
}
