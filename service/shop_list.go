package service

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"
)

func listKey(machineID string) string { return "lr:prices:" + machineID }

// A priceList is all prices of one machine, as the cache holds it: "1700000000000 1=350 2=400", the moment until which it is
// fresh and then each slot's price. It answers for slots that the machine does not have too, so that nobody gets through to
// the database by counting through them. A machine that is not known has the list "1700000000000 no-machine".
type priceList string

// fresh reports whether the list need not be read again yet.
func (l priceList) fresh(now time.Time) bool {
	until, _, _ := strings.Cut(string(l), " ")
	ms, err := strconv.ParseInt(until, 10, 64)
	return err == nil && now.UnixMilli() < ms
}

// price is a slot's. ErrUnknownMachine, ErrUnknownSlot.
func (l priceList) price(slot int) (int64, error) {
	_, text, _ := strings.Cut(string(l), " ")
	if text == noMachine {
		return 0, ErrUnknownMachine
	}
	name := strconv.Itoa(slot) + "="
	for entry := range strings.FieldsSeq(text) {
		if fen, ok := strings.CutPrefix(entry, name); ok {
			return priceOf(fen, nil)
		}
	}
	return 0, ErrUnknownSlot
}

// listedPrice finds a price in its machine's list. One reader of a missing list asks the database, whoever comes meanwhile
// waits for that one. A list whose time is over is still told for cache.stale, while one reader asks for the next.
func (c *Catalog) listedPrice(ctx context.Context, machineID string, slot int) (int64, error) {
	key := listKey(machineID)
	text, found, err := c.Cache.Get(ctx, key)
	list := priceList(text)
	switch {
	case err != nil:
		c.Metrics.Cache.WithLabelValues("failed").Inc() // the database answers instead
	case found && list.fresh(c.Now()):
		c.Metrics.Cache.WithLabelValues("hit").Inc()
		return list.price(slot)
	case found:
		c.Metrics.Cache.WithLabelValues("stale").Inc()
		c.flight.DoChan(key, c.filling(ctx, machineID)) // nobody waits for it
		return list.price(slot)
	default:
		c.Metrics.Cache.WithLabelValues("miss").Inc()
	}
	v, err, _ := c.flight.Do(key, c.filling(ctx, machineID))
	if err != nil {
		return 0, err
	}
	return v.(priceList).price(slot) //nolint:forcetypeassert // filling returns a list
}

// filling reads a machine's list and puts it into the cache.
func (c *Catalog) filling(ctx context.Context, machineID string) func() (any, error) {
	return func() (any, error) {
		ctx, cancel := detached(ctx, fillTime) // others wait for it: one buyer's leaving must not fail them
		defer cancel()
		s := c.Profile.Cache
		c.Metrics.PriceReads.Inc()
		slots, err := c.Store.Slots(ctx, machineID)
		if err != nil {
			return nil, err
		}
		ttl, keep := s.TTL, s.Stale
		if s.TTLJitter > 0 {
			ttl += rand.N(s.TTLJitter)
		}
		text := noMachine
		if len(slots) > 0 {
			entries := make([]string, len(slots))
			for i, slot := range slots {
				entries[i] = strconv.Itoa(slot.Slot) + "=" + strconv.FormatInt(slot.PriceFen, 10)
			}
			text = strings.Join(entries, " ")
		} else {
			ttl, keep = s.NegativeTTL, 0
		}
		list := priceList(strconv.FormatInt(c.Now().Add(ttl).UnixMilli(), 10) + " " + text)
		if ttl > 0 {
			if err := c.Cache.Put(ctx, listKey(machineID), string(list), ttl+keep); err != nil {
				c.Metrics.Cache.WithLabelValues("not-written").Inc()
			}
		}
		return list, nil
	}
}
