package process_test

import (
	"database/sql"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/servicetest"
)

// upload sends a batch of n records whose ids begin with the batch's.
func upload(town *servicetest.Town, caller, batch string, n int) (int, string) {
	records := make([]service.UploadRecord, n)
	for i := range records {
		records[i] = service.UploadRecord{ID: fmt.Sprintf("%s-%d", batch, i+1), Content: "c"}
	}
	return town.Do("POST", town.Public+"/v1/uploads", map[string]any{"caller": caller, "batch_id": batch, "records": records})
}

// voidedTown is a service in which the records of batches of n were voided, among fill in all.
func voidedTown(t *testing.T, fill int, n int, batches map[string]string, switches ...string) *servicetest.Town {
	t.Helper()
	town := servicetest.Start(t, switches...)
	var list []service.Voided
	for batch, caller := range batches {
		for i := range n {
			list = append(list, service.Voided{Caller: caller, RecordID: fmt.Sprintf("%s-%d", batch, i+1)})
		}
	}
	for range 2 { // the second time has no effect
		if status, body := town.Do("POST", town.Internal+"/internal/voided", map[string]any{"records": list, "fill": fill}); status != 204 {
			t.Fatalf("voided: %d %s", status, body)
		}
	}
	if got := town.Count(`SELECT COUNT(*) FROM voided_record WHERE state = 'VOIDED'`); got != fill {
		t.Fatalf("%d records are voided, want %d", got, fill)
	}
	return town
}

func TestEveryUploadedRecordHasItsEffectOnce(t *testing.T) {
	t.Parallel()
	for _, mode := range []string{service.Durable, service.Sync} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			town := voidedTown(t, 2500, 20, map[string]string{"b1": "c1", "b2": "c1", "b3": "c2"}, "ingest.mode", mode, "ingest.every", "50ms")
			want := 202
			if mode == service.Sync {
				want = 200
			}
			for range 2 {
				for _, b := range []struct{ caller, batch string }{{"c1", "b1"}, {"c1", "b2"}, {"c2", "b3"}} {
					if status, body := upload(town, b.caller, b.batch, 20); status != want && status != 200 {
						t.Errorf("%s is answered %d %s, want %d", b.batch, status, body, want)
					}
				}
			}
			servicetest.Eventually(t, 10*time.Second, "all records are stored", func() bool {
				return town.Count("SELECT COUNT(*) FROM upload_record") == 60
			})
			if n := town.Count(`SELECT COUNT(*) FROM voided_record WHERE state = 'REPLACED'`); n != 60 {
				t.Errorf("%d voided records are replaced, want 60", n)
			}
			stored, total := 0, 0
			for _, line := range town.Book()["call"] {
				switch line["state"] {
				case "stored":
					stored++
				case "total":
					n, _ := strconv.Atoi(fmt.Sprint(line["n"]))
					total += n
				}
			}
			if stored != 60 || total != 60 {
				t.Errorf("the book tells %d records, and totals of %d", stored, total)
			}
			if mode == service.Sync {
				return
			}
			servicetest.Eventually(t, 5*time.Second, "the batch is done", func() bool {
				status, body := town.Do("GET", town.Public+"/v1/uploads/c2/b3", nil)
				return status == 200 && body == `{"batch_id":"b3","state":"DONE"}`+"\n"
			})
			if status, _ := town.Do("GET", town.Public+"/v1/uploads/c2/b1", nil); status != 404 {
				t.Errorf("a batch that was never taken is answered %d", status)
			}
		})
	}
}

