package paysign

import (
	"container/heap"
	"context"
	"errors"
	"net/http"
	"runtime"
	"sync"
	"time"
)

// A Job is one notification to sign ahead.
type Job struct {
	// Due is the moment it will be sent. It orders the queue, and it is the time that is signed: however early the
	// signature is made, it is fresh when it leaves.
	Due time.Time

	// Make signs; it is given Due.
	Make func(now time.Time) (http.Header, []byte, error)

	// Done is called once with what Make returned, on a goroutine of the presigner; it must not block. After Close it
	// is called with [ErrClosed] for every job that was not begun.
	Done func(http.Header, []byte, error)
}

// Errors of [Presigner.Submit].
var (
	ErrFull   = errors.New("presigner: queue full")
	ErrClosed = errors.New("presigner: closed")
)

// A Presigner signs notifications ahead on a fixed number of goroutines, whichever is due soonest first. Its queue is
// bounded and Submit never waits, so it may be called from the send path.
//
// It leaves a core to the sends. The runtime looks for what is due only when a core has nothing to run, and a goroutine
// that signs lets go after 10 ms: with both of two cores signing, sends left 16 ms late in the median, with one 0.06 ms.
type Presigner struct {
	limit   int
	breathe bool // every core signs: half of the time is left to the sends
	ctx     context.Context
	stop    context.CancelFunc
	wg      sync.WaitGroup

	mu     sync.Mutex // guards queue and closed
	some   *sync.Cond // there is a job, or closed
	queue  jobs
	closed bool
}

// cores is what the runtime gave this process at its start. Whoever changes that later, as a run does, makes no cores.
var cores = runtime.GOMAXPROCS(0)

// NewPresigner starts workers goroutines (0: one for each core but one, at least one) over a queue of at most limit jobs
// (0: 65,536). It stops when ctx is canceled or at Close.
func NewPresigner(ctx context.Context, workers, limit int) *Presigner {
	if workers <= 0 {
		workers = max(1, cores-1)
	}
	if limit <= 0 {
		limit = 1 << 16
	}
	ctx, stop := context.WithCancel(ctx)
	p := &Presigner{limit: limit, breathe: workers >= cores, ctx: ctx, stop: stop}
	p.some = sync.NewCond(&p.mu)
	p.wg.Add(workers)
	for range workers {
		go p.work()
	}
	context.AfterFunc(ctx, func() {
		p.mu.Lock()
		p.closed = true
		p.mu.Unlock()
		p.some.Broadcast()
	})
	return p
}

// Submit queues a job. Its Done is called only when Submit returns nil.
func (p *Presigner) Submit(j Job) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.ctx.Err() != nil {
		return ErrClosed
	}
	if len(p.queue) >= p.limit {
		return ErrFull
	}
	heap.Push(&p.queue, j)
	p.some.Signal()
	return nil
}

// Waiting is how many jobs are queued and not begun.
func (p *Presigner) Waiting() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.queue)
}

// Close stops the workers, waits for what they have begun, and gives the rest back with [ErrClosed]. It may be called
// more than once.
func (p *Presigner) Close() {
	p.stop()
	p.wg.Wait()

	p.mu.Lock()
	p.closed = true
	rest := p.queue
	p.queue = nil
	p.mu.Unlock()
	for _, j := range rest {
		j.Done(nil, nil, ErrClosed)
	}
}

func (p *Presigner) work() {
	defer p.wg.Done()
	for {
		p.mu.Lock()
		for len(p.queue) == 0 && !p.closed {
			p.some.Wait()
		}
		if p.closed || p.ctx.Err() != nil {
			p.mu.Unlock()
			return
		}
		j := heap.Pop(&p.queue).(Job)
		p.mu.Unlock()
		begun := time.Now()
		j.Done(j.Make(j.Due))
		if p.breathe {
			time.Sleep(time.Since(begun)) // half of the time is for the sends; Gosched would bring this goroutine back first
		}
	}
}

// jobs is a heap by Due.
type jobs []Job

func (q jobs) Len() int           { return len(q) }
func (q jobs) Less(i, j int) bool { return q[i].Due.Before(q[j].Due) }
func (q jobs) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *jobs) Push(x any)        { *q = append(*q, x.(Job)) }
func (q *jobs) Pop() any {
	old := *q
	n := len(old) - 1
	j := old[n]
	old[n] = Job{} // let go of what it holds
	*q = old[:n]
	return j
}
