package chaos

import (
	"context"
	"time"
)

// blackHole loses every byte and keeps the connections open: a firewall that began to drop, a cable pulled. When it is
// healed the connections that were touched are closed, since bytes are missing from them.
type blackHole struct{}

var blackHoleKind = Kind{
	Name:    "black-hole",
	On:      OnLink,
	What:    "bytes vanish without an error: a firewall that drops, a cable pulled",
	Params:  map[string]string{},
	Example: `{at: "11:56", for: 10s, on: identity, inject: black-hole}`,
	make:    func(params) (Fault, error) { return blackHole{}, nil },
}

func (blackHole) String() string { return "black hole" }

func (blackHole) Inject(_ context.Context, t *Target) (func(context.Context) error, error) {
	return t.Link.addBoth("timeout", map[string]int64{"timeout": 0})
}

func (blackHole) Felt(ctx context.Context, t *Target) (Evidence, error) {
	return silent(ctx, t.Link, "swallowed", 500*time.Millisecond)
}
