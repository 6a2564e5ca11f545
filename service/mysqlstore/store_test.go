package mysqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/mysqlstore"
	"github.com/lunchrush/lunchrush/service/servicetest"
)

func TestMain(m *testing.M) {
	// Each step is a commit or more: 100 sequences, rapid's default, take minutes on a busy machine. The flag still sets more.
	if err := flag.Set("rapid.checks", "40"); err != nil {
		panic(err)
	}
	os.Exit(servicetest.Main(m))
}

const stock = 1000

// open is a store with one machine "m" and its slot 1.
func open(tb testing.TB) (*mysqlstore.Store, *sql.DB) {
	tb.Helper()
	dsn := servicetest.DSN(tb)
	store, err := mysqlstore.New(service.Secret(dsn), service.Default().Switches.DB)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = store.Close() })
	if err := store.Migrate(tb.Context()); err != nil {
		tb.Fatal(err)
	}
	err = store.PutMachines(tb.Context(), []service.Machine{{ID: "m", KeyHex: "00", Slots: []service.Slot{{Slot: 1, PriceFen: 350, Stock: stock}}}})
	if err != nil {
		tb.Fatal(err)
	}
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = db.Close() })
	return store, db
}

var serial atomic.Int64

func newOrder(now time.Time) service.Order {
	id := service.NewOrderID(now)
	return service.Order{
		ID: id, RequestID: fmt.Sprintf("r%d", serial.Add(1)), MachineID: "m", Slot: 1, Channel: service.WeChat, BuyerID: "b", Fen: 350,
		PayChannels: []service.Channel{service.WeChat}, CreatedMS: now.UnixMilli(), ExpiresMS: now.Add(time.Minute).UnixMilli(), NextMS: now.UnixMilli(),
	}
}

func paymentFor(o service.Order) service.Payment {
	return service.Payment{Channel: service.WeChat, OrderID: o.ID, TransactionID: "t" + o.ID, BuyerID: "b", Fen: 350, PaidMS: 1, NotifyID: "n"}
}

func commandFor(o service.Order, now time.Time) service.Command {
	return service.Command{
		ID: service.CommandID(o.ID), OrderID: o.ID, MachineID: "m", Slot: 1, Kind: service.Dispense, State: service.Queued, QueuedMS: now.UnixMilli(),
	}
}

func refundFor(o service.Order) service.RefundRow {
	p := paymentFor(o)
	return service.RefundRow{
		Refund:  service.Refund{RefundNo: service.RefundNo(p.Channel, p.TransactionID), OrderID: o.ID, TransactionID: p.TransactionID, Fen: 350, TotalFen: 350},
		Channel: p.Channel, Reason: service.BecauseNoResult,
	}
}

// fataler is a *testing.T or a *rapid.T.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

