package chaos

import (
	"context"
	"fmt"
	"time"
)

// slicer cuts what is sent into small pieces with a gap after each: a path with a tiny MTU, a peer that writes byte by
// byte. It finds readers that take one read for one message.
type slicer struct {
	size int // bytes, on average
	gap  time.Duration
}

var slicerKind = Kind{
	Name:    "slicer",
	On:      OnLink,
	What:    "what is sent arrives in small pieces, one after the other: a path that fragments",
	Params:  map[string]string{"size": "64B", "gap": "2ms"},
	Example: `{at: "11:56", for: 60s, on: wechat, inject: slicer, size: 64B, gap: 2ms}`,
	make: func(p params) (Fault, error) {
		n, err := p.bytes("size", "", 1, 1000)
		if err != nil {
			return nil, err
		}
		gap, err := p.duration("gap", time.Millisecond, time.Second)
		if err != nil {
			return nil, err
		}
		return slicer{size: int(n), gap: gap}, nil
	},
}

func (f slicer) String() string { return fmt.Sprintf("slicer %s every %s", size(int64(f.size)), f.gap) }

func (f slicer) Inject(_ context.Context, t *Target) (func(context.Context) error, error) {
	return t.Link.addBoth("slicer", map[string]int64{
		"average_size": int64(f.size), "size_variation": int64(f.size / 4), "delay": f.gap.Microseconds(),
	})
}

// Felt sends a request of a known number of pieces, whose gaps add up. A piece may be half as large again.
func (f slicer) Felt(ctx context.Context, t *Target) (Evidence, error) {
	weight := min(max(f.size*20, 200), weightMax)
	pieces := min(weight/f.size, int(2*time.Second/f.gap))
	weight = max(pieces, 2) * f.size
	wanted := time.Duration(max(pieces, 2)) * f.gap * 2 / 3
	added, err := t.Link.added(ctx, weight, 8*wanted+2*time.Second)
	if err != nil {
		return Evidence{}, err
	}
	return Evidence{
		Felt: added >= wanted/2,
		Text: fmt.Sprintf("a request of %d bytes took %s longer, wanted %s or more", weight, added.Round(time.Millisecond),
			wanted.Round(time.Millisecond)),
	}, nil
}
