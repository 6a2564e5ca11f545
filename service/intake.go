package service

import (
	"context"
	"errors"
	"sync"
	"time"
)

// A Reading is one message of a machine: how many pieces it used of something, told once and perhaps delivered often.
type Reading struct {
	MessageID string // the machine's own, the same in every delivery
	MachineID string
	Pieces    int
}

// A Delivery is one message as a queue gave it. It is in flight until it is deleted by its receipt, or its visibility
// time-out passes.
type Delivery struct {
	Receipt string
	Reading Reading
	Bad     bool // the body can not be read
}

// ErrOverLimit is a queue's refusal to give more while its limit is in flight.
var ErrOverLimit = errors.New("too many messages are in flight")

// A MessageQueue is the queue that readings come by. Delete with a stale receipt is no error, and has no effect.
type MessageQueue interface {
	// Receive gives at most ten messages, waiting for the first for so long; none is no error. They are given again when visibility has
	// passed; 0 is the queue's own. ErrOverLimit.
	Receive(ctx context.Context, most int, wait, visibility time.Duration) ([]Delivery, error)
	Delete(ctx context.Context, receipt string) error
}

// Metering is the downstream system that every reading is told. It takes the same message twice.
type Metering interface {
	Tell(ctx context.Context, r Reading) error
}

// Readings keeps what was read.
type Readings interface {
	// StoreReading writes a reading and adds it to its machine's total, once for its message id; fresh is false when it was there.
	StoreReading(ctx context.Context, r Reading, now time.Time) (fresh bool, err error)
}

// Intake consumes the queue of readings: each is told to metering and stored.
type Intake struct {
	Parts
	queue    MessageQueue
	metering Metering
}

// NewIntake makes an intake.
func NewIntake(p Parts, queue MessageQueue, metering Metering) *Intake {
	return &Intake{Parts: p, queue: queue, metering: metering}
}

const (
	receiveMost  = 10 // a queue gives no more at once
	receiveWait  = time.Second
	receiveAgain = 100 * time.Millisecond // after a receive that failed, or a short poll that found nothing
	deleteLimit  = 5 * time.Second
	deleteEvery  = 200 * time.Millisecond // how long the buffered client of SQS keeps a batch open
)

// Run consumes until ctx ends. What was begun is finished; what was received and not begun appears again in the queue.
func (in *Intake) Run(ctx context.Context) {
	s := in.Profile.Consumer
	end := in.delete
	var deleting sync.WaitGroup
	if s.Delete == Async {
		later := newShelf()
		stop := context.AfterFunc(ctx, later.close)
		defer stop()
		deleting.Go(func() { in.deleteLater(ctx, later) })
		end = func(_ context.Context, d Delivery) { later.put(d) }
	}
	if s.Prefetch == Unbounded {
		in.runUnbounded(ctx, end)
	} else {
		in.runBounded(ctx, end)
	}
	deleting.Wait()
}

// runBounded couples what is taken to what is finished: a worker receives only when it has finished and deleted all that
// it had. So no more than its ten messages are in flight for each worker, however many wait in the queue, where waiting
// costs nothing. They stay in flight for as long as the last of them may take: a receipt that goes stale while the first ones are
// handled would bring its message back.
func (in *Intake) runBounded(ctx context.Context, end func(context.Context, Delivery)) {
	var workers sync.WaitGroup
	for range in.Profile.Consumer.Workers {
		workers.Go(func() {
			for ctx.Err() == nil {
				list, err := in.queue.Receive(ctx, receiveMost, receiveWait, receiveMost*rowTimeout)
				if err != nil {
					in.refused(ctx, err)
					continue
				}
				for _, d := range list {
					if ctx.Err() != nil {
						return
					}
					in.handle(ctx, d, end)
				}
				wait(ctx, in.Profile.Consumer.Pause)
			}
		})
	}
	workers.Wait()
}

// runUnbounded is the consumer as it was (consumer.prefetch unbounded): threads that receive, and threads that work.
//
// What hurts: nothing ties the two together. At a peak the receiving threads take everything at once, and it waits in this
// process's memory instead of in the queue. There it is in flight: the limit is reached, and every receive is refused.
// And its visibility time-out runs: what waits longer is given again by the queue, to the same shelf, while the receipt
// that waits there goes stale. From then on each message is handled and can not be deleted, and comes back; the oldest
// come back first, so nothing new comes through, although every worker is busy.
func (in *Intake) runUnbounded(ctx context.Context, end func(context.Context, Delivery)) {
	shelf := newShelf()
	stop := context.AfterFunc(ctx, shelf.close)
	defer stop()
	var threads sync.WaitGroup
	for range in.Profile.Consumer.Workers {
		threads.Go(func() {
			for ctx.Err() == nil {
				list, err := in.queue.Receive(ctx, receiveMost, 0, 0)
				if err != nil {
					in.refused(ctx, err)
					continue
				}
				for _, d := range list {
					shelf.put(d)
				}
				// As was: a pause here takes fewer at a time, as long as the peak is short enough.
				wait(ctx, in.Profile.Consumer.Pause)
				if len(list) == 0 {
					wait(ctx, receiveAgain)
				}
			}
		})
		threads.Go(func() {
			for {
				d, ok := shelf.take()
				if !ok {
					return
				}
				in.handle(ctx, d, end)
			}
		})
	}
	threads.Wait()
}

