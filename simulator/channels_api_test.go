package simulator

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/simulator/lrhmac"
)

// A merchant calls a channel as the service does.
type merchant struct {
	t    *testing.T
	base string
	key  []byte
}

func (m merchant) call(method, path string, body any) (int, map[string]any) {
	m.t.Helper()
	status, answer, err := m.try(context.Background(), method, path, body)
	if err != nil {
		m.t.Fatal(err)
	}
	return status, answer
}

func (m merchant) try(ctx context.Context, method, path string, body any) (int, map[string]any, error) {
	raw, ok := body.([]byte)
	if !ok && body != nil {
		raw, _ = json.Marshal(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, m.base+path, bytes.NewReader(raw))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Authorization", lrhmac.Sign(m.key, lrhmac.Merchant, method, req.URL.RequestURI(), raw, time.Now()))
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	out := map[string]any{}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return 0, nil, err
	}
	if len(text) > 0 {
		err = json.Unmarshal(text, &out)
	}
	return resp.StatusCode, out, err
}

func (m merchant) prepay(no, attach string, fen int64) (int, map[string]any) {
	m.t.Helper()
	return m.call("POST", "/v3/pay/transactions/native", prepayBody(no, attach, fen, 0))
}

func prepayBody(no, attach string, fen, expires int64) map[string]any {
	return map[string]any{
		"out_trade_no": no, "attach": attach, "description": "tea", "time_expire_ms": expires,
		"amount": map[string]any{"total": fen, "currency": "CNY"},
	}
}

func refundBody(no, txn, number string, fen, total int64) map[string]any {
	return map[string]any{
		"out_trade_no": no, "transaction_id": txn, "out_refund_no": number,
		"amount": map[string]any{"refund": fen, "total": total, "currency": "CNY"},
	}
}

// openShop opens both channels; the merchant is WeChat's.
func openShop(t *testing.T, plan *Plan) (*rig, *channels, merchant) {
	t.Helper()
	r := newRig(t, plan, nil)
	cs, m := r.openShop(t)
	return r, cs, m
}

func (r *rig) openShop(t *testing.T) (*channels, merchant) {
	t.Helper()
	keys, err := platformKeys()
	if err != nil {
		t.Fatal(err)
	}
	cs, err := openChannels(r.stage, keys.wechat, keys.alipay)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cs.Close() })
	cs.begin("http://127.0.0.1:1", "http://127.0.0.1:1")
	var s ServiceSettings
	cs.settle(&s)
	return cs, merchant{t, s.WeChatURL, cs.wechat.key}
}

func TestPrepay(t *testing.T) {
	r, _, m := openShop(t, planOf(PlanOrder{Key: "o1", Again: -1}))
	status, first := m.prepay("A1", "o1", 350)
	if status != 200 || first["code_url"] == "" {
		t.Fatalf("prepay: %d %v", status, first)
	}
	if status, again := m.prepay("A1", "o1", 350); status != 200 || again["code_url"] != first["code_url"] {
		t.Errorf("the same number again: %d %v, want 200 and %v", status, again, first)
	}
	if status, _ := m.prepay("A1", "o1", 351); status != 400 {
		t.Errorf("the same number with another amount: %d", status)
	}
	if o := r.orders.order("A1"); o == nil || o.Key != "o1" {
		t.Errorf("the order is bound to %+v", o)
	}
	if booked := r.booked(runlog.ChannelPrepay); len(booked) != 1 || booked[0].Fen != 350 || booked[0].Order != "A1" {
		t.Errorf("booked %+v", booked)
	}
	for name, body := range map[string]any{
		"no amount": prepayBody("A2", "o1", 0, 0), "no number": prepayBody("", "o1", 5, 0), "no JSON": []byte("{"),
	} {
		if status, out := m.call("POST", "/v3/pay/transactions/native", body); status != 400 || out["code"] == "" {
			t.Errorf("%s: %d %v", name, status, out)
		}
	}
	if status, _ := m.call("POST", "/v3/pay/transactions/native", bytes.Repeat([]byte(" "), maxBodyBytes+1)); status != 413 {
		t.Errorf("a body past 64 KiB: %d", status)
	}
}

