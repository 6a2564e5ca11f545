package service

import (
	"context"
	"errors"
	"time"
)

// A Bid is a lot of units that many buyers want at the same moment: a loan on a lending platform. One unit is one yuan, and
// all amounts are whole units.
type Bid struct {
	ID         string
	BorrowerID string
	Units      int64
	Remaining  int64 // neither reserved nor bought
	State      BidState
}

// BidState says whether a bid takes buyers.
type BidState string

// The states of a bid.
const (
	BidOpen   BidState = "OPEN"
	BidFull   BidState = "FULL"   // everything is reserved; what comes back opens it again
	BidClosed BidState = "CLOSED" // nobody is let in any more
)

// A Share is what one buyer takes of a bid.
type Share struct {
	RequestID string // the buyer's; the same one makes no second share
	BidID     string
	BuyerID   string
	Amount    int64 // units
	State     ShareState
	HeldMS    int64 // a reservation that is neither bought nor returned by then is returned

	// When its units left the bid and when they came back: places in the bid's ledger, which counts both from 1 in the order
	// in which they happened. 0 they did not, or nobody wrote it down.
	TakenSeq, ReturnedSeq int64
}

// ShareState is where a share stands. Every move is a compare-and-set in the database.
type ShareState string

// The states of a share.
const (
	ShareReserved ShareState = "RESERVED"
	ShareBought   ShareState = "BOUGHT"
	ShareReturned ShareState = "RETURNED"
)

// BidTotals is what a bid's shares add up to, in units.
type BidTotals struct {
	Reserved, Bought int64
}

// Errors of a purchase.
var (
	ErrUnknownBid = errors.New("unknown bid")
	ErrBidClosed  = errors.New("the bid is closed")
	// ErrBidBusy: another wrote the progress row between its being read and written.
	ErrBidBusy = errors.New("too many buy at this moment")
	// ErrShareReturned: this request's share was reserved and went back.
	ErrShareReturned = errors.New("the reservation went back")
)

// A Risk is the upstream that knows which buyers may lend.
type Risk interface {
	// Fit reports whether the buyer may buy.
	Fit(ctx context.Context, buyerID string) (bool, error)
}

// Bids sells bids.
type Bids struct {
	Parts
	risk Risk // nil: not asked
}

// NewBids makes the sale. Risk may be nil.
func NewBids(p Parts, risk Risk) *Bids { return &Bids{Parts: p, risk: risk} }

// A ShareRequest is what a buyer asks for.
type ShareRequest struct {
	RequestID string `json:"request_id"`
	BuyerID   string `json:"buyer_id"`
	Amount    int64  `json:"amount"`
}

// Buy sells a buyer a share. fresh is false when the same request had bought before. ErrUnknownBid, ErrSoldOut,
// ErrBidClosed, ErrBidBusy, ErrShareReturned, a *[Unfit] when one of the checks fails.
func (b *Bids) Buy(ctx context.Context, bidID string, r ShareRequest) (s Share, fresh bool, err error) {
	bid, err := b.Store.Bid(ctx, bidID)
	if errors.Is(err, ErrNotFound) {
		return s, false, ErrUnknownBid
	}
	if err != nil {
		return s, false, err
	}
	s = Share{
		RequestID: r.RequestID, BidID: bidID, BuyerID: r.BuyerID, Amount: r.Amount, State: ShareReserved,
		HeldMS: b.Now().Add(b.Profile.Bid.Hold).UnixMilli(),
	}
	switch {
	case bid.State == BidClosed:
		return b.turnedAway(ctx, s, ErrBidClosed)
	case bid.Remaining < s.Amount: // a read: whoever passes is stopped by the compare-and-set, if there is one
		return b.turnedAway(ctx, s, ErrSoldOut)
	}
	if b.Profile.Stock == ReadThenWrite {
		return b.buyUnchecked(ctx, bid, s)
	}
	s.TakenSeq, err = b.reserve(ctx, s)
	switch {
	case errors.Is(err, ErrSoldOut), errors.Is(err, ErrDuplicate):
		return b.turnedAway(ctx, s, err)
	case err != nil:
		return s, false, err
	}
	if b.Profile.Progress == ProgressRow {
		// As was: the bar that everyone looks at is a row of its own, and everyone who buys writes it.
		if err := b.Store.AddProgress(ctx, s.BidID, s.Amount); err != nil {
			b.giveBack(ctx, s, b.putBackUnits, err)
			return s, false, err
		}
	}
	if err := b.settle(ctx, bid, s); err != nil {
		b.giveBack(ctx, s, b.putBack, err)
		return s, false, err
	}
	s.State = ShareBought
	b.Metrics.Shares.WithLabelValues("bought").Inc()
	return s, true, nil
}

// reserve takes the units. It is not broken off when the buyer goes away: whether they were taken would not be known then, and they
// would be missing until the hold runs out.
func (b *Bids) reserve(ctx context.Context, s Share) (takenSeq int64, err error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	ctx, cancel := detached(ctx, 5*time.Second)
	defer cancel()
	return b.Store.ReserveShare(ctx, s, b.Profile.Stock == ReserveNoReopen)
}

