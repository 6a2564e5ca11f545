package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/lunchrush/lunchrush/scenarios"
)

// SendBid is a buyer's purchase of a share of a bid.
const SendBid = "bid"

// bidID is the one bid of a run.
const bidID = "bid1"

// The branches in which a purchase fails, by the codes that the buyer is told. The plan's Note has them.
var bidBranches = []string{"FROZEN", "UNVERIFIED", "MINOR", "CONTRACT", "MINIMUM", "LIMIT", "RISK", "BALANCE", "ACCOUNT"}

// planBid lets the buyers come evenly. What of them fails does so in each branch as often as in the others.
func planBid(s *scenarios.Scenario, chance func(string) *stream) []PlanCall {
	b := s.Sale
	if b.Units == 0 {
		return nil
	}
	var shares []share
	units := make(map[string]int)
	for _, a := range b.Amounts {
		name := fmt.Sprint(a.Units)
		units[name] = a.Units
		shares = append(shares, share{name, a.Share})
	}
	last := shares[len(shares)-1].name
	amount := chance("bid amount").quotas(b.Buyers, last, shares[:len(shares)-1]...)
	declined := chance("bid decline").quotas(b.Buyers, "", share{"declined", b.Decline})
	risk := chance("bid risk")
	from := s.At(b.At)
	calls := make([]PlanCall, b.Buyers)
	branch := 0
	for i := range calls {
		c := &calls[i]
		c.Due = from + time.Duration(int64(b.Over)*int64(2*i+1)/int64(2*b.Buyers))
		c.Subject = fmt.Sprintf("%s/u%06d", bidID, i+1)
		c.N = units[amount[i]]
		c.Takes = risk.draw(b.Risk)
		if declined[i] != "" {
			c.Note = bidBranches[branch%len(bidBranches)]
			branch++
		}
	}
	return calls
}

// bid is the buyers of the bid, and the risk check that the service asks about them.
type bid struct {
	caller
	timeout time.Duration
	buyers  map[string]*PlanCall // by buyer
	server  *loopbackServer
}

func openBid(st *stage) (workload, error) {
	b := &bid{caller: caller{st: st}, timeout: st.scenario.Sale.Timeout, buyers: make(map[string]*PlanCall)}
	for i := range st.plan.Calls {
		if c := &st.plan.Calls[i]; c.Kind == SendBid {
			b.buyers[bidBuyer(c)] = c
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /risk", b.risk)
	server, err := newLoopbackServer(mux)
	if err != nil {
		return nil, fmt.Errorf("opening the risk check: %w", err)
	}
	b.server = server
	return b, nil
}

func bidBuyer(c *PlanCall) string { return c.Subject[len(bidID)+1:] }

func (b *bid) settle(s *ServiceSettings) { s.RiskURL = b.server.url }

func (b *bid) Close() error { return b.server.Close() }

// risk answers about a buyer, as late as the plan says.
func (b *bid) risk(w http.ResponseWriter, r *http.Request) {
	c := b.buyers[r.URL.Query().Get("buyer_id")]
	if c == nil {
		refuse(w, http.StatusNotFound, "UNKNOWN_BUYER", "no such buyer")
		return
	}
	if b.server.pause(r, c.Takes) {
		answer(w, http.StatusOK, map[string]bool{"fit": c.Note != "RISK"})
	}
}

type bidAccount struct {
	BuyerID  string `json:"buyer_id"`
	Verified bool   `json:"verified"`
	Adult    bool   `json:"adult"`
	Agreed   bool   `json:"agreed"`
	Frozen   bool   `json:"frozen"`
	Minimum  int    `json:"minimum"`
	Limit    int    `json:"limit"`
	Balance  int    `json:"balance"`
}

// lenderOf is the buyer's account on the platform, with what his purchase fails by; false when that is that he has none.
func lenderOf(c *PlanCall) (bidAccount, bool) {
	a := bidAccount{BuyerID: bidBuyer(c), Verified: true, Adult: true, Agreed: true, Balance: c.N}
	switch c.Note {
	case "FROZEN":
		a.Frozen = true
	case "UNVERIFIED":
		a.Verified = false
	case "MINOR":
		a.Adult = false
	case "CONTRACT":
		a.Agreed = false
	case "MINIMUM":
		a.Minimum = c.N + 1
	case "LIMIT":
		a.Limit = max(1, c.N-1)
	case "BALANCE":
		a.Balance = c.N - 1
	case "ACCOUNT":
		return a, false
	}
	return a, true
}

// provision tells the service of the bid and of its buyers' accounts.
func (b *bid) provision(ctx context.Context, target Target) error {
	var accounts []bidAccount
	for i := range b.st.plan.Calls {
		if c := &b.st.plan.Calls[i]; c.Kind == SendBid {
			if a, has := lenderOf(c); has {
				accounts = append(accounts, a)
			}
		}
	}
	client := &http.Client{Transport: loopbackTransport(1)}
	defer client.CloseIdleConnections()
	const atOnce = 20_000 // below the request's 8 MiB
	for begin := 0; begin == 0 || begin < len(accounts); begin += atOnce {
		body, err := json.Marshal(map[string]any{
			"bid_id": bidID, "borrower_id": "borrower", "units": b.st.scenario.Sale.Units,
			"accounts": accounts[begin:min(len(accounts), begin+atOnce)],
		})
		if err != nil {
			return err
		}
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, target.Internal+"/internal/bids", bytes.NewReader(body))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // only for the error
		_ = resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			return fmt.Errorf("%s: %s", resp.Status, bytes.TrimSpace(text))
		}
	}
	return nil
}

