package service

import (
	"context"
	"errors"
	"time"
)

// clockMargin is added to a command's time to live before its machine counts as unable to start it: the answer that
// carried the command left after its time was stamped.
const clockMargin = time.Second

// SettleWithin is how long after a payment the refund of goods that did not fall begins at the latest: a machine may be given its
// command just before the refund timer looks, and is waited for. Without the guard nobody is.
func (p *Profile) SettleWithin() time.Duration {
	within := p.Refund.After + p.Refund.Every
	if p.Refund.Guard == GuardCAS {
		within += max(p.Refund.CancelWait, p.Refund.Every, p.Command.TTL+p.Command.Late+clockMargin)
	}
	return within
}

// refundOverdue is the refund timer: orders that were paid, and have no result in time.
//
// Before money goes back, the goods must be unable to fall. A command that no machine was given is taken back by
// compare-and-set. One that was given is cancelled at the machine: its answer says what happened. A machine that is silent has not
// started it later than the command's time to live after it was stamped as sent, whenever the answer arrived (see [Notifier.Poll]),
// and the goods fall within command.late of the start; then the money goes back. What is reported later still is recorded and
// never paid twice.
//
// The stamp and the time that has passed since are the store's: a process whose clock is ahead, or was behind when it sent, would
// else pay back what can still fall.
func (j *Jobs) refundOverdue(ctx context.Context, channel Channel) error {
	clock, err := j.Store.Clock(ctx)
	if err != nil {
		return err
	}
	read := time.Now()
	due, err := j.Store.DueOrders(ctx, channel, []State{Dispensing, Paid}, clock, jobLimit)
	return errors.Join(err, each(ctx, due, func(ctx context.Context, o Order) error {
		return j.refundIfUndelivered(ctx, o, clock.Add(time.Since(read)))
	}))
}

// refundIfUndelivered looks at an order; clock is what the store's says.
func (j *Jobs) refundIfUndelivered(ctx context.Context, o Order, clock time.Time) error {
	now := j.Now()
	c, err := j.Store.DispenseCommand(ctx, o.ID)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	look := clock.Add(max(j.Profile.Refund.CancelWait, j.Profile.Refund.Every))
	if end := time.UnixMilli(c.SentMS).Add(j.Profile.Command.TTL + j.Profile.Command.Late + clockMargin); c.State == Sent && look.Before(end) {
		look = end
	}
	if moved, err := j.Store.Postpone(ctx, o, look); err != nil || !moved {
		return err // another process looks
	}
	switch c.State {
	case "": // no command: the process died between recording the payment and writing it, as was
		c.OrderID = o.ID
		_, err = j.takeBack(ctx, o, c, CommandSilent, BecauseNoResult, now)
	case Queued:
		moved, err := j.Store.CancelQueued(ctx, c, refundOf(paymentOf(o), BecauseNoResult), now)
		if err == nil && moved {
			j.Metrics.Moves.WithLabelValues(string(Refunding)).Inc()
			j.Metrics.Refunds.WithLabelValues(BecauseNoResult, "raised").Inc()
			j.Metrics.Commands.WithLabelValues(Dispense, "taken-back").Inc()
		}
		return errors.Join(err, j.lookAgain(ctx, o, look, clock, moved || err != nil))
	case Sent:
		cancel := Command{ID: CancelID(o.ID), OrderID: o.ID, MachineID: o.MachineID, Slot: o.Slot, Kind: Cancel, State: Queued, QueuedMS: now.UnixMilli()}
		moved, err := j.Store.CancelSent(ctx, c, cancel, now)
		if err == nil && moved {
			j.push(ctx, j.waker, cancel)
		}
		return errors.Join(err, j.lookAgain(ctx, o, look, clock, moved || err != nil))
	case Cancelling:
		// The machine had refund.cancel_wait to answer.
		_, err = j.takeBack(ctx, o, c, CommandSilent, BecauseNoResult, now)
		if err == nil {
			err = j.Store.EndCommand(ctx, CancelID(o.ID), CommandSilent, now)
		}
	case CommandDispensed:
		_, err = j.Store.Dispensed(ctx, c, now)
	case CommandFailed, CommandExpired, CommandCancelled, CommandSilent, CommandAnswered:
		_, err = j.takeBack(ctx, o, c, c.State, BecauseNoResult, now)
	}
	return err
}

// lookAgain brings the next look forward to the timer's next run, when the command moved between the look at it and the
// move: it was given to its machine, perhaps once more. Else a machine that keeps asking would win each time, and the order
// wait for the time of a cancel that was never written.
func (j *Jobs) lookAgain(ctx context.Context, o Order, look, clock time.Time, done bool) error {
	if done {
		return nil
	}
	o.NextMS = look.UnixMilli()
	_, err := j.Store.Postpone(ctx, o, clock.Add(j.Profile.Refund.Every))
	return err
}

// refundUnchecked is the refund timer as it was (refund.guard none): whatever was paid refund.after ago and shows no
// result gets its money back. It takes no command back, and the worker that comes to the payment later does not look.
func (j *Jobs) refundUnchecked(ctx context.Context, channel Channel) error {
	overdue, err := j.Store.Overdue(ctx, channel, j.Now().Add(-j.Profile.Refund.After), jobLimit)
	return errors.Join(err, each(ctx, overdue, func(ctx context.Context, o Order) error {
		r := refundOf(paymentOf(o), BecauseNoResult)
		if err := j.refund(ctx, r); err != nil {
			return err
		}
		j.Metrics.Moves.WithLabelValues(string(Refunded)).Inc()
		return j.Store.RefundUnchecked(ctx, r, j.Now())
	}))
}

// retryRefunds sends a channel's refunds until it confirms them, always with the same number.
func (j *Jobs) retryRefunds(ctx context.Context, channel Channel) error {
	due, err := j.Store.DueRefunds(ctx, channel, j.Now(), jobLimit)
	return errors.Join(err, each(ctx, due, func(ctx context.Context, r RefundRow) error {
		moved, err := j.Store.ClaimRefund(ctx, &r, j.Now().Add(max(pause(r.Attempts+1), refundTimeout)))
		if err != nil || !moved {
			return err
		}
		if err := j.refund(ctx, r); err != nil {
			return err
		}
		if err := j.Store.RefundConfirmed(ctx, r, j.Now()); err != nil {
			return err // sent again; the channel pays a number back once
		}
		if r.Reason != BecauseSecond {
			j.Metrics.Moves.WithLabelValues(string(Refunded)).Inc()
		}
		return nil
	}))
}

// refundTimeout bounds one call, and is the least time between two.
const refundTimeout = 5 * time.Second

func (j *Jobs) refund(ctx context.Context, r RefundRow) error {
	channel, ok := j.Channels[r.Channel]
	if !ok {
		return ErrNoSuchChannel
	}
	ctx, cancel := context.WithTimeout(ctx, refundTimeout)
	defer cancel()
	began := time.Now()
	err := channel.Refund(ctx, r.Refund)
	j.observe(string(r.Channel), "refund", began, err)
	if err != nil {
		j.Metrics.Refunds.WithLabelValues(r.Reason, "failed").Inc()
		j.Log.Warn("refund is tried again", "refund", r.RefundNo, "attempt", r.Attempts, "error", err)
		return err
	}
	j.Metrics.Refunds.WithLabelValues(r.Reason, "confirmed").Inc()
	return nil
}
