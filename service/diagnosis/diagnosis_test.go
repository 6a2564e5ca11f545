package diagnosis_test

import (
	"database/sql"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/diagnosis"
	"github.com/lunchrush/lunchrush/service/mysqlstore"
	"github.com/lunchrush/lunchrush/service/servicetest"
)

func TestMain(m *testing.M) { os.Exit(servicetest.Main(m)) }

// hour is what the tables held after a bad one: o1 went well but late, o2 is void and forgotten, o3 void and made good, o4 waits on
// the ladder, o5 was never tried, o6 got goods and money, o7 was paid twice, o8 waits for its machine.
var hour = []string{
	`INSERT INTO pay_queue (queue_id, order_id, channel, transaction_id, notify_id, buyer_id, paid_fen, paid_ms, status, consume_status,
		consume_count, create_time, last_consume_time, next_ms) VALUES
		(1, 'o1', 'wechat', 't1', '', '', 350, 1, 5, 2, 2, '2026-01-01 12:00:00', '2026-01-01 12:01:30', 1),
		(2, 'o2', 'wechat', 't2', '', '', 400, 1, 4, 2, 9, '2026-01-01 12:00:00', '2026-01-02 06:21:10', 1),
		(4, 'o4', 'alipay', 't4', '', '', 350, 1, 0, 0, 3, '2026-01-01 12:00:00', '2026-01-01 12:06:10', 1),
		(5, 'o5', 'wechat', 't5', '', '', 350, 1, 0, 0, 0, '2026-01-01 12:00:10', NULL, 1),
		(6, 'o6', 'wechat', 't6', '', '', 350, 1, 5, 2, 1, '2026-01-01 12:00:00', '2026-01-01 12:01:00', 1)`,
	`INSERT INTO pay_queue_bak (queue_id, order_id, channel, transaction_id, notify_id, buyer_id, paid_fen, paid_ms, status, consume_status,
		consume_count, create_time, last_consume_time, next_ms) VALUES
		(3, 'o3', 'alipay', 't3', '', '', 450, 1, 4, 2, 9, '2026-01-01 11:00:00', '2026-01-02 05:21:10', 1),
		(7, 'o7', 'alipay', 't7', '', '', 350, 1, 5, 2, 1, '2026-01-01 11:00:00', '2026-01-01 11:00:00', 1)`,
	`INSERT INTO orders (order_id, request_id, machine_id, slot, channel, buyer_id, amount_fen, state, created_ms, expires_ms, next_ms) VALUES
		('o2', 'r2', 'm1', 1, 'wechat', 'b', 400, 'PAYING', 1, 1, 1), ('o3', 'r3', 'm1', 1, 'alipay', 'b', 450, 'REFUNDED', 1, 1, 1)`,
	`INSERT INTO remedy_order (order_id, reason, remedy_count, state, create_time, last_remedy_time, next_ms) VALUES
		('o3', 'void', 2, 'DONE', '2026-01-02 05:21:10', '2026-01-02 05:21:20', 1),
		('o9', 'notify-missing', 0, 'OPEN', '2026-01-02 05:00:00', NULL, 1)`,
	`INSERT INTO commands (command_id, order_id, machine_id, slot, kind, state, queued_ms, pushed_ms) VALUES
		('c6', 'o6', 'm6', 1, 'dispense', 'DISPENSED', 1, 1), ('c7', 'o7', 'm7', 1, 'dispense', 'DISPENSED', 1, 1),
		('c8', 'o8', 'm8', 1, 'dispense', 'QUEUED', 10, 20), ('c9', 'o9', 'm8', 1, 'cancel', 'QUEUED', 30, 40),
		('c3', 'o3', 'm1', 1, 'dispense', 'FAILED', 1, 1)`,
	`INSERT INTO refunds (refund_no, order_id, channel, transaction_id, amount_fen, total_fen, state, reason, next_ms, created_ms,
		done_ms) VALUES
		('f6', 'o6', 'wechat', 't6', 350, 350, 'DONE', 'no-result', 1, 1, 1),
		('f7', 'o7', 'wechat', 't7b', 350, 350, 'DONE', 'second-payment', 1, 1, 1),
		('f3', 'o3', 'alipay', 't3', 450, 450, 'DONE', 'machine-failed', 1, 1, 1)`,
	`INSERT INTO notify_refused (channel, reason, order_id, detail, create_time) VALUES
		('wechat', 'signtest', '', '', '2026-01-01 12:00:00'), ('wechat', 'signtest', '', '', '2026-01-01 12:05:00'),
		('alipay', 'amount', 'o1', '', '2026-01-01 12:01:00')`,
}

