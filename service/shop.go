package service

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"golang.org/x/sync/singleflight"
)

// Catalog is the shop role: slots' prices, from the cache when it can. Stock is never cached: the database's own
// decrement decides about the last piece.
type Catalog struct {
	Parts
	flight singleflight.Group
}

// NewCatalog makes a catalogue.
func NewCatalog(p Parts) *Catalog { return &Catalog{Parts: p} }

// Values that the cache holds instead of a price.
const (
	noMachine = "no-machine"
	noSlot    = "no-slot"
)

func priceKey(machineID string, slot int) string {
	return "lr:price:" + machineID + ":" + strconv.Itoa(slot)
}

// Price is a slot's price in fen. ErrUnknownMachine, ErrUnknownSlot.
func (c *Catalog) Price(ctx context.Context, machineID string, slot int) (int64, error) {
	if c.Profile.Cache.Mode == Off {
		text, err := c.load(ctx, machineID, slot)
		return priceOf(text, err)
	}
	key := priceKey(machineID, slot)
	text, found, err := c.Cache.Get(ctx, key)
	if err == nil && found {
		c.Metrics.Cache.WithLabelValues("hit").Inc()
		return priceOf(text, nil)
	}
	if err != nil {
		c.Metrics.Cache.WithLabelValues("failed").Inc() // the database answers instead
	} else {
		c.Metrics.Cache.WithLabelValues("miss").Inc()
	}
	if c.Profile.Cache.Mode == Aside {
		// As was: everyone who misses asks the database, all at the same moment for a key that just expired.
		return priceOf(c.fill(ctx, key, machineID, slot))
	}
	v, err, _ := c.flight.Do(key, func() (any, error) {
		ctx, cancel := detached(ctx, 5*time.Second) // others wait for it: one buyer's leaving must not fail them
		defer cancel()
		return c.fill(ctx, key, machineID, slot)
	})
	if err != nil {
		return 0, err
	}
	return priceOf(v.(string), nil) //nolint:forcetypeassert // fill returns a string
}

func (c *Catalog) fill(ctx context.Context, key, machineID string, slot int) (string, error) {
	text, err := c.load(ctx, machineID, slot)
	if err != nil {
		return "", err
	}
	ttl := c.Profile.Cache.TTL
	if j := c.Profile.Cache.TTLJitter; j > 0 {
		ttl += rand.N(j)
	}
	if text == noMachine || text == noSlot {
		ttl = c.Profile.Cache.NegativeTTL
	}
	if ttl > 0 {
		if err := c.Cache.Put(ctx, key, text, ttl); err != nil {
			c.Metrics.Cache.WithLabelValues("failed").Inc()
		}
	}
	return text, nil
}

func (c *Catalog) load(ctx context.Context, machineID string, slot int) (string, error) {
	c.Metrics.Cache.WithLabelValues("loaded").Inc()
	s, err := c.Store.Slot(ctx, machineID, slot)
	if err == nil {
		return strconv.FormatInt(s.PriceFen, 10), nil
	}
	if !errors.Is(err, ErrNotFound) {
		return "", err
	}
	known, err := c.Store.HasMachine(ctx, machineID)
	if err != nil {
		return "", err
	}
	if known {
		return noSlot, nil
	}
	return noMachine, nil
}

func priceOf(text string, err error) (int64, error) {
	switch {
	case err != nil:
		return 0, err
	case text == noMachine:
		return 0, ErrUnknownMachine
	case text == noSlot:
		return 0, ErrUnknownSlot
	}
	fen, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("price in the cache: %w", err)
	}
	return fen, nil
}

// PutMachines writes machines and forgets what the cache held of them.
func (c *Catalog) PutMachines(ctx context.Context, list []Machine) error {
	if err := c.Store.PutMachines(ctx, list); err != nil {
		return err
	}
	var keys []string
	for _, m := range list {
		for _, s := range m.Slots {
			keys = append(keys, priceKey(m.ID, s.Slot))
		}
	}
	if err := c.Cache.Drop(ctx, keys...); err != nil {
		// A stale price lives until its TTL ends.
		c.Log.Warn("dropping cached prices", "keys", len(keys), "error", err)
	}
	return nil
}