func TestUnsignedCallsAreRefused(t *testing.T) {
	r, cs, m := openShop(t, planOf())
	wrong := merchant{t, m.base, cs.alipay.key}
	if status, out := wrong.prepay("A1", "o1", 350); status != 401 || out["code"] != "SIGN_ERROR" {
		t.Errorf("signed with the other channel's key: %d %v", status, out)
	}
	stranger, err := http.NewRequest("GET", m.base+"/v3/pay/transactions/out-trade-no/A1", nil)
	if err != nil {
		t.Fatal(err)
	}
	stranger.Header.Set("Authorization", lrhmac.Sign(m.key, "stranger", "GET", stranger.URL.RequestURI(), nil, time.Now()))
	resp, err := http.DefaultClient.Do(stranger)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("signed by another name: %d", resp.StatusCode)
	}
	resp, err = http.Post(m.base+"/v3/refund/domestic/refunds", "application/json", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != 401 {
		t.Errorf("without a signature: %d", resp.StatusCode)
	}
	if booked := r.booked(runlog.ChannelPrepay, runlog.ChannelRefunded, runlog.ChannelRefusal); len(booked) > 0 {
		t.Errorf("booked %+v", booked)
	}
}

func TestLifeOfABill(t *testing.T) {
	r, cs, m := openShop(t, planOf(PlanOrder{Key: "o1", Again: -1}))
	const byNumber = "/v3/pay/transactions/out-trade-no/"
	state := func(no string) string {
		t.Helper()
		status, out := m.call("GET", byNumber+no, nil)
		if status != 200 {
			return fmt.Sprint(status, out["code"])
		}
		return out["trade_state"].(string)
	}
	if got := state("A1"); got != "404ORDER_NOT_EXIST" {
		t.Errorf("before prepay: %s", got)
	}
	if _, err := cs.pay("A1", wechatName); !errors.Is(err, errUnknownOrder) {
		t.Errorf("paying what nobody asked for: %v", err)
	}
	m.prepay("A1", "o1", 350)
	if got := state("A1"); got != "NOTPAY" {
		t.Errorf("before payment: %s", got)
	}
	if status, out := m.call("POST", "/v3/refund/domestic/refunds", refundBody("A1", "", "R0", 350, 350)); status != 403 || out["code"] != "NOT_ENOUGH" {
		t.Errorf("refund of what was not paid: %d %v", status, out)
	}
	if fen, err := cs.pay("A1", wechatName); fen != 350 || err != nil {
		t.Fatal(fen, err)
	}
	if _, err := cs.pay("A1", wechatName); !errors.Is(err, errPaidOrder) {
		t.Errorf("paying twice: %v", err)
	}
	status, out := m.call("GET", byNumber+"A1", nil)
	amount, _ := out["amount"].(map[string]any)
	if status != 200 || out["trade_state"] != "SUCCESS" || amount["payer_total"] != 350.0 || out["transaction_id"] == nil || out["success_ms"] == nil {
		t.Errorf("after payment: %d %v", status, out)
	}
	if status, out := m.call("POST", byNumber+"A1/close", nil); status != 400 || out["code"] != "ORDER_PAID" {
		t.Errorf("closing what is paid: %d %v", status, out)
	}
	txn := out["transaction_id"].(string)
	if paid := r.booked(runlog.ChannelPaid); len(paid) != 1 || paid[0].ID != txn || paid[0].Fen != 350 {
		t.Errorf("booked %+v", paid)
	}
	if status, _ := m.call("POST", "/v3/refund/domestic/refunds", refundBody("A1", "another", "R1", 350, 350)); status != 404 {
		t.Errorf("refund of another transaction: %d", status)
	}
	if status, out := m.call("POST", "/v3/refund/domestic/refunds", refundBody("A1", txn, "R1", 350, 350)); status != 200 || out["status"] != "SUCCESS" {
		t.Errorf("refund: %d %v", status, out)
	}
	if got := state("A1"); got != "REFUND" {
		t.Errorf("after the refund: %s", got)
	}

	m.prepay("A2", "o1", 100)
	for range 2 {
		if status, _ := m.call("POST", byNumber+"A2/close", nil); status != 204 {
			t.Errorf("closing: %d", status)
		}
	}
	if got := state("A2"); got != "CLOSED" {
		t.Errorf("after closing: %s", got)
	}
	if _, err := cs.pay("A2", wechatName); !errors.Is(err, errClosedOrder) {
		t.Errorf("paying what is closed: %v", err)
	}
	if closed := r.booked(runlog.ChannelClosed); len(closed) != 1 {
		t.Errorf("booked %+v", closed)
	}

	m.call("POST", "/v3/pay/transactions/native", prepayBody("A3", "o1", 100, time.Now().Add(-time.Millisecond).UnixMilli()))
	if _, err := cs.pay("A3", wechatName); !errors.Is(err, errClosedOrder) {
		t.Errorf("paying after the time for it: %v", err)
	}
}

