package reports

import (
	"database/sql"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/diagnosis"
	"github.com/lunchrush/lunchrush/service/mysqlstore"
	"github.com/lunchrush/lunchrush/service/servicetest"
)

func TestMain(m *testing.M) { os.Exit(servicetest.Main(m)) }

// The measure and the operators' query that it is named after say the same of the same rows.
func TestLateRowsAreThoseThatTheOperatorsQueryFinds(t *testing.T) {
	rows := []struct {
		name          string
		consumeStatus int
		took          time.Duration // from creation to the last try; negative: never tried
	}{
		{"at once", 2, 0},
		{"at sixty seconds", 2, time.Minute},
		{"within the second after", 2, time.Minute + 999*time.Millisecond},
		{"at sixty-one", 2, 61 * time.Second},
		{"after an hour", 2, time.Hour + time.Millisecond},
		{"ended and never tried", 2, -1},
		{"tried late, and it waits", 0, 2 * time.Minute},
		{"tried late, and somebody has it", 1, 2 * time.Minute},
		{"never tried", 0, -1},
	}
	dsn := servicetest.DSN(t)
	store, err := mysqlstore.New(service.Secret(dsn), service.Default().Switches.DB)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()

	b := wholeRun(t)
	created := time.Date(2026, 11, 20, 3, 0, 10, 123e6, time.UTC)
	const stamp = "2006-01-02 15:04:05.000"
	for i, row := range rows {
		tried, triedMS := any(nil), int64(0)
		if row.took >= 0 {
			at := created.Add(row.took)
			tried, triedMS = at.Format(stamp), at.UnixMilli()
		}
		table := []string{"pay_queue", "pay_queue_bak"}[i%2]
		_, err := db.ExecContext(t.Context(), `INSERT INTO `+table+` (queue_id, order_id, channel, transaction_id, notify_id, buyer_id, paid_fen,
			paid_ms, status, consume_status, consume_count, create_time, last_consume_time, next_ms) VALUES (?, ?, 'wechat', ?, '', '', 350, 1, 5, ?, 1, ?, ?, 1)`,
			i+1, fmt.Sprint("o", i), fmt.Sprint("t", i), row.consumeStatus, created.Format(stamp), tried)
		if err != nil {
			t.Fatalf("%s: %v", row.name, err)
		}
		b.add(runlog.Record{
			At: 120 * second, Event: runlog.ServiceQueue, Order: fmt.Sprint("o", i), Channel: "wechat", Txn: fmt.Sprint("t", i), Status: row.consumeStatus,
			CreatedMS: created.UnixMilli(), DoneMS: triedMS,
		})
	}
	b.end()

	queries := diagnosis.Queries()
	at := slices.IndexFunc(queries, func(q diagnosis.Query) bool { return q.Name == "late" })
	answer, err := diagnosis.Ask(t.Context(), dsn, queries[at])
	if err != nil {
		t.Fatal(err)
	}
	const ended, late = 6, 2
	if got, want := strings.Join(answer.Rows[0][:2], " "), fmt.Sprint(ended, " ", late); got != want {
		t.Errorf("the query says %s, want %s", got, want)
	}
	m := byName(b.analyse().Measures)["queue.later_than_60s"]
	if m.Samples != ended || m.Value != float64(late)/ended {
		t.Errorf("the measure is %v of %d, want %v of %d", m.Value, m.Samples, float64(late)/ended, ended)
	}
}
