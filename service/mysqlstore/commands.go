package mysqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

const commandColumns = `command_id, order_id, machine_id, slot, kind, state, queued_ms, sent_ms`

func scanCommand(row scanner) (c service.Command, err error) {
	err = row.Scan(&c.ID, &c.OrderID, &c.MachineID, &c.Slot, &c.Kind, &c.State, &c.QueuedMS, &c.SentMS)
	return c, err
}

func insertCommand(ctx context.Context, db executor, c service.Command) error {
	_, err := db.ExecContext(ctx, `INSERT INTO commands (command_id, order_id, machine_id, slot, kind, state, queued_ms, pushed_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`, c.ID, c.OrderID, c.MachineID, c.Slot, c.Kind, service.Queued, c.QueuedMS, c.QueuedMS)
	return err
}

// Command reads a command.
func (s *Store) Command(ctx context.Context, commandID string) (service.Command, error) {
	c, err := scanCommand(s.db.QueryRowContext(ctx, `SELECT `+commandColumns+` FROM commands WHERE command_id = ?`, commandID))
	return c, notFound(err)
}

// DispenseCommand is an order's newest dispense command.
func (s *Store) DispenseCommand(ctx context.Context, orderID string) (service.Command, error) {
	c, err := scanCommand(s.db.QueryRowContext(ctx, `SELECT `+commandColumns+` FROM commands WHERE order_id = ? AND kind = ?
		ORDER BY queued_ms DESC LIMIT 1`, orderID, service.Dispense))
	return c, notFound(err)
}

// QueuedCommand is the machine's oldest command that was not given to it.
func (s *Store) QueuedCommand(ctx context.Context, machineID string) (service.Command, error) {
	c, err := scanCommand(s.db.QueryRowContext(ctx, `SELECT `+commandColumns+` FROM commands WHERE machine_id = ? AND state = ?
		ORDER BY queued_ms LIMIT 1`, machineID, service.Queued))
	return c, notFound(err)
}

// SendCommand moves QUEUED to SENT: whoever makes this move may give the command to the machine. The same write notes that it
// is the machine's last one: which of two was given later can not be told from stamps, which may be alike, or stepped back.
func (s *Store) SendCommand(ctx context.Context, commandID string) (bool, error) {
	return s.moved(ctx, `UPDATE commands c JOIN machines m ON m.machine_id = c.machine_id
		SET c.state = ?, c.sent_ms = `+clockMS+`, m.last_command = c.command_id
		WHERE c.command_id = ? AND c.state = ?`, service.Sent, commandID, service.Queued)
}

// LostCommand is a command that may not have reached its machine. A machine remembers its last command only, so an older
// one than the last that it was given must never be sent again: it could fall twice.
func (s *Store) LostCommand(ctx context.Context, machineID string) (service.Command, error) {
	c, err := scanCommand(s.db.QueryRowContext(ctx, `SELECT `+commandColumns+` FROM commands
		WHERE command_id = (SELECT last_command FROM machines WHERE machine_id = ?) AND state = ?`, machineID, service.Sent))
	return c, notFound(err)
}

// ResendCommand stamps a SENT command anew, so that the wait for its result starts again, unless the machine was given another
// since c was read. The stamp always differs from the one before: within the same millisecond the UPDATE would change nothing,
// and look as if another had won.
func (s *Store) ResendCommand(ctx context.Context, c service.Command) (bool, error) {
	return s.moved(ctx, `UPDATE commands c JOIN machines m ON m.machine_id = c.machine_id
		SET c.sent_ms = GREATEST(`+clockMS+`, c.sent_ms + 1), m.last_command = c.command_id
		WHERE c.command_id = ? AND c.state = ? AND c.sent_ms = ? AND m.last_command = c.command_id`,
		c.ID, service.Sent, c.SentMS)
}

