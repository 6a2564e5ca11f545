package balancer

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/lunchrush/lunchrush/simulator/mishap"
)

// An Outage is the state of a listener as its clients meet it.
type Outage string

// The states of a listener.
const (
	Up       Outage = "up"
	Refusing Outage = "refuse" // nobody listens: connections are refused, those that were open are cut
	Holding  Outage = "hold"   // connections and requests are taken in, and nothing goes on to a backend
)

const (
	// clientTimeout is how long a client's connection may say nothing, before its first request or between two.
	clientTimeout = 2 * time.Minute
	// heldBodyMaxBytes is how long a body may be to be taken in while its request is held or delayed. Only then can the
	// departure of its client be noticed; the largest notification is 4 KiB. 8,000 of them are 125 MiB.
	heldBodyMaxBytes = 16 << 10
)

// A door is a listener: it takes requests in, or breaks as it is told to.
type door struct {
	name             string
	pool             *pool
	files            *lanes
	port             *port
	dice             *mishap.Dice
	logger           *slog.Logger
	errorLog         *log.Logger   // what the standard library has to say
	forwardAbandoned atomic.Bool   // in this outage
	forwards         bool          // in those that do not say
	clients          *atomic.Int64 // connections of clients, of all doors
	parting          chan struct{} // closed when the door closes: no delay is waited for any more

	switching sync.Mutex // held from the beginning to the end of a change of state

	mu     sync.Mutex
	state  Outage            // guarded by mu
	gate   chan struct{}     // closed when what is held may go; nil unless Holding; guarded by mu
	tenure *tenure           // nil while Refusing; guarded by mu
	taken  map[string]*tally // by backend; guarded by mu
	closed bool              // guarded by mu

	requests, noBackend, faulted, delayed, abandoned atomic.Uint64
	open, held                                       atomic.Int64
}

// A tenure is one stretch of time in which a door listens.
type tenure struct {
	listener net.Listener
	server   *http.Server
	ctx      context.Context // of everything that came in during it
	sever    context.CancelFunc
	over     chan struct{} // closed when nothing is accepted any more
}

// listen begins a tenure.
func (d *door) listen() (*tenure, error) {
	l, err := (&net.ListenConfig{KeepAlive: -1}).Listen(context.Background(), "tcp", d.port.address)
	if err != nil {
		return nil, err
	}
	t := &tenure{listener: l, over: make(chan struct{})}
	t.ctx, t.sever = context.WithCancel(context.Background())
	t.server = &http.Server{
		Handler:           http.HandlerFunc(d.serve),
		BaseContext:       func(net.Listener) context.Context { return t.ctx },
		ReadHeaderTimeout: clientTimeout, IdleTimeout: clientTimeout,
		ErrorLog: d.errorLog,
		ConnState: func(_ net.Conn, state http.ConnState) {
			switch state {
			case http.StateNew:
				d.clients.Add(1)
			case http.StateClosed, http.StateHijacked:
				d.clients.Add(-1)
			default:
			}
		},
	}
	go func() {
		defer close(t.over)
		if err := t.server.Serve(l); !errors.Is(err, http.ErrServerClosed) && !errors.Is(err, net.ErrClosed) {
			d.logger.Error("listener ended", "listener", d.name, "reason", err)
		}
	}()
	return t, nil
}

// end cuts every connection of the tenure, whatever is on it.
func (t *tenure) end() error {
	t.sever()
	err := t.server.Close()
	<-t.over
	if errors.Is(err, net.ErrClosed) { // its listener is, when the door closes gracefully
		err = nil
	}
	return err
}

// become changes the state. What is held goes when the door is up again, and is cut when it refuses.
func (d *door) become(state Outage) error {
	d.switching.Lock()
	defer d.switching.Unlock()
	d.mu.Lock()
	was, t, closed := d.state, d.tenure, d.closed
	d.mu.Unlock()
	switch {
	case closed:
		return ErrClosed
	case was == state:
		return nil
	}
	var err error
	if t == nil {
		if state == Holding { // before the first request can come
			d.shut()
		}
		if t, err = d.listen(); err != nil {
			return fmt.Errorf("listener %s: %w", d.name, err)
		}
	}
	if state == Refusing {
		err = t.end()
		t = nil
	}
	d.mu.Lock()
	d.state, d.tenure = state, t
	d.mu.Unlock()
	if state == Holding {
		d.shut()
	} else {
		d.release()
	}
	d.logger.Info("listener", "listener", d.name, "state", string(state))
	return err
}

