package simulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
)

// A workload is traffic beside the orders: all calls of one kind, or the parts of the world that they need. Each is one
// file, chosen by a block of the scenario.
type workload interface {
	// settle fills in the addresses and keys that the service needs for it.
	settle(*ServiceSettings)

	// provision tells the service what it must know before the run. It may be slow; ctx bounds it.
	provision(ctx context.Context, target Target) error

	// begin is called once, before the first call, with the plan's zero and the deadline of the run's drain.
	begin(target Target, from, deadline time.Duration)

	// call pushes one planned call onto the timeline, due at a moment of the run. Its Intent books [runlog.CallIntent],
	// its Done books [runlog.CallAnswer]. It must not block.
	call(c *PlanCall, due time.Duration)

	// idle reports whether nothing more will happen by itself: the drain waits for it. Sends that are due or in flight
	// are waited for anyway.
	idle() bool

	// Close ends what the workload has open. It is called once.
	Close() error
}

// A workloadKind is one entry of the list of workloads.
type workloadKind struct {
	send string // the kind of its sends, of its calls and of its latency

	// plan decides its calls before the run: their Due, Subject, N and Fen; nil when the scenario has none. A component of
	// chance has a name of its own, which begins with the workload's.
	plan func(s *scenarios.Scenario, chance func(component string) *stream) []PlanCall

	// open makes it for one run. It is called only when the plan has calls of its kind.
	open func(st *stage) (workload, error)
}

// workloads is the list: a new one is a file and a line here.
var workloads = []workloadKind{
	{SendBrowse, planBrowse, openBrowse},
	{SendBid, planBid, openBid},
	{SendMessage, planMessages, openMessages},
	{SendReprice, planReprice, openReprice},
	{SendUpload, planUploads, openUploads},
}

// A PlanCall is one call of a workload, with what chance decides about it.
type PlanCall struct {
	Call    string        `json:"call"` // "browse000001": the key of the call
	Due     time.Duration `json:"due_ns"`
	Kind    string        `json:"kind"`    // of its send
	Subject string        `json:"subject"` // what it is about: "m00001/3". A shard has all calls whose subject is alike up to its first slash
	N       int           `json:"n,omitempty"`
	Fen     int64         `json:"fen,omitempty"`
	Note    string        `json:"note,omitempty"`     // what is special about it
	Takes   time.Duration `json:"takes_ns,omitempty"` // how long the upstream that it leads to takes
}

// newCalls plans the calls of every workload, by Due.
func newCalls(s *scenarios.Scenario, seed uint64) ([]PlanCall, error) {
	var all []PlanCall
	for _, w := range workloads {
		calls := w.plan(s, func(component string) *stream { return newStream(seed, component) })
		for i := range calls {
			calls[i].Kind, calls[i].Call = w.send, fmt.Sprintf("%s%06d", w.send, i+1)
		}
		all = append(all, calls...)
	}
	if len(all) > maxPlanOrders {
		return nil, fmt.Errorf("planning %s: %d calls beside the orders, more than %d", s.Name, len(all), maxPlanOrders)
	}
	slices.SortStableFunc(all, func(a, b PlanCall) int { return cmp.Compare(a.Due, b.Due) })
	return all, nil
}

// openWorkloads makes the workloads that the plan has calls of, by kind. What was opened is closed again when one fails.
func openWorkloads(st *stage) (map[string]workload, error) {
	planned := make(map[string]bool)
	for i := range st.plan.Calls {
		planned[st.plan.Calls[i].Kind] = true
	}
	opened := make(map[string]workload)
	for _, k := range workloads {
		if !planned[k.send] {
			continue
		}
		w, err := k.open(st)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("opening the workload %s: %w", k.send, err), closeWorkloads(opened))
		}
		opened[k.send] = w
	}
	return opened, nil
}

func closeWorkloads(opened map[string]workload) error {
	var errs []error
	for _, w := range opened {
		errs = append(errs, w.Close())
	}
	return errors.Join(errs...)
}

// workloadSends are the kinds of send of all workloads.
func workloadSends() []string {
	kinds := make([]string, len(workloads))
	for i, w := range workloads {
		kinds[i] = w.send
	}
	return kinds
}

// A caller sends calls and books them: what most workloads are made of. Its methods are those of a workload that needs
// nothing else.
type caller struct {
	st     *stage
	target Target
	open   atomic.Int64 // calls that were pushed and are not done
}

func (c *caller) settle(*ServiceSettings) {}

func (c *caller) provision(context.Context, Target) error { return nil }

func (c *caller) begin(target Target, _, _ time.Duration) { c.target = target }

func (c *caller) idle() bool { return c.open.Load() == 0 }

func (c *caller) Close() error { return nil }

// A said is what a workload makes of an answer.
type said struct {
	ok   bool   // it is the right answer
	id   string // what the service calls it
	n    int
	fen  int64
	note string
}

// push puts one request of a call on the timeline. judge is called with every answer that came.
func (c *caller) push(p *PlanCall, s Send, judge func(Answer) said) {
	c.pushThen(p, s, judge, func(Answer) {})
}

// pushThen is push with what follows from the answer, or from its lack, once that is booked.
func (c *caller) pushThen(p *PlanCall, s Send, judge func(Answer) said, then func(Answer)) {
	s.Kind = p.Kind
	due, before := s.Due, s.Intent
	s.Intent = func(at time.Duration) {
		if before != nil {
			before(at)
		}
		c.st.book(runlog.Record{
			At: int64(at), Event: runlog.CallIntent, Key: p.Call, Channel: p.Kind, ID: p.Subject, N: p.N, Fen: p.Fen, Due: int64(due),
		})
	}
	s.Done = func(a Answer) {
		defer c.open.Add(-1)
		r := runlog.Record{
			At: int64(a.At), Event: runlog.CallAnswer, Key: p.Call, Channel: p.Kind, Status: a.Status, Took: int64(a.At - a.Sent),
		}
		if a.Err != nil {
			r.Note = a.Err.Error()
		} else {
			got := judge(a)
			r.OK, r.ID, r.N, r.Fen, r.Note = got.ok, got.id, got.n, got.fen, got.note
		}
		c.st.book(r)
		then(a)
	}
	c.open.Add(1)
	if c.st.push(s) != nil { // the run is over
		c.open.Add(-1)
	}
}

// refused is an answer that is not the right one, by its code.
func refused(code string, status int) said {
	if code == "" {
		code = http.StatusText(status)
	}
	return said{note: code}
}
