package service

import (
	"context"
	"errors"
	"time"
)

// ErrUnknownBuyer is what [Front.Buyer] says of someone who never bought, or was not bound yet.
var ErrUnknownBuyer = errors.New("unknown buyer")

// A Prepayer makes payments at the channels for front.
type Prepayer interface {
	Prepay(ctx context.Context, channel Channel, p Prepay) (payURL string, err error)
}

// AskGate has orders' payments made by a gate (front.prepay gate). What hurts, when the gate waits for someone who waits for
// front: one of front's workers is kept until one of the gate's comes free.
func (f *Front) AskGate(g Prepayer) { f.payments = g }

// prepay makes a payment at an order's channel.
func (f *Front) prepay(ctx context.Context, o Order, channel Channel) (string, error) {
	p := Prepay{OrderID: o.ID, RequestID: o.RequestID, Fen: o.Fen, ExpiresMS: o.ExpiresMS}
	if f.payments != nil {
		return f.payments.Prepay(ctx, channel, p)
	}
	return f.Parts.prepay(ctx, channel, p)
}

// Prepay makes a payment for a front.
func (g *Gate) Prepay(ctx context.Context, channel Channel, p Prepay) (string, error) {
	return g.prepay(ctx, channel, p)
}

func (p *Parts) prepay(ctx context.Context, channel Channel, what Prepay) (string, error) {
	c, ok := p.Channels[channel]
	if !ok {
		return "", ErrNoSuchChannel
	}
	began := time.Now()
	url, err := c.Prepay(ctx, what)
	p.observe(string(channel), "prepay", began, err)
	return url, err
}

// Buyer is who a buyer is across channels, for the identity service: it asks front whether it is known already.
// ErrUnknownBuyer.
func (f *Front) Buyer(ctx context.Context, channel Channel, buyerID string) (unionid string, err error) {
	if unionid, err = f.Store.Bound(ctx, channel, buyerID); err == nil && unionid == "" {
		err = ErrUnknownBuyer
	}
	return unionid, err
}
