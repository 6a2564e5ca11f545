package live

import (
	"context"
	"crypto/rand"
	"errors"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/simulator"
)

// Config says where the page is and what it may do.
type Config struct {
	Addr  string // "127.0.0.1:7070"; another address than a loopback one wants a Token
	Token string // whoever comes must know it; "" on loopback: nobody is asked
	Only  bool   // nothing can be done to the run
	Stop  func() // ends the work as Ctrl-C does; nil: it can not be stopped here
}

// A Run is what the page shows, and what it passes acts on to: [*harness.Controls].
type Run interface {
	Manifest() runlog.Manifest
	Demand() []reports.DemandPoint
	Faults() []reports.LiveFault
	Progress() simulator.Progress
	Now() time.Duration
	Paused() bool
	WatchedOnly() bool
	Offers() []harness.Offer

	Pause() error
	Resume() error
	Inject(on, inject string, params map[string]string, long time.Duration) (id string, err error)
	Heal(id string) error
}

// lingerLimit is how long the page stays at most after the last run, for the browsers that look at it to get the end.
const lingerLimit = 5 * time.Second

// partingLimit is how long an answer that is on its way at the very end may take.
const partingLimit = 2 * time.Second

// A Page is an open one. Its methods are safe for concurrent use. Close must be called.
type Page struct {
	cfg      Config
	door     door
	listener net.Listener
	server   *http.Server
	served   chan error
	closing  context.Context
	end      context.CancelFunc
	act      string // what a form must bring along to be taken: nobody else's page knows it

	drawing sync.Mutex // guards drawn; taken before mu
	drawn   map[string]drawn

	mu      sync.Mutex // guards what follows
	says    string     // what is going on
	show    *show      // nil while there is no run
	past    []judged
	over    bool
	turn    uint64 // counts the changes that a browser should see
	metrics *metrics
	streams map[chan struct{}]bool // one poke each
	quiet   chan struct{}          // closed while there is no stream
}

// A show is the run that goes on, as the page knows it.
type show struct {
	run       Run
	offers    []harness.Offer
	samples   []runlog.Sample // only ever appended to
	kinds     map[string]simulator.TimelineCounts
	windows   windows
	responses map[string]*buckets
	lateness  *buckets
	sums      sums
	trouble   error // of the windows; the page says so
}

// sums are totals over the samples.
type sums struct{ creates, paid, dropped, refunds int }

func (s *show) last() (runlog.Sample, bool) {
	if len(s.samples) == 0 {
		return runlog.Sample{}, false
	}
	return s.samples[len(s.samples)-1], true
}

// A judged is a run that is over. Verdict.Outcome is "" where there was nothing to judge.
type judged struct {
	Scenario, Side string
	Verdict        reports.Verdict
	Dir            string // of its folder, "" if there is none
	Trouble        string // why it is not whole, or not judged
}

// Open takes the address and serves the page from now on. What is wrong with the address or the token is a [*Refusal].
func Open(cfg Config) (*Page, error) {
	d, err := newDoor(cfg.Addr, cfg.Token)
	if err != nil {
		return nil, err
	}
	l, err := d.listen()
	if err != nil {
		return nil, err
	}
	p := &Page{
		cfg: cfg, door: d, listener: l, served: make(chan error, 1), act: rand.Text(), says: "starting", metrics: newMetrics(),
		drawn: map[string]drawn{}, streams: map[chan struct{}]bool{}, quiet: closedNow(),
	}
	p.closing, p.end = context.WithCancel(context.Background())
	p.server = p.newServer()
	go func() { p.served <- p.server.Serve(l) }()
	return p, nil
}

func closedNow() chan struct{} {
	c := make(chan struct{})
	close(c)
	return c
}

// URL is where a browser finds the page.
func (p *Page) URL() string { return "http://" + p.listener.Addr().String() + "/" }

// Say tells what is going on while there is no run to show: "starting the local testbed".
func (p *Page) Say(what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.says = what
	p.poke()
}