func must(tb fataler, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// Every move is tried by many at once, and one makes it.
func TestOneWins(t *testing.T) {
	store, _ := open(t)
	ctx, now := t.Context(), time.Now().UTC()
	paying := func(t *testing.T) service.Order {
		o := newOrder(now)
		must(t, store.CreateOrder(ctx, o, false))
		_, err := store.MakePayable(ctx, o)
		must(t, err)
		return o
	}
	paid := func(t *testing.T) (service.Order, service.Command) {
		o := paying(t)
		c := commandFor(o, now)
		_, err := store.Settle(ctx, paymentFor(o), c, now, 0)
		must(t, err)
		return o, c
	}
	tests := []struct {
		name string
		prep func(t *testing.T) func(now time.Time) (bool, error)
	}{
		{"making an order payable", func(t *testing.T) func(now time.Time) (bool, error) {
			o := newOrder(now)
			must(t, store.CreateOrder(ctx, o, false))
			return func(now time.Time) (bool, error) {
				mine := o
				mine.NextMS = now.UnixMilli()
				return store.MakePayable(ctx, mine)
			}
		}},
		{"closing an order", func(t *testing.T) func(now time.Time) (bool, error) {
			o := paying(t)
			return func(now time.Time) (bool, error) {
				return store.CloseOrder(ctx, o.ID, now, service.Created, service.Paying)
			}
		}},
		{"settling a payment", func(t *testing.T) func(now time.Time) (bool, error) {
			o := paying(t)
			return func(now time.Time) (bool, error) { return store.Settle(ctx, paymentFor(o), commandFor(o, now), now, 0) }
		}},
		{"settling a payment by its refund", func(t *testing.T) func(now time.Time) (bool, error) {
			o := paying(t)
			return func(now time.Time) (bool, error) {
				return store.SettleByRefund(ctx, paymentFor(o), []service.State{service.Paying}, refundFor(o), 0, now)
			}
		}},
		{"storing a notification", func(t *testing.T) func(now time.Time) (bool, error) {
			o := paying(t)
			return func(now time.Time) (bool, error) {
				_, err := store.Enqueue(ctx, paymentFor(o), true, now, 0)
				if errors.Is(err, service.ErrDuplicate) {
					return false, nil
				}
				return err == nil, err
			}
		}},
		{"claiming a row", func(t *testing.T) func(now time.Time) (bool, error) {
			row, err := store.Enqueue(ctx, paymentFor(paying(t)), true, now, 0)
			must(t, err)
			return func(now time.Time) (bool, error) { mine := row; return store.Claim(ctx, &mine, now, time.Minute) }
		}},
		{"giving a command to its machine", func(t *testing.T) func(now time.Time) (bool, error) {
			_, c := paid(t)
			return func(time.Time) (bool, error) { return store.SendCommand(ctx, c.ID) }
		}},
		{"taking a command back", func(t *testing.T) func(now time.Time) (bool, error) {
			o, c := paid(t)
			return func(now time.Time) (bool, error) { return store.CancelQueued(ctx, c, refundFor(o), now) }
		}},
		{"looking at an order", func(t *testing.T) func(now time.Time) (bool, error) {
			o := paying(t)
			o, err := store.Order(ctx, o.ID)
			must(t, err)
			return func(now time.Time) (bool, error) { return store.Postpone(ctx, o, now.Add(time.Hour)) }
		}},
		{"sending a refund", func(t *testing.T) func(now time.Time) (bool, error) {
			o, c := paid(t)
			r := refundFor(o)
			_, err := store.NotDispensed(ctx, c, service.CommandFailed, r, now)
			must(t, err)
			return func(now time.Time) (bool, error) {
				mine := r
				return store.ClaimRefund(ctx, &mine, now.Add(time.Minute))
			}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			move := test.prep(t)
			var won atomic.Int32
			var group sync.WaitGroup
			for i := range 12 {
				group.Go(func() {
					// Times differ: an UPDATE that writes what is there counts as no move, and would hide a missing check.
					moved, err := move(now.Add(time.Duration(i) * time.Millisecond))
					if err != nil {
						t.Error(err)
					}
					if moved {
						won.Add(1)
					}
				})
			}
			group.Wait()
			if won.Load() != 1 {
				t.Errorf("%d won", won.Load())
			}
		})
	}
}

// The machine was silent, its order is being refunded, and then it tells.
func TestGoodsThatFallAfterTheRefundWasDecided(t *testing.T) {
	tests := []struct {
		name   string
		reason string
		sent   bool
		state  service.State
		refund service.RefundState
	}{
		{"the refund was never sent: it is dropped", service.BecauseNoResult, false, service.Dispensed, service.RefundDropped},
		{"it may have been sent: it stands", service.BecauseNoResult, true, service.Refunding, service.RefundPending},
		{"the refund of another payment of the order stands", service.BecauseSecond, false, service.Refunding, service.RefundPending},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			store, db := open(t)
			ctx, now := t.Context(), time.Now()
			o := newOrder(now)
			c, r := commandFor(o, now), refundFor(o)
			r.Reason = test.reason
			must(t, store.CreateOrder(ctx, o, false))
			_, err := store.Settle(ctx, paymentFor(o), c, now, 0)
			must(t, err)
			_, err = store.NotDispensed(ctx, c, service.CommandSilent, r, now)
			must(t, err)
			if test.sent {
				_, err = store.ClaimRefund(ctx, &r, now)
				must(t, err)
			}
			state, err := store.Dispensed(ctx, c, now)
			must(t, err)
			if state != test.state {
				t.Errorf("order %s, wanted %s", state, test.state)
			}
			if n := number(t, db, `SELECT COUNT(*) FROM refunds WHERE state = ?`, test.refund); n != 1 {
				t.Errorf("the refund is not %s", test.refund)
			}
			if n := number(t, db, `SELECT stock FROM slots`); n != stock-1 {
				t.Errorf("stock %d", n)
			}
			if test.sent { // the channel confirms: the money is back, the piece is gone
				must(t, store.RefundConfirmed(ctx, r, now))
				for _, when := range []string{"after the refund", "after the machine told once more"} {
					if n := number(t, db, `SELECT stock FROM slots`); n != stock-1 {
						t.Errorf("stock %d %s", n, when)
					}
					_, err = store.Dispensed(ctx, c, now)
					must(t, err)
				}
			}
		})
	}
}

