package harness

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

// A pairPlayer stands in for a stage: it makes up what runs of the two builds come to.
type pairPlayer struct {
	chance *rand.Rand
	slower float64                                      // the head, so many times
	noise  float64                                      // standard deviation of a run's logarithm
	change func(n int, side string, r *reports.GateRun) // of the n-th run, from 0; nil: none
	played []string                                     // "base 1": side and seed, in the order of play
}

func (p *pairPlayer) play(ctx context.Context, side string, seed uint64) (reports.GateRun, error) {
	if err := ctx.Err(); err != nil {
		return reports.GateRun{Values: map[string]reports.GateValue{}}, err
	}
	n := len(p.played)
	p.played = append(p.played, fmt.Sprintf("%s %d", side, seed))
	times := 1.0
	if side == reports.SideHead {
		times = p.slower
	}
	r := reports.GateRun{Values: map[string]reports.GateValue{
		"create.p50": {Value: 82e6 * times * math.Exp(p.noise*p.chance.NormFloat64()), Samples: 480},
		"goodput":    {Value: 1, Samples: 480},
	}, Machine: fingerprint()}
	if p.change != nil {
		p.change(n, side, &r)
	}
	return r, nil
}

func gateWith(t *testing.T, p *pairPlayer) (*Gate, *[]string) {
	t.Helper()
	sc, err := scenarios.Find("gate-lunch", Known())
	if err != nil {
		t.Fatal(err)
	}
	if p.chance == nil {
		p.chance = rand.New(rand.NewPCG(1, 1))
	}
	told := &[]string{}
	return &Gate{
		Scenario: sc, Rules: reports.DefaultGateRules(), Dir: t.TempDir(), Play: p.play,
		Tell: func(line string) { *told = append(*told, line) },
	}, told
}

func doubtful(why string) func(*reports.GateRun) {
	return func(r *reports.GateRun) { r.Doubt = why }
}

func TestAGatePlaysPairsInRandomOrderAfterAWarmUpOfEach(t *testing.T) {
	p := &pairPlayer{slower: 1, noise: 0.01}
	g, _ := gateWith(t, p)
	out, err := g.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if out.Verdict.Outcome != reports.Pass || len(out.Pairs) != 10 || out.Ended != "whole" {
		t.Errorf("%+v after %d pairs", out.Verdict, len(out.Pairs))
	}
	if want := []string{"base 1", "head 1"}; !slices.Equal(p.played[:2], want) || len(p.played) != 22 {
		t.Errorf("played %q, want it to begin with %q and 22 runs", p.played, want)
	}
	first := map[string]int{}
	for i, pair := range out.Pairs {
		first[pair.First]++
		if got := p.played[2+2*i]; got != fmt.Sprintf("%s %d", pair.First, pair.Seed) || pair.Seed != uint64(1+i) || pair.Number != i+1 {
			t.Errorf("pair %d with seed %d and %s first began with %s", pair.Number, pair.Seed, pair.First, got)
		}
		_, seedA, _ := strings.Cut(p.played[2+2*i], " ")
		_, seedB, _ := strings.Cut(p.played[3+2*i], " ")
		if seedA != seedB || p.played[2+2*i] == p.played[3+2*i] {
			t.Errorf("pair %d is of %s and %s", pair.Number, p.played[2+2*i], p.played[3+2*i])
		}
	}
	if first["base"] == 0 || first["head"] == 0 {
		t.Errorf("the order is always the same: %v", first)
	}
	again := &pairPlayer{slower: 1, noise: 0.01}
	g2, _ := gateWith(t, again)
	if _, err := g2.Run(t.Context()); err != nil || !slices.Equal(again.played, p.played) {
		t.Errorf("the same seed plays another order: %v", err)
	}
}