// poke makes every stream look again. Callers hold mu.
func (p *Page) poke() {
	p.turn++
	for s := range p.streams {
		select {
		case s <- struct{}{}:
		default: // it has not looked yet
		}
	}
}

// Begin shows a run from now on.
func (p *Page) Begin(run Run) {
	offers := run.Offers()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.show = &show{
		run: run, offers: offers, windows: newWindows(), responses: map[string]*buckets{}, lateness: newBuckets(latenessBounds),
	}
	p.says = ""
	p.poke()
}

// Second takes a second of the run.
func (p *Page) Second(second simulator.Second) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.show
	if s == nil {
		return
	}
	s.samples = append(s.samples, second.Sample)
	s.kinds = second.Kinds
	s.sums.creates += second.Sample.Creates
	s.sums.paid += second.Sample.Paid
	s.sums.dropped += second.Sample.Dropped
	s.sums.refunds += second.Sample.Refunds
	if err := s.windows.add(second.Times); err != nil && s.trouble == nil {
		s.trouble = err
	}
	s.addTimes(second.Times)
	p.poke()
}

// Judged tells what came of the run that was shown; a is nil where there was nothing to judge, err why it is not whole.
func (p *Page) Judged(a *reports.Analysis, dir string, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	j := judged{Dir: dir}
	if a != nil {
		j.Scenario, j.Side, j.Verdict = a.Run.Scenario, a.Run.Profile, a.Verdict
		p.metrics.judged[a.Verdict.Outcome]++
	} else if p.show != nil {
		m := p.show.run.Manifest()
		j.Scenario, j.Side = m.Scenario, m.Profile
	}
	if err != nil {
		j.Trouble = err.Error()
	}
	p.past = append(p.past, j)
	p.poke()
}

// report is the folder whose report the page turns into when all is over; "" unless there was exactly one run, judged.
func (p *Page) report() string {
	if len(p.past) == 1 && p.past[0].Verdict.Outcome != "" {
		return p.past[0].Dir
	}
	return ""
}

// Close tells every browser that all is over, waits until they have got it, for five seconds at most, and ends the page.
func (p *Page) Close() error {
	p.mu.Lock()
	p.over = true
	p.poke()
	quiet := p.quiet
	p.mu.Unlock()

	linger := time.NewTimer(lingerLimit)
	defer linger.Stop()
	select {
	case <-quiet:
	case <-linger.C:
	}
	p.end() // ends what streams are left
	last, cancel := context.WithTimeout(context.Background(), partingLimit)
	defer cancel()
	err := p.server.Shutdown(last) // waits for a report on its way
	if errors.Is(err, context.DeadlineExceeded) {
		err = p.server.Close() // a browser keeps a connection in store, on which it has asked for nothing yet
	}
	if served := <-p.served; !errors.Is(served, http.ErrServerClosed) {
		err = errors.Join(err, served)
	}
	return err
}

// A snapshot is what is drawn of the page at one moment.
type snapshot struct {
	turn     uint64
	says     string
	over     bool
	report   string
	past     []judged
	only     bool
	stop     bool
	act      string
	run      Run // nil: none
	offers   []harness.Offer
	samples  []runlog.Sample
	kinds    map[string]simulator.TimelineCounts
	create   quantile
	notify   quantile
	lateness quantile
	trouble  error
}

func (p *Page) snapshot() snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := snapshot{
		turn: p.turn, says: p.says, over: p.over, report: p.report(), past: slices.Clone(p.past), only: p.cfg.Only, stop: p.cfg.Stop != nil, act: p.act,
	}
	if p.show == nil {
		return s
	}
	s.run, s.offers, s.samples, s.kinds, s.trouble = p.show.run, p.show.offers, p.show.samples, p.show.kinds, p.show.trouble
	s.create, s.notify = p.show.windows.percentile(windowTags[0]), p.show.windows.percentile(windowTags[1])
	s.lateness = p.show.windows.percentile(windowTags[2])
	return s
}
