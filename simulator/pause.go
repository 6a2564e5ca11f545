package simulator

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A pause holds the plan, and only the plan: no further order, probe or call leaves, and all that is left of the plan comes
// so much later, faults included. What is under way goes on: payments, notifies and their ladders, results, heartbeats,
// tries again, and the length of a fault that is on. To hold those too would be a fault of its own, for to the service the
// channels and the machines would be dead.
//
// A run that was paused is another run than the one that was planned. The manifest says so, and nothing is proven by it.

// PauseLimit is how long the plan is held at most; then it goes on by itself. A page that somebody forgot must not keep a
// testbed for ever. Ours.
const PauseLimit = 10 * time.Minute

// What a steered run feeds its timeline by: what the timeline has is no longer held, so a pause takes effect within a
// second. It is more than the half second before which a probe is signed.
const (
	steeredEvery = 250 * time.Millisecond
	steeredAhead = time.Second
)

// A planClock says when the moments of the plan fall.
type planClock struct {
	now func() time.Duration

	mu      sync.Mutex
	zero    time.Duration // of the plan, moved by every pause that is over; guarded by mu
	fed     time.Duration // up to this moment of the plan the timeline has it; guarded by mu
	moved   time.Duration // by the pauses that are over; guarded by mu
	held    bool          // guarded by mu
	changed chan struct{} // closed when a pause begins or ends, and made anew; guarded by mu
}

func newPlanClock(now func() time.Duration) *planClock {
	return &planClock{now: now, changed: make(chan struct{})}
}

// begin fixes the plan's zero.
func (c *planClock) begin(zero time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.zero = zero
	c.tell()
}

// tell wakes those that wait for a moment. Callers hold mu.
func (c *planClock) tell() {
	close(c.changed)
	c.changed = make(chan struct{})
}

// feed is up to which moment of the plan the timeline is to have it now, and the run's moment of the plan's zero.
func (c *planClock) feed(ahead time.Duration) (upTo, zero time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.held {
		c.fed = max(c.fed, c.now()+ahead-c.zero)
	}
	return c.fed, c.zero
}

// hold begins a pause at the end of what the timeline has, which is no earlier than now; false when that is all of a plan of
// that length.
func (c *planClock) hold(length time.Duration) (from time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.fed = max(c.fed, c.now()-c.zero)
	if c.fed >= length {
		return 0, false
	}
	c.held = true
	c.tell()
	return c.zero + c.fed, true
}

// release ends it. A pause that ends before it took effect has moved nothing: it ends when it began.
func (c *planClock) release() (to, by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	by = c.open()
	c.held = false
	to = c.zero + c.fed + by
	c.zero += by
	c.moved += by
	c.tell()
	return to, by
}

// open is by how much the pause that goes on has moved the plan so far. Callers hold mu.
func (c *planClock) open() time.Duration {
	if !c.held {
		return 0
	}
	return max(0, c.now()-c.zero-c.fed)
}

// paused is by how much all pauses have moved the plan, the one that goes on included.
func (c *planClock) paused() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.moved + c.open()
}

// planned is the present moment of the plan.
func (c *planClock) planned() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now() - c.zero - c.open()
}

// rest is how long it is until a moment of the plan, as far as is known: never, while it is held. changed is closed when
// that may be another answer.
func (c *planClock) rest(at time.Duration) (d time.Duration, changed <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held && at > c.fed {
		return never, c.changed
	}
	return c.zero + at - c.now(), c.changed
}

// await returns at that moment of the plan, or earlier with the reason.
func (c *planClock) await(ctx context.Context, dead <-chan struct{}, at time.Duration) error {
	for {
		d, changed := c.rest(at)
		if d <= 0 {
			return nil
		}
		timer := time.NewTimer(d)
		select {
		case <-timer.C:
		case <-changed:
		case <-ctx.Done():
		case <-dead:
		}
		timer.Stop()
		if ctx.Err() != nil {
			return interrupted(ctx, "")
		}
		select {
		case <-dead:
			return errTimelineEnded
		default:
		}
	}
}

