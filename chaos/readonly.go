package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// readOnly makes the database refuse writes: a primary that was demoted while the service still talks to it, a disk that
// is full. The administrator is exempt; the service's user must not be.
type readOnly struct{}

var readOnlyKind = Kind{
	Name:    "read-only",
	On:      OnDatabase,
	What:    "writes are refused with error 1290: a primary that was demoted, a disk that is full",
	Params:  map[string]string{},
	Example: `{at: "11:56", for: 10s, on: mysql, inject: read-only}`,
	make:    func(params) (Fault, error) { return readOnly{}, nil },
}

func (readOnly) String() string { return "read-only" }

func (readOnly) Inject(ctx context.Context, t *Target) (func(context.Context) error, error) {
	// The statement waits for running commits and for locked tables. If it were canceled while it waits, the engine could
	// carry it out later, after the heal: so it is not canceled but ends by itself.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 30*time.Second)
	defer cancel()
	conn, err := session(ctx, t.Database.Admin, "SET SESSION lock_wait_timeout = 10")
	if err != nil {
		return nil, err
	}
	defer func() { _ = hangUp(conn) }()
	var was bool
	if err := conn.QueryRowContext(ctx, "SELECT @@global.read_only").Scan(&was); err != nil {
		return nil, err
	}
	if was {
		return nil, errors.New("it is read-only already")
	}
	if err := execute(ctx, conn, "SET GLOBAL read_only = 1"); err != nil {
		return nil, err
	}
	return func(ctx context.Context) error {
		_, err := t.Database.Admin.ExecContext(ctx, "SET GLOBAL read_only = 0")
		return unlessGone(err)
	}, nil
}

// Felt tries, with the service's rights, to drop a table that does not exist: refused when it is read-only, else nothing.
func (readOnly) Felt(ctx context.Context, t *Target) (Evidence, error) {
	_, err := t.Database.User.ExecContext(ctx, "DROP TABLE IF EXISTS lunchrush_felt")
	switch {
	case numbered(err, errReadOnly):
		return Evidence{Felt: true, Text: "a write was refused with error 1290"}, nil
	case err != nil:
		return Evidence{}, fmt.Errorf("trying to write: %w", err)
	default:
		return Evidence{Text: "a write was taken"}, nil
	}
}
