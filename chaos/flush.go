package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
)

// flush empties a Redis: FLUSHALL in the wrong window, a replica that came up empty and was promoted. Nothing is healed;
// what was in it is gone and comes back as the service puts it there, all of it at once from the database.
type flush struct {
	mu      sync.Mutex // guards what follows
	flushed bool
	before  int64 // keys
}

var flushKind = Kind{
	Name:    "flush",
	On:      OnRedis,
	What:    "everything in it is gone at once: FLUSHALL in the wrong window, an empty replica promoted",
	Params:  map[string]string{},
	Example: `{at: "11:56", for: 1s, on: redis-cache, inject: flush}`,
	make:    func(params) (Fault, error) { return &flush{}, nil },
}

// flushMarker is a key that only the fault writes.
const flushMarker = "lunchrush:before-the-flush"

func (*flush) String() string { return "flush" }

func (f *flush) Inject(ctx context.Context, t *Target) (_ func(context.Context) error, err error) {
	c := openRedis(t)
	defer func() { err = errors.Join(err, c.Close()) }()
	keys, err := c.DBSize(ctx).Result()
	if err != nil {
		return nil, err
	}
	if err := c.Set(ctx, flushMarker, "1", 0).Err(); err != nil {
		return nil, err
	}
	if err := c.FlushAll(ctx).Err(); err != nil {
		return nil, err
	}
	f.set(true, keys)
	return func(context.Context) error { //nolint:unparam // a heal has this shape
		f.set(false, 0)
		return nil
	}, nil
}

func (f *flush) set(flushed bool, before int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.flushed, f.before = flushed, before
}

// Felt looks for the key that was written just before.
func (f *flush) Felt(ctx context.Context, t *Target) (_ Evidence, err error) {
	f.mu.Lock()
	flushed, before := f.flushed, f.before
	f.mu.Unlock()
	if !flushed {
		return Evidence{Text: "nothing flushed it"}, nil
	}
	c := openRedis(t)
	defer func() { err = errors.Join(err, c.Close()) }()
	kept, err := c.Exists(ctx, flushMarker).Result()
	if err != nil {
		return Evidence{}, err
	}
	keys, err := c.DBSize(ctx).Result()
	if err != nil {
		return Evidence{}, err
	}
	if kept > 0 {
		return Evidence{Text: fmt.Sprintf("a key from before is still there, with %d others", keys-1)}, nil
	}
	return Evidence{Felt: true, Text: fmt.Sprintf("%d keys before, %d now, and a key written just before is gone", before, keys)}, nil
}
