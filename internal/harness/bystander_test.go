package harness

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator"
)

// A paperPart is an instance that ends when it is told to.
type paperPart struct {
	testbed.Instance
	exited chan struct{}
	why    error
}

func newPaperPart() *paperPart { return &paperPart{exited: make(chan struct{})} }

func (p *paperPart) Exited() <-chan struct{}                      { return p.exited }
func (p *paperPart) Err() error                                   { return p.why }
func (p *paperPart) Usage(context.Context) (testbed.Usage, error) { return testbed.Usage{}, nil }

func (p *paperPart) Kill() error {
	p.why = errors.New("signal: killed")
	close(p.exited)
	return nil
}

// A partsStack is a testbed with parts that do nothing.
type partsStack struct {
	paperStack
	parts map[testbed.Part]*paperPart
}

func (s partsStack) Part(name testbed.Part) testbed.Instance {
	if p := s.parts[name]; p != nil {
		return p
	}
	return nil
}

// gripped is a run's faults with the parts of a stack in their hands. It has a fault on the cache, which goes through a proxy.
func gripped(t *testing.T, ground ...testbed.Part) (*faults, partsStack) {
	t.Helper()
	sc, err := load(`{at: "11:10", for: 1s, on: redis-cache, inject: kill}`)
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFaults(sc)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, err := f.open(siteRedisCache, "127.0.0.1:1", chaos.PingRedis); err != nil {
		t.Fatal(err)
	}
	stack := partsStack{paperStack{name: testbed.Local}, make(map[testbed.Part]*paperPart)}
	for _, name := range ground {
		stack.parts[name] = newPaperPart()
	}
	if err := f.grip(stack); err != nil {
		t.Fatal(err)
	}
	return f, stack
}

func TestTheDeathOfWhatStandsUnderTheServiceIsNoticedWhetherOrNotAFaultIsOnIt(t *testing.T) {
	ground := []testbed.Part{testbed.PartMySQL, testbed.PartReplica, testbed.PartCache, testbed.PartQueue}
	for _, name := range ground {
		t.Run(string(name), func(t *testing.T) {
			f, stack := gripped(t, ground...)
			if err := stack.parts[name].Kill(); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			var d *death
			if err := f.died(ctx); !errors.As(err, &d) || err.Error() != string(name)+" died: signal: killed\nnobody had ordered it" {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestADeathThatAFaultHasOrderedIsNone(t *testing.T) {
	f, _ := gripped(t, testbed.PartMySQL, testbed.PartCache, testbed.PartQueue) // a run without a replica
	if err := f.targets[siteRedisCache].Process.Kill(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := f.died(ctx); err != nil {
		t.Errorf("got %v", err)
	}
}

// The run of a scenario without any fault is what an out-of-memory killer meets.
func TestADatabaseThatDiesEndsARunWithoutFaults(t *testing.T) {
	choice := need(t, testbed.Local, "mariadb")
	stage := openStage(t, choice)
	sc, err := scenarios.Load("x.yaml", []byte(quiet), Known())
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Scenario: sc, Side: Hardened, Seed: 1, RunsDir: t.TempDir(), Watching: &Watching{Only: true, Begin: func(c *Controls) {
		go func() {
			tick := time.NewTicker(10 * time.Millisecond)
			defer tick.Stop()
			for c.Progress().Phase != simulator.PhasePlay {
				<-tick.C
			}
			_ = stage.stack.Part(testbed.PartMySQL).Kill()
		}()
	}}}
	began := time.Now()
	result, err := stage.Run(t.Context(), o)
	var d *death
	if !errors.As(err, &d) || !strings.HasPrefix(err.Error(), "mysql died: ") {
		t.Errorf("after %s: %v", time.Since(began).Round(time.Millisecond), err)
	}
	if result.Analysis == nil {
		t.Fatal("there is no report")
	}
	_, log, _ := strings.Cut(err.Error(), "; see ")
	log, _, _ = strings.Cut(log, "\n")
	if _, err := os.Stat(log); err != nil || !strings.HasPrefix(log, result.Dir) {
		t.Errorf("it names the log %q, which is not in the run folder: %v", log, err)
	}
	if run := result.Analysis.Run; run.Ended != "error" || !strings.Contains(run.Error, "mysql died") {
		t.Errorf("the report says %q, %q", run.Ended, run.Error)
	}
	// Nor is the stage spoiled for the next run.
	o.Watching = nil
	if result, err := stage.Run(t.Context(), o); err != nil || result.Analysis.Run.Ended != "whole" {
		t.Errorf("the run after it: %v", err)
	}
}
