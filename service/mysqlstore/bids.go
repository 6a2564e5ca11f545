package mysqlstore

import (
	"context"
	"database/sql"
	"errors"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// PutBid writes a bid of which nothing is sold, and the accounts of its buyers. A bid that is there keeps its units.
func (s *Store) PutBid(ctx context.Context, b service.Bid, accounts []service.Account) error {
	var args []any
	for _, a := range accounts {
		args = append(args, a.BuyerID, a.Verified, a.Adult, a.Agreed, a.Frozen, a.Minimum, a.Limit, a.Balance)
	}
	err := s.insertMany(ctx, `INSERT INTO bid_accounts (buyer_id, verified, adult, agreed, frozen, least, most, balance) VALUES `, 8, args,
		` ON DUPLICATE KEY UPDATE verified = VALUES(verified), adult = VALUES(adult), agreed = VALUES(agreed), frozen = VALUES(frozen),
		least = VALUES(least), most = VALUES(most), balance = VALUES(balance)`)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, `INSERT INTO bids (bid_id, borrower_id, units, remaining, state) VALUES (?, ?, ?, ?, ?)
		ON DUPLICATE KEY UPDATE borrower_id = VALUES(borrower_id)`, b.ID, b.BorrowerID, b.Units, b.Units, service.BidOpen)
	if err != nil {
		return err
	}
	_, err = s.exec(ctx, `INSERT INTO bid_progress (bid_id, sold, version) VALUES (?, 0, 0) ON DUPLICATE KEY UPDATE bid_id = bid_id`, b.ID)
	return err
}

const bidColumns = `bid_id, borrower_id, units, remaining, state`

func scanBid(row scanner) (b service.Bid, err error) {
	err = row.Scan(&b.ID, &b.BorrowerID, &b.Units, &b.Remaining, &b.State)
	return b, err
}

// Bid reads a bid.
func (s *Store) Bid(ctx context.Context, bidID string) (service.Bid, error) {
	b, err := scanBid(s.db.QueryRowContext(ctx, `SELECT `+bidColumns+` FROM bids WHERE bid_id = ?`, bidID))
	return b, notFound(err)
}

// Account reads a buyer's account.
func (s *Store) Account(ctx context.Context, buyerID string) (a service.Account, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT buyer_id, verified, adult, agreed, frozen, least, most, balance FROM bid_accounts WHERE buyer_id = ?`, buyerID).
		Scan(&a.BuyerID, &a.Verified, &a.Adult, &a.Agreed, &a.Frozen, &a.Minimum, &a.Limit, &a.Balance)
	return a, notFound(err)
}

const shareColumns = `request_id, bid_id, buyer_id, amount, state, held_ms, taken_seq, returned_seq`

func scanShare(row scanner) (h service.Share, err error) {
	err = row.Scan(&h.RequestID, &h.BidID, &h.BuyerID, &h.Amount, &h.State, &h.HeldMS, &h.TakenSeq, &h.ReturnedSeq)
	return h, err
}

// Share reads a share.
func (s *Store) Share(ctx context.Context, requestID string) (service.Share, error) {
	h, err := scanShare(s.db.QueryRowContext(ctx, `SELECT `+shareColumns+` FROM bid_shares WHERE request_id = ?`, requestID))
	return h, notFound(err)
}

// nextSeq makes an UPDATE of a bid count itself in the bid's ledger. The answer to the statement tells the number, so that
// it costs no other; and since the statement holds the bid's row until its commit, the numbers are in the order of commits.
const nextSeq = `ledger_seq = LAST_INSERT_ID(ledger_seq + 1)`

// ReserveShare takes the units, if so many remain, and writes the share: the last statement holds the bid's row, and
// only until the commit behind it. That is why the share's place in the ledger is written later, by whoever moves it on. With
// closes, whoever takes the last unit closes the bid.
func (s *Store) ReserveShare(ctx context.Context, h service.Share, closes bool) (takenSeq int64, err error) {
	full := service.BidFull
	if closes {
		full = service.BidClosed
	}
	err = s.tx(ctx, func(tx *sql.Tx) error {
		if err := insertShare(ctx, tx, h); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `UPDATE bids SET state = CASE WHEN remaining = ? THEN ? ELSE state END, remaining = remaining - ?, `+nextSeq+`
			WHERE bid_id = ? AND remaining >= ?`, h.Amount, full, h.Amount, h.BidID, h.Amount)
		if err != nil {
			return err
		}
		n, err := result.RowsAffected()
		if err == nil && n == 0 {
			return service.ErrSoldOut
		}
		takenSeq, _ = result.LastInsertId() // the driver has no error to tell
		return err
	})
	if errorNumber(err) == errDuplicateEntry {
		err = service.ErrDuplicate
	}
	return takenSeq, err
}

func insertShare(ctx context.Context, tx *sql.Tx, h service.Share) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO bid_shares (request_id, bid_id, buyer_id, amount, state, held_ms) VALUES (?, ?, ?, ?, ?, ?)`,
		h.RequestID, h.BidID, h.BuyerID, h.Amount, h.State, h.HeldMS)
	return err
}

