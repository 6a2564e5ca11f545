package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Front takes orders from buyers and handles what the gates hand over.
type Front struct {
	Parts
	shop  Shop
	waker Waker // nil: only the push queue wakes notifiers

	payments Prepayer // nil: front makes payments at the channels itself
}

// NewFront makes a front. Waker may be nil.
func NewFront(p Parts, shop Shop, waker Waker) *Front {
	return &Front{Parts: p, shop: shop, waker: waker}
}

// An OrderRequest is what a buyer asks for.
type OrderRequest struct {
	RequestID string  `json:"request_id"`
	MachineID string  `json:"machine_id"`
	Slot      int     `json:"slot"`
	Channel   Channel `json:"channel"`
	BuyerID   string  `json:"buyer_id"`
}

// Price is what a slot's label says, as an order would be charged. ErrUnknownMachine, ErrUnknownSlot.
func (f *Front) Price(ctx context.Context, machineID string, slot int) (int64, error) {
	return f.shop.Price(ctx, machineID, slot)
}

// createdGrace is when a job looks at an order that the channel has not answered for: its process may have died.
const createdGrace = 30 * time.Second

// CreateOrder makes an order and a way to pay it. fresh is false when the request had made one before; then that is
// returned. ErrNoSuchChannel, ErrUnknownMachine, ErrUnknownSlot, ErrSoldOut, ErrPriceMoved, ErrChannelFailed.
func (f *Front) CreateOrder(ctx context.Context, r OrderRequest) (o Order, fresh bool, err error) {
	if _, ok := f.Channels[r.Channel]; !ok {
		return Order{}, false, ErrNoSuchChannel
	}
	ctx, release, err := f.hold(ctx)
	if err != nil {
		return Order{}, false, err
	}
	defer release()
	fen, err := f.shop.Price(ctx, r.MachineID, r.Slot)
	if err != nil {
		return Order{}, false, err
	}
	now := f.Now()
	o = Order{
		ID: NewOrderID(now), RequestID: r.RequestID, MachineID: r.MachineID, Slot: r.Slot, Channel: r.Channel, BuyerID: r.BuyerID, Fen: fen,
		State: Created, PayChannels: []Channel{r.Channel}, CreatedMS: now.UnixMilli(),
		ExpiresMS: now.Add(f.Profile.Pay.Window).UnixMilli(), NextMS: now.Add(createdGrace).UnixMilli(),
	}
	switch err := f.place(ctx, &o); {
	case errors.Is(err, ErrSoldOut), errors.Is(err, ErrDuplicate):
		// Sold out may mean that this request's first try took the last piece, and its answer was lost.
		before, reading := f.Store.OrderByRequest(ctx, r.RequestID)
		if errors.Is(reading, ErrNotFound) {
			return Order{}, false, err
		}
		if o = before; reading != nil || o.State != Created {
			return o, false, reading
		}
		// The first try has not come through yet, or died: make its order payable. The channel takes that twice.
		o, err = f.makePayable(ctx, o, false)
		return o, false, err
	case err != nil:
		return Order{}, false, err
	}
	f.Metrics.Moves.WithLabelValues(string(Created)).Inc()
	o, err = f.makePayable(ctx, o, true)
	return o, true, err
}

// place writes the order at its slot's price. What the shop has told may be a cache's that could not be reached when the price changed:
// then the slot itself is asked.
func (f *Front) place(ctx context.Context, o *Order) error {
	if f.Profile.Cache.Mode == Naive {
		// As was. What hurts: the cache's price is charged, however old it is.
		return f.Store.CreateOrder(ctx, *o, false)
	}
	err := f.Store.CreateOrder(ctx, *o, true)
	for i := 0; i < 2 && errors.Is(err, ErrPriceMoved); i++ {
		var now Slot
		if now, err = f.Store.Slot(ctx, o.MachineID, o.Slot); err != nil {
			return err
		}
		o.Fen = now.PriceFen
		err = f.Store.CreateOrder(ctx, *o, true)
	}
	return err
}

