package service

import (
	"context"
	"errors"
	"time"
)

// Receipts are the payments that a gate has answered for and not stored yet (notify.ack on-receipt): they are collected in
// memory, and written together, since one commit for many costs less than one for each.
//
// What hurts: between the answer and the commit the payment is in this process alone. The channel was told that it
// arrived and never sends it again; a process that is killed, or that ends without a word, takes it along.
type receipts struct {
	taken chan Payment
}

const (
	receiptsMax   = 1024                   // in memory; more are stored before they are answered
	receiptsBatch = 200                    // written together
	receiptsEvery = 500 * time.Millisecond // at the latest
)

func newReceipts() *receipts { return &receipts{taken: make(chan Payment, receiptsMax)} }

// keep takes a payment into memory, and reports whether there was room.
func (r *receipts) keep(p Payment) bool {
	select {
	case r.taken <- p:
		return true
	default:
		return false
	}
}

// writeReceipts stores what was collected, until ctx ends. A process that ends in order writes the rest; one that ends
// abruptly does not.
func (g *Gate) writeReceipts(ctx context.Context) {
	tick := time.NewTicker(receiptsEvery)
	defer tick.Stop()
	var list []Payment
	for {
		select {
		case p := <-g.receipts.taken:
			if list = append(list, p); len(list) < receiptsBatch {
				continue
			}
		case <-tick.C:
		case <-ctx.Done():
			if g.Profile.Stop.Mode == Abrupt {
				return
			}
			for len(g.receipts.taken) > 0 {
				list = append(list, <-g.receipts.taken)
			}
			g.storeReceipts(ctx, list)
			return
		}
		g.storeReceipts(ctx, list)
		list = nil
	}
}

// storeReceipts does what should have been done before the answer.
func (g *Gate) storeReceipts(ctx context.Context, list []Payment) {
	ctx, cancel := detached(ctx, 10*time.Second)
	defer cancel()
	for _, p := range list {
		if err := g.store(ctx, p); err != nil {
			g.Log.Error("a payment that was answered for is lost", "order", p.OrderID, "error", err)
		}
	}
}

// store makes a payment durable and has it handled.
func (g *Gate) store(ctx context.Context, p Payment) error {
	row, err := g.enqueue(ctx, p, g.Profile.Dedupe == Unique)
	if errors.Is(err, ErrDuplicate) {
		g.Metrics.Notifies.WithLabelValues(string(p.Channel), "duplicate").Inc()
		return nil
	}
	if errors.Is(err, errDropped) {
		g.Metrics.Notifies.WithLabelValues(string(p.Channel), "dropped").Inc()
		return nil
	}
	if err != nil {
		g.Metrics.Notifies.WithLabelValues(string(p.Channel), "not-stored").Inc()
		return err
	}
	g.Metrics.Notifies.WithLabelValues(string(p.Channel), "taken").Inc()
	g.consumer.Offer(row)
	return nil
}
