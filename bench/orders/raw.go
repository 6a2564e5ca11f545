package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-sql-driver/mysql"
	"golang.org/x/sync/errgroup"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/service"
)

// A raw side is a pool of as many connections as the service has, and as many loops.
type raw struct {
	db          *sql.DB
	connections int
}

// openRaw opens the pool with the driver's settings that the service has.
func (t *town) openRaw(ctx context.Context) (*raw, error) {
	cfg, err := mysql.ParseDSN(t.stack.DSN())
	if err != nil {
		return nil, err
	}
	cfg.InterpolateParams = true
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, err
	}
	r := &raw{db: sql.OpenDB(connector), connections: t.config().Switches.DB.MaxOpen}
	r.db.SetMaxOpenConns(r.connections)
	r.db.SetMaxIdleConns(r.connections)
	return r, r.db.PingContext(ctx)
}

func (r *raw) close() error { return r.db.Close() }

func rawMachine(place int) string { return fmt.Sprintf("raw%05d", place) }

// alone runs a round of the raw side with the service standing still, so that it neither takes the rows nor the CPU.
func (t *town) alone(ctx context.Context, r *raw, what round) (took time.Duration, err error) {
	pauser, ok := t.running.(testbed.Pauser)
	if !ok {
		return 0, errors.New("the service can not be paused on this testbed")
	}
	if err := pauser.Pause(ctx); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, pauser.Resume(context.WithoutCancel(ctx))) }()
	return r.fire(ctx, what)
}

// fire sends the statements of a round's orders, in the same two stretches as the service has them.
func (r *raw) fire(ctx context.Context, what round) (time.Duration, error) {
	orders := make([]rawOrder, what.orders)
	for i := range orders {
		now := time.Now().UTC()
		o := &orders[i]
		*o = rawOrder{id: service.NewOrderID(now), request: fmt.Sprintf("raw-%s-%06d", what.label, i), channel: "wechat", now: now}
		if i%2 == 1 {
			o.channel = "alipay"
		}
		o.command = service.CommandID(o.id)
	}
	began := time.Now()
	for _, stretch := range [][]unit{created, settled} {
		var next atomic.Int64
		group, ctx := errgroup.WithContext(ctx)
		for place := range r.connections {
			group.Go(func() error {
				for i := int(next.Add(1)) - 1; i < len(orders) && ctx.Err() == nil; i = int(next.Add(1)) - 1 {
					if orders[i].machine == "" {
						orders[i].machine = rawMachine(place)
					}
					for _, u := range stretch {
						if err := r.unit(ctx, u, &orders[i]); err != nil {
							return err
						}
					}
				}
				return context.Cause(ctx)
			})
		}
		if err := group.Wait(); err != nil {
			return 0, err
		}
	}
	return time.Since(began), nil
}

// executor is a *sql.DB or a *sql.Tx.
type executor interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func (r *raw) unit(ctx context.Context, u unit, o *rawOrder) error {
	if len(u) == 1 {
		return send(ctx, r.db, u[0], o)
	}
	tx, err := r.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	for _, s := range u {
		if err := send(ctx, tx, s, o); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	return tx.Commit()
}

// send sends one statement and makes sure that it hit its one row: a statement that hits nothing costs the database less.
func send(ctx context.Context, db executor, s statement, o *rawOrder) error {
	if s.rows {
		return read(ctx, db, s, o)
	}
	result, err := db.ExecContext(ctx, s.sql, s.args(o)...)
	if err != nil {
		return err
	}
	if n, err := result.RowsAffected(); err != nil || n != 1 {
		return errors.Join(err, fmt.Errorf("%d rows moved by %s", n, s.sql))
	}
	if strings.HasPrefix(s.sql, "INSERT INTO pay_queue ") {
		o.queue, err = result.LastInsertId()
	}
	return err
}

// read reads a query's one row and throws it away.
func read(ctx context.Context, db executor, s statement, o *rawOrder) error {
	rows, err := db.QueryContext(ctx, s.sql, s.args(o)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil || n == 1 {
		return err
	}
	return fmt.Errorf("%d rows of %s", n, s.sql)
}
