package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
)

// connections takes a database's connections away until only so many are left: another client that leaks them, a report
// that somebody runs with a pool of a hundred. What the service has open stays; what it wants beyond is error 1040.
type connections struct {
	left int
}

var connectionsKind = Kind{
	Name:    "connections",
	On:      OnDatabase,
	What:    "connections are taken and held until only so many are left: another client that leaks them",
	Params:  map[string]string{"left": "0"},
	Example: `{at: "11:56", for: 30s, on: mysql, inject: connections, left: 2}`,
	make: func(p params) (Fault, error) {
		left, err := p.number("left", 0, 100_000)
		if err != nil {
			return nil, err
		}
		return connections{left: left}, nil
	},
}

func (f connections) String() string { return fmt.Sprintf("connections down to %d", f.left) }

func (f connections) Inject(ctx context.Context, t *Target) (func(context.Context) error, error) {
	var held []*sql.Conn
	release := func(context.Context) error {
		var failed []error
		for _, conn := range held {
			failed = append(failed, hangUp(conn))
		}
		return errors.Join(failed...)
	}
	// Through one that stays: a connection of the pool's would count as taken, and be closed when it has been idle.
	own, err := session(ctx, t.Database.Admin)
	if numbered(err, errTooManyConnections) {
		return release, nil
	}
	if err != nil {
		return nil, err
	}
	held = append(held, own)
	for {
		free, _, err := freeConnections(ctx, own)
		if err != nil {
			return nil, errors.Join(err, release(ctx))
		}
		if free <= f.left {
			return release, nil
		}
		for range free - f.left {
			conn, err := session(ctx, t.Database.Admin)
			if numbered(err, errTooManyConnections) {
				return release, nil // somebody was faster
			}
			if err != nil {
				return nil, errors.Join(err, release(ctx))
			}
			held = append(held, conn)
		}
	}
}

// Felt asks the database what is left. To try it out would take the last ones from the service.
func (f connections) Felt(ctx context.Context, t *Target) (Evidence, error) {
	free, limit, err := freeConnections(ctx, t.Database.Admin)
	if numbered(err, errTooManyConnections) {
		return Evidence{Felt: true, Text: "error 1040: too many connections"}, nil
	}
	if err != nil {
		return Evidence{}, err
	}
	free++ // the one that has asked is given back
	return Evidence{Felt: free <= f.left, Text: fmt.Sprintf("%d of %d connections are free, wanted %d", max(free, 0), limit, f.left)}, nil
}

// A querier is a pool of connections or one of them.
type querier interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// freeConnections is how many more connections the database would take, of how many.
func freeConnections(ctx context.Context, db querier) (free, limit int, err error) {
	figure := func(query string) (n int, err error) {
		var name, value string
		if err := db.QueryRowContext(ctx, query).Scan(&name, &value); err != nil {
			return 0, fmt.Errorf("%s: %w", query, err)
		}
		return strconv.Atoi(value)
	}
	limit, err = figure("SHOW GLOBAL VARIABLES LIKE 'max_connections'")
	if err != nil {
		return 0, 0, err
	}
	used, err := figure("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
	return limit - used, limit, err
}
