package paychan_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/paychan"
	"github.com/lunchrush/lunchrush/service/servicetest"
	"github.com/lunchrush/lunchrush/simulator/paysign"
)

// A channel is both ends of one: what signs and what checks.
type channel struct {
	paysign.Signer
	service.Verifier
}

// world makes the keys once for all tests of the package; RSA keys are slow to make.
var world = sync.OnceValues(func() (wechat, alipay channel) {
	w, a, err := paysign.Generate()
	if err != nil {
		panic(err)
	}
	return channel{w, mustWeChat(w.Material())}, channel{a, mustAlipay(a.Material())}
})

func mustWeChat(m paysign.WeChatMaterial) *paychan.WeChat {
	v, err := paychan.NewWeChat(paychan.WeChatConfig{AppID: m.AppID, MchID: m.MchID, APIv3Key: m.APIv3Key, Platform: m.Platform()})
	if err != nil {
		panic(err)
	}
	return v
}

func mustAlipay(m paysign.AlipayMaterial) *paychan.Alipay {
	v, err := paychan.NewAlipay(paychan.AlipayConfig{AppID: m.AppID, SellerID: m.SellerID, PublicKey: m.PublicKey})
	if err != nil {
		panic(err)
	}
	return v
}

func channels() []channel {
	w, a := world()
	return []channel{w, a}
}

var payment = paysign.Payment{
	OrderID: "20170804115600000001", TransactionID: "4200000001201708041156000001", BuyerID: "oLR__________________o000001",
	Attach: "o000001", Fen: 350, PaidAt: time.UnixMilli(1_501_818_960_000),
}

const notifyID = "7c1ff0a9-8c1f-5a6d-9a51-20170804"

// request is what a gate hands to a verifier.
func request(h http.Header, body []byte) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/notify", bytes.NewReader(body))
	r.Header = h
	return r
}

func wantRefusal(t *testing.T, err error, reason string, status int) {
	t.Helper()
	var r *service.Refusal
	if !errors.As(err, &r) {
		t.Fatalf("got error %v, want a refusal %q", err, reason)
	}
	if r.Reason != reason || r.Status != status {
		t.Errorf("refused as %q with %d (%s), want %q with %d", r.Reason, r.Status, r.Detail, reason, status)
	}
}

func TestVerifyTakesWhatTheChannelSigns(t *testing.T) {
	for _, c := range channels() {
		t.Run(c.Channel(), func(t *testing.T) {
			now := time.Now()
			h, body, err := c.Sign(payment, notifyID, now.Add(-time.Hour), now)
			if err != nil {
				t.Fatal(err)
			}
			got, err := c.Verify(request(h, body), body)
			if err != nil {
				t.Fatal(err)
			}
			want := service.Payment{
				Channel: service.Channel(c.Channel()), NotifyID: notifyID, OrderID: payment.OrderID,
				TransactionID: payment.TransactionID, BuyerID: payment.BuyerID, Fen: 350, PaidMS: payment.PaidAt.UnixMilli(),
			}
			if got != want {
				t.Errorf("got  %+v\nwant %+v", got, want)
			}
		})
	}
}

// A payment whose buyer is not told is paid all the same.
func TestVerifyTakesAPaymentWithoutItsBuyer(t *testing.T) {
	for _, c := range channels() {
		p := payment
		p.BuyerID = ""
		h, body, err := c.Sign(p, notifyID, time.Now(), time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.Verify(request(h, body), body); err != nil || got.BuyerID != "" || got.Fen != 350 {
			t.Errorf("%s: %+v, %v", c.Channel(), got, err)
		}
	}
}

// Alipay tells some apps the buyer's open id, and no buyer id.
func TestAlipayTellsTheBuyerByEitherName(t *testing.T) {
	signer := servicetest.NewAlipaySigner(t)
	v, err := paychan.NewAlipay(paychan.AlipayConfig{AppID: servicetest.AlipayAppID, PublicKey: signer.PublicKey})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		told map[string]string
		want string
	}{
		{"by buyer id", map[string]string{"buyer_id": "2088", "buyer_open_id": "074a"}, "2088"},
		{"by open id", map[string]string{"buyer_id": "", "buyer_open_id": "074a"}, "074a"},
		{"not at all", map[string]string{"buyer_id": ""}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			body := []byte(signer.Notification(t, servicetest.Trade{OrderID: "o1", TransactionID: "t1", Fen: 350, PaidMS: time.Now().UnixMilli()}, test.told))
			h := http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
			if p, err := v.Verify(request(h, body), body); err != nil || p.BuyerID != test.want {
				t.Errorf("buyer %q, %v", p.BuyerID, err)
			}
		})
	}
}

