package chaos

import (
	"context"
	"fmt"
)

// tableLock holds a whole table: somebody's LOCK TABLES, a backup that takes its locks by hand, an ALTER TABLE that waits
// and makes everybody wait behind it. Reads wait, too.
type tableLock struct {
	table string
}

var tableLockKind = Kind{
	Name:    "table-lock",
	On:      OnDatabase,
	What:    "a session holds a whole table, reads wait too: a backup, an ALTER TABLE at noon",
	Params:  map[string]string{"table": ""},
	Example: `{at: "11:56", for: 20s, on: mysql, inject: table-lock, table: pay_queue}`,
	make: func(p params) (Fault, error) {
		table, err := p.table("table")
		if err != nil {
			return nil, err
		}
		return tableLock{table: table}, nil
	},
}

func (f tableLock) String() string { return "table lock on " + f.table }

func (f tableLock) Inject(ctx context.Context, t *Target) (func(context.Context) error, error) {
	conn, err := session(ctx, t.Database.Admin, "SET SESSION lock_wait_timeout = 10", "LOCK TABLES `"+f.table+"` WRITE")
	if err != nil {
		return nil, err
	}
	return func(context.Context) error { return hangUp(conn) }, nil
}

func (f tableLock) Felt(ctx context.Context, t *Target) (Evidence, error) {
	return waits(ctx, t.Database.Admin, fmt.Sprintf("SELECT 1 FROM `%s` LIMIT 1", f.table))
}