// Await returns true at that moment of the plan, whatever pauses come before it, and false when ctx ends earlier. It may be
// called once the world's Begun was.
func (w *World) Await(ctx context.Context, planned time.Duration) bool {
	return w.clock.await(ctx, nil, planned) == nil
}

// PlanNow is the present moment of the plan; it stands still in a pause.
func (w *World) PlanNow() time.Duration { return w.clock.planned() }

// Paused reports whether the plan is held.
func (w *World) Paused() bool {
	w.clock.mu.Lock()
	defer w.clock.mu.Unlock()
	return w.clock.held
}

// What is wrong with a pause, or with its end.
var (
	ErrPaused    = errors.New("the plan is held already")
	ErrNotPaused = errors.New("the plan is not held")
	ErrNoPlan    = errors.New("there is no plan to hold: it has not begun, or nothing is left of it")
)

// Pause holds the plan until Resume, or for [PauseLimit]. The world must have been made with Steered.
func (w *World) Pause() error {
	w.steering.Lock()
	defer w.steering.Unlock()
	w.mu.Lock()
	playing := w.phase == PhasePlay && w.from > 0
	w.mu.Unlock()
	switch {
	case w.Paused():
		return ErrPaused
	case !playing:
		return ErrNoPlan
	}
	from, ok := w.clock.hold(w.cfg.Plan.Header.Length)
	if !ok {
		return ErrNoPlan
	}
	n := 0
	err := w.Amend(func(m *runlog.Manifest) {
		m.Pauses = append(m.Pauses, runlog.Pause{FromNS: int64(from)})
		n = len(m.Pauses)
	})
	w.book(runlog.Record{Event: runlog.ByHand, Note: "pause"})
	w.agenda.after(w.Now()+PauseLimit, func() { _ = w.resume(n) }) // over already: then there is nothing to end
	return err
}

// Resume lets the plan go on.
func (w *World) Resume() error { return w.resume(0) }

// resume ends the n-th pause, from 1; 0 is any.
func (w *World) resume(n int) error {
	w.steering.Lock()
	defer w.steering.Unlock()
	if !w.Paused() {
		return ErrNotPaused
	}
	if n > 0 {
		w.manifestMu.Lock()
		last := len(w.cfg.Manifest.Pauses)
		w.manifestMu.Unlock()
		if n != last {
			return ErrNotPaused
		}
	}
	to, by := w.clock.release()
	w.mu.Lock()
	w.until += by
	w.mu.Unlock()
	w.book(runlog.Record{Event: runlog.ByHand, Note: "resume"})
	return w.Amend(func(m *runlog.Manifest) {
		m.Pauses[len(m.Pauses)-1].ToNS = int64(to)
		m.DeadlineNS += int64(by)
	})
}

// Amend changes the manifest and saves it. It may be called until Play returns.
func (w *World) Amend(change func(*runlog.Manifest)) error {
	w.manifestMu.Lock()
	defer w.manifestMu.Unlock()
	change(w.cfg.Manifest)
	if err := w.cfg.Log.SaveManifest(w.cfg.Manifest); err != nil {
		return fmt.Errorf("writing what was done by hand into the manifest: %w", err)
	}
	return nil
}

// moved is when a moment is that was fixed by the plan before any pause.
func (st *stage) moved(at time.Duration) time.Duration {
	if st.paused == nil {
		return at
	}
	return at + st.paused()
}

// Times fills in what a run's manifest knows by now of its times, pauses and faults.
func (w *World) Times(m *runlog.Manifest) {
	w.manifestMu.Lock()
	defer w.manifestMu.Unlock()
	own := w.cfg.Manifest
	m.PlayFromNS, m.PlayForNS, m.DeadlineNS, m.DrainedAtNS = own.PlayFromNS, own.PlayForNS, own.DeadlineNS, own.DrainedAtNS
	m.Faults, m.Pauses = slices.Clone(own.Faults), slices.Clone(own.Pauses)
}
