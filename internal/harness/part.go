package harness

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/testbed"
)

// A part is one process or container of a run as faults see it: it implements [chaos.Process]. It outlives its instances,
// and tells a death by a fault from one that nobody ordered.
type part struct {
	name  string
	ping  chaos.Ping
	addr  func(testbed.Instance) string // beside any link
	halt  func(ctx context.Context, i testbed.Instance) error
	start func(ctx context.Context) (testbed.Instance, error) // and moves the links

	acts   sync.Mutex      // one act at a time: a restart and a kill do not meet half-way; guards the two that follow
	begun  *testbed.Limits // that an instance begins with; nil until a fault changes them
	limits testbed.Limits  // as they are to be

	mu       sync.Mutex // guards what follows
	instance testbed.Instance
	since    time.Time
	felled   bool          // the present instance is meant to end
	starving time.Time     // until then it may end for want of the memory that a fault took from it; zero: it may not
	offset   time.Duration // how far its clock is off from its next start on
	paused   bool
	spent    time.Duration // CPU of the instances before
	killings int           // how often it did not end when a fault told it to
	died     chan error    // of a death that nobody ordered; has room for one; several parts may share one
}

// A death is the end of a part that nobody had ordered.
type death struct {
	part string
	why  error
}

func (d *death) Error() string { return d.part + " died: " + d.why.Error() }
func (d *death) Unwrap() error { return d.why }

// newPart takes over a started instance and watches it.
func newPart(p *part, i testbed.Instance) *part {
	if p.died == nil {
		p.died = make(chan error, 1)
	}
	p.take(i)
	return p
}

func (p *part) take(i testbed.Instance) {
	p.mu.Lock()
	p.instance, p.since, p.felled, p.paused, p.starving = i, time.Now(), false, false, time.Time{}
	p.mu.Unlock()
	go func() {
		<-i.Exited()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.felled || p.instance != i || p.starved(i) {
			return
		}
		select {
		case p.died <- &death{p.name, errors.Join(i.Err(), errors.New("nobody had ordered it"))}:
		default:
		}
	}()
}

func (p *part) current() testbed.Instance {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.instance
}

// fell marks the present instance as one that is meant to end, and keeps its CPU time.
func (p *part) fell(ctx context.Context) testbed.Instance {
	i := p.current()
	u, err := i.Usage(ctx)
	if err != nil {
		u.CPU = 0 // a figure in the report is not worth a fault
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.felled {
		p.felled = true
		p.spent += u.CPU
	}
	return i
}

// spare takes back that the present instance is meant to end.
func (p *part) spare(spent time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.felled, p.spent = false, spent
}

// Kill implements chaos.Process. An engine that does not answer in time may do as it was told all the same, so an end is waited for; a
// part that goes on has been spared, and its end would be one that nobody had ordered.
func (p *part) Kill(ctx context.Context) error {
	p.acts.Lock()
	defer p.acts.Unlock()
	p.mu.Lock()
	spent := p.spent
	p.mu.Unlock()
	i := p.fell(ctx)
	err := i.Kill()
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		p.spare(spent)
		return err
	}
	select {
	case <-i.Exited():
		return nil
	case <-ctx.Done():
		p.spare(spent)
		return errors.Join(err, context.Cause(ctx))
	}
}

// Stop implements chaos.Process. One that had to be killed has ended, which is all that a fault is after; the run tells of it,
// see [faults.stubborn].
func (p *part) Stop(ctx context.Context) error {
	err := p.end(ctx)
	if killed := (*testbed.Killed)(nil); !errors.As(err, &killed) {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.killings++
	return nil
}

// end implements deployed: it stops the part for good. The error of one that had to be killed is a [*testbed.Killed].
func (p *part) end(ctx context.Context) error {
	p.acts.Lock()
	defer p.acts.Unlock()
	i := p.fell(ctx)
	return p.halt(ctx, i)
}

// Start implements chaos.Process.
func (p *part) Start(ctx context.Context) error {
	p.acts.Lock()
	defer p.acts.Unlock()
	if _, ok := p.Running(); ok {
		return nil
	}
	i, err := p.start(ctx)
	if err != nil {
		return err
	}
	p.take(i)
	return p.limit(ctx)
}

// Pause implements chaos.Process.
func (p *part) Pause(ctx context.Context) error {
	p.acts.Lock()
	defer p.acts.Unlock()
	pauser, ok := p.current().(testbed.Pauser)
	if !ok {
		return fmt.Errorf("%s cannot be paused", p.name)
	}
	p.mu.Lock()
	p.paused = true
	p.mu.Unlock()
	return pauser.Pause(ctx)
}

// Resume implements chaos.Process. What has ended since, by another fault, is not resumed.
func (p *part) Resume(ctx context.Context) error {
	p.acts.Lock()
	defer p.acts.Unlock()
	p.mu.Lock()
	paused := p.paused
	p.paused = false
	p.mu.Unlock()
	if _, ok := p.Running(); !ok || !paused {
		return nil
	}
	return p.current().(testbed.Pauser).Resume(ctx)
}

// Running implements chaos.Process.
func (p *part) Running() (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.instance.Exited():
		return time.Time{}, false
	default:
		return p.since, true
	}
}

// Ping implements chaos.Process.
func (p *part) Ping(ctx context.Context) error {
	return p.ping(ctx, p.addr(p.current()), 0)
}

// usage is what all its instances have used together, and what the present one holds.
func (p *part) usage(ctx context.Context) (cpu time.Duration, rss int64, err error) {
	i := p.current()
	u, err := i.Usage(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.felled {
		return p.spent, u.RSS, err // with the present instance's, which is ending
	}
	return p.spent + u.CPU, u.RSS, err
}
