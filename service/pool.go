package service

import (
	"container/list"
	"context"
	"sync"
	"time"
)

// A Class is a kind of work that a [Pool] takes. Higher classes are served first.
type Class int

// The classes.
const (
	NewWork  Class = iota // new orders and questions: shed first
	PaidWork              // money is already in: callbacks, results, notifications
	classes
)

// A Pool is a role's worker threads and the queue before them. The documented failures are those of threads: Go alone,
// where a waiting request costs next to nothing, would hide them.
type Pool struct {
	workers  int
	queueLen int           // -1: unbounded
	deadline time.Duration // 0: none
	alike    bool          // every class waits in one line

	mu      sync.Mutex
	busy    int                // guarded by mu
	waiting [classes]list.List // of chan struct{}, guarded by mu
}

// NewPool makes a pool. queueLen bounds what waits, -1 does not; of it, NewWork gets half. A deadline of 0 lets work
// wait as long as its context.
func NewPool(workers, queueLen int, deadline time.Duration) *Pool {
	return &Pool{workers: workers, queueLen: queueLen, deadline: deadline}
}

// Alike makes the pool treat all classes alike. As was (admission none): what hurts: the callback of money that was taken waits
// behind every new order that came before it, and a full queue turns either away.
func (p *Pool) Alike() *Pool {
	p.alike = true
	return p
}

// Do runs work on a worker, waiting for one in turn. ErrOverloaded when the queue is full or the deadline passes first;
// the work has not begun then.
func (p *Pool) Do(ctx context.Context, class Class, work func() error) error {
	if err := p.acquire(ctx, class); err != nil {
		return err
	}
	defer p.release()
	return work()
}

func (p *Pool) acquire(ctx context.Context, class Class) error {
	if p.alike {
		class = PaidWork
	}
	p.mu.Lock()
	if p.busy < p.workers {
		p.busy++
		p.mu.Unlock()
		return nil
	}
	if p.queueLen >= 0 {
		limit, queued := p.queueLen, p.waiting[NewWork].Len()+p.waiting[PaidWork].Len()
		if class == NewWork {
			limit = (limit + 1) / 2
		}
		if queued >= limit {
			p.mu.Unlock()
			return ErrOverloaded
		}
	}
	turn := make(chan struct{})
	place := p.waiting[class].PushBack(turn)
	p.mu.Unlock()

	var late <-chan time.Time
	if p.deadline > 0 {
		timer := time.NewTimer(p.deadline)
		defer timer.Stop()
		late = timer.C
	}
	var err error
	select {
	case <-turn:
		return nil
	case <-ctx.Done():
		err = ctx.Err()
	case <-late:
		err = ErrOverloaded
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-turn: // the turn came meanwhile: take it, the worker is ours
		return nil
	default:
	}
	p.waiting[class].Remove(place)
	return err
}

func (p *Pool) release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for class := classes - 1; class >= 0; class-- {
		if first := p.waiting[class].Front(); first != nil {
			p.waiting[class].Remove(first)
			close(first.Value.(chan struct{})) //nolint:forcetypeassert // only acquire fills the list
			return
		}
	}
	p.busy--
}

// Limit is how many workers there are.
func (p *Pool) Limit() int { return p.workers }

// Load is how many workers are busy, and how much work waits.
func (p *Pool) Load() (busy, waiting int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.busy, p.waiting[NewWork].Len() + p.waiting[PaidWork].Len()
}
