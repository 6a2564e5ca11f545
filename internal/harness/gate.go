package harness

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator"
)

// A Gate compares two builds of the service by pairs of runs on one stage. The generator is this very program for both; a
// pair shares its plan, its builds follow each other in an order that chance decides, and the databases are emptied
// in between. "All of one, then all of the other" would take a machine that grows busier for a slower build.
type Gate struct {
	Scenario   *scenarios.Scenario
	Base, Head Candidate
	Rules      reports.GateRules
	Noise      *reports.GateNoise // of this machine, nil unknown
	Dir        string             // the gate's folder; the runs land in it
	Version    string
	Args       []string
	Tell       func(line string) // is told what is going on

	// Each, when not nil, is told each pair that counts once it was played. Its error ends the gate.
	Each func(reports.GatePair) error
	// Play makes one run; nil: [Gate.PlayOn] a stage. The error ends the gate.
	Play func(ctx context.Context, side string, seed uint64) (reports.GateRun, error)

	testbed, engine string // of the stage that it is played on
}

// A Candidate is one of the two builds.
type Candidate struct {
	reports.GateBuild
	Path string // of the program; "" is this one
}

// With is the scenario with switches of the service set on top. The error says which switch is wrong.
func With(sc *scenarios.Scenario, set map[string]string) (*scenarios.Scenario, error) {
	if len(set) == 0 {
		return sc, nil
	}
	c := *sc
	c.Service = maps.Clone(sc.Service)
	if c.Service == nil {
		c.Service = map[string]string{}
	}
	maps.Copy(c.Service, set)
	if _, err := c.BalancerOf(false); err != nil {
		return nil, err
	}
	return &c, Check(&c)
}

