package harness

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

// fakeTown plays trials of a service that carries so many orders a second, fewer with fewer fronts.
type fakeTown struct {
	perFront float64 // orders/s
	chance   *rand.Rand
	played   []string              // "ramp front 1"
	before   func(trial int) error // is asked before each trial
}

func (f *fakeTown) play(ctx context.Context, o *CapacityOptions, c *capacity, step string, machines int) (reports.CapacityTrial, error) {
	if f.before != nil {
		if err := f.before(len(f.played) + 1); err != nil {
			return reports.CapacityTrial{}, err
		}
	}
	if err := ctx.Err(); err != nil {
		return reports.CapacityTrial{}, context.Cause(ctx)
	}
	fronts := max(1, o.Scenario.Topology.Front)
	f.played = append(f.played, step+" "+describe(o.Scenario.Topology))
	rate := c.Load.PerMachine() * float64(machines)
	t := reports.CapacityTrial{
		N: len(f.played), Step: step, Machines: machines, Planned: rate, Offered: rate, Goodput: rate, Outcome: reports.TrialPassed, Checks: []reports.Check{},
		Evidence: unseen(), Little: reports.Little{L: rate / 10, Rate: rate, Product: rate / 10}, Amplification: 1,
	}
	t.Evidence.Cores = 2
	if rate*(1+0.01*f.chance.NormFloat64()) > f.perFront*float64(fronts) {
		t.Outcome, t.Why = reports.TrialFailed, "too slow"
	}
	return t, nil
}

func searching(t *testing.T, change func(*scenarios.Scenario)) (*capacity, CapacityOptions) {
	t.Helper()
	sc := named(t, "six-hundred-devices")
	if change != nil {
		change(sc)
	}
	o := CapacityOptions{
		Scenario: sc, Seed: 1, Dir: filepath.Join(t.TempDir(), "search"), Room: Room{Says: "anywhere"}, Began: time.Now(), Args: []string{"lunchrush"},
		Outage: reports.OutageAsk{ForNS: 60e9, DrainNS: 300e9, Retries: -1}, Tell: func(string) {},
	}
	c, err := newCapacity(&o, "local", "MariaDB 10.11.14")
	if err != nil {
		t.Fatal(err)
	}
	c.Method.Ceiling = 0 // whatever this machine's is
	return c, o
}

// written is what the search left in its folder.
func written(t *testing.T, dir string) *reports.Capacity {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(dir, reports.CapacityJSONFile))
	if err != nil {
		t.Fatal(err)
	}
	c := new(reports.Capacity)
	if err := json.Unmarshal(text, c); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestSearchAnswersAndWritesIt(t *testing.T) {
	c, o := searching(t, nil)
	f := &fakeTown{perFront: 200, chance: rand.New(rand.NewPCG(1, 1))}
	got, err := c.search(t.Context(), o, f.play)
	if err != nil || got.Ended != reports.EndedWhole || got.ExitCode() != reports.ExitPass {
		t.Fatalf("%v: %s %q", err, got.Ended, got.Headline())
	}
	if got.Answer.PerSecond < 185 || got.Answer.PerSecond > 205 || got.Answer.Tentative {
		t.Errorf("%+v", got.Answer)
	}
	on := written(t, o.Dir)
	if on.Ended != reports.EndedWhole || on.Answer != got.Answer || len(on.Trials) != len(f.played) || on.Fewer != nil {
		t.Errorf("%s, %+v, %d trials", on.Ended, on.Answer, len(on.Trials))
	}
	if _, err := os.Stat(filepath.Join(o.Dir, reports.CapacityHTMLFile)); err != nil {
		t.Error(err)
	}
}

func TestSeveralInstancesAreSearchedWithOneFewer(t *testing.T) {
	c, o := searching(t, func(sc *scenarios.Scenario) { sc.Topology.Front, sc.Topology.Gate = 2, 2 })
	f := &fakeTown{perFront: 100, chance: rand.New(rand.NewPCG(1, 2))}
	got, err := c.search(t.Context(), o, f.play)
	if err != nil || got.Fewer == nil {
		t.Fatalf("%v, %+v", err, got.Fewer)
	}
	if a := got.Fewer.Answer; a.PerSecond < 88 || a.PerSecond > 105 || !a.Found || a.Tentative {
		t.Errorf("with one front of two: %+v", a)
	}
	fewer := got.Sizing.Fewer
	if !fewer.Known || fewer.Machines > got.Sizing.Machines*6/10 || fewer.Machines < got.Sizing.Machines*4/10 {
		t.Errorf("%+v beside %d machines", fewer, got.Sizing.Machines)
	}
	last := f.played[len(f.played)-1]
	if last != "confirm shop 1, notifier 1, front 1, gate 1, jobs 1" || f.played[0] != "ramp shop 1, notifier 1, front 2, gate 2, jobs 1" {
		t.Errorf("first %q, last %q", f.played[0], last)
	}
}

