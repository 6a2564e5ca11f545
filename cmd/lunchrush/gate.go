package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
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
	"github.com/lunchrush/lunchrush/simulator"
)

// gateFlags are what gate takes besides a run's flags.
type gateFlags struct {
	base, head       string
	baseSet, headSet []string
	pkg              string
	margins          []string
	rules            reports.GateRules
	calibrate        bool
	out              string
}

func newGate(t *terminal) *cobra.Command {
	var o overrides
	var p place
	var more faultFlags
	f := gateFlags{rules: reports.DefaultGateRules()}
	c := &cobra.Command{
		Use:   "gate NAME --base REF|PROGRAM [--head PROGRAM|REF]",
		Short: "Compare two builds of the service by pairs of runs, and judge",
		Long: `Play a scenario against two builds of the service, in pairs: both builds of a pair get the same plan, one right after the other, in an
order that chance decides, on one testbed that is emptied in between. The generator is this very program for both. The head fails
when it is worse than the base by more than a margin beyond doubt: the whole 95 % interval of the pairs' median change lies beyond it.
It passes when every interval ends below its margin. Otherwise the gate is extended once, and after that inconclusive.

Margins: p50 10 %, p99 25 %, goodput 3 %, recovery (of scenarios with faults) 50 %; changes of less than 10 ms are ignored.
Money or data that goes wrong in any run fails the gate at once, whatever the statistics say. A pair with a run that proves nothing is
played again, at most --repeats times.

A build is a program that serves as docs/PROTOCOL.md says, or a git revision of the repository around the working directory,
which is built from a temporary working tree. Without --head it is this program.

--calibrate plays pairs of the head against itself and keeps what they differ by for this machine, in the user's state folder
($XDG_STATE_HOME, else ~/.local/state): later gates say whether their margins are above that, and how many pairs they need.

Exit codes: 0 pass, 96 worse than the base, 97 inconclusive, 98 money or data wrong, 104 a flag is wrong, 105 interrupted, 1 could not run.`,
		Example: `  lunchrush gate gate-lunch --base main
  lunchrush gate gate-lunch --base ./lunchrush-before --head ./lunchrush-after --out gate
  lunchrush gate gate-lunch --base HEAD~1 --head HEAD --pairs 20
  lunchrush gate gate-lunch --base HEAD --head HEAD --head-set callback.workers=1
  lunchrush gate --calibrate gate-lunch`,
		Args:              exactly(1, "the name of a scenario or a file"),
		ValidArgsFunction: completeScenarios,
		RunE: func(c *cobra.Command, args []string) error {
			if err := f.check(c, &p); err != nil {
				return err
			}
			s, err := o.load(args[0])
			if err != nil {
				return err
			}
			if err := more.apply(s); err != nil {
				return err
			}
			f.rules.Seed = o.seed
			return f.run(c.Context(), t, s, p)
		},
	}
	o.flags(c)
	more.flags(c)
	c.Flags().StringVar(&p.testbed, "testbed", "auto", "where the databases and the services run: auto, containers, local, embedded")
	c.Flags().StringVar(&p.runs, "runs", filepath.Join("reports", "runs"), "folder in which the gate's folder is made")
	complete(c, "testbed", "auto", "containers", "local", "embedded")
	c.Flags().StringVar(&f.base, "base", "", "what it is compared with: a git revision, or a program")
	c.Flags().StringVar(&f.head, "head", "", "what is judged: a program, or a git revision (default: this program)")
	c.Flags().StringArrayVar(&f.baseSet, "base-set", nil, "a switch of the service for the base alone, repeatable: callback.workers=1")
	c.Flags().StringArrayVar(&f.headSet, "head-set", nil, "a switch of the service for the head alone, repeatable")
	c.Flags().StringVar(&f.pkg, "package", "./cmd/lunchrush", "the Go package that is built from a git revision")
	c.Flags().IntVar(&f.rules.Pairs, "pairs", f.rules.Pairs, "pairs of runs; an even number")
	c.Flags().IntVar(&f.rules.ExtendTo, "extend-to", f.rules.ExtendTo, "pairs in all when those leave something undecided; --pairs itself for no extension")
	c.Flags().IntVar(&f.rules.Repeats, "repeats", f.rules.Repeats, "most pairs that may be played again since they proved nothing")
	c.Flags().StringArrayVar(&f.margins, "margin", nil, "another margin, repeatable: p99=40%; of p50, p99, goodput, recovery")
	c.Flags().BoolVar(&f.calibrate, "calibrate", false, "measure this machine's own noise by pairs of one build")
	c.Flags().StringVar(&f.out, "out", "", "folder for the gate's files and runs; it must be empty (default: a new one in --runs)")
	return c
}

