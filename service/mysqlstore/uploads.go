package mysqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// uploadTables hold what callers upload: batches as they came, and each record once.
var uploadTables = []string{
	`CREATE TABLE IF NOT EXISTS upload_batch (
		caller     VARCHAR(64) NOT NULL,
		batch_id   VARCHAR(64) NOT NULL,
		records    INT NOT NULL,
		body       MEDIUMTEXT NOT NULL, -- the records, as JSON
		state      VARCHAR(16) NOT NULL,
		attempts   INT NOT NULL DEFAULT 0,
		next_ms    BIGINT NOT NULL,
		created_ms BIGINT NOT NULL,
		done_ms    BIGINT NOT NULL DEFAULT 0,
		PRIMARY KEY (caller, batch_id),
		KEY upload_batch_due (state, next_ms)
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	`CREATE TABLE IF NOT EXISTS upload_record (
		caller    VARCHAR(64) NOT NULL,
		record_id VARCHAR(64) NOT NULL,
		batch_id  VARCHAR(64) NOT NULL,
		content   VARCHAR(1024) NOT NULL,
		done_ms   BIGINT NOT NULL,
		PRIMARY KEY (caller, record_id)
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	`CREATE TABLE IF NOT EXISTS upload_total (
		caller  VARCHAR(64) NOT NULL PRIMARY KEY,
		records BIGINT NOT NULL
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
}

// PutBatch stores a batch that waits.
func (s *Store) PutBatch(ctx context.Context, b service.UploadBatch) error {
	body, err := json.Marshal(b.Records)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, `INSERT INTO upload_batch (caller, batch_id, records, body, state, next_ms, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		b.Caller, b.BatchID, len(b.Records), string(body), b.State, b.NextMS, b.CreatedMS)
	if errorNumber(err) == errDuplicateEntry {
		return service.ErrDuplicate
	}
	return err
}

// Batch reads a batch without its records.
func (s *Store) Batch(ctx context.Context, caller, batchID string) (service.UploadBatch, error) {
	b := service.UploadBatch{Caller: caller, BatchID: batchID}
	err := s.db.QueryRowContext(ctx, `SELECT state, attempts, next_ms, created_ms FROM upload_batch WHERE caller = ? AND batch_id = ?`, caller, batchID).
		Scan(&b.State, &b.Attempts, &b.NextMS, &b.CreatedMS)
	return b, notFound(err)
}

// OpenBatches counts the batches that are not done, from an index alone.
func (s *Store) OpenBatches(ctx context.Context) (n int, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM upload_batch WHERE state IN (?, ?)`, service.UploadWaiting, service.UploadClaimed).Scan(&n)
	return n, err
}

// DueBatches lists batches that wait, and batches whose worker let its lease run out.
func (s *Store) DueBatches(ctx context.Context, now time.Time, limit int) ([]service.UploadBatch, error) {
	var due []service.UploadBatch
	for _, state := range []service.UploadState{service.UploadWaiting, service.UploadClaimed} {
		rows, err := s.db.QueryContext(ctx, `SELECT caller, batch_id, body, state, attempts, next_ms, created_ms FROM upload_batch
			WHERE state = ? AND next_ms <= ? ORDER BY next_ms LIMIT ?`, state, now.UnixMilli(), limit)
		list, err := all(rows, err, func(r *sql.Rows) (b service.UploadBatch, err error) {
			var body []byte
			if err = r.Scan(&b.Caller, &b.BatchID, &body, &b.State, &b.Attempts, &b.NextMS, &b.CreatedMS); err == nil {
				err = json.Unmarshal(body, &b.Records)
			}
			return b, err
		})
		if err != nil {
			return nil, err
		}
		due = append(due, list...)
	}
	return due, nil
}

// ClaimBatch takes a batch. attempts is the fencing token: it goes up with each claim, so one claim wins, and a worker whose
// lease ran out can not end a later attempt.
func (s *Store) ClaimBatch(ctx context.Context, b *service.UploadBatch, now time.Time, lease time.Duration) (bool, error) {
	next := now.Add(lease).UnixMilli()
	moved, err := s.moved(ctx, `UPDATE upload_batch SET state = ?, attempts = attempts + 1, next_ms = ?
		WHERE caller = ? AND batch_id = ? AND attempts = ? AND state <> ? AND next_ms <= ?`,
		service.UploadClaimed, next, b.Caller, b.BatchID, b.Attempts, service.UploadDone, now.UnixMilli())
	if moved {
		b.State, b.Attempts, b.NextMS = service.UploadClaimed, b.Attempts+1, next
	}
	return moved, err
}

// moveBatch ends or extends the attempt that b was claimed for.
func (s *Store) moveBatch(ctx context.Context, b service.UploadBatch, to service.UploadState, next, done int64) (bool, error) {
	return s.moved(ctx, `UPDATE upload_batch SET state = ?, next_ms = ?, done_ms = ? WHERE caller = ? AND batch_id = ? AND attempts = ? AND state = ?`,
		to, next, done, b.Caller, b.BatchID, b.Attempts, service.UploadClaimed)
}

// ExtendBatch moves the end of a claim's lease on.
func (s *Store) ExtendBatch(ctx context.Context, b *service.UploadBatch, until time.Time) (bool, error) {
	return s.moveBatch(ctx, *b, service.UploadClaimed, until.UnixMilli(), 0)
}

// ReleaseBatch gives a batch back until next.
func (s *Store) ReleaseBatch(ctx context.Context, b service.UploadBatch, next time.Time) (bool, error) {
	return s.moveBatch(ctx, b, service.UploadWaiting, next.UnixMilli(), 0)
}

// FinishBatch ends a batch.
func (s *Store) FinishBatch(ctx context.Context, b service.UploadBatch, now time.Time) (bool, error) {
	return s.moveBatch(ctx, b, service.UploadDone, now.UnixMilli(), now.UnixMilli())
}

// StoreUpload writes a record with its effects in one transaction; its key lets that happen once.
func (s *Store) StoreUpload(ctx context.Context, caller, batchID string, r service.UploadRecord, now time.Time) (fresh bool, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		if err := insertUpload(ctx, tx, caller, batchID, r, now); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE `+s.voidedRecords()+` SET state = ? WHERE caller = ? AND record_id = ? AND state = ?`, replaced, caller, r.ID, voided)
		if err != nil {
			return err
		}
		return addUploads(ctx, tx, caller, 1)
	})
	if errorNumber(err) == errDuplicateEntry {
		return false, nil
	}
	return err == nil, err
}

