package chaos

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// evict gives a Redis a memory limit: a neighbour on the same machine, a limit that was set for last year's data. With a
// policy that evicts keys vanish before their time; with noeviction writes are refused.
type evict struct {
	limit  int64 // bytes
	policy string
}

var evictKind = Kind{
	Name:    "evict",
	On:      OnRedis,
	What:    "a memory limit: keys vanish before their time, or writes are refused (noeviction)",
	Params:  map[string]string{"limit": "2MB", "policy": "allkeys-lru"},
	Example: `{at: "11:56", for: 60s, on: redis-cache, inject: evict, limit: 2MB, policy: allkeys-lru}`,
	make: func(p params) (Fault, error) {
		// Redis itself takes about 1 MB; whether the limit bites is measured by filling it up.
		limit, err := p.bytes("limit", "", 1000, 64_000_000)
		if err != nil {
			return nil, err
		}
		policy, err := p.oneOf("policy", "allkeys-lru", "allkeys-lfu", "allkeys-random",
			"volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl", "noeviction")
		if err != nil {
			return nil, err
		}
		return evict{limit: limit, policy: policy}, nil
	},
}

func (f evict) String() string { return "memory limit " + size(f.limit) + " " + f.policy }

func (f evict) Inject(ctx context.Context, t *Target) (_ func(context.Context) error, err error) {
	c := openRedis(t)
	defer func() { err = errors.Join(err, c.Close()) }()
	before := make(map[string]string)
	for _, name := range []string{"maxmemory", "maxmemory-policy"} {
		values, err := c.ConfigGet(ctx, name).Result()
		if err != nil {
			return nil, err
		}
		before[name] = values[name]
	}
	heal := func(ctx context.Context) error {
		c := openRedis(t)
		return errors.Join(unlessGone(configure(ctx, c, before["maxmemory"], before["maxmemory-policy"])), c.Close())
	}
	if err := configure(ctx, c, strconv.FormatInt(f.limit, 10), f.policy); err != nil {
		return nil, errors.Join(err, heal(context.WithoutCancel(ctx)))
	}
	return heal, nil
}

func configure(ctx context.Context, c *redis.Client, limit, policy string) error {
	return errors.Join(c.ConfigSet(ctx, "maxmemory-policy", policy).Err(), c.ConfigSet(ctx, "maxmemory", limit).Err())
}

// Felt writes keys of its own, which go by themselves, past the limit, until one is evicted or refused.
func (f evict) Felt(ctx context.Context, t *Target) (_ Evidence, err error) {
	const keyBytes = 64 << 10
	c := openRedis(t)
	defer func() { err = errors.Join(err, c.Close()) }()
	evicted, err := evictions(ctx, c)
	if err != nil {
		return Evidence{}, err
	}
	value := strings.Repeat("x", keyBytes)
	var written []string
	defer func() {
		if len(written) > 0 {
			err = errors.Join(err, c.Del(context.WithoutCancel(ctx), written...).Err())
		}
	}()
	for n := range int(f.limit/keyBytes) + 2 {
		key := "lunchrush:filling:" + strconv.Itoa(n)
		err := c.Set(ctx, key, value, time.Minute).Err()
		if err != nil && strings.HasPrefix(err.Error(), "OOM") {
			return Evidence{Felt: true, Text: fmt.Sprintf("write %d of %d kB was refused: out of memory", n+1, keyBytes>>10)}, nil
		}
		if err != nil {
			return Evidence{}, err
		}
		written = append(written, key)
		now, err := evictions(ctx, c)
		if err != nil {
			return Evidence{}, err
		}
		if now > evicted {
			return Evidence{Felt: true, Text: fmt.Sprintf("%d keys were evicted by write %d of %d kB", now-evicted, n+1, keyBytes>>10)}, nil
		}
	}
	return Evidence{Text: fmt.Sprintf("%d kB were written and nothing was evicted", len(written)*keyBytes>>10)}, nil
}

// evictions is how many keys have been evicted since the server began.
func evictions(ctx context.Context, c *redis.Client) (int64, error) {
	info, err := c.Info(ctx, "stats").Result()
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(info) {
		if n, ok := strings.CutPrefix(strings.TrimSpace(line), "evicted_keys:"); ok {
			return strconv.ParseInt(n, 10, 64)
		}
	}
	return 0, errors.New("this Redis does not count evictions")
}
