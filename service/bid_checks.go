package service

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// An Account is a buyer's on the platform. Amounts are units, which are yuan.
type Account struct {
	BuyerID  string `json:"buyer_id"`
	Verified bool   `json:"verified"` // who he is was proved
	Adult    bool   `json:"adult"`
	Agreed   bool   `json:"agreed"` // to the contract's present text
	Frozen   bool   `json:"frozen"`
	Minimum  int64  `json:"minimum"` // the least he may buy at once; 0 anything
	Limit    int64  `json:"limit"`   // the most he may buy at once; 0 anything
	Balance  int64  `json:"balance"`
}

// Unfit is why a buyer may not have the share that he asked for. Code is told to him.
type Unfit struct {
	Code, Why string
}

// Error tells the code and the reason.
func (u *Unfit) Error() string { return u.Code + ": " + u.Why }

// check is everything that is looked at before a share is bought, besides the units themselves. Each line is a branch in
// which a purchase ends.
func (b *Bids) check(ctx context.Context, bid Bid, s Share) error {
	a, err := b.Store.Account(ctx, s.BuyerID)
	if errors.Is(err, ErrNotFound) {
		return &Unfit{"ACCOUNT", "the buyer has no account"}
	}
	if err != nil {
		return err
	}
	switch {
	case a.Frozen:
		return &Unfit{"FROZEN", "the account is frozen"}
	case !a.Verified:
		return &Unfit{"UNVERIFIED", "nobody has proved who the buyer is"}
	case !a.Adult:
		return &Unfit{"MINOR", "the buyer is not of age"}
	case !a.Agreed:
		return &Unfit{"CONTRACT", "the contract's present text is not agreed to"}
	case a.BuyerID == bid.BorrowerID:
		return &Unfit{"BORROWER", "nobody lends to himself"}
	case s.Amount < a.Minimum:
		return &Unfit{"MINIMUM", "less than this buyer may buy"}
	case a.Limit > 0 && s.Amount > a.Limit:
		return &Unfit{"LIMIT", "more than this buyer may buy"}
	}
	if b.risk != nil {
		began := time.Now()
		fit, err := b.risk.Fit(ctx, s.BuyerID)
		b.observe("risk", "fit", began, err)
		if err != nil {
			return fmt.Errorf("risk: %w", err) // nothing was bought: to be tried again
		}
		if !fit {
			return &Unfit{"RISK", "the risk check says no"}
		}
	}
	if a.Balance < s.Amount {
		return &Unfit{"BALANCE", "the balance does not cover the share"}
	}
	return nil
}
