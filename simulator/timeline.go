package simulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/lunchrush/lunchrush/scenarios"
)

// DefaultWorkers bounds the sends that wait for their answer at one time. A sketch with 2,000 workers fell apart past
// what its machine could send; with 512 it sent 8,000 a second.
const DefaultWorkers = 512

// bidWorkers is the bound beside a bid: its 1,000 buyers a second come whether the ones before have their answer or not, and a
// row that all of them write makes them wait for seconds.
const bidWorkers = 4096

func workersFor(s *scenarios.Scenario) int {
	if s.Sale.Buyers > 0 {
		return bidWorkers
	}
	return DefaultWorkers
}

// DefaultTimeout is how long a send's answer is waited for when the [Send] does not say.
const DefaultTimeout = 30 * time.Second

// ErrTimelineOver is what Push returns when the timeline takes no more sends: its run has ended or was cancelled.
var ErrTimelineOver = errors.New("the timeline is over")

// TimelineConfig configures a [Timeline].
type TimelineConfig struct {
	Start   time.Time // moment zero of every due time; with a monotonic clock reading
	Workers int       // bound of the sends in flight; 0 means DefaultWorkers

	// Transport carries the requests; nil means keep-alive connections to loopback addresses, as many as there are workers.
	Transport http.RoundTripper

	// Latency takes the three times of every send that was not cancelled; nil means they are not kept.
	Latency *Latency

	// Result takes every send's result in vegeta's terms, one at a time: Attack is the kind, Timestamp the due time and
	// Latency the response time, so that vegeta's own reports count from the due time too. nil means no one wants them.
	Result func(*vegeta.Result) error

	// ticking makes the timeline wait on the runtime's timers instead of the system's, for tests in a bubble.
	ticking bool
}

// A Timeline holds every send to the service until it is due and sends it then, whatever became of the ones before: an
// open loop. It is a [vegeta.Pacer] that waits for the next due time, and gives vegeta's Attacker its Targets.
//
// Push may be called by any goroutine, also while Run runs and from a send's Done. When all planned sends are pushed,
// Close says so; Run returns when the closed timeline is empty and nothing is in flight.
type Timeline struct {
	start     time.Time
	workers   int
	transport http.RoundTripper
	latency   *Latency
	result    func(*vegeta.Result) error
	ticking   bool

	mu       sync.Mutex
	alarm    alarm             // set by Run; guarded by mu
	queue    sendQueue         // not yet due; guarded by mu
	ready    []*entry          // due, and promised to a worker; guarded by mu
	flights  map[uint64]*entry // by vegeta's sequence number, from leaving until the result was reported; guarded by mu
	pushed   uint64            // guarded by mu
	counts   map[string]*tally // guarded by mu
	inFlight int               // from falling due to the end of Done; guarded by mu
	crowd    crowd             // guarded by mu
	bound    int               // guarded by mu
	sleeping bool              // the pacer waits for the alarm; guarded by mu
	woke     time.Duration     // when it last did; guarded by mu
	closed   bool              // guarded by mu
	over     bool              // guarded by mu

	ctx    context.Context // of the sends in flight; set by Run
	bodies sync.Pool       // *bytes.Buffer
}

// An entry is a send on the timeline.
type entry struct {
	Send
	seq  uint64 // order of pushing: breaks ties of Due
	came Answer // written by the worker before vegeta's result of it
	in   int    // bytes of the answer
}

// tally counts the sends of one kind.
type tally struct{ pushed, offered, sent, ok, failed, silent int }

// NewTimeline returns a timeline that nothing has been pushed to.
func NewTimeline(c TimelineConfig) *Timeline {
	t := &Timeline{
		start: c.Start, workers: c.Workers, transport: c.Transport, latency: c.Latency, result: c.Result, ticking: c.ticking,
		flights: map[uint64]*entry{}, counts: map[string]*tally{},
		bodies: sync.Pool{New: func() any { return new(bytes.Buffer) }},
	}
	if t.workers <= 0 {
		t.workers = DefaultWorkers
	}
	if t.transport == nil {
		t.transport = newWire(t.workers)
	}
	if t.start.IsZero() {
		t.start = time.Now()
	}
	return t
}

