package service

import (
	"context"
	"errors"
	"fmt"
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

// Price is a slot's price in fen. ErrUnknownMachine, ErrUnknownSlot.
func (c *Catalog) Price(ctx context.Context, machineID string, slot int) (int64, error) {
	c.Metrics.PriceLooks.Inc()
	switch c.Profile.Cache.Mode {
	case Off:
		text, err := c.load(ctx, machineID, slot)
		return priceOf(text, err)
	case Aside, Naive:
		return c.priceAside(ctx, machineID, slot)
	}
	return c.listedPrice(ctx, machineID, slot)
}

// load asks the database about one slot.
func (c *Catalog) load(ctx context.Context, machineID string, slot int) (string, error) {
	c.Metrics.PriceReads.Inc()
	s, err := c.Store.Slot(ctx, machineID, slot)
	if err == nil {
		return strconv.FormatInt(s.PriceFen, 10), nil
	}
	if !errors.Is(err, ErrNotFound) {
		return "", err
	}
	c.Metrics.PriceReads.Inc()
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

// fillTime bounds the filling of a machine's list.
const fillTime = 5 * time.Second

// dropAgain is when what was dropped from the cache is dropped again: a reader who had read the database before the write may
// have put the old price back. Soon, after what a read takes; and once more when the slowest has ended.
var dropAgain = []time.Duration{500 * time.Millisecond, fillTime + time.Second}

// SetPrice changes a slot's price, and what the cache holds of it. ErrUnknownSlot.
func (c *Catalog) SetPrice(ctx context.Context, machineID string, slot int, fen int64) error {
	err := c.Store.SetPrice(ctx, machineID, slot, fen)
	if errors.Is(err, ErrNotFound) {
		return ErrUnknownSlot
	}
	if err != nil {
		return err
	}
	if c.Profile.Cache.Mode == Naive {
		// As was. What hurts: nobody tells the cache. The old price is told until its time is over.
		return nil
	}
	c.forget(ctx, priceKey(machineID, slot), listKey(machineID))
	for _, after := range dropAgain {
		time.AfterFunc(after, func() {
			ctx, cancel := detached(ctx, 5*time.Second)
			defer cancel()
			c.forget(ctx, priceKey(machineID, slot), listKey(machineID))
		})
	}
	return nil
}

// forget drops keys, and lets nobody join a read that began before.
func (c *Catalog) forget(ctx context.Context, keys ...string) {
	for _, k := range keys {
		c.flight.Forget(k)
	}
	if err := c.Cache.Drop(ctx, keys...); err != nil {
		// A stale price lives until its TTL ends.
		c.Log.Warn("dropping cached prices", "keys", len(keys), "error", err)
	}
}

// PutMachines writes machines and forgets what the cache held of them.
func (c *Catalog) PutMachines(ctx context.Context, list []Machine) error {
	if err := c.Store.PutMachines(ctx, list); err != nil {
		return err
	}
	var keys []string
	for _, m := range list {
		keys = append(keys, listKey(m.ID))
		for _, s := range m.Slots {
			keys = append(keys, priceKey(m.ID, s.Slot))
		}
	}
	c.forget(ctx, keys...)
	return nil
}
