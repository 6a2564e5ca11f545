package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path/filepath"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

func scenario(name string) (*scenarios.Scenario, error) { return scenarios.Find(name, harness.Known()) }

// recorded is the gate of a folder, if it was played to its end, on this machine.
func recorded(dir string) (g *reports.Gate, played bool, err error) {
	g, err = reports.ReadGate(filepath.Join(dir, reports.GateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	if other := harness.Fingerprint().Differs(g.Machine); other != "" {
		return nil, false, fmt.Errorf("%s was played on another machine, %s; take another -dir", dir, other)
	}
	return g, g.Ended == "whole", nil
}

// A count is what became of gates of a kind.
type count struct {
	gates, passed, failed, inconclusive int
	early                               int // failed with the first pairs, without the extension
	violated                            int // of the failed: money or data went wrong
	useless                             int // of the inconclusive: too many pairs proved nothing
}

func (c *count) add(g *reports.Gate) {
	c.gates++
	switch g.Verdict.Outcome {
	case reports.Pass:
		c.passed++
	case reports.Fail:
		c.failed++
		if g.Verdict.ExitCode == reports.ExitViolated {
			c.violated++
		}
		if g.Verdict.ExitCode == reports.ExitRegression && len(g.Repeated) <= g.Rules.Repeats && len(g.Pairs) <= g.Rules.Pairs {
			c.early++ // by the measures, not by money or a head that could not be measured
		}
	default:
		c.inconclusive++
		if len(g.Repeated) > g.Rules.Repeats {
			c.useless++
		}
	}
}

// resample puts a gate together from recorded pairs, drawn with replacement, and judges it as one that is played: the declared pairs
// first, and the extension when they leave something undecided.
func resample(chance *rand.Rand, rules reports.GateRules, pool []reports.GatePair) *reports.Gate {
	g := &reports.Gate{Rules: rules, Machine: pool[0].Base.Machine, Ended: "whole"}
	for _, until := range []int{rules.Pairs, rules.ExtendTo} {
		for len(g.Pairs) < until {
			g.Pairs = append(g.Pairs, pool[chance.IntN(len(pool))])
		}
		if g.Judge(); g.Verdict.Outcome == reports.Fail || !g.Undecided() {
			break
		}
	}
	return g
}

// tell prints the tables.
func tell(o options, out io.Writer) error {
	counts := make([][2]count, len(o.kinds)) // live, resampled
	pools := make([][]reports.GatePair, len(o.kinds))
	var machine, engine string
	for i, k := range o.kinds {
		for n := 1; n <= k.gates; n++ {
			g, played, err := recorded(o.folder(k, n))
			if err != nil {
				return err
			}
			if !played {
				continue
			}
			counts[i][0].add(g)
			pools[i] = append(pools[i], g.Pairs...)
			machine, engine = g.Machine.CPU, g.Testbed+", "+g.Engine
		}
		if len(pools[i]) >= o.rules.Pairs {
			chance := rand.New(rand.NewPCG(o.seed, uint64(i)))
			for range o.resampled {
				counts[i][1].add(resample(chance, o.rules, pools[i]))
			}
		}
	}
	fmt.Fprintf(out, "%s %s/%s, %d cores, %s; %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), machine, engine)
	fmt.Fprintf(out, "%s, %d pairs, extended once to %d\n", o.scenario, o.rules.Pairs, o.rules.ExtendTo)
	for which, title := range []string{
		"\nlive: gates that were played, from the warm-up to the verdict",
		"\nresampled: gates put together from the pairs of those, drawn with replacement; they were not played",
	} {
		fmt.Fprintln(out, title)
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		fmt.Fprintf(w, "\tgates\tPASS\tFAIL\tof these with %d pairs\tINCONCLUSIVE\t\n", o.rules.Pairs)
		for i, k := range o.kinds {
			c := counts[i][which]
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%s\n", k.title, c.gates, c.passed, c.failed, c.early, c.inconclusive, wanted(k, c))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	for i, k := range o.kinds {
		if n := reports.NoiseOf(pools[i], o.rules, time.Time{}, time.Time{}); n != nil && k.slower == 1 {
			fmt.Fprintf(out, "\nnoise of one build, by %d pairs\n", n.Pairs)
			if err := reports.NoiseText(out, n, o.rules); err != nil {
				return err
			}
		}
		if c := counts[i][0]; c.violated+c.useless > 0 {
			fmt.Fprintf(out, "\n%s: gates with money or data gone wrong: %d; with too many pairs that proved nothing, since the machine was busy: %d\n", k.title, c.violated, c.useless)
		}
	}
	return nil
}

// wanted says what the figures should be, and whether they are.
func wanted(k kind, c count) string {
	verdict := func(good bool) string {
		switch {
		case c.gates == 0:
			return "nothing played"
		case good:
			return "as wanted"
		}
		return "not as wanted"
	}
	of := float64(max(c.gates, 1))
	if k.slower == 1 {
		share := float64(c.failed) / of
		return fmt.Sprintf("alarms %.1f %% [at most %.0f %%: 2 of 40]: %s", 100*share, 100*alarmLimit, verdict(share <= alarmLimit))
	}
	share := float64(c.early) / of
	return fmt.Sprintf("caught %.1f %% [at least %.0f %%]: %s", 100*share, 100*caughtGoal, verdict(share >= caughtGoal))
}
