package chaos

import (
	"context"
	"fmt"
	"time"
)

// delayShare lets a share of requests wait before they are looked at, each drawn by itself: an upstream one of whose instances
// collects garbage, a channel whose 99th percentile is a time-out. Other than latency on a link it leaves the rest as it was.
type delayShare struct {
	share      float64
	by, jitter time.Duration
}

var delaysKind = Kind{
	Name:    "delays",
	On:      OnHTTP,
	What:    "a share of requests is answered late: an upstream with a long tail, a channel that often times out",
	Params:  map[string]string{"share": "", "by": "", "jitter": "0s"},
	Example: `{at: "11:56", for: 60s, on: alipay, inject: delays, share: 30%, by: 4s}`,
	make: func(p params) (Fault, error) {
		share, err := p.share("share")
		if err != nil {
			return nil, err
		}
		by, err := p.duration("by", 50*time.Millisecond, 5*time.Minute)
		if err != nil {
			return nil, err
		}
		jitter, err := p.duration("jitter", 0, by/2)
		if err != nil {
			return nil, err
		}
		return delayShare{share: share, by: by, jitter: jitter}, nil
	},
}

func (f delayShare) String() string {
	text := fmt.Sprintf("delays %s by %s", percent(f.share), f.by)
	if f.jitter > 0 {
		text += "±" + f.jitter.String()
	}
	return text
}

func (f delayShare) Inject(_ context.Context, t *Target) (func(context.Context) error, error) {
	return t.HTTP.let(Mishap{DelayShare: f.share, Delay: f.by, Jitter: f.jitter})
}

// patience bounds what one probe waits for: a delay of minutes shows as well after seconds.
const patience = 2 * time.Second

// Felt counts the late ones. A probe that is not answered in two seconds is late whatever the delay.
func (f delayShare) Felt(ctx context.Context, t *Target) (Evidence, error) {
	n := probesFor(f.share)
	limit := min(f.by+f.jitter+time.Second, patience)
	late := min(f.by-f.jitter, limit) * 9 / 10
	met := count(t.HTTP.probe(ctx, n, probeLanes, limit), func(e reply) bool { return e.took >= late })
	return Evidence{
		Felt: met > 0,
		Text: fmt.Sprintf("%d of %d requests took %s or longer, wanted %s", met, n, late, percent(f.share)),
	}, nil
}
