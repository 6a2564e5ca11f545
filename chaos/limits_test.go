package chaos

import (
	"context"
	"errors"
	"strings"
	"testing"
)

// A box is a container in the mind: what the fault does with a real one is tested where there are stacks of them.
type box struct {
	Process // one that runs

	held      Limits
	used      int64
	throttled uint64
	refuses   error // of the next change
	sticky    bool  // says that it has changed, and has not
	starts    int
}

const machineBytes = 4 << 30

func (b *box) Limits(context.Context) (Limits, error) { return b.held, nil }

func (b *box) Counts(context.Context) (Counts, error) {
	if b.held.CPUs > 0 {
		b.throttled++
	}
	c := Counts{Throttled: b.throttled, Ceiling: machineBytes, Used: b.used}
	if b.held.Memory > 0 {
		c.Ceiling = b.held.Memory
	}
	return c, nil
}

func (b *box) change(set func()) error {
	err := b.refuses
	b.refuses = nil
	if err == nil && !b.sticky {
		set()
	}
	return err
}

func (b *box) SetCPUs(_ context.Context, cpus float64) error {
	return b.change(func() { b.held.CPUs = cpus })
}

func (b *box) SetMemory(_ context.Context, bytes int64) error {
	return b.change(func() { b.held.Memory = bytes / pageBytes * pageBytes })
}

func (b *box) Start(ctx context.Context) error {
	b.starts++
	return b.Process.Start(ctx)
}

var limitSamples = map[string]map[string]string{
	"limit-cpu":    {"cpus": "0.05"},
	"limit-memory": {"limit": "100MB"}, // not whole pages
}

func TestEveryLimitIsFeltWhileItLastsAndOnlyThen(t *testing.T) {
	for _, k := range Kinds() {
		if k.On != OnContainer {
			continue
		}
		given, ok := limitSamples[k.Name]
		if !ok {
			t.Fatalf("no sample of %s: add one", k.Name)
		}
		for _, before := range []Limits{{}, {CPUs: 1.5, Memory: 512 << 20}} {
			t.Run(k.Name, func(t *testing.T) {
				b := &box{Process: startChild(t), held: before}
				feltOnlyWhileInjected(t, &Target{Name: "redis-cache", Process: b, Container: b}, k.Name, given)
				if b.held != before {
					t.Errorf("healed it is held to %+v, it was to %+v", b.held, before)
				}
			})
		}
	}
}

func TestALimitThatCannotBeIsNotInjected(t *testing.T) {
	tests := []struct {
		name, inject string
		box          box
		want         string
	}{
		{"no less CPU than it has", "limit-cpu", box{held: Limits{CPUs: 0.05}}, "redis-cache has no more than 0.05 CPUs as it is"},
		{"no less memory than it has", "limit-memory", box{held: Limits{Memory: 64 << 20}}, "may have no more than 67.1MB as it is"},
		{"less than it holds already", "limit-memory", box{used: 128 << 20}, "redis-cache holds 134.2MB already"},
		{"an engine that refuses CPU", "limit-cpu", box{refuses: errors.New("no such quota")}, "no such quota"},
		{"an engine that refuses memory", "limit-memory", box{refuses: errors.New("no such limit")}, "no such limit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			fault, err := New(tt.inject, limitSamples[tt.inject])
			if err != nil {
				t.Fatal(err)
			}
			b, before := &tt.box, tt.box.held
			b.Process = startChild(t)
			_, err = fault.Inject(t.Context(), &Target{Name: "redis-cache", Process: b, Container: b})
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if b.held != before {
				t.Errorf("it is left with %+v, it had %+v", b.held, before)
			}
		})
	}
}

func TestALimitThatStaysAfterItsHealIsTold(t *testing.T) {
	for inject, given := range limitSamples {
		t.Run(inject, func(t *testing.T) {
			b := &box{Process: startChild(t)}
			fault, err := New(inject, given)
			if err != nil {
				t.Fatal(err)
			}
			heal, err := fault.Inject(t.Context(), &Target{Name: "redis-cache", Process: b, Container: b})
			if err != nil {
				t.Fatal(err)
			}
			b.sticky = true
			if err := heal(t.Context()); err == nil || !strings.Contains(err.Error(), "redis-cache is left with") {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAPartThatItsMemoryLimitHasEndedIsStartedByTheHeal(t *testing.T) {
	c := startChild(t)
	b := &box{Process: c}
	fault, err := New("limit-memory", limitSamples["limit-memory"])
	if err != nil {
		t.Fatal(err)
	}
	heal, err := fault.Inject(t.Context(), &Target{Name: "redis-cache", Process: b, Container: b})
	if err != nil {
		t.Fatal(err)
	}
	c.Kill(t.Context())
	if err := heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context()); err != nil || b.starts != 1 {
		t.Errorf("started %d times: %v", b.starts, err)
	}
}
