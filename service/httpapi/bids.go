package httpapi

import (
	"net/http"

	"github.com/lunchrush/lunchrush/service"
)

// maxBid bounds the body of POST /internal/bids: the accounts of some ten thousand buyers.
const maxBid = 8 << 20

func (a *api) putBid(w http.ResponseWriter, r *http.Request) {
	var q struct {
		BidID      string            `json:"bid_id"`
		BorrowerID string            `json:"borrower_id"`
		Units      int64             `json:"units"`
		Accounts   []service.Account `json:"accounts"`
	}
	body, err := readBody(w, r, maxBid)
	if err == nil {
		err = decode(body, &q)
	}
	if err == nil && (!isID(q.BidID) || q.Units <= 0) {
		err = &badRequest{http.StatusBadRequest, "bid_id is required, and units above 0"}
	}
	if err == nil {
		err = a.Store.PutBid(r.Context(), service.Bid{ID: q.BidID, BorrowerID: q.BorrowerID, Units: q.Units}, q.Accounts)
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

type shareAnswer struct {
	RequestID string             `json:"request_id"`
	Amount    int64              `json:"amount"`
	State     service.ShareState `json:"state"`
}

// buyShare has workers of its own: a rush for a bid must not take the orders' ones.
func (a *api) buyShare(w http.ResponseWriter, r *http.Request) {
	var q service.ShareRequest
	err := readJSON(w, r, &q)
	id := r.PathValue("id")
	switch {
	case err != nil:
	case !isID(id):
		err = service.ErrUnknownBid
	case !isID(q.RequestID) || !isID(q.BuyerID) || q.Amount <= 0:
		err = &badRequest{http.StatusBadRequest, "request_id and buyer_id are required, and an amount above 0"}
	}
	var s service.Share
	var fresh bool
	if err == nil {
		err = a.BidPool.Do(r.Context(), service.PaidWork, func() (err error) {
			s, fresh, err = a.Bids.Buy(r.Context(), id, q)
			return err
		})
	}
	if err != nil {
		a.fail(w, r, err)
		return
	}
	status := http.StatusOK
	if fresh {
		status = http.StatusCreated
	}
	writeJSON(w, status, shareAnswer{s.RequestID, s.Amount, s.State})
}

func (a *api) readBid(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	if !isID(id) {
		a.fail(w, r, service.ErrUnknownBid)
		return
	}
	bid, sold, err := a.Bids.Progress(r.Context(), id)
	if err != nil {
		a.fail(w, r, err)
		return
	}
	writeJSON(w, http.StatusOK, struct {
		BidID     string           `json:"bid_id"`
		Units     int64            `json:"units"`
		Remaining int64            `json:"remaining"`
		Sold      int64            `json:"sold"`
		State     service.BidState `json:"state"`
	}{bid.ID, bid.Units, bid.Remaining, sold, bid.State})
}
