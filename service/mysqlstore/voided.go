package mysqlstore

import (
	"context"
	"database/sql"
	"fmt"
	"strconv"

	"github.com/lunchrush/lunchrush/service"
)

// voidedRecords is the table of the records that upgrades have voided, in the archive if there is one.
func (s *Store) voidedRecords() string {
	if s.VoidedIn == "" {
		return "voided_record"
	}
	return s.VoidedIn + ".voided_record"
}

func (s *Store) voidedTable() string {
	return `CREATE TABLE IF NOT EXISTS ` + s.voidedRecords() + ` (
		voided_id BIGINT NOT NULL AUTO_INCREMENT PRIMARY KEY,
		caller    VARCHAR(64) NOT NULL,
		record_id VARCHAR(64) NOT NULL,
		state     VARCHAR(16) NOT NULL,
		UNIQUE KEY voided_record_of (caller, record_id)
	) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin`
}

// The states of a voided record.
const (
	voided   = "VOIDED"
	replaced = "REPLACED"
)

// Fillers are the voided records of a caller who never comes, numbered without a gap: how many there are is told by the last.
const filler = "-"

func fillerID(n int) string { return fmt.Sprintf("f%08d", n) }

const (
	firstFillers = 1000
	// fillerStep bounds the fillers that one statement writes or deletes: on a machine that is busy with something else this
	// stays far below the time after which the connection is given up.
	fillerStep = 250_000
)

// PutVoided writes voided records, and as many fillers as there must be, or fewer. What an earlier life of the table has left
// is used: what was replaced is voided again, and of the fillers only the difference is written. Four million take 13 s of one
// core the first time, and milliseconds after that.
func (s *Store) PutVoided(ctx context.Context, list []service.Voided, fill int) error {
	table := s.voidedRecords()
	_, err := s.exec(ctx, `UPDATE `+table+` SET state = ? WHERE caller <> ? AND state = ?`, voided, filler, replaced)
	if err != nil {
		return err
	}
	args := make([]any, 0, 3*len(list))
	for _, v := range list {
		args = append(args, v.Caller, v.RecordID, voided)
	}
	if err := s.insertVoided(ctx, args); err != nil {
		return err
	}
	if fill == 0 {
		return nil
	}
	var callers int
	var last sql.NullString
	if err := s.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM `+table+` WHERE caller <> ?`, filler).Scan(&callers); err != nil {
		return err
	}
	if err := s.db.QueryRowContext(ctx, `SELECT MAX(record_id) FROM `+table+` WHERE caller = ?`, filler).Scan(&last); err != nil {
		return err
	}
	have := 0
	if last.Valid {
		n, err := strconv.Atoi(last.String[1:])
		if err != nil {
			return fmt.Errorf("%s: the last filler is %q: %w", table, last.String, err)
		}
		have = n + 1
	}
	want := max(0, fill-callers)
	if err := s.addFillers(ctx, have, want); err != nil {
		return err
	}
	for have > want {
		less := max(want, have-fillerStep)
		if _, err := s.exec(ctx, `DELETE FROM `+table+` WHERE caller = ? AND record_id >= ? AND record_id < ?`, filler, fillerID(less), fillerID(have)); err != nil {
			return err
		}
		have = less
	}
	return nil
}

func (s *Store) insertVoided(ctx context.Context, args []any) error {
	return s.insertMany(ctx, `INSERT INTO `+s.voidedRecords()+` (caller, record_id, state) VALUES `, 3, args, ` ON DUPLICATE KEY UPDATE state = VALUES(state)`)
}

// addFillers doubles what there is until there are want. It reads the first of them from the key's own index, and writes at its
// end: no page is visited twice, whatever the size of the table and of the buffer pool.
func (s *Store) addFillers(ctx context.Context, have, want int) error {
	if have < min(want, firstFillers) {
		var args []any
		for ; have < min(want, firstFillers); have++ {
			args = append(args, filler, fillerID(have), voided)
		}
		if err := s.insertVoided(ctx, args); err != nil {
			return err
		}
	}
	table := s.voidedRecords()
	for have < want {
		more := min(have, want-have, fillerStep)
		_, err := s.exec(ctx, `INSERT INTO `+table+` (caller, record_id, state)
			SELECT ?, CONCAT('f', LPAD(CAST(SUBSTRING(record_id, 2) AS SIGNED) + ?, 8, '0')), ? FROM `+table+` WHERE caller = ? AND record_id < ?`,
			filler, have, voided, filler, fillerID(more))
		if err != nil {
			return err
		}
		have += more
	}
	return nil
}
