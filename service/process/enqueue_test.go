package process_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service/servicetest"
)

// The documented failure lock-lost: the Redis that holds the enqueue's lock is gone.
func TestANotificationIsStoredWhenRedisIsDown(t *testing.T) {
	for _, side := range []struct {
		name, lock string
		lost       bool
	}{
		{"as was, it is dropped and answered with success", "redis-drop", true},
		{"hardened, the database's key is enough", "unique-key", false},
	} {
		t.Run(side.name, func(t *testing.T) {
			town := servicetest.Start(t, "enqueue.lock", side.lock)
			machine := town.AddMachine("m1", 5)
			machine.Work()
			first, second := town.Buy("r1", "m1"), town.Buy("r2", "m1")
			town.PayAndNotify(first)
			town.AwaitState(first.OrderID, "DISPENSED", 10*time.Second)
			town.Queue.Stop()
			town.PayAndNotify(second) // fails the test unless it is answered with success
			if side.lost {
				if rows := len(town.Book()["pay_queue"]); rows != 1 {
					t.Errorf("%d rows of pay_queue, want that of the first payment", rows)
				}
				return
			}
			town.AwaitState(second.OrderID, "DISPENSED", 10*time.Second)
			if n := machine.Drops(second.OrderID); n != 1 {
				t.Errorf("dropped %d times", n)
			}
		})
	}
}

// The documented failure deadlock: somebody locks an order and then its row of pay_queue, while its notification is stored.
func TestANotificationThatMeetsADeadlockIsStored(t *testing.T) {
	servicetest.MariaDBOnly(t, "its victim of a deadlock is the lighter transaction, and it tells who waits")
	for _, side := range []struct {
		name, retry, order string
		deadlock, lost     bool
	}{
		{"as was, it is rolled back, given up and answered with success", "none", "arrival", true, true},
		{"a bounded retry stores it after all", "bounded", "arrival", true, false},
		{"in the same lock order as everybody there is no deadlock", "none", "fixed", false, false},
	} {
		t.Run(side.name, func(t *testing.T) {
			town := servicetest.Start(t, "db.retry", side.retry, "lock.order", side.order)
			town.AddMachine("m1", 5).Work()
			o := town.Buy("r1", "m1")
			db, err := sql.Open("mysql", string(town.Config.MySQL.DSN))
			if err != nil {
				t.Fatal(err)
			}
			defer db.Close()
			job := begin(t, db)
			job.run("SELECT 1 FROM orders WHERE order_id = '" + o.OrderID + "' FOR UPDATE")
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				town.PayAndNotify(o) // fails the test unless it is answered with success
			}()
			servicetest.Eventually(t, 10*time.Second, "the service waits for the order's lock", func() bool {
				var name string
				var waiting int
				err := db.QueryRowContext(t.Context(), "SHOW GLOBAL STATUS LIKE 'Innodb_row_lock_current_waits'").Scan(&name, &waiting)
				return err == nil && waiting > 0
			})
			job.run("SELECT 1 FROM pay_queue FOR UPDATE")
			job.run("ROLLBACK")
			<-answered
			if n := town.Metric(`lunchrush_db_errors_total{number="1213"}`); (n > 0) != side.deadlock {
				t.Errorf("%v errors 1213", n)
			}
			if side.lost {
				if rows := len(town.Book()["pay_queue"]); rows != 0 {
					t.Errorf("%d rows of pay_queue, want none", rows)
				}
				return
			}
			town.AwaitState(o.OrderID, "DISPENSED", 10*time.Second)
		})
	}
}

// A job is somebody else's transaction, so heavy that the database rolls the other back.
type job struct {
	t    *testing.T
	conn *sql.Conn
}

func begin(t *testing.T, db *sql.DB) *job {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	j := &job{t, conn}
	var rows []string
	for n := range 500 {
		rows = append(rows, fmt.Sprintf("(%d)", n))
	}
	j.run("CREATE TABLE weight (n INT PRIMARY KEY)")
	j.run("START TRANSACTION")
	j.run("INSERT INTO weight VALUES " + strings.Join(rows, ","))
	return j
}

func (j *job) run(statement string) {
	j.t.Helper()
	if _, err := j.conn.ExecContext(context.Background(), statement); err != nil {
		j.t.Fatalf("%s: %v", statement, err)
	}
}

// The documented failure connections-exhausted: a callback that waits for its channel keeps a connection meanwhile.
func TestNobodyHoldsAConnectionWhileAChannelIsWaitedFor(t *testing.T) {
	for _, side := range []struct {
		name, hold string
		held       bool
	}{
		{"as was, each callback holds its own", "request", true},
		{"hardened, none is held", "statement", false},
	} {
		t.Run(side.name, func(t *testing.T) {
			town := servicetest.Start(t, "db.hold", side.hold, "callback.confirm", "true")
			town.AddMachine("m1", 5).Work()
			const orders = 4
			var bought []servicetest.Order
			for i := range orders {
				bought = append(bought, town.Buy(fmt.Sprintf("r%d", i), "m1"))
			}
			release := town.Channel.Hold()
			defer release()
			for _, o := range bought {
				town.PayAndNotify(o)
			}
			for range bought {
				<-town.Channel.Asked()
			}
			// The jobs take one now and then; what is held is held at every look.
			least := orders + 1
			for range 20 {
				least = min(least, int(town.Metric("lunchrush_db_connections_in_use")))
			}
			if want := map[bool]int{true: orders, false: 0}[side.held]; least != want {
				t.Errorf("%d connections are held, want %d", least, want)
			}
			release()
			for _, o := range bought {
				town.AwaitState(o.OrderID, "DISPENSED", 10*time.Second)
			}
		})
	}
}
