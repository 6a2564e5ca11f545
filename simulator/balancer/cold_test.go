package balancer

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

func TestAColdBackendsRequestsCostLessAndLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpell("a", Cold{Cost: 100 * time.Millisecond, Requests: 4})
		var took []time.Duration
		for range 6 {
			began := time.Now()
			if err := s.pass(t.Context()); err != nil {
				t.Fatal(err)
			}
			took = append(took, time.Since(began))
		}
		for n, want := range []time.Duration{100, 75, 50, 25, 0, 0} {
			if took[n] != want*time.Millisecond {
				t.Errorf("request %d cost %v, want %vms", n+1, took[n], int(want))
			}
		}
	})
}

func TestAColdBackendThatGetsMoreThanItCanHasAQueue(t *testing.T) {
	for _, tt := range []struct {
		name    string
		lanes   int
		longest time.Duration
	}{
		{"on one core they wait for each other", 1, 300 * time.Millisecond},
		{"on four they do not", 4, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSpell("a", Cold{Cost: 100 * time.Millisecond, Requests: 1_000_000, Lanes: tt.lanes})
				var all sync.WaitGroup
				for range 4 {
					all.Go(func() {
						if err := s.pass(t.Context()); err != nil {
							t.Error(err)
						}
					})
				}
				all.Wait()
				if got := s.told().Longest.Round(10 * time.Millisecond); got != tt.longest {
					t.Errorf("the longest wait for a core was %v, want %v", got, tt.longest)
				}
			})
		})
	}
}

func TestAClientThatLeavesAColdBackendGivesItsPlaceBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSpell("a", Cold{Cost: time.Hour, Requests: 1_000_000})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := s.pass(ctx); err == nil {
			t.Error("it was served")
		}
		if s.lanes.busy != 0 {
			t.Errorf("%d cores are kept", s.lanes.busy)
		}
	})
}

func TestOnlyTheChilledBackendIsColdAndOnlyUntilItIsWarmed(t *testing.T) {
	a, other := newInstance(t, "a", nil), newInstance(t, "b", nil)
	b := start(t, one(a.backend(1), other.backend(1)))
	client := newClient(t)
	if err := b.Chill("c", Cold{Cost: time.Second, Requests: 1}); err == nil {
		t.Error("a backend that is not there was chilled")
	}
	if err := b.Chill("a", Cold{Requests: 1}); err == nil {
		t.Error("a cold that costs nothing was taken")
	}
	if err := b.Chill("a", Cold{Cost: 20 * time.Millisecond, Requests: 1_000_000}); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		get(t, client, b.URL("public"))
	}
	spells := b.ColdSpells()
	if len(spells) != 1 || spells[0].Backend != "a" || spells[0].Served != 5 || spells[0].Answered != 5 || spells[0].P50 < 20*time.Millisecond {
		t.Errorf("spells %+v", spells)
	}
	b.Warm("a")
	for range 10 {
		get(t, client, b.URL("public"))
	}
	if again := b.ColdSpells(); again[0].Served != 5 {
		t.Errorf("it is cold still: %+v", again)
	}
}

func TestARenewedBackendBeginsItsSlowStartAnew(t *testing.T) {
	a, other := newInstance(t, "a", nil), newInstance(t, "b", nil)
	c := one(Backend{Name: "a", URL: a.URL, CheckURL: a.URL + "/readyz", Weight: 10}, Backend{Name: "b", URL: other.URL, CheckURL: other.URL + "/readyz", Weight: 10})
	c.Check = Check{Interval: 5 * time.Millisecond}
	c.SlowStart = SlowStart{Window: time.Hour, Min: 0.1}
	b := start(t, c)
	if err := b.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := b.pools["public"]
	p.mu.Lock()
	for _, be := range p.backends {
		be.since = be.since.Add(-2 * time.Hour) // both have been in for long
	}
	p.mu.Unlock()
	if err := b.Renew("a"); err != nil {
		t.Fatal(err)
	}
	if err := b.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, s := range b.Shares() {
		want := map[string]float64{"a": 1, "b": 10}[s.Backend]
		if s.Weight < want || s.Weight > want+0.1 {
			t.Errorf("%s counts %v, want %v", s.Backend, s.Weight, want)
		}
	}
	if err := b.Renew("c"); err == nil {
		t.Error("a backend that is not there was renewed")
	}
}
