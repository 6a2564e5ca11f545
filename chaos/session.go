package chaos

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/go-sql-driver/mysql"
)

// Numbers of MySQL's errors; the texts differ between engines.
const (
	errTooManyConnections = 1040
	errLockWait           = 1205
	errDeadlock           = 1213
	errReadOnly           = 1290
)

// numbered reports whether err is one of the engine's errors of these numbers.
func numbered(err error, numbers ...uint16) bool {
	var e *mysql.MySQLError
	if !errors.As(err, &e) {
		return false
	}
	for _, n := range numbers {
		if e.Number == n {
			return true
		}
	}
	return false
}

// session opens a connection of its own and prepares it. It must be given to hangUp.
func session(ctx context.Context, db *sql.DB, statements ...string) (*sql.Conn, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if err := execute(ctx, conn, statements...); err != nil {
		return nil, errors.Join(err, hangUp(conn))
	}
	return conn, nil
}

func execute(ctx context.Context, conn *sql.Conn, statements ...string) error {
	for _, s := range statements {
		if _, err := conn.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s, err)
		}
	}
	return nil
}

// hangUp closes the connection itself rather than giving it back to the pool: the engine then undoes what it held.
func hangUp(conn *sql.Conn) error {
	err := conn.Raw(func(any) error { return driver.ErrBadConn })
	if errors.Is(err, driver.ErrBadConn) || errors.Is(err, sql.ErrConnDone) {
		return nil
	}
	return err
}

// lock runs a query for its locks alone.
func lock(ctx context.Context, conn *sql.Conn, query string) (err error) {
	rows, err := conn.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	for rows.Next() { // a lock may be waited for in the middle of the answer
	}
	return rows.Err()
}

// waits reports whether query, in a transaction of a session of its own, has to wait for somebody's lock: it gives up
// after a second with error 1205.
func waits(ctx context.Context, db *sql.DB, query string) (Evidence, error) {
	conn, err := session(ctx, db,
		"SET SESSION lock_wait_timeout = 1, innodb_lock_wait_timeout = 1", "START TRANSACTION")
	if err != nil {
		return Evidence{}, err
	}
	defer func() { _ = hangUp(conn) }()
	began := time.Now()
	err = lock(ctx, conn, query)
	took := time.Since(began).Round(time.Millisecond)
	switch {
	case numbered(err, errLockWait):
		return Evidence{Felt: true, Text: fmt.Sprintf("%s waited %s for a lock, then error 1205", query, took)}, nil
	case err != nil:
		return Evidence{}, fmt.Errorf("%s: %w", query, err)
	default:
		return Evidence{Text: fmt.Sprintf("%s had its lock after %s", query, took)}, nil
	}
}
