package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/zstd"
	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator"
)

// place is where runs happen and land, shared by run and prove.
type place struct {
	testbed string
	runs    string
	service string
}

func (p *place) flags(c *cobra.Command) {
	c.Flags().StringVar(&p.testbed, "testbed", "auto", "where the databases and the service run: auto, containers, local, embedded")
	c.Flags().StringVar(&p.runs, "runs", filepath.Join("reports", "runs"), "folder in which the run's folder is made")
	c.Flags().StringVar(&p.service, "service", "", "program that is the service under test, started as docs/PROTOCOL.md says (default: this one)")
	complete(c, "testbed", "auto", "containers", "local", "embedded")
}

func (p *place) check() error {
	if p.service != "" {
		info, err := os.Stat(p.service)
		if err == nil && (info.IsDir() || info.Mode()&0o111 == 0) {
			err = fmt.Errorf("%s is no program", p.service)
		}
		if err != nil {
			return &usageError{err: fmt.Errorf("--service: %w", err), hint: "a program that takes `serve --role ... --config -` and speaks docs/PROTOCOL.md"}
		}
	}
	return oneOf("--testbed", p.testbed, "auto", "containers", "local", "embedded")
}

func newRun(t *terminal) *cobra.Command {
	var o overrides
	var p place
	var more faultFlags
	var side, planFile string
	var kick bool
	var ui uiFlags
	c := &cobra.Command{
		Use:   "run NAME",
		Short: "Run one scenario and judge it",
		Long: `Run a scenario: start databases and the service, play the plan's buyers, payment channels and machines against it, wait
until every order is settled, then audit every order and every fen. The report lands in reports/runs/<id>/report.html.

--profile as-was switches the scenario's documented mistakes back on, --profile hardened (the default) is the service as it
ships. Where a scenario has further sides, which explain lists, their names are profiles too.

A run that stayed down after its fault is played once more, with a lull near its end: one that the lull sets free was held down by
its own retries (METASTABLE), one that it does not is BROKEN. The verdict is that of the first run; --kick-test=false leaves out the
second, which takes longer.`,
		Example: `  lunchrush run peak-lunch
  lunchrush run peak-lunch --speed 1 --testbed containers     # in real time: 2 h 30 min
  lunchrush run callback-serial --profile as-was              # see it collapse
  lunchrush run notify-storm --profile as-was                 # stays down: metastable, or broken?
  lunchrush run inflight-limit --profile sleep                # a further side: what only hides the failure
  lunchrush run my-peak.yaml --machines 1200 --seed 7
  lunchrush run peak-lunch --plan reports/runs/20261120-115600-peak-lunch-hardened/plan.jsonl.zst
  lunchrush run peak-lunch --fault 'at=11:00,for=30s,on=mysql,inject=latency,by=200ms'
  lunchrush run peak-lunch --ui 127.0.0.1:7070                # look at it while it goes on, and lay a hand on it`,
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
			if s, err = profiled(s, side); err != nil {
				return err
			}
			if err := more.apply(s); err != nil {
				return err
			}
			var plan *simulator.Plan
			if planFile != "" {
				if kick && c.Flags().Changed("kick-test") {
					return &usageError{err: errors.New("--kick-test makes another plan than --plan"), hint: "give one of the two"}
				}
				kick = false
			}
			if planFile != "" {
				if plan, err = readPlan(planFile); err != nil {
					return &usageError{err: fmt.Errorf("--plan: %w", err), hint: "a run's plan is plan.jsonl.zst in its folder; `lunchrush plan --out` writes one"}
				}
				o.seed = plan.Header.Seed
			}
			screen, ctx, err := ui.open(c.Context(), t)
			if err != nil {
				return err
			}
			return screen.close(runOne(ctx, t, screen, p, s, side, o.seed, plan, kick))
		},
	}
	o.flags(c)
	p.flags(c)
	more.flags(c)
	ui.flags(c)
	c.Flags().StringVar(&side, "profile", harness.Hardened, "the service's switches: hardened, as-was (the documented mistakes), or a further side of the scenario")
	complete(c, "profile", harness.Hardened, harness.AsWas)
	c.Flags().BoolVar(&kick, "kick-test", true, "play a run that stayed down once more, with a lull that tells METASTABLE from BROKEN")
	c.Flags().StringVar(&planFile, "plan", "", "replay this plan instead of making one: a run's plan.jsonl.zst, or what plan --out wrote")
	return c
}

// profiled is the scenario as that side plays it.
func profiled(s *scenarios.Scenario, side string) (*scenarios.Scenario, error) {
	switch {
	case side == harness.Hardened, side == harness.AsWas && len(s.AsWas) > 0:
		return s, nil
	case side == harness.AsWas:
		return nil, &usageError{err: fmt.Errorf("%s has no as-was side", s.Name), hint: "`lunchrush list` shows which scenarios have one"}
	}
	accepted := []string{harness.Hardened}
	if len(s.AsWas) > 0 {
		accepted = append(accepted, harness.AsWas)
	}
	for _, d := range s.Sides {
		if d.Name == side {
			return s.On(d), nil
		}
		accepted = append(accepted, d.Name)
	}
	return nil, oneOf("--profile", side, accepted...)
}

