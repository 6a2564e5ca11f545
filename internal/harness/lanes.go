package harness

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/lunchrush/lunchrush/scenarios"
)

// A lane plays scenarios one after the other, on a stage of its own.
type lane struct {
	suite  *Suite
	stage  *Stage // nil when none is started
	ground Engines
}

// places is how many of n places the scenario takes while it is played.
func places(sc *scenarios.Scenario, n int) int {
	if sc.Alone {
		return n
	}
	return min(max(1, sc.Places), n)
}

// lanes does work for each of the indices, each on a lane, and as many side by side as find room in n places, one at least. The next
// is always the first of those that wait for which there is room. scenario is what an index stands for. When ctx is canceled,
// those that wait are left out.
func (s *Suite) lanes(ctx context.Context, indices []int, n int, scenario func(i int) *scenarios.Scenario, work func(ctx context.Context, l *lane, i int)) {
	n = max(1, n)
	type end struct {
		lane   *lane
		places int
	}
	var (
		waiting = slices.Clone(indices)
		idle    []*lane
		ended   = make(chan end)
		busy    int // lanes
		room    = n // places
	)
	for {
		if ctx.Err() != nil {
			waiting = nil
		}
		next := slices.IndexFunc(waiting, func(i int) bool { return places(scenario(i), n) <= room })
		if next >= 0 {
			i := waiting[next]
			waiting = slices.Delete(waiting, next, next+1)
			var l *lane
			l, idle = s.pick(idle, EnginesOf(scenario(i)), busy+len(idle) < n)
			e := end{l, places(scenario(i), n)}
			room -= e.places
			busy++
			go func() {
				work(ctx, l, i)
				ended <- e
			}()
			continue
		}
		if busy == 0 {
			break
		}
		e := <-ended
		room += e.places
		busy--
		idle = append(idle, e.lane)
	}
	var leaving sync.WaitGroup
	for _, l := range idle {
		leaving.Go(func() { _ = l.leave() })
	}
	leaving.Wait()
}

// pick takes a lane for a scenario that wants these engines out of the idle ones: one that has them, else a new one if there may
// be more, else any. It returns the idle ones that are left.
func (s *Suite) pick(idle []*lane, wants Engines, more bool) (*lane, []*lane) {
	at := slices.IndexFunc(idle, func(l *lane) bool { return l.stage != nil && l.ground == wants })
	switch {
	case at < 0 && more:
		return &lane{suite: s}, idle
	case at < 0:
		at = 0
	}
	l := idle[at]
	return l, slices.Delete(idle, at, at+1)
}

// enter makes sure that there is a stage with the scenario's engines.
func (l *lane) enter(ctx context.Context, sc *scenarios.Scenario) error {
	wants := EnginesOf(sc)
	choice, err := Choose(ctx, l.suite.Testbed, sc.Needs)
	if err != nil {
		return err
	}
	if l.stage != nil && l.ground == wants && l.stage.Choice.Name == choice.Name {
		return nil
	}
	_ = l.leave() // which is no matter of the scenario that comes now
	stage, err := Open(ctx, Ground{
		Choice: choice, Engines: wants, RunsDir: l.suite.RunsDir, Binary: l.suite.Binary, Judge: l.suite.Judge, Notice: l.suite.Tell,
	})
	if err != nil {
		return err
	}
	l.stage, l.ground = stage, wants
	return nil
}

// leave closes the lane's stage, if there is one, and tells what goes wrong.
func (l *lane) leave() error {
	if l.stage == nil {
		return nil
	}
	stage := l.stage
	l.stage = nil
	err := stage.Close()
	if err != nil {
		l.suite.Tell(fmt.Sprintf("stopping a testbed: %v", err))
	}
	return err
}
