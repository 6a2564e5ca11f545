package chaos

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// down closes the link's listener and every connection: the part is not there, dialling it is refused at once.
type down struct{}

var downKind = Kind{
	Name:    "down",
	What:    "connections are closed and refused: the part is not there",
	Params:  map[string]string{},
	Example: `{at: "11:56", for: 10s, on: redis-cache, inject: down}`,
	make:    func(params) (Fault, error) { return down{}, nil },
}

func (down) String() string { return "down" }

func (down) Inject(_ context.Context, l *Link) (func(context.Context) error, error) {
	l.proxy.Stop()
	return func(context.Context) error {
		if err := l.proxy.Start(); err != nil { // at the same address as before
			return fmt.Errorf("bringing %s up again: %w", l.name, err)
		}
		return nil
	}, nil
}

func (down) Felt(ctx context.Context, l *Link) (Evidence, error) {
	err := pingOnce(ctx, l.ping, l.Addr(), time.Second)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return Evidence{Felt: true, Text: "connection refused"}, nil
	}
	if err == nil {
		return Evidence{Text: l.name + " still answers through the link"}, nil
	}
	return Evidence{Text: fmt.Sprintf("not refused: %v", err)}, nil
}
