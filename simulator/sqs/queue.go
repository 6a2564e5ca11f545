package sqs

import (
	"container/heap"
	"context"
	"errors"
	"strconv"
	"sync"
	"time"
)

// The documented figures of a standard queue.
const (
	DefaultLimit      = 120_000 // messages in flight
	DefaultVisibility = 30 * time.Second
	MaxVisibility     = 12 * time.Hour
	MaxBatch          = 10 // messages of one send or receive
	MaxWait           = 20 * time.Second
)

// Errors of a queue.
var (
	// ErrOverLimit refuses a short poll while the limit is in flight. A long poll is not refused: it waits, and comes back empty.
	ErrOverLimit = errors.New("too many messages are in flight")
	// ErrNotInFlight answers a change of visibility for a message that is not in flight under that receipt.
	ErrNotInFlight = errors.New("no message is in flight under this receipt")
	// ErrBatch refuses more than [MaxBatch] messages, or none.
	ErrBatch = errors.New("a batch has 1 to 10 messages")
)

// A Message is one delivery of a message.
type Message struct {
	ID       string `json:"id"`
	Receipt  string `json:"receipt"` // of this delivery
	Body     string `json:"body"`
	Receives int    `json:"receives"` // deliveries so far, this one too
}

// Counts are a queue's figures since its making, and now.
type Counts struct {
	Sent, Received, Deleted int // messages; a message that is received twice counts twice
	Refused                 int // receives that found the limit in flight: OverLimit, or a long poll that waits
	Stale                   int // deletes whose receipt was not that of the last delivery: they did nothing
	Visible, InFlight       int // now
	Most                    int // in flight at one time
}

// A Queue is one queue. Its methods may be called by any goroutine.
type Queue struct {
	limit      int
	visibility time.Duration

	mu        sync.Mutex
	seq       uint64
	visible   heapOf           // oldest first; guarded by mu
	flying    heapOf           // the one that lands first first; guarded by mu
	byReceipt map[string]*item // in flight; guarded by mu
	bell      chan struct{}    // closed when a receive may find more than before; guarded by mu
	counts    Counts           // guarded by mu
}

// An item is a message that was sent and not deleted.
type item struct {
	seq      uint64
	id, body string
	receives int
	receipt  string    // "" while it is visible
	until    time.Time // in flight until then
	place    int       // in its heap
}

// New makes a queue. A limit or a visibility time-out of 0 is the documented one.
func New(limit int, visibility time.Duration) *Queue {
	if limit <= 0 {
		limit = DefaultLimit
	}
	if visibility <= 0 {
		visibility = DefaultVisibility
	}
	return &Queue{
		limit: limit, visibility: min(visibility, MaxVisibility), byReceipt: make(map[string]*item), bell: make(chan struct{}),
		visible: heapOf{less: func(a, b *item) bool { return a.seq < b.seq }},
		flying:  heapOf{less: func(a, b *item) bool { return a.until.Before(b.until) || a.until.Equal(b.until) && a.seq < b.seq }},
	}
}

