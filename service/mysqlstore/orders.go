package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

const orderColumns = `order_id, request_id, machine_id, slot, channel, buyer_id, amount_fen, paid_fen, state, transaction_id,
	pay_url, pay_channels, created_ms, expires_ms, next_ms, paid_ms, done_ms`

func scanOrder(row scanner) (o service.Order, err error) {
	var channels string
	err = row.Scan(&o.ID, &o.RequestID, &o.MachineID, &o.Slot, &o.Channel, &o.BuyerID, &o.Fen, &o.PaidFen, &o.State, &o.TransactionID,
		&o.PayURL, &channels, &o.CreatedMS, &o.ExpiresMS, &o.NextMS, &o.PaidMS, &o.DoneMS)
	for _, c := range strings.FieldsFunc(channels, func(r rune) bool { return r == ',' }) {
		o.PayChannels = append(o.PayChannels, service.Channel(c))
	}
	return o, err
}

func channelText(channels []service.Channel) string {
	texts := make([]string, len(channels))
	for i, c := range channels {
		texts[i] = string(c)
	}
	return strings.Join(texts, ",")
}

// CreateOrder takes a piece of stock and writes the order. The row that has the piece has its price too.
func (s *Store) CreateOrder(ctx context.Context, o service.Order, atPrice bool) error {
	err := s.tx(ctx, func(tx *sql.Tx) error {
		took, err := movedIn(ctx, tx, `UPDATE slots SET stock = stock - 1 WHERE machine_id = ? AND slot = ? AND stock > 0 AND (price_fen = ? OR ?)`,
			o.MachineID, o.Slot, o.Fen, !atPrice)
		if err != nil {
			return err
		}
		if !took {
			left := 0
			if atPrice {
				err = tx.QueryRowContext(ctx, `SELECT stock FROM slots WHERE machine_id = ? AND slot = ?`, o.MachineID, o.Slot).Scan(&left)
			}
			switch {
			case err != nil && !errors.Is(err, sql.ErrNoRows):
				return err
			case left > 0:
				return service.ErrPriceMoved
			}
			return service.ErrSoldOut
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO orders (order_id, request_id, machine_id, slot, channel, buyer_id, amount_fen, state,
			pay_channels, created_ms, expires_ms, next_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			o.ID, o.RequestID, o.MachineID, o.Slot, o.Channel, o.BuyerID, o.Fen, service.Created,
			channelText(o.PayChannels), o.CreatedMS, o.ExpiresMS, o.NextMS)
		return err
	})
	if errorNumber(err) == errDuplicateEntry {
		return service.ErrDuplicate
	}
	return err
}

// Order reads an order.
func (s *Store) Order(ctx context.Context, orderID string) (service.Order, error) {
	o, err := scanOrder(s.db.QueryRowContext(ctx, `SELECT `+orderColumns+` FROM orders WHERE order_id = ?`, orderID))
	return o, notFound(err)
}

// OrderByRequest reads the order that a request made.
func (s *Store) OrderByRequest(ctx context.Context, requestID string) (service.Order, error) {
	o, err := scanOrder(s.db.QueryRowContext(ctx, `SELECT `+orderColumns+` FROM orders WHERE request_id = ?`, requestID))
	return o, notFound(err)
}

// MakePayable moves CREATED to PAYING.
func (s *Store) MakePayable(ctx context.Context, o service.Order) (bool, error) {
	return s.moved(ctx, `UPDATE orders SET state = ?, pay_url = ?, next_ms = ? WHERE order_id = ? AND state = ?`,
		service.Paying, o.PayURL, o.NextMS, o.ID, service.Created)
}

// AddChannel remembers a further channel, and that the order's ways to pay have to be closed in the end.
func (s *Store) AddChannel(ctx context.Context, orderID string, channels []service.Channel, look time.Time) (bool, error) {
	return s.cas(ctx, func(tx *sql.Tx) error {
		moved, err := movedIn(ctx, tx, `UPDATE orders SET pay_channels = ? WHERE order_id = ? AND state = ?`, channelText(channels), orderID, service.Paying)
		if err != nil {
			return err
		}
		if !moved {
			return errNotMoved
		}
		for _, c := range channels {
			if _, err = tx.ExecContext(ctx, `INSERT INTO further_ways (order_id, channel, next_ms) VALUES (?, ?, ?)
				ON DUPLICATE KEY UPDATE next_ms = VALUES(next_ms)`, orderID, c, look.UnixMilli()); err != nil {
				return err
			}
		}
		return nil
	})
}

// DueFurtherWays lists a channel's ways to pay orders that have several.
func (s *Store) DueFurtherWays(ctx context.Context, channel service.Channel, now time.Time, limit int) ([]service.FurtherWay, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT order_id, channel, next_ms FROM further_ways WHERE channel = ? AND next_ms <= ? ORDER BY next_ms LIMIT ?`,
		channel, now.UnixMilli(), limit)
	return all(rows, err, func(r *sql.Rows) (w service.FurtherWay, err error) {
		err = r.Scan(&w.OrderID, &w.Channel, &w.NextMS)
		return w, err
	})
}

// ClaimFurtherWay claims a way to pay for one look.
func (s *Store) ClaimFurtherWay(ctx context.Context, w service.FurtherWay, next time.Time) (bool, error) {
	return s.moved(ctx, `UPDATE further_ways SET next_ms = ? WHERE order_id = ? AND channel = ? AND next_ms = ?`, next.UnixMilli(), w.OrderID, w.Channel, w.NextMS)
}

// FurtherWayDone forgets a way to pay that is not open any more, or that its order was paid by.
func (s *Store) FurtherWayDone(ctx context.Context, w service.FurtherWay) error {
	_, err := s.exec(ctx, `DELETE FROM further_ways WHERE order_id = ? AND channel = ?`, w.OrderID, w.Channel)
	return err
}

// CloseOrder ends an unpaid order that is in one of these states.
func (s *Store) CloseOrder(ctx context.Context, orderID string, now time.Time, from ...service.State) (moved bool, err error) {
	args := []any{service.Closed, now.UnixMilli(), orderID}
	for _, state := range from {
		args = append(args, state)
	}
	err = s.tx(ctx, func(tx *sql.Tx) error {
		moved, err = movedIn(ctx, tx, `UPDATE orders SET state = ?, done_ms = ? WHERE order_id = ? AND state IN (`+placeholders(len(from))+`)`, args...)
		if err != nil || !moved {
			return err
		}
		return giveBack(ctx, tx, orderID)
	})
	return moved, err
}

// giveBack returns an order's piece of stock, once: stock_held says whether the order still has it.
func giveBack(ctx context.Context, tx *sql.Tx, orderID string) error {
	held, err := movedIn(ctx, tx, `UPDATE orders SET stock_held = 0 WHERE order_id = ? AND stock_held = 1`, orderID)
	if err != nil || !held {
		return err
	}
	return restock(ctx, tx, orderID, +1)
}

// pieceFell settles the piece of an order whose goods fell although its money goes back: it is never given back, and taken
// again when it had been. stock_held 2 remembers that, so that a report that is repeated takes no second piece.
func pieceFell(ctx context.Context, tx *sql.Tx, orderID string) error {
	kept, err := movedIn(ctx, tx, `UPDATE orders SET stock_held = 2 WHERE order_id = ? AND stock_held = 1`, orderID)
	if err != nil || kept {
		return err
	}
	free, err := movedIn(ctx, tx, `UPDATE orders SET stock_held = 2 WHERE order_id = ? AND stock_held = 0`, orderID)
	if err != nil || !free {
		return err
	}
	return restock(ctx, tx, orderID, -1)
}

func restock(ctx context.Context, tx *sql.Tx, orderID string, by int) error {
	var machineID string
	var slot int
	err := tx.QueryRowContext(ctx, `SELECT machine_id, slot FROM orders WHERE order_id = ?`, orderID).Scan(&machineID, &slot)
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `UPDATE slots SET stock = stock + ? WHERE machine_id = ? AND slot = ? AND stock + ? >= 0`, by, machineID, slot, by)
	return err
}

// DueOrders lists a channel's orders that a job has to look at.
func (s *Store) DueOrders(ctx context.Context, channel service.Channel, states []service.State, now time.Time, limit int) ([]service.Order, error) {
	var due []service.Order
	// One range of the index per state; IN with ORDER BY would sort them all.
	for _, state := range states {
		rows, err := s.db.QueryContext(ctx, `SELECT `+orderColumns+` FROM orders WHERE state = ? AND channel = ? AND next_ms <= ?
			ORDER BY next_ms LIMIT ?`, state, channel, now.UnixMilli(), limit)
		list, err := all(rows, err, func(r *sql.Rows) (service.Order, error) { return scanOrder(r) })
		if err != nil {
			return nil, err
		}
		due = append(due, list...)
	}
	return due, nil
}

// Postpone claims an order for one look.
func (s *Store) Postpone(ctx context.Context, o service.Order, next time.Time) (bool, error) {
	return s.moved(ctx, `UPDATE orders SET next_ms = ? WHERE order_id = ? AND state = ? AND next_ms = ?`, next.UnixMilli(), o.ID, o.State, o.NextMS)
}

var errNotMoved = errors.New("compare-and-set lost") // rolls a transaction back, never leaves the package

// Settle records a payment and writes the command. PAID is passed through in the same write, since the command that makes
// the order DISPENSING is written along.
func (s *Store) Settle(ctx context.Context, p service.Payment, c service.Command, next time.Time, queueID int64) (bool, error) {
	return s.cas(ctx, func(tx *sql.Tx) error {
		moved, err := movedIn(ctx, tx, `UPDATE orders SET state = ?, channel = ?, transaction_id = ?, paid_fen = ?, paid_ms = ?, next_ms = ?
			WHERE order_id = ? AND state IN (?, ?)`,
			service.Dispensing, p.Channel, p.TransactionID, p.Fen, c.QueuedMS, next.UnixMilli(), p.OrderID, service.Created, service.Paying)
		if err != nil {
			return err
		}
		if !moved {
			return errNotMoved
		}
		if err := insertCommand(ctx, tx, c); err != nil {
			return err
		}
		return finishIn(ctx, tx, queueID, time.UnixMilli(c.QueuedMS))
	})
}

// cas runs a transaction whose body may end with errNotMoved.
func (s *Store) cas(ctx context.Context, body func(tx *sql.Tx) error) (moved bool, err error) {
	err = s.tx(ctx, body)
	if errors.Is(err, errNotMoved) {
		return false, nil
	}
	return err == nil, err
}

// SettleByRefund records a payment and sends it back.
func (s *Store) SettleByRefund(ctx context.Context, p service.Payment, from []service.State, r service.RefundRow, queueID int64, now time.Time) (bool, error) {
	return s.cas(ctx, func(tx *sql.Tx) error {
		args := []any{service.Refunding, p.Channel, p.TransactionID, p.Fen, now.UnixMilli(), p.OrderID}
		for _, state := range from {
			args = append(args, state)
		}
		moved, err := movedIn(ctx, tx, `UPDATE orders SET state = ?, channel = ?, transaction_id = ?, paid_fen = ?, paid_ms = ?
			WHERE order_id = ? AND state IN (`+placeholders(len(from))+`)`, args...)
		if err != nil {
			return err
		}
		if !moved {
			return errNotMoved
		}
		if err := insertRefund(ctx, tx, r, now); err != nil {
			return err
		}
		return finishIn(ctx, tx, queueID, now)
	})
}

func placeholders(n int) string { return strings.TrimSuffix(strings.Repeat("?, ", n), ", ") }

// RefundExtra sends a transaction back without touching the order.
func (s *Store) RefundExtra(ctx context.Context, r service.RefundRow, queueID int64, now time.Time) error {
	return s.tx(ctx, func(tx *sql.Tx) error {
		if err := insertRefund(ctx, tx, r, now); err != nil {
			return err
		}
		return finishIn(ctx, tx, queueID, now)
	})
}
