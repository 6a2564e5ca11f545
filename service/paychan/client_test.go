package paychan_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/paychan"
	"github.com/lunchrush/lunchrush/simulator/lrhmac"
)

var apiKey = []byte("a channel's key of 32 bytes, yes")

// upstream serves a channel on loopback and gives a client of it.
func upstream(t *testing.T, timeout time.Duration, h http.HandlerFunc) *paychan.Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return clientOf(t, s.URL, timeout)
}

func clientOf(t *testing.T, base string, timeout time.Duration) *paychan.Client {
	t.Helper()
	tr := paychan.NewTransport(4)
	t.Cleanup(tr.CloseIdleConnections)
	c, err := paychan.NewClient(paychan.ClientConfig{
		Channel: service.WeChat, BaseURL: base, Key: apiKey, Timeout: timeout, Transport: tr,
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func answers(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

// isDefinite reports whether an error says that the call had no effect, by the rules of service.ChannelError.
func isDefinite(err error) bool {
	var no *service.ChannelError
	return errors.As(err, &no) || errors.Is(err, service.ErrOrderUnknown) || errors.Is(err, service.ErrAlreadyPaid)
}

var prepay = service.Prepay{OrderID: "o1", RequestID: "r1", Fen: 350, ExpiresMS: 1_501_818_960_000}

var refund = service.Refund{RefundNo: "R1", OrderID: "o1", TransactionID: "4200", Fen: 350, TotalFen: 350}

// The four calls, each against one answer.
func calls(c *paychan.Client) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"prepay": func(ctx context.Context) error { _, err := c.Prepay(ctx, prepay); return err },
		"query":  func(ctx context.Context) error { _, err := c.Query(ctx, "o1"); return err },
		"close":  func(ctx context.Context) error { return c.Close(ctx, "o1") },
		"refund": func(ctx context.Context) error { return c.Refund(ctx, refund) },
	}
}

func TestCallsAreThoseOfTheProtocolAndSigned(t *testing.T) {
	type seen struct{ line, body string }
	var got seen
	c := upstream(t, 5*time.Second, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		key := func(name string) ([]byte, bool) { return apiKey, name == lrhmac.Merchant }
		if _, err := lrhmac.Verify(r.Header.Get("Authorization"), key, r.Method, r.RequestURI, body, time.Now()); err != nil {
			t.Errorf("%s %s: %v", r.Method, r.RequestURI, err)
		}
		got = seen{r.Method + " " + r.RequestURI, string(body)}
		switch {
		case strings.HasSuffix(r.URL.Path, "/native"):
			answers(200, `{"code_url":"weixin://wxpay/1"}`)(w, r)
		case strings.HasSuffix(r.URL.Path, "/close"):
			w.WriteHeader(204)
		case strings.HasSuffix(r.URL.Path, "/refunds"):
			answers(200, `{"refund_id":"50","out_refund_no":"R1","status":"SUCCESS"}`)(w, r)
		default:
			answers(200, `{"out_trade_no":"o1","trade_state":"NOTPAY"}`)(w, r)
		}
	})
	want := map[string]seen{
		"prepay": {
			"POST /v3/pay/transactions/native",
			`{"out_trade_no":"o1","attach":"r1","description":"vending o1","time_expire_ms":1501818960000,"amount":{"total":350,"currency":"CNY"}}`,
		},
		"query": {"GET /v3/pay/transactions/out-trade-no/o1", ""},
		"close": {"POST /v3/pay/transactions/out-trade-no/o1/close", ""},
		"refund": {
			"POST /v3/refund/domestic/refunds",
			`{"out_trade_no":"o1","transaction_id":"4200","out_refund_no":"R1","amount":{"total":350,"refund":350,"currency":"CNY"}}`,
		},
	}
	for name, call := range calls(c) {
		if err := call(t.Context()); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got != want[name] {
			t.Errorf("%s sent\n%+v\nwant\n%+v", name, got, want[name])
		}
	}
}

func TestQueryTellsWhatBecameOfAnOrder(t *testing.T) {
	paid := service.Payment{Channel: service.WeChat, OrderID: "o1", TransactionID: "4200", Fen: 350, PaidMS: 1_501_818_960_000}
	fields := `,"transaction_id":"4200","amount":{"total":350,"payer_total":340},"success_ms":1501818960000}`
	tests := []struct {
		name, answer string
		want         service.ChannelState
		fails        bool
	}{
		{"paid", `{"out_trade_no":"o1","trade_state":"SUCCESS"` + fields, service.ChannelState{State: service.TradeSuccess, Payment: paid}, false},
		{"refunded", `{"out_trade_no":"o1","trade_state":"REFUND"` + fields, service.ChannelState{State: service.TradeRefunded, Payment: paid}, false},
		{"not paid", `{"out_trade_no":"o1","trade_state":"NOTPAY","amount":{"total":350}}`, service.ChannelState{State: service.TradeNotPaid}, false},
		{"closed", `{"out_trade_no":"o1","trade_state":"CLOSED"}`, service.ChannelState{State: service.TradeClosed}, false},
		{"a state that nobody knows", `{"out_trade_no":"o1","trade_state":"USERPAYING"}`, service.ChannelState{}, true},
		{"paid, without an amount", `{"out_trade_no":"o1","trade_state":"SUCCESS","transaction_id":"4200"}`, service.ChannelState{}, true},
		{"paid, without a transaction", `{"out_trade_no":"o1","trade_state":"SUCCESS","amount":{"total":350}}`, service.ChannelState{}, true},
		{"another order", `{"out_trade_no":"o2","trade_state":"NOTPAY"}`, service.ChannelState{}, true},
		{"no JSON", `<html>`, service.ChannelState{}, true},
		{"empty", ``, service.ChannelState{}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := upstream(t, 5*time.Second, answers(200, tt.answer)).Query(t.Context(), "o1")
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("got %+v, %v\nwant %+v", got, err, tt.want)
			}
			if isDefinite(err) {
				t.Errorf("%v is taken for a definite answer", err)
			}
		})
	}
}

