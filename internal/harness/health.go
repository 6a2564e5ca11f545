package harness

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
)

// A supervisor asks processes whether they are ready, as an F5 or an orchestrator does, and starts those again that do not
// say so. What a fault has felled it leaves to the fault.
type supervisor struct {
	health scenarios.Health
	now    func() time.Duration // since the run's start

	mu   sync.Mutex
	told runlog.Health // guarded by mu
}

// A patient is one process as its supervisor sees it.
type patient struct {
	label   string
	process chaos.Process
	ask     func(ctx context.Context) (ready bool, said string)
}

// patients are the processes behind the balancer.
func (t *town) patients() []patient {
	var list []patient
	for _, i := range t.all("") {
		if slices.Contains(behindBalancer, i.role) {
			url := "http://" + i.place.internal + "/readyz"
			list = append(list, patient{i.label, i.part, func(ctx context.Context) (bool, string) { return askReady(ctx, url) }})
		}
	}
	return list
}

// watch asks all until ctx ends. A restart that was begun is finished first.
func (s *supervisor) watch(ctx context.Context, list []patient) {
	var all sync.WaitGroup
	for _, p := range list {
		all.Go(func() { s.attend(ctx, p) })
	}
	all.Wait()
}

func (s *supervisor) attend(ctx context.Context, p patient) {
	tick := time.NewTicker(s.health.Every)
	defer tick.Stop()
	fails, mine := 0, false // mine: it was killed here, and is not back yet
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		if _, running := p.process.Running(); !running {
			if fails = 0; mine {
				mine = s.start(ctx, p) != nil
			}
			continue
		}
		mine = false
		ready, said := s.ask(ctx, p)
		switch {
		case ctx.Err() != nil:
			return
		case ready:
			fails = 0
			continue
		}
		if fails++; fails < s.health.Fails {
			continue
		}
		if s.restart(ctx, p, said) {
			fails, mine = 0, true
			if _, running := p.process.Running(); running {
				mine = false
			}
		}
	}
}

func (s *supervisor) ask(ctx context.Context, p patient) (ready bool, said string) {
	asking, cancel := context.WithTimeout(ctx, s.health.Timeout)
	defer cancel()
	ready, said = p.ask(asking)
	if said == "" {
		said = "no answer"
	}
	if ctx.Err() != nil {
		return ready, said // broken off, which tells nothing
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told.Asked++; !ready {
		s.told.Failed++
	}
	return ready, said
}

// restart kills the process and starts it again; false when it could not be killed, and is asked on.
func (s *supervisor) restart(ctx context.Context, p patient, why string) bool {
	at := s.now()
	acting, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if p.process.Kill(acting) != nil {
		return false
	}
	s.mu.Lock()
	s.told.Restarts = append(s.told.Restarts, runlog.Restart{Instance: p.label, AtNS: int64(at), Why: why})
	s.mu.Unlock()
	_ = s.start(ctx, p) // else at the next tick
	return true
}

func (s *supervisor) start(ctx context.Context, p patient) error {
	acting, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	return p.process.Start(acting)
}

// account is what it has come to so far.
func (s *supervisor) account() runlog.Health {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.told
	h.Restarts = slices.Clone(h.Restarts)
	return h
}
