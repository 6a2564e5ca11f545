package service

import (
	"context"
	"errors"
	"time"
)

// identityCalls is how many look-ups of one process may be on their way at once: a fifth of a gate's threads or less.
const identityCalls = 6

// placeWait is how long a call waits for its place at a [Bulkhead].
const placeWait = 100 * time.Millisecond

// GuardIdentity puts before the look-up what keeps its sickness from the service: identity.pool and identity.breaker.
func GuardIdentity(id Identity, s IdentitySwitches) Identity {
	g := &guardedIdentity{identity: id}
	if s.Pool == Bounded {
		g.bulkhead = NewBulkhead(identityCalls, placeWait)
	}
	if s.Breaker == On {
		g.breaker = NewBreaker()
	}
	// As was (none, off): whoever asks waits for the whole time-out, as many as there are threads. What hurts: a look-up that is
	// only nice to have takes the threads of payments.
	return g
}

type guardedIdentity struct {
	identity Identity
	bulkhead *Bulkhead
	breaker  *Breaker
}

// UnionID asks, unless it is known to be in vain: ErrBreakerOpen, ErrUpstreamBusy.
func (g *guardedIdentity) UnionID(ctx context.Context, channel Channel, openid string) (unionid string, err error) {
	err = g.breaker.Do(func() error {
		return g.bulkhead.Do(ctx, func() (err error) {
			unionid, err = g.identity.UnionID(ctx, channel, openid)
			return err
		})
	}, verdictOf)
	return unionid, err
}

// verdictOf is what the end of a call says of an upstream.
func verdictOf(err error) CallVerdict {
	var no *ChannelError
	switch {
	case err == nil, errors.As(err, &no): // a definite no is an answer
		return Well
	case errors.Is(err, ErrUpstreamBusy), errors.Is(err, context.Canceled):
		return Silent
	default:
		return Sick
	}
}

// GuardOrders bounds the payments that front makes at one channel at once (acquirer.pool): half of its threads. A channel that
// times out then has no more of them than that, and whoever pays by another is served. Each channel has its own bound.
func GuardOrders(channels map[Channel]PayChannel, s *Profile) map[Channel]PayChannel {
	if s.Acquirer.Pool != Bounded {
		// As was (none): each call waits on a thread of front. What hurts: the sick channel's orders are soon on all of them.
		return channels
	}
	guarded := make(map[Channel]PayChannel, len(channels))
	for name, c := range channels {
		guarded[name] = &guardedChannel{PayChannel: c, orders: NewBulkhead(s.Front.Workers/2, placeWait)}
	}
	return guarded
}

type guardedChannel struct {
	PayChannel
	orders *Bulkhead
}

// Prepay makes an order payable, unless too many wait for this channel already: ErrUpstreamBusy.
func (g *guardedChannel) Prepay(ctx context.Context, p Prepay) (url string, err error) {
	err = g.orders.Do(ctx, func() (err error) {
		url, err = g.PayChannel.Prepay(ctx, p)
		return err
	})
	return url, err
}
