package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// coldStart starts an instance again, in order, and lets its first requests cost more than the later ones: a runtime that
// compiles its code while it runs (JIT), with empty caches and pools. What it costs cold is not burnt on this machine,
// where it would slow the other parts too. It is time that each request waits on its way from the balancer to the
// instance, on one of so many cores of its own: the first request by, the n-th by x (1 - n/requests). So a cold instance
// has less capacity than a warm one, and one that gets more than that has a queue.
type coldStart struct {
	by       time.Duration
	requests int
	cores    int

	before time.Time // since when the instance ran; zero while it is not injected
}

// A Warmth is an instance's warm-up as faults see it.
type Warmth struct {
	// Chill makes its next requests cost by more, less with each, nothing after so many. Warm ends that.
	Chill func(by time.Duration, requests, cores int) error
	Warm  func()
	// Ask makes one request the way that the balancer's go.
	Ask func(ctx context.Context) error
}

var coldStartKind = Kind{
	Name:    "cold-start",
	On:      OnInstance,
	What:    "started again, and its first requests cost more: a runtime that compiles while it runs, empty caches",
	Params:  map[string]string{"by": "", "requests": "300", "cores": "1"},
	Example: `{at: "11:56", for: 40s, on: front-1, inject: cold-start, by: 80ms, requests: 300}`,
	make: func(p params) (Fault, error) {
		by, err := p.duration("by", 10*time.Millisecond, 10*time.Second)
		if err != nil {
			return nil, err
		}
		requests, err := p.number("requests", 10, 100_000)
		if err != nil {
			return nil, err
		}
		cores, err := p.number("cores", 1, 64)
		if err != nil {
			return nil, err
		}
		return &coldStart{by: by, requests: requests, cores: cores}, nil
	},
}

func (f *coldStart) String() string {
	return fmt.Sprintf("cold start: %s more, less over %d requests", f.by, f.requests)
}

// Inject implements Fault.
func (f *coldStart) Inject(ctx context.Context, t *Target) (func(context.Context) error, error) {
	since, ok := t.Process.Running()
	if !ok {
		return nil, errors.New(t.Name + " does not run")
	}
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), restartLimit) // half a restart is a kill
	defer cancel()
	err := t.Process.Stop(whole)
	if err == nil {
		err = t.Warmth.Chill(f.by, f.requests, f.cores)
	}
	heal := func(ctx context.Context) error {
		f.before = time.Time{}
		t.Warmth.Warm()
		return t.Process.Start(ctx) // nothing to do, unless its start went wrong
	}
	if err = errors.Join(err, t.Process.Start(whole)); err != nil {
		return nil, errors.Join(err, heal(context.WithoutCancel(ctx)))
	}
	f.before = since
	return heal, nil
}

// Felt compares a request on the balancer's way with one beside it. A third of the cost is enough: others are served, and
// warm the instance, while it is measured.
func (f *coldStart) Felt(ctx context.Context, t *Target) (Evidence, error) {
	ctx, cancel := context.WithTimeout(ctx, restartLimit)
	defer cancel()
	through, beside := compare(
		func() error { return t.Warmth.Ask(ctx) },
		func() error { return t.Process.Ping(ctx) })
	if !through.ok || !beside.ok {
		return Evidence{}, errors.Join(through.err, beside.err)
	}
	added := through.took - beside.took
	since, _ := t.Process.Running()
	return Evidence{
		Felt: !f.before.IsZero() && since.After(f.before) && added >= f.by/3,
		Text: fmt.Sprintf("running since %s; a request cost %s more than beside the balancer, wanted %s at first",
			since.Format("15:04:05.000"), added.Round(time.Millisecond), f.by),
	}, nil
}