func TestRefundOncePerNumberUnderConcurrency(t *testing.T) {
	r, cs, m := openShop(t, planOf(PlanOrder{Key: "o1", Again: -1}))
	m.prepay("A1", "o1", 350)
	if _, err := cs.pay("A1", wechatName); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	ids := map[string]int{}
	denied := 0
	for i := range 60 {
		wg.Go(func() {
			// Three numbers of 150 fen: there is money for two of them.
			status, out, err := m.try(t.Context(), "POST", "/v3/refund/domestic/refunds", refundBody("A1", "", fmt.Sprintf("R%d", i%3), 150, 350))
			mu.Lock()
			defer mu.Unlock()
			switch {
			case err != nil:
				t.Error(err)
			case status == 200:
				ids[out["refund_id"].(string)]++
			case status == 403 && out["code"] == "NOT_ENOUGH":
				denied++
			default:
				t.Errorf("%d %v", status, out)
			}
		})
	}
	wg.Wait()
	if len(ids) != 2 || denied != 20 {
		t.Errorf("refunds by id %v, %d denied; want two ids and 20 denied", ids, denied)
	}
	booked := r.booked(runlog.ChannelRefunded)
	if len(booked) != 2 || booked[0].ID == booked[1].ID || booked[0].Fen+booked[1].Fen != 300 {
		t.Errorf("booked %+v", booked)
	}
}

// Whatever is asked of a bill: never more back than was paid, once for each number, and the book says what happened.
func TestMoneyOfABill(t *testing.T) {
	keys, err := platformKeys()
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(rt *rapid.T) {
		r := newRig(t, planOf(), nil)
		cs := makeChannels(r.stage, keys.wechat, keys.alipay)
		cs.begin("http://127.0.0.1:1", "http://127.0.0.1:1")
		defer cs.Close()
		c := cs.wechat
		given := map[string]int64{}
		paid := false
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch rapid.SampledFrom([]string{"prepay", "pay", "close", "refund", "refund"}).Draw(rt, "step") {
			case "prepay":
				_, _ = c.prepay("A", "o1", 100, 0)
			case "pay":
				if _, err := c.pay("A"); err == nil {
					if paid {
						rt.Fatal("paid twice")
					}
					paid = true
				}
			case "close":
				if err := c.shut("A"); err == nil && paid {
					rt.Fatal("closed although paid")
				}
			case "refund":
				number := rapid.SampledFrom([]string{"R1", "R2", "R3"}).Draw(rt, "number")
				fen := rapid.SampledFrom([]int64{-1, 0, 30, 50, 100, 101}).Draw(rt, "fen")
				done, err := c.repay("A", "", number, fen, 100)
				if err == nil {
					if before, ok := given[number]; ok && before != done.fen {
						rt.Fatalf("%s gave %d and then %d", number, before, done.fen)
					}
					given[number] = done.fen
				}
			}
		}
		var sum, booked int64
		for _, fen := range given {
			sum += fen
		}
		seen := map[string]bool{}
		for _, rec := range r.booked(runlog.ChannelRefunded) {
			if seen[rec.ID] {
				rt.Fatalf("%s is booked twice", rec.ID)
			}
			seen[rec.ID] = true
			booked += rec.Fen
		}
		if sum != booked || sum > 100 || (sum > 0 && !paid) {
			rt.Fatalf("given back %d, booked %d, of 100 paid (%v)", sum, booked, paid)
		}
		if n := len(r.booked(runlog.ChannelPaid)); (n == 1) != paid || n > 1 {
			rt.Fatalf("%d payments booked, paid %v", n, paid)
		}
	})
}

