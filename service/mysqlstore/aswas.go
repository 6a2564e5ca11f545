package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// ConsumeLocked is the consumer as it was (callback.lock table): each row in a transaction of its own that stays open
// across the slow work.
//
// What hurts: InnoDB is made to read the table from end to end (FORCE INDEX), as it did for want of a fit index, and FOR UPDATE
// locks every row that it reads, finished ones too, and the gap after the last. An INSERT of a new notification goes into that gap:
// it waits until handle has come back from the channel and the dispatch, and its answer with it. The scan costs more with
// each row in the table, so the more messages, the slower.
func (s *Store) ConsumeLocked(ctx context.Context, now time.Time, handle func(service.QueueRow) service.Verdict) (found bool, err error) {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, ignoreDone(tx.Rollback())) }()

	row, err := scanRow(tx.QueryRowContext(ctx, `SELECT `+queueColumns+` FROM pay_queue FORCE INDEX (PRIMARY)
		WHERE consume_status <> ? AND next_ms <= ? ORDER BY create_time LIMIT 1 FOR UPDATE`, service.Consumed, now.UnixMilli()))
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	if err != nil {
		return false, s.count(err)
	}
	row.ConsumeCount++

	began := time.Now()
	verdict := handle(row) // the slow work, with the locks held
	end := now.Add(time.Since(began)).UTC()

	status, consumed, next := service.RowNew, service.Waiting, verdict.Next.UnixMilli()
	switch {
	case verdict.Finished:
		status, consumed, next = service.RowDone, service.Consumed, row.NextMS
	case verdict.Void:
		status, consumed, next = service.RowVoid, service.Consumed, row.NextMS
	}
	if verdict.Void && verdict.Remedy {
		if err := raiseRemedy(ctx, tx, row.Payment, service.BecauseVoid, false, end); err != nil {
			return true, s.count(err)
		}
	}
	_, err = tx.ExecContext(ctx, `UPDATE pay_queue SET status = ?, consume_status = ?, consume_count = ?, last_consume_time = ?, next_ms = ?
		WHERE queue_id = ?`, status, consumed, row.ConsumeCount, end, next, row.ID)
	if err != nil {
		return true, s.count(err)
	}
	return true, s.count(tx.Commit())
}

// RowOf reads the row of a payment that was notified before (notify.ack after-processing).
func (s *Store) RowOf(ctx context.Context, p service.Payment) (service.QueueRow, error) {
	q, err := scanRow(s.db.QueryRowContext(ctx, `SELECT `+queueColumns+` FROM pay_queue WHERE dedupe_key = ?`, dedupeKey(p)))
	return q, notFound(err)
}

// count tells Errors of an error that is not tried again.
func (s *Store) count(err error) error {
	if number := errorNumber(err); number != 0 && number != errTooManyConnections && s.Errors != nil {
		s.Errors(number)
	}
	return err
}

// PayUnchecked records a payment without looking (dedupe none, refund.guard none).
//
// What hurts: the UPDATE names no state it expects, so the second of two that decided at the same moment writes over the
// first, and a payment handled late writes over REFUNDED. Each then has its own command, and the machine, which knows
// commands by their id, dispenses for each.
func (s *Store) PayUnchecked(ctx context.Context, p service.Payment, c service.Command, next time.Time) error {
	_, err := s.exec(ctx, `UPDATE orders SET state = ?, channel = ?, transaction_id = ?, paid_fen = ?, paid_ms = ?, next_ms = ? WHERE order_id = ?`,
		service.Dispensing, p.Channel, p.TransactionID, p.Fen, c.QueuedMS, next.UnixMilli(), p.OrderID)
	if err != nil {
		return err
	}
	return s.again(ctx, func() error { return insertCommand(ctx, s.db, c) })
}

// Overdue finds what the refund timer as it was (refund.guard none) refunds: whatever was paid before the moment and has
// no result.
//
// What hurts: the payment's age counts from its arrival in pay_queue. A row that waits there behind others is refunded
// although nobody has tried to dispense it yet, and will be dispensed when its turn comes.
func (s *Store) Overdue(ctx context.Context, channel service.Channel, before time.Time, limit int) ([]service.Order, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT o.order_id, o.machine_id, o.slot, o.state, q.channel, q.transaction_id, q.paid_fen
		FROM pay_queue q JOIN orders o ON o.order_id = q.order_id
		WHERE q.channel = ? AND q.create_time < ? AND o.state NOT IN (?, ?, ?)
		AND NOT EXISTS (SELECT 1 FROM refunds r WHERE r.order_id = o.order_id)
		ORDER BY q.create_time LIMIT ?`, channel, before.UTC(), service.Dispensed, service.Refunding, service.Refunded, limit)
	return all(rows, err, func(rows *sql.Rows) (o service.Order, err error) {
		err = rows.Scan(&o.ID, &o.MachineID, &o.Slot, &o.State, &o.Channel, &o.TransactionID, &o.PaidFen)
		return o, err
	})
}

// RefundUnchecked writes a refund down that was made (refund.guard none).
//
// What hurts: REFUNDED is written whatever the state is, and no command is taken back: one that waits for its machine,
// or has not even been written, still dispenses.
func (s *Store) RefundUnchecked(ctx context.Context, r service.RefundRow, now time.Time) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE orders SET state = ?, channel = ?, transaction_id = ?, paid_fen = ?, done_ms = ? WHERE order_id = ?`,
			service.Refunded, r.Channel, r.TransactionID, r.TotalFen, now.UnixMilli(), r.OrderID)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO refunds (refund_no, order_id, channel, transaction_id, amount_fen, total_fen, state, reason, attempts,
			next_ms, created_ms, done_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1, ?, ?, ?) ON DUPLICATE KEY UPDATE done_ms = VALUES(done_ms)`,
			r.RefundNo, r.OrderID, r.Channel, r.TransactionID, r.Fen, r.TotalFen, service.RefundDone, r.Reason,
			now.UnixMilli(), now.UnixMilli(), now.UnixMilli())
		if err != nil {
			return err
		}
		return giveBack(ctx, tx, r.OrderID)
	})
}
