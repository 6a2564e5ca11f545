package balancer

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"syscall"
	"time"
)

// A pool is a group of backends, which of them are in, and the connections to them.
type pool struct {
	name      string
	check     Check
	eject     Eject
	slowStart SlowStart
	noRedial  bool
	logger    *slog.Logger
	transport *http.Transport
	lanes     *lanes
	probe     func(ctx context.Context, url string) error // one health check

	ctx    context.Context // of the checks
	checks sync.WaitGroup

	mu       sync.Mutex
	backends []*backend    // in the order of joining; guarded by mu
	changed  chan struct{} // closed when any backend comes in or goes out, then made anew; guarded by mu
	closed   bool          // no more checks are begun; guarded by mu
}

// A backend is a [Backend] in its pool. What may change is guarded by the pool's mu.
type backend struct {
	name, host, checkURL string
	dials                *lanes // requests that have no connection yet

	weight       int
	current      float64   // smooth weighted round robin's credit
	in           bool      // it passes its checks, or has none
	since        time.Time // it has been in; its slow start's beginning
	passes       int       // in a row
	failures     int       // checks failed in a row
	fresh        bool      // no check of it has ended yet
	unanswered   int       // requests in a row
	ejectedUntil time.Time
	spell        *spell             // nil: it is warm
	stop         context.CancelFunc // of its checks
}

const (
	// dialTimeout has room for a second and a third try of the system, after 1 s and 3 s.
	dialTimeout = 5 * time.Second
	// dialsMax is how many requests may be getting their connection to one backend at one moment. A dial on the loopback
	// takes some 100 µs, so that 8 let tens of thousands a second through; with 64, a release of 8,000 dialled a thousand
	// times although most of the connections were free again before they were made.
	dialsMax = 8
	// idleTimeout of a connection to a backend. It must be shorter than the service's own: a backend that closes an idle
	// connection at the moment when a request is written to it leaves that request without an answer.
	idleTimeout = 20 * time.Second
)

// A dialError says that a backend could not be reached: no byte was sent.
type dialError struct{ err error }

func (e *dialError) Error() string { return e.err.Error() }
func (e *dialError) Unwrap() error { return e.err }

// dialLoopback connects to loopback addresses and looks again at what is really dialled.
func dialLoopback(ctx context.Context, network, address string) (net.Conn, error) {
	// Both ends are on this machine: none can vanish without a word, so the system need not ask whether it is alive.
	d := net.Dialer{Timeout: dialTimeout, KeepAlive: -1, Control: func(_, address string, _ syscall.RawConn) error {
		return loopbackAddress(address)
	}}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, &dialError{err}
	}
	return conn, nil
}

// newTransport keeps at most so many idle connections.
func newTransport(answerTimeout time.Duration, idle int) *http.Transport {
	return &http.Transport{
		DialContext: dialLoopback, DisableCompression: true,
		MaxIdleConns: idle, MaxIdleConnsPerHost: idle, IdleConnTimeout: idleTimeout,
		ResponseHeaderTimeout: answerTimeout, ExpectContinueTimeout: time.Second,
	}
}

// put adds a backend, or changes the one of its name. The same addresses keep what is known of it.
func (p *pool) put(b Backend) error {
	if err := b.validate(); err != nil {
		return err
	}
	u, err := url.Parse(b.URL)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	new := &backend{name: b.Name, host: u.Host, checkURL: b.CheckURL, weight: b.Weight, fresh: true, stop: func() {}}
	new.dials = &lanes{limit: func() int { return dialsMax }}
	i := slices.IndexFunc(p.backends, func(old *backend) bool { return old.name == b.Name })
	switch {
	case i < 0:
		p.backends = append(p.backends, new)
	case p.backends[i].host == new.host && p.backends[i].checkURL == new.checkURL:
		p.backends[i].weight = b.Weight
		return nil
	default:
		p.backends[i].stop()
		p.backends[i] = new
	}
	if new.checkURL == "" {
		p.enter(new)
		return nil
	}
	ctx, stop := context.WithCancel(p.ctx)
	new.stop = stop
	p.checks.Go(func() { p.watch(ctx, new) })
	return nil
}