// BuyShare pays a reserved share from the buyer's balance, in one statement. It does not touch the bid: its units left it
// with the reservation.
func (s *Store) BuyShare(ctx context.Context, h service.Share, now time.Time) (bool, error) {
	result, err := s.exec(ctx, `UPDATE bid_shares s, bid_accounts a SET s.state = ?, s.held_ms = ?, s.taken_seq = ?, a.balance = a.balance - ?
		WHERE s.request_id = ? AND s.state = ? AND a.buyer_id = ? AND a.balance >= ?`,
		service.ShareBought, now.UnixMilli(), h.TakenSeq, h.Amount, h.RequestID, service.ShareReserved, h.BuyerID, h.Amount)
	if err != nil {
		return false, err
	}
	n, err := result.RowsAffected()
	return n == 2, err // the share and the account
}

// debit takes the share's price from its buyer; errNotMoved when he has less.
func debit(ctx context.Context, tx *sql.Tx, h service.Share) error {
	paid, err := movedIn(ctx, tx, `UPDATE bid_accounts SET balance = balance - ? WHERE buyer_id = ? AND balance >= ?`, h.Amount, h.BuyerID, h.Amount)
	if err == nil && !paid {
		err = errNotMoved
	}
	return err
}

// ReturnShare gives a reserved share's units back to the bid, once: what the first statement gave is undone when the second
// finds that another was faster. With reopen the bid takes buyers for them again.
func (s *Store) ReturnShare(ctx context.Context, h service.Share, reopen bool, now time.Time) (bool, error) {
	return s.cas(ctx, func(tx *sql.Tx) error {
		query, args := `UPDATE bids SET remaining = remaining + ?, `+nextSeq, []any{h.Amount}
		if reopen {
			query, args = query+`, state = ?`, append(args, service.BidOpen)
		}
		result, err := tx.ExecContext(ctx, query+` WHERE bid_id = ?`, append(args, h.BidID)...)
		if err != nil {
			return err
		}
		returnedSeq, err := result.LastInsertId()
		if err != nil {
			return err
		}
		moved, err := movedIn(ctx, tx, `UPDATE bid_shares SET state = ?, held_ms = ?, taken_seq = ?, returned_seq = ? WHERE request_id = ? AND state = ?`,
			service.ShareReturned, now.UnixMilli(), h.TakenSeq, returnedSeq, h.RequestID, service.ShareReserved)
		if err == nil && !moved {
			err = errNotMoved
		}
		return err
	})
}

