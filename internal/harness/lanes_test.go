package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/scenarios"
)

func TestWhatIsPlayedSideBySide(t *testing.T) {
	row := func(name string, places int, seconds float64) *scenarios.Scenario {
		return &scenarios.Scenario{Name: name, Places: places, Drain: time.Duration(seconds * float64(time.Second)), Alone: places < 0}
	}
	const alone = -1
	for _, c := range []struct {
		name   string
		places int
		rows   []*scenarios.Scenario
		want   string // what begins at which second
	}{
		{"as many as there are places, in their order", 2, []*scenarios.Scenario{row("a", 0, 3), row("b", 0, 1), row("c", 1, 1)}, "0 a, 0 b, 1 c"},
		{
			"one of two places waits for room, and a later one does not wait for it", 3,
			[]*scenarios.Scenario{row("a", 1, 2), row("b", 1, 3), row("wide", 2, 1), row("c", 1, 1)},
			"0 a, 0 b, 0 c, 2 wide",
		},
		{"one of more places than there are is played by itself", 2, []*scenarios.Scenario{row("a", 1, 1), row("wide", 3, 1), row("b", 1, 2)}, "0 a, 0 b, 2 wide"},
		{"nothing is beside one that is alone", 4, []*scenarios.Scenario{row("a", 1, 1), row("alone", alone, 2), row("b", 1, 2)}, "0 a, 0 b, 2 alone"},
		{"at no place one after the other", 0, []*scenarios.Scenario{row("a", 2, 1), row("b", 1, 1)}, "0 a, 1 b"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &Suite{Scenarios: c.rows}
				var order []int
				for i := range c.rows {
					order = append(order, i)
				}
				began := time.Now()
				var mu sync.Mutex
				var got []string
				s.lanes(t.Context(), order, c.places, s.row, func(_ context.Context, _ *lane, i int) {
					mu.Lock()
					got = append(got, fmt.Sprintf("%g %s", time.Since(began).Seconds(), c.rows[i].Name))
					mu.Unlock()
					time.Sleep(c.rows[i].Drain)
				})
				slices.Sort(got)
				if got := strings.Join(got, ", "); got != c.want {
					t.Errorf("began: %s; wanted %s", got, c.want)
				}
			})
		})
	}
}

func TestWhatWaitsIsLeftOutWhenTheSuiteIsInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	s := &Suite{Scenarios: []*scenarios.Scenario{{Name: "a"}, {Name: "b"}}}
	var played []string
	s.lanes(ctx, []int{0, 1}, 1, s.row, func(_ context.Context, _ *lane, i int) {
		played = append(played, s.Scenarios[i].Name)
		stop()
	})
	if !slices.Equal(played, []string{"a"}) {
		t.Errorf("played %v", played)
	}
}

// A testbed that is started and empty is taken by the next scenario that wants the same.
func TestALaneIsPickedByItsTestbed(t *testing.T) {
	few, many := Engines{MaxConnections: 25}, Engines{MaxConnections: 100}
	s := &Suite{}
	withFew, withMany, none := &lane{stage: &Stage{}, ground: few}, &lane{stage: &Stage{}, ground: many}, &lane{ground: many}
	for _, c := range []struct {
		name string
		idle []*lane
		more bool
		want *lane // nil is a new one
	}{
		{"one with the same engines", []*lane{withFew, withMany}, true, withMany},
		{"a new one rather than stop another's", []*lane{withFew}, true, nil},
		{"one whose testbed is stopped for it when there can not be more", []*lane{withFew, none}, false, withFew},
		{"a new one when its testbed broke", []*lane{none}, true, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			before := slices.Clone(c.idle)
			l, left := s.pick(slices.Clone(c.idle), many, c.more)
			switch {
			case c.want == nil && (slices.Contains(before, l) || len(left) != len(before)):
				t.Errorf("took an idle one")
			case c.want != nil && (l != c.want || slices.Contains(left, l) || len(left) != len(before)-1):
				t.Errorf("took another one, %d left", len(left))
			}
		})
	}
}

// A stubbornStack has a database that had to be killed at its end, and perhaps one that nobody could stop.
type stubbornStack struct {
	testbed.Stack
	rest error
}

func (s stubbornStack) Close(context.Context) error {
	return errors.Join(&testbed.Killed{Part: "mysql"}, s.rest)
}

func TestATestbedThatIsSlowToStopIsNoMatterOfTheNextScenario(t *testing.T) {
	left := errors.New("container mysql: the engine does not answer")
	for _, tt := range []struct {
		name string
		rest error
		told string
	}{
		{"a database had to be killed", nil, "mysql was still busy when the run was over and had been counted; it was killed"},
		{"something could not be stopped", left, "stopping a testbed: " + left.Error()},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var told []string
			tell := func(line string) { told = append(told, line) }
			logs := filepath.Join(t.TempDir(), "logs")
			if err := os.Mkdir(logs, 0o755); err != nil {
				t.Fatal(err)
			}
			l := &lane{suite: &Suite{Tell: tell}, stage: &Stage{stack: stubbornStack{rest: tt.rest}, logs: logs, notice: tell}}
			if err := l.leave(); (err == nil) != (tt.rest == nil) {
				t.Errorf("left with %v", err)
			}
			if l.stage != nil || !slices.Contains(told, tt.told) {
				t.Errorf("told %q, want %q", told, tt.told)
			}
			if _, err := os.Stat(logs); (err == nil) != (tt.rest != nil) {
				t.Errorf("the logs that an error may name: %v", err)
			}
		})
	}
}
