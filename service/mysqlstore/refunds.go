package mysqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// insertRefund writes a refund down before it is sent. The number is derived from the transaction: writing it twice
// leaves one.
func insertRefund(ctx context.Context, tx *sql.Tx, r service.RefundRow, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO refunds (refund_no, order_id, channel, transaction_id, amount_fen, total_fen, state, reason,
		next_ms, created_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE refund_no = VALUES(refund_no)`,
		r.RefundNo, r.OrderID, r.Channel, r.TransactionID, r.Fen, r.TotalFen, service.RefundPending, r.Reason, now.UnixMilli(), now.UnixMilli())
	return err
}

// DueRefunds lists a channel's refunds that were not confirmed yet.
func (s *Store) DueRefunds(ctx context.Context, channel service.Channel, now time.Time, limit int) ([]service.RefundRow, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT refund_no, order_id, channel, transaction_id, amount_fen, total_fen, state, reason, attempts, next_ms
		FROM refunds WHERE state = ? AND channel = ? AND next_ms <= ? ORDER BY next_ms LIMIT ?`, service.RefundPending, channel, now.UnixMilli(), limit)
	return all(rows, err, func(rows *sql.Rows) (r service.RefundRow, err error) {
		err = rows.Scan(&r.RefundNo, &r.OrderID, &r.Channel, &r.TransactionID, &r.Fen, &r.TotalFen, &r.State, &r.Reason, &r.Attempts, &r.NextMS)
		return r, err
	})
}

// ClaimRefund counts an attempt before it is made, so that a refund that may have been sent is never dropped.
func (s *Store) ClaimRefund(ctx context.Context, r *service.RefundRow, next time.Time) (bool, error) {
	moved, err := s.moved(ctx, `UPDATE refunds SET attempts = attempts + 1, next_ms = ? WHERE refund_no = ? AND state = ? AND attempts = ?`,
		next.UnixMilli(), r.RefundNo, service.RefundPending, r.Attempts)
	if moved {
		r.Attempts++
		r.NextMS = next.UnixMilli()
	}
	return moved, err
}

// RefundConfirmed ends a refund. The order moves along when it is the transaction it was paid by, and gives its stock back.
func (s *Store) RefundConfirmed(ctx context.Context, r service.RefundRow, now time.Time) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		moved, err := movedIn(ctx, tx, `UPDATE orders SET state = ?, done_ms = ? WHERE order_id = ? AND state = ? AND channel = ? AND transaction_id = ?`,
			service.Refunded, now.UnixMilli(), r.OrderID, service.Refunding, r.Channel, r.TransactionID)
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `UPDATE refunds SET state = ?, done_ms = ? WHERE refund_no = ? AND state = ?`,
			service.RefundDone, now.UnixMilli(), r.RefundNo, service.RefundPending)
		if err != nil || !moved {
			return err
		}
		return giveBack(ctx, tx, r.OrderID)
	})
}
