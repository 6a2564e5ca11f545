package harness

import (
	"context"
	"errors"
	"fmt"
	"time"

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
	l, err := p.limited(ctx)
	if err != nil {
		return err
	}
	if err := l.SetCPUs(ctx, cpus); err != nil {
		return err
	}
	p.limits.CPUs = cpus
	return nil
}

// limited is the present instance's limits; those that it was begun with are noted. The caller holds acts.
func (p *part) limited(ctx context.Context) (testbed.Limiter, error) {
	l, err := p.limiter()
	if err != nil || p.begun != nil {
		return l, err
	}
	begun, err := l.Limits(ctx)
	if err != nil {
		return nil, err
	}
	p.begun, p.limits = &begun, begun
	return l, nil
}

// limit puts the limits that a fault has set on an instance that took another's place, as an orchestrator would. The caller
// holds acts.
func (p *part) limit(ctx context.Context) error {
	if p.begun == nil || p.limits == *p.begun {
		return nil
	}
	l, err := p.limiter()
	if err != nil {
		return err
	}
	if p.limits.CPUs != p.begun.CPUs {
		err = l.SetCPUs(ctx, p.limits.CPUs)
	}
	if p.limits.Memory != p.begun.Memory {
		p.starve(forAsLong)
		err = errors.Join(err, l.SetMemory(ctx, p.limits.Memory))
	}
	return err
}

const (
	forAsLong  = 100 * 365 * 24 * time.Hour // as it is held to less than it was begun with
	toldWithin = 5 * time.Second            // an engine may tell of an end so late
)

// starve notes for how long the present instance may end for want of memory.
func (p *part) starve(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.starving = time.Now().Add(d)
}

// SetMemory implements chaos.Container. A part that the kernel ends for want of memory while it is held to less than it was begun with
// was meant to. One that ends once it has all of it back was not.
func (p *part) SetMemory(ctx context.Context, bytes int64) error {
	p.acts.Lock()
	defer p.acts.Unlock()
	l, err := p.limited(ctx)
	if err != nil {
		return err
	}
	p.starve(forAsLong) // first: it may end at once
	if err := l.SetMemory(ctx, bytes); err != nil {
		return err
	}
	p.limits.Memory = bytes
	if bytes == p.begun.Memory {
		p.starve(toldWithin)
	}
	return nil
}

// starved reports whether the present instance ended because a fault had taken memory from it, and notes that it did. The
// caller holds mu.
func (p *part) starved(i testbed.Instance) bool {
	if !time.Now().Before(p.starving) || !errors.Is(i.Err(), testbed.ErrOutOfMemory) {
		return false
	}
	p.felled = true
	if u, err := i.Usage(context.Background()); err == nil { // of what has ended it is a figure that was kept
		p.spent += u.CPU
	}
	return true
}
