package harness

import (
	"context"
	"errors"
	"fmt"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/testbed"
)

// A part in a container implements [chaos.Container].

// limiter is the present instance's limits.
func (p *part) limiter() (testbed.Limiter, error) {
	l, ok := p.current().(testbed.Limiter)
	if !ok {
		return nil, fmt.Errorf("%s is in no container: nothing holds it to limits", p.name)
	}
	return l, nil
}

// Limits implements chaos.Container.
func (p *part) Limits(ctx context.Context) (chaos.Limits, error) {
	l, err := p.limiter()
	if err != nil {
		return chaos.Limits{}, err
	}
	held, err := l.Limits(ctx)
	return chaos.Limits(held), err
}

// Counts implements chaos.Container.
func (p *part) Counts(ctx context.Context) (chaos.Counts, error) {
	l, err := p.limiter()
	if err != nil {
		return chaos.Counts{}, err
	}
	counted, err := l.Counts(ctx)
	return chaos.Counts(counted), err
}

// SetCPUs implements chaos.Container.
func (p *part) SetCPUs(ctx context.Context, cpus float64) error {
	p.acts.Lock()
	defer p.acts.Unlock()
	l, err := p.limiter()
	if err != nil {
		return err
	}
	return l.SetCPUs(ctx, cpus)
}

// SetMemory implements chaos.Container. A part that the kernel ends for want of memory from now on was meant to: it has
// been told to run with less than it had.
func (p *part) SetMemory(ctx context.Context, bytes int64) error {
	p.acts.Lock()
	defer p.acts.Unlock()
	l, err := p.limiter()
	if err != nil {
		return err
	}
	p.mu.Lock()
	p.squeezed = true
	p.mu.Unlock()
	return l.SetMemory(ctx, bytes)
}

// starved reports whether the present instance ended because a fault had taken memory from it, and notes that it did. The
// caller holds mu.
func (p *part) starved(i testbed.Instance) bool {
	if !p.squeezed || !errors.Is(i.Err(), testbed.ErrOutOfMemory) {
		return false
	}
	p.felled = true
	if u, err := i.Usage(context.Background()); err == nil { // of what has ended it is a figure that was kept
		p.spent += u.CPU
	}
	return true
}
