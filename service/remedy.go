package service

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// closeGrace is how long after its window an order is closed: the channel stops by itself at the window's end, and
// a payment made in its last moment is on its way.
const closeGrace = 2 * time.Second

// lookAtUnpaid looks at orders that wait for their payment: it asks the channel that they were made for whether there is one
// (remedy), and closes those whose window has passed. It goes on until none is due, or those that are due could not be claimed.
func (j *Jobs) lookAtUnpaid(ctx context.Context, channel Channel) error {
	var problem error // of the first batch that had one: one that is sick tells enough for all
	for {
		due, err := j.Store.DueOrders(ctx, channel, []State{Created, Paying}, j.Now(), jobLimit)
		var looked atomic.Bool
		err = errors.Join(err, each(ctx, due, func(ctx context.Context, o Order) error {
			claimed, err := j.lookAt(ctx, o)
			if claimed {
				looked.Store(true)
			}
			return err
		}))
		if problem == nil {
			problem = err
		}
		if len(due) < jobLimit || !looked.Load() || ctx.Err() != nil {
			return problem
		}
	}
}

func (j *Jobs) lookAt(ctx context.Context, o Order) (claimed bool, err error) {
	now := j.Now()
	age := now.Sub(time.UnixMilli(o.CreatedMS))
	next := now.Add(max(j.Profile.Remedy.Every, age/2))
	closes := time.UnixMilli(o.ExpiresMS).Add(closeGrace)
	expired := !now.Before(closes) || o.State == Created
	if !expired && next.After(closes) {
		next = closes
	}
	if claimed, err = j.Store.Postpone(ctx, o, next); err != nil || !claimed {
		return false, err
	}
	if expired {
		return true, j.close(ctx, o)
	}
	if j.Profile.Remedy.Mode == Off {
		return true, nil
	}
	_, err = j.ask(ctx, o, o.Channel) // further ways have rows of their own, and are asked about in their channels' lanes
	return true, err
}

// close ends an order at each channel that could take its payment, and then here. An order paid at the last moment is
// found paid by the closing, and handled.
func (j *Jobs) close(ctx context.Context, o Order) error {
	var problems []error
	paid := false
	for _, name := range o.PayChannels {
		err := j.closeAt(ctx, o, name)
		if errors.Is(err, ErrAlreadyPaid) {
			paid = true
			if err = nil; j.Profile.Remedy.Mode == On { // off, as was: it can not be closed, and nobody asks why
				_, err = j.ask(ctx, o, name)
			}
		}
		problems = append(problems, err)
	}
	if err := errors.Join(problems...); err != nil || paid {
		return err
	}
	moved, err := j.Store.CloseOrder(ctx, o.ID, j.Now(), Created, Paying)
	if err == nil && moved {
		j.Metrics.Moves.WithLabelValues(string(Closed)).Inc()
	}
	return err
}

// closeAt ends an order at one channel.
func (j *Jobs) closeAt(ctx context.Context, o Order, name Channel) error {
	channel, ok := j.Channels[name]
	if !ok {
		return ErrNoSuchChannel
	}
	began := time.Now()
	err := channel.Close(ctx, o.ID)
	j.observe(string(name), "close", began, err)
	if err == nil || errors.Is(err, ErrOrderUnknown) {
		return nil
	}
	return fmt.Errorf("closing order %s: %w", o.ID, err)
}

// query asks a channel what became of an order. A payment of another amount than the order's is an error, as the gate refuses
// the notification of one: no goods go out for it.
func (j *Jobs) query(ctx context.Context, o Order, name Channel) (ChannelState, error) {
	channel, ok := j.Channels[name]
	if !ok {
		return ChannelState{}, ErrNoSuchChannel
	}
	began := time.Now()
	state, err := channel.Query(ctx, o.ID)
	j.observe(string(name), "query", began, err)
	if err == nil && state.State == TradeSuccess && state.Payment.Fen != o.Fen {
		err = fmt.Errorf("order %s: the channel says %d fen were paid, the order says %d", o.ID, state.Payment.Fen, o.Fen)
	}
	return state, err
}

