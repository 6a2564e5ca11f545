package simulator

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator/paysign"
)

// A rig is a stage for tests: the real clock or a bubble's, a book in memory, and a timeline that hands its sends to a
// handler.
type rig struct {
	*stage
	service http.Handler // what sends are answered by; nil answers 200

	mu   sync.Mutex
	log  []runlog.Record
	sent []sentSend
}

type sentSend struct {
	Send
	at time.Duration
}

func newRig(t *testing.T, plan *Plan, sc *scenarios.Scenario) *rig {
	t.Helper()
	if sc == nil {
		sc = &scenarios.Scenario{}
	}
	start := time.Now()
	r := &rig{}
	r.stage = &stage{
		plan: plan, scenario: sc, logger: slog.New(slog.DiscardHandler), orders: newDirectory(plan),
		now:  func() time.Duration { return time.Since(start) },
		wall: func(at time.Duration) time.Time { return start.Add(at) },
		book: func(rec runlog.Record) {
			if rec.At == 0 {
				rec.At = int64(time.Since(start))
			}
			r.mu.Lock()
			defer r.mu.Unlock()
			r.log = append(r.log, rec)
		},
		after: func(at time.Duration, act func()) { time.AfterFunc(at-time.Since(start), act) },
	}
	r.push = func(s Send) error {
		time.AfterFunc(s.Due-r.now(), func() { r.send(s) })
		return nil
	}
	return r
}

// send gives a send to the service, as the timeline would.
func (r *rig) send(s Send) {
	at := r.now()
	if s.Intent != nil {
		s.Intent(at)
	}
	r.mu.Lock()
	r.sent = append(r.sent, sentSend{s, at})
	r.mu.Unlock()

	a := Answer{Due: s.Due, Sent: at, Status: http.StatusOK}
	if r.service != nil {
		timeout := s.Timeout
		if timeout <= 0 {
			timeout = DefaultTimeout
		}
		req, err := http.NewRequest(s.Method, s.URL, strings.NewReader(string(s.Body)))
		if err != nil {
			panic(err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), timeout)
		defer cancel()
		req = req.WithContext(ctx)
		req.Header = s.Header
		req.RequestURI = req.URL.RequestURI()
		w := httptest.NewRecorder()
		r.service.ServeHTTP(w, req)
		a.Status, a.Body = w.Code, w.Body.Bytes()
		if ctx.Err() != nil {
			a.Status, a.Body, a.Err = 0, nil, ctx.Err()
		}
	}
	a.At = r.now()
	if s.Done != nil {
		s.Done(a)
	}
}

// booked are the records of some events, in the book's order.
func (r *rig) booked(events ...runlog.Event) []runlog.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []runlog.Record
	for _, rec := range r.log {
		if slices.Contains(events, rec.Event) {
			out = append(out, rec)
		}
	}
	return out
}

func (r *rig) sends(kind string) []sentSend {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []sentSend
	for _, s := range r.sent {
		if s.Kind == kind {
			out = append(out, s)
		}
	}
	return out
}

// await polls until ok, or fails the test. It is for tests on the real clock.
func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline := time.NewTimer(10 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline.C:
			t.Fatalf("waited 10 s in vain until %s", what)
		}
	}
}

// platformKeys are made once: a key costs a tenth of a second.
var platformKeys = sync.OnceValues(func() (keys struct {
	wechat *paysign.WeChat
	alipay *paysign.Alipay
}, err error,
) {
	keys.wechat, keys.alipay, err = paysign.Generate()
	return keys, err
})

// quietChannels are channels without a listener, for tests in virtual time.
func quietChannels(t *testing.T, r *rig) *channels {
	t.Helper()
	keys, err := platformKeys()
	if err != nil {
		t.Fatal(err)
	}
	cs := makeChannels(r.stage, keys.wechat, keys.alipay)
	cs.begin("http://127.0.0.1:1", "http://127.0.0.1:1")
	return cs
}

func planOf(orders ...PlanOrder) *Plan {
	return &Plan{Header: PlanHeader{Seed: 7, Machines: 3, Slots: 2, Orders: len(orders)}, Orders: orders}
}
