package harness

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// A nameOnly is a stack that nothing but its name is asked of.
type nameOnly struct {
	testbed.Stack
	name string
}

func (s nameOnly) Name() string { return s.name }

func TestLimitsAreRefusedWhereNothingHoldsToThem(t *testing.T) {
	const several = "}\ntopology: {front: 2, gate: 1" // the sample's own brace closes it
	for _, where := range []string{testbed.Local, testbed.Embedded} {
		for _, tt := range []struct{ on, inject, more string }{
			{"mysql", "limit-cpu, cpus: 0.1", ""},
			{"redis-cache", "limit-memory, limit: 32MB", ""},
			{"service", "limit-cpu, cpus: 0.1", ""},
			{"gate-1", "limit-memory, limit: 64MB", several},
		} {
			t.Run(tt.on+" on "+where, func(t *testing.T) {
				sc, err := load(`{at: "11:10", for: 1s, on: ` + tt.on + ", inject: " + tt.inject + tt.more + "}")
				if err != nil {
					t.Fatal(err)
				}
				f, err := newFaults(sc)
				if err != nil {
					t.Fatal(err)
				}
				kind, _, _ := strings.Cut(tt.inject, ",")
				want := fmt.Sprintf("%s is a process on the %s testbed, which holds nothing to a limit: %s it on containers", tt.on, where, kind)
				if err := f.grip(nameOnly{name: where}); err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			})
		}
	}
}

func TestAPartThatItsMemoryLimitHasEndedRunsAgainAfterItsHeal(t *testing.T) {
	_, f := rig(t, need(t, testbed.Containers, "containers"))
	e := f.entries[len(f.entries)-1] // limit-memory on redis-queue
	heal, err := e.Fault.Inject(t.Context(), e.Target)
	if err != nil {
		t.Fatal(err)
	}
	c := redis.NewClient(&redis.Options{Addr: e.Target.Link.Addr(), MaxRetries: -1})
	defer c.Close()
	patient, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	// It grows past its limit within one command. Filled with many, it can live at the limit for long: the kernel then drops its
	// program's own pages and reads them again.
	if err := c.SetRange(patient, "grown", 256<<20, "x").Err(); err == nil {
		t.Error("it holds 256 MiB")
	}
	for {
		if _, ok := e.Target.Process.Running(); !ok {
			break
		}
		select {
		case <-patient.Done():
			t.Fatal("it lives past its limit")
		case <-time.After(20 * time.Millisecond):
		}
	}
	if evidence, err := e.Fault.Felt(t.Context(), e.Target); err != nil || evidence.Felt {
		t.Errorf("of a part that does not run: %+v, %v", evidence, err)
	}
	if err := heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context()).Err(); err != nil {
		t.Errorf("it does not answer after its heal: %v", err)
	}
	dead, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if err := f.died(dead); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("its end counts as one that nobody ordered: %v", err)
	}
}
