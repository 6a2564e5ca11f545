package harness

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/lunchrush/lunchrush/reports"
)

// The full method's trial, and the shortest warm-up that a budget may make of it.
const (
	fullWarmUp  = 10 * time.Second
	fullMeasure = 30 * time.Second
	leastWarmUp = 4 * time.Second
)

// LeastMeasure is the shortest measured time of a trial: ten rows for the slope of a backlog, and one or two at either end.
const LeastMeasure = 13 * time.Second

// What a search takes beside its trials, and a trial beside its play: starting, registering the fleet, its first polls, the
// drain, the judging. Measured on two cores; a search corrects it by its own trials as it goes.
const (
	closing          = 15 * time.Second
	overheadBase     = 7 * time.Second
	overheadMachines = 800 * time.Microsecond // each
)

// rampTrials is how many trials of the ramp are reckoned with before anything is known: up to 25 times the start, since 24 times was
// found (docs/METHODS.md, Capacity), and the votes of the load that does not pass.
const rampTrials = 10

// expectedTrials is how many trials a search takes at about its worst: the ramp, a majority for each halving, a confirmation, and
// what one halving takes more when it is left to [search.narrow].
func expectedTrials(m reports.CapacityMethod) int {
	halvings := math.Ceil(math.Log2(math.Log(m.Growth) / math.Log(1+m.Resolution)))
	return rampTrials + int(math.Ceil(halvings*(float64(m.Majority)+2)/2)) + m.ConfirmOf + m.ConfirmOf - m.Majority
}

// reckoned is what a trial is thought to take beside its play before there was any: the mean one is at about ten times the start,
// as far as anybody knows.
func reckoned(start int) time.Duration {
	return overheadBase + overheadMachines*time.Duration(10*start)
}

// fit decides how long trials are, from the budget, before the first: as long as the full method's when there is time, shorter
// down to the least otherwise. share is what this search may have of the budget. It says what was given up.
func fit(m reports.CapacityMethod, start int, share float64) reports.CapacityMethod {
	m.Expected = expectedTrials(m)
	m.GaveUp = []string{}
	if m.WarmUpNS > 0 && m.MeasureNS > 0 {
		return m
	}
	m.WarmUpNS, m.MeasureNS = int64(fullWarmUp), int64(fullMeasure)
	if m.BudgetNS <= 0 {
		return m
	}
	beside := reckoned(start)
	each := (time.Duration(share*float64(m.BudgetNS))-closing)/time.Duration(m.Expected) - beside
	full := fullWarmUp + fullMeasure
	if each >= full {
		return m
	}
	warm := max(leastWarmUp, time.Duration(float64(each)/float64(full)*float64(fullWarmUp)).Truncate(time.Second))
	play := max(LeastMeasure, (each - warm).Truncate(time.Second))
	m.WarmUpNS, m.MeasureNS = int64(warm), int64(play)
	m.GaveUp = append(m.GaveUp, fmt.Sprintf("length: trials of %s + %s in place of %s + %s, for %d of them to fit into %s",
		warm, play, fullWarmUp, fullMeasure, m.Expected, time.Duration(m.BudgetNS)))
	if each < leastWarmUp+LeastMeasure {
		m.GaveUp = append(m.GaveUp, fmt.Sprintf("count: not even the shortest trials, %s + %s, fit in %d times; the bounds stay wider than %g %%, or are not confirmed",
			leastWarmUp, LeastMeasure, m.Expected, 100*m.Resolution))
	}
	return m
}

// A purse is what is left of a budget. It learns from trials what a trial takes beside its play.
type purse struct {
	budget time.Duration // 0: no end
	spent  func() time.Duration
	length func(machines int) time.Duration // of a trial's play
	seen   []spending
}

type spending struct {
	machines int
	beside   time.Duration
}

// paid notes what a trial took in all.
func (p *purse) paid(machines int, took time.Duration) {
	p.seen = append(p.seen, spending{machines, max(0, took-p.length(machines))})
}

// affords reports whether n more trials of a load fit in.
func (p *purse) affords(n, machines int) bool {
	if p.budget <= 0 {
		return true
	}
	each := p.length(machines) + p.beside(machines)
	return p.spent()+time.Duration(n)*each+closing <= p.budget
}

// beside is what a trial takes beside its play: the median of those seen, each moved to this load.
func (p *purse) beside(machines int) time.Duration {
	if len(p.seen) == 0 {
		return overheadBase + overheadMachines*time.Duration(machines)
	}
	moved := make([]time.Duration, len(p.seen))
	for i, s := range p.seen {
		moved[i] = max(0, s.beside+overheadMachines*time.Duration(machines-s.machines))
	}
	slices.Sort(moved)
	return moved[len(moved)/2]
}
