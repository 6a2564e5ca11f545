package chaos

import (
	"context"
	"fmt"
	"time"
)

// bandwidth lets so many bytes a second pass in each direction of each connection: a link that is full of somebody
// else's backup, a mobile network at lunch. Small exchanges hardly notice; large results wait.
type bandwidth struct {
	rate int64 // bytes a second
}

var bandwidthKind = Kind{
	Name:    "bandwidth",
	On:      OnLink,
	What:    "each connection carries so many bytes a second: a full or slow line",
	Params:  map[string]string{"rate": ""},
	Example: `{at: "11:56", for: 60s, on: redis-cache, inject: bandwidth, rate: 64kB/s}`,
	make: func(p params) (Fault, error) {
		// Above the upper bound the measurement would drown in the machine's own noise.
		rate, err := p.bytes("rate", "/s", 1000, 1000_000)
		if err != nil {
			return nil, err
		}
		return bandwidth{rate: rate / 1000 * 1000}, nil
	},
}

func (f bandwidth) String() string { return "bandwidth " + size(f.rate) + "/s" }

func (f bandwidth) Inject(_ context.Context, t *Target) (func(context.Context) error, error) {
	return t.Link.addBoth("bandwidth", map[string]int64{"rate": f.rate / 1000})
}

// Felt sends what takes about 300 ms at the rate, as far as a probe may be so long.
func (f bandwidth) Felt(ctx context.Context, t *Target) (Evidence, error) {
	weight := min(int(f.rate*3/10), weightMax)
	wanted := time.Duration(weight) * time.Second / time.Duration(f.rate)
	added, err := t.Link.added(ctx, weight, 8*wanted+2*time.Second)
	if err != nil {
		return Evidence{}, err
	}
	return Evidence{
		Felt: added >= wanted/2,
		Text: fmt.Sprintf("a request of %d bytes took %s longer, wanted %s", weight, added.Round(time.Millisecond),
			wanted.Round(time.Millisecond)),
	}, nil
}
