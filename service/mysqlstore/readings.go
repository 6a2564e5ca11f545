package mysqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// readingTables hold what intake read: each message once, and what the machines' messages add up to.
var readingTables = []string{
	`CREATE TABLE IF NOT EXISTS readings (
		message_id VARCHAR(64) NOT NULL PRIMARY KEY,
		machine_id VARCHAR(64) NOT NULL,
		pieces     INT NOT NULL,
		done_ms    BIGINT NOT NULL
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,

	`CREATE TABLE IF NOT EXISTS reading_totals (
		machine_id VARCHAR(64) NOT NULL PRIMARY KEY,
		pieces     BIGINT NOT NULL
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`,
}

// StoreReading writes a reading and its effect in one transaction; the message id is the key, so it has its effect once.
func (s *Store) StoreReading(ctx context.Context, r service.Reading, now time.Time) (fresh bool, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO readings (message_id, machine_id, pieces, done_ms) VALUES (?, ?, ?, ?)`,
			r.MessageID, r.MachineID, r.Pieces, now.UnixMilli())
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO reading_totals (machine_id, pieces) VALUES (?, ?)
			ON DUPLICATE KEY UPDATE pieces = pieces + VALUES(pieces)`, r.MachineID, r.Pieces)
		return err
	})
	if errorNumber(err) == errDuplicateEntry {
		return false, nil
	}
	return err == nil, err
}

// A readingLine is a reading, or what a machine's readings add up to.
type readingLine struct {
	Table  string `json:"table"`
	Kind   string `json:"kind"`
	Key    string `json:"key,omitempty"`
	ID     string `json:"id,omitempty"`
	N      int64  `json:"n"`
	State  string `json:"state"`
	DoneMS int64  `json:"done_ms,omitempty"`
}

// bookReadings tells the readings and the totals.
func bookReadings(ctx context.Context, tx *sql.Tx, emit func(any) error) error {
	err := stream(ctx, tx, emit, `SELECT message_id, machine_id, pieces, done_ms FROM readings`, func(r *sql.Rows) (any, error) {
		l := readingLine{Table: "call", Kind: "message", State: "stored"}
		err := r.Scan(&l.Key, &l.ID, &l.N, &l.DoneMS)
		return l, err
	})
	if err != nil {
		return err
	}
	return stream(ctx, tx, emit, `SELECT machine_id, pieces FROM reading_totals`, func(r *sql.Rows) (any, error) {
		l := readingLine{Table: "call", Kind: "message", State: "total"}
		err := r.Scan(&l.ID, &l.N)
		return l, err
	})
}