func TestAnswersAreDefiniteOrNot(t *testing.T) {
	code := func(c string) string { return `{"code":"` + c + `","message":"m"}` }
	tests := []struct {
		name     string
		status   int
		body     string
		definite bool
	}{
		{"a refusal with the channel's code", 403, code("NOT_ENOUGH"), true},
		{"an order that does not exist", 404, code("ORDER_NOT_EXIST"), true},
		{"a signature refused", 401, code("SIGN_ERROR"), true},
		{"a refusal without a code is not the channel's", 404, "<html>not found</html>", false},
		{"a refusal with an empty code", 400, `{}`, false},
		{"come again later", 429, code("RATELIMIT_EXCEEDED"), false},
		{"a time-out on the way", 408, code("TIMEOUT"), false},
		{"the channel broke", 500, code("SYSTEM_ERROR"), false},
		{"the channel is away", 503, code("OVERLOADED"), false},
		{"a redirect", 302, code("MOVED"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := upstream(t, 5*time.Second, answers(tt.status, tt.body))
			for name, call := range calls(c) {
				err := call(t.Context())
				if err == nil || isDefinite(err) != tt.definite {
					t.Errorf("%s: %v, want definite: %t", name, err, tt.definite)
				}
			}
		})
	}
}

func TestDefiniteAnswersHaveTheirNames(t *testing.T) {
	_, err := upstream(t, 5*time.Second, answers(404, `{"code":"ORDER_NOT_EXIST","message":"none"}`)).Query(t.Context(), "o1")
	if !errors.Is(err, service.ErrOrderUnknown) {
		t.Errorf("query: %v", err)
	}
	err = upstream(t, 5*time.Second, answers(400, `{"code":"ORDER_PAID","message":"paid"}`)).Close(t.Context(), "o1")
	if !errors.Is(err, service.ErrAlreadyPaid) {
		t.Errorf("close: %v", err)
	}
	err = upstream(t, 5*time.Second, answers(403, `{"code":"NOT_ENOUGH","message":"a\nb"}`)).Refund(t.Context(), refund)
	var no *service.ChannelError
	if !errors.As(err, &no) || no.Status != 403 || no.Code != "NOT_ENOUGH" || no.Message != "a?b" {
		t.Errorf("refund: %#v", err)
	}
}