// HeldShares lists reservations whose time is over.
func (s *Store) HeldShares(ctx context.Context, now time.Time, limit int) ([]service.Share, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT `+shareColumns+` FROM bid_shares WHERE state = ? AND held_ms <= ? ORDER BY held_ms LIMIT ?`,
		service.ShareReserved, now.UnixMilli(), limit)
	return all(rows, err, func(r *sql.Rows) (service.Share, error) { return scanShare(r) })
}

// BidTotals adds up a bid's shares, from an index alone.
func (s *Store) BidTotals(ctx context.Context, bidID string) (t service.BidTotals, err error) {
	for _, part := range []struct {
		state service.ShareState
		into  *int64
	}{{service.ShareReserved, &t.Reserved}, {service.ShareBought, &t.Bought}} {
		err = s.db.QueryRowContext(ctx, `SELECT COALESCE(SUM(amount), 0) FROM bid_shares WHERE bid_id = ? AND state = ?`, bidID, part.state).Scan(part.into)
		if err != nil {
			return t, err
		}
	}
	return t, nil
}

// AddProgress moves the progress row as it was (progress row): read it, and write it if nobody did meanwhile.
//
// What hurts: everyone who buys writes this one row, and of those who read the same version one wins. The more buy at
// once, the more lose, and their purchase with it.
func (s *Store) AddProgress(ctx context.Context, bidID string, units int64) error {
	var sold, version int64
	if err := s.db.QueryRowContext(ctx, `SELECT sold, version FROM bid_progress WHERE bid_id = ?`, bidID).Scan(&sold, &version); err != nil {
		return err
	}
	moved, err := s.moved(ctx, `UPDATE bid_progress SET sold = ?, version = ? WHERE bid_id = ? AND version = ?`, sold+units, version+1, bidID, version)
	if err == nil && !moved {
		err = service.ErrBidBusy
	}
	return err
}

// Progress reads the progress row.
func (s *Store) Progress(ctx context.Context, bidID string) (sold int64, err error) {
	err = s.db.QueryRowContext(ctx, `SELECT sold FROM bid_progress WHERE bid_id = ?`, bidID).Scan(&sold)
	return sold, notFound(err)
}

// TakeUnchecked writes a share as bought and takes its units as it was (stock read-then-write). What hurts: the UPDATE
// does not ask whether so many remain. ErrDuplicate; ErrNotFound when the balance does not cover the share.
func (s *Store) TakeUnchecked(ctx context.Context, h service.Share, now time.Time) error {
	h.State, h.HeldMS = service.ShareBought, now.UnixMilli()
	err := s.tx(ctx, func(tx *sql.Tx) error {
		if err := insertShare(ctx, tx, h); err != nil {
			return err
		}
		if err := debit(ctx, tx, h); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `UPDATE bids SET state = CASE WHEN remaining <= ? THEN ? ELSE state END, remaining = remaining - ? WHERE bid_id = ?`,
			h.Amount, service.BidClosed, h.Amount, h.BidID)
		return err
	})
	switch {
	case errorNumber(err) == errDuplicateEntry:
		return service.ErrDuplicate
	case errors.Is(err, errNotMoved):
		return service.ErrNotFound
	}
	return err
}

// callLine is a line about traffic beside the orders. Of a bid: no key, its units in n. Of a share: the request's id as
// key, its amount in n, its places in the bid's ledger.
type callLine struct {
	Table string `json:"table"`
	Kind  string `json:"kind"`
	Key   string `json:"key"`
	ID    string `json:"id"` // the bid's
	N     int64  `json:"n"`
	State string `json:"state"`

	TakenSeq    int64 `json:"taken_seq,omitempty"`
	ReturnedSeq int64 `json:"returned_seq,omitempty"`
}

// bookBids writes the bids' part of the book.
func bookBids(ctx context.Context, tx *sql.Tx, emit func(any) error) error {
	err := stream(ctx, tx, emit, `SELECT `+bidColumns+` FROM bids`, func(r *sql.Rows) (any, error) {
		b, err := scanBid(r)
		return callLine{Table: "call", Kind: "bid", ID: b.ID, N: b.Units, State: string(b.State)}, err
	})
	if err != nil {
		return err
	}
	return stream(ctx, tx, emit, `SELECT `+shareColumns+` FROM bid_shares`, func(r *sql.Rows) (any, error) {
		h, err := scanShare(r)
		return callLine{"call", "bid", h.RequestID, h.BidID, h.Amount, string(h.State), h.TakenSeq, h.ReturnedSeq}, err
	})
}
