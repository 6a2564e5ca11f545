package service

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// Binder finds out who a buyer is across channels.
type Binder struct {
	Parts
	queue   chan binding
	pending atomic.Int64 // in queue, or waiting to be tried again
}

// A binding is a payment whose buyer is to be looked up.
type binding struct {
	Payment
	tries int
}

// The bounds on look-ups that were put off: a dead identity service costs no more than these.
const (
	bindWorkers = 4
	bindQueue   = 1024
	bindTries   = 120 // ten minutes of an outage
	bindPause   = 5 * time.Second
)

// NewBinder makes a binder; [Binder.Run] runs it.
func NewBinder(p Parts) *Binder { return &Binder{Parts: p, queue: make(chan binding, bindQueue)} }

// Pending is how many buyers wait to be looked up.
func (b *Binder) Pending() int { return int(b.pending.Load()) }

// Bind looks up the buyer of a payment: now with identity.mode inline, later with async. It never fails a payment.
func (b *Binder) Bind(ctx context.Context, p Payment) {
	if b.Identity == nil || p.BuyerID == "" {
		return
	}
	switch b.Profile.Resolve.Mode {
	case Inline:
		// As was: the channel's answer waits for an upstream that may take the whole time-out. What hurts: the gate's thread is
		// gone for as long, also when the channel has hung up meanwhile.
		if b.bind(context.WithoutCancel(ctx), p) != nil {
			b.Metrics.Binds.WithLabelValues("failed").Inc()
		}
	case Async:
		b.later(binding{Payment: p}, 0)
	}
}

// later queues a look-up after a pause. What has no room is dropped: it is bound with the buyer's next payment.
func (b *Binder) later(w binding, after time.Duration) {
	if b.pending.Add(1) > bindQueue {
		b.pending.Add(-1)
		b.Metrics.Binds.WithLabelValues("dropped").Inc()
		return
	}
	if after == 0 {
		b.queue <- w // has room: no more than bindQueue are pending
		return
	}
	time.AfterFunc(after, func() { b.queue <- w })
}

// Run looks up what Bind put off, until ctx ends. What still waits then is bound with the buyer's next payment.
func (b *Binder) Run(ctx context.Context) {
	var workers sync.WaitGroup
	for range bindWorkers {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case w := <-b.queue:
					b.pending.Add(-1)
					b.attempt(ctx, w)
				}
			}
		})
	}
	workers.Wait()
}

// attempt looks a buyer up, and puts off once more what fails.
func (b *Binder) attempt(ctx context.Context, w binding) {
	if b.bind(ctx, w.Payment) == nil {
		return
	}
	if w.tries++; w.tries >= bindTries {
		b.Metrics.Binds.WithLabelValues("failed").Inc()
		return
	}
	b.Metrics.Binds.WithLabelValues("put-off").Inc()
	b.later(w, min(pause(w.tries), bindPause))
}

func (b *Binder) bind(ctx context.Context, p Payment) error {
	reading, cancel := context.WithTimeout(ctx, b.Profile.Resolve.Timeout)
	known, err := b.Store.Bound(reading, p.Channel, p.BuyerID)
	cancel()
	if err == nil && known != "" {
		b.Metrics.Binds.WithLabelValues("known").Inc()
		return nil
	}
	// The look-up has its time to itself: identity must not look sick when the database is slow.
	ctx, cancel = context.WithTimeout(ctx, b.Profile.Resolve.Timeout)
	defer cancel()
	began := time.Now()
	unionid, err := b.Identity.UnionID(ctx, p.Channel, p.BuyerID)
	b.observe("identity", "unionid", began, err)
	if err == nil {
		err = b.Store.Bind(ctx, p.Channel, p.BuyerID, unionid)
	}
	if err != nil {
		b.Log.Debug("binding a buyer", "channel", p.Channel, "error", err)
		return err
	}
	b.Metrics.Binds.WithLabelValues("bound").Inc()
	return nil
}