func (p *pool) remove(name string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	i := slices.IndexFunc(p.backends, func(b *backend) bool { return b.name == name })
	if i < 0 {
		return fmt.Errorf("pool %s: there is no backend %s", p.name, name)
	}
	p.backends[i].stop()
	p.backends = slices.Delete(p.backends, i, i+1)
	return nil
}

func (p *pool) weigh(name string, weight int) error {
	if weight < 0 {
		return fmt.Errorf("pool %s: backend %s: weight %d", p.name, name, weight)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.backends {
		if b.name == name {
			b.weight = weight
			return nil
		}
	}
	return fmt.Errorf("pool %s: there is no backend %s", p.name, name)
}

// close ends the checks and drops the idle connections.
func (p *pool) close() {
	p.mu.Lock()
	p.closed = true
	for _, b := range p.backends {
		b.stop()
	}
	p.mu.Unlock()
	p.checks.Wait()
	p.transport.CloseIdleConnections()
}

// pick chooses the next backend by smooth weighted round robin (nginx's): everyone is credited with its weight, the one
// with the most goes and is debited all that was given. Over a cycle as long as the sum of the weights each is picked
// exactly its weight's times, spread as evenly as can be. Those in tried are passed over. nil: there is none.
func (p *pool) pick(tried []*backend) *backend {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	var best *backend
	var total float64
	for _, b := range p.backends {
		w := p.weight(b, now)
		if w <= 0 || slices.Contains(tried, b) {
			continue
		}
		b.current += w
		total += w
		if best == nil || b.current > best.current {
			best = b
		}
	}
	if best != nil {
		best.current -= total
	}
	return best
}

// coldness is the backend's spell, nil when it is warm.
func (p *pool) coldness(b *backend) *spell {
	p.mu.Lock()
	defer p.mu.Unlock()
	return b.spell
}

// empty says that pick would find nothing.
func (p *pool) empty() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	return !slices.ContainsFunc(p.backends, func(b *backend) bool { return p.weight(b, now) > 0 })
}

// weight is what a backend counts now. p.mu is held.
func (p *pool) weight(b *backend, now time.Time) float64 {
	if !b.in || now.Before(b.ejectedUntil) {
		return 0
	}
	since := b.since
	if b.ejectedUntil.After(since) {
		since = b.ejectedUntil
	}
	return p.slowStart.Weight(float64(b.weight), now.Sub(since))
}

// enter and leave put a backend into the rotation and take it out. p.mu is held. Who comes in has no credit from before:
// it would get everything at once.
func (p *pool) enter(b *backend) {
	b.in, b.since, b.current, b.unanswered, b.ejectedUntil = true, time.Now(), 0, 0, time.Time{}
	p.change()
}

func (p *pool) leave(b *backend) {
	b.in = false
	p.change()
}

func (p *pool) change() {
	close(p.changed)
	p.changed = make(chan struct{})
}

// answered and unanswered are what became of a request to b.
func (p *pool) answered(b *backend) {
	if p.eject.Failures == 0 {
		return
	}
	p.mu.Lock()
	b.unanswered = 0
	p.mu.Unlock()
}

func (p *pool) unanswered(b *backend) {
	if p.eject.Failures == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	b.unanswered++
	if b.unanswered < p.eject.Failures {
		return
	}
	b.unanswered, b.current, b.ejectedUntil = 0, 0, time.Now().Add(p.eject.For)
	p.logger.Info("backend ejected", "pool", p.name, "backend", b.name, "for", p.eject.For)
}

// out names the backends that are not in, and gives a channel that is closed when that changes.
func (p *pool) out() (names []string, changed <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, b := range p.backends {
		if !b.in {
			names = append(names, b.name)
		}
	}
	return names, p.changed
}