// age hangs on the clock; it is compared as "AGE".
var age = regexp.MustCompile(`^[0-9]{5,}$`)

func TestEachQueryFindsWhatItIsFor(t *testing.T) {
	dsn := servicetest.DSN(t)
	store, err := mysqlstore.New(service.Secret(dsn), service.Default().Switches.DB)
	must(t, err)
	defer store.Close()
	must(t, store.Migrate(t.Context()))
	db, err := sql.Open("mysql", dsn)
	must(t, err)
	defer db.Close()
	for _, statement := range hour {
		_, err := db.ExecContext(t.Context(), statement)
		must(t, err)
	}
	want := map[string][]string{
		"backlog": {"2 | 2026-01-01 12:00:00.000 | AGE"},
		"late":    {"5 | 3 | AGE"},
		"ends":    {"0 | 0 | 2 | 3", "4 | 2 | 2 | 9", "5 | 2 | 3 | 2"},
		"ladder":  {"3 | alipay | 1 | 2026-01-01 12:00:00.000 | 2026-01-01 12:06:10.000"},
		"voided": {
			"2 | o2 | wechat | t2 | 400 | 2026-01-01 12:00:00.000 | 2026-01-02 06:21:10.000 | PAYING | NULL | NULL",
			"3 | o3 | alipay | t3 | 450 | 2026-01-01 11:00:00.000 | 2026-01-02 05:21:10.000 | REFUNDED | DONE | 2",
		},
		"remedies": {
			"o9 | notify-missing | OPEN | 0 | 2026-01-02 05:00:00.000 | NULL",
			"o3 | void | DONE | 2 | 2026-01-02 05:21:10.000 | 2026-01-02 05:21:20.000",
		},
		"goods-and-money": {"o6 | m6 | c6 | f6 | 350 | no-result"},
		"unfetched":       {"m8 | 2 | 10 | 40"},
		"refused":         {"wechat | signtest | 2 | 2026-01-01 12:05:00.000", "alipay | amount | 1 | 2026-01-01 12:01:00.000"},
	}
	for _, q := range diagnosis.Queries() {
		t.Run(q.Name, func(t *testing.T) {
			if q.About == "" || !strings.HasPrefix(q.Text, "-- ") {
				t.Error("no comment says what it is for")
			}
			a, err := diagnosis.Ask(t.Context(), dsn, q)
			must(t, err)
			var got []string
			for _, row := range a.Rows {
				if len(row) != len(a.Columns) {
					t.Errorf("%d cells in %d columns", len(row), len(a.Columns))
				}
				for i, cell := range row {
					if age.MatchString(cell) {
						row[i] = "AGE"
					}
				}
				got = append(got, strings.Join(row, " | "))
			}
			if !slices.Equal(got, want[q.Name]) {
				t.Errorf("got\n%s\nwanted\n%s", strings.Join(got, "\n"), strings.Join(want[q.Name], "\n"))
			}
		})
	}
}

func TestAskOnlyReadsAndKeepsThePassword(t *testing.T) {
	dsn := servicetest.DSN(t)
	db, err := sql.Open("mysql", dsn)
	must(t, err)
	defer db.Close()
	_, err = db.ExecContext(t.Context(), `CREATE TABLE kept (n INT)`)
	must(t, err)
	if _, err := diagnosis.Ask(t.Context(), dsn, diagnosis.Query{Name: "x", Text: "INSERT INTO kept VALUES (1)"}); err == nil {
		t.Error("a write was taken")
	}
	_, err = diagnosis.Ask(t.Context(), "user:hunter2@nonsense(((", diagnosis.Queries()[0])
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("error: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
