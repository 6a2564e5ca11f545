package service

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"time"
)

// Parts are what the roles are made of. All fields are required, save Identity.
type Parts struct {
	Profile  Profile
	Store    Store
	Cache    Cache
	Pushes   PushQueue
	Locks    Locks       // as was, with enqueue.lock redis-drop
	Reader   OrderReader // of the replica; nil: the store itself
	Channels map[Channel]PayChannel
	Identity Identity // nil: nobody is looked up
	Metrics  *Metrics
	Log      *slog.Logger
	Now      func() time.Time // UTC
}

// A Cache keeps short texts for a while. An error of the cache never fails a request.
type Cache interface {
	Get(ctx context.Context, key string) (value string, found bool, err error)
	Put(ctx context.Context, key, value string, ttl time.Duration) error
	Drop(ctx context.Context, keys ...string) error
	Ping(ctx context.Context) error
}

// A PushQueue carries commands to the notifier that holds a machine's poll. It may lose them: the database knows better,
// and a job pushes again what was not fetched.
type PushQueue interface {
	// Push appends c to its machine's list and wakes the notifiers.
	Push(ctx context.Context, c Command) error
	// Pop takes the oldest. found is false when the list is empty.
	Pop(ctx context.Context, machineID string) (c Command, found bool, err error)
	// Listen calls wake for each machine that something was pushed for, until ctx ends.
	Listen(ctx context.Context, wake func(machineID string)) error
	Ping(ctx context.Context) error
}

// An OrderReader reads orders: the store does, and so does a replica, which may be behind it.
type OrderReader interface {
	// Order: ErrNotFound.
	Order(ctx context.Context, orderID string) (Order, error)
}

// orders is where an order is read that somebody asks about.
//
// As was (reads replica): one connection for writes and one for reads, and the library picks by the verb. What hurts: the
// replica is behind, so that what was just written, by the same request or the one before, is not there yet. A payment's
// callback comes seconds after its order; it finds none, or one in a state that it left long ago, and fails although
// everything is in order on the primary. Only a later attempt, ladder step by ladder step, can succeed.
func (p *Parts) orders() OrderReader {
	if p.Profile.Reads == Replica && p.Reader != nil {
		return p.Reader
	}
	return p.Store
}

// hold is db.hold: with request, a connection for all that is done with the context that it returns, until release. Hardened
// it does nothing: each statement takes a connection and gives it back, and none is held while a channel is waited for.
func (p *Parts) hold(ctx context.Context) (_ context.Context, release func(), err error) {
	if p.Profile.DB.Hold == PerRequest {
		return p.Store.Hold(ctx)
	}
	return ctx, func() {}, nil
}

// Locks are locks that processes share.
type Locks interface {
	// Lock takes a lock for ttl; taken is false when somebody else has it.
	Lock(ctx context.Context, key string, ttl time.Duration) (taken bool, err error)
	Unlock(ctx context.Context, key string) error
}

// A Shop tells slots' prices. ErrUnknownMachine, ErrUnknownSlot.
type Shop interface {
	Price(ctx context.Context, machineID string, slot int) (fen int64, err error)
}

// A CallbackTaker handles one row of pay_queue: front's /internal/paycallback. After any error the row waits for its next step on
// the ladder; ErrNotPayable is counted by itself.
type CallbackTaker interface {
	PayCallback(ctx context.Context, queueID int64) (CallbackResult, error)
}

// A Waker wakes the notifiers without Redis: notifier's /internal/push.
type Waker interface {
	Wake(ctx context.Context, machineID, commandID string) error
}

// Errors that the roles answer with.
var (
	ErrUnknownMachine = errors.New("unknown machine")
	ErrUnknownSlot    = errors.New("unknown slot")
	ErrUnknownOrder   = errors.New("unknown order")
	ErrUnknownCommand = errors.New("unknown command")
	ErrNotPayable     = errors.New("order not payable")
	ErrOverloaded     = errors.New("overloaded")
	ErrChannelFailed  = errors.New("payment channel failed")
	ErrNoSuchChannel  = errors.New("no such payment channel")
	ErrNoSuchOutcome  = errors.New("no such outcome")
)

// maxPause bounds the wait between two tries of something that must succeed in the end.
const maxPause = time.Minute

// pause is the wait before the try after n: 1 s, 2 s, 4 s, ... a minute.
func pause(n int) time.Duration {
	return min(maxPause, time.Duration(math.Pow(2, float64(min(max(n-1, 0), 16))))*time.Second)
}

// detached is ctx without its end: what was begun is finished, within limit.
func detached(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}

// refundOf is the refund of a whole payment.
func refundOf(p Payment, reason string) RefundRow {
	return RefundRow{
		Refund: Refund{
			RefundNo: RefundNo(p.Channel, p.TransactionID), OrderID: p.OrderID, TransactionID: p.TransactionID, Fen: p.Fen, TotalFen: p.Fen,
		},
		Channel: p.Channel, State: RefundPending, Reason: reason,
	}
}

// paymentOf is the payment that an order was paid by.
func paymentOf(o Order) Payment {
	return Payment{Channel: o.Channel, OrderID: o.ID, TransactionID: o.TransactionID, BuyerID: o.BuyerID, Fen: o.PaidFen, PaidMS: o.PaidMS}
}