// Send takes messages, and gives their ids.
func (q *Queue) Send(bodies ...string) ([]string, error) {
	if len(bodies) == 0 || len(bodies) > MaxBatch {
		return nil, ErrBatch
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	ids := make([]string, len(bodies))
	for i, body := range bodies {
		q.seq++
		ids[i] = "q" + strconv.FormatUint(q.seq, 10)
		heap.Push(&q.visible, &item{seq: q.seq, id: ids[i], body: body})
	}
	q.counts.Sent += len(bodies)
	q.ring()
	return ids, nil
}

// ring wakes the long polls. Callers hold mu.
func (q *Queue) ring() {
	close(q.bell)
	q.bell = make(chan struct{})
}

// land makes visible again what was in flight for too long. Callers hold mu.
func (q *Queue) land(now time.Time) {
	for q.flying.Len() > 0 && !q.flying.list[0].until.After(now) {
		it := heap.Pop(&q.flying).(*item) //nolint:forcetypeassert // the heap holds nothing else
		delete(q.byReceipt, it.receipt)   // from now on this receipt does nothing
		it.receipt = ""
		heap.Push(&q.visible, it)
	}
}

// Receive takes up to most messages, at most ten, and has them in flight for the visibility time-out; 0 means the queue's
// own. With nothing to take it waits so long, at most 20 s: a long poll. [ErrOverLimit].
func (q *Queue) Receive(ctx context.Context, most int, wait, visibility time.Duration) ([]Message, error) {
	most, wait = min(max(most, 1), MaxBatch), min(max(wait, 0), MaxWait)
	if visibility <= 0 {
		visibility = q.visibility
	}
	visibility = min(visibility, MaxVisibility)
	end := time.Now().Add(wait)
	for first := true; ; first = false {
		now := time.Now()
		q.mu.Lock()
		q.land(now)
		room := q.limit - q.flying.Len()
		if room > 0 && q.visible.Len() > 0 {
			got := q.take(min(most, room), now.Add(visibility))
			q.mu.Unlock()
			return got, nil
		}
		if room <= 0 && first {
			q.counts.Refused++
		}
		if room <= 0 && wait == 0 {
			q.mu.Unlock()
			return nil, ErrOverLimit
		}
		next := end
		if q.flying.Len() > 0 && q.flying.list[0].until.Before(end) {
			next = q.flying.list[0].until
		}
		bell := q.bell
		q.mu.Unlock()
		if !now.Before(end) {
			return nil, nil
		}
		timer := time.NewTimer(next.Sub(now))
		select {
		case <-bell:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
}

// take gives the oldest visible messages. Callers hold mu.
func (q *Queue) take(most int, until time.Time) []Message {
	got := make([]Message, 0, most)
	for len(got) < most && q.visible.Len() > 0 {
		it := heap.Pop(&q.visible).(*item) //nolint:forcetypeassert // the heap holds nothing else
		it.receives++
		it.until = until
		it.receipt = it.id + "-" + strconv.Itoa(it.receives)
		q.byReceipt[it.receipt] = it
		heap.Push(&q.flying, it)
		got = append(got, Message{ID: it.id, Receipt: it.receipt, Body: it.body, Receives: it.receives})
	}
	q.counts.Received += len(got)
	q.counts.Most = max(q.counts.Most, q.flying.Len())
	return got
}

// Delete ends a message by the receipt of its last delivery, and reports whether it did. A receipt of an earlier delivery,
// or of one whose visibility time-out has passed, does nothing.
func (q *Queue) Delete(receipt string) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.land(time.Now())
	it := q.byReceipt[receipt]
	if it == nil {
		q.counts.Stale++
		return false
	}
	delete(q.byReceipt, receipt)
	heap.Remove(&q.flying, it.place)
	q.counts.Deleted++
	q.ring() // there is room
	return true
}

// ChangeVisibility has a message in flight for so long from now; 0 makes it visible at once.
func (q *Queue) ChangeVisibility(receipt string, visibility time.Duration) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	now := time.Now()
	q.land(now)
	it := q.byReceipt[receipt]
	if it == nil {
		return ErrNotInFlight
	}
	it.until = now.Add(min(max(visibility, 0), MaxVisibility))
	heap.Fix(&q.flying, it.place)
	q.land(now)
	q.ring()
	return nil
}

// Counts are the figures of this moment.
func (q *Queue) Counts() Counts {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.land(time.Now())
	c := q.counts
	c.Visible, c.InFlight = q.visible.Len(), q.flying.Len()
	return c
}

// heapOf is a heap of items that know their place.
type heapOf struct {
	list []*item
	less func(a, b *item) bool
}

func (h *heapOf) Len() int           { return len(h.list) }
func (h *heapOf) Less(i, j int) bool { return h.less(h.list[i], h.list[j]) }
func (h *heapOf) Swap(i, j int) {
	h.list[i], h.list[j] = h.list[j], h.list[i]
	h.list[i].place, h.list[j].place = i, j
}

func (h *heapOf) Push(x any) {
	it := x.(*item) //nolint:forcetypeassert // only this package pushes
	it.place = len(h.list)
	h.list = append(h.list, it)
}

func (h *heapOf) Pop() any {
	last := h.list[len(h.list)-1]
	h.list[len(h.list)-1] = nil
	h.list = h.list[:len(h.list)-1]
	return last
}