// refused counts a receive that failed, and waits before the next.
func (in *Intake) refused(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	outcome := "failed"
	if errors.Is(err, ErrOverLimit) {
		outcome = "over-limit"
	}
	in.Metrics.Messages.WithLabelValues(outcome).Inc()
	in.Log.Warn("receiving messages", "error", err)
	wait(ctx, receiveAgain)
}

// handle tells metering of one reading, stores it, and ends its message. What fails is left in flight: the queue gives it
// again.
func (in *Intake) handle(ctx context.Context, d Delivery, end func(context.Context, Delivery)) {
	ctx, cancel := detached(ctx, rowTimeout)
	defer cancel()
	if d.Bad { // it would come back for ever
		in.Metrics.Messages.WithLabelValues("unreadable").Inc()
		end(ctx, d)
		return
	}
	began := time.Now()
	err := in.metering.Tell(ctx, d.Reading)
	in.observe("metering", "tell", began, err)
	var fresh bool
	if err == nil {
		fresh, err = in.Store.StoreReading(ctx, d.Reading, in.Now())
	}
	if err != nil {
		in.Metrics.Messages.WithLabelValues("not-stored").Inc()
		in.Log.Warn("handling a message", "message", d.Reading.MessageID, "error", err)
		return
	}
	outcome := "stored"
	if !fresh {
		outcome = "known"
	}
	in.Metrics.Messages.WithLabelValues(outcome).Inc()
	end(ctx, d)
}

func (in *Intake) delete(ctx context.Context, d Delivery) {
	if err := in.queue.Delete(ctx, d.Receipt); err != nil {
		in.Log.Warn("deleting a message; it will be delivered again", "message", d.Reading.MessageID, "error", err)
	}
}

// deleteLater is consumer.delete async: as it was, a message's end is left to a thread of its own, which gathers a batch
// as the queue's buffered client does.
//
// What hurts: what was finished stays in flight until its batch is full, or old enough, and counts against the limit
// although nobody works on it.
func (in *Intake) deleteLater(ctx context.Context, later *shelf) {
	var batch []Delivery
	flush := time.NewTicker(deleteEvery)
	defer flush.Stop()
	for {
		d, ok := later.tryTake()
		if ok {
			batch = append(batch, d)
		}
		if len(batch) < receiveMost {
			if ok {
				continue
			}
			select {
			case <-flush.C:
			case <-later.bell:
				continue
			case <-ctx.Done():
				return // the rest appears again, and is known then
			}
		}
		for _, d := range batch {
			limited, cancel := detached(ctx, deleteLimit)
			in.delete(limited, d)
			cancel()
		}
		batch = batch[:0]
	}
}

// wait returns after d, or when ctx ends.
func wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// A shelf holds deliveries without a bound, first in, first out.
type shelf struct {
	bell   chan struct{} // has room for one: something was put
	mu     sync.Mutex
	more   *sync.Cond
	list   []Delivery // guarded by mu
	closed bool       // guarded by mu
}

func newShelf() *shelf {
	s := &shelf{bell: make(chan struct{}, 1)}
	s.more = sync.NewCond(&s.mu)
	return s
}

func (s *shelf) put(d Delivery) {
	s.mu.Lock()
	s.list = append(s.list, d)
	s.mu.Unlock()
	s.more.Signal()
	select {
	case s.bell <- struct{}{}:
	default:
	}
}

// tryTake takes a delivery if there is one.
func (s *shelf) tryTake() (Delivery, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) == 0 || s.closed {
		return Delivery{}, false
	}
	d := s.list[0]
	s.list = s.list[1:]
	return d, true
}

// take waits for a delivery; false when the shelf was closed. What it still holds then appears again in the queue.
func (s *shelf) take() (Delivery, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for len(s.list) == 0 && !s.closed {
		s.more.Wait()
	}
	if s.closed {
		return Delivery{}, false
	}
	d := s.list[0]
	s.list = s.list[1:]
	return d, true
}

func (s *shelf) close() {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.more.Broadcast()
}
