package service

import (
	"context"
	"math/rand/v2"
	"strconv"
)

// Values that the cache holds instead of a price.
const (
	noMachine = "no-machine"
	noSlot    = "no-slot"
)

func priceKey(machineID string, slot int) string {
	return "lr:price:" + machineID + ":" + strconv.Itoa(slot)
}

// priceAside is the cache as it was (cache.mode aside and naive): a key for each slot, and whoever misses asks the database.
//
// What hurts: all who miss the same key at the same moment ask, when it just expired or was never asked for; and a slot
// that does not exist has no key that anyone could hit, so each look at one asks twice.
func (c *Catalog) priceAside(ctx context.Context, machineID string, slot int) (int64, error) {
	key := priceKey(machineID, slot)
	text, found, err := c.Cache.Get(ctx, key)
	switch {
	case err == nil && found:
		c.Metrics.Cache.WithLabelValues("hit").Inc()
		return priceOf(text, nil)
	case err != nil:
		c.Metrics.Cache.WithLabelValues("failed").Inc() // the database answers instead
	default:
		c.Metrics.Cache.WithLabelValues("miss").Inc()
	}
	if text, err = c.load(ctx, machineID, slot); err != nil {
		return 0, err
	}
	ttl := c.Profile.Cache.TTL
	if j := c.Profile.Cache.TTLJitter; j > 0 && c.Profile.Cache.Mode != Naive {
		ttl += rand.N(j)
	} // naive: keys that were filled together expire together
	if text == noMachine || text == noSlot {
		if ttl = c.Profile.Cache.NegativeTTL; c.Profile.Cache.Mode == Naive {
			ttl = 0 // nothing is remembered of what does not exist
		}
	}
	if ttl > 0 {
		if err := c.Cache.Put(ctx, key, text, ttl); err != nil {
			c.Metrics.Cache.WithLabelValues("not-written").Inc()
		}
	}
	return priceOf(text, nil)
}