// Sum is a program's SHA-256, "" is this one's.
func Sum(program string) (string, error) {
	if program == "" {
		self, err := testbed.Self()
		if err != nil {
			return "", err
		}
		program = self
	}
	f, err := os.Open(program)
	if err != nil {
		return "", err
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// PlayOn lets the gate's runs be made on a stage. watch, when not nil, is called with each run's world; see [Options].
func (g *Gate) PlayOn(s *Stage, watch func(*simulator.World)) error {
	g.testbed, g.engine = s.Choice.Name, s.Engine()
	sides, builds := map[string]Options{}, map[string]Candidate{}
	for side, c := range map[string]Candidate{reports.SideBase: g.Base, reports.SideHead: g.Head} {
		sc, err := With(g.Scenario, c.Set)
		if err != nil {
			return fmt.Errorf("%s: %w", side, err)
		}
		builds[side] = c
		sides[side] = Options{
			Scenario: sc, Side: Hardened, Label: side, Binary: c.Path, RunsDir: g.Dir, Version: g.Version, Args: g.Args, Watch: watch, OwnDefaults: true,
		}
	}
	g.Play = func(ctx context.Context, side string, seed uint64) (reports.GateRun, error) {
		o := sides[side]
		o.Seed = seed
		if sum, err := Sum(o.Binary); err != nil || builds[side].Program != "" && sum != builds[side].Program {
			return reports.GateRun{Values: map[string]reports.GateValue{}}, errors.Join(err,
				fmt.Errorf("%s (%s) is another program than when the gate began: leave it alone until the gate has ended", side, o.Binary))
		}
		result, err := s.Run(ctx, o)
		if result.Analysis == nil {
			return reports.GateRun{Values: map[string]reports.GateValue{}}, err
		}
		return reports.GateRunOf(filepath.Base(result.Dir), result.Analysis), err
	}
	return nil
}

// Run plays the gate and judges it. After each pair it writes the gate's files with what was played until then, which say that it has
// not ended; the last ones are the caller's to write. The gate comes back beside an error too: when ctx is canceled the error wraps
// context.Canceled.
func (g *Gate) Run(ctx context.Context) (*reports.Gate, error) {
	out := &reports.Gate{
		Schema: reports.GateSchema, ID: filepath.Base(g.Dir), Scenario: g.Scenario.Name, Title: g.Scenario.Title,
		Base: g.Base.GateBuild, Head: g.Head.GateBuild, Testbed: g.testbed, Engine: g.engine, Machine: fingerprint(), Lunchrush: g.Version, CommandLine: g.Args,
		StartedAt: time.Now(), Rules: g.Rules, Noise: g.Noise,
		WarmUps: []reports.GateRun{}, Pairs: []reports.GatePair{}, Repeated: []reports.GatePair{}, Notes: []string{},
	}
	err := g.play(ctx, out)
	switch {
	case ctx.Err() != nil:
		out.Ended, out.Error = "interrupted", context.Cause(ctx).Error()
		err = fmt.Errorf("interrupted after %d pairs: %w", len(out.Pairs), context.Cause(ctx))
	case err != nil:
		out.Ended, out.Error = "error", err.Error()
	default:
		out.Ended = "whole"
	}
	out.Finished = time.Now()
	out.Judge()
	return out, err
}

// keep writes what was played until now, judged as a gate whose end nobody has seen: its process may be killed at any time.
func (g *Gate) keep(out *reports.Gate) error {
	sofar := *out
	sofar.Ended = ""
	sofar.Judge()
	return reports.WriteGate(g.Dir, &sofar)
}

// play plays the warm-ups and the pairs. It ends as soon as money or data went wrong, since nothing outweighs that; when a
// measure is worse beyond doubt, which is looked at after the declared pairs; and when too many pairs proved nothing.
func (g *Gate) play(ctx context.Context, out *reports.Gate) error {
	chance := rand.New(rand.NewPCG(g.Rules.Seed, 0x67617465)) // "gate"
	for _, side := range []string{reports.SideBase, reports.SideHead} {
		g.Tell("warm-up: " + side)
		r, err := g.Play(ctx, side, g.Rules.Seed)
		if err == nil || r.Broken != "" && ctx.Err() == nil { // what was lost stays lost
			out.WarmUps = append(out.WarmUps, r)
		}
		if err != nil {
			return fmt.Errorf("warm-up of the %s: %w", side, err)
		}
		if err := g.keep(out); err != nil {
			return err
		}
		if out.Violated() {
			return nil
		}
	}
	for _, until := range slices.Compact([]int{g.Rules.Pairs, g.Rules.ExtendTo}) {
		for len(out.Pairs) < until {
			p, err := g.pair(ctx, chance, len(out.Pairs)+1, len(out.Pairs)+len(out.Repeated), until)
			if err != nil {
				if lost := p.Base.Broken + p.Head.Broken; lost != "" && ctx.Err() == nil { // as above
					p.Why = err.Error()
					out.Repeated = append(out.Repeated, p)
				}
				return err
			}
			if p.Why == "" {
				out.Pairs = append(out.Pairs, p)
			} else {
				out.Repeated = append(out.Repeated, p)
			}
			if err := g.keep(out); err != nil {
				return err
			}
			if out.Violated() || len(out.Repeated) > g.Rules.Repeats {
				return nil
			}
			if p.Why == "" && g.Each != nil {
				if err := g.Each(p); err != nil {
					return err
				}
			}
		}
		out.Ended = "whole" // as far as this look at it goes
		if out.Judge(); out.Verdict.ExitCode == reports.ExitRegression || !out.Undecided() {
			return nil
		}
		if until < g.Rules.ExtendTo {
			g.Tell(fmt.Sprintf("%s: extending to %d pairs, as declared", out.Verdict.Headline, g.Rules.ExtendTo))
		}
	}
	return nil
}

// pair plays one pair. Each has a plan of its own; a repeated one is not the same again, for what made it useless may be in its
// plan.
func (g *Gate) pair(ctx context.Context, chance *rand.Rand, number, played, of int) (reports.GatePair, error) {
	none := reports.GateRun{Values: map[string]reports.GateValue{}, Machine: fingerprint()}
	p := reports.GatePair{Number: number, Seed: g.Rules.Seed + uint64(played), First: reports.SideBase, Base: none, Head: none}
	if chance.IntN(2) == 1 {
		p.First = reports.SideHead
	}
	order := []string{reports.SideBase, reports.SideHead}
	if p.First == reports.SideHead {
		slices.Reverse(order)
	}
	for _, side := range order {
		r, err := g.Play(ctx, side, p.Seed)
		if side == reports.SideBase {
			p.Base = r
		} else {
			p.Head = r
		}
		if err != nil {
			return p, fmt.Errorf("pair %d, %s: %w", number, side, err)
		}
		if r.Doubt != "" {
			p.Why = side + ": " + r.Doubt
		}
		if r.Doubt != "" || r.Broken != "" {
			break // the other run would be for nothing
		}
	}
	line := fmt.Sprintf("pair %d of %d, %s first: %s", number, of, p.First, p.Brief())
	if p.Why != "" {
		line += "; it does not count: " + p.Why
	}
	g.Tell(line)
	return p, nil
}
