package service

import (
	"context"
	"sync"
	"time"
)

// Binder finds out who a buyer is across channels.
type Binder struct {
	Parts
	queue chan Payment
}

// bindWorkers and bindQueue bound the look-ups: a dead identity service costs no more than these.
const (
	bindWorkers = 4
	bindQueue   = 1024
)

// NewBinder makes a binder; [Binder.Run] runs it.
func NewBinder(p Parts) *Binder { return &Binder{Parts: p, queue: make(chan Payment, bindQueue)} }

// Bind looks up the buyer of a payment: now with identity.mode inline, later with async. It never fails a payment.
func (b *Binder) Bind(ctx context.Context, p Payment) {
	if b.Identity == nil || p.BuyerID == "" {
		return
	}
	switch b.Profile.Resolve.Mode {
	case Inline:
		// As was: the channel's answer waits for an upstream that may take the whole time-out.
		b.bind(ctx, p)
	case Async:
		select {
		case b.queue <- p:
		default:
			b.Metrics.Binds.WithLabelValues("dropped").Inc()
		}
	}
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
				case p := <-b.queue:
					b.bind(ctx, p)
				}
			}
		})
	}
	workers.Wait()
}

func (b *Binder) bind(ctx context.Context, p Payment) {
	ctx, cancel := context.WithTimeout(ctx, b.Profile.Resolve.Timeout)
	defer cancel()
	if known, err := b.Store.Bound(ctx, p.Channel, p.BuyerID); err == nil && known != "" {
		b.Metrics.Binds.WithLabelValues("known").Inc()
		return
	}
	began := time.Now()
	unionid, err := b.Identity.UnionID(ctx, p.Channel, p.BuyerID)
	b.observe("identity", "unionid", began, err)
	if err == nil {
		err = b.Store.Bind(ctx, p.Channel, p.BuyerID, unionid)
	}
	if err != nil {
		b.Metrics.Binds.WithLabelValues("failed").Inc()
		b.Log.Debug("binding a buyer", "channel", p.Channel, "error", err)
		return
	}
	b.Metrics.Binds.WithLabelValues("bound").Inc()
}
