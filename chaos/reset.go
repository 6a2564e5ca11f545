package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// reset ends every connection, new ones with a TCP reset: a process that dies again and again, a balancer that
// forgets its table.
type reset struct{}

var resetKind = Kind{
	Name:    "reset",
	On:      OnLink,
	What:    "connections end and new ones are reset: a peer that dies again and again",
	Params:  map[string]string{},
	Example: `{at: "11:56", for: 10s, on: redis-queue, inject: reset}`,
	make:    func(params) (Fault, error) { return reset{}, nil },
}

func (reset) String() string { return "reset" }

func (reset) Inject(_ context.Context, t *Target) (func(context.Context) error, error) {
	return t.Link.addBoth("reset_peer", map[string]int64{"timeout": 0})
}

func (reset) Felt(ctx context.Context, t *Target) (Evidence, error) {
	err := pingOnce(ctx, t.Link.ping, t.Link.Addr(), 0, time.Second)
	switch {
	case err == nil:
		return Evidence{Text: t.Link.name + " still answers through the link"}, nil
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded): // the dialler's, or the connection's
		return Evidence{Text: t.Link.name + " is silent, not reset"}, nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return Evidence{Text: t.Link.name + " refuses connections, it does not reset them"}, nil
	default:
		return Evidence{Felt: true, Text: fmt.Sprintf("a new connection ended with %q", err)}, nil
	}
}
