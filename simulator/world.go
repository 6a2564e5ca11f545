package simulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
)

// Config says what to play and where to write it down.
type Config struct {
	Scenario *scenarios.Scenario
	Plan     *Plan

	// Manifest is the run's. StartedAt must be set by time.Now, for its monotonic clock is the run's; RefundAfterNS, the
	// deadline of goodput, must be set before Play, which fills in what it knows and saves it at the start of each phase.
	Manifest *runlog.Manifest
	Log      *runlog.Writer
	Logger   *slog.Logger // nil discards

	Workers int // bound of the sends in flight; 0: DefaultWorkers, or as many as the buyers of a bid need

	// ServiceUsage tells what the service has used so far, all its processes together. nil: unknown.
	ServiceUsage func(context.Context) (cpu time.Duration, rss int64, err error)

	// Notice, when set, is told what is worth showing while something takes long.
	Notice func(message string)

	// Begun, when set, is called on its own goroutine as soon as the plan's zero is fixed, a moment before it: faults
	// are timed by it. Its context ends with the drain, and Play returns only after it has returned.
	Begun func(ctx context.Context, playFrom time.Duration)

	// Steered lets [World.Pause] hold the plan: the timeline then gets less of it ahead.
	Steered bool

	// Sampled, when set, is told of each second as soon as its row is written. It is called on the watch's goroutine, away
	// from every send, and must not keep what the Second points to.
	Sampled func(Second)
}

// A Target is the service under test: base URLs on the loopback. One process has all of them but Internal in one.
type Target struct {
	Public   string // buyers' orders, machines' results and heartbeats
	Polls    string // machines' long polls; "" means Public
	WeChat   string // WeChat Pay's notifies; "" means Public
	Alipay   string // Alipay's notifies; "" means Public
	Internal string

	// Instances, when set, are the processes of a service of several that run at the moment. Each is asked for its metrics every
	// second, as Internal may be a balancer, behind which one answers for all. nil: Internal is the only one.
	Instances func() []Instance `json:"-"`
}

// filled is t with every address.
func (t Target) filled() Target {
	t.Polls, t.WeChat, t.Alipay = cmp.Or(t.Polls, t.Public), cmp.Or(t.WeChat, t.Public), cmp.Or(t.Alipay, t.Public)
	return t
}

// Validate refuses anything but http on a loopback address.
func (t Target) Validate() error {
	check := func(name, base string) error {
		u, err := url.Parse(base)
		switch {
		case err != nil:
			return fmt.Errorf("target %s: %w", name, err)
		case u.Scheme != "http" || u.Host == "" || u.Path != "" || u.RawQuery != "":
			return fmt.Errorf("target %s: %q is not a base URL such as http://127.0.0.1:8080", name, base)
		}
		if err := loopbackAddress(u.Host); err != nil {
			return fmt.Errorf("target %s: %w", name, err)
		}
		return nil
	}
	t = t.filled()
	return errors.Join(check("public", t.Public), check("polls", t.Polls), check("wechat", t.WeChat),
		check("alipay", t.Alipay), check("internal", t.Internal))
}

// An Outcome says how far a run came. What it means is judged from the books.
type Outcome struct {
	Drained   bool // every paid order was settled before the deadline
	Collected bool // the service's own book is whole
	Paid      int  // payments
	Dropped   int
	Refunded  int
	Losses    int
}

// The phases of a run, in order.
const (
	PhaseProvision = "provision" // the service learns of the machines
	PhasePlay      = "play"
	PhaseDrain     = "drain"   // no more orders; the open ones are settled
	PhaseCollect   = "collect" // the service's own book is copied
	PhaseEnd       = "end"
)

// A World is everything around the service: buyers, payment channels, machines and the identity upstream, on one clock.
// It plays one run. Close must be called.
type World struct {
	cfg      Config
	st       *stage
	start    time.Time
	timeline *Timeline
	agenda   *agenda
	ledger   *ledger
	latency  *Latency
	channels paymentChannels
	identity identityUpstream
	fleet    machineFleet
	beside   map[string]workload // by kind of send
	watch    *watch
	clock    *planClock
	steering sync.Mutex // one pause or its end at a time; taken before every other lock

	latencyFile, resultsFile io.WriteCloser

	manifestMu sync.Mutex // guards cfg.Manifest while the run plays

	mu    sync.Mutex
	phase string        // guarded by mu
	from  time.Duration // the plan's zero, before any pause; guarded by mu
	until time.Duration // the run's deadline; guarded by mu
	over  time.Duration // when play and drain had ended, 0 until then; guarded by mu
	warm  time.Duration // the end of the warm-up, once it is known; 0: there is none; guarded by mu
}

