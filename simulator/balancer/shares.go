package balancer

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/lunchrush/lunchrush/internal/stats"
)

// A Share is what one backend got of one listener's requests since the beginning, and how it fared with them.
type Share struct {
	Listener, Pool, Backend string

	Weight       float64 // what it counts now, with its slow start; 0 when it is out
	In           bool    // it passes its checks and is not ejected
	Requests     uint64  // that were given to it, also those that it did not take
	Share        float64 // of all that the listener gave to backends, 0 to 1
	Open         int     // with it now
	Unanswered   uint64  // refused, reset, timed out, left by their client, or broken off in the middle
	ServerErrors uint64  // answered 500 to 599

	// Latency of the requests that were answered, from the choice of the backend to the end of the answer. Long polls
	// are among them.
	Mean, P50, P99, Max time.Duration
}

// A Count is what went through one listener since the beginning.
type Count struct {
	Listener  string
	State     Outage
	Open      int    // requests that are inside now
	Held      int    // of those, waiting for the end of an outage
	Requests  uint64 // taken in
	NoBackend uint64 // answered 503 because no backend was ready
	Faulted   uint64 // failed by Faults
	Delayed   uint64 // delayed by Faults
	Abandoned uint64 // their client went, or was cut, before an answer

	// WaitedConns and WaitedFiles are the requests of the listener's pool that had to wait for one of its MaxConns, and
	// of the whole balancer that had to wait because the process had no files left. The latter is the harness's own
	// limit, not the service's.
	WaitedConns, WaitedFiles uint64
}

// A tally counts what one door gave to one backend.
type tally struct {
	mu                                 sync.Mutex
	requests, unanswered, serverErrors uint64                  // guarded by mu
	open                               int                     // guarded by mu
	latency                            *hdrhistogram.Histogram // ns; guarded by mu
}

const (
	latencyMin = time.Microsecond
	latencyMax = 2 * time.Minute
)

// tally finds the backend's.
func (d *door) tally(backend string) *tally {
	d.mu.Lock()
	defer d.mu.Unlock()
	t := d.taken[backend]
	if t == nil {
		t = &tally{latency: hdrhistogram.New(int64(latencyMin), int64(latencyMax), 3)}
		d.taken[backend] = t
	}
	return t
}

func (t *tally) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.requests++
	t.open++
}

func (t *tally) end(took time.Duration, status int, answered bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.open--
	if !answered {
		t.unanswered++
		return
	}
	if status >= 500 {
		t.serverErrors++
	}
	// Within the bounds it cannot fail.
	_ = t.latency.RecordValue(int64(min(max(took, latencyMin), latencyMax)))
}

// shares are in the order of the pool's backends; those that left follow by their names.
func (d *door) shares() []Share {
	var list []Share
	here := map[string]bool{}
	p := d.pool
	p.mu.Lock()
	now := time.Now()
	for _, b := range p.backends {
		here[b.name] = true
		list = append(list, Share{
			Listener: d.name, Pool: p.name, Backend: b.name,
			In: b.in && !now.Before(b.ejectedUntil), Weight: p.weight(b, now),
		})
	}
	p.mu.Unlock()
	for _, name := range d.names() {
		if !here[name] {
			list = append(list, Share{Listener: d.name, Pool: p.name, Backend: name})
		}
	}
	var sum uint64
	for i := range list {
		d.tally(list[i].Backend).read(&list[i])
		sum += list[i].Requests
	}
	for i := range list {
		if sum > 0 {
			list[i].Share = float64(list[i].Requests) / float64(sum)
		}
	}
	return list
}

func (t *tally) read(s *Share) {
	t.mu.Lock()
	defer t.mu.Unlock()
	s.Requests, s.Unanswered, s.ServerErrors, s.Open = t.requests, t.unanswered, t.serverErrors, t.open
	if h := t.latency; h.TotalCount() > 0 {
		s.Mean, s.Max = time.Duration(h.Mean()), time.Duration(h.Max())
		s.P50, s.P99 = time.Duration(stats.Quantile(h, 0.5)), time.Duration(stats.Quantile(h, 0.99))
	}
}

func (d *door) count() Count {
	d.mu.Lock()
	state := d.state
	d.mu.Unlock()
	return Count{
		Listener: d.name, State: state, Open: int(d.open.Load()), Held: int(d.held.Load()),
		Requests: d.requests.Load(), NoBackend: d.noBackend.Load(), Faulted: d.faulted.Load(), Delayed: d.delayed.Load(),
		Abandoned: d.abandoned.Load(), WaitedConns: d.pool.lanes.waited.Load(), WaitedFiles: d.files.waited.Load(),
	}
}

// names are the backends that the door has a tally of.
func (d *door) names() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Sorted(maps.Keys(d.taken))
}
