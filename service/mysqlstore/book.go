package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

type orderLine struct {
	Table         string          `json:"table"`
	OrderID       string          `json:"order_id"`
	RequestID     string          `json:"request_id"`
	MachineID     string          `json:"machine_id"`
	Slot          int             `json:"slot"`
	Channel       service.Channel `json:"channel"`
	AmountFen     int64           `json:"amount_fen"`
	PaidFen       int64           `json:"paid_fen"`
	State         service.State   `json:"state"`
	TransactionID string          `json:"transaction_id"`
	CreatedMS     int64           `json:"created_ms"`
	PaidMS        int64           `json:"paid_ms"`
	DoneMS        int64           `json:"done_ms"`
}

type queueLine struct {
	Table         string          `json:"table"`
	OrderID       string          `json:"order_id"`
	Channel       service.Channel `json:"channel"`
	TransactionID string          `json:"transaction_id"`
	Status        int             `json:"status"`
	ConsumeStatus int             `json:"consume_status"`
	ConsumeCount  int             `json:"consume_count"`
	CreateMS      int64           `json:"create_ms"`
	LastConsumeMS int64           `json:"last_consume_ms"`
}

type commandLine struct {
	Table     string               `json:"table"`
	CommandID string               `json:"command_id"`
	OrderID   string               `json:"order_id"`
	MachineID string               `json:"machine_id"`
	Slot      int                  `json:"slot"`
	Kind      string               `json:"kind"`
	State     service.CommandState `json:"state"`
}

type refundLine struct {
	Table         string              `json:"table"`
	RefundNo      string              `json:"refund_no"`
	OrderID       string              `json:"order_id"`
	Channel       service.Channel     `json:"channel"`
	TransactionID string              `json:"transaction_id"`
	AmountFen     int64               `json:"amount_fen"`
	State         service.RefundState `json:"state"`
}

type remedyLine struct {
	Table       string `json:"table"`
	OrderID     string `json:"order_id"`
	Reason      string `json:"reason"`
	RemedyCount int    `json:"remedy_count"`
	State       string `json:"state"`
}

type slotLine struct {
	Table     string `json:"table"`
	MachineID string `json:"machine_id"`
	Slot      int    `json:"slot"`
	Stock     int    `json:"stock"`
}

// A buyerLine is a buyer who is bound: who he is across channels is known.
type buyerLine struct {
	Table   string          `json:"table"`
	Channel service.Channel `json:"channel"`
	BuyerID string          `json:"buyer_id"`
	UnionID string          `json:"unionid"`
}

type endLine struct {
	Table  string `json:"table"`
	Orders int    `json:"orders"`
	Buyers int    `json:"buyers"`
}

// Book streams the tables from one snapshot, so that a row that moves to pay_queue_bak meanwhile is told once. Rows come
// from the server as they are written on: memory does not grow with the book.
func (s *Store) Book(ctx context.Context, emit func(line any) error) (err error) {
	tx, err := s.db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, ignoreDone(tx.Rollback())) }()
	orders := 0
	err = stream(ctx, tx, emit, `SELECT `+orderColumns+` FROM orders`, func(r *sql.Rows) (any, error) {
		o, err := scanOrder(r)
		orders++
		return orderLine{"order", o.ID, o.RequestID, o.MachineID, o.Slot, o.Channel, o.Fen, o.PaidFen, o.State, o.TransactionID, o.CreatedMS, o.PaidMS, o.DoneMS}, err
	})
	if err != nil {
		return err
	}
	for _, table := range []string{"pay_queue", "pay_queue_bak"} {
		err = stream(ctx, tx, emit, `SELECT `+queueColumns+` FROM `+table, func(r *sql.Rows) (any, error) {
			q, err := scanRow(r)
			line := queueLine{
				Table: "pay_queue", OrderID: q.Payment.OrderID, Channel: q.Payment.Channel, TransactionID: q.Payment.TransactionID,
				Status: q.Status, ConsumeStatus: q.ConsumeStatus, ConsumeCount: q.ConsumeCount, CreateMS: q.Created.UnixMilli(),
			}
			if !q.LastConsume.IsZero() {
				line.LastConsumeMS = q.LastConsume.UnixMilli()
			}
			return line, err
		})
		if err != nil {
			return err
		}
	}
	err = stream(ctx, tx, emit, `SELECT `+commandColumns+` FROM commands`, func(r *sql.Rows) (any, error) {
		c, err := scanCommand(r)
		return commandLine{"command", c.ID, c.OrderID, c.MachineID, c.Slot, c.Kind, c.State}, err
	})
	if err != nil {
		return err
	}
	err = stream(ctx, tx, emit, `SELECT refund_no, order_id, channel, transaction_id, amount_fen, state FROM refunds`, func(r *sql.Rows) (any, error) {
		l := refundLine{Table: "refund"}
		err := r.Scan(&l.RefundNo, &l.OrderID, &l.Channel, &l.TransactionID, &l.AmountFen, &l.State)
		return l, err
	})
	if err != nil {
		return err
	}
	err = stream(ctx, tx, emit, `SELECT order_id, reason, remedy_count, state FROM remedy_order`, func(r *sql.Rows) (any, error) {
		l := remedyLine{Table: "remedy_order"}
		err := r.Scan(&l.OrderID, &l.Reason, &l.RemedyCount, &l.State)
		return l, err
	})
	if err != nil {
		return err
	}
	err = stream(ctx, tx, emit, `SELECT machine_id, slot, stock FROM slots`, func(r *sql.Rows) (any, error) {
		l := slotLine{Table: "slot"}
		err := r.Scan(&l.MachineID, &l.Slot, &l.Stock)
		return l, err
	})
	if err != nil {
		return err
	}
	if err := bookBids(ctx, tx, emit); err != nil {
		return err
	}
	if err := bookReadings(ctx, tx, emit); err != nil {
		return err
	}
	if err := bookUploads(ctx, tx, emit); err != nil {
		return err
	}
	buyers := 0
	err = stream(ctx, tx, emit, `SELECT channel, buyer_id, unionid FROM buyers`, func(r *sql.Rows) (any, error) {
		buyers++
		l := buyerLine{Table: "buyer"}
		err := r.Scan(&l.Channel, &l.BuyerID, &l.UnionID)
		return l, err
	})
	if err != nil {
		return err
	}
	return emit(endLine{"end", orders, buyers})
}

func stream(ctx context.Context, tx *sql.Tx, emit func(any) error, query string, scan func(*sql.Rows) (any, error)) error {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		line, err := scan(rows)
		if err != nil {
			return err
		}
		if err := emit(line); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Backlog counts what waits, from indexes alone and without a lock: it answers during a run of ConsumeLocked too.
func (s *Store) Backlog(ctx context.Context, now time.Time) (b service.Backlog, err error) {
	for _, status := range []int{service.Waiting, service.Claimed} {
		var n int64
		var oldest sql.NullTime
		err = s.db.QueryRowContext(ctx, `SELECT COUNT(*), MIN(create_time) FROM pay_queue WHERE consume_status = ?`, status).Scan(&n, &oldest)
		if err != nil {
			return b, err
		}
		b.Waiting += n
		if oldest.Valid {
			b.OldestMS = max(b.OldestMS, now.Sub(oldest.Time).Milliseconds())
		}
	}
	err = s.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM commands WHERE state = ?`, service.Queued).Scan(&b.Pushes)
	if err != nil {
		return b, err
	}
	b.Uploads, err = s.OpenBatches(ctx)
	return b, err
}
