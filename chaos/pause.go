package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// pause stops a part in its tracks and lets it go on later: a stop-the-world collection, a virtual machine that is moved,
// a disk that hangs. Its connections stay open, the kernel still takes new ones, and nobody answers.
type pause struct{}

var pauseKind = Kind{
	Name:    "pause",
	On:      OnProcess,
	What:    "stopped in its tracks, connections open: a long collection, a machine being moved",
	Params:  map[string]string{},
	Example: `{at: "11:56", for: 10s, on: mysql, inject: pause}`,
	make:    func(params) (Fault, error) { return pause{}, nil },
}

func (pause) String() string { return "pause" }

func (pause) Inject(ctx context.Context, t *Target) (func(context.Context) error, error) {
	if err := t.Process.Pause(ctx); err != nil {
		// It may stand still for all that, and nobody else would let it go on.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), healTimeout)
		defer cancel()
		return nil, errors.Join(err, t.Process.Resume(ctx))
	}
	return t.Process.Resume, nil
}

// Felt wants a part that runs, takes a connection and says nothing.
func (pause) Felt(ctx context.Context, t *Target) (Evidence, error) {
	const patience = 500 * time.Millisecond
	if _, ok := t.Process.Running(); !ok {
		return Evidence{Text: t.Name + " does not run at all"}, nil
	}
	pingCtx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	err := t.Process.Ping(pingCtx)
	took := time.Since(began)
	switch {
	case err == nil:
		return Evidence{Text: fmt.Sprintf("%s answered in %s", t.Name, took.Round(time.Millisecond))}, nil
	case took < patience/2:
		return Evidence{Text: fmt.Sprintf("%s does not wait, it fails at once: %v", t.Name, err)}, nil
	default:
		return Evidence{Felt: true, Text: fmt.Sprintf("it runs, and did not answer in %s", took.Round(time.Millisecond))}, nil
	}
}
