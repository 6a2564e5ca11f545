package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"
)

// deadlock takes locks on two tables again and again in the order opposite to the service's: a report or a job that was
// written by another team. Transactions of the service that meet it are rolled back with a real error 1213: the engine
// gives up the transaction that has changed less, and this one has changed many rows of a table of its own.
type deadlock struct {
	first, then string
	every       time.Duration
}

var deadlockKind = Kind{
	Name:    "deadlock",
	On:      OnDatabase,
	What:    "a session locks two tables in the opposite order, over and over: real errors 1213",
	Params:  map[string]string{"first": "", "then": "", "every": "150ms"},
	Example: `{at: "11:56", for: 30s, on: mysql, inject: deadlock, first: slots, then: orders}`,
	make: func(p params) (Fault, error) {
		first, err := p.table("first")
		if err != nil {
			return nil, err
		}
		then, err := p.table("then")
		if err != nil {
			return nil, err
		}
		if first == then {
			return nil, mistake("then", "is %s as well; it takes two tables to lock them in the wrong order", first)
		}
		every, err := p.duration("every", 10*time.Millisecond, time.Minute)
		if err != nil {
			return nil, err
		}
		return deadlock{first: first, then: then, every: every}, nil
	},
}

func (f deadlock) String() string { return fmt.Sprintf("deadlock, %s before %s", f.first, f.then) }

// A transaction's weight, by which the engine picks who is rolled back, is the rows that it has changed and its locks.
const (
	weightSchema = "lunchrush_chaos"
	weightTable  = weightSchema + ".weight"
	weightRows   = 1000
	deadlockHold = 100 * time.Millisecond // between the first lock and the second
)

func (f deadlock) Inject(ctx context.Context, t *Target) (func(context.Context) error, error) {
	admin := t.Database.Admin
	conn, err := session(ctx, admin, "SET SESSION innodb_lock_wait_timeout = 2",
		"CREATE DATABASE IF NOT EXISTS "+weightSchema,
		"CREATE TABLE IF NOT EXISTS "+weightTable+" (n INT PRIMARY KEY)")
	if err != nil {
		return nil, err
	}
	loop, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.loop(loop, admin, conn)
	}()
	return func(ctx context.Context) error {
		stop()
		<-done
		_, err := admin.ExecContext(ctx, "DROP DATABASE IF EXISTS "+weightSchema)
		return unlessGone(err)
	}, nil
}

// loop runs until ctx ends. A connection that was lost, with the database behind it, is opened again.
func (f deadlock) loop(ctx context.Context, db *sql.DB, conn *sql.Conn) {
	for ctx.Err() == nil {
		if conn == nil {
			conn, _ = session(ctx, db, "SET SESSION innodb_lock_wait_timeout = 2")
		}
		if conn != nil {
			if err := f.cross(ctx, conn); err != nil && !numbered(err, errDeadlock, errLockWait) {
				_ = hangUp(conn)
				conn = nil
			}
		}
		waitUntil(ctx, time.Now().Add(f.every))
	}
	if conn != nil {
		_ = hangUp(conn)
	}
}

// cross takes the locks once and gives them back.
func (f deadlock) cross(ctx context.Context, conn *sql.Conn) error {
	if err := execute(ctx, conn, "START TRANSACTION", weigh()); err != nil {
		return errors.Join(err, execute(ctx, conn, "ROLLBACK"))
	}
	err := lock(ctx, conn, lockingRead(f.first, 0))
	if err == nil {
		waitUntil(ctx, time.Now().Add(deadlockHold))
		err = lock(ctx, conn, lockingRead(f.then, 0))
	}
	return errors.Join(err, execute(ctx, conn, "ROLLBACK"))
}

// weigh makes the transaction heavy.
func weigh() string {
	var rows strings.Builder
	for n := range weightRows {
		if n > 0 {
			rows.WriteByte(',')
		}
		fmt.Fprintf(&rows, "(%d)", n)
	}
	return "INSERT INTO " + weightTable + " VALUES " + rows.String()
}

// Felt takes the two tables in the service's order, as lightly as the service, until it is rolled back.
func (f deadlock) Felt(ctx context.Context, t *Target) (Evidence, error) {
	patience := 3*(f.every+deadlockHold) + time.Second
	limit, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	conn, err := session(ctx, t.Database.Admin, "SET SESSION innodb_lock_wait_timeout = 1")
	if err != nil {
		return Evidence{}, err
	}
	defer func() { _ = hangUp(conn) }()
	began := time.Now()
	for tries := 1; limit.Err() == nil; tries++ {
		err := execute(ctx, conn, "START TRANSACTION")
		for _, table := range []string{f.then, f.first} {
			if err == nil {
				err = lock(ctx, conn, lockingRead(table, 1))
				waitUntil(limit, time.Now().Add(10*time.Millisecond))
			}
		}
		if numbered(err, errDeadlock) {
			return Evidence{Felt: true, Text: fmt.Sprintf("a transaction on %s, then %s was rolled back with error 1213 after %s, try %d",
				f.then, f.first, time.Since(began).Round(time.Millisecond), tries)}, nil
		}
		if err != nil && !numbered(err, errLockWait) {
			return Evidence{}, err
		}
		if err := execute(ctx, conn, "ROLLBACK"); err != nil {
			return Evidence{}, err
		}
	}
	return Evidence{Text: fmt.Sprintf("no error 1213 within %s; without a row in both tables there is nothing to wait for", patience)}, nil
}
