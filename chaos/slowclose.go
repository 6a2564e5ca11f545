package chaos

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"time"
)

// slowClose keeps connections open for a while after one side has closed them: a NAT or a balancer that hangs on to
// dead connections. Pools that close and dial again run into limits, and a peer's death is noticed late.
type slowClose struct {
	by time.Duration
}

var slowCloseKind = Kind{
	Name:    "slow-close",
	On:      OnLink,
	What:    "a closed connection stays open for a while: a balancer that hangs on to the dead",
	Params:  map[string]string{"by": ""},
	Example: `{at: "11:56", for: 60s, on: mysql, inject: slow-close, by: 2s}`,
	make: func(p params) (Fault, error) {
		by, err := p.duration("by", 10*time.Millisecond, time.Minute)
		if err != nil {
			return nil, err
		}
		return slowClose{by: by}, nil
	},
}

func (f slowClose) String() string { return "slow close " + f.by.String() }

func (f slowClose) Inject(_ context.Context, t *Target) (func(context.Context) error, error) {
	return t.Link.addBoth("slow_close", map[string]int64{"delay": f.by.Milliseconds()})
}

// Felt closes its side of a connection and waits for the part's close to come back.
func (f slowClose) Felt(ctx context.Context, t *Target) (Evidence, error) {
	limit := 4*f.by + 2*time.Second
	var beside, through shortest
	for range few {
		beside.of(func() error { return closed(ctx, t.Link.Upstream(), limit) })
	}
	if !beside.ok {
		return Evidence{}, fmt.Errorf("closing a connection beside the link: %w", beside.err)
	}
	if through.of(func() error { return closed(ctx, t.Link.Addr(), limit) }); !through.ok {
		return Evidence{}, fmt.Errorf("closing a connection through the link: %w", through.err)
	}
	added := through.took - beside.took
	return Evidence{
		Felt: added >= f.by/2,
		Text: fmt.Sprintf("a close was answered %s later, wanted %s or more", added.Round(time.Millisecond), f.by),
	}, nil
}

// closed opens a connection, closes our half of it and returns when the other side has closed its own.
func closed(ctx context.Context, addr string, limit time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	conn, err := dial(ctx, addr)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		return err
	}
	// What the part says unasked comes first: a greeting.
	buffer := make([]byte, 512)
	for {
		if _, err := conn.Read(buffer); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return err
			}
			return nil // end of file, or a reset, which ends it as well
		}
	}
}
