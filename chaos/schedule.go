package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// healTimeout bounds each heal.
const healTimeout = 10 * time.Second

// An Entry is one fault on the timeline of a run.
type Entry struct {
	ID    string // "1 latency 200ms on mysql": names the fault in books and reports
	Fault Fault
	Link  *Link
	At    time.Duration // since the run's play began
	For   time.Duration // 0: until the end
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
	var wg sync.WaitGroup
	errs := make([]error, len(entries))
	began := time.Now()
	for i, e := range entries {
		wg.Go(func() { errs[i] = playEntry(ctx, began, e, w) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func playEntry(ctx context.Context, began time.Time, e Entry, w Witness) (err error) {
	if !waitUntil(ctx, began.Add(e.At)) {
		return nil
	}
	heal, err := e.Fault.Inject(ctx, e.Link)
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
	evidence, feltErr := e.Fault.Felt(ctx, e.Link)
	if feltErr != nil {
		evidence = Evidence{Text: feltErr.Error()}
	}
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
