package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"time"
)

// replicaDelay lets a replica apply what the primary does so much later (MASTER_DELAY): it is too slow for the writes of a
// peak, a report holds it up, somebody's ALTER TABLE stands before everything else. It answers as fast as ever, with what
// was true then: a session that writes to the primary and reads from the replica does not find what it has just written.
type replicaDelay struct{ by time.Duration }

var replicaDelayKind = Kind{
	Name:    "replica-delay",
	On:      OnReplica,
	What:    "the replica applies what the primary does so much later, and answers with what was true then",
	Params:  map[string]string{"by": "10s"},
	Example: `{at: "11:56", for: 60s, on: mysql-replica, inject: replica-delay, by: 10s}`,
	make: func(p params) (Fault, error) {
		by, err := p.duration("by", 2*time.Second, 10*time.Minute)
		if err != nil {
			return nil, err
		}
		if by%time.Second != 0 {
			return nil, mistake("by", "%s is not a whole number of seconds, which is what a replica counts in", p["by"])
		}
		return replicaDelay{by}, nil
	},
}

func (f replicaDelay) String() string { return fmt.Sprintf("replica %s behind", f.by) }

func (f replicaDelay) Inject(ctx context.Context, t *Target) (func(context.Context) error, error) {
	was, err := delayOf(ctx, t.Replication.Replica)
	if err != nil {
		return nil, err
	}
	if was >= f.by {
		return nil, fmt.Errorf("it is %s behind already", was)
	}
	// The replica's threads are stopped and started again: half of that would leave it stopped.
	if err := setDelay(context.WithoutCancel(ctx), t.Replication.Replica, f.by); err != nil {
		return nil, errors.Join(err, setDelay(context.WithoutCancel(ctx), t.Replication.Replica, was))
	}
	return func(ctx context.Context) error {
		return errors.Join(
			unlessGone(setDelay(ctx, t.Replication.Replica, was)),
			// The replica drops it as soon as it comes to it.
			unlessGone(executeAll(ctx, t.Replication.Primary, "DROP DATABASE IF EXISTS "+lagSchema)),
		)
	}, nil
}

// delayOf is the delay that a replica is told to keep.
func delayOf(ctx context.Context, db *sql.DB) (delay time.Duration, err error) {
	rows, err := db.QueryContext(ctx, "SHOW SLAVE STATUS")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	names, err := rows.Columns()
	if err != nil {
		return 0, err
	}
	if !rows.Next() {
		return 0, errors.Join(errors.New("it is nobody's replica"), rows.Err())
	}
	values, into := make([]sql.NullString, len(names)), make([]any, len(names))
	for i := range values {
		into[i] = &values[i]
	}
	if err := rows.Scan(into...); err != nil {
		return 0, err
	}
	for i, name := range names {
		if name == "SQL_Delay" {
			seconds, err := strconv.Atoi(values[i].String)
			return time.Duration(seconds) * time.Second, err
		}
	}
	return 0, errors.New("its status tells of no delay")
}

func setDelay(ctx context.Context, db *sql.DB, delay time.Duration) error {
	return executeAll(ctx, db, "STOP SLAVE", fmt.Sprintf("CHANGE MASTER TO MASTER_DELAY = %d", int(delay.Seconds())), "START SLAVE")
}

func executeAll(ctx context.Context, db *sql.DB, statements ...string) error {
	for _, q := range statements {
		if _, err := db.ExecContext(ctx, q); err != nil {
			return fmt.Errorf("%s: %w", q, err)
		}
	}
	return nil
}

// lagSchema is where Felt writes.
const lagSchema = "lunchrush_lag"

// Felt writes to the primary and looks for it on the replica, for as long as it must not show. A replica counts in whole
// seconds of the primary's clock, so that it may be up to one early.
func (f replicaDelay) Felt(ctx context.Context, t *Target) (_ Evidence, err error) {
	const early = time.Second
	name := fmt.Sprintf("felt_%d", time.Now().UnixNano())
	err = executeAll(ctx, t.Replication.Primary, "CREATE DATABASE IF NOT EXISTS "+lagSchema,
		"CREATE TABLE "+lagSchema+"."+name+" (n INT PRIMARY KEY)")
	if err != nil {
		return Evidence{}, err
	}
	defer func() {
		err = errors.Join(err, unlessGone(executeAll(context.WithoutCancel(ctx), t.Replication.Primary, "DROP DATABASE IF EXISTS "+lagSchema)))
	}()
	began := time.Now()
	for {
		var tables int
		err := t.Replication.Replica.QueryRowContext(ctx,
			"SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = ? AND table_name = ?", lagSchema, name).Scan(&tables)
		if err != nil {
			return Evidence{}, err
		}
		passed := time.Since(began)
		switch {
		case tables > 0:
			return Evidence{
				Felt: passed >= f.by-early,
				Text: fmt.Sprintf("a write on the primary showed on the replica after %s, wanted %s", passed.Round(time.Millisecond), f.by),
			}, nil
		case passed >= f.by:
			return Evidence{Felt: true, Text: fmt.Sprintf("a write on the primary did not show on the replica for %s", f.by)}, nil
		}
		if !waitUntil(ctx, time.Now().Add(20*time.Millisecond)) {
			return Evidence{}, ctx.Err()
		}
	}
}