// runOne makes one run on a testbed of its own, and a second one with a lull when kick asks for it and the first stayed down.
func runOne(ctx context.Context, t *terminal, screen *screen, p place, s *scenarios.Scenario, side string, seed uint64, plan *simulator.Plan, kick bool) error {
	screen.say("%s, %s: starting the databases", s.Name, side)
	stage, err := openStage(ctx, t, p, s)
	if err != nil {
		return err
	}
	result, err := playOne(ctx, t, screen, stage, s, side, seed, plan, p.runs)
	code := exitCodeOf(result)
	if err == nil && kick && harness.WantsKick(result.Analysis.Stability, s) {
		// The second run is another than the one that was asked for: it only tells what the first one's staying down means. Money
		// that it lost is lost all the same.
		kicked, kickErr := kickTest(ctx, t, screen, stage, s, side, seed, p.runs, result)
		if exitCodeOf(kicked) == exitInvariant {
			code = exitInvariant
		}
		if kickErr != nil && ctx.Err() == nil {
			t.say("the second run broke off, and the verdict is that of the first: %v", kickErr)
		} else {
			err = kickErr
		}
	}
	if err != nil {
		err = unlessLost(t, code, err)
	} else {
		err = codeOf(code)
	}
	return closeStage(t, stage, err)
}

// exitCodeOf is the exit code that a run's verdict has, that of a pass when there is none.
func exitCodeOf(r harness.Result) int {
	if r.Analysis == nil {
		return exitPass
	}
	return r.Analysis.Verdict.ExitCode
}

// kickTest plays a run that stayed down again, with a lull. The result is empty where there can be none.
func kickTest(ctx context.Context, t *terminal, screen *screen, stage *harness.Stage, s *scenarios.Scenario, side string, seed uint64, runs string, first harness.Result) (harness.Result, error) {
	kicked, err := harness.WithKick(s, first.Analysis.Stability)
	if err != nil {
		t.say("no kick test: %v", err)
		return harness.Result{}, nil
	}
	t.say("\nit stayed down: once more, with a lull of %s after %s of load", kicked.Kick.For, roundSeconds(kicked.At(kicked.Kick.At)))
	return playOne(ctx, t, screen, stage, kicked, side, seed, nil, runs)
}

// readPlan reads a plan as it lies in a run folder, or as plan --out writes it.
func readPlan(name string) (*simulator.Plan, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if filepath.Ext(name) != ".zst" {
		return simulator.ReadPlan(f)
	}
	z, err := zstd.NewReader(f)
	if err != nil {
		return nil, err
	}
	defer z.Close()
	return simulator.ReadPlan(z)
}

// openStage chooses and starts a testbed and says which and why.
func openStage(ctx context.Context, t *terminal, p place, s *scenarios.Scenario) (*harness.Stage, error) {
	began := time.Now()
	choice, err := harness.Choose(ctx, p.testbed, s.Needs)
	if err != nil {
		return nil, &hintedError{err: err, hint: "`make setup` brings a Debian machine up; --testbed auto takes what is there"}
	}
	t.say("testbed: %s%s", choice.Name, because(choice.Why))
	stage, err := harness.Open(ctx, harness.Ground{
		Choice: choice, Engines: harness.EnginesOf(s), RunsDir: p.runs, Binary: p.service,
		Judge: harness.JudgeBy(""), Notice: func(message string) { t.say("%s", message) },
	})
	if err != nil {
		return nil, &hintedError{err: err, hint: "`lunchrush testbed clean` removes what earlier runs may have left; --testbed picks another"}
	}
	t.say("started: %s in %.1fs", stage.Engine(), time.Since(began).Seconds())
	return stage, nil
}

// closeStage stops the testbed whatever err is, and returns the first trouble. A verdict that is not a pass is one: a testbed that
// does not stop does not hide it.
func closeStage(t *terminal, stage *harness.Stage, err error) error {
	closeErr := stage.Close()
	if err != nil {
		if closeErr != nil {
			t.say("stopping the testbed: %v", closeErr)
		}
		return err
	}
	if closeErr != nil {
		return fmt.Errorf("stopping the testbed: %w", closeErr)
	}
	return nil
}

// playOne makes one run with its progress shown and prints the summary.
func playOne(ctx context.Context, t *terminal, screen *screen, stage *harness.Stage, s *scenarios.Scenario, side string, seed uint64, plan *simulator.Plan, runs string) (harness.Result, error) {
	t.say("scenario: %s (%s), seed %d, %d machines, %s", s.Name, side, seed, s.Fleet.Machines, s.Title)
	meter := newMeter(t)
	result, err := stage.Run(ctx, harness.Options{
		Scenario: s, Side: side, Seed: seed, Plan: plan, RunsDir: runs, Version: versionText(),
		Args: commandLine(), Watch: meter.watch, Notice: meter.note, Watching: screen.watching(),
	})
	meter.stop()
	screen.judged(result.Analysis, result.Dir, err)
	if result.Analysis != nil {
		_ = reports.WriteText(t.out, result.Analysis, t.color && isTerminal(t.out))
		fmt.Fprintf(t.out, "report:  %s\n", filepath.Join(result.Dir, "report.html"))
	}
	if err != nil && ctx.Err() != nil {
		return result, fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	return result, err
}

func because(why []string) string {
	if len(why) == 0 {
		return ""
	}
	return " (not " + strings.Join(why, "; not ") + ")"
}

func oneOf(flag, got string, accepted ...string) error {
	if slices.Contains(accepted, got) {
		return nil
	}
	return &usageError{err: fmt.Errorf("%s: no such value: %q", flag, got), hint: "accepted: " + strings.Join(accepted, ", ")}
}

// complete offers the accepted values of a flag to the shell.
func complete(c *cobra.Command, flag string, values ...string) {
	err := c.RegisterFlagCompletionFunc(flag, cobra.FixedCompletions(values, cobra.ShellCompDirectiveNoFileComp))
	if err != nil {
		panic(err) // the flag is defined two lines above
	}
}

func roundSeconds(d time.Duration) string {
	return d.Round(time.Second).String()
}
