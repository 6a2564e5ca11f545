package simulator

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/simulator/lrhmac"
)

// A paperService is a service of the protocol that keeps everything in memory and does it right: it orders, takes
// notifies, dispenses, refunds what was not dispensed or was paid twice, and closes what was not paid. It checks no
// signature of a channel: that is what the real one is for.
type paperService struct {
	t        *testing.T
	settings ServiceSettings
	window   time.Duration // to pay in
	server   *httptest.Server

	mu       sync.Mutex
	prices   map[string]int64
	orders   []*paperOrder
	byKey    map[string]*paperOrder
	byID     map[string]*paperOrder
	commands map[string][]*paperOrder // by machine, not yet reported
	bell     chan struct{}            // closed when there is a new command
	done     chan struct{}
	wg       sync.WaitGroup
	status   int   // what every request is answered when it is not 0
	hasty    bool  // an order is refunded as soon as its machine has been told
	dearer   int64 // fen on top of each label's price
}

type paperOrder struct {
	id, key, machine, channel, state, txn string
	slot                                  int
	fen, paid                             int64
	expires                               time.Time
	refunds                               []string
}

func newPaperService(t *testing.T, s ServiceSettings) *paperService {
	p := &paperService{
		t: t, settings: s, window: 2 * time.Second,
		prices: map[string]int64{}, byKey: map[string]*paperOrder{}, byID: map[string]*paperOrder{},
		commands: map[string][]*paperOrder{}, bell: make(chan struct{}), done: make(chan struct{}),
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /internal/machines", p.machines)
	mux.HandleFunc("POST /v1/orders", p.order)
	mux.HandleFunc("POST /v1/orders/{id}/pay", p.payAgain)
	mux.HandleFunc("POST /notify/{channel}", p.notify)
	mux.HandleFunc("GET /v1/machines/{id}/commands", p.poll)
	mux.HandleFunc("POST /v1/machines/{id}/results", p.result)
	mux.HandleFunc("POST /v1/machines/{id}/heartbeats", p.beat)
	mux.HandleFunc("GET /internal/backlog", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, `{"waiting":0}`) })
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "go_goroutines 7\n") })
	mux.HandleFunc("GET /internal/book", p.book)
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.mu.Lock()
		status := p.status
		p.mu.Unlock()
		if status != 0 {
			w.WriteHeader(status)
			return
		}
		mux.ServeHTTP(w, r)
	}))
	p.wg.Go(p.sweep)
	return p
}

func (p *paperService) target() Target {
	return Target{Public: p.server.URL, Internal: p.server.URL}
}

func (p *paperService) close() {
	close(p.done)
	p.wg.Wait()
	p.server.Close()
}

// call asks a channel, and returns its status.
func (p *paperService) call(channel, method, path string, body any) int {
	base, keyHex := p.settings.WeChatURL, p.settings.WeChatAPIKey
	if channel == "alipay" {
		base, keyHex = p.settings.AlipayURL, p.settings.AlipayAPIKey
	}
	key, err := hex.DecodeString(keyHex)
	if err != nil {
		p.t.Error(err)
	}
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			p.t.Error(err)
		}
	}
	req, err := http.NewRequest(method, base+path, bytes.NewReader(text))
	if err != nil {
		p.t.Error(err)
		return 0
	}
	req.Header.Set("Authorization", lrhmac.Sign(key, lrhmac.Merchant, method, req.URL.RequestURI(), text, time.Now()))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0 // the channels are closed: the run is over
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

