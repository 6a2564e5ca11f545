package balancer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lunchrush/lunchrush/simulator/mishap"
)

// ErrClosed is what a closed [Balancer] says to every change.
var ErrClosed = errors.New("the balancer is closed")

// A Balancer stands between clients and backends until Close. Every method may be called by any goroutine at any time.
type Balancer struct {
	doors  []*door          // in the order of Config.Listeners
	pools  map[string]*pool // by name
	files  *lanes
	stop   context.CancelFunc // of the health checks
	closed atomic.Bool

	clients atomic.Int64 // connections of clients that are open

	spellsMu sync.Mutex
	spells   []*spell // every one there was; guarded by spellsMu
}

const (
	// filesKept is what the process needs besides: its log, its books, the upstreams' connections.
	filesKept = 1000
	// idleKept is how many connections to backends may lie idle, all pools together.
	idleKept = 768
)

// New opens the listeners. The backends are asked for their health from now on; until one has passed, requests are
// answered 503: see [Balancer.Ready].
func New(cfg Config) (_ *Balancer, err error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("balancer: %w", err)
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.AnswerTimeout == 0 {
		cfg.AnswerTimeout = DefaultAnswerTimeout
	}
	if cfg.Files == 0 {
		cfg.Files = openFilesMax()
	}
	b := &Balancer{pools: map[string]*pool{}}
	b.files = &lanes{limit: func() int { return cfg.Files - filesKept - idleKept - 2*int(b.clients.Load()) }}
	ctx, stop := context.WithCancel(context.Background())
	b.stop = stop
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("balancer: %w", err), b.Close(ctx))
		}
	}()
	probe := newProbe()
	for _, c := range cfg.Pools {
		limit := c.MaxConns
		if limit == 0 {
			limit = math.MaxInt
		}
		p := &pool{
			name: c.Name, check: cfg.Check.filled(), eject: cfg.Eject.filled(), slowStart: cfg.SlowStart, noRedial: cfg.NoRedial, logger: cfg.Logger,
			transport: newTransport(cfg.AnswerTimeout, max(16, idleKept/len(cfg.Pools))),
			lanes:     &lanes{limit: func() int { return limit }},
			probe:     probe, ctx: ctx, changed: make(chan struct{}),
		}
		b.pools[c.Name] = p
		for _, be := range c.Backends {
			if err := p.put(be); err != nil {
				return nil, err
			}
		}
	}
	errorLog := slog.NewLogLogger(cfg.Logger.Handler(), slog.LevelDebug)
	for _, l := range cfg.Listeners {
		d := &door{
			name: l.Name, pool: b.pools[l.pool()], files: b.files, logger: cfg.Logger, errorLog: errorLog, clients: &b.clients,
			dice:     mishap.New(cfg.Seed, l.Name),
			forwards: cfg.ForwardAbandoned,
			state:    Refusing, taken: map[string]*tally{}, parting: make(chan struct{}),
		}
		if d.port, err = takePort(); err != nil {
			return nil, err
		}
		b.doors = append(b.doors, d)
		if err := d.become(Up); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// URL is a listener's base URL, http://127.0.0.1:port, the same through every outage; "" when there is no such listener.
func (b *Balancer) URL(listener string) string {
	for _, d := range b.doors {
		if d.name == listener {
			return "http://" + d.port.address
		}
	}
	return ""
}

// Put adds a backend to a pool, or changes the one of its name: with other addresses it begins anew, out until its first
// pass; with another weight only, it keeps its health and its slow start.
func (b *Balancer) Put(pool string, be Backend) error {
	p, err := b.pool(pool)
	if err != nil {
		return err
	}
	return p.put(be)
}

// Remove takes a backend from a pool. Requests that are with it end as they would have.
func (b *Balancer) Remove(pool, backend string) error {
	p, err := b.pool(pool)
	if err != nil {
		return err
	}
	return p.remove(backend)
}

// Weigh changes a backend's weight from the next request on; 0 gives it no more requests.
func (b *Balancer) Weigh(pool, backend string, weight int) error {
	p, err := b.pool(pool)
	if err != nil {
		return err
	}
	return p.weigh(backend, weight)
}

func (b *Balancer) pool(name string) (*pool, error) {
	p := b.pools[name]
	switch {
	case b.closed.Load():
		return nil, ErrClosed
	case p == nil:
		return nil, fmt.Errorf("there is no pool %s, only %v", name, slices.Sorted(maps.Keys(b.pools)))
	}
	return p, nil
}

// Ready returns when every backend of every pool is in, or with what is not when ctx ends.
func (b *Balancer) Ready(ctx context.Context) error {
	for _, p := range b.pools {
		for {
			out, changed := p.out()
			if len(out) == 0 {
				break
			}
			select {
			case <-changed:
			case <-ctx.Done():
				return fmt.Errorf("pool %s: not ready: %v: %w", p.name, out, ctx.Err())
			}
		}
	}
	return nil
}

// Refuse ends these listeners, or all when none is named: every connection is cut, those with requests on them too, and
// new ones are refused until Heal.
func (b *Balancer) Refuse(listeners ...string) error { return b.become(Refusing, listeners) }

// Hold makes these listeners, or all when none is named, take in connections and requests and forward nothing until Heal
// lets all of them go at once. What is with a backend already goes on. A request that waits has no connection to one.
// What its client has given up meanwhile goes to a backend if [Config.ForwardAbandoned] says so.
func (b *Balancer) Hold(listeners ...string) error { return b.hold(false, listeners) }

// HoldAll is Hold, and what it holds goes to a backend even when its client has given up meanwhile.
func (b *Balancer) HoldAll(listeners ...string) error { return b.hold(true, listeners) }

func (b *Balancer) hold(all bool, listeners []string) error {
	doors, err := b.named(listeners)
	if err != nil {
		return err
	}
	for _, d := range doors {
		d.forwardAbandoned.Store(all || d.forwards)
	}
	return b.become(Holding, listeners)
}

// Heal ends the outage of these listeners, or of all when none is named. They have the ports that they had.
func (b *Balancer) Heal(listeners ...string) error { return b.become(Up, listeners) }

func (b *Balancer) become(state Outage, listeners []string) error {
	doors, err := b.named(listeners)
	if err != nil {
		return err
	}
	var errs []error
	for _, d := range doors {
		errs = append(errs, d.become(state))
	}
	return errors.Join(errs...)
}

// SetFaults replaces the faults of these listeners, or of all when none is named. The zero Faults heals.
func (b *Balancer) SetFaults(f Faults, listeners ...string) error {
	if err := f.Validate(); err != nil {
		return err
	}
	doors, err := b.named(listeners)
	if err != nil {
		return err
	}
	for _, d := range doors {
		d.dice.Set(f)
	}
	return nil
}

func (b *Balancer) named(listeners []string) ([]*door, error) {
	if b.closed.Load() {
		return nil, ErrClosed
	}
	if len(listeners) == 0 {
		return b.doors, nil
	}
	var doors []*door
	for _, name := range listeners {
		i := slices.IndexFunc(b.doors, func(d *door) bool { return d.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no listener %s", name)
		}
		doors = append(doors, b.doors[i])
	}
	return doors, nil
}

// Shares are what each backend got of each listener's requests, in the order of the configuration. A backend that got
// nothing is there too.
func (b *Balancer) Shares() []Share {
	var list []Share
	for _, d := range b.doors {
		list = append(list, d.shares()...)
	}
	return list
}

// Counts are what went through each listener, in the order of the configuration.
func (b *Balancer) Counts() []Count {
	var list []Count
	for _, d := range b.doors {
		list = append(list, d.count())
	}
	return list
}

// Close closes the listeners, lets the requests that are with a backend end until ctx does, and cuts the rest; what is
// held or delayed is cut at once. When it returns, nothing of the balancer runs any more. It says what was cut.
func (b *Balancer) Close(ctx context.Context) error {
	if b.closed.Swap(true) {
		return nil
	}
	errs := make(chan error, len(b.doors))
	for _, d := range b.doors {
		go func() { errs <- d.close(ctx) }()
	}
	var all []error
	for range b.doors {
		all = append(all, <-errs)
	}
	b.stop()
	// The connections are closed; their goroutines are on their way out.
	_ = await(context.Background(), func() bool { return b.clients.Load() == 0 && b.inside() == 0 })
	for _, p := range b.pools {
		p.close()
	}
	return errors.Join(all...)
}

// inside counts the requests that are in the balancer.
func (b *Balancer) inside() (n int64) {
	for _, d := range b.doors {
		n += d.open.Load()
	}
	return n
}
