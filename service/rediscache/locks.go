package rediscache

import (
	"context"
	"errors"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lunchrush/lunchrush/service"
)

// Locks are locks in Redis, as it was: the last of a process that died ends with its time, and one whose holder is slower than
// that is taken by another.
type Locks struct{ client *redis.Client }

var _ service.Locks = (*Locks)(nil)

// Locks are locks on the queue's instance.
func (q *PushQueue) Locks() *Locks { return &Locks{q.client} }

// Lock takes a lock for ttl; taken is false when somebody else has it.
func (l *Locks) Lock(ctx context.Context, key string, ttl time.Duration) (taken bool, err error) {
	err = l.client.SetArgs(ctx, key, "1", redis.SetArgs{Mode: "NX", TTL: ttl}).Err()
	if errors.Is(err, redis.Nil) {
		return false, nil
	}
	return err == nil, err
}

// Unlock gives a lock back.
func (l *Locks) Unlock(ctx context.Context, key string) error { return l.client.Del(ctx, key).Err() }
