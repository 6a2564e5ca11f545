package chaos

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// A Balancer is the load balancer in front of a service, as faults see it.
type Balancer struct {
	// Hold takes requests in and forwards none; HoldAll keeps those too whose client has given up; Refuse cuts every
	// connection and refuses new ones; Heal ends any, and lets what was held go at once.
	Hold, HoldAll, Refuse, Heal func() error
	Address                     string // of one of its listeners, host:port
}

// outage is a load balancer that drops out, for every client at once. With mode hold it keeps the connections and
// forwards nothing: when it comes back everyone comes through together. A request whose client gave up meanwhile is dropped,
// or, with abandoned forward, comes through as well: a proxy that had taken a request in before it got stuck, and does not
// look behind it. With mode refuse it is not there, and what was under way is cut: the clients come back by themselves, when
// they try again.
type outage struct {
	mode    string
	forward bool
}

const (
	modeHold   = "hold"
	modeRefuse = "refuse"

	abandonedDrop    = "drop"
	abandonedForward = "forward"
)

var outageKind = Kind{
	Name:    "outage",
	On:      OnBalancer,
	What:    "the load balancer drops out and comes back: everyone returns at once",
	Params:  map[string]string{"mode": modeHold, "abandoned": abandonedDrop},
	Example: `{at: "11:56", for: 60s, on: balancer, inject: outage, mode: hold}`,
	make: func(p params) (Fault, error) {
		if p["mode"] != modeHold && p["mode"] != modeRefuse {
			return nil, mistake("mode", "%q is none; accepted: %s, %s", p["mode"], modeHold, modeRefuse)
		}
		forward := p["abandoned"] == abandonedForward
		switch {
		case !forward && p["abandoned"] != abandonedDrop:
			return nil, mistake("abandoned", "%q is none; accepted: %s, %s", p["abandoned"], abandonedDrop, abandonedForward)
		case forward && p["mode"] != modeHold:
			return nil, mistake("abandoned", "nothing is kept with mode %s", p["mode"])
		}
		return outage{p["mode"], forward}, nil
	},
}

func (f outage) String() string {
	if f.forward {
		return "outage (" + f.mode + ", abandoned requests too)"
	}
	return "outage (" + f.mode + ")"
}

func (f outage) Inject(_ context.Context, t *Target) (func(context.Context) error, error) {
	drop := t.Balancer.Hold
	if f.forward {
		drop = t.Balancer.HoldAll
	}
	if f.mode == modeRefuse {
		drop = t.Balancer.Refuse
	}
	if err := drop(); err != nil {
		return nil, err
	}
	return func(context.Context) error { return t.Balancer.Heal() }, nil
}

func (f outage) Felt(ctx context.Context, t *Target) (Evidence, error) {
	const patience = 500 * time.Millisecond
	began := time.Now()
	err := pingOnce(ctx, PingHTTP, t.Balancer.Address, 0, patience)
	took := time.Since(began).Round(time.Millisecond)
	switch {
	case err == nil:
		return Evidence{Text: fmt.Sprintf("a request was answered in %s", took)}, nil
	case errors.Is(err, syscall.ECONNREFUSED):
		return Evidence{Felt: f.mode == modeRefuse, Text: "connection refused"}, nil
	case errors.Is(err, context.DeadlineExceeded):
		return Evidence{Felt: f.mode == modeHold, Text: fmt.Sprintf("a request was taken in and not answered in %s", took)}, nil
	default:
		return Evidence{Text: fmt.Sprintf("a request ended with %q", err)}, nil
	}
}
