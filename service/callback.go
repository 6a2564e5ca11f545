package service

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A CallbackResult says what became of a row of pay_queue. Finished rows need no further writing.
type CallbackResult struct {
	Result   string `json:"result"` // one of the Result constants
	Finished bool   `json:"finished"`
}

// Results of a callback.
const (
	ResultDispatched = "dispatched" // a command is on its way
	ResultRefunding  = "refunding"  // the money is on its way back
	ResultDuplicate  = "duplicate"  // handled before
)

// maxRaces bounds how often a callback decides anew since somebody else moved the order between its look and its move.
const maxRaces = 4

// PayCallback handles the payment in a row of pay_queue: dispense, or money back.
func (f *Front) PayCallback(ctx context.Context, queueID int64) (CallbackResult, error) {
	ctx, release, err := f.hold(ctx)
	if err != nil {
		return CallbackResult{}, err
	}
	defer release()
	row, err := f.Store.Row(ctx, queueID)
	if errors.Is(err, ErrNotFound) {
		return CallbackResult{ResultDuplicate, true}, nil // finished long ago: archived
	}
	if err != nil {
		return CallbackResult{}, err
	}
	if f.asksFirst() {
		if err := f.confirm(ctx, row.Payment); err != nil {
			return CallbackResult{}, err
		}
	}
	if row.ConsumeStatus == Consumed {
		return CallbackResult{ResultDuplicate, true}, nil
	}
	if f.Profile.Callback.Lock == LockTable {
		queueID = 0 // the consumer's transaction holds the row's lock and finishes it
	}
	return f.settle(ctx, row.Payment, queueID)
}

// asksFirst is notify.ack after-processing with callback.confirm: the notification is checked with the channel before it is
// looked whether its payment was handled already. One that is sent again costs a round trip too, and nothing comes of it.
func (p *Parts) asksFirst() bool {
	return p.Profile.Callback.Confirm && p.Profile.Notify.Ack == AfterProcessing
}

// settle carries out what a payment asks for. It may run any number of times, anywhere, for the same payment.
func (f *Front) settle(ctx context.Context, p Payment, queueID int64) (CallbackResult, error) {
	for range maxRaces {
		o, err := f.orders().Order(ctx, p.OrderID) // read-your-writes: of the primary, unless reads is replica
		if errors.Is(err, ErrNotFound) {
			return CallbackResult{}, fmt.Errorf("%w: no order %s", ErrNotPayable, p.OrderID)
		}
		if err != nil {
			return CallbackResult{}, err
		}
		var result CallbackResult
		var moved bool
		switch {
		case o.Payable() || f.overlooksRefund(o):
			result, moved, err = f.dispatch(ctx, o, p, queueID)
		case o.State == Closed:
			result, moved, err = f.sendBack(ctx, p, []State{Closed}, BecauseClosed, queueID)
		case o.TransactionID == p.TransactionID && o.Channel == p.Channel:
			return CallbackResult{ResultDuplicate, false}, nil
		default: // the order was paid by another transaction
			r := refundOf(p, BecauseSecond)
			if err := f.Store.RefundExtra(ctx, r, queueID, f.Now()); err != nil {
				return CallbackResult{}, err
			}
			f.Metrics.Refunds.WithLabelValues(r.Reason, "raised").Inc()
			return CallbackResult{ResultRefunding, queueID != 0}, nil
		}
		if err != nil || moved {
			return result, err
		}
	}
	return CallbackResult{}, fmt.Errorf("order %s moved %d times while its payment was handled", p.OrderID, maxRaces)
}

// overlooksRefund is refund.guard none: the refund timer's REFUNDED does not keep the worker, which has the payment
// still before it, from dispensing, however late it is. Goods and money are gone then.
func (f *Front) overlooksRefund(o Order) bool {
	return f.Profile.Refund.Guard == None && (o.State == Refunding || o.State == Refunded)
}

// dispatch writes the command of a paid order and pushes it.
func (f *Front) dispatch(ctx context.Context, o Order, p Payment, queueID int64) (result CallbackResult, moved bool, err error) {
	if f.Profile.Callback.Confirm && !f.asksFirst() {
		// A round trip to the channel between the look at the order and its move: the window in which as-was races.
		if err := f.confirm(ctx, p); err != nil {
			return CallbackResult{}, false, err
		}
	}
	now := f.Now()
	if o.Payable() && p.PaidMS > 0 && now.UnixMilli()-p.PaidMS > f.Profile.Dispense.MaxAge.Milliseconds() {
		return f.sendBack(ctx, p, []State{Created, Paying}, BecauseTooLate, queueID)
	}
	c := Command{ID: CommandID(o.ID), OrderID: o.ID, MachineID: o.MachineID, Slot: o.Slot, Kind: Dispense, State: Queued, QueuedMS: now.UnixMilli()}
	next := now.Add(f.Profile.Refund.After)
	unchecked := f.Profile.Dedupe == None || f.Profile.Refund.Guard == None
	if unchecked {
		if f.Profile.Dedupe == None {
			c.ID = newCommandID() // what hurts: the machine can not tell that it had this order's command before
		}
		if err := f.Store.PayUnchecked(ctx, p, c, next); err != nil {
			return CallbackResult{}, false, err
		}
	} else {
		moved, err := f.Store.Settle(ctx, p, c, next, queueID)
		if err != nil || !moved {
			return CallbackResult{}, false, err
		}
	}
	f.Metrics.Moves.WithLabelValues(string(Paid)).Inc()
	f.Metrics.Moves.WithLabelValues(string(Dispensing)).Inc()
	f.push(ctx, f.waker, c)
	return CallbackResult{ResultDispatched, !unchecked && queueID != 0}, true, nil
}

// confirm asks the channel whether the payment was made.
func (p *Parts) confirm(ctx context.Context, what Payment) error {
	channel, ok := p.Channels[what.Channel]
	if !ok {
		return ErrNoSuchChannel
	}
	began := time.Now()
	state, err := channel.Query(ctx, what.OrderID)
	p.observe(string(what.Channel), "query", began, err)
	switch {
	case errors.Is(err, ErrOrderUnknown):
		return fmt.Errorf("%w: the channel does not know it", ErrNotPayable)
	case err != nil:
		return err
	case state.State == TradeRefunded && p.Profile.Refund.Guard == None:
		return nil // what hurts: that the money is back is not looked at
	case state.State == TradeRefunded && (p.asksFirst() || p.Profile.Notify.Confirm):
		return nil // it was paid; what became of the order is looked at next
	case state.State != TradeSuccess:
		return fmt.Errorf("%w: the channel says %s", ErrNotPayable, state.State)
	case state.Payment.Fen != what.Fen:
		return fmt.Errorf("%w: the channel says %d fen, the notification %d", ErrNotPayable, state.Payment.Fen, what.Fen)
	}
	return nil
}

// sendBack records the payment of an order that gets no goods, and its refund.
func (f *Front) sendBack(ctx context.Context, p Payment, from []State, reason string, queueID int64) (CallbackResult, bool, error) {
	r := refundOf(p, reason)
	moved, err := f.Store.SettleByRefund(ctx, p, from, r, queueID, f.Now())
	if err != nil || !moved {
		return CallbackResult{}, false, err
	}
	f.Metrics.Moves.WithLabelValues(string(Refunding)).Inc()
	f.Metrics.Refunds.WithLabelValues(reason, "raised").Inc()
	return CallbackResult{ResultRefunding, queueID != 0}, true, nil
}
