package chaos

import (
	"context"
	"fmt"
	"time"
)

// latency delays every answer of a link: a database on the other side of a busy switch, an upstream in another city.
// Each chunk from the dialled part waits by ± jitter, uniformly; direction delays what is sent to it instead, or both.
type latency struct {
	by, jitter time.Duration
	direction  string
}

var latencyKind = Kind{
	Name:    "latency",
	On:      OnLink,
	What:    "every answer comes later: a far or overloaded network",
	Params:  map[string]string{"by": "", "jitter": "0s", "direction": "answers"},
	Example: `{at: "11:56", for: 60s, on: mysql, inject: latency, by: 200ms, jitter: 50ms}`,
	make: func(p params) (Fault, error) {
		by, err := p.duration("by", time.Millisecond, 5*time.Minute)
		if err != nil {
			return nil, err
		}
		jitter, err := p.duration("jitter", 0, by/2) // with more of it a delay could be too short to be told from none
		if err != nil {
			return nil, err
		}
		direction, err := p.oneOf("direction", "answers", "requests", "both")
		if err != nil {
			return nil, err
		}
		return latency{by: by, jitter: jitter, direction: direction}, nil
	},
}

func (f latency) String() string {
	text := "latency " + f.by.String()
	if f.jitter > 0 {
		text = fmt.Sprintf("latency %s±%s", f.by, f.jitter)
	}
	if f.direction != "answers" {
		text += " on " + f.direction
	}
	return text
}

func (f latency) Inject(_ context.Context, t *Target) (func(context.Context) error, error) {
	attributes := map[string]int64{"latency": f.by.Milliseconds(), "jitter": f.jitter.Milliseconds()}
	switch f.direction {
	case "requests":
		return t.Link.addToxic("latency", upstream, attributes)
	case "both":
		return t.Link.addBoth("latency", attributes)
	default:
		return t.Link.addToxic("latency", downstream, attributes)
	}
}

// Felt compares the round trip through the link with the one beside it. Half the delay is enough: a single ping's
// jitter and a busy machine must not hide a fault that is there.
func (f latency) Felt(ctx context.Context, t *Target) (Evidence, error) {
	weight := 0
	if f.direction == "requests" {
		weight = 1 // who only waits for a greeting sends nothing that could be late
	}
	added, err := t.Link.added(ctx, weight, 4*(f.by+f.jitter)+2*time.Second)
	if err != nil {
		return Evidence{}, err
	}
	return Evidence{
		Felt: added >= (f.by-f.jitter)/2,
		Text: fmt.Sprintf("%s added to a round trip, wanted %s±%s", added.Round(time.Millisecond), f.by, f.jitter),
	}, nil
}
