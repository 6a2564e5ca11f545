package harness

import (
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/simulator"
)

// An ending is an instance of which nothing matters but whether it has ended.
type ending struct {
	testbed.Instance
	exited chan struct{}
}

func newEnding() *ending                  { return &ending{exited: make(chan struct{})} }
func (e *ending) Exited() <-chan struct{} { return e.exited }
func (e *ending) Err() error              { return nil }

func TestTheWatchIsGivenEveryProcessThatRunsAndAnotherOneAfterARestart(t *testing.T) {
	town := &town{}
	add := func(label, role, internal string) (*instance, *ending) {
		e := newEnding()
		i := &instance{part: newPart(&part{name: label}, e), resident: resident{label: label, role: role, place: place{internal: internal}}}
		town.instances = append(town.instances, i)
		return i, e
	}
	urls := func(list []simulator.Instance) (urls []string) {
		for _, i := range list {
			urls = append(urls, i.Internal)
		}
		return urls
	}
	same := func(when string, want ...string) []simulator.Instance {
		t.Helper()
		list := town.running()
		got := urls(list)
		if len(got) != len(want) {
			t.Fatalf("%s: %v, want %v", when, got, want)
		}
		for n := range want {
			if got[n] != "http://"+want[n] {
				t.Fatalf("%s: %v, want %v", when, got, want)
			}
		}
		return list
	}

	if list := town.running(); list == nil || len(list) > 0 {
		t.Fatalf("of nobody: %v; nil would be a service of one process", list)
	}
	add("shop-1", "shop", "127.0.0.1:1")
	front, process := add("front-1", "front", "127.0.0.1:2")
	gone, _ := add("front-2", "front", "127.0.0.1:3")
	town.leave(gone)
	before := same("one is leaving and not gone", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")

	front.felled = true // by a fault
	same("one is meant to end", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")
	close(process.exited)
	same("one has ended", "127.0.0.1:1", "127.0.0.1:3")

	front.take(newEnding())
	after := same("it is there again", "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")
	if before[0] != after[0] || before[1] == after[1] || !after[1].Since.After(before[1].Since) || time.Since(after[1].Since) < 0 {
		t.Errorf("before %v, after %v: the one that was started again is another, the others are not", before, after)
	}
}
