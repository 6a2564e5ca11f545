package service_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// bindStore remembers who is bound.
type bindStore struct {
	service.Store

	mu    sync.Mutex
	bound map[string]string // guarded by mu
}

func (s *bindStore) Bound(_ context.Context, _ service.Channel, buyer string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.bound[buyer], nil
}

func (s *bindStore) Bind(_ context.Context, _ service.Channel, buyer, unionid string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.bound[buyer] = unionid
	return nil
}

func (s *bindStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bound)
}

// deadUntil is a look-up that hangs until a moment and answers at once then.
type deadUntil struct {
	moment time.Time
	mu     sync.Mutex
	asked  int // while it was dead; guarded by mu
}

func (d *deadUntil) UnionID(ctx context.Context, _ service.Channel, openid string) (string, error) {
	if time.Now().Before(d.moment) {
		d.mu.Lock()
		d.asked++
		d.mu.Unlock()
		<-ctx.Done()
		return "", ctx.Err()
	}
	return "u" + openid, nil
}

func newBinder(id service.Identity, set func(*service.Profile)) (*service.Binder, *bindStore, service.Parts) {
	profile := service.Default().Switches
	if set != nil {
		set(&profile)
	}
	store := &bindStore{bound: map[string]string{}}
	parts := service.Parts{
		Profile: profile, Store: store, Identity: service.GuardIdentity(id, profile.Resolve), Metrics: service.NewMetrics(),
		Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}
	return service.NewBinder(parts), store, parts
}

func TestBuyersOfAnOutageAreBoundAfterIt(t *testing.T) {
	for _, side := range []struct {
		name    string
		breaker string
		least   int
		most    int
	}{
		// Four workers, three seconds each, for a minute: 80 in vain.
		{"without a breaker every worker waits in vain all the time", service.Off, 70, 90},
		{"with one there is a trial every five seconds", service.On, 5, 25},
	} {
		t.Run(side.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dead := &deadUntil{moment: time.Now().Add(time.Minute)}
				b, store, _ := newBinder(dead, func(p *service.Profile) { p.Resolve.Breaker = side.breaker })
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var running sync.WaitGroup
				running.Go(func() { b.Run(ctx) })
				const buyers = 600
				for i := range buyers {
					began := time.Now()
					b.Bind(ctx, service.Payment{Channel: service.WeChat, BuyerID: fmt.Sprint(i)})
					if took := time.Since(began); took != 0 {
						t.Fatalf("the notify waited %s for the look-up", took)
					}
					time.Sleep(100 * time.Millisecond)
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				if got := store.count(); got != buyers || b.Pending() != 0 {
					t.Errorf("%d of %d are bound, %d wait", got, buyers, b.Pending())
				}
				dead.mu.Lock()
				defer dead.mu.Unlock()
				if dead.asked < side.least || dead.asked > side.most {
					t.Errorf("asked %d times in vain, wanted %d to %d", dead.asked, side.least, side.most)
				}
				cancel()
				running.Wait()
			})
		})
	}
}

// As was, a notify waits for the look-up inside the gate. Of what the cure has, each half alone shortens that.
func TestAnInlineLookUpAndWhatGuardsIt(t *testing.T) {
	for _, side := range []struct {
		name          string
		pool, breaker string
		stuck         int // of ten at once
		again         time.Duration
	}{
		{"as was, all wait for the whole time-out, and the next too", service.None, service.Off, 10, 6 * time.Second},
		{"a bulkhead lets six wait", service.Bounded, service.Off, 6, 6 * time.Second},
		{"a breaker spares the next", service.None, service.On, 10, 0},
	} {
		t.Run(side.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dead := &deadUntil{moment: time.Now().Add(time.Hour)}
				b, _, _ := newBinder(dead, func(p *service.Profile) {
					p.Resolve = service.IdentitySwitches{Mode: service.Inline, Timeout: 6 * time.Second, Pool: side.pool, Breaker: side.breaker}
				})
				var done sync.WaitGroup
				var mu sync.Mutex
				stuck := 0
				for i := range 10 {
					done.Go(func() {
						began := time.Now()
						b.Bind(t.Context(), service.Payment{Channel: service.WeChat, BuyerID: fmt.Sprint(i)})
						mu.Lock()
						defer mu.Unlock()
						if time.Since(began) >= 6*time.Second {
							stuck++
						}
					})
				}
				done.Wait()
				began := time.Now()
				b.Bind(t.Context(), service.Payment{Channel: service.WeChat, BuyerID: "next"})
				if took := time.Since(began); stuck != side.stuck || took != side.again {
					t.Errorf("%d waited for the time-out, the next %s; wanted %d, %s", stuck, took, side.stuck, side.again)
				}
			})
		})
	}
}

