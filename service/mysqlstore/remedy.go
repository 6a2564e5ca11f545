package mysqlstore

import (
	"context"
	"database/sql"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// States of a remedy order.
const (
	remedyOpen = "OPEN"
	remedyDone = "DONE"
)

// raiseRemedy writes a remedy order. An open one stays open: it stands for a payment of its own, and a second payment of the
// order that is made good must not make the first forgotten.
func raiseRemedy(ctx context.Context, db executor, p service.Payment, reason string, done bool, now time.Time) error {
	state, count, last := remedyOpen, 0, any(nil)
	if done {
		state, count, last = remedyDone, 1, now.UTC()
	}
	_, err := db.ExecContext(ctx, `INSERT INTO remedy_order (order_id, channel, reason, remedy_count, state, create_time, last_remedy_time, next_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE reason = IF(state = '`+remedyOpen+`' AND VALUES(state) = '`+remedyDone+`', reason, VALUES(reason)),
		next_ms = IF(VALUES(state) = '`+remedyOpen+`', VALUES(next_ms), next_ms), remedy_count = remedy_count + VALUES(remedy_count),
		state = IF(state = '`+remedyOpen+`', state, VALUES(state))`, p.OrderID, p.Channel, reason, count, state, now.UTC(), last, now.UnixMilli())
	return err
}

// RaiseRemedy writes a remedy order; one that is there is opened again.
func (s *Store) RaiseRemedy(ctx context.Context, p service.Payment, reason string, done bool, now time.Time) error {
	return s.again(ctx, func() error { return raiseRemedy(ctx, s.db, p, reason, done, now) })
}

// DueRemedies lists a channel's open remedy orders.
func (s *Store) DueRemedies(ctx context.Context, channel service.Channel, now time.Time, limit int) ([]service.RemedyOrder, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT order_id, channel, reason, remedy_count, state, next_ms FROM remedy_order
		WHERE state = ? AND channel = ? AND next_ms <= ? ORDER BY next_ms LIMIT ?`, remedyOpen, channel, now.UnixMilli(), limit)
	return all(rows, err, func(rows *sql.Rows) (r service.RemedyOrder, err error) {
		err = rows.Scan(&r.OrderID, &r.Channel, &r.Reason, &r.Count, &r.State, &r.NextMS)
		return r, err
	})
}

// ClaimRemedy counts an attempt and keeps others away until next.
func (s *Store) ClaimRemedy(ctx context.Context, r *service.RemedyOrder, now, next time.Time) (bool, error) {
	moved, err := s.moved(ctx, `UPDATE remedy_order SET remedy_count = remedy_count + 1, last_remedy_time = ?, next_ms = ?
		WHERE order_id = ? AND channel = ? AND state = ? AND remedy_count = ?`, now.UTC(), next.UnixMilli(), r.OrderID, r.Channel, remedyOpen, r.Count)
	if moved {
		r.Count++
		r.NextMS = next.UnixMilli()
	}
	return moved, err
}

// RemedyDone ends a remedy order, unless it was raised again since r was claimed: what was voided meanwhile may not have
// been made good along.
func (s *Store) RemedyDone(ctx context.Context, r service.RemedyOrder, now time.Time) error {
	_, err := s.exec(ctx, `UPDATE remedy_order SET state = ?, last_remedy_time = ?
		WHERE order_id = ? AND channel = ? AND state = ? AND next_ms = ?`, remedyDone, now.UTC(), r.OrderID, r.Channel, remedyOpen, r.NextMS)
	return err
}
