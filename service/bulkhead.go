package service

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// ErrUpstreamBusy is a call that never left: as many as may are on their way to that upstream already. Nothing has happened
// there.
var ErrUpstreamBusy = errors.New("upstream busy")

// A Bulkhead bounds the calls to one upstream that are on their way at once: when it is sick, it holds so many of our threads
// and no more. A nil bulkhead lets everything through.
type Bulkhead struct {
	places  chan struct{}
	wait    time.Duration
	waiting atomic.Int64
}

// NewBulkhead makes a bulkhead for so many calls, at least one. A further call waits a little for its place: a burst is no
// sickness.
func NewBulkhead(calls int, wait time.Duration) *Bulkhead {
	return &Bulkhead{places: make(chan struct{}, max(1, calls)), wait: wait}
}

// Do makes a call in its place. ErrUpstreamBusy when none comes free in time; the call was not made then.
func (b *Bulkhead) Do(ctx context.Context, call func() error) error {
	if b == nil {
		return call()
	}
	select {
	case b.places <- struct{}{}:
	default:
		if err := b.queue(ctx); err != nil {
			return err
		}
	}
	defer func() { <-b.places }()
	return call()
}

func (b *Bulkhead) queue(ctx context.Context) error {
	b.waiting.Add(1)
	defer b.waiting.Add(-1)
	timer := time.NewTimer(b.wait)
	defer timer.Stop()
	select {
	case b.places <- struct{}{}:
		return nil
	case <-timer.C:
		return ErrUpstreamBusy
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", ErrUpstreamBusy, ctx.Err()) // it tells nothing of the upstream
	}
}

// Load is how many calls are on their way, and how many wait for a place.
func (b *Bulkhead) Load() (busy, waiting int) { return len(b.places), int(b.waiting.Load()) }

// Limit is how many may be on their way.
func (b *Bulkhead) Limit() int { return cap(b.places) }