// Whatever its trials were, the search and its report name the same bounds.
func TestTheReportAnswersWhatTheSearchHasFound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c, o := searching(t, nil)
		carried := rapid.Float64Range(10, 900).Draw(rt, "capacity")
		play := func(_ context.Context, _ *CapacityOptions, c *capacity, step string, machines int) (reports.CapacityTrial, error) {
			rate := c.Load.PerMachine() * float64(machines)
			trial := reports.CapacityTrial{
				N: len(c.Trials) + 1, Step: step, Machines: machines, Planned: rate, Offered: rate, Goodput: rate, Outcome: reports.TrialPassed,
				Checks: []reports.Check{}, Evidence: unseen(), Amplification: 1,
			}
			switch chance := rapid.IntRange(0, 9).Draw(rt, "chance"); {
			case chance == 0:
				trial.Outcome, trial.Why = reports.TrialInvalid, "others used the machine"
			case chance == 1 || rate > carried && chance < 4:
				trial.Outcome, trial.Goodput = reports.TrialFailed, 0.5*rate
				trial.Checks = append(trial.Checks, reports.Check{Name: "goods in time, of the orders offered", Status: "fail"})
			case rate > carried || chance == 9:
				trial.Outcome, trial.Why = reports.TrialFailed, "too slow"
			}
			return trial, nil
		}
		look := &search{
			start: c.Load.Machines, growth: c.Method.Growth, resolution: c.Method.Resolution,
			majority: c.Method.Majority, need: c.Method.ConfirmNeed, of: c.Method.ConfirmOf,
		}
		budget := rapid.IntRange(1, 60).Draw(rt, "budget")
		look.afford = func(n, _ int) bool { return len(c.Trials)+n <= budget }
		if err := os.MkdirAll(o.Dir, 0o755); err != nil {
			rt.Fatal(err)
		}
		look.trial, look.replaced = c.trials(&o, play, &purse{spent: func() time.Duration { return 0 }, length: func(int) time.Duration { return 0 }}, &c.Trials)
		f, err := look.run(t.Context())
		if err != nil {
			rt.Fatal(err)
		}
		c.Conclude()
		if a := c.Answer; a.Machines != f.lower || a.AboveMachines != f.upper || f.confirmed == a.Tentative && a.Found {
			rt.Fatalf("the search has found %+v, the report %+v", f, a)
		}
	})
}

func TestSearchThatIsCutShortKeepsWhatItHas(t *testing.T) {
	broken := errors.New("the database is gone")
	tests := []struct {
		name   string
		ended  string
		fails  bool
		budget time.Duration
		cut    func(trial int, cancel context.CancelFunc) error
	}{
		{"by an interrupt", reports.EndedInterrupted, true, 0, func(trial int, cancel context.CancelFunc) error {
			if trial == 4 {
				cancel()
			}
			return nil
		}},
		{"by an error", reports.EndedError, true, 0, func(trial int, _ context.CancelFunc) error {
			if trial == 4 {
				return broken
			}
			return nil
		}},
		{"by the budget, in a trial", reports.EndedBudget, false, time.Hour, func(trial int, _ context.CancelFunc) error {
			if trial == 4 {
				return errBudget // as the context of a trial that is cut off has it
			}
			return nil
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, o := searching(t, nil)
			o.Budget = tt.budget
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			f := &fakeTown{perFront: 200, chance: rand.New(rand.NewPCG(1, 3)), before: func(n int) error { return tt.cut(n, cancel) }}
			got, err := c.search(ctx, o, f.play)
			if (err != nil) != tt.fails || got.Ended != tt.ended || len(got.Trials) != 3 {
				t.Fatalf("%v: %q after %d trials", err, got.Ended, len(got.Trials))
			}
			on := written(t, o.Dir)
			if on.Ended != tt.ended || len(on.Trials) != 3 || !on.Answer.Found || !on.Answer.Tentative || on.ExitCode() != reports.ExitInconclusive {
				t.Errorf("%q after %d trials: %+v", on.Ended, len(on.Trials), on.Answer)
			}
		})
	}
}

