package mysqlstore_test

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/servicetest"
)

// healthy is a channel that pays back what it is asked to, by which every order was paid, and at which every order can be closed.
type healthy struct{ service.PayChannel }

func (healthy) Refund(context.Context, service.Refund) error { return nil }

func (healthy) Close(context.Context, string) error { return nil }

func (healthy) Query(_ context.Context, orderID string) (service.ChannelState, error) {
	return service.ChannelState{State: service.TradeSuccess, Payment: service.Payment{
		Channel: service.WeChat, OrderID: orderID, TransactionID: "t" + orderID, Fen: 350, PaidMS: time.Now().UnixMilli(),
	}}, nil
}

// hanging is a channel that takes every call and answers none until it is released.
type hanging struct {
	service.PayChannel
	released <-chan struct{}
}

func (h hanging) Refund(context.Context, service.Refund) error { return h.hang() }

func (h hanging) Close(context.Context, string) error { return h.hang() }

func (h hanging) Query(context.Context, string) (service.ChannelState, error) {
	return service.ChannelState{}, h.hang()
}

func (h hanging) hang() error {
	<-h.released
	return errors.New("released")
}

// quietPushes takes pushes and forgets them.
type quietPushes struct{ service.PushQueue }

func (quietPushes) Push(context.Context, service.Command) error { return nil }

// seed writes hundreds of rows that are due for Alipay, and one of each kind, due later, for WeChat.
func seed(t *testing.T, db *sql.DB) {
	t.Helper()
	for _, statement := range []string{
		`INSERT INTO orders (order_id, request_id, machine_id, slot, channel, buyer_id, amount_fen, state, pay_channels, created_ms, expires_ms, next_ms)
			SELECT CONCAT('a', seq), CONCAT('a', seq), 'm', 1, 'alipay', '', 350, IF(seq <= 400, 'PAYING', 'CLOSED'), 'alipay', 1, 9000000000000, seq FROM seq_1_to_800`,
		`INSERT INTO refunds (refund_no, order_id, channel, transaction_id, amount_fen, total_fen, state, reason, next_ms, created_ms)
			SELECT CONCAT('a', seq), CONCAT('a', seq), 'alipay', 't', 350, 350, 'PENDING', 'no-result', seq, 1 FROM seq_1_to_400`,
		`INSERT INTO remedy_order (order_id, channel, reason, state, create_time, next_ms)
			SELECT CONCAT('a', seq), 'alipay', 'void', 'OPEN', UTC_TIMESTAMP(3), seq FROM seq_1_to_400`,
		`INSERT INTO further_ways (order_id, channel, next_ms) SELECT CONCAT('a', seq + 400), 'alipay', seq FROM seq_1_to_400`,

		`INSERT INTO orders (order_id, request_id, machine_id, slot, channel, buyer_id, amount_fen, state, pay_channels, created_ms, expires_ms, next_ms)
			SELECT CONCAT('w', seq), CONCAT('w', seq), 'm', 1, 'wechat', '', 350, IF(seq = 1, 'PAYING', 'CLOSED'), 'wechat', 1, 9000000000000, 500 FROM seq_1_to_3`,
		`INSERT INTO refunds (refund_no, order_id, channel, transaction_id, amount_fen, total_fen, state, reason, next_ms, created_ms)
			VALUES ('w', 'w3', 'wechat', 't', 350, 350, 'PENDING', 'no-result', 500, 1)`,
		`INSERT INTO remedy_order (order_id, channel, reason, state, create_time, next_ms) VALUES ('w2', 'wechat', 'void', 'OPEN', UTC_TIMESTAMP(3), 500)`,
		`INSERT INTO further_ways (order_id, channel, next_ms) VALUES ('w3', 'wechat', 500)`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// Alipay hangs, and has more rows due than a run reads, all of them older.
func TestAHangingChannelsBacklogDelaysNoOthersMoney(t *testing.T) {
	servicetest.MariaDBOnly(t, "a table of numbers")
	store, db := open(t)
	seed(t, db)
	s := service.Default().Switches
	s.Refund.Every, s.Remedy.Every = 50*time.Millisecond, 50*time.Millisecond
	ctx, cancel := context.WithCancel(t.Context())
	jobs := service.NewJobs(service.Parts{
		Profile: s, Store: store, Pushes: quietPushes{}, Metrics: service.NewMetrics(), Log: slog.New(slog.DiscardHandler), Now: time.Now,
		Channels: map[service.Channel]service.PayChannel{service.WeChat: healthy{}, service.Alipay: hanging{released: ctx.Done()}},
	}, nil)
	ended := make(chan struct{})
	go func() { defer close(ended); jobs.Run(ctx) }()
	defer func() { cancel(); <-ended }()
	for what, query := range map[string]string{
		"the refund is confirmed":            `SELECT COUNT(*) FROM refunds WHERE refund_no = 'w' AND state = 'DONE'`,
		"the void row's payment goes back":   `SELECT COUNT(*) FROM refunds r JOIN remedy_order o USING (order_id) WHERE order_id = 'w2' AND o.state = 'DONE'`,
		"the payment nobody told of is told": `SELECT COUNT(*) FROM pay_queue WHERE order_id = 'w1'`,
		"the further way is closed":          `SELECT COUNT(*) = 0 FROM further_ways WHERE channel = 'wechat'`,
	} {
		servicetest.Eventually(t, 4*time.Second, what, func() bool {
			var n int
			must(t, db.QueryRowContext(t.Context(), query).Scan(&n))
			return n == 1
		})
	}
}

// What is due of a channel is one range of an index, in its order, however much is due of another.
func TestWhatIsDueOfAChannelIsReadFromAnIndex(t *testing.T) {
	servicetest.MariaDBOnly(t, "a table of numbers")
	_, db := open(t)
	seed(t, db)
	for _, test := range []struct{ key, query string }{
		{"orders_due", `SELECT * FROM orders WHERE state = 'PAYING' AND channel = 'wechat' AND next_ms <= 1000 ORDER BY next_ms LIMIT 200`},
		{"refunds_due", `SELECT * FROM refunds WHERE state = 'PENDING' AND channel = 'wechat' AND next_ms <= 1000 ORDER BY next_ms LIMIT 200`},
		{"remedy_order_due", `SELECT * FROM remedy_order WHERE state = 'OPEN' AND channel = 'wechat' AND next_ms <= 1000 ORDER BY next_ms LIMIT 200`},
		{"further_ways_due", `SELECT * FROM further_ways WHERE channel = 'wechat' AND next_ms <= 1000 ORDER BY next_ms LIMIT 200`},
	} {
		var id, kind, table, typ, possible, key, length, ref, rows, extra sql.NullString
		must(t, db.QueryRowContext(t.Context(), `EXPLAIN `+test.query).Scan(&id, &kind, &table, &typ, &possible, &key, &length, &ref, &rows, &extra))
		if key.String != test.key || typ.String != "range" || strings.Contains(extra.String, "filesort") {
			t.Errorf("%s: key %q, %s, %s rows, %s", test.key, key.String, typ.String, rows.String, extra.String)
		}
	}
}
