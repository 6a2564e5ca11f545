package chaos

import (
	"context"
	"fmt"
	"time"
)

// kill ends a part with SIGKILL: the kernel's out-of-memory killer, a machine that loses its power. Nothing is flushed,
// nothing is said. Its heal starts the part again, on what its disk has kept; with restart: no it stays away.
type kill struct {
	restart bool
}

var killKind = Kind{
	Name:    "kill",
	On:      OnProcess,
	What:    "SIGKILL: the out-of-memory killer, a power cut. It is started again when the fault ends",
	Params:  map[string]string{"restart": "yes"},
	Example: `{at: "11:56", for: 5s, on: service, inject: kill}`,
	make: func(p params) (Fault, error) {
		restart, err := p.oneOf("restart", "yes", "no")
		if err != nil {
			return nil, err
		}
		return kill{restart: restart == "yes"}, nil
	},
}

func (f kill) String() string {
	if !f.restart {
		return "kill, for good"
	}
	return "kill"
}

func (f kill) Inject(ctx context.Context, t *Target) (func(context.Context) error, error) {
	whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), restartLimit) // who is told to die dies, and is to be started again
	defer cancel()
	if err := t.Process.Kill(whole); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		if !f.restart {
			return nil
		}
		return t.Process.Start(ctx)
	}, nil
}

// Felt asks the part itself: a process that is gone does not answer.
func (kill) Felt(ctx context.Context, t *Target) (Evidence, error) {
	pingCtx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if err := t.Process.Ping(pingCtx); err == nil {
		return Evidence{Text: t.Name + " still answers"}, nil
	} else if since, ok := t.Process.Running(); ok {
		return Evidence{Text: fmt.Sprintf("%s has run since %s: %v", t.Name, since.Format(time.TimeOnly), err)}, nil
	} else {
		return Evidence{Felt: true, Text: fmt.Sprintf("the process has ended: %v", err)}, nil
	}
}
