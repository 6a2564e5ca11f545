package service

import (
	"context"
	"errors"
	"time"
)

// errDropped is a notification that is answered with success although it is not stored.
var errDropped = errors.New("dropped")

// enqueue stores a payment in pay_queue. ErrDuplicate when it is there; as was, errDropped.
//
// Hardened it is one INSERT, and one lock: the unique key of the payment says whether somebody else has stored it, and the
// database itself says whether it is stored. An error is answered as one, and the channel sends again.
func (g *Gate) enqueue(ctx context.Context, p Payment, unique bool) (QueueRow, error) {
	if g.Profile.Enqueue.Lock == RedisDrop {
		release, ok := g.lockEnqueue(ctx, p)
		if !ok {
			return QueueRow{}, errDropped
		}
		defer release()
	}
	row, err := g.insert(ctx, p, unique)
	if errors.Is(err, ErrRolledBack) && g.Profile.DB.Retry == None {
		// As was (db.retry none): what hurts is that the handler logs the deadlock and goes on to its answer. The transaction was
		// rolled back whole, the payment stands nowhere, and the channel, which hears success, never sends it again.
		g.Log.Error("notification given up", "order", p.OrderID, "transaction", p.TransactionID, "error", err)
		return QueueRow{}, errDropped
	}
	return row, err
}

func (g *Gate) insert(ctx context.Context, p Payment, unique bool) (QueueRow, error) {
	now := g.Now()
	if g.Profile.Lock.Order == Arrival {
		return g.Store.EnqueueArriving(ctx, p, unique, now, now.Add(g.Profile.Remedy.After))
	}
	return g.Store.Enqueue(ctx, p, unique, now, 0)
}

// enqueueLockTTL is how long the lock of a process that died is kept.
const enqueueLockTTL = 10 * time.Second

// lockEnqueue is how two gates kept a payment from being stored twice as it was (enqueue.lock redis-drop): a lock in Redis.
//
// What hurts: taking the lock can fail because somebody else has it, and because Redis does not answer, and both are taken
// for the first: "it is being stored". With Redis down nobody has any lock, every notification is dropped, and each channel
// is answered with success. The orders are paid and unknown here until somebody asks the channel about them.
func (g *Gate) lockEnqueue(ctx context.Context, p Payment) (release func(), ok bool) {
	key := "lr:lock:enqueue:" + string(p.Channel) + ":" + p.TransactionID
	taken, err := g.Locks.Lock(ctx, key, enqueueLockTTL)
	if err != nil || !taken {
		g.Log.Warn("enqueue lock not taken, the notification is dropped", "order", p.OrderID, "error", err)
		return nil, false
	}
	return func() {
		ctx, cancel := detached(ctx, time.Second)
		defer cancel()
		if err := g.Locks.Unlock(ctx, key); err != nil {
			g.Log.Debug("enqueue lock not given back", "key", key, "error", err)
		}
	}, true
}
