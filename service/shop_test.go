package service_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// priceStore knows one price, and counts who asks.
type priceStore struct {
	service.Store
	reads atomic.Int32
	fen   int64
}

func (s *priceStore) Slot(_ context.Context, machineID string, slot int) (service.Slot, error) {
	s.reads.Add(1)
	time.Sleep(50 * time.Millisecond) // in the bubble's time: a database that takes a while
	if machineID != "m" || slot != 1 {
		return service.Slot{}, service.ErrNotFound
	}
	return service.Slot{Slot: 1, PriceFen: s.fen}, nil
}

func (s *priceStore) HasMachine(_ context.Context, id string) (bool, error) { return id == "m", nil }

func (s *priceStore) PutMachines(_ context.Context, list []service.Machine) error {
	s.fen = list[0].Slots[0].PriceFen
	return nil
}

// mapCache is a cache in memory.
type mapCache struct {
	mu     sync.Mutex
	values map[string]string
	until  map[string]time.Time
	err    error
}

func (c *mapCache) Get(_ context.Context, key string) (string, bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, ok := c.values[key]
	return v, ok && time.Now().Before(c.until[key]), c.err
}

func (c *mapCache) Put(_ context.Context, key, value string, ttl time.Duration) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.values[key], c.until[key] = value, time.Now().Add(ttl)
	return c.err
}

func (c *mapCache) Drop(_ context.Context, keys ...string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range keys {
		delete(c.values, k)
	}
	return c.err
}

func (c *mapCache) Ping(context.Context) error { return c.err }

func catalog(mode string) (*service.Catalog, *priceStore, *mapCache) {
	store, cache := &priceStore{fen: 350}, &mapCache{values: make(map[string]string), until: make(map[string]time.Time)}
	profile := service.Default().Switches
	profile.Cache.Mode = mode
	return service.NewCatalog(service.Parts{
		Profile: profile, Store: store, Cache: cache, Metrics: service.NewMetrics(), Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}), store, cache
}

func TestWhoAsksTheDatabaseForAMissingPrice(t *testing.T) {
	tests := []struct {
		name  string
		mode  string
		reads int32 // of 100 at the same moment and 100 after
	}{
		{"single flight: one", service.SingleFlight, 1},
		{"aside, as was: everyone who misses", service.Aside, 100},
		{"no cache: everyone", service.Off, 200},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, store, _ := catalog(test.mode)
				for range 2 {
					for range 100 {
						go func() {
							if fen, err := c.Price(t.Context(), "m", 1); fen != 350 || err != nil {
								t.Error(fen, err)
							}
						}()
					}
					time.Sleep(time.Second)
				}
				if n := store.reads.Load(); n != test.reads {
					t.Errorf("%d reads, wanted %d", n, test.reads)
				}
			})
		})
	}
}

func TestUnknownSlotsAreRememberedShortly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, store, _ := catalog(service.SingleFlight)
		for range 10 {
			if _, err := c.Price(t.Context(), "m", 2); !errors.Is(err, service.ErrUnknownSlot) {
				t.Error(err)
			}
			if _, err := c.Price(t.Context(), "x", 1); !errors.Is(err, service.ErrUnknownMachine) {
				t.Error(err)
			}
		}
		if n := store.reads.Load(); n != 2 {
			t.Errorf("%d reads", n)
		}
		time.Sleep(6 * time.Second)
		_, _ = c.Price(t.Context(), "m", 2)
		if n := store.reads.Load(); n != 3 {
			t.Errorf("%d reads after the negative TTL", n)
		}
	})
}

func TestANewPriceIsSeenAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, _ := catalog(service.SingleFlight)
		_, _ = c.Price(t.Context(), "m", 1)
		must(t, c.PutMachines(t.Context(), []service.Machine{{ID: "m", Slots: []service.Slot{{Slot: 1, PriceFen: 400}}}}))
		if fen, err := c.Price(t.Context(), "m", 1); fen != 400 || err != nil {
			t.Error(fen, err)
		}
	})
}

func TestADeadCacheFailsNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, _, cache := catalog(service.SingleFlight)
		cache.err = errors.New("down")
		if fen, err := c.Price(t.Context(), "m", 1); fen != 350 || err != nil {
			t.Error(fen, err)
		}
	})
}