// makePayable asks the channel for a way to pay a CREATED order; first says that nobody has asked for this one before.
func (f *Front) makePayable(ctx context.Context, o Order, first bool) (Order, error) {
	url, err := f.prepay(ctx, o, o.Channel)
	if err != nil {
		var definite *ChannelError
		if first && (errors.As(err, &definite) && !errors.Is(err, ErrAlreadyPaid) || errors.Is(err, ErrUpstreamBusy)) {
			// Nothing can be paid: give the stock back at once, unless another try has made it payable meanwhile. After an indeterminate
			// answer, or where an earlier try may have been heard, a job asks later and closes the order at the channel too.
			ctx, cancel := detached(ctx, 5*time.Second)
			defer cancel()
			if moved, closing := f.Store.CloseOrder(ctx, o.ID, f.Now(), Created); closing != nil {
				f.Log.Warn("closing an order that its channel refused", "order", o.ID, "error", closing)
			} else if moved {
				f.Metrics.Moves.WithLabelValues(string(Closed)).Inc()
			}
		}
		return o, fmt.Errorf("%w: %w", ErrChannelFailed, err)
	}
	o.PayURL = url
	o.NextMS = o.ExpiresMS
	if f.Profile.Remedy.Mode == On {
		o.NextMS = min(o.NextMS, o.CreatedMS+f.Profile.Remedy.After.Milliseconds())
	}
	moved, err := f.Store.MakePayable(ctx, o)
	if err != nil {
		return o, err
	}
	if moved {
		o.State = Paying
		f.Metrics.Moves.WithLabelValues(string(Paying)).Inc()
		return o, nil
	}
	// The notification overtook the channel's answer, or the same request came twice.
	return f.Store.Order(ctx, o.ID)
}

// observe measures a call to an upstream.
func (p *Parts) observe(upstream, operation string, began time.Time, err error) {
	outcome := "ok"
	if err != nil {
		outcome = "failed"
	}
	p.Metrics.Calls.WithLabelValues(upstream, operation, outcome).Observe(time.Since(began).Seconds())
}

// Pay makes a further way to pay an order. ErrUnknownOrder, ErrNotPayable, ErrNoSuchChannel, ErrChannelFailed.
func (f *Front) Pay(ctx context.Context, orderID string, channel Channel) (Order, error) {
	if _, ok := f.Channels[channel]; !ok {
		return Order{}, ErrNoSuchChannel
	}
	o, err := f.Order(ctx, orderID)
	if err != nil {
		return o, err
	}
	if o.State != Paying || o.ExpiresMS <= f.Now().UnixMilli() {
		return o, ErrNotPayable
	}
	if !slices.Contains(o.PayChannels, channel) {
		// Written first: what may be paid at a channel must be closed there in the end.
		moved, err := f.Store.AddChannel(ctx, o.ID, append(slices.Clone(o.PayChannels), channel), f.Now().Add(f.Profile.Remedy.After))
		if err != nil {
			return o, err
		}
		if !moved {
			// The same request twice at once wrote the same; or the order is not to be paid any more.
			if o, err = f.Order(ctx, orderID); err != nil {
				return o, err
			}
			if o.State != Paying || !slices.Contains(o.PayChannels, channel) {
				return o, ErrNotPayable
			}
		}
	}
	url, err := f.prepay(ctx, o, channel)
	if err != nil {
		return o, fmt.Errorf("%w: %w", ErrChannelFailed, err)
	}
	o.PayURL = url
	return o, nil
}

// Order reads an order. ErrUnknownOrder.
func (f *Front) Order(ctx context.Context, orderID string) (Order, error) {
	o, err := f.orders().Order(ctx, orderID)
	if errors.Is(err, ErrNotFound) {
		return o, ErrUnknownOrder
	}
	return o, err
}

// push sends a command on its way. When that fails the command stays QUEUED, and a job pushes it again.
func (p *Parts) push(ctx context.Context, waker Waker, c Command) {
	pushing, cancel := detached(ctx, time.Second)
	err := p.Pushes.Push(pushing, c)
	cancel()
	if err == nil {
		p.Metrics.Commands.WithLabelValues(c.Kind, "pushed").Inc()
		return
	}
	p.Metrics.Commands.WithLabelValues(c.Kind, "push-failed").Inc()
	if waker != nil {
		waking, cancel := detached(ctx, time.Second) // a Redis that hangs has used up the time for the push
		defer cancel()
		if err := waker.Wake(waking, c.MachineID, c.ID); err == nil {
			return // the notifier looks into the database
		}
	}
	p.Log.Warn("command not pushed, a job will", "command", c.ID, "error", err)
}