// UnfetchedCommands claims QUEUED commands for another push.
func (s *Store) UnfetchedCommands(ctx context.Context, before, now time.Time, limit int) ([]service.Command, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT `+commandColumns+` FROM commands WHERE state = ? AND pushed_ms <= ?
		ORDER BY pushed_ms LIMIT ?`, service.Queued, before.UnixMilli(), limit)
	found, err := all(rows, err, func(r *sql.Rows) (service.Command, error) { return scanCommand(r) })
	if err != nil {
		return nil, err
	}
	var mine []service.Command
	for _, c := range found {
		moved, err := s.moved(ctx, `UPDATE commands SET pushed_ms = ? WHERE command_id = ? AND state = ? AND pushed_ms <= ?`,
			now.UnixMilli(), c.ID, service.Queued, before.UnixMilli())
		if err != nil {
			return mine, err
		}
		if moved {
			mine = append(mine, c)
		}
	}
	return mine, nil
}

// Dispensed records that the goods fell. An order whose money is on its way back stays REFUNDING or REFUNDED, unless
// the refund was never sent: then it is dropped, and the order is DISPENSED after all.
func (s *Store) Dispensed(ctx context.Context, c service.Command, now time.Time) (state service.State, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		state = service.Dispensed
		moved, err := movedIn(ctx, tx, `UPDATE orders SET state = ?, done_ms = ? WHERE order_id = ? AND state IN (?, ?)`,
			service.Dispensed, now.UnixMilli(), c.OrderID, service.Dispensing, service.Paid)
		if err != nil {
			return err
		}
		if !moved {
			if state, err = dispensedLate(ctx, tx, c, now); err != nil {
				return err
			}
		}
		_, err = tx.ExecContext(ctx, `UPDATE commands SET state = ?, done_ms = ? WHERE command_id = ? AND state <> ?`,
			service.CommandDispensed, now.UnixMilli(), c.ID, service.CommandDispensed)
		return err
	})
	return state, err
}

func dispensedLate(ctx context.Context, tx *sql.Tx, c service.Command, now time.Time) (state service.State, err error) {
	// FOR UPDATE reads what is, not the transaction's snapshot.
	if err := tx.QueryRowContext(ctx, `SELECT state FROM orders WHERE order_id = ? FOR UPDATE`, c.OrderID).Scan(&state); err != nil {
		return "", err
	}
	switch state {
	case service.Refunding:
		dropped, err := movedIn(ctx, tx, `UPDATE refunds SET state = ?, done_ms = ? WHERE order_id = ? AND reason <> ? AND state = ? AND attempts = 0`,
			service.RefundDropped, now.UnixMilli(), c.OrderID, service.BecauseSecond, service.RefundPending)
		if err != nil {
			return state, err
		}
		if !dropped {
			return state, pieceFell(ctx, tx, c.OrderID) // or the refund's end would give back what fell
		}
		_, err = tx.ExecContext(ctx, `UPDATE orders SET state = ?, done_ms = ? WHERE order_id = ?`, service.Dispensed, now.UnixMilli(), c.OrderID)
		return service.Dispensed, err
	case service.Refunded:
		return state, pieceFell(ctx, tx, c.OrderID)
	case service.Created, service.Paying, service.Paid, service.Dispensing, service.Dispensed, service.Closed:
	}
	return state, nil
}

// NotDispensed records that the goods will not fall any more, and sends the money back.
func (s *Store) NotDispensed(ctx context.Context, c service.Command, end service.CommandState, r service.RefundRow, now time.Time) (state service.State, err error) {
	err = s.tx(ctx, func(tx *sql.Tx) error {
		state = service.Refunding
		moved, err := movedIn(ctx, tx, `UPDATE orders SET state = ? WHERE order_id = ? AND state IN (?, ?)`,
			service.Refunding, c.OrderID, service.Dispensing, service.Paid)
		if err != nil {
			return err
		}
		if moved {
			err = insertRefund(ctx, tx, r, now)
		} else {
			err = tx.QueryRowContext(ctx, `SELECT state FROM orders WHERE order_id = ?`, c.OrderID).Scan(&state)
		}
		if err != nil {
			return err
		}
		return endCommand(ctx, tx, c.ID, end, now)
	})
	return state, err
}

func endCommand(ctx context.Context, db executor, commandID string, end service.CommandState, now time.Time) error {
	_, err := db.ExecContext(ctx, `UPDATE commands SET state = ?, done_ms = ? WHERE command_id = ? AND state IN (?, ?, ?)`,
		end, now.UnixMilli(), commandID, service.Queued, service.Sent, service.Cancelling)
	return err
}

// EndCommand ends a command and nothing else.
func (s *Store) EndCommand(ctx context.Context, commandID string, end service.CommandState, now time.Time) error {
	return s.again(ctx, func() error { return endCommand(ctx, s.db, commandID, end, now) })
}

// CancelQueued takes back a command that was not given to its machine. SendCommand and this are compare-and-sets on the
// same row: one of them wins.
func (s *Store) CancelQueued(ctx context.Context, c service.Command, r service.RefundRow, now time.Time) (bool, error) {
	return s.cas(ctx, func(tx *sql.Tx) error {
		moved, err := movedIn(ctx, tx, `UPDATE orders SET state = ? WHERE order_id = ? AND state IN (?, ?)`,
			service.Refunding, c.OrderID, service.Dispensing, service.Paid)
		if err != nil {
			return err
		}
		if !moved {
			return errNotMoved
		}
		moved, err = movedIn(ctx, tx, `UPDATE commands SET state = ?, done_ms = ? WHERE command_id = ? AND state = ?`,
			service.CommandCancelled, now.UnixMilli(), c.ID, service.Queued)
		if err != nil {
			return err
		}
		if !moved {
			return errNotMoved
		}
		return insertRefund(ctx, tx, r, now)
	})
}

// CancelSent asks the machine to forget a command. It fails when the command was given again since c was read: the machine
// would have longer to start it than the caller thinks.
func (s *Store) CancelSent(ctx context.Context, c, cancel service.Command, now time.Time) (bool, error) {
	return s.cas(ctx, func(tx *sql.Tx) error {
		moved, err := movedIn(ctx, tx, `UPDATE commands SET state = ? WHERE command_id = ? AND state = ? AND sent_ms = ?`,
			service.Cancelling, c.ID, service.Sent, c.SentMS)
		if err != nil {
			return err
		}
		if !moved {
			return errNotMoved
		}
		return insertCommand(ctx, tx, cancel)
	})
}
