package process_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service/servicetest"
)

// How long the documented backlog takes: 13,000 rows, each a round trip of 50 ms to the channel. One loop is measured on a part of
// them, since it needs a quarter of an hour; the figure is for all of them on both sides.
func BenchmarkDrainOf13000Rows(b *testing.B) {
	servicetest.MariaDBOnly(b, "a table of numbers")
	const backlog = 13_000
	for _, side := range []struct {
		name, workers string
		rows          int
	}{{"one loop", "1", 400}, {"48 workers", "48", backlog}} {
		b.Run(side.name, func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				town := servicetest.Start(b, "callback.confirm", "true", "callback.workers", side.workers, "callback.batch", "500",
					"refund.after", "1h", "command.push_again", "none", "remedy.after", "1h", "dispense.max_age", "1h")
				seedBacklog(b, town, side.rows)
				town.Channel.Delay(50 * time.Millisecond)
				b.StartTimer()
				began := time.Now()
				town.Exec(`UPDATE pay_queue SET next_ms = 1`)
				servicetest.Eventually(b, 20*time.Minute, "the backlog is gone", func() bool {
					return town.Count(`SELECT COUNT(*) FROM pay_queue WHERE consume_status != 2`) == 0
				})
				b.ReportMetric(time.Since(began).Seconds()*backlog/float64(side.rows), "s/13000rows")
			}
		})
	}
}

// seedBacklog leaves what an incident leaves: orders that were paid, and acknowledged rows that nobody has come to. They become due
// when their next_ms does.
func seedBacklog(tb testing.TB, town *servicetest.Town, rows int) {
	tb.Helper()
	town.AddMachine("m1", rows)
	never := time.Now().Add(24 * time.Hour).UnixMilli()
	town.Exec(fmt.Sprintf(`INSERT INTO orders (order_id, request_id, machine_id, slot, channel, buyer_id, amount_fen, state, pay_channels,
		created_ms, expires_ms, next_ms) SELECT CONCAT('o', seq), CONCAT('r', seq), 'm1', 1, 'alipay', 'b', 350, 'PAYING', 'alipay', 1, %d, %d
		FROM seq_1_to_%d`, never, never, rows))
	town.Exec(fmt.Sprintf(`INSERT INTO pay_queue (order_id, channel, transaction_id, notify_id, buyer_id, paid_fen, paid_ms, dedupe_key,
		create_time, next_ms) SELECT CONCAT('o', seq), 'alipay', CONCAT('t', seq), '', 'b', 350, %d, CONCAT('alipay:t', seq), UTC_TIMESTAMP(3), %d
		FROM seq_1_to_%d`, time.Now().UnixMilli(), never, rows))
	for i := range rows {
		town.Channel.Pay(fmt.Sprintf("o%d", i+1), fmt.Sprintf("t%d", i+1), 350)
	}
}
