package mysqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// EnqueueArriving stores a payment that was notified, and puts off the remedy's next question about its order, in one
// transaction (lock.order arrival).
//
// What hurts: the rows are locked in the order in which they arrive, the new row of pay_queue first and its order after it.
// Whoever settles a payment, or reports on both tables, locks the order first. Two transactions that meet like this each wait
// for what the other has, and the database rolls the lighter one back with error 1213: this one.
func (s *Store) EnqueueArriving(ctx context.Context, p service.Payment, unique bool, now, look time.Time) (row service.QueueRow, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		if row, err = insertRow(ctx, tx, p, unique, now, 0); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE orders SET next_ms = ? WHERE order_id = ? AND state IN (?, ?) AND next_ms < ?`,
			look.UnixMilli(), p.OrderID, service.Created, service.Paying, look.UnixMilli())
		return err
	})
	if errorNumber(err) == errDuplicateEntry {
		return service.QueueRow{}, service.ErrDuplicate
	}
	return row, err
}