// check refuses what cannot be meant, before anything is built.
func (f *gateFlags) check(c *cobra.Command, p *place) error {
	if err := p.check(); err != nil {
		return err
	}
	switch {
	case f.calibrate:
		for _, flag := range []string{"base", "base-set", "head-set"} {
			if c.Flags().Changed(flag) {
				return &usageError{
					err:  fmt.Errorf("--%s does not go with --calibrate, which plays one build against itself, set as the scenario says", flag),
					hint: "--head says which build; without it it is this program",
				}
			}
		}
	case f.base == "":
		return &usageError{err: errors.New("gate wants --base: what to compare with"), hint: "a git revision such as main, or a program; see `lunchrush gate --help`"}
	}
	r := &f.rules
	switch {
	case r.Pairs < 6 || r.Pairs > 1000 || r.Pairs%2 != 0:
		return &usageError{err: fmt.Errorf("--pairs: %d is not an even number from 6 to 1000", r.Pairs), hint: "with fewer than 6 no interval holds a median in 95 of 100 cases, and odd numbers give coarser ones"}
	case !c.Flags().Changed("extend-to"):
		r.ExtendTo = 2 * r.Pairs
	case r.ExtendTo < r.Pairs || r.ExtendTo > 2000 || r.ExtendTo%2 != 0:
		return &usageError{err: fmt.Errorf("--extend-to: %d is not an even number from --pairs, %d, to 2000", r.ExtendTo, r.Pairs)}
	}
	if r.Repeats < 0 || r.Repeats > 1000 {
		return &usageError{err: fmt.Errorf("--repeats: %d is not 0 to 1000", r.Repeats)}
	}
	return f.setMargins()
}

func (f *gateFlags) setMargins() error {
	accepted := slices.Sorted(maps.Keys(f.rules.Margins))
	for _, text := range f.margins {
		name, value, _ := strings.Cut(text, "=")
		if !slices.Contains(accepted, name) {
			return &usageError{err: fmt.Errorf("--margin %s: no such margin: %q", text, name), hint: "accepted: " + strings.Join(accepted, ", ")}
		}
		share, err := strconv.ParseFloat(strings.TrimSuffix(value, "%"), 64)
		if err != nil || !strings.HasSuffix(value, "%") || !(share > 0) || share > 1000 || name == reports.MarginGoodput && share >= 100 {
			return &usageError{err: fmt.Errorf("--margin %s: %q is not a share such as 25%%", text, value)}
		}
		f.rules.Margins[name] = share / 100
	}
	return nil
}

// readSwitches reads KEY=VALUE and tries them on the scenario.
func readSwitches(flag string, s *scenarios.Scenario, texts []string) (map[string]string, error) {
	set := make(map[string]string, len(texts))
	for _, text := range texts {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" || value == "" {
			return nil, &usageError{err: fmt.Errorf("--%s: %q is not KEY=VALUE", flag, text), hint: "`lunchrush serve --switches` lists the switches"}
		}
		set[key] = value
	}
	if _, err := harness.With(s, set); err != nil {
		return nil, &usageError{err: fmt.Errorf("--%s: %w", flag, err), hint: "`lunchrush serve --switches` lists the switches"}
	}
	return set, nil
}