func TestARefundThatIsNotSuccessIsIndeterminate(t *testing.T) {
	for _, answer := range []string{
		`{"out_refund_no":"R1","status":"PROCESSING"}`, `{"out_refund_no":"R2","status":"SUCCESS"}`, `{}`,
	} {
		err := upstream(t, 5*time.Second, answers(200, answer)).Refund(t.Context(), refund)
		if err == nil || isDefinite(err) {
			t.Errorf("%s: %v, want an indeterminate error", answer, err)
		}
	}
}

func TestATimeoutIsIndeterminate(t *testing.T) {
	c := upstream(t, 50*time.Millisecond, func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body) // the server only sees the client go once the body is read
		<-r.Context().Done()
	})
	for name, call := range calls(c) {
		err := call(t.Context())
		if !errors.Is(err, context.DeadlineExceeded) || isDefinite(err) {
			t.Errorf("%s: %v, want an indeterminate time-out", name, err)
		}
	}
}

func TestATimeoutCoversTheBody(t *testing.T) {
	c := upstream(t, 50*time.Millisecond, func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"code_url":`)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	if _, err := c.Prepay(t.Context(), prepay); !errors.Is(err, context.DeadlineExceeded) || isDefinite(err) {
		t.Errorf("got %v, want an indeterminate time-out", err)
	}
}

func TestAResetIsIndeterminate(t *testing.T) {
	c := upstream(t, 5*time.Second, func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		conn.(*net.TCPConn).SetLinger(0)
		conn.Close()
	})
	for name, call := range calls(c) {
		if err := call(t.Context()); err == nil || isDefinite(err) {
			t.Errorf("%s: %v, want an indeterminate error", name, err)
		}
	}
}

func TestNobodyListeningIsIndeterminate(t *testing.T) {
	s := httptest.NewServer(http.NotFoundHandler())
	s.Close()
	for name, call := range calls(clientOf(t, s.URL, 5*time.Second)) {
		if err := call(t.Context()); err == nil || isDefinite(err) {
			t.Errorf("%s: %v, want an indeterminate error", name, err)
		}
	}
}

func TestAnOversizedAnswerIsRefused(t *testing.T) {
	pad, err := json.Marshal(strings.Repeat("x", 64<<10))
	if err != nil {
		t.Fatal(err)
	}
	c := upstream(t, 5*time.Second, answers(200, `{"code_url":"weixin://1","pad":`+string(pad)+`}`))
	if _, err := c.Prepay(t.Context(), prepay); err == nil || isDefinite(err) || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("got %v, want an indeterminate error about the length", err)
	}
}

// One upstream never gets more connections than its pool, and a call that waits for one gives up in time.
func TestThePoolBoundsConnections(t *testing.T) {
	const pool = 4
	var connections atomic.Int64
	held, release := make(chan struct{}, 100), make(chan struct{})
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held <- struct{}{}
		<-release
		answers(200, `{"code_url":"weixin://1"}`)(w, r)
	}))
	s.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	s.Start()
	defer s.Close()
	tr := paychan.NewTransport(pool)
	defer tr.CloseIdleConnections()
	client := func(timeout time.Duration) *paychan.Client {
		c, err := paychan.NewClient(paychan.ClientConfig{
			Channel: service.WeChat, BaseURL: s.URL, Key: apiKey, Timeout: timeout, Transport: tr,
		})
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	patient, hasty := client(time.Minute), client(50*time.Millisecond)

	answered := make(chan error)
	for range pool {
		go func() { _, err := patient.Prepay(context.Background(), prepay); answered <- err }()
	}
	for range pool {
		<-held
	}
	for range 3 {
		if _, err := hasty.Prepay(t.Context(), prepay); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with the pool taken: %v, want a time-out", err)
		}
	}
	close(release)
	for range pool {
		if err := <-answered; err != nil {
			t.Errorf("with a connection of the pool: %v", err)
		}
	}
	if n := connections.Load(); n != pool {
		t.Errorf("%d connections, want the pool's %d", n, pool)
	}
}

func TestIdentity(t *testing.T) {
	const openid = "oLR_secret+buyer"
	var uri string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		uri = r.RequestURI
		key := func(name string) ([]byte, bool) { return apiKey, name == lrhmac.Merchant }
		if _, err := lrhmac.Verify(r.Header.Get("Authorization"), key, r.Method, r.RequestURI, nil, time.Now()); err != nil {
			t.Error(err)
		}
		if r.URL.Query().Get("channel") == "alipay" {
			<-r.Context().Done()
			return
		}
		answers(200, `{"unionid":"uLRo1"}`)(w, r)
	}))
	defer s.Close()
	tr := paychan.NewTransport(2)
	defer tr.CloseIdleConnections()
	i, err := paychan.NewIdentity(paychan.IdentityConfig{
		BaseURL: s.URL + "/", Timeout: 100 * time.Millisecond, Transport: tr,
		Keys: map[service.Channel][]byte{service.WeChat: apiKey, service.Alipay: apiKey},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := i.UnionID(t.Context(), service.WeChat, openid)
	if err != nil || got != "uLRo1" || uri != "/unionid?channel=wechat&openid=oLR_secret%2Bbuyer" {
		t.Errorf("got %q, %v for %s", got, err, uri)
	}
	_, err = i.UnionID(t.Context(), service.Alipay, openid)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v, want a time-out", err)
	}
	if strings.Contains(err.Error(), "secret") {
		t.Errorf("the error names the buyer: %v", err)
	}
	if _, err := i.UnionID(t.Context(), "cash", openid); err == nil {
		t.Error("asked without a key")
	}
}

func TestConfigsAreChecked(t *testing.T) {
	tr := paychan.NewTransport(1)
	good := paychan.ClientConfig{Channel: service.WeChat, BaseURL: "http://127.0.0.1:1", Key: apiKey, Timeout: time.Second, Transport: tr}
	w, _ := world()
	h, _, err := w.Sign(payment, notifyID, time.Now(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	serial := h.Get("Wechatpay-Serial")
	wechat := func(keys map[string]string) error {
		_, err := paychan.NewWeChat(paychan.WeChatConfig{AppID: "wx", MchID: "1", APIv3Key: strings.Repeat("k", 32), Platform: keys})
		return err
	}
	client := func(change func(*paychan.ClientConfig)) error {
		c := good
		change(&c)
		_, err := paychan.NewClient(c)
		return err
	}
	_, badKey := paychan.NewWeChat(paychan.WeChatConfig{AppID: "wx", MchID: "1", APIv3Key: "short"})
	_, badAlipay := paychan.NewAlipay(paychan.AlipayConfig{AppID: "2021", PublicKey: "AAAA"})
	tests := []struct {
		name, want string
		err        error
	}{
		{"no channel", "channel's name", client(func(c *paychan.ClientConfig) { c.Channel = "" })},
		{"no key", "no API key", client(func(c *paychan.ClientConfig) { c.Key = nil })},
		{"no host", "base URL", client(func(c *paychan.ClientConfig) { c.BaseURL = "127.0.0.1:80" })},
		{"a URL with a query", "base URL", client(func(c *paychan.ClientConfig) { c.BaseURL += "/?a=1" })},
		{"no time-out", "time-out", client(func(c *paychan.ClientConfig) { c.Timeout = 0 })},
		{"no transport", "transport", client(func(c *paychan.ClientConfig) { c.Transport = nil })},
		{"no platform key", "no platform certificate", wechat(nil)},
		{"a platform key that is no PEM", "not PEM", wechat(map[string]string{serial: "x"})},
		{"a public key under a serial number", "not a certificate", wechat(map[string]string{
			"01": "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
		})},
		{"an API v3 key too short", "has 5 bytes", badKey},
		{"an Alipay key that is none", "public key", badAlipay},
	}
	for _, tt := range tests {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: got %v, want it to say %q", tt.name, tt.err, tt.want)
		}
	}
}
