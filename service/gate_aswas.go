package service

import (
	"context"
	"errors"
)

// AnswersLate reports whether a notification is answered when its order was handled (notify.ack after-processing).
func (g *Gate) AnswersLate() bool { return g.Profile.Notify.Ack == AfterProcessing }

// handle is the gate as it was (notify.ack after-processing): the answer comes when the order was handled.
//
// What hurts: the channel waits 5 s for the answer and then sends again, on its ladder. A notification that was sent again
// is handled again, and costs a worker as much as the first: front asks the channel before it looks what is left to do.
// Once answers are later than 5 s each payment costs two, three, four turns of a worker instead of one, the workers are
// busy with payments that were handled long ago, and answers stay late after what had slowed them is gone.
func (g *Gate) handle(ctx context.Context, p Payment, unique bool) error {
	ctx, cancel := detached(ctx, g.Profile.Callback.Lease)
	defer cancel()
	outcome := "taken"
	row, err := g.Store.Enqueue(ctx, p, unique, g.Now(), g.Profile.Callback.Lease)
	if errors.Is(err, ErrDuplicate) {
		outcome = "again"
		row, err = g.Store.RowOf(ctx, p)
		if errors.Is(err, ErrNotFound) {
			err = nil // finished long ago: archived
		}
	}
	if err != nil {
		outcome = "not-stored"
	}
	g.Metrics.Notifies.WithLabelValues(string(p.Channel), outcome).Inc()
	if err != nil {
		return err
	}
	return g.consumer.Attempt(ctx, row)
}
