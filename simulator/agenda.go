package simulator

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// An agenda does things at moments of the run that are not sends to the service: a buyer pays, a machine comes back. One
// goroutine does them all, in order; none may block.
type agenda struct {
	now  func() time.Duration
	news chan struct{} // capacity 1: an earlier item, or an act of another goroutine

	mu    sync.Mutex
	items agendaItems // guarded by mu
	added uint64      // guarded by mu
}

func newAgenda(now func() time.Duration) *agenda {
	return &agenda{now: now, news: make(chan struct{}, 1)}
}

// after does act at that moment, or as soon as possible if it has passed. After the end of run it does nothing.
func (a *agenda) after(at time.Duration, act func()) {
	a.mu.Lock()
	a.added++
	heap.Push(&a.items, agendaItem{at, a.added, act})
	first := a.items[0].added == a.added
	a.mu.Unlock()
	if first {
		select {
		case a.news <- struct{}{}:
		default:
		}
	}
}

// run does what falls due until ctx ends.
func (a *agenda) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		timer.Reset(a.doDue())
		select {
		case <-ctx.Done():
			return
		case <-a.news:
		case <-timer.C:
		}
	}
}

// doDue does everything that is due and returns how long until there is more.
func (a *agenda) doDue() time.Duration {
	for {
		a.mu.Lock()
		if len(a.items) == 0 {
			a.mu.Unlock()
			return never
		}
		if rest := a.items[0].at - a.now(); rest > 0 {
			a.mu.Unlock()
			return rest
		}
		item := heap.Pop(&a.items).(agendaItem)
		a.mu.Unlock()
		item.act()
	}
}

type agendaItem struct {
	at    time.Duration
	added uint64 // breaks ties
	act   func()
}

type agendaItems []agendaItem

func (l agendaItems) Len() int { return len(l) }
func (l agendaItems) Less(i, j int) bool {
	if l[i].at != l[j].at {
		return l[i].at < l[j].at
	}
	return l[i].added < l[j].added
}
func (l agendaItems) Swap(i, j int) { l[i], l[j] = l[j], l[i] }
func (l *agendaItems) Push(x any)   { *l = append(*l, x.(agendaItem)) }
func (l *agendaItems) Pop() any {
	last := len(*l) - 1
	item := (*l)[last]
	(*l)[last] = agendaItem{}
	*l = (*l)[:last]
	return item
}
