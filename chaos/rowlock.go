package chaos

import (
	"context"
	"errors"
	"fmt"
	"strconv"
)

// rowLock holds rows of a table in a transaction that does not end: somebody's console with an open transaction, a job
// that works for minutes in one. Plain reads go on; who wants to change the rows waits, until error 1205.
type rowLock struct {
	table string
	rows  int // 0: all there are, and the gap where new ones would go
}

var rowLockKind = Kind{
	Name:    "row-lock",
	On:      OnDatabase,
	What:    "a transaction holds rows and does not end: a console left open, a job of minutes",
	Params:  map[string]string{"table": "", "rows": "all"},
	Example: `{at: "11:56", for: 20s, on: mysql, inject: row-lock, table: slots, rows: 100}`,
	make: func(p params) (Fault, error) {
		table, err := p.table("table")
		if err != nil {
			return nil, err
		}
		f := rowLock{table: table}
		if p["rows"] != "all" {
			f.rows, err = p.number("rows", 1, 10_000_000)
		}
		return f, err
	},
}

func (f rowLock) String() string {
	if f.rows == 0 {
		return "row lock on all of " + f.table
	}
	return fmt.Sprintf("row lock on %d of %s", f.rows, f.table)
}

func (f rowLock) Inject(ctx context.Context, t *Target) (func(context.Context) error, error) {
	conn, err := session(ctx, t.Database.Admin, "SET SESSION innodb_lock_wait_timeout = 5")
	if err != nil {
		return nil, err
	}
	// Under traffic it may be the victim of a deadlock, which is nothing but a reason to try again.
	const attempts = 10
	for i := 1; ; i++ {
		err := execute(ctx, conn, "START TRANSACTION")
		if err == nil {
			err = lock(ctx, conn, lockingRead(f.table, f.rows))
		}
		switch {
		case err == nil:
			return func(context.Context) error { return hangUp(conn) }, nil
		case i < attempts && numbered(err, errDeadlock, errLockWait):
			err = execute(ctx, conn, "ROLLBACK")
		}
		if err != nil {
			return nil, errors.Join(err, hangUp(conn))
		}
	}
}

// lockingRead locks the first rows of a table, all of them for 0.
func lockingRead(table string, rows int) string {
	query := "SELECT 1 FROM `" + table + "`"
	if rows > 0 {
		query += " LIMIT " + strconv.Itoa(rows)
	}
	return query + " FOR UPDATE"
}

func (f rowLock) Felt(ctx context.Context, t *Target) (Evidence, error) {
	return waits(ctx, t.Database.Admin, lockingRead(f.table, 1))
}