func TestAnswersTakeAsLongAsThePlanSays(t *testing.T) {
	const create, query, refund = 60 * time.Millisecond, 90 * time.Millisecond, 120 * time.Millisecond
	_, cs, m := openShop(t, planOf(PlanOrder{Key: "o1", Again: -1, Create: create, Query: query, Refund: refund}))
	took := func(call func()) time.Duration {
		from := time.Now()
		call()
		return time.Since(from)
	}
	if d := took(func() { m.prepay("A1", "o1", 350) }); d < create {
		t.Errorf("prepay took %v", d)
	}
	if _, err := cs.pay("A1", wechatName); err != nil {
		t.Fatal(err)
	}
	if d := took(func() { m.call("GET", "/v3/pay/transactions/out-trade-no/A1", nil) }); d < query {
		t.Errorf("query took %v", d)
	}
	if d := took(func() { m.call("POST", "/v3/refund/domestic/refunds", refundBody("A1", "", "R1", 350, 350)) }); d < refund {
		t.Errorf("refund took %v", d)
	}
}

// Money moves although the client has gone, and nothing keeps waiting for it.
func TestClientThatGivesUp(t *testing.T) {
	r, cs, m := openShop(t, planOf(PlanOrder{Key: "o1", Again: -1, Refund: time.Hour}))
	m.prepay("A1", "o1", 350)
	if _, err := cs.pay("A1", wechatName); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, _, err := m.try(ctx, "POST", "/v3/refund/domestic/refunds", refundBody("A1", "", "R1", 350, 350))
		gone <- err
	}()
	await(t, "the refund is booked", func() bool { return len(r.booked(runlog.ChannelRefunded)) == 1 })
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v", err)
	}
	// Answering holds the lock for reading: when it can be had, nobody answers.
	await(t, "nothing is being answered", func() bool {
		if !cs.server.open.TryLock() {
			return false
		}
		cs.server.open.Unlock()
		return true
	})
}

func TestCloseWithAnAnswerHeldBack(t *testing.T) {
	r, cs, m := openShop(t, planOf(PlanOrder{Key: "o1", Again: -1, Create: time.Hour}))
	broken := make(chan error)
	go func() {
		_, _, err := m.try(t.Context(), "POST", "/v3/pay/transactions/native", prepayBody("A1", "o1", 350, 0))
		broken <- err
	}()
	await(t, "the order is booked", func() bool { return len(r.booked(runlog.ChannelPrepay)) == 1 })
	if err := cs.Close(); err != nil {
		t.Fatal(err)
	}
	if err := <-broken; err == nil {
		t.Error("the call was answered, want a broken connection")
	}
}

func TestBothChannelsKeepTheirOwnBills(t *testing.T) {
	r, cs, m := openShop(t, planOf(PlanOrder{Key: "o1", Again: -1}))
	var s ServiceSettings
	cs.settle(&s)
	a := merchant{t, s.AlipayURL, cs.alipay.key}
	m.prepay("A1", "o1", 350)
	a.prepay("A1", "o1", 350)
	for _, channel := range []string{wechatName, alipayName} {
		if _, err := cs.pay("A1", channel); err != nil {
			t.Errorf("%s: %v", channel, err)
		}
	}
	var by []string
	for _, rec := range r.booked(runlog.ChannelPaid) {
		by = append(by, rec.Channel)
	}
	if !slices.Equal(by, []string{wechatName, alipayName}) {
		t.Errorf("paid by %v", by)
	}
}