// run builds what must be built, plays the gate and tells what came of it.
func (f *gateFlags) run(ctx context.Context, t *terminal, s *scenarios.Scenario, p place) (err error) {
	baseSet, err := readSwitches("base-set", s, f.baseSet)
	if err != nil {
		return err
	}
	headSet, err := readSwitches("head-set", s, f.headSet)
	if err != nil {
		return err
	}
	g := &harness.Gate{Scenario: s, Rules: f.rules, Version: versionText(), Args: slices.Clone(os.Args), Tell: func(line string) { t.say("%s", line) }}
	head, remove, err := f.candidate(ctx, t, "head", f.head)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	g.Head = head
	if f.calibrate {
		g.Base = head
	} else {
		var remove func() error
		if g.Base, remove, err = f.candidate(ctx, t, "base", f.base); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, remove()) }()
	}
	g.Base.Set, g.Head.Set = baseSet, headSet
	if g.Dir, err = f.folder(p.runs, s.Name); err != nil {
		return err
	}
	p.runs = g.Dir
	stage, err := openStage(ctx, t, p, s)
	if err != nil {
		if f.out == "" {
			_ = os.Remove(g.Dir) // unless it holds the log that tells why
		}
		return err
	}
	gate, err := f.play(ctx, t, stage, g)
	switch {
	case err != nil && gate != nil && gate.Violated():
		err = unlessLost(t, exitInvariant, err)
	case err == nil && f.calibrate && gate.Verdict.ExitCode != exitInvariant && len(gate.Pairs) == f.rules.Pairs:
		// How it would have been judged is not its question.
	case err == nil && f.calibrate && gate.Verdict.ExitCode != exitInvariant:
		t.say("not whole: %d of %d pairs; %d proved nothing, at last: %s", len(gate.Pairs), f.rules.Pairs, len(gate.Repeated), gate.Repeated[len(gate.Repeated)-1].Why)
		err = codeOf(exitInconclusive)
	case err == nil:
		err = codeOf(gate.Verdict.ExitCode)
	}
	return closeStage(t, stage, err)
}

// folder is where the gate's files and runs go.
func (f *gateFlags) folder(runs, scenario string) (string, error) {
	if f.out == "" {
		return harness.NewFolder(runs, time.Now(), "gate-"+scenario)
	}
	if err := os.MkdirAll(f.out, 0o755); err != nil {
		return "", &usageError{err: fmt.Errorf("--out: %w", err)}
	}
	entries, err := os.ReadDir(f.out)
	if err != nil {
		return "", &usageError{err: fmt.Errorf("--out: %w", err)}
	}
	if len(entries) > 0 {
		return "", &usageError{err: fmt.Errorf("--out: %s is not empty", f.out), hint: "the runs of two gates in one folder could not be told apart"}
	}
	return f.out, nil
}

// candidate finds or builds one of the two services. remove must be called at the end.
func (f *gateFlags) candidate(ctx context.Context, t *terminal, side, name string) (_ harness.Candidate, remove func() error, err error) {
	c := harness.Candidate{GateBuild: reports.GateBuild{Name: name}, Path: name}
	remove = func() error { return nil }
	switch info, statErr := os.Stat(name); {
	case name == "":
		c.Name = "this lunchrush"
	case statErr == nil && !info.IsDir() && info.Mode()&0o111 == 0:
		return c, remove, &usageError{err: fmt.Errorf("--%s: %s is no program", side, name), hint: "a program that takes `serve --role ... --config -` and speaks docs/PROTOCOL.md, or a git revision"}
	case statErr == nil && !info.IsDir():
		if c.Path, err = filepath.Abs(name); err != nil {
			return c, remove, err
		}
	default:
		t.say("%s: building %s of git revision %s", side, f.pkg, name)
		r, err := harness.BuildRevision(ctx, ".", name, f.pkg)
		if errors.Is(err, harness.ErrNoRevision) {
			err = &usageError{err: fmt.Errorf("--%s: %s is neither a program nor a git revision here", side, name), hint: "`git rev-parse " + name + "` must know it; a shallow clone of a CI needs its whole history, or the revision fetched"}
		}
		if err != nil {
			return c, remove, err
		}
		c.Path, c.Revision, remove = r.Program, r.Commit, r.Remove
	}
	if c.Program, err = harness.Sum(c.Path); err != nil {
		return c, remove, errors.Join(err, remove())
	}
	return c, remove, nil
}

