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
	On:      OnLink,
	What:    "connections are closed and refused: the part is not there",
	Params:  map[string]string{},
	Example: `{at: "11:56", for: 10s, on: redis-cache, inject: down}`,
	make:    func(params) (Fault, error) { return down{}, nil },
}

func (down) String() string { return "down" }

func (down) Inject(_ context.Context, t *Target) (func(context.Context) error, error) {
	up := t.Link.takeDown()
	return func(context.Context) error {
		if err := up(); err != nil {
			return fmt.Errorf("bringing %s up again: %w", t.Link.name, err)
		}
		return nil
	}, nil
}

func (down) Felt(ctx context.Context, t *Target) (Evidence, error) {
	err := pingOnce(ctx, t.Link.ping, t.Link.Addr(), 0, time.Second)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return Evidence{Felt: true, Text: "connection refused"}, nil
	}
	if err == nil {
		return Evidence{Text: t.Link.name + " still answers through the link"}, nil
	}
	return Evidence{Text: fmt.Sprintf("not refused: %v", err)}, nil
}