// Whoever claimed the batch was killed half-way: what it did is not done again, and the rest is not lost.
func TestABatchWhoseWorkerWasKilledIsTakenOver(t *testing.T) {
	t.Parallel()
	town := servicetest.Start(t, "ingest.every", "100ms", "ingest.mode", service.Sync) // nobody works on batches
	town.Exec(`INSERT INTO upload_batch (caller, batch_id, records, body, state, attempts, next_ms, created_ms) VALUES ('c1', 'b1', 3,
		'[{"record_id":"b1-1"},{"record_id":"b1-2"},{"record_id":"b1-3"}]', 'CLAIMED', 1, ` + fmt.Sprint(time.Now().Add(time.Second).UnixMilli()) + `, 1)`)
	town.Exec(`INSERT INTO upload_record (caller, record_id, batch_id, content, done_ms) VALUES ('c1', 'b1-1', 'b1', '', 1)`)
	town.Exec(`INSERT INTO upload_total (caller, records) VALUES ('c1', 1)`)
	if err := town.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := town.Config.Set("ingest.mode", service.Durable); err != nil {
		t.Fatal(err)
	}
	town.Restart()
	servicetest.Eventually(t, 10*time.Second, "the batch is done", func() bool {
		return town.Count(`SELECT COUNT(*) FROM upload_batch WHERE state = 'DONE' AND attempts = 2`) == 1
	})
	if n := town.Count("SELECT COUNT(*) FROM upload_record"); n != 3 {
		t.Errorf("%d records are stored, want 3", n)
	}
	if n := town.Count("SELECT records FROM upload_total WHERE caller = 'c1'"); n != 3 {
		t.Errorf("the total is %d, want 3: what the dead worker had done counts once", n)
	}
}

func TestBatchesBeyondTheBacklogAreToComeAgain(t *testing.T) {
	t.Parallel()
	town := servicetest.Start(t, "ingest.backlog", "2", "ingest.every", "1h")
	for _, step := range []struct {
		batch string
		want  int
	}{{"b1", 202}, {"b2", 202}, {"b3", 429}, {"b1", 202}} {
		if status, body := upload(town, "c1", step.batch, 1); status != step.want {
			t.Errorf("%s is answered %d %s, want %d", step.batch, status, body, step.want)
		}
	}
	if status, _ := upload(town, "c1", "", 1); status != 400 {
		t.Errorf("a batch without an id is answered %d", status)
	}
	if status, body := town.Do("GET", town.Internal+"/internal/backlog", nil); status != 200 || body != `{"waiting":0,"oldest_ms":0,"pushes":0,"uploads":2}`+"\n" {
		t.Errorf("backlog: %d %s", status, body)
	}
}

// Two uploads that can not go on hold both of the pool's connections, or none of them.
func TestUploadsUnderWayTakeTheHealthChecksConnections(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name, mode string
		ready      int
		answered   bool
	}{
		{"as was, a process full of uploads is taken for dead", service.Sync, 503, false},
		{"hardened, they are answered and it is ready", service.Durable, 200, true},
	} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			town := servicetest.Start(t, "ingest.mode", side.mode, "db.max_open", "2", "ingest.workers", "1", "ingest.every", "1h")
			town.Exec(`INSERT INTO upload_total (caller, records) VALUES ('c1', 0)`)
			db, err := sql.Open("mysql", string(town.Config.MySQL.DSN))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = db.Close() })
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.ExecContext(t.Context(), `UPDATE upload_total SET records = records + 0 WHERE caller = 'c1'`); err != nil {
				t.Fatal(err)
			}
			if _, err := tx.ExecContext(t.Context(), `SELECT records FROM upload_total WHERE caller = 'c1' FOR UPDATE`); err != nil {
				t.Fatal(err)
			}
			answers := make(chan int, 2)
			for _, batch := range []string{"b1", "b2"} {
				go func() { status, _ := upload(town, "c1", batch, 1); answers <- status }()
			}
			if side.answered {
				for range 2 {
					if status := <-answers; status != 202 {
						t.Errorf("answered %d", status)
					}
				}
			} else {
				servicetest.Eventually(t, 5*time.Second, "both hold a connection", func() bool {
					return town.Metric("lunchrush_db_connections_in_use") == 2
				})
			}
			if status, body := town.Do("GET", town.Internal+"/readyz", nil); status != side.ready {
				t.Errorf("readiness is %d %s", status, body)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
			if !side.answered {
				for range 2 {
					if status := <-answers; status != 200 {
						t.Errorf("answered %d", status)
					}
				}
				if n := town.Count("SELECT records FROM upload_total WHERE caller = 'c1'"); n != 2 {
					t.Errorf("the total is %d, want 2", n)
				}
			}
		})
	}
}
