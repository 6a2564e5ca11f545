package balancer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/lunchrush/lunchrush/internal/stats"
)

// A Cold is an instance of a runtime that compiles while it runs, just after its start: each request costs more than it
// will, and the more requests it has served, the less. It is felt on the way to the backend, where it costs this machine
// nothing: a request waits for one of Lanes, the instance's cores, and keeps it for what its code costs cold:
//
//	Cost x (1 - n/Requests)    for the request after n others, then nothing
//
// So a cold instance has a capacity, and one that is given more than that gets a queue.
type Cold struct {
	Cost     time.Duration // of the first request, above what it will cost
	Requests int           // after so many it is warm
	Lanes    int           // 0: 1
}

func (c Cold) validate() error {
	if c.Cost <= 0 || c.Requests < 1 || c.Lanes < 0 {
		return fmt.Errorf("cold: cost %v over %d requests on %d lanes", c.Cost, c.Requests, c.Lanes)
	}
	return nil
}

// A ColdSpell is what a backend's clients met since it was chilled.
type ColdSpell struct {
	Backend   string
	Served    int // requests since then
	Answered  int // of those, whole answers
	P50, P99  time.Duration
	Max       time.Duration
	Longest   time.Duration // wait for a lane
	StillCold bool
}

// A spell is one backend being cold, in whatever pools it is.
type spell struct {
	backend string
	cold    Cold
	lanes   *lanes

	mu      sync.Mutex
	served  int                     // guarded by mu
	longest time.Duration           // guarded by mu
	latency *hdrhistogram.Histogram // ns; guarded by mu
}

func newSpell(backend string, cold Cold) *spell {
	cores := max(1, cold.Lanes)
	return &spell{
		backend: backend, cold: cold, lanes: &lanes{limit: func() int { return cores }},
		latency: hdrhistogram.New(int64(latencyMin), int64(latencyMax), 3),
	}
}

// Chill makes the backend of this name cold in these pools, or in all when none is named, from the next request on. It is
// cold once for all of them together. Warm ends it.
func (b *Balancer) Chill(backend string, cold Cold, pools ...string) error {
	if err := cold.validate(); err != nil {
		return err
	}
	s := newSpell(backend, cold)
	found := false
	for _, p := range b.pools {
		if len(pools) > 0 && !slices.Contains(pools, p.name) {
			continue
		}
		p.mu.Lock()
		for _, be := range p.backends {
			if be.name == backend {
				be.spell, found = s, true
			}
		}
		p.mu.Unlock()
	}
	if !found {
		return fmt.Errorf("there is no backend %s", backend)
	}
	b.spellsMu.Lock()
	defer b.spellsMu.Unlock()
	b.spells = append(b.spells, s)
	return nil
}

// Warm ends what Chill began. What was met until then stays in [Balancer.ColdSpells].
func (b *Balancer) Warm(backend string) {
	for _, p := range b.pools {
		p.mu.Lock()
		for _, be := range p.backends {
			if be.name == backend {
				be.spell = nil
			}
		}
		p.mu.Unlock()
	}
}

// ColdSpells are what the clients of chilled backends met, in the order in which they were chilled.
func (b *Balancer) ColdSpells() []ColdSpell {
	b.spellsMu.Lock()
	list := slices.Clone(b.spells)
	b.spellsMu.Unlock()
	told := make([]ColdSpell, len(list))
	for i, s := range list {
		told[i] = s.told()
	}
	return told
}

func (s *spell) told() ColdSpell {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := ColdSpell{
		Backend: s.backend, Served: s.served, Answered: int(s.latency.TotalCount()), Longest: s.longest, StillCold: s.served < s.cold.Requests,
	}
	if c.Answered > 0 {
		c.P50, c.P99 = time.Duration(stats.Quantile(s.latency, 0.5)), time.Duration(stats.Quantile(s.latency, 0.99))
		c.Max = time.Duration(s.latency.Max())
	}
	return c
}

// pass keeps a request as long as its code costs cold.
func (s *spell) pass(ctx context.Context) error {
	began := time.Now()
	if err := s.lanes.take(ctx); err != nil {
		return err
	}
	defer s.lanes.give()
	s.mu.Lock()
	n := s.served
	s.served++
	s.longest = max(s.longest, time.Since(began))
	s.mu.Unlock()
	left := s.cold.Requests - n
	if left <= 0 {
		return nil
	}
	timer := time.NewTimer(s.cold.Cost * time.Duration(left) / time.Duration(s.cold.Requests))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Pass goes the way of a request to a backend of a pool as far as the backend's own door, and takes as long: for one that
// measures from outside. A backend that is warm takes no time.
func (b *Balancer) Pass(ctx context.Context, pool, backend string) error {
	p, err := b.pool(pool)
	if err != nil {
		return err
	}
	p.mu.Lock()
	var s *spell
	for _, be := range p.backends {
		if be.name == backend {
			s = be.spell
		}
	}
	p.mu.Unlock()
	if s == nil {
		return nil
	}
	return s.pass(ctx)
}

func (s *spell) answered(took time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	// Within the bounds it cannot fail.
	_ = s.latency.RecordValue(int64(min(max(took, latencyMin), latencyMax)))
}

// Renew makes a backend a newcomer of its pools: out until its next pass, and then at the beginning of its slow start. It
// is for one that says that it has been started again; the checks may have been too slow to see it go.
func (b *Balancer) Renew(backend string) error {
	found := false
	for _, p := range b.pools {
		p.mu.Lock()
		for _, be := range p.backends {
			if be.name != backend {
				continue
			}
			found = true
			if be.in {
				p.leave(be)
			}
			be.fresh, be.passes, be.failures = true, 0, 0
			if be.checkURL == "" {
				p.enter(be)
			}
		}
		p.mu.Unlock()
	}
	if !found {
		return errors.New("there is no backend " + backend)
	}
	return nil
}
