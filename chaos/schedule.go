package chaos

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"
	"time"
)

// healTimeout bounds each heal. A database that was killed takes seconds to come back.
const healTimeout = time.Minute

// An Entry is one fault on the timeline of a run.
type Entry struct {
	ID     string // "1 latency 200ms on mysql": names the fault in books and reports
	Kind   string // what was written after inject:
	Fault  Fault
	Target *Target
	At     time.Duration // since the run's play began
	For    time.Duration // 0: until the end
}

// Clash reports whether two entries must not overlap, and do: the same kind on the same target twice, where the first
// heal would undo both; or two that kill, pause or restart the same process.
func Clash(a, b Entry) bool {
	if a.Target != b.Target || a.At >= b.end() || b.At >= a.end() {
		return false
	}
	return a.Kind == b.Kind || endsProcess(a.Kind) && endsProcess(b.Kind)
}

// endsProcess reports whether a kind kills, pauses or restarts, or starts what it may have ended, as limit-memory's heal does.
func endsProcess(kind string) bool {
	on := SurfaceOf(kind)
	return kind == "limit-memory" || on == OnProcess || on == OnInstance || on == OnClock
}

// end is when the entry is over.
func (e Entry) end() time.Duration {
	if e.For == 0 {
		return 1<<63 - 1
	}
	return e.At + e.For
}

// A Witness is told what happens on the timeline. Its methods are called from several goroutines.
type Witness interface {
	Injected(e Entry)
	Felt(e Entry, evidence Evidence)
	Healed(e Entry, err error)
}

// Play injects and heals the entries at their times, which may overlap, and returns when all are done or ctx is. Every
// fault that was injected has been healed by then. The error joins what could not be injected or healed.
func Play(ctx context.Context, entries []Entry, w Witness) error {
	began := time.Now()
	return PlayBy(ctx, entries, func(ctx context.Context, at time.Duration) bool { return waitUntil(ctx, began.Add(at)) }, w)
}

// PlayBy is Play by a clock of the caller's: come returns true at that moment of it, and false when ctx is done before. How
// long a fault lasts is real time all the same.
func PlayBy(ctx context.Context, entries []Entry, come func(ctx context.Context, at time.Duration) bool, w Witness) error {
	var wg sync.WaitGroup
	errs := make([]error, len(entries))
	for i, e := range entries {
		wg.Go(func() { errs[i] = playEntry(ctx, come, e, w) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func playEntry(ctx context.Context, come func(context.Context, time.Duration) bool, e Entry, w Witness) (err error) {
	// A fault that panics must not take the others' heals with it.
	defer func() {
		if r := recover(); r != nil {
			err = errors.Join(err, fmt.Errorf("%s panicked: %v\n%s", e.ID, r, debug.Stack()))
		}
	}()
	if !come(ctx, e.At) {
		return nil
	}
	heal, err := e.Fault.Inject(ctx, e.Target)
	if err != nil {
		return fmt.Errorf("injecting %s: %w", e.ID, err)
	}
	injected := time.Now()
	w.Injected(e)
	defer func() {
		healCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healTimeout)
		defer cancel()
		healErr := heal(healCtx)
		w.Healed(e, healErr)
		if healErr != nil {
			err = errors.Join(err, fmt.Errorf("healing %s: %w", e.ID, healErr))
		}
	}()
	evidence := e.measure(ctx, injected)
	if ctx.Err() == nil {
		w.Felt(e, evidence)
	}
	if e.For == 0 {
		<-ctx.Done()
		return nil
	}
	waitUntil(ctx, injected.Add(e.For))
	return nil
}

// measure is what Felt says until the fault is over: measuring must not make it longer. A restart is the exception, since it is
// finished whatever its time says, and healing waits for that too.
func (e Entry) measure(ctx context.Context, injected time.Time) Evidence {
	_, finished := e.Fault.(*restart)
	if e.For > 0 && !finished {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, injected.Add(e.For))
		defer cancel()
	}
	evidence, err := e.Fault.Felt(ctx, e.Target)
	if err != nil {
		evidence = Evidence{Text: err.Error()}
	}
	if !evidence.Felt && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		evidence.Text = fmt.Sprintf("it was over after %s, before it was felt: %s", e.For, evidence.Text)
	}
	return evidence
}

// waitUntil reports whether the moment came before ctx was done.
func waitUntil(ctx context.Context, moment time.Time) bool {
	timer := time.NewTimer(time.Until(moment))
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