// A buyer who is told that the service is overloaded has heard nothing of the bid: he asks again after the second that the service
// asks for, under the same request id, so often at most, each time after twice the pause. (ours) Without that those who come again are
// soon six times those who come, and nobody is served: 450 purchases a second became 23.
const (
	bidTries = 6
	bidPause = time.Second
)

// call asks for a share. A buyer who is turned away goes.
func (b *bid) call(c *PlanCall, due time.Duration) {
	body, err := json.Marshal(struct {
		RequestID string `json:"request_id"`
		BuyerID   string `json:"buyer_id"`
		Amount    int    `json:"amount"`
	}{c.Call, bidBuyer(c), c.N})
	if err != nil {
		b.st.logger.Error("a buyer's request", "call", c.Call, "err", err)
		return
	}
	b.try(c, due, body, 1)
}

func (b *bid) try(c *PlanCall, due time.Duration, body []byte, n int) {
	s := Send{
		Due: due, Method: http.MethodPost, URL: b.target.Public + "/v1/bids/" + bidID + "/shares", Header: jsonHeader, Body: body, Timeout: b.timeout,
	}
	if c.Note != "" {
		s.Wants = http.StatusPaymentRequired
	}
	shed := false
	judge := func(a Answer) said {
		got := sharesAnswer(c, a)
		shed = got.note == codeOverloaded
		return got
	}
	b.pushThen(c, s, judge, func(a Answer) {
		if shed && n < bidTries {
			b.try(c, a.At+bidPause<<(n-1), body, n+1)
		}
	})
}

// codeOverloaded is the code of an answer that says nothing but to come again.
const codeOverloaded = "OVERLOADED"

// sharesAnswer judges what a buyer is told by itself. Whether he was turned away rightly is seen when the books are closed.
func sharesAnswer(c *PlanCall, a Answer) said {
	var got struct {
		Amount int    `json:"amount"`
		Code   string `json:"code"`
	}
	if err := json.Unmarshal(a.Body, &got); err != nil {
		return said{note: "the answer is not JSON"}
	}
	switch {
	case a.Status == http.StatusCreated || a.Status == http.StatusOK:
		return said{ok: c.Note == "" && got.Amount == c.N, n: got.Amount}
	case a.Status == http.StatusConflict && got.Code == "SOLD_OUT", a.Status == http.StatusPaymentRequired && c.Note == got.Code:
		return said{ok: true, note: got.Code}
	default:
		return refused(got.Code, a.Status)
	}
}