func insertUpload(ctx context.Context, tx *sql.Tx, caller, batchID string, r service.UploadRecord, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO upload_record (caller, record_id, batch_id, content, done_ms) VALUES (?, ?, ?, ?, ?)`,
		caller, r.ID, batchID, r.Content, now.UnixMilli())
	return err
}

func addUploads(ctx context.Context, tx *sql.Tx, caller string, n int) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO upload_total (caller, records) VALUES (?, ?) ON DUPLICATE KEY UPDATE records = records + VALUES(records)`, caller, n)
	return err
}

// UploadAtOnce is the upload as it was (ingest.mode sync): all records in one transaction.
//
// What hurts: each record is looked up by its printed name, caller and id in one text. No index has that, so that each
// look-up reads every voided record there is.
func (s *Store) UploadAtOnce(ctx context.Context, b service.UploadBatch, now time.Time) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		stored := 0
		for _, r := range b.Records {
			var id int64
			err := tx.QueryRowContext(ctx, `SELECT COALESCE(MAX(voided_id), 0) FROM `+s.voidedRecords()+` WHERE CONCAT(caller, '/', record_id) = ?`, b.Caller+"/"+r.ID).Scan(&id)
			if err != nil {
				return err
			}
			switch err := insertUpload(ctx, tx, b.Caller, b.BatchID, r, now); {
			case errorNumber(err) == errDuplicateEntry: // an upload before this one had it
				continue
			case err != nil:
				return err
			}
			stored++
			if _, err := tx.ExecContext(ctx, `UPDATE `+s.voidedRecords()+` SET state = ? WHERE voided_id = ?`, replaced, id); err != nil {
				return err
			}
		}
		if stored == 0 {
			return nil
		}
		return addUploads(ctx, tx, b.Caller, stored)
	})
}

// bookUploads tells the batches that were stored, the records and the totals.
func bookUploads(ctx context.Context, tx *sql.Tx, emit func(any) error) error {
	err := stream(ctx, tx, emit, `SELECT caller, batch_id, records, state, done_ms FROM upload_batch`, func(r *sql.Rows) (any, error) {
		l := readingLine{Table: "call", Kind: "upload"}
		err := r.Scan(&l.ID, &l.Key, &l.N, &l.State, &l.DoneMS)
		return l, err
	})
	if err != nil {
		return err
	}
	err = stream(ctx, tx, emit, `SELECT caller, record_id, done_ms FROM upload_record`, func(r *sql.Rows) (any, error) {
		l := readingLine{Table: "call", Kind: "upload", N: 1, State: "stored"}
		err := r.Scan(&l.ID, &l.Key, &l.DoneMS)
		return l, err
	})
	if err != nil {
		return err
	}
	return stream(ctx, tx, emit, `SELECT caller, records FROM upload_total`, func(r *sql.Rows) (any, error) {
		l := readingLine{Table: "call", Kind: "upload", State: "total"}
		err := r.Scan(&l.ID, &l.N)
		return l, err
	})
}
