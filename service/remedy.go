package service

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// closeGrace is how long after its window an order is closed: the channel stops by itself at the window's end, and
// a payment made in its last moment is on its way.
const closeGrace = 2 * time.Second

// lookAtUnpaid looks at orders that wait for their payment: it asks the channel whether there is one (remedy), and closes
// those whose window has passed.
func (j *Jobs) lookAtUnpaid(ctx context.Context) error {
	due, err := j.Store.DueOrders(ctx, []State{Created, Paying}, j.Now(), jobLimit)
	return errors.Join(err, each(ctx, due, j.lookAt))
}

func (j *Jobs) lookAt(ctx context.Context, o Order) error {
	now := j.Now()
	age := now.Sub(time.UnixMilli(o.CreatedMS))
	next := now.Add(max(j.Profile.Remedy.Every, age/2))
	closes := time.UnixMilli(o.ExpiresMS).Add(closeGrace)
	expired := !now.Before(closes) || o.State == Created
	if !expired && next.After(closes) {
		next = closes
	}
	if moved, err := j.Store.Postpone(ctx, o, next); err != nil || !moved {
		return err
	}
	if expired {
		return j.close(ctx, o)
	}
	if j.Profile.Remedy.Mode == Off {
		return nil
	}
	for _, name := range o.PayChannels {
		if _, err := j.ask(ctx, o, name); err != nil {
			return err
		}
	}
	return nil
}

// close ends an order at each channel that could take its payment, and then here. An order paid at the last moment is
// found paid by the closing, and handled.
func (j *Jobs) close(ctx context.Context, o Order) error {
	for _, name := range o.PayChannels {
		channel, ok := j.Channels[name]
		if !ok {
			return ErrNoSuchChannel
		}
		began := time.Now()
		err := channel.Close(ctx, o.ID)
		j.observe(string(name), "close", began, err)
		switch {
		case err == nil, errors.Is(err, ErrOrderUnknown):
		case errors.Is(err, ErrAlreadyPaid):
			if j.Profile.Remedy.Mode == Off {
				return nil // as was: it can not be closed, and nobody asks why
			}
			_, err := j.ask(ctx, o, name)
			return err
		default:
			return fmt.Errorf("closing order %s: %w", o.ID, err)
		}
	}
	moved, err := j.Store.CloseOrder(ctx, o.ID, j.Now(), Created, Paying)
	if err == nil && moved {
		j.Metrics.Moves.WithLabelValues(string(Closed)).Inc()
	}
	return err
}

// ask asks a channel about an order, and handles a payment that nobody told of. The state is empty for an order that the channel
// does not know.
func (j *Jobs) ask(ctx context.Context, o Order, name Channel) (TradeState, error) {
	channel, ok := j.Channels[name]
	if !ok {
		return "", ErrNoSuchChannel
	}
	began := time.Now()
	state, err := channel.Query(ctx, o.ID)
	j.observe(string(name), "query", began, err)
	if errors.Is(err, ErrOrderUnknown) {
		return "", nil
	}
	if err != nil || state.State != TradeSuccess {
		return state.State, err
	}
	p := state.Payment
	if p.Fen != o.Fen {
		return state.State, fmt.Errorf("order %s: the channel says %d fen were paid, the order says %d", o.ID, p.Fen, o.Fen)
	}
	_, err = j.Store.Enqueue(ctx, p, true, j.Now(), 0)
	if errors.Is(err, ErrDuplicate) {
		return state.State, nil // told meanwhile
	}
	if err != nil {
		return state.State, err
	}
	j.Metrics.Remedies.WithLabelValues(BecauseUntold, "recovered").Inc()
	return state.State, j.Store.RaiseRemedy(ctx, o.ID, BecauseUntold, true, j.Now())
}

// workRemedies makes void rows good: what the channel says was paid is handled after all.
func (j *Jobs) workRemedies(ctx context.Context) error {
	due, err := j.Store.DueRemedies(ctx, j.Now(), jobLimit)
	return errors.Join(err, each(ctx, due, func(ctx context.Context, r RemedyOrder) error {
		now := j.Now()
		moved, err := j.Store.ClaimRemedy(ctx, &r, now, now.Add(max(j.Profile.Remedy.Every, pause(r.Count+1))))
		if err != nil || !moved {
			return err
		}
		if err := j.remedy(ctx, r); err != nil {
			j.Metrics.Remedies.WithLabelValues(r.Reason, "failed").Inc()
			return err
		}
		j.Metrics.Remedies.WithLabelValues(r.Reason, "done").Inc()
		return j.Store.RemedyDone(ctx, r, j.Now())
	}))
}

func (j *Jobs) remedy(ctx context.Context, r RemedyOrder) error {
	o, err := j.Store.Order(ctx, r.OrderID)
	if err != nil {
		return err
	}
	for _, name := range o.PayChannels {
		channel, ok := j.Channels[name]
		if !ok {
			return ErrNoSuchChannel
		}
		state, err := channel.Query(ctx, o.ID)
		if errors.Is(err, ErrOrderUnknown) {
			continue
		}
		if err != nil {
			return err
		}
		if state.State == TradeSuccess {
			if err := j.settle(ctx, state.Payment); err != nil {
				return err
			}
		}
	}
	return nil
}

// closeFurtherWays closes what was left open when an order that could be paid in several ways was paid in one. A payment made
// there all the same goes back, although its notification never comes.
func (j *Jobs) closeFurtherWays(ctx context.Context) error {
	due, err := j.Store.DueFurtherWays(ctx, j.Now(), jobLimit)
	return errors.Join(err, each(ctx, due, func(ctx context.Context, w FurtherWay) error {
		moved, err := j.Store.ClaimFurtherWay(ctx, w, j.Now().Add(max(j.Profile.Remedy.Every, j.Profile.Remedy.After)))
		if err != nil || !moved {
			return err
		}
		o, err := j.Store.Order(ctx, w.OrderID)
		if err != nil {
			return err
		}
		if o.Payable() {
			return nil // every way is asked about, and closed in the end, with the order
		}
		for _, name := range o.PayChannels {
			if o.State != Closed && name == o.Channel {
				continue
			}
			if err := j.closeWay(ctx, o, name); err != nil {
				return err
			}
		}
		return j.Store.FurtherWayDone(ctx, o.ID)
	}))
}

// closeWay closes one way to pay an order that was paid by another. What was paid there before is handled, and so refunded.
func (j *Jobs) closeWay(ctx context.Context, o Order, name Channel) error {
	channel, ok := j.Channels[name]
	if !ok {
		return ErrNoSuchChannel
	}
	began := time.Now()
	err := channel.Close(ctx, o.ID)
	j.observe(string(name), "close", began, err)
	var no *ChannelError
	switch {
	case err == nil, errors.Is(err, ErrOrderUnknown):
		return nil
	case errors.As(err, &no): // paid, or closed already, or refused for a while
		state, asking := j.ask(ctx, o, name)
		if asking != nil || state != TradeNotPaid {
			return asking
		}
	}
	return fmt.Errorf("closing a further way to pay order %s: %w", o.ID, err)
}
