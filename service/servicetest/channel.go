package servicetest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A Channel is a payment channel's merchant interface over HTTP, with its own book.
type Channel struct {
	URL string

	mu      sync.Mutex
	orders  map[string]*Trade // by out_trade_no
	refunds map[string]int64  // by out_refund_no: fen
	calls   map[string]int    // by operation
	delay   time.Duration
	deny    map[string]int // operation: status to answer with
	asked   chan struct{}  // gets a value at each query, when someone listens
	gate    chan struct{}  // when not nil, queries wait for it to close
	prepays chan struct{}  // when not nil, prepays wait for it to close
}

// A Trade is an order as the channel knows it.
type Trade struct {
	OrderID, Attach, State, TransactionID string
	Fen, Refunded                         int64
	PaidMS                                int64
}

// NewChannel starts a channel; it ends with the test.
func NewChannel(tb testing.TB) *Channel {
	tb.Helper()
	c := &Channel{
		orders: make(map[string]*Trade), refunds: make(map[string]int64), calls: make(map[string]int), deny: make(map[string]int),
		asked: make(chan struct{}, 100),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v3/pay/transactions/native", c.prepay)
	mux.HandleFunc("GET /v3/pay/transactions/out-trade-no/{no}", c.query)
	mux.HandleFunc("POST /v3/pay/transactions/out-trade-no/{no}/close", c.close)
	mux.HandleFunc("POST /v3/refund/domestic/refunds", c.refund)
	s := httptest.NewServer(mux)
	tb.Cleanup(s.Close)
	c.URL = s.URL
	return c
}

// Delay makes every call take at least d.
func (c *Channel) Delay(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.delay = d
}

// Hold makes queries wait until release is called.
func (c *Channel) Hold() (release func()) {
	gate := make(chan struct{})
	c.mu.Lock()
	c.gate = gate
	c.mu.Unlock()
	return sync.OnceFunc(func() {
		c.mu.Lock()
		c.gate = nil
		c.mu.Unlock()
		close(gate)
	})
}

// HoldPrepays makes prepays wait until release is called.
func (c *Channel) HoldPrepays() (release func()) {
	gate := make(chan struct{})
	c.mu.Lock()
	c.prepays = gate
	c.mu.Unlock()
	return sync.OnceFunc(func() {
		c.mu.Lock()
		c.prepays = nil
		c.mu.Unlock()
		close(gate)
	})
}

// Asked gets a value with each query that has come in.
func (c *Channel) Asked() <-chan struct{} { return c.asked }

// Deny answers an operation ("prepay", "query", "close", "refund") with status; 0 serves it again.
func (c *Channel) Deny(operation string, status int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.deny[operation] = status
}

// Pay pays an order at the channel. It returns the trade as it is then.
func (c *Channel) Pay(orderID, transactionID string, fen int64) Trade {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.orders[orderID]
	if t == nil {
		t = &Trade{OrderID: orderID}
		c.orders[orderID] = t
	}
	t.State, t.TransactionID, t.Fen, t.PaidMS = "SUCCESS", transactionID, fen, time.Now().UnixMilli()
	return *t
}

// Trade is an order as the channel knows it; its State is "" when it does not.
func (c *Channel) Trade(orderID string) Trade {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.orders[orderID]; t != nil {
		return *t
	}
	return Trade{}
}

// Refunds is what was paid back, by refund number.
func (c *Channel) Refunds() map[string]int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := make(map[string]int64)
	for no, fen := range c.refunds {
		list[no] = fen
	}
	return list
}

// Calls is how often an operation was asked for.
func (c *Channel) Calls(operation string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[operation]
}

// enter counts a call, takes its time, and reports whether it is served.
func (c *Channel) enter(w http.ResponseWriter, operation string) bool {
	c.mu.Lock()
	c.calls[operation]++
	delay, status, gate, prepays := c.delay, c.deny[operation], c.gate, c.prepays
	c.mu.Unlock()
	if operation == "prepay" && prepays != nil {
		<-prepays
	}
	if operation == "query" {
		select {
		case c.asked <- struct{}{}:
		default:
		}
		if gate != nil {
			<-gate
		}
	}
	if delay > 0 {
		<-time.After(delay)
	}
	if status != 0 {
		fail(w, status, "DENIED")
		return false
	}
	return true
}

func fail(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"code": code, "message": strings.ToLower(code)})
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

func (c *Channel) prepay(w http.ResponseWriter, r *http.Request) {
	var q struct {
		OutTradeNo string `json:"out_trade_no"`
		Attach     string `json:"attach"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		fail(w, 400, "PARAM_ERROR")
		return
	}
	if !c.enter(w, "prepay") {
		return
	}
	c.mu.Lock()
	if c.orders[q.OutTradeNo] == nil {
		c.orders[q.OutTradeNo] = &Trade{OrderID: q.OutTradeNo, Attach: q.Attach, State: "NOTPAY"}
	}
	c.mu.Unlock()
	answer(w, map[string]string{"code_url": "weixin://pay/" + q.OutTradeNo})
}

func (c *Channel) query(w http.ResponseWriter, r *http.Request) {
	if !c.enter(w, "query") {
		return
	}
	t := c.Trade(r.PathValue("no"))
	if t.State == "" {
		fail(w, 404, "ORDER_NOT_EXIST")
		return
	}
	answer(w, map[string]any{
		"out_trade_no": t.OrderID, "trade_state": t.State, "transaction_id": t.TransactionID, "success_ms": t.PaidMS,
		"amount": map[string]int64{"total": t.Fen, "payer_total": t.Fen},
	})
}

func (c *Channel) close(w http.ResponseWriter, r *http.Request) {
	if !c.enter(w, "close") {
		return
	}
	c.mu.Lock()
	t := c.orders[r.PathValue("no")]
	if t != nil && t.State == "NOTPAY" {
		t.State = "CLOSED"
	}
	c.mu.Unlock()
	switch {
	case t == nil:
		fail(w, 404, "ORDER_NOT_EXIST")
	case t.State != "CLOSED":
		fail(w, 400, "ORDER_PAID")
	default:
		w.WriteHeader(http.StatusNoContent)
	}
}

func (c *Channel) refund(w http.ResponseWriter, r *http.Request) {
	var q struct {
		OutTradeNo    string `json:"out_trade_no"`
		TransactionID string `json:"transaction_id"`
		OutRefundNo   string `json:"out_refund_no"`
		Amount        struct {
			Refund int64 `json:"refund"`
		} `json:"amount"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		fail(w, 400, "PARAM_ERROR")
		return
	}
	if !c.enter(w, "refund") {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.orders[q.OutTradeNo]
	if t == nil {
		fail(w, 404, "ORDER_NOT_EXIST")
		return
	}
	if _, again := c.refunds[q.OutRefundNo]; !again {
		c.refunds[q.OutRefundNo] = q.Amount.Refund
		t.Refunded += q.Amount.Refund
		if t.TransactionID == q.TransactionID {
			t.State = "REFUND"
		}
	}
	answer(w, map[string]string{"refund_id": "5" + q.OutRefundNo, "out_refund_no": q.OutRefundNo, "status": "SUCCESS"})
}
