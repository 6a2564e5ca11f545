package balancer

import (
	"container/list"
	"context"
	"sync"
	"sync/atomic"
)

// Lanes are places of which there are only so many; who finds none waits in the order of coming.
type lanes struct {
	limit  func() int // may change while it is used; looked at when a place is taken or given back
	waited atomic.Uint64

	mu    sync.Mutex
	busy  int       // guarded by mu
	queue list.List // of chan struct{}, closed when the place is the waiter's; guarded by mu
}

func (l *lanes) take(ctx context.Context) error {
	l.mu.Lock()
	if l.queue.Len() == 0 && l.free() {
		l.busy++
		l.mu.Unlock()
		return nil
	}
	mine := make(chan struct{})
	at := l.queue.PushBack(mine)
	l.mu.Unlock()
	l.waited.Add(1)
	select {
	case <-mine:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-mine: // at the same moment: it goes to the next one
		l.busy--
		l.call()
	default:
		l.queue.Remove(at)
	}
	return ctx.Err()
}

func (l *lanes) give() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.busy--
	l.call()
}

// free says that one more may go. With nobody on the way one always may: a limit that has fallen to nothing must not stop
// everything for good.
func (l *lanes) free() bool { return l.busy < l.limit() || l.busy == 0 }

// call gives free places to those who wait.
func (l *lanes) call() {
	for l.queue.Len() > 0 && l.free() {
		l.busy++
		close(l.queue.Remove(l.queue.Front()).(chan struct{}))
	}
}