func (d *door) shut() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gate == nil {
		d.gate = make(chan struct{})
	}
}

func (d *door) release() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gate != nil {
		close(d.gate)
		d.gate = nil
	}
}

// close lets the requests that are with a backend end until ctx does, and cuts the rest. What is held or delayed is cut at once.
func (d *door) close(ctx context.Context) error {
	d.switching.Lock()
	defer d.switching.Unlock()
	d.mu.Lock()
	t, state := d.tenure, d.state
	d.closed, d.tenure = true, nil
	d.mu.Unlock()
	close(d.parting)
	defer d.port.close()
	if t == nil {
		return nil
	}
	if state == Holding {
		return t.end()
	}
	_ = t.listener.Close()
	t.server.SetKeepAlivesEnabled(false)
	err := await(ctx, func() bool { return d.open.Load() == 0 })
	if err != nil {
		err = fmt.Errorf("listener %s: %d requests cut: %w", d.name, d.open.Load(), err)
	}
	return errors.Join(err, t.end())
}

// serve is one request.
func (d *door) serve(w http.ResponseWriter, r *http.Request) {
	d.open.Add(1)
	defer d.open.Add(-1)
	d.requests.Add(1)
	r, done := d.hold(r)
	if r == nil {
		d.abandon()
	}
	defer done()
	ctx := r.Context()
	met := d.dice.Throw(kindOf(r))
	if met.Status != 0 {
		d.faulted.Add(1)
		refuse(w, met.Status, cmp.Or(met.Code, CodeFault), "the balancer was told to fail this request")
		return
	}
	if met.Delay > 0 {
		d.delayed.Add(1)
		if !takeIn(r) {
			d.abandon()
		}
		wait := time.NewTimer(met.Delay)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-ctx.Done():
			d.abandon()
		case <-d.parting:
			d.abandon()
		}
	}
	if d.pool.empty() { // before waiting for a place that would not be used
		d.noBackend.Add(1)
		refuse(w, http.StatusServiceUnavailable, CodeNoBackend, "no backend is ready")
		return
	}
	for _, l := range []*lanes{d.pool.lanes, d.files} {
		if l.take(ctx) != nil {
			d.abandon()
		}
		defer l.give()
	}
	if r.ContentLength < 0 || r.ContentLength > heldBodyMaxBytes {
		// A body that is long in coming must not keep an answer that is there already.
		_ = http.NewResponseController(w).EnableFullDuplex()
	}
	d.forward(w, r)
}

// abandon ends a request whose client is gone or whose connection is cut: there is nobody to answer.
func (d *door) abandon() {
	d.abandoned.Add(1)
	panic(http.ErrAbortHandler)
}

// hold returns when the request may go on, with the request that goes on: nil when its client has gone.
func (d *door) hold(r *http.Request) (_ *http.Request, done func()) {
	done = func() {}
	d.mu.Lock()
	gate, t := d.gate, d.tenure
	d.mu.Unlock()
	if gate == nil {
		return r, done
	}
	d.held.Add(1)
	defer d.held.Add(-1)
	if !takeIn(r) {
		return nil, done
	}
	if d.forwardAbandoned.Load() && t != nil {
		var ctx context.Context
		ctx, done = context.WithCancel(t.ctx)
		r = r.WithContext(ctx)
	}
	select {
	case <-gate:
	case <-r.Context().Done():
	}
	if r.Context().Err() != nil { // also when the gate opened at the same moment
		done()
		return nil, func() {}
	}
	return r, done
}

// takeIn reads a body that is short before its request waits: only then does the request's context end when its client goes. It
// reports whether the body came.
func takeIn(r *http.Request) bool {
	if r.ContentLength <= 0 || r.ContentLength > heldBodyMaxBytes {
		return true
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return false
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return true
}

// await polls until it is so.
func await(ctx context.Context, so func() bool) error {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