// What a trial lost before it was cut short is lost: 98 stands whatever else is wrong.
func TestMoneyThatATrialLostBeforeItWasCutShortIsNotForgotten(t *testing.T) {
	for name, cut := range map[string]error{"interrupted": context.Canceled, "out of its budget": errBudget, "broken": errors.New("the database is gone")} {
		t.Run(name, func(t *testing.T) {
			c, o := searching(t, nil)
			o.Budget = time.Hour
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			f := &fakeTown{perFront: 200, chance: rand.New(rand.NewPCG(1, 3))}
			_, err := c.search(ctx, o, func(ctx context.Context, o *CapacityOptions, c *capacity, step string, machines int) (reports.CapacityTrial, error) {
				trial, err := f.play(ctx, o, c, step, machines)
				if len(f.played) < 4 {
					return trial, err
				}
				if errors.Is(cut, context.Canceled) {
					cancel()
				}
				trial.Outcome, trial.Loss = reports.TrialFailed, true
				return trial, cut
			})
			if !errors.Is(cut, errBudget) && !errors.Is(err, cut) {
				t.Errorf("ended with %v", err)
			}
			if on := written(t, o.Dir); len(on.Trials) != 4 || on.ExitCode() != reports.ExitViolated {
				t.Errorf("%d trials, exit code %d", len(on.Trials), on.ExitCode())
			}
		})
	}
}

func TestATrialWhoseRunBreaksOffIsPlayedOnceMore(t *testing.T) {
	answer := func(before func(int) error) reports.CapacityAnswer {
		c, o := searching(t, nil)
		f := &fakeTown{perFront: 200, chance: rand.New(rand.NewPCG(1, 3)), before: before}
		got, err := c.search(t.Context(), o, f.play)
		if err != nil || got.Ended != reports.EndedWhole {
			t.Fatalf("%v: %q", err, got.Ended)
		}
		return got.Answer
	}
	broken := 0
	flaky := answer(func(n int) error {
		if n == 4 && broken == 0 {
			broken++
			return errors.New("the engine was slow")
		}
		return nil
	})
	if whole := answer(nil); broken != 1 || flaky != whole {
		t.Errorf("%+v after %d broken runs, without one %+v", flaky, broken, whole)
	}
}

// The deadline is there for a trial that hangs; one that only ends late, as one of an overloaded service does, was measured all the same.
func TestSearchWhoseLastTrialEndsLateHasUsedItsBudget(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, o := searching(t, nil)
		o.Budget = time.Hour
		f := &fakeTown{perFront: 200, chance: rand.New(rand.NewPCG(1, 3))}
		got, err := c.search(t.Context(), o, func(ctx context.Context, o *CapacityOptions, c *capacity, step string, machines int) (reports.CapacityTrial, error) {
			trial, err := f.play(ctx, o, c, step, machines)
			if len(f.played) == 4 {
				<-ctx.Done()
			}
			return trial, err
		})
		if err != nil || got.Ended != reports.EndedBudget || got.Error != "" || len(got.Trials) != 4 || len(got.Method.GaveUp) == 0 {
			t.Errorf("%v: %q (%s) after %d trials, given up: %q", err, got.Ended, got.Error, len(got.Trials), got.Method.GaveUp)
		}
	})
}

func TestASmallFleetsSearchBeginsWhereThereIsSomethingToJudge(t *testing.T) {
	c, o := searching(t, func(sc *scenarios.Scenario) { sc.Fleet.Machines = 2 })
	f := &fakeTown{perFront: 200, chance: rand.New(rand.NewPCG(1, 3))}
	got, err := c.search(t.Context(), o, f.play)
	if err != nil || !got.Answer.Found || got.Trials[0].Machines < 3 {
		t.Errorf("%v: %+v after %d trials", err, got.Answer, len(got.Trials))
	}
}

func TestSearchSaysWhatItWillDoBeforeItDoesIt(t *testing.T) {
	c, _ := searching(t, func(sc *scenarios.Scenario) { sc.Service["callback.workers"] = "4" })
	if c.Load.PerMachineHour < 119.9 || c.Load.PerMachineHour > 120.1 || c.Load.Machines != 600 || c.Load.PeakAt != "11:05" {
		t.Errorf("%+v", c.Load)
	}
	if !slices.Contains(c.Stated.Settings, "callback.workers: 4") || c.Stated.CPUs != 2 || c.Stated.MemoryMiB != 4096 || c.Stated.Deployed != "one process" {
		t.Errorf("%+v", c.Stated)
	}
	if c.Answer.Found || c.Verdict() != "NO ANSWER" {
		t.Errorf("%+v", c.Answer)
	}
}

func TestTrialOfASmallFleetIsLongEnoughForItsPercentiles(t *testing.T) {
	c, _ := searching(t, nil)
	c.Method.MeasureNS = int64(15 * time.Second)
	for machines, want := range map[int]time.Duration{600: 18 * time.Second, 6000: 15 * time.Second, 10: time.Minute} {
		if got := c.measured(machines); got != want {
			t.Errorf("%d machines: %v, want %v", machines, got, want)
		}
	}
}