// New makes the world of one run. The channels and the identity upstream listen on the loopback from now on, so that the
// service can be told their addresses; nothing is sent.
func New(cfg Config) (_ *World, err error) {
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Notice == nil {
		cfg.Notice = func(string) {}
	}
	w := &World{cfg: cfg, start: cfg.Manifest.StartedAt}
	if cfg.Manifest.WarmUpNS > 0 {
		w.warm = never
	}
	if w.start.IsZero() {
		w.start = time.Now()
		cfg.Manifest.StartedAt = w.start
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, w.Close())
		}
	}()
	w.ledger = newLedger(0, len(cfg.Plan.Orders))
	w.agenda = newAgenda(w.Now)
	w.clock = newPlanClock(w.Now)
	if w.latencyFile, err = cfg.Log.File(runlog.LatencyFile); err != nil {
		return nil, err
	}
	if w.resultsFile, err = cfg.Log.File(runlog.ResultsFile); err != nil {
		return nil, err
	}
	if w.latency, err = NewLatency(w.start, w.latencyFile); err != nil {
		return nil, err
	}
	w.timeline = NewTimeline(TimelineConfig{
		Start: w.start, Workers: cmp.Or(cfg.Workers, workersFor(cfg.Scenario)), Latency: w.latency, Result: vegeta.NewEncoder(w.resultsFile),
	})
	w.watch = newWatch(w)
	w.st = &stage{
		plan: cfg.Plan, scenario: cfg.Scenario, logger: cfg.Logger,
		now:  w.Now,
		wall: func(at time.Duration) time.Time { return w.start.Add(at) },
		book: w.book, push: w.timeline.Push, after: w.agenda.after, notice: cfg.Notice,
		paused: w.clock.paused, orders: newDirectory(cfg.Plan), prices: newPrices(), dice: newDice(cfg.Plan.Header.Seed),
	}
	if w.channels, err = newChannels(w.st); err != nil {
		return nil, fmt.Errorf("opening the payment channels: %w", err)
	}
	if w.identity, err = newIdentity(w.st); err != nil {
		return nil, fmt.Errorf("opening the identity upstream: %w", err)
	}
	w.fleet = newFleet(w.st)
	if w.beside, err = openWorkloads(w.st); err != nil {
		return nil, err
	}
	return w, nil
}

// Now is the moment of the run: nanoseconds since Manifest.StartedAt by the monotonic clock, as Record.At has it.
func (w *World) Now() time.Duration { return time.Since(w.start) }

// ServiceSettings are the addresses and keys that the service must be configured with.
func (w *World) ServiceSettings() ServiceSettings {
	var s ServiceSettings
	w.channels.settle(&s)
	w.identity.settle(&s)
	for _, l := range w.beside {
		l.settle(&s)
	}
	return s
}

// Close closes the listeners. Play must have returned.
func (w *World) Close() error {
	var errs []error
	if w.channels != nil {
		errs = append(errs, w.channels.Close())
		w.channels = nil
	}
	if w.identity != nil {
		errs = append(errs, w.identity.Close())
		w.identity = nil
	}
	errs = append(errs, closeWorkloads(w.beside))
	w.beside = nil
	return errors.Join(append(errs, w.closeFiles())...)
}

// closeFiles closes the files that New opened, once.
func (w *World) closeFiles() error {
	var errs []error
	for _, f := range []*io.WriteCloser{&w.latencyFile, &w.resultsFile} {
		if *f != nil {
			errs = append(errs, (*f).Close())
			*f = nil
		}
	}
	return errors.Join(errs...)
}

// book appends a record to the run's books.
func (w *World) book(r runlog.Record) {
	if r.At == 0 {
		r.At = int64(w.Now())
	}
	w.ledger.note(&r)
	w.cfg.Log.Book(r)
}

// Progress is the state of a run for its live line.
type Progress struct {
	Phase       string        // "" before Play
	Elapsed     time.Duration // of play and drain together
	Total       time.Duration // the plan's length; while draining, the deadline
	OfferedRate float64       // sends that fell due in the last second
	SentRate    float64
	P99         time.Duration // response time of orders in the last second, 0 when there were none
	Backlog     int           // -1 unknown
	Paid        int
	Dropped     int
	Refunded    int
	Losses      int // orders that are lost already, by the books so far
	Paused      bool
}

// Progress may be called at any time by any goroutine.
func (w *World) Progress() Progress {
	w.mu.Lock()
	p := Progress{Phase: w.phase, Total: w.cfg.Plan.Header.Length}
	from, until, now := w.from, w.until, w.Now()
	if w.over > 0 {
		now = w.over
	}
	w.mu.Unlock()
	if from > 0 {
		p.Elapsed = max(0, now-from-w.clock.paused())
	}
	if p.Phase == PhaseDrain {
		p.Total = until - from - w.clock.paused()
	}
	p.Paused = w.Paused()
	sum := w.ledger.totals()
	p.Paid, p.Dropped, p.Refunded, p.Losses = sum.Paid, sum.Dropped, sum.Refunds, sum.Losses
	w.watch.progress(&p)
	return p
}