// slowStore is a database that takes its time to say who is bound.
type slowStore struct{ *bindStore }

func (s slowStore) Bound(ctx context.Context, channel service.Channel, buyer string) (string, error) {
	select {
	case <-time.After(2900 * time.Millisecond):
		return s.bindStore.Bound(ctx, channel, buyer)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// calm is a look-up that takes half a second.
type calm struct{}

func (calm) UnionID(ctx context.Context, _ service.Channel, openid string) (string, error) {
	select {
	case <-time.After(500 * time.Millisecond):
		return "u" + openid, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// The look-up is well and the database slow: the breaker is not for that.
func TestASlowDatabaseDoesNotOpenTheBreakerOfTheLookUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, store, parts := newBinder(calm{}, func(p *service.Profile) { p.Resolve.Mode = service.Inline })
		parts.Store = slowStore{store}
		b := service.NewBinder(parts)
		const buyers = 20
		for i := range buyers {
			b.Bind(t.Context(), service.Payment{Channel: service.WeChat, BuyerID: fmt.Sprint(i)})
		}
		if got := store.count(); got != buyers {
			t.Errorf("%d of %d are bound", got, buyers)
		}
	})
}

// An inline look-up keeps its thread although the channel has hung up: a thread does not see that.
func TestAnInlineLookUpOutlivesItsNotify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, _, _ := newBinder(&deadUntil{moment: time.Now().Add(time.Hour)}, func(p *service.Profile) {
			p.Resolve.Mode, p.Resolve.Timeout = service.Inline, 6*time.Second
		})
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		b.Bind(ctx, service.Payment{Channel: service.WeChat, BuyerID: "b1"})
		if took := time.Since(began); took != 6*time.Second {
			t.Errorf("took %s", took)
		}
	})
}

// payable is a channel whose prepay hangs.
type payable struct {
	service.PayChannel
	made chan struct{}
}

func (p payable) Prepay(ctx context.Context, _ service.Prepay) (string, error) {
	p.made <- struct{}{}
	<-ctx.Done()
	return "", ctx.Err()
}

func TestASickChannelMayHoldHalfOfFrontsThreads(t *testing.T) {
	for _, side := range []struct {
		name, pool string
		made       int
	}{{"as was, all of them", service.None, 8}, {"hardened, half", service.Bounded, 4}} {
		t.Run(side.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				profile := service.Default().Switches
				profile.Front.Workers, profile.Acquirer.Pool = 8, side.pool
				sick, well := payable{made: make(chan struct{}, 100)}, payable{made: make(chan struct{}, 100)}
				channels := service.GuardOrders(map[service.Channel]service.PayChannel{service.Alipay: sick, service.WeChat: well}, &profile)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				var busy, done sync.WaitGroup
				turned := make(chan error, 100)
				for range 8 {
					done.Go(func() {
						if _, err := channels[service.Alipay].Prepay(ctx, service.Prepay{}); errors.Is(err, service.ErrUpstreamBusy) {
							turned <- err
						}
					})
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if len(sick.made) != side.made || len(turned) != 8-side.made {
					t.Errorf("%d calls wait, %d were turned away; wanted %d", len(sick.made), len(turned), side.made)
				}
				busy.Go(func() { _, _ = channels[service.WeChat].Prepay(ctx, service.Prepay{}) })
				synctest.Wait()
				if len(well.made) != 1 {
					t.Error("the other channel waits for it")
				}
				cancel()
				busy.Wait()
				done.Wait()
			})
		})
	}
}