// now is the moment of the run.
func (t *Timeline) now() time.Duration { return time.Since(t.start) }

// Push puts a send on the timeline. One that is due already is sent at once. Push never blocks on a send.
func (t *Timeline) Push(s Send) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return ErrTimelineOver
	}
	t.pushed++
	t.tally(s.Kind).pushed++
	e := &entry{Send: s, seq: t.pushed}
	t.queue.push(e)
	if t.sleeping && t.queue[0] == e {
		t.alarm.set(e.Due - t.now())
	}
	return nil
}

// tally returns the counts of a kind. Callers hold mu.
func (t *Timeline) tally(kind string) *tally {
	c := t.counts[kind]
	if c == nil {
		c = &tally{}
		t.counts[kind] = c
	}
	return c
}

// Close says that no more planned sends will be pushed. Sends in flight may still push what follows from their answers.
func (t *Timeline) Close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	t.wake()
}

// leftBehind is how long a send must have been due at the end to be one that found no worker rather than one whose turn had just come.
const leftBehind = 100 * time.Millisecond

// drop takes everything off the timeline: the retries and heartbeats that a run's end leaves behind, and what was due and never
// left, because all workers waited. That stays offered.
func (t *Timeline) drop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	due := t.now() - leftBehind
	for _, e := range t.queue {
		if c := t.tally(e.Kind); e.Due <= due {
			c.offered++
		} else {
			c.pushed--
		}
	}
	t.queue = nil
	t.wake()
}

// wake ends the pacer's sleep. Callers hold mu.
func (t *Timeline) wake() {
	if t.sleeping {
		t.alarm.set(0)
	}
}

// Run sends until the timeline is closed and done, or ctx ends: then it sends no more, gives up what is in flight and
// returns ctx's error. Sends that never left are counted as unsent; neither their Intent nor their Done is called. A
// timeline runs once.
func (t *Timeline) Run(ctx context.Context) error {
	sends, cancel := context.WithCancel(ctx)
	defer cancel()
	t.ctx = sends
	bell, err := newAlarm(t.ticking)
	if err != nil {
		return fmt.Errorf("making the timeline's alarm: %w", err)
	}
	t.mu.Lock()
	t.alarm = bell
	t.mu.Unlock()
	attacker := vegeta.NewAttacker(
		vegeta.Client(&http.Client{
			Transport:     flightDeck{t},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}),
		vegeta.Workers(uint64(min(t.workers, 16))), vegeta.MaxWorkers(uint64(t.workers)), vegeta.MaxBody(0),
	)
	stop := context.AfterFunc(ctx, func() {
		t.finish()
		attacker.Stop()
	})
	defer stop()
	for r := range attacker.Attack(t.target, t, 0, "") {
		if reportErr := t.report(r); err == nil {
			err = reportErr // a file that cannot be written fails for each send from then on: the first says it
		}
	}
	t.finish()
	if c, ok := t.transport.(interface{ CloseIdleConnections() }); ok {
		c.CloseIdleConnections()
	}
	return errors.Join(ctx.Err(), err, bell.close())
}

// report passes a result on, found again by its sequence number and told in our terms.
func (t *Timeline) report(r *vegeta.Result) error {
	t.mu.Lock()
	e := t.flights[r.Seq]
	delete(t.flights, r.Seq)
	t.mu.Unlock()
	if e == nil || t.result == nil { // nil: cancelled before it left
		return nil
	}
	r.Attack, r.Method, r.URL = e.Kind, e.Method, e.URL
	r.Timestamp, r.Latency = t.start.Add(e.came.Due), e.came.Sent-e.came.Due+e.waited()
	r.BytesIn, r.BytesOut = uint64(e.in), uint64(len(e.Body))
	r.Body, r.Headers = nil, nil
	return t.result(r)
}