// play plays the gate on the stage, writes its files, and tells.
func (f *gateFlags) play(ctx context.Context, t *terminal, stage *harness.Stage, g *harness.Gate) (*reports.Gate, error) {
	calibration, err := harness.LoadCalibration(g.Scenario, stage.Choice.Name, stage.Engine())
	switch {
	case err != nil && f.calibrate:
		return nil, &hintedError{err: err, hint: "a calibration can be removed and measured again"}
	case err != nil: // it would not have changed the verdict
		t.say("how noisy this machine is, is not known: %v", err)
	case f.calibrate:
		g.Rules.ExtendTo = g.Rules.Pairs // what is undecided is noise too
	default:
		g.Noise = calibration.Noise(f.rules)
	}
	var m *meter // of the run that is being made
	if err := g.PlayOn(stage, func(w *simulator.World) {
		if m != nil {
			m.watch(w)
		}
	}); err != nil {
		return nil, err
	}
	if play := g.Play; t.live { // elsewhere a line for each pair is enough
		g.Play = func(ctx context.Context, side string, seed uint64) (reports.GateRun, error) {
			m = newMeter(t)
			defer m.stop()
			return play(ctx, side, seed)
		}
	}
	var kept string // file of the calibration
	if f.calibrate {
		at := time.Now()
		g.Each = func(p reports.GatePair) (err error) {
			calibration.Add(p, at, g.Version)
			kept, err = calibration.Save()
			return err
		}
	}
	gate, playErr := g.Run(ctx)
	if f.calibrate && !gate.Violated() {
		gate.Noise = calibration.Noise(f.rules)
	}
	if kept != "" {
		t.say("kept for this machine: %d pairs, in %s", len(calibration.Pairs), kept)
	}
	if err := reports.WriteGate(g.Dir, gate); err != nil {
		return gate, errors.Join(playErr, err)
	}
	t.say("")
	if err := f.tell(t, gate); err != nil {
		return gate, errors.Join(playErr, err)
	}
	fmt.Fprintf(t.out, "report:  %s\n", filepath.Join(g.Dir, reports.GatePageFile))
	return gate, playErr
}

// gateAgain judges a gate again from its pairs and writes its files anew; false when there is none of that name.
func gateAgain(t *terminal, runs, name string) (bool, error) {
	for _, dir := range []string{name, filepath.Join(runs, name)} {
		g, err := reports.ReadGate(filepath.Join(dir, reports.GateFile))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = reports.WriteGate(dir, g)
		}
		if err == nil {
			err = reports.GateText(t.out, g, t.color && isTerminal(t.out))
		}
		if err != nil {
			return true, err
		}
		fmt.Fprintf(t.out, "report:  %s\n", filepath.Join(dir, reports.GatePageFile))
		return true, codeOf(g.Verdict.ExitCode)
	}
	return false, nil
}

// tell prints the gate, and hands it to the CI that this runs in.
func (f *gateFlags) tell(t *terminal, g *reports.Gate) error {
	if f.calibrate && !g.Violated() {
		return reports.NoiseText(t.out, g.Noise, g.Rules) // and nothing on the change: it was not judged
	}
	if err := reports.GateText(t.out, g, t.color && isTerminal(t.out)); err != nil {
		return err
	}
	if os.Getenv("GITHUB_ACTIONS") == "true" {
		if err := reports.Annotations(t.out, g); err != nil {
			return err
		}
	}
	if path := os.Getenv("GITHUB_STEP_SUMMARY"); path != "" {
		if err := appendFile(path, func(w io.Writer) error { return reports.GateMarkdown(w, g) }); err != nil {
			t.say("the step's summary was not written: %v", err) // which does not change the verdict
		}
	}
	return nil
}

func appendFile(path string, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}