func TestVerifyTakesEveryAmountToTheFen(t *testing.T) {
	for _, c := range channels() {
		for _, fen := range []int64{1, 9, 10, 99, 100, 101, 1999, 2050, 100_000_000_00} {
			p := payment
			p.Fen = fen
			h, body, err := c.Sign(p, notifyID, time.Now(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if got, err := c.Verify(request(h, body), body); err != nil || got.Fen != fen {
				t.Errorf("%s: %d fen arrived as %d, %v", c.Channel(), fen, got.Fen, err)
			}
		}
	}
}

func TestVerifyTakesEitherKeyWhileTheyRotate(t *testing.T) {
	w, err := paysign.GenerateWeChat()
	if err != nil {
		t.Fatal(err)
	}
	v := mustWeChat(w.Material())
	seen := map[string]int{}
	for _, share := range []float64{0, 0.5, 1} {
		w.Rotate(share)
		for i := range 20 {
			h, body, err := w.Sign(payment, notifyID+string(rune('a'+i)), time.Now(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			if _, err := v.Verify(request(h, body), body); err != nil {
				t.Fatalf("signed by %s at share %v: %v", h.Get("Wechatpay-Serial"), share, err)
			}
			seen[h.Get("Wechatpay-Serial")]++
		}
	}
	m := w.Material()
	if seen[m.Serial] < 21 || seen[m.PublicKeyID] < 21 {
		t.Errorf("signed by certificate and public key: %v, want both, also within one share", seen)
	}
}

// A retired key is one that the service is no longer given.
func TestVerifyRefusesAKeyThatItWasNotGiven(t *testing.T) {
	w, err := paysign.GenerateWeChat()
	if err != nil {
		t.Fatal(err)
	}
	m := w.Material()
	keys := m.Platform()
	delete(keys, m.Serial)
	v, err := paychan.NewWeChat(paychan.WeChatConfig{AppID: m.AppID, MchID: m.MchID, APIv3Key: m.APIv3Key, Platform: keys})
	if err != nil {
		t.Fatal(err)
	}
	h, body, err := w.Sign(payment, notifyID, time.Now(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	_, err = v.Verify(request(h, body), body)
	wantRefusal(t, err, service.ReasonSignature, 401)
}

func TestVerifyRefusesEveryBadKind(t *testing.T) {
	want := map[paysign.Bad]struct {
		reason string
		status int
	}{
		paysign.Signtest:   {service.ReasonSigntest, 401},
		paysign.Forged:     {service.ReasonSignature, 401},
		paysign.Replayed:   {service.ReasonReplayed, 401},
		paysign.Reencoded:  {service.ReasonSignature, 401},
		paysign.ShortNonce: {service.ReasonMalformed, 400},
		paysign.NoResource: {service.ReasonMalformed, 400},
		// Signed properly: only the service's book can refuse these two.
		paysign.Amount:  {},
		paysign.Unknown: {},
	}
	for _, c := range channels() {
		for _, kind := range paysign.Kinds(c.Channel()) {
			t.Run(c.Channel()+" "+string(kind), func(t *testing.T) {
				h, body, err := c.SignBad(kind, payment, notifyID, time.Now(), time.Now())
				if err != nil {
					t.Fatal(err)
				}
				got, err := c.Verify(request(h, body), body)
				switch w := want[kind]; kind {
				case paysign.Amount:
					if err != nil || got.OrderID != payment.OrderID || got.Fen == payment.Fen {
						t.Errorf("got %+v, %v; want the order with another amount", got, err)
					}
				case paysign.Unknown:
					if err != nil || got.OrderID == payment.OrderID || got.Fen != payment.Fen {
						t.Errorf("got %+v, %v; want another order with the amount", got, err)
					}
				default:
					wantRefusal(t, err, w.reason, w.status)
				}
			})
		}
	}
}

func TestVerifyIgnoresRefundNotices(t *testing.T) {
	for _, c := range channels() {
		for _, refund := range []struct {
			name  string
			total int64
		}{{"partial", 150}, {"full", 350}} {
			t.Run(c.Channel()+" "+refund.name, func(t *testing.T) {
				h, body, err := c.SignRefund(paysign.Refund{
					Payment: payment, RefundNo: "r1", RefundID: "50300001", Fen: 150, TotalFen: refund.total, At: time.Now(),
				}, notifyID, time.Now(), time.Now())
				if err != nil {
					t.Fatal(err)
				}
				_, err = c.Verify(request(h, body), body)
				wantRefusal(t, err, service.ReasonIgnored, 200)
			})
		}
	}
}

func TestVerifyLooksAtTheClock(t *testing.T) {
	tests := []struct {
		name string
		off  time.Duration
		want string
	}{
		{"just within, old", -5*time.Minute + 10*time.Second, ""},
		{"just within, ahead", 5*time.Minute - 10*time.Second, ""},
		{"too old", -5*time.Minute - time.Second, service.ReasonReplayed},
		{"too far ahead", 5*time.Minute + 2*time.Second, service.ReasonReplayed},
		{"last year", -365 * 24 * time.Hour, service.ReasonReplayed},
	}
	for _, c := range channels() {
		for _, tt := range tests {
			t.Run(c.Channel()+" "+tt.name, func(t *testing.T) {
				h, body, err := c.Sign(payment, notifyID, time.Now(), time.Now().Add(tt.off))
				if err != nil {
					t.Fatal(err)
				}
				_, err = c.Verify(request(h, body), body)
				if tt.want != "" {
					wantRefusal(t, err, tt.want, 401)
				} else if err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// Signed by the right platform, for somebody else.
func TestVerifyRefusesAnotherMerchantsPayment(t *testing.T) {
	w, a := world()
	wm, am := w.Signer.(*paysign.WeChat).Material(), a.Signer.(*paysign.Alipay).Material()
	tests := []struct {
		name   string
		signer paysign.Signer
		by     func() (service.Verifier, error)
	}{
		{"wechat app", w.Signer, func() (service.Verifier, error) {
			return paychan.NewWeChat(paychan.WeChatConfig{AppID: "wx0", MchID: wm.MchID, APIv3Key: wm.APIv3Key, Platform: wm.Platform()})
		}},
		{"wechat merchant", w.Signer, func() (service.Verifier, error) {
			return paychan.NewWeChat(paychan.WeChatConfig{AppID: wm.AppID, MchID: "1", APIv3Key: wm.APIv3Key, Platform: wm.Platform()})
		}},
		{"wechat key of another merchant", w.Signer, func() (service.Verifier, error) {
			return paychan.NewWeChat(paychan.WeChatConfig{AppID: wm.AppID, MchID: wm.MchID, APIv3Key: strings.Repeat("k", 32), Platform: wm.Platform()})
		}},
		{"alipay app", a.Signer, func() (service.Verifier, error) {
			return paychan.NewAlipay(paychan.AlipayConfig{AppID: "2021", SellerID: am.SellerID, PublicKey: am.PublicKey})
		}},
		{"alipay seller", a.Signer, func() (service.Verifier, error) {
			return paychan.NewAlipay(paychan.AlipayConfig{AppID: am.AppID, SellerID: "2088", PublicKey: am.PublicKey})
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			v, err := tt.by()
			if err != nil {
				t.Fatal(err)
			}
			h, body, err := tt.signer.Sign(payment, notifyID, time.Now(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			_, err = v.Verify(request(h, body), body)
			wantRefusal(t, err, service.ReasonMalformed, 400)
		})
	}
}

func TestAlipayTakesAnySellerWhenNoneIsSet(t *testing.T) {
	_, a := world()
	m := a.Signer.(*paysign.Alipay).Material()
	v, err := paychan.NewAlipay(paychan.AlipayConfig{AppID: m.AppID, PublicKey: m.PublicKeyPEM})
	if err != nil {
		t.Fatal(err)
	}
	h, body, err := a.Sign(payment, notifyID, time.Now(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(request(h, body), body); err != nil {
		t.Error(err)
	}
}

// The text that Alipay signs joins fields without escaping, so a field can be hidden in the one before it and the
// signature still fits. A partial refund would become a payment.
func TestAlipayRefusesAHiddenRefund(t *testing.T) {
	_, a := world()
	h, body, err := a.SignRefund(paysign.Refund{
		Payment: payment, RefundNo: "r1", Fen: 150, TotalFen: 150, At: time.Now(),
	}, notifyID, time.Now(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	v, err := url.ParseQuery(string(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, hide := range [][2]string{{"notify_type", "out_biz_no"}, {"receipt_amount", "refund_fee"}, {"gmt_payment", "gmt_refund"}} {
		v.Set(hide[0], v.Get(hide[0])+"&"+hide[1]+"="+v.Get(hide[1]))
		v.Del(hide[1])
	}
	v.Set("notify_type", v.Get("notify_type"))
	moved := []byte(v.Encode())
	_, err = a.Verify(request(h, moved), moved)
	wantRefusal(t, err, service.ReasonSignature, 401)
}

func TestAlipayRefusesOddForms(t *testing.T) {
	_, a := world()
	h, good, err := a.Sign(payment, notifyID, time.Now(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	edit := func(change func(url.Values)) []byte {
		v, err := url.ParseQuery(string(good))
		if err != nil {
			t.Fatal(err)
		}
		change(v)
		return []byte(v.Encode())
	}
	json := h.Clone()
	json.Set("Content-Type", "application/json")
	tests := []struct {
		name   string
		header http.Header
		body   []byte
		reason string
		status int
	}{
		{"an empty body", h, nil, service.ReasonMalformed, 400},
		{"not escaped properly", h, []byte("a=%zz"), service.ReasonMalformed, 400},
		{"said to be JSON", json, good, service.ReasonMalformed, 400},
		{"longer than allowed", h, append(bytes.Clone(good), "&x="+strings.Repeat("x", 64<<10)...), service.ReasonMalformed, 400},
		{"a field twice", h, append(bytes.Clone(good), "&total_amount=0.01"...), service.ReasonMalformed, 400},
		{"one field more", h, append(bytes.Clone(good), "&x=1"...), service.ReasonSignature, 401},
		{"an empty field more", h, append(bytes.Clone(good), "&x="...), service.ReasonSignature, 401},
		{"no signature", h, edit(func(v url.Values) { v.Del("sign") }), service.ReasonSignature, 401},
		{"a signature that is no base64", h, edit(func(v url.Values) { v.Set("sign", "!") }), service.ReasonSignature, 401},
		{"the weaker signature type", h, edit(func(v url.Values) { v.Set("sign_type", "RSA") }), service.ReasonSignature, 401},
		{"a certificate's serial number", h, edit(func(v url.Values) { v.Set("alipay_cert_sn", "alipay-public-key") }), service.ReasonSignature, 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := a.Verify(request(tt.header, tt.body), tt.body)
			wantRefusal(t, err, tt.reason, tt.status)
		})
	}
}

func TestWeChatRefusesOddHeaders(t *testing.T) {
	w, _ := world()
	good, body, err := w.Sign(payment, notifyID, time.Now(), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	random := make([]byte, 256)
	rand.Read(random)
	tests := []struct{ name, key, value string }{
		{"no signature", "Wechatpay-Signature", ""},
		{"a signature that is no base64", "Wechatpay-Signature", "!"},
		{"a random signature", "Wechatpay-Signature", base64.StdEncoding.EncodeToString(random)},
		{"no timestamp", "Wechatpay-Timestamp", ""},
		{"a timestamp that is no number", "Wechatpay-Timestamp", "now"},
		{"a timestamp with a sign", "Wechatpay-Timestamp", "+" + good.Get("Wechatpay-Timestamp")},
		{"no nonce", "Wechatpay-Nonce", ""},
		{"no serial", "Wechatpay-Serial", ""},
		{"an unknown serial", "Wechatpay-Serial", "PUB_KEY_ID_0"},
		{"another signature type", "Wechatpay-Signature-Type", "WECHATPAY2-SM2-WITH-SM3"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := good.Clone()
			if h.Set(tt.key, tt.value); tt.value == "" {
				h.Del(tt.key)
			}
			_, err := w.Verify(request(h, body), body)
			wantRefusal(t, err, service.ReasonSignature, 401)
		})
	}
}

// Refusals are logged and recorded, so they hold nothing of what was sent that could be a key, a signature or a buyer.
func TestRefusalsTellNoSecret(t *testing.T) {
	for _, c := range channels() {
		for _, kind := range paysign.Kinds(c.Channel()) {
			h, body, err := c.SignBad(kind, payment, notifyID, time.Now(), time.Now())
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Verify(request(h, body), body)
			if err == nil {
				continue
			}
			v, _ := url.ParseQuery(string(body))
			for _, secret := range []string{h.Get("Wechatpay-Signature"), v.Get("sign"), payment.BuyerID, payment.TransactionID} {
				if secret != "" && strings.Contains(err.Error(), secret) {
					t.Errorf("%s %s: the refusal tells %q: %v", c.Channel(), kind, secret, err)
				}
			}
		}
	}
}
