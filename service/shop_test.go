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
	fen   int64         // read at the beginning of a read, as a database with snapshots does
	slow  time.Duration // a read takes so much longer
}

func (s *priceStore) Slot(_ context.Context, machineID string, slot int) (service.Slot, error) {
	s.reads.Add(1)
	fen := s.fen
	time.Sleep(50*time.Millisecond + s.slow) // in the bubble's time: a database that takes a while
	if machineID != "m" || slot != 1 {
		return service.Slot{}, service.ErrNotFound
	}
	return service.Slot{Slot: 1, PriceFen: fen}, nil
}

func (s *priceStore) Slots(ctx context.Context, machineID string) ([]service.Slot, error) {
	slot, err := s.Slot(ctx, machineID, 1)
	if err != nil {
		return nil, nil //nolint:nilerr // an unknown machine has none
	}
	return []service.Slot{slot}, nil
}

func (s *priceStore) SetPrice(_ context.Context, _ string, _ int, fen int64) error {
	s.fen = fen
	return nil
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

func TestUnknownSlotsAndMachinesAreRemembered(t *testing.T) {
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
		_, _ = c.Price(t.Context(), "x", 2)
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

// The documented failure shop-punch-through: looks at slots that do not exist, each at another.
func TestWhoCountsThroughSlotsDoesNotGetThrough(t *testing.T) {
	for mode, reads := range map[string]int32{service.SingleFlight: 1, service.Aside: 100, service.Naive: 100} {
		synctest.Test(t, func(t *testing.T) {
			c, store, _ := catalog(mode)
			for i := range 100 {
				if _, err := c.Price(t.Context(), "m", 2+i); !errors.Is(err, service.ErrUnknownSlot) {
					t.Error(err)
				}
			}
			if n := store.reads.Load(); n != reads {
				t.Errorf("%s: %d reads, wanted %d", mode, n, reads)
			}
		})
	}
}

func TestAPriceWhoseTimeIsOverIsToldWhileOneAsks(t *testing.T) {
	for _, side := range []struct {
		name  string
		stale time.Duration
		waits time.Duration
	}{
		{"told on: nobody waits", time.Minute, 0},
		{"not told on: who comes waits for the database", 0, 50 * time.Millisecond},
	} {
		t.Run(side.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, store, _ := catalog(service.SingleFlight)
				c.Profile.Cache.Stale, c.Profile.Cache.TTLJitter = side.stale, 0
				_, _ = c.Price(t.Context(), "m", 1)
				time.Sleep(c.Profile.Cache.TTL + time.Second)
				began := time.Now()
				for range 10 {
					if fen, err := c.Price(t.Context(), "m", 1); fen != 350 || err != nil {
						t.Error(fen, err)
					}
				}
				if waited := time.Since(began); waited != side.waits {
					t.Errorf("waited %s, wanted %s", waited, side.waits)
				}
				time.Sleep(time.Second)
				if n := store.reads.Load(); n != 2 {
					t.Errorf("%d reads, wanted one for each time", n)
				}
			})
		})
	}
}

// The documented failure cache-teething: all keys that were filled together expire together.
func TestKeysThatWereFilledTogetherExpire(t *testing.T) {
	for mode, together := range map[string]bool{service.Naive: true, service.Aside: false} {
		synctest.Test(t, func(t *testing.T) {
			c, _, cache := catalog(mode)
			lives := make(map[time.Duration]bool)
			for range 20 {
				_ = cache.Drop(t.Context(), "lr:price:m:1")
				_, _ = c.Price(t.Context(), "m", 1)
				lives[time.Until(cache.until["lr:price:m:1"])] = true
			}
			if (len(lives) == 1) != together {
				t.Errorf("%s: %d different times of life", mode, len(lives))
			}
		})
	}
}

func TestAnOperatorsPriceIsTold(t *testing.T) {
	for _, side := range []struct {
		name, mode  string
		slow, after time.Duration
		fen         int64
	}{
		{"as was, when the old one's time is over", service.Naive, 0, time.Second, 350},
		{"hardened, at once, although a reader brings the old one back", service.SingleFlight, 0, time.Second, 400},
		{"and although the slowest reader does", service.SingleFlight, 4900 * time.Millisecond, 7 * time.Second, 400},
	} {
		t.Run(side.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, store, _ := catalog(side.mode)
				store.slow = side.slow
				go func() { _, _ = c.Price(t.Context(), "m", 1) }() // read before the change, written to the cache after it
				synctest.Wait()
				store.slow = 0
				must(t, c.SetPrice(t.Context(), "m", 1, 400))
				time.Sleep(side.after)
				if fen, err := c.Price(t.Context(), "m", 1); fen != side.fen || err != nil {
					t.Error(fen, err)
				}
			})
		})
	}
}
