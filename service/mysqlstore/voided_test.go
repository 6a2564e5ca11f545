package mysqlstore_test

import (
	"database/sql"
	"fmt"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/mysqlstore"
	"github.com/lunchrush/lunchrush/service/servicetest"
)

// archived is a store whose voided records are in a database of their own.
func archived(t *testing.T) (store *mysqlstore.Store, db, archive *sql.DB) {
	t.Helper()
	dsns := []string{servicetest.DSN(t), servicetest.DSN(t)}
	for i, into := range []**sql.DB{&db, &archive} {
		opened, err := sql.Open("mysql", dsns[i])
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = opened.Close() })
		*into = opened
	}
	store, err := mysqlstore.New(service.Secret(dsns[0]), service.Default().Switches.DB)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	if err := archive.QueryRow(`SELECT DATABASE()`).Scan(&store.VoidedIn); err != nil {
		t.Fatal(err)
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return store, db, archive
}

func TestVoidedRecordsAreSeededOnceAndKept(t *testing.T) {
	t.Parallel()
	store, db, archive := archived(t)
	callers := func(n int) (list []service.Voided) {
		for i := range n {
			list = append(list, service.Voided{Caller: fmt.Sprintf("c%d", i%3), RecordID: fmt.Sprintf("r%d", i)})
		}
		return list
	}
	var seeded int64 // the id after the last step
	steps := []struct {
		name    string
		list    []service.Voided
		fill    int
		upload  bool // one of each caller's records, afterwards
		all     int  // records then
		written int  // of them new ones
	}{
		{"an empty table is filled", callers(9), 5000, true, 5000, 5000},
		{"the next run finds it filled, and what was uploaded voided again", callers(9), 5000, true, 5000, 0},
		{"fewer callers come: the others' records are of those that fill it, and are voided", callers(3), 5000, true, 5000, 0},
		{"it grows by the difference", callers(3), 5500, false, 5500, 500},
		{"it shrinks", callers(3), 2200, false, 2200, 0},
		{"it grows from there", callers(3), 2300, false, 2300, 100},
		{"a part of a list asks for nothing else", callers(12), 0, true, 2303, 3},
		{"more callers than it is to hold", callers(12), 5, false, 12, 0},
		{"fillers again, from none, and fewer than are written first", callers(12), 20, false, 20, 8},
	}
	for _, step := range steps {
		if err := store.PutVoided(t.Context(), step.list, step.fill); err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		var all, open, fresh, alike int
		err := archive.QueryRow(`SELECT COUNT(*), SUM(state = 'VOIDED'), COALESCE(SUM(voided_id > ?), 0), COUNT(DISTINCT caller, record_id) FROM voided_record`, seeded).
			Scan(&all, &open, &fresh, &alike)
		if err != nil {
			t.Fatal(err)
		}
		if all != step.all || open != all || alike != all || fresh != step.written {
			t.Errorf("%s: %d records, %d of them voided, %d new; want %d, all voided, %d new", step.name, all, open, fresh, step.all, step.written)
		}
		if err := archive.QueryRow(`SELECT MAX(voided_id) FROM voided_record`).Scan(&seeded); err != nil {
			t.Fatal(err)
		}
		if !step.upload {
			continue
		}
		for i, v := range step.list[:3] {
			r := service.UploadRecord{ID: v.RecordID, Content: "x"}
			if i == 0 { // as it was: found by a look-up that reads them all
				err = store.UploadAtOnce(t.Context(), service.UploadBatch{Caller: v.Caller, BatchID: "b", Records: []service.UploadRecord{r}}, time.UnixMilli(1))
			} else {
				_, err = store.StoreUpload(t.Context(), v.Caller, "b", r, time.UnixMilli(1))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		var gone int
		if err := archive.QueryRow(`SELECT COUNT(*) FROM voided_record WHERE state = 'REPLACED'`).Scan(&gone); err != nil || gone != 3 {
			t.Errorf("%s: %d are replaced by uploads, want 3, %v", step.name, gone, err)
		}
		for _, table := range []string{"upload_record", "upload_total"} { // the next run begins
			if _, err := db.Exec(`DELETE FROM ` + table); err != nil {
				t.Fatal(err)
			}
		}
	}
}
