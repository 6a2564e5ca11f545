package service

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// Gate takes payment notifications: it makes sure that they are genuine and ours, stores them, answers, and has them
// handled afterwards.
type Gate struct {
	Parts
	front    CallbackTaker
	consumer *Consumer
	binder   *Binder
	receipts *receipts // of notify.ack on-receipt
	refused  chan Refused
}

// NewGate makes a gate. Its consumer is run by [Gate.Run].
func NewGate(p Parts, front CallbackTaker) *Gate {
	return &Gate{Parts: p, front: front, consumer: NewConsumer(p, front), binder: NewBinder(p), receipts: newReceipts(), refused: make(chan Refused, 1024)}
}

// Run consumes pay_queue, binds buyers, and writes refusals down, until ctx ends; what was begun is finished.
func (g *Gate) Run(ctx context.Context) {
	done := make(chan struct{}, 3)
	go func() { g.binder.Run(ctx); done <- struct{}{} }()
	go func() { g.writeRefusals(ctx); done <- struct{}{} }()
	go func() { g.writeReceipts(ctx); done <- struct{}{} }()
	g.consumer.Run(ctx)
	<-done
	<-done
	<-done
}

// Busy is how many rows are handled now.
func (g *Gate) Busy() int { return g.consumer.Busy() }

// Binding is how many buyers wait to be looked up.
func (g *Gate) Binding() int { return g.binder.Pending() }

// Take stores a payment that a channel notified of. nil means that the channel may be answered with success: it is
// durable. A *Refusal says what to answer instead; any other error, that it can not be stored now.
func (g *Gate) Take(ctx context.Context, p Payment) error {
	ctx, release, err := g.hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	o, err := g.Store.Order(ctx, p.OrderID)
	if errors.Is(err, ErrNotFound) {
		// Not 200: the notification may have overtaken the order, and comes again.
		return &Refusal{Reason: ReasonUnknown, Status: http.StatusNotFound, Detail: p.OrderID}
	}
	if err != nil {
		return err
	}
	if o.Fen != p.Fen {
		return &Refusal{Reason: ReasonAmount, Status: http.StatusUnprocessableEntity, Detail: p.OrderID}
	}
	g.binder.Bind(ctx, p)

	if g.Profile.Notify.Confirm {
		// What hurts, when the channel is slow: this worker waits for it, and is no one else's meanwhile.
		if err := g.confirm(ctx, p); err != nil {
			return err
		}
	}
	unique := g.Profile.Dedupe == Unique
	if !unique && o.TransactionID == p.TransactionID && o.Channel == p.Channel {
		// As was (dedupe none): check, then act. Two at the same moment both find the order unpaid, and both are stored.
		g.Metrics.Notifies.WithLabelValues(string(p.Channel), "duplicate").Inc()
		return nil
	}
	if g.AnswersLate() {
		return g.handle(ctx, p, unique)
	}
	if g.Profile.Notify.Ack == OnReceipt && g.receipts.keep(p) {
		return nil // what hurts: answered before it is stored
	}
	return g.store(ctx, p)
}

// Refuse notes a notification that was not taken. It never waits: a flood of forged ones must not cost the database
// more than it can give; what can not be noted is counted.
func (g *Gate) Refuse(channel Channel, orderID string, r *Refusal) {
	g.Metrics.Notifies.WithLabelValues(string(channel), r.Reason).Inc()
	select {
	case g.refused <- Refused{Channel: channel, Reason: r.Reason, OrderID: orderID, Detail: r.Detail, At: g.Now()}:
	default:
		g.Metrics.Recorded.Inc()
	}
}

// writeRefusals stores refusals in small batches.
func (g *Gate) writeRefusals(ctx context.Context) {
	const batch = 100
	for {
		var list []Refused
		select {
		case <-ctx.Done():
		case r := <-g.refused:
			list = append(list, r)
		}
	gather:
		for len(list) < batch {
			select {
			case r := <-g.refused:
				list = append(list, r)
			default:
				break gather
			}
		}
		if len(list) > 0 {
			c, cancel := detached(ctx, 5*time.Second)
			if err := g.Store.Refuse(c, list); err != nil {
				g.Metrics.Recorded.Add(float64(len(list)))
				g.Log.Warn("recording refused notifications", "error", err, "lost", len(list))
			}
			cancel()
		}
		if ctx.Err() != nil && len(g.refused) == 0 {
			return
		}
	}
}
