package chaos

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// restart stops a part in an orderly way and starts it again, once or every so often: a deployment at noon, a supervisor
// that finds a health check too slow and restarts what was only busy.
type restart struct {
	every time.Duration // 0: once

	mu     sync.Mutex // guards before
	before time.Time  // since when the part ran when the fault was injected; zero while it is not
}

var restartKind = Kind{
	Name:    "restart",
	On:      OnProcess,
	What:    "stopped in order and started again, once or every so often: a deployment at noon",
	Params:  map[string]string{"every": "0s"},
	Example: `{at: "11:56", for: 60s, on: service, inject: restart, every: 15s}`,
	make: func(p params) (Fault, error) {
		every, err := p.duration("every", 0, time.Hour)
		if err != nil {
			return nil, err
		}
		if every > 0 && every < time.Second {
			return nil, mistake("every", "%s leaves no time to start, at least 1s; 0s is once", every)
		}
		return &restart{every: every}, nil
	},
}

func (f *restart) String() string {
	if f.every > 0 {
		return "restart every " + f.every.String()
	}
	return "restart"
}

// restartLimit bounds one restart; a service may drain for seconds before it ends.
const restartLimit = 45 * time.Second

func (f *restart) Inject(ctx context.Context, t *Target) (func(context.Context) error, error) {
	since, ok := t.Process.Running()
	if !ok {
		return nil, fmt.Errorf("%s does not run", t.Name)
	}
	f.set(since)
	loop, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- f.loop(loop, t.Process) }()
	return func(ctx context.Context) error {
		stop()
		var err error
		select {
		case err = <-done:
		case <-ctx.Done():
			return fmt.Errorf("a restart goes on still: %w", context.Cause(ctx))
		}
		f.set(time.Time{})
		return errors.Join(err, t.Process.Start(ctx)) // nothing to do, unless a restart went wrong
	}, nil
}

func (f *restart) set(before time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.before = before
}

// loop restarts until ctx ends. A restart that has begun is finished: half of one is a kill.
func (f *restart) loop(ctx context.Context, p Process) error {
	for {
		whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), restartLimit)
		err := errors.Join(p.Stop(whole), p.Start(whole)) // a stop that went wrong may have ended it all the same
		cancel()
		if err != nil || f.every == 0 {
			return err
		}
		if !waitUntil(ctx, time.Now().Add(f.every)) {
			return nil
		}
	}
}

// Felt waits for a process that is younger than the fault and answers.
func (f *restart) Felt(ctx context.Context, t *Target) (Evidence, error) {
	f.mu.Lock()
	before := f.before
	f.mu.Unlock()
	if before.IsZero() {
		return Evidence{Text: "nothing restarts " + t.Name}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, restartLimit)
	defer cancel()
	began := time.Now()
	for {
		if since, ok := t.Process.Running(); ok && since.After(before) && t.Process.Ping(ctx) == nil {
			return Evidence{Felt: true, Text: fmt.Sprintf("another process since %s, it answered %s after the fault began",
				since.Format("15:04:05.000"), time.Since(began).Round(time.Millisecond))}, nil
		}
		if !waitUntil(ctx, time.Now().Add(10*time.Millisecond)) {
			return Evidence{Text: fmt.Sprintf("%s has not been back within %s", t.Name, time.Since(began).Round(time.Millisecond))}, nil
		}
	}
}