func (p *paperService) machines(w http.ResponseWriter, r *http.Request) {
	var list []sheet
	if err := json.NewDecoder(r.Body).Decode(&list); err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range list {
		for _, s := range m.Slots {
			p.prices[fmt.Sprint(m.Machine, s.Slot)] = s.Fen
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

func (p *paperService) prepay(o *paperOrder, channel string) bool {
	type amount struct {
		Total    int64  `json:"total"`
		Currency string `json:"currency"`
	}
	return p.call(channel, http.MethodPost, "/v3/pay/transactions/native", map[string]any{
		"out_trade_no": o.id, "attach": o.key, "time_expire_ms": o.expires.UnixMilli(), "amount": amount{o.fen, "CNY"},
	}) == http.StatusOK
}

func (p *paperService) order(w http.ResponseWriter, r *http.Request) {
	var in struct {
		RequestID string `json:"request_id"`
		MachineID string `json:"machine_id"`
		Slot      int    `json:"slot"`
		Channel   string `json:"channel"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	o := &paperOrder{
		id: fmt.Sprintf("%019d", len(p.orders)+1), key: in.RequestID, machine: in.MachineID, slot: in.Slot, channel: in.Channel,
		state: "PAYING", fen: p.prices[fmt.Sprint(in.MachineID, in.Slot)] + p.dearer, expires: time.Now().Add(p.window),
	}
	if o.fen == p.dearer || p.byKey[o.key] != nil {
		p.t.Errorf("an order for slot %d of %s, key %s, that cannot be", in.Slot, in.MachineID, in.RequestID)
	}
	p.orders, p.byKey[o.key], p.byID[o.id] = append(p.orders, o), o, o
	p.mu.Unlock()
	if !p.prepay(o, in.Channel) {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, `{"code":"CHANNEL_FAILED"}`)
		return
	}
	w.WriteHeader(http.StatusCreated)
	_ = json.NewEncoder(w).Encode(map[string]any{"order_id": o.id, "amount_fen": o.fen, "state": "PAYING", "expires_ms": o.expires.UnixMilli()})
}

func (p *paperService) payAgain(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Channel string `json:"channel"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		p.t.Error(err)
	}
	p.mu.Lock()
	o := p.byID[r.PathValue("id")]
	same := o != nil && in.Channel == o.channel
	p.mu.Unlock()
	if o == nil || same || !p.prepay(o, in.Channel) {
		w.WriteHeader(http.StatusConflict)
	}
}

// told reads a notify without checking it.
func (p *paperService) told(r *http.Request) (order, txn string) {
	if r.PathValue("channel") == "alipay" {
		return r.PostFormValue("out_trade_no"), r.PostFormValue("trade_no")
	}
	var n struct {
		Resource struct {
			Ciphertext, Nonce string
			AssociatedData    string `json:"associated_data"`
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
		return "", ""
	}
	block, err := aes.NewCipher([]byte(p.settings.WeChatV3Key))
	if err != nil {
		p.t.Error(err)
		return "", ""
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		p.t.Error(err)
		return "", ""
	}
	sealed, err := base64.StdEncoding.DecodeString(n.Resource.Ciphertext)
	if err != nil || len(n.Resource.Nonce) != gcm.NonceSize() {
		return "", ""
	}
	text, err := gcm.Open(nil, []byte(n.Resource.Nonce), sealed, []byte(n.Resource.AssociatedData))
	if err != nil {
		return "", ""
	}
	var t struct {
		OutTradeNo    string `json:"out_trade_no"`
		TransactionID string `json:"transaction_id"`
	}
	_ = json.Unmarshal(text, &t)
	return t.OutTradeNo, t.TransactionID
}

func (p *paperService) notify(w http.ResponseWriter, r *http.Request) {
	id, txn := p.told(r)
	p.mu.Lock()
	o := p.byID[id]
	if o == nil || o.state == "CLOSING" { // the channel will say whether it was paid
		p.mu.Unlock()
		w.WriteHeader(http.StatusNotFound)
		return
	}
	channel, refund := r.PathValue("channel"), false
	switch {
	case o.txn == "" && o.state == "PAYING":
		o.txn, o.paid, o.state, o.channel = txn, o.fen, "DISPENSING", channel
		p.commands[o.machine] = append(p.commands[o.machine], o)
		close(p.bell)
		p.bell = make(chan struct{})
	case o.txn != txn:
		refund = true // closed, or paid by another transaction
	}
	p.mu.Unlock()
	if refund {
		p.refund(o, channel, txn)
	}
	if channel == "alipay" {
		_, _ = io.WriteString(w, "success")
	}
}

func (p *paperService) refund(o *paperOrder, channel, txn string) {
	if p.call(channel, http.MethodPost, "/v3/refund/domestic/refunds", map[string]any{
		"out_trade_no": o.id, "transaction_id": txn, "out_refund_no": "R" + txn,
		"amount": map[string]any{"refund": o.fen, "total": o.fen, "currency": "CNY"},
	}) == http.StatusOK {
		p.mu.Lock()
		o.refunds = append(o.refunds, txn)
		p.mu.Unlock()
	}
}

func (p *paperService) poll(w http.ResponseWriter, r *http.Request) {
	wait, _ := time.ParseDuration(r.FormValue("wait"))
	over := time.NewTimer(wait)
	defer over.Stop()
	for {
		p.mu.Lock()
		// One after the other, each until the machine says that it has it: it remembers the last one only.
		var next *paperOrder
		id := r.PathValue("id")
		if q := p.commands[id]; len(q) > 0 && "c"+q[0].id == r.FormValue("last") {
			p.commands[id] = q[1:]
		}
		if q := p.commands[id]; len(q) > 0 {
			next = q[0]
		}
		bell := p.bell
		refund := next != nil && p.hasty && next.state == "DISPENSING"
		if refund {
			next.state = "REFUNDED"
		}
		p.mu.Unlock()
		if refund {
			p.refund(next, next.channel, next.txn)
		}
		if next != nil {
			_ = json.NewEncoder(w).Encode(map[string]any{"command_id": "c" + next.id, "order_id": next.id, "kind": "dispense", "slot": next.slot, "ttl_ms": 60_000})
			return
		}
		select {
		case <-bell:
		case <-over.C:
			w.WriteHeader(http.StatusNoContent)
			return
		case <-r.Context().Done():
			return
		case <-p.done:
			return
		}
	}
}

// outcome ends an order's command, once.
func (p *paperService) outcome(id, outcome string) {
	p.mu.Lock()
	o := p.byID[id]
	if o == nil || o.state != "DISPENSING" || outcome == "" {
		p.mu.Unlock()
		return
	}
	o.state = "DISPENSED"
	if outcome != "dispensed" {
		o.state = "REFUNDING"
	}
	p.mu.Unlock()
	if outcome != "dispensed" {
		p.refund(o, o.channel, o.txn)
		p.mu.Lock()
		o.state = "REFUNDED"
		p.mu.Unlock()
	}
}

func (p *paperService) result(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Order   string `json:"order_id"`
		Outcome string `json:"outcome"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		p.t.Error(err)
	}
	p.outcome(in.Order, in.Outcome)
	_, _ = io.WriteString(w, "{}")
}

func (p *paperService) beat(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Order   string `json:"last_order_id"`
		Outcome string `json:"last_outcome"`
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		p.t.Error(err)
	}
	p.outcome(in.Order, in.Outcome)
	_, _ = io.WriteString(w, "{}")
}

// sweep closes what was not paid in time.
func (p *paperService) sweep() {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-p.done:
			return
		}
		var late []*paperOrder
		p.mu.Lock()
		for _, o := range p.orders {
			if o.state == "PAYING" && time.Now().After(o.expires) {
				o.state = "CLOSING"
				late = append(late, o)
			}
		}
		p.mu.Unlock()
		for _, o := range late {
			state := "CLOSED"
			if p.call(o.channel, http.MethodPost, "/v3/pay/transactions/out-trade-no/"+o.id+"/close", nil) != http.StatusNoContent {
				state = "PAYING" // paid at the last moment: the notify is on its way
			}
			p.mu.Lock()
			o.state = state
			if state == "PAYING" {
				o.expires = o.expires.Add(time.Hour)
			}
			p.mu.Unlock()
		}
	}
}

func (p *paperService) book(w http.ResponseWriter, _ *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	enc := json.NewEncoder(w)
	for _, o := range p.orders {
		_ = enc.Encode(map[string]any{
			"table": "order", "order_id": o.id, "request_id": o.key, "machine_id": o.machine, "slot": o.slot, "channel": o.channel,
			"amount_fen": o.fen, "paid_fen": o.paid, "state": o.state, "transaction_id": o.txn,
		})
	}
	_ = enc.Encode(map[string]any{"table": "end", "orders": len(p.orders)})
}