func TestAGateEndsAsSoonAsItIsDecided(t *testing.T) {
	at := func(runs ...int) func(n int) bool { return func(n int) bool { return slices.Contains(runs, n) } }
	always := func(int) bool { return true }
	tests := []struct {
		name      string
		slower    float64
		noise     float64
		when      func(n int) bool
		change    func(*reports.GateRun)
		code      int
		pairs     int
		repeated  int
		runs      int
		wantInOut string
	}{
		{name: "a regression, after the declared pairs", slower: 1.3, noise: 0.02, code: reports.ExitRegression, pairs: 10, runs: 22},
		{name: "an undecided one, after the extension", slower: 1.095, noise: 0.05, code: reports.ExitInconclusive, pairs: 20, runs: 42, wantInOut: "extending to 20 pairs, as declared"},
		{
			name: "money that went wrong, at once", slower: 1, noise: 0.01, when: at(5), change: func(r *reports.GateRun) { r.Broken = "1 order lost" },
			code: reports.ExitViolated, pairs: 2, runs: 6,
		},
		{
			name: "money that went wrong in a warm-up", slower: 1, noise: 0.01, when: at(0), change: func(r *reports.GateRun) { r.Broken = "1 order lost" },
			code: reports.ExitViolated, pairs: 0, runs: 1,
		},
		{
			name: "money that went wrong in a run that is in doubt too", slower: 1, noise: 0.01, when: at(2),
			change: func(r *reports.GateRun) { r.Broken, r.Doubt = "1 order lost", "late" }, code: reports.ExitViolated, repeated: 1, runs: 3,
		},
		{
			name: "two runs that prove nothing are played again", slower: 1, noise: 0.01, when: at(4, 9), change: doubtful("lateness p99: 9 ms"),
			code: reports.ExitPass, pairs: 10, repeated: 2, runs: 2 + 20 + 1 + 2, wantInOut: "it does not count: ",
		},
		{
			name: "too many of them", slower: 1, noise: 0.01, when: func(n int) bool { return n > 1 }, change: doubtful("lateness p99: 9 ms"),
			code: reports.ExitInconclusive, repeated: 7, runs: 9,
		},
		{
			name: "a doubtful warm-up does not matter", slower: 1, noise: 0.01, when: at(0, 1), change: doubtful("lateness p99: 9 ms"),
			code: reports.ExitPass, pairs: 10, runs: 22,
		},
		{
			name: "another machine in the middle", slower: 1, noise: 0.01, when: always, change: func(r *reports.GateRun) { r.Machine.Cores += 2 },
			code: reports.ExitInconclusive, pairs: 10, runs: 22,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := &pairPlayer{slower: tt.slower, noise: tt.noise, change: func(n int, _ string, r *reports.GateRun) {
				if tt.when != nil && tt.when(n) {
					tt.change(r)
				}
			}}
			g, told := gateWith(t, p)
			out, err := g.Run(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if out.Verdict.ExitCode != tt.code || len(out.Pairs) != tt.pairs || len(out.Repeated) != tt.repeated || len(p.played) < tt.runs-1 || len(p.played) > tt.runs {
				t.Errorf("exit code %d (%s) after %d pairs, %d repeated, %d runs; want %d, %d, %d, %d",
					out.Verdict.ExitCode, out.Verdict.Headline, len(out.Pairs), len(out.Repeated), len(p.played), tt.code, tt.pairs, tt.repeated, tt.runs)
			}
			if !strings.Contains(strings.Join(*told, "\n"), tt.wantInOut) {
				t.Errorf("it was not told that %q:\n%s", tt.wantInOut, strings.Join(*told, "\n"))
			}
			if err := reports.WriteGate(g.Dir, out); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAGateWithoutAnExtensionHasNone(t *testing.T) {
	p := &pairPlayer{slower: 1.095, noise: 0.05}
	g, _ := gateWith(t, p)
	g.Rules.ExtendTo = g.Rules.Pairs
	out, err := g.Run(t.Context())
	if err != nil || len(out.Pairs) != 10 || out.Verdict.Outcome != reports.Inconclusive {
		t.Errorf("%d pairs, %+v, %v", len(out.Pairs), out.Verdict, err)
	}
}

func TestAnInterruptedGateKeepsWhatItHas(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := &pairPlayer{slower: 1.3, noise: 0.01}
	p.change = func(n int, _ string, _ *reports.GateRun) {
		if n == 8 {
			cancel()
		}
	}
	g, _ := gateWith(t, p)
	out, err := g.Run(ctx)
	if !errors.Is(err, context.Canceled) || out.Ended != "interrupted" || len(out.Pairs) != 3 || out.Verdict.Outcome != reports.Inconclusive {
		t.Errorf("%v; ended %q after %d pairs: %+v", err, out.Ended, len(out.Pairs), out.Verdict)
	}
}

func TestARunThatCannotBeMadeEndsTheGate(t *testing.T) {
	p := &pairPlayer{slower: 1, noise: 0.01}
	g, _ := gateWith(t, p)
	g.Play = func(ctx context.Context, side string, seed uint64) (reports.GateRun, error) {
		if len(p.played) == 7 {
			return reports.GateRun{Values: map[string]reports.GateValue{}}, errors.New("service died")
		}
		return p.play(ctx, side, seed)
	}
	out, err := g.Run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "service died") || !strings.Contains(err.Error(), "pair 3") || out.Ended != "error" {
		t.Errorf("%v, ended %q", err, out.Ended)
	}
}

func TestWhatARunLostBeforeItBrokeOffFailsTheGate(t *testing.T) {
	for _, at := range []int{1, 7} { // in the head's warm-up, and in a pair
		p := &pairPlayer{slower: 1, noise: 0.01}
		g, _ := gateWith(t, p)
		g.Play = func(ctx context.Context, side string, seed uint64) (reports.GateRun, error) {
			r, err := p.play(ctx, side, seed)
			if len(p.played) == at+1 {
				r.Broken, err = "5 orders dispensed twice", errors.New("service died")
			}
			return r, err
		}
		out, err := g.Run(t.Context())
		if err == nil || !out.Violated() || out.Verdict.ExitCode != reports.ExitViolated || !strings.Contains(out.Verdict.Headline, "5 orders dispensed twice") {
			t.Errorf("run %d: %v, %+v", at, err, out.Verdict)
		}
	}
}

func TestSwitchesForOneSideAlone(t *testing.T) {
	sc, err := scenarios.Find("gate-lunch", Known())
	if err != nil {
		t.Fatal(err)
	}
	before := len(sc.Service)
	changed, err := With(sc, map[string]string{"callback.workers": "1"})
	if err != nil || changed.Service["callback.workers"] != "1" || changed.Service["refund.after"] != "30s" || len(sc.Service) != before {
		t.Errorf("%v, %v; the scenario itself has %v", changed, err, sc.Service)
	}
	for _, wrong := range []map[string]string{{"callback.worker": "1"}, {"callback.workers": "many"}, {"slb.slow_star": "1s"}} {
		if _, err := With(sc, wrong); err == nil {
			t.Errorf("%v is taken", wrong)
		}
	}
}

func TestACalibrationIsKeptByMachineTestbedAndScenario(t *testing.T) {
	state := t.TempDir()
	t.Setenv("XDG_STATE_HOME", state)
	p := &pairPlayer{slower: 1, noise: 0.02}
	g, _ := gateWith(t, p)
	out, err := g.Run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	load := func(sc *scenarios.Scenario, testbed, engine string) *Calibration {
		t.Helper()
		c, err := LoadCalibration(sc, testbed, engine)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c := load(g.Scenario, "local", "MariaDB 10.11.14")
	if len(c.Pairs) != 0 || c.Noise(g.Rules) != nil {
		t.Fatalf("there is one before it was measured: %+v", c)
	}
	add := func(c *Calibration) {
		for _, p := range out.Pairs {
			c.Add(p, out.StartedAt, out.Lunchrush)
		}
	}
	add(c)
	path, err := c.Save()
	if err != nil || !strings.HasPrefix(path, filepath.Join(state, "lunchrush", "noise")) {
		t.Fatalf("saved to %s: %v", path, err)
	}
	c = load(g.Scenario, "local", "MariaDB 10.11.14")
	add(c)
	if _, err := c.Save(); err != nil {
		t.Fatal(err)
	}
	c = load(g.Scenario, "local", "MariaDB 10.11.14")
	noise := c.Noise(g.Rules)
	if len(c.Pairs) != 20 || noise == nil || noise.Pairs != 20 || noise.Of("create.p50") == nil || noise.Of("create.p50").Spread <= 0 {
		t.Errorf("%d pairs, %+v", len(c.Pairs), noise)
	}
	other := *c
	other.Machine = other.Machine.Rounded()
	other.Machine.Memory -= 5 << 20 // as another kernel tells it
	if got, err := other.path(); got != path || err != nil {
		t.Errorf("the machine with another kernel has %s, want %s: %v", got, path, err)
	}
	if _, err := other.Save(); err != nil {
		t.Fatal(err)
	}
	if c := load(g.Scenario, "local", "MariaDB 10.11.14"); len(c.Pairs) != 20 {
		t.Errorf("of the machine with another kernel %d pairs are known, want 20", len(c.Pairs))
	}
	for range 30 {
		add(c)
	}
	if len(c.Pairs) != keptPairs {
		t.Errorf("%d pairs are kept, want the newest %d", len(c.Pairs), keptPairs)
	}

	edited := *g.Scenario
	edited.Demand.PerMachineHour *= 2
	switched, err := With(g.Scenario, map[string]string{"callback.workers": "1"})
	if err != nil {
		t.Fatal(err)
	}
	for name, other := range map[string]*Calibration{
		"another testbed": load(g.Scenario, "containers", "MariaDB 10.11.14"), "another engine": load(g.Scenario, "local", "MariaDB 11"),
		"an edited scenario": load(&edited, "local", "MariaDB 10.11.14"), "other switches": load(switched, "local", "MariaDB 10.11.14"),
	} {
		if len(other.Pairs) != 0 {
			t.Errorf("%s: the noise of this one is taken for it", name)
		}
	}
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadCalibration(g.Scenario, "local", "MariaDB 10.11.14"); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("a broken file: %v", err)
	}
}

func TestTheStateFolder(t *testing.T) {
	t.Setenv("HOME", "/of/somebody")
	for xdg, want := range map[string]string{"": "/of/somebody/.local/state/lunchrush", "/state": "/state/lunchrush", "relative": "/of/somebody/.local/state/lunchrush"} {
		t.Setenv("XDG_STATE_HOME", xdg)
		if got, err := StateFolder(); err != nil || got != want {
			t.Errorf("XDG_STATE_HOME=%q: %q, %v; want %q", xdg, got, err, want)
		}
	}
}

// An enginelessStack is a stack on which nothing is played.
type enginelessStack struct{ testbed.Stack }

func (enginelessStack) Engine() string { return "none" }

func TestAGateRefusesAProgramThatIsAnotherThanWhenItBegan(t *testing.T) {
	program := filepath.Join(t.TempDir(), "theirs")
	if err := os.WriteFile(program, []byte("one"), 0o755); err != nil {
		t.Fatal(err)
	}
	sum, err := Sum(program)
	if err != nil {
		t.Fatal(err)
	}
	c := Candidate{GateBuild: reports.GateBuild{Name: "theirs", Program: sum}, Path: program}
	g := &Gate{Scenario: named(t, "gate-lunch"), Base: c, Head: c, Dir: t.TempDir()}
	if err := g.PlayOn(&Stage{stack: enginelessStack{}}, nil); err != nil {
		t.Fatal(err)
	}
	for what, change := range map[string]func() error{
		"rebuilt": func() error { return os.WriteFile(program, []byte("two"), 0o755) },
		"gone":    func() error { return os.Remove(program) },
	} {
		if err := change(); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		if _, err := g.Play(t.Context(), reports.SideHead, 1); err == nil || !strings.Contains(err.Error(), "is another program than when the gate began") {
			t.Errorf("%s: %v", what, err)
		}
	}
}