// finish makes the timeline take no more.
func (t *Timeline) finish() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.over = true
	t.wake()
}

// Pace implements [vegeta.Pacer]. It returns when the next entry is due, so vegeta's own clock never adds to ours.
func (t *Timeline) Pace(time.Duration, uint64) (wait time.Duration, stop bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for {
		if t.over {
			return 0, true
		}
		if len(t.queue) == 0 {
			if t.closed && t.inFlight == 0 {
				t.over = true
				return 0, true
			}
			t.sleep(never)
			continue
		}
		rest := t.queue[0].Due - t.now()
		if rest > 0 {
			t.sleep(max(rest, t.woke+wakeApart-t.now()))
			continue
		}
		e := t.queue.pop()
		t.tally(e.Kind).offered++
		t.ready = append(t.ready, e)
		t.crowd.pass(t.now(), t.inFlight)
		t.crowd.sum += (t.now() - e.Due).Seconds() // it is under way since then
		if t.inFlight++; t.inFlight > t.workers {
			t.bound++
		}
		return 0, false
	}
}

// wakeApart is the least time between two wakings of the pacer by its clock. Waking a thread costs as much as half a send, so
// past 1,100 sends a second those of the same 0.9 ms leave together, the first of them up to 0.9 ms late; below that
// each leaves at its own moment.
const wakeApart = 900 * time.Microsecond

// never is longer than any run.
const never = 1000 * time.Hour

// sleep waits for the alarm without holding mu. It may return early. Callers hold mu.
func (t *Timeline) sleep(d time.Duration) {
	t.sleeping = true
	t.alarm.set(d)
	t.mu.Unlock()
	t.alarm.wait()
	t.mu.Lock()
	t.sleeping = false
	t.woke = t.now()
}

// Rate implements [vegeta.Pacer]. A timeline has no rate but that of its entries, which it does not know ahead.
func (t *Timeline) Rate(time.Duration) float64 { return 0 }

// target is the [vegeta.Targeter]. The entries that Pace found due wait in ready; which worker takes which is all one, so
// the target says nothing and the flight deck takes the first.
func (t *Timeline) target(tgt *vegeta.Target) error {
	tgt.Method, tgt.URL = http.MethodGet, "http://timeline/"
	return nil
}

// TimelineCounts are the sends of one kind so far.
type TimelineCounts struct {
	Pushed  int // put on the timeline
	Offered int // fell due
	Sent    int // left
	Unsent  int // fell due and did not leave
	OK      int // answered as they should be: 2xx, a probe 4xx
	Failed  int // answered otherwise, or not at all
	Silent  int // of Failed, not answered at all: what became of them the books cannot tell yet
}

// Counts returns the counts of each kind.
func (t *Timeline) Counts() map[string]TimelineCounts {
	t.mu.Lock()
	defer t.mu.Unlock()
	counts := make(map[string]TimelineCounts, len(t.counts))
	overdue := map[string]int{}
	now := t.now()
	for _, e := range t.queue {
		if e.Due <= now {
			overdue[e.Kind]++
		}
	}
	for kind, c := range t.counts {
		offered := c.offered + overdue[kind]
		counts[kind] = TimelineCounts{Pushed: c.pushed, Offered: offered, Sent: c.sent, Unsent: offered - c.sent, OK: c.ok, Failed: c.failed, Silent: c.silent}
	}
	return counts
}

// InFlight is how many sends are due and not yet answered.
func (t *Timeline) InFlight() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.inFlight
}

// Bound is how many sends fell due while every worker waited for an answer, and so left late. At those moments the loop
// was closed.
func (t *Timeline) Bound() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.bound
}

// NextDue is when the earliest entry of one of the kinds is due that has not fallen due yet; false when there is none.
func (t *Timeline) NextDue(kinds ...string) (time.Duration, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	first, found := never, false
	for _, e := range t.queue {
		if slices.Contains(kinds, e.Kind) && e.Due < first {
			first, found = e.Due, true
		}
	}
	return first, found
}
