package mysqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

const queueColumns = `queue_id, order_id, channel, transaction_id, notify_id, buyer_id, paid_fen, paid_ms, status, consume_status,
	consume_count, create_time, last_consume_time, next_ms`

func scanRow(row scanner) (q service.QueueRow, err error) {
	var last sql.NullTime
	p := &q.Payment
	err = row.Scan(&q.ID, &p.OrderID, &p.Channel, &p.TransactionID, &p.NotifyID, &p.BuyerID, &p.Fen, &p.PaidMS, &q.Status, &q.ConsumeStatus,
		&q.ConsumeCount, &q.Created, &last, &q.NextMS)
	q.LastConsume = last.Time
	return q, err
}

// Enqueue stores a payment that was notified.
func (s *Store) Enqueue(ctx context.Context, p service.Payment, unique bool, now time.Time, lease time.Duration) (row service.QueueRow, err error) {
	err = s.again(ctx, func() error {
		row, err = insertRow(ctx, s.db, p, unique, now, lease)
		return err
	})
	if errorNumber(err) == errDuplicateEntry {
		return service.QueueRow{}, service.ErrDuplicate
	}
	return row, err
}

func insertRow(ctx context.Context, db executor, p service.Payment, unique bool, now time.Time, lease time.Duration) (service.QueueRow, error) {
	row := service.QueueRow{Payment: p, Created: now, NextMS: now.UnixMilli()}
	var last any
	if lease > 0 {
		row.ConsumeStatus, row.ConsumeCount, row.NextMS, last = service.Claimed, 1, now.Add(lease).UnixMilli(), now
	}
	var key any // NULL, which the unique index takes any number of times, is what hurts with dedupe none
	if unique {
		key = dedupeKey(p)
	}
	result, err := db.ExecContext(ctx, `INSERT INTO pay_queue (order_id, channel, transaction_id, notify_id, buyer_id, paid_fen, paid_ms, dedupe_key,
		status, consume_status, consume_count, create_time, last_consume_time, next_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		p.OrderID, p.Channel, p.TransactionID, clip(p.NotifyID, 64), clip(p.BuyerID, 128), p.Fen, p.PaidMS, key,
		service.RowNew, row.ConsumeStatus, row.ConsumeCount, now, last, row.NextMS)
	if err != nil {
		return service.QueueRow{}, err
	}
	row.ID, err = result.LastInsertId()
	return row, err
}

// dedupeKey is one payment, however often it is notified.
func dedupeKey(p service.Payment) string { return string(p.Channel) + ":" + p.TransactionID }

// Row reads a row.
func (s *Store) Row(ctx context.Context, queueID int64) (service.QueueRow, error) {
	q, err := scanRow(s.db.QueryRowContext(ctx, `SELECT `+queueColumns+` FROM pay_queue WHERE queue_id = ?`, queueID))
	return q, notFound(err)
}

// DueRows lists rows that wait, and rows whose consumer let its lease run out.
func (s *Store) DueRows(ctx context.Context, now time.Time, limit int) ([]service.QueueRow, error) {
	var due []service.QueueRow
	for _, status := range []int{service.Waiting, service.Claimed} {
		rows, err := s.db.QueryContext(ctx, `SELECT `+queueColumns+` FROM pay_queue WHERE consume_status = ? AND next_ms <= ?
			ORDER BY next_ms LIMIT ?`, status, now.UnixMilli(), limit)
		list, err := all(rows, err, func(r *sql.Rows) (service.QueueRow, error) { return scanRow(r) })
		if err != nil {
			return nil, err
		}
		due = append(due, list...)
	}
	return due, nil
}

// Claim takes a row. consume_count is the fencing token: it goes up with each claim, so one claim wins, and a consumer
// whose lease ran out can not end a later attempt.
func (s *Store) Claim(ctx context.Context, row *service.QueueRow, now time.Time, lease time.Duration) (bool, error) {
	next := now.Add(lease).UnixMilli()
	moved, err := s.moved(ctx, `UPDATE pay_queue SET consume_status = ?, consume_count = consume_count + 1, last_consume_time = ?, next_ms = ?
		WHERE queue_id = ? AND consume_count = ? AND consume_status <> ? AND next_ms <= ?`,
		service.Claimed, now, next, row.ID, row.ConsumeCount, service.Consumed, now.UnixMilli())
	if moved {
		row.ConsumeStatus, row.ConsumeCount, row.NextMS, row.LastConsume = service.Claimed, row.ConsumeCount+1, next, now
	}
	return moved, err
}

// Finish ends a row the normal way.
func (s *Store) Finish(ctx context.Context, row service.QueueRow, now time.Time) (bool, error) {
	return s.moved(ctx, `UPDATE pay_queue SET status = ?, consume_status = ?, last_consume_time = ?
		WHERE queue_id = ? AND consume_count = ? AND consume_status = ?`,
		service.RowDone, service.Consumed, now, row.ID, row.ConsumeCount, service.Claimed)
}

// finishIn ends a row together with the effect that it asked for.
func finishIn(ctx context.Context, tx *sql.Tx, queueID int64, now time.Time) error {
	if queueID == 0 {
		return nil
	}
	_, err := tx.ExecContext(ctx, `UPDATE pay_queue SET status = ?, consume_status = ?, last_consume_time = ? WHERE queue_id = ? AND consume_status <> ?`,
		service.RowDone, service.Consumed, now.UTC(), queueID, service.Consumed)
	return err
}

// Retry gives a row back until next.
func (s *Store) Retry(ctx context.Context, row service.QueueRow, now, next time.Time) (bool, error) {
	return s.moved(ctx, `UPDATE pay_queue SET consume_status = ?, last_consume_time = ?, next_ms = ?
		WHERE queue_id = ? AND consume_count = ? AND consume_status = ?`,
		service.Waiting, now, next.UnixMilli(), row.ID, row.ConsumeCount, service.Claimed)
}

// Void ends a row without its effect. With remedy, the remedy order is written in the same transaction: a void row without
// one would be a silent loss.
func (s *Store) Void(ctx context.Context, row service.QueueRow, now time.Time, remedy bool) (bool, error) {
	return s.cas(ctx, func(tx *sql.Tx) error {
		if remedy {
			if err := raiseRemedy(ctx, tx, row.Payment, service.BecauseVoid, false, now); err != nil {
				return err
			}
		}
		moved, err := movedIn(ctx, tx, `UPDATE pay_queue SET status = ?, consume_status = ?, last_consume_time = ?
			WHERE queue_id = ? AND consume_count = ? AND consume_status = ?`,
			service.RowVoid, service.Consumed, now, row.ID, row.ConsumeCount, service.Claimed)
		if err == nil && !moved {
			return errNotMoved
		}
		return err
	})
}

// Archive moves rows that ended to pay_queue_bak.
func (s *Store) Archive(ctx context.Context, before time.Time, limit int) (int, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT queue_id FROM pay_queue WHERE consume_status = ? AND next_ms <= ? AND last_consume_time < ?
		ORDER BY next_ms LIMIT ?`, service.Consumed, before.UnixMilli(), before, limit)
	ids, err := all(rows, err, func(r *sql.Rows) (id any, err error) {
		var n int64
		err = r.Scan(&n)
		return n, err
	})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	in := placeholders(len(ids))
	columns := `order_id, channel, transaction_id, notify_id, buyer_id, paid_fen, paid_ms, dedupe_key, status, consume_status,
		consume_count, create_time, last_consume_time, next_ms`
	moved := 0
	err = s.tx(ctx, func(tx *sql.Tx) error {
		// Two jobs may have read the same ids: the one that deletes second finds nothing, and its copy is ignored.
		_, err := tx.ExecContext(ctx, `INSERT INTO pay_queue_bak (queue_id, `+columns+`) SELECT queue_id, `+columns+`
			FROM pay_queue q WHERE queue_id IN (`+in+`) ON DUPLICATE KEY UPDATE next_ms = q.next_ms`, ids...)
		if err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM pay_queue WHERE queue_id IN (`+in+`)`, ids...)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		moved = int(n)
		return err
	})
	return moved, err
}
