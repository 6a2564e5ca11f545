package chaos

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// A Container is what holds a part to limits, as faults see it. It is safe for concurrent use.
type Container interface {
	Limits(ctx context.Context) (Limits, error)
	Counts(ctx context.Context) (Counts, error) // takes a second on some engines
	// SetCPUs and SetMemory change a limit while the part runs; 0 is none. They do nothing to a part that is gone for good.
	SetCPUs(ctx context.Context, cpus float64) error
	SetMemory(ctx context.Context, bytes int64) error
}

// Limits are what a container is held to.
type Limits struct {
	CPUs   float64 // cores of time; 0: no limit
	Memory int64   // bytes; 0: no limit
}

// Counts are what the kernel says of a container's control group.
type Counts struct {
	Throttled uint64 // periods in which it had used up its CPU time and had to wait, so far
	Ceiling   int64  // bytes: its memory limit; without one, what the machine has
	Used      int64  // bytes that it holds now and that could not be dropped
}

// limitCPU takes CPU time from a part's container while it runs: a quota that was set for a quiet month, a neighbour that
// the scheduler prefers. In every tenth of a second the part runs until its share is used up, and then stands still.
type limitCPU struct{ cpus float64 }

var limitCPUKind = Kind{
	Name:    "limit-cpu",
	On:      OnContainer,
	What:    "less CPU time for its container: it stands still in each tenth of a second once its share is used up",
	Params:  map[string]string{"cpus": ""},
	Example: `{at: "11:56", for: 60s, on: mysql, inject: limit-cpu, cpus: 0.1}`,
	make: func(p params) (Fault, error) {
		cpus, err := p.decimal("cpus", 0.01, 64) // the kernel's shortest share is 1 ms of 100
		if err != nil {
			return nil, err
		}
		return limitCPU{cpus}, nil
	},
}

func (f limitCPU) String() string { return "limit of " + cores(f.cpus) }

// cores writes a limit of CPU time; 0 is none.
func cores(cpus float64) string {
	if cpus == 0 {
		return "all CPUs"
	}
	return strconv.FormatFloat(cpus, 'f', -1, 64) + " CPUs"
}

// Inject implements Fault.
func (f limitCPU) Inject(ctx context.Context, t *Target) (func(context.Context) error, error) {
	before, err := t.Container.Limits(ctx)
	if err != nil {
		return nil, err
	}
	if before.CPUs != 0 && before.CPUs <= f.cpus {
		return nil, fmt.Errorf("%s has no more than %s as it is", t.Name, cores(before.CPUs))
	}
	heal := func(ctx context.Context) error {
		return restored(ctx, t, t.Container.SetCPUs(ctx, before.CPUs), func(now Limits) error {
			if now.CPUs != before.CPUs {
				return fmt.Errorf("%s is left with %s, it had %s", t.Name, cores(now.CPUs), cores(before.CPUs))
			}
			return nil
		})
	}
	if err := t.Container.SetCPUs(ctx, f.cpus); err != nil {
		return nil, errors.Join(err, heal(context.WithoutCancel(ctx)))
	}
	return heal, nil
}

// restored looks whether a heal that returned err has put a limit back. One of a part that does not run is not looked at:
// it begins with the limits of its own.
func restored(ctx context.Context, t *Target, err error, compare func(now Limits) error) error {
	if _, ok := t.Process.Running(); err != nil || !ok {
		return err
	}
	now, err := t.Container.Limits(ctx)
	if err != nil {
		return err
	}
	return compare(now)
}

// Felt asks the part for as much as a few askers can until the kernel has counted that it made it wait. A limit that is in
// the book and never reached is not felt.
func (f limitCPU) Felt(ctx context.Context, t *Target) (Evidence, error) {
	const (
		patience = 5 * time.Second
		askers   = 4
	)
	held, err := t.Container.Limits(ctx)
	if err != nil {
		return Evidence{}, err
	}
	if held.CPUs != f.cpus {
		return Evidence{Text: t.Name + " has " + cores(held.CPUs)}, nil
	}
	before, err := t.Container.Counts(ctx)
	if err != nil {
		return Evidence{}, err
	}
	asking, stop := context.WithTimeout(ctx, patience)
	var all sync.WaitGroup
	var answers, longest atomic.Int64
	for range askers {
		all.Go(func() {
			for asking.Err() == nil {
				began := time.Now()
				if t.Process.Ping(asking) != nil {
					waitUntil(asking, time.Now().Add(time.Millisecond))
					continue
				}
				answers.Add(1)
				for took := int64(time.Since(began)); ; {
					if old := longest.Load(); took <= old || longest.CompareAndSwap(old, took) {
						break
					}
				}
			}
		})
	}
	now, began := before, time.Now()
	for err == nil && now.Throttled == before.Throttled && waitUntil(asking, time.Now().Add(50*time.Millisecond)) {
		now, err = t.Container.Counts(ctx)
	}
	took := time.Since(began)
	stop()
	all.Wait()
	if err != nil {
		return Evidence{}, err
	}
	return Evidence{
		Felt: now.Throttled > before.Throttled,
		Text: fmt.Sprintf("held to %s: it had to wait in %d periods of %s, %d askers' %d exchanges took up to %s", cores(held.CPUs),
			now.Throttled-before.Throttled, took.Round(time.Millisecond), askers, answers.Load(),
			time.Duration(longest.Load()).Round(time.Millisecond)),
	}, nil
}