// ask asks a channel about an order, and handles a payment that nobody told of. The state is empty for an order that the channel
// does not know.
func (j *Jobs) ask(ctx context.Context, o Order, name Channel) (TradeState, error) {
	state, err := j.query(ctx, o, name)
	if errors.Is(err, ErrOrderUnknown) {
		return "", nil
	}
	if err != nil || state.State != TradeSuccess {
		return state.State, err
	}
	p := state.Payment
	_, err = j.Store.Enqueue(ctx, p, true, j.Now(), 0)
	if errors.Is(err, ErrDuplicate) {
		return state.State, nil // told meanwhile
	}
	if err != nil {
		return state.State, err
	}
	j.Metrics.Remedies.WithLabelValues(BecauseUntold, "recovered").Inc()
	return state.State, j.Store.RaiseRemedy(ctx, p, BecauseUntold, true, j.Now())
}

// workRemedies makes void rows good: what the channel says was paid is handled after all.
//
// A remedy order stands for a notification whose signature was right. It is done when the payment was settled, or the channel says
// that the money is back. Whatever else the channel says (not paid, closed, never heard of, another amount) contradicts it: it stays
// open, is asked about again after a pause that grows to maxPause, and is said each time, until an operator has found out why.
func (j *Jobs) workRemedies(ctx context.Context, channel Channel) error {
	due, err := j.Store.DueRemedies(ctx, channel, j.Now(), jobLimit)
	return errors.Join(err, each(ctx, due, func(ctx context.Context, r RemedyOrder) error {
		now := j.Now()
		moved, err := j.Store.ClaimRemedy(ctx, &r, now, now.Add(max(j.Profile.Remedy.Every, pause(r.Count+1))))
		if err != nil || !moved {
			return err
		}
		if err := j.remedy(ctx, r); err != nil {
			j.Metrics.Remedies.WithLabelValues(r.Reason, "failed").Inc()
			j.Log.Warn("remedy order stays open", "order", r.OrderID, "channel", r.Channel, "attempt", r.Count, "error", err)
			return err
		}
		j.Metrics.Remedies.WithLabelValues(r.Reason, "done").Inc()
		return j.Store.RemedyDone(ctx, r, j.Now())
	}))
}

// remedy handles what an order was paid by at the remedy order's channel.
func (j *Jobs) remedy(ctx context.Context, r RemedyOrder) error {
	o, err := j.Store.Order(ctx, r.OrderID)
	if err != nil {
		return err
	}
	state, err := j.query(ctx, o, r.Channel)
	switch {
	case err != nil:
		return fmt.Errorf("remedy of order %s: %w", o.ID, err)
	case state.State == TradeRefunded:
		return nil
	case state.State != TradeSuccess:
		return fmt.Errorf("remedy of order %s: its payment was notified, the channel says %s", o.ID, state.State)
	}
	return j.settle(ctx, state.Payment)
}

// closeFurtherWays looks at a channel's ways to pay orders that have several. While an order waits for its payment, the channel is
// asked whether it took it; once it was paid in another way, or closed, this way is closed. A payment made there all the same goes
// back, although its notification never comes.
func (j *Jobs) closeFurtherWays(ctx context.Context, channel Channel) error {
	due, err := j.Store.DueFurtherWays(ctx, channel, j.Now(), jobLimit)
	return errors.Join(err, each(ctx, due, j.lookAtWay))
}

func (j *Jobs) lookAtWay(ctx context.Context, w FurtherWay) error {
	o, err := j.Store.Order(ctx, w.OrderID)
	if err != nil {
		return err
	}
	now, wait := j.Now(), max(j.Profile.Remedy.Every, j.Profile.Remedy.After)
	if o.Payable() {
		wait = max(wait, now.Sub(time.UnixMilli(o.CreatedMS))/2)
	}
	moved, err := j.Store.ClaimFurtherWay(ctx, w, now.Add(wait))
	if err != nil || !moved {
		return err
	}
	switch {
	case o.Payable() && w.Channel != o.Channel:
		_, err = j.ask(ctx, o, w.Channel)
		return err
	case o.Payable():
		return nil // asked about with the order
	case o.State == Closed || w.Channel != o.Channel:
		err = j.closeWay(ctx, o, w.Channel)
	}
	if err != nil {
		return err
	}
	return j.Store.FurtherWayDone(ctx, w)
}

// closeWay closes one way to pay an order that was paid by another. What was paid there before is handled, and so refunded.
func (j *Jobs) closeWay(ctx context.Context, o Order, name Channel) error {
	err := j.closeAt(ctx, o, name)
	var no *ChannelError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &no): // paid, or closed already, or refused for a while
		state, asking := j.ask(ctx, o, name)
		if asking != nil || state != TradeNotPaid {
			return asking
		}
	}
	return fmt.Errorf("a further way to pay: %w", err)
}
