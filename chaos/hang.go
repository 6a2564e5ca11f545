package chaos

import (
	"context"
	"fmt"
	"time"
)

// hang takes requests and never answers: an upstream whose every thread is stuck. Its connections are fine, so that neither
// a check of the port nor a connection's time-out notices. What hung when it is healed goes on hanging.
type hang struct{ share float64 }

var hangKind = Kind{
	Name:    "hang",
	On:      OnHTTP,
	What:    "requests are taken and never answered: an upstream that has died with its port open",
	Params:  map[string]string{"share": "100%"},
	Example: `{at: "11:56", for: 60s, on: identity, inject: hang}`,
	make: func(p params) (Fault, error) {
		share, err := p.share("share")
		return hang{share: share}, err
	},
}

func (f hang) String() string {
	if f.share == 1 {
		return "hang"
	}
	return "hang " + percent(f.share)
}

func (f hang) Inject(_ context.Context, t *Target) (func(context.Context) error, error) {
	return t.HTTP.let(Mishap{DelayShare: f.share, Delay: forever})
}

func (f hang) Felt(ctx context.Context, t *Target) (Evidence, error) {
	const long = time.Second
	n := probesFor(f.share)
	silent := count(t.HTTP.probe(ctx, n, probeLanes, long), func(e reply) bool { return e.status == 0 && e.took >= long*9/10 })
	return Evidence{
		Felt: silent > 0,
		Text: fmt.Sprintf("%d of %d requests had no answer after %s, wanted %s", silent, n, long, percent(f.share)),
	}, nil
}