// turnedAway answers a buyer who can not buy; unless it is a request that has a share already.
func (b *Bids) turnedAway(ctx context.Context, s Share, why error) (Share, bool, error) {
	before, err := b.Store.Share(ctx, s.RequestID)
	switch {
	case err == nil && before.State == ShareBought:
		return before, false, nil
	case err == nil && before.State == ShareReturned:
		return before, false, ErrShareReturned
	case err == nil:
		return before, false, ErrBidBusy // its first try is still on its way
	case !errors.Is(err, ErrNotFound):
		return s, false, err
	}
	b.Metrics.Shares.WithLabelValues("turned-away").Inc()
	return s, false, why
}

// settle is what may fail between the reservation and the purchase.
func (b *Bids) settle(ctx context.Context, bid Bid, s Share) error {
	if err := b.check(ctx, bid, s); err != nil {
		return err
	}
	bought, err := b.Store.BuyShare(ctx, s, b.Now())
	if err == nil && !bought {
		err = &Unfit{"BALANCE", "the balance does not cover the share, or the reservation had expired"}
	}
	return err
}

// giveBack undoes a reservation whose purchase failed, whatever the branch: at once, and the bid is open again for it.
func (b *Bids) giveBack(ctx context.Context, s Share, putBack func(context.Context, Share) error, why error) {
	b.Metrics.Shares.WithLabelValues("failed").Inc()
	if b.Profile.Stock == ReserveNoReopen {
		// As was: a dozen branches fail, and the lock on the units runs out by itself in the end ([Jobs.returnShares]). What
		// hurts: until then they count as sold. The bid closes on them.
		return
	}
	ctx, cancel := detached(ctx, 5*time.Second)
	defer cancel()
	if err := putBack(ctx, s); err != nil {
		b.Log.Warn("giving a share back, a job will", "share", s.RequestID, "after", why, "error", err)
	}
}

// putBack returns a reserved share, once however often it is called, and takes it off the progress row.
func (p *Parts) putBack(ctx context.Context, s Share) error {
	moved, err := p.returnUnits(ctx, s)
	if err == nil && moved && p.Profile.Progress == ProgressRow {
		return p.Store.AddProgress(ctx, s.BidID, -s.Amount)
	}
	return err
}

// putBackUnits is putBack of a share that is not on the progress row.
func (p *Parts) putBackUnits(ctx context.Context, s Share) error {
	_, err := p.returnUnits(ctx, s)
	return err
}

// returnUnits gives a reserved share's units back to its bid; moved is false when they went back before.
func (p *Parts) returnUnits(ctx context.Context, s Share) (moved bool, err error) {
	// As was, the units come back to a bid that stays closed: nobody looks at them again.
	reopen := p.Profile.Stock != ReserveNoReopen
	if moved, err = p.Store.ReturnShare(ctx, s, reopen, p.Now()); err == nil && moved {
		p.Metrics.Shares.WithLabelValues("returned").Inc()
	}
	return moved, err
}

// buyUnchecked is the purchase as it was (stock read-then-write). What hurts: bid was read before the checks, and what
// remained then is what everyone believes who read it meanwhile. The write takes the units whatever remains by now.
func (b *Bids) buyUnchecked(ctx context.Context, bid Bid, s Share) (Share, bool, error) {
	if err := b.check(ctx, bid, s); err != nil {
		return s, false, err
	}
	switch err := b.Store.TakeUnchecked(ctx, s, b.Now()); {
	case errors.Is(err, ErrDuplicate):
		return b.turnedAway(ctx, s, err)
	case errors.Is(err, ErrNotFound):
		return s, false, &Unfit{"BALANCE", "the balance does not cover the share"}
	case err != nil:
		return s, false, err
	}
	s.State = ShareBought
	b.Metrics.Shares.WithLabelValues("bought").Inc()
	return s, true, nil
}

// Progress is a bid with what of it is sold: added up from the shares, or as the progress row has it. ErrUnknownBid.
func (b *Bids) Progress(ctx context.Context, bidID string) (bid Bid, sold int64, err error) {
	if bid, err = b.Store.Bid(ctx, bidID); err != nil {
		if errors.Is(err, ErrNotFound) {
			err = ErrUnknownBid
		}
		return bid, 0, err
	}
	if b.Profile.Progress == ProgressRow {
		sold, err = b.Store.Progress(ctx, bidID)
		return bid, sold, err
	}
	totals, err := b.Store.BidTotals(ctx, bidID)
	if bid.State == BidFull && totals.Reserved == 0 && totals.Bought == bid.Units {
		bid.State = BidClosed // nothing can come back any more
	}
	return bid, totals.Bought, err
}

// returnShares gives back reservations that were held for too long: their process died, or, as was, their branch failed.
func (j *Jobs) returnShares(ctx context.Context) error {
	list, err := j.Store.HeldShares(ctx, j.Now(), jobLimit)
	return errors.Join(err, each(ctx, list, j.putBack))
}

// BidSwitches bound the sale of bids.
type BidSwitches struct {
	Workers     int           `yaml:"workers" min:"1" incident:"full-bid-undersell" doc:"purchases of a bid that one front handles at once; most of each is waiting for the risk check"`
	Hold        time.Duration `yaml:"hold" min:"100ms" incident:"full-bid-undersell" doc:"how long units stay reserved for a purchase that does not end"`
	ReturnEvery time.Duration `yaml:"return_every" min:"10ms" incident:"full-bid-undersell" doc:"interval of the job that gives such units back"`
	RiskTimeout time.Duration `yaml:"risk_timeout" min:"1ms" incident:"full-bid-undersell" doc:"how long the risk check may take"`
}