func TestTheLastPiecesAreSoldOnce(t *testing.T) {
	store, db := open(t)
	must(t, store.PutMachines(t.Context(), []service.Machine{{ID: "m", KeyHex: "00", Slots: []service.Slot{{Slot: 1, PriceFen: 350, Stock: 10}}}}))
	var sold, soldOut atomic.Int32
	var group sync.WaitGroup
	for range 40 {
		group.Go(func() {
			switch err := store.CreateOrder(t.Context(), newOrder(time.Now()), false); {
			case err == nil:
				sold.Add(1)
			case errors.Is(err, service.ErrSoldOut):
				soldOut.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	group.Wait()
	if sold.Load() != 10 || soldOut.Load() != 30 {
		t.Errorf("sold %d, sold out %d", sold.Load(), soldOut.Load())
	}
	if n := number(t, db, `SELECT stock FROM slots`); n != 0 {
		t.Errorf("stock %d", n)
	}
}

func number(tb fataler, db *sql.DB, query string, args ...any) (n int) {
	tb.Helper()
	must(tb, db.QueryRowContext(context.Background(), query, args...).Scan(&n))
	return n
}

func TestARequestMakesOneOrderAndTakesOnePiece(t *testing.T) {
	store, db := open(t)
	now := time.Now()
	o := newOrder(now)
	must(t, store.CreateOrder(t.Context(), o, false))
	o.ID = service.NewOrderID(now)
	if err := store.CreateOrder(t.Context(), o, false); !errors.Is(err, service.ErrDuplicate) {
		t.Errorf("second order of a request: %v", err)
	}
	if n := number(t, db, `SELECT stock FROM slots`); n != stock-1 {
		t.Errorf("stock %d", n)
	}
}

func TestAConsumerWhoseLeaseRanOutCanNotEndALaterAttempt(t *testing.T) {
	store, _ := open(t)
	ctx, now := t.Context(), time.Now().UTC()
	row, err := store.Enqueue(ctx, paymentFor(newOrder(now)), true, now, 0)
	must(t, err)
	first := row
	if moved, err := store.Claim(ctx, &first, now, time.Second); err != nil || !moved {
		t.Fatal(moved, err)
	}
	if moved, _ := store.Claim(ctx, &row, now, time.Second); moved {
		t.Error("claimed twice within the lease")
	}
	later := now.Add(2 * time.Second)
	due, err := store.DueRows(ctx, later, 10)
	must(t, err)
	if len(due) != 1 || due[0].ConsumeCount != 1 || due[0].ConsumeStatus != service.Claimed {
		t.Fatalf("due after the lease: %+v", due)
	}
	second := due[0]
	if moved, err := store.Claim(ctx, &second, later, time.Minute); err != nil || !moved {
		t.Fatal(moved, err)
	}
	for name, end := range map[string]func() (bool, error){
		"finish": func() (bool, error) { return store.Finish(ctx, first, later) },
		"retry":  func() (bool, error) { return store.Retry(ctx, first, later, later) },
		"void":   func() (bool, error) { return store.Void(ctx, first, later, true) },
	} {
		if moved, err := end(); moved || err != nil {
			t.Errorf("%s by the first consumer: %v %v", name, moved, err)
		}
	}
	if n, err := store.DueRemedies(ctx, service.WeChat, later, 10); err != nil || len(n) != 0 {
		t.Errorf("a void that did not move left a remedy order: %v %v", n, err)
	}
	if moved, err := store.Finish(ctx, second, later); err != nil || !moved {
		t.Error("finish by the second consumer:", moved, err)
	}
}

func TestTheBookTellsArchivedRowsOnce(t *testing.T) {
	store, db := open(t)
	ctx, now := t.Context(), time.Now().UTC().Add(-time.Hour)
	for range 5 {
		row, err := store.Enqueue(ctx, paymentFor(newOrder(now)), true, now, time.Second)
		must(t, err)
		_, err = store.Finish(ctx, row, now)
		must(t, err)
	}
	var group sync.WaitGroup
	var moved atomic.Int32
	for range 3 { // jobs of three processes
		group.Go(func() {
			n, err := store.Archive(ctx, time.Now().UTC(), 500)
			if err != nil {
				t.Error(err)
			}
			moved.Add(int32(n))
		})
	}
	group.Wait()
	if moved.Load() != 5 || number(t, db, `SELECT COUNT(*) FROM pay_queue`) != 0 {
		t.Errorf("moved %d", moved.Load())
	}
	lines := 0
	must(t, store.Book(ctx, func(any) error { lines++; return nil }))
	if lines != 5+1+1 { // rows, the slot, the end
		t.Errorf("%d lines", lines)
	}
	// The channel's ladder goes on for a day: a duplicate of an archived payment may come.
	if n := number(t, db, `SELECT COUNT(*) FROM pay_queue_bak WHERE dedupe_key IS NOT NULL`); n != 5 {
		t.Errorf("%d archived", n)
	}
}

// The account's own diagnostic SQL.
func TestThePayQueueTakesTheOperatorsQueries(t *testing.T) {
	store, db := open(t)
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Millisecond)
	row, err := store.Enqueue(ctx, paymentFor(newOrder(now)), true, now, time.Minute)
	must(t, err)
	_, err = store.Finish(ctx, row, now.Add(90*time.Second))
	must(t, err)
	if n := number(t, db, `SELECT COUNT(*) FROM pay_queue WHERE TIMESTAMPDIFF(SECOND, create_time, last_consume_time) > 60`); n != 1 {
		t.Errorf("%d rows consumed later than 60 s", n)
	}
	if n := number(t, db, `SELECT COUNT(*) FROM pay_queue WHERE status = 5 AND consume_status = 2 AND consume_count = 1`); n != 1 {
		t.Errorf("%d rows ended the normal way", n)
	}
}

func TestTheLockedConsumer(t *testing.T) {
	servicetest.MariaDBOnly(t, "locks on gaps")
	store, _ := open(t)
	ctx, now := t.Context(), time.Now().UTC()
	o := newOrder(now)
	_, err := store.Enqueue(ctx, paymentFor(o), true, now, 0)
	must(t, err)
	stored := make(chan error, 1)
	found, err := store.ConsumeLocked(ctx, now.Add(time.Second), func(service.QueueRow) service.Verdict {
		go func() {
			_, err := store.Enqueue(ctx, paymentFor(newOrder(now)), true, now, 0)
			stored <- err
		}()
		select {
		case err := <-stored:
			t.Errorf("a notification was stored while the table was locked: %v", err)
			stored <- err
		case <-time.After(300 * time.Millisecond):
		}
		if b, err := store.Backlog(ctx, now.Add(time.Second)); err != nil || b.Waiting != 1 {
			t.Errorf("backlog behind the lock: %+v %v", b, err)
		}
		return service.Verdict{Finished: true}
	})
	if err != nil || !found {
		t.Fatal(found, err)
	}
	must(t, <-stored)
	if b, err := store.Backlog(ctx, now.Add(2*time.Second)); err != nil || b.Waiting != 1 || b.OldestMS < 1900 {
		t.Errorf("backlog: %+v %v", b, err)
	}
}

func TestTheBacklogOf13000RowsIsCheap(t *testing.T) {
	servicetest.MariaDBOnly(t, "a table of numbers")
	store, db := open(t)
	// The peak of the account.
	_, err := db.ExecContext(t.Context(), `INSERT INTO pay_queue (order_id, channel, transaction_id, notify_id, buyer_id, paid_fen, paid_ms,
		dedupe_key, create_time, next_ms) SELECT CONCAT('o', seq), 'wechat', CONCAT('t', seq), '', '', 350, 1, CONCAT('wechat:t', seq),
		UTC_TIMESTAMP(3), 1 FROM seq_1_to_13000`)
	must(t, err)
	b, err := store.Backlog(t.Context(), time.Now().UTC())
	if err != nil || b.Waiting != 13000 {
		t.Fatalf("%+v %v", b, err)
	}
	var id, kind, table, typ, possible, key, length, ref, rows, extra sql.NullString
	must(t, db.QueryRowContext(t.Context(), `EXPLAIN SELECT COUNT(*), MIN(create_time) FROM pay_queue WHERE consume_status = 0`).
		Scan(&id, &kind, &table, &typ, &possible, &key, &length, &ref, &rows, &extra))
	if extra.String != "Using index" {
		t.Errorf("the backlog reads more than an index: key %s, %s", key.String, extra.String)
	}
}

// Whatever happens to an order, in whatever sequence: its moves follow the rules, its stock is taken once and given
// back once, and money and goods are never both gone unless the machine had told nothing until it was too late.
func TestMovesFollowTheRules(t *testing.T) {
	store, db := open(t)
	ctx := context.Background()
	rapid.Check(t, func(rt *rapid.T) {
		now := time.Now().UTC()
		before := number(rt, db, `SELECT stock FROM slots`)
		o := newOrder(now)
		must(rt, store.CreateOrder(ctx, o, false))
		state, refunds, late, closed := service.Created, 0, false, false
		p, c, r := paymentFor(o), commandFor(o, now), refundFor(o)
		ops := map[string]func() error{
			"payable": func() error { _, err := store.MakePayable(ctx, o); return err },
			"close":   func() error { _, err := store.CloseOrder(ctx, o.ID, now, service.Created, service.Paying); return err },
			"settle":  func() error { _, err := store.Settle(ctx, p, c, now, 0); return err },
			"settle by refund": func() error {
				_, err := store.SettleByRefund(ctx, p, []service.State{service.Created, service.Paying, service.Closed}, r, 0, now)
				return err
			},
			"send":          func() error { _, err := store.SendCommand(ctx, c.ID); return err },
			"cancel queued": func() error { _, err := store.CancelQueued(ctx, c, r, now); return err },
			"cancel sent": func() error {
				sent, err := store.Command(ctx, c.ID)
				if errors.Is(err, service.ErrNotFound) {
					return nil
				}
				cancel := c
				cancel.ID, cancel.Kind = service.CancelID(o.ID), service.Cancel
				_, err = store.CancelSent(ctx, sent, cancel, now)
				return err
			},
			"fail": func() error { _, err := store.NotDispensed(ctx, c, service.CommandFailed, r, now); return err },
			"dispense": func() error {
				if _, err := store.Command(ctx, c.ID); errors.Is(err, service.ErrNotFound) {
					return nil // a machine reports only what it was told
				}
				got, err := store.Dispensed(ctx, c, now)
				late = late || got == service.Refunded || got == service.Refunding
				return err
			},
			"claim refund": func() error {
				due, err := store.DueRefunds(ctx, service.WeChat, now.Add(time.Hour), 1000)
				for _, d := range due {
					if d.OrderID == o.ID {
						_, err = store.ClaimRefund(ctx, &d, now)
					}
				}
				return err
			},
			"confirm refund": func() error {
				due, err := store.DueRefunds(ctx, service.WeChat, now.Add(time.Hour), 1000)
				for _, d := range due {
					if d.OrderID == o.ID && d.Attempts > 0 {
						err = store.RefundConfirmed(ctx, d, now)
						refunds++
					}
				}
				return err
			},
		}
		names := rapid.SliceOfN(rapid.SampledFrom(slices.Sorted(maps.Keys(ops))), 1, 14).Draw(rt, "operations")
		for _, name := range names {
			must(rt, ops[name]())
			got, err := store.Order(ctx, o.ID)
			must(rt, err)
			if got.State != state && !state.CanBecome(got.State) {
				rt.Fatalf("%s moved %s to %s", name, state, got.State)
			}
			state = got.State
			taken := before - number(rt, db, `SELECT stock FROM slots`)
			closed = closed || state == service.Closed
			if held := late || (!closed && state != service.Refunded); (taken == 1) != held || taken < 0 || taken > 1 {
				rt.Fatalf("after %s: %s with %d pieces taken", name, state, taken)
			}
			if refunds > 1 {
				rt.Fatalf("after %s: %d refunds", name, refunds)
			}
			if state == service.Dispensed && refunds > 0 {
				rt.Fatalf("after %s: dispensed and refunded", name)
			}
		}
	})
}
