package process_test

import (
	"context"
	"database/sql"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"

	"github.com/lunchrush/lunchrush/service/servicetest"
)

// The whole life of an order: created, paid, notified, dispensed, reported. The client's work (signing, polling) is in
// the figure: both run in this process.
func BenchmarkOrderLife(b *testing.B) {
	town := servicetest.Start(b, "front.queue_len", "4096", "gate.queue_len", "4096", "front.deadline", "none")
	durable(b, string(town.Config.MySQL.DSN))
	const machines = 32
	orders := make([]servicetest.Order, b.N)
	var fleet []*servicetest.Machine
	for i := range machines {
		m := town.AddMachine("m"+strconv.Itoa(i), 1_000_000)
		m.Work()
		fleet = append(fleet, m)
	}
	forms := make([]string, b.N)
	b.ResetTimer()
	each(machines, b.N, func(i int) {
		orders[i] = town.Buy("r"+strconv.Itoa(i), fleet[i%machines].ID)
	})
	b.StopTimer() // signing costs 1.7 ms and is not the service's
	each(machines, b.N, func(i int) {
		forms[i] = town.Signer.Notification(b, town.Channel.Pay(orders[i].OrderID, "t-"+orders[i].OrderID, 350), nil)
	})
	b.StartTimer()
	each(machines, b.N, func(i int) {
		if status, body := town.NotifyForm(forms[i]); status != 200 {
			b.Errorf("notify: %d %s", status, body)
		}
	})
	servicetest.Eventually(b, time.Minute, "all dispensed", func() bool {
		return town.Count(`SELECT COUNT(*) FROM orders WHERE state = 'DISPENSED'`) == b.N
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}

// The same statements, fired by a bare loop over as many connections.
func BenchmarkOrderLifeRaw(b *testing.B) {
	town := servicetest.Start(b)
	const machines = 32
	for i := range machines {
		town.AddMachine("m"+strconv.Itoa(i), 1_000_000)
	}
	dsn := string(town.Config.MySQL.DSN)
	durable(b, dsn)
	if err := town.Stop(); err != nil {
		b.Fatal(err)
	}
	db, err := sql.Open("mysql", dsn+"?interpolateParams=true")
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	b.ResetTimer()
	each(machines, b.N, func(i int) { rawOrder(b, db, i, "m"+strconv.Itoa(i%machines)) })
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "orders/s")
}

// durable lets the database flush its log with each commit, which the tests spare it.
func durable(b *testing.B, dsn string) {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(b.Context(), "SET GLOBAL innodb_flush_log_at_trx_commit = 1"); err != nil {
		b.Fatal(err)
	}
}

// rawOrder is what the database sees of an order.
func rawOrder(b *testing.B, db *sql.DB, i int, machine string) {
	ctx := context.Background()
	id, now := fmt.Sprintf("%026d", i), time.Now()
	do := func(e interface {
		ExecContext(context.Context, string, ...any) (sql.Result, error)
	}, query string, args ...any) sql.Result {
		result, err := e.ExecContext(ctx, query, args...)
		if err != nil {
			b.Error(err)
		}
		return result
	}
	read := func(query string, args ...any) {
		rows, err := db.QueryContext(ctx, query, args...)
		if err != nil {
			b.Error(err)
			return
		}
		for rows.Next() { //nolint:revive // the rows are read and thrown away
		}
		_ = rows.Close()
	}
	begin := func() *sql.Tx {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			b.Fatal(err)
		}
		return tx
	}
	tx := begin()
	do(tx, `UPDATE slots SET stock = stock - 1 WHERE machine_id = ? AND slot = 1 AND stock > 0`, machine)
	do(tx, `INSERT INTO orders (order_id, request_id, machine_id, slot, channel, buyer_id, amount_fen, state, pay_channels, created_ms, expires_ms, next_ms)
		VALUES (?, ?, ?, 1, 'alipay', 'b', 350, 'CREATED', 'alipay', 1, 1, 1)`, id, id, machine)
	_ = tx.Commit()
	do(db, `UPDATE orders SET state = 'PAYING', pay_url = 'weixin://', next_ms = 2 WHERE order_id = ? AND state = 'CREATED'`, id)
	read(`SELECT * FROM orders WHERE order_id = ?`, id)
	queue, _ := do(db, `INSERT INTO pay_queue (order_id, channel, transaction_id, notify_id, buyer_id, paid_fen, paid_ms, dedupe_key, create_time, next_ms)
		VALUES (?, 'alipay', ?, '', '', 350, 1, ?, ?, 1)`, id, id, id, now).LastInsertId()
	do(db, `UPDATE pay_queue SET consume_status = 1, consume_count = 1, last_consume_time = ?, next_ms = 2 WHERE queue_id = ? AND consume_count = 0`, now, queue)
	read(`SELECT * FROM pay_queue WHERE queue_id = ?`, queue)
	read(`SELECT * FROM orders WHERE order_id = ?`, id)
	tx = begin()
	do(tx, `UPDATE orders SET state = 'DISPENSING', transaction_id = ?, paid_fen = 350, paid_ms = 1, next_ms = 3 WHERE order_id = ? AND state IN ('CREATED', 'PAYING')`, id, id)
	do(tx, `INSERT INTO commands (command_id, order_id, machine_id, slot, kind, state, queued_ms, pushed_ms) VALUES (?, ?, ?, 1, 'dispense', 'QUEUED', 1, 1)`, id, id, machine)
	do(tx, `UPDATE pay_queue SET status = 5, consume_status = 2 WHERE queue_id = ?`, queue)
	_ = tx.Commit()
	do(db, `UPDATE commands SET state = 'SENT', sent_ms = 1 WHERE command_id = ? AND state = 'QUEUED'`, id)
	read(`SELECT * FROM commands WHERE command_id = ?`, id)
	tx = begin()
	do(tx, `UPDATE orders SET state = 'DISPENSED', done_ms = 1 WHERE order_id = ? AND state = 'DISPENSING'`, id)
	do(tx, `UPDATE commands SET state = 'DISPENSED', done_ms = 1 WHERE command_id = ?`, id)
	_ = tx.Commit()
}

func each(workers, n int, do func(i int)) {
	var next atomic.Int64
	var group sync.WaitGroup
	for range workers {
		group.Go(func() {
			for i := int(next.Add(1)) - 1; i < n; i = int(next.Add(1)) - 1 {
				do(i)
			}
		})
	}
	group.Wait()
}

// Polls that wait: what one costs in memory, its client included.
func BenchmarkIdlePolls(b *testing.B) {
	town := servicetest.Start(b)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	ctx, cancel := context.WithCancel(context.Background())
	var group sync.WaitGroup
	const n = 2000
	for i := range n {
		m := town.AddMachine("p"+strconv.Itoa(i), 1)
		group.Go(func() { m.Poll(ctx, time.Minute) })
	}
	servicetest.Eventually(b, time.Minute, "all wait", func() bool { return town.Metric("lunchrush_polls_waiting") == n })
	runtime.GC()
	runtime.ReadMemStats(&after)
	for b.Loop() {
		runtime.Gosched()
	}
	b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/n, "B/poll")
	cancel()
	group.Wait()
}
