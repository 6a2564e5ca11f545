package chaos

import (
	"context"
	"fmt"
	"time"
)

// latency delays every answer of a link: a database on the other side of a busy switch, an upstream in another city.
// Each chunk from the dialled part waits by ± jitter, uniformly; what is sent to it is not delayed.
type latency struct {
	by, jitter time.Duration
}

var latencyKind = Kind{
	Name:    "latency",
	What:    "every answer comes later: a far or overloaded network",
	Params:  map[string]string{"by": "", "jitter": "0s"},
	Example: `{at: "11:56", for: 60s, on: mysql, inject: latency, by: 200ms, jitter: 50ms}`,
	make: func(p params) (Fault, error) {
		by, err := p.duration("by")
		if err != nil {
			return nil, err
		}
		jitter, err := p.duration("jitter")
		if err != nil {
			return nil, err
		}
		if by < time.Millisecond || jitter > by {
			return nil, fmt.Errorf("by: %s±%s cannot be: at least 1ms, and no more jitter than that", by, jitter)
		}
		return latency{by: by, jitter: jitter}, nil
	},
}

func (f latency) String() string {
	if f.jitter == 0 {
		return "latency " + f.by.String()
	}
	return fmt.Sprintf("latency %s±%s", f.by, f.jitter)
}

func (f latency) Inject(_ context.Context, l *Link) (func(context.Context) error, error) {
	return l.addToxic("latency", downstream, map[string]int64{
		"latency": f.by.Milliseconds(), "jitter": f.jitter.Milliseconds(),
	})
}

// Felt compares the round trip through the link with the one beside it. Half the delay is enough: a single ping's
// jitter and a busy machine must not hide a fault that is there.
func (f latency) Felt(ctx context.Context, l *Link) (Evidence, error) {
	timeout := 4*(f.by+f.jitter) + 2*time.Second
	beside, err := roundTrips(ctx, l.ping, l.upstream, timeout)
	if err != nil {
		return Evidence{}, fmt.Errorf("%s does not answer beside the link: %w", l.name, err)
	}
	through, err := roundTrips(ctx, l.ping, l.Addr(), timeout)
	if err != nil {
		return Evidence{}, fmt.Errorf("%s does not answer through the link: %w", l.name, err)
	}
	added := through - beside
	return Evidence{
		Felt: added >= (f.by-f.jitter)/2,
		Text: fmt.Sprintf("%s added to a round trip, wanted %s±%s", added.Round(time.Millisecond), f.by, f.jitter),
	}, nil
}
