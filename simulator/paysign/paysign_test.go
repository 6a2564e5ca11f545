package paysign_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/simulator/paysign"
)

var world = sync.OnceValues(func() (*paysign.WeChat, *paysign.Alipay) {
	w, a, err := paysign.Generate()
	if err != nil {
		panic(err)
	}
	return w, a
})

func signers() []paysign.Signer {
	w, a := world()
	return []paysign.Signer{w, a}
}

var (
	created = time.Date(2017, 8, 4, 3, 56, 0, 0, time.UTC)
	payment = paysign.Payment{
		OrderID: "20170804115600000001", TransactionID: "4200000001", BuyerID: "oLR_o000001",
		Attach: "o000001", Fen: 350, PaidAt: created.Add(-time.Second),
	}
)

func must(t *testing.T) func(http.Header, []byte, error) (http.Header, []byte) {
	return func(h http.Header, body []byte, err error) (http.Header, []byte) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return h, body
	}
}

func TestWeChatSendsWhatThePlatformSends(t *testing.T) {
	w, _ := world()
	h, body := must(t)(w.Sign(payment, "n1", created, created.Add(time.Minute)))
	for key, want := range map[string]string{
		"User-Agent":               "^Mozilla/4.0$",
		"Accept":                   `^\*/\*$`,
		"Pragma":                   "^no-cache$",
		"Content-Type":             "^application/json$",
		"Wechatpay-Signature-Type": "^WECHATPAY2-SHA256-RSA2048$",
		"Wechatpay-Nonce":          "^[0-9A-Za-z]{32}$",
		"Wechatpay-Timestamp":      "^1501819020$",
		"Wechatpay-Serial":         "^[0-9A-F]{40}$",
		"Wechatpay-Signature":      "^[0-9A-Za-z+/]{342}==$",
	} {
		if got := h.Get(key); !regexp.MustCompile(want).MatchString(got) {
			t.Errorf("%s: %q, want %s", key, got, want)
		}
	}
	var n struct {
		ID           string `json:"id"`
		CreateTime   string `json:"create_time"`
		ResourceType string `json:"resource_type"`
		EventType    string `json:"event_type"`
		Resource     struct {
			OriginalType   string `json:"original_type"`
			Algorithm      string `json:"algorithm"`
			Ciphertext     string `json:"ciphertext"`
			AssociatedData string `json:"associated_data"`
			Nonce          string `json:"nonce"`
		} `json:"resource"`
	}
	if err := json.Unmarshal(body, &n); err != nil {
		t.Fatal(err)
	}
	if n.ID != "n1" || n.CreateTime != "2017-08-04T11:56:00+08:00" || n.ResourceType != "encrypt-resource" ||
		n.EventType != "TRANSACTION.SUCCESS" || n.Resource.Algorithm != "AEAD_AES_256_GCM" ||
		n.Resource.OriginalType != "transaction" || len(n.Resource.Nonce) != 12 {
		t.Errorf("got %s", body)
	}

	block, err := aes.NewCipher([]byte(w.Material().APIv3Key))
	if err != nil {
		t.Fatal(err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := base64.StdEncoding.DecodeString(n.Resource.Ciphertext)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := aead.Open(nil, []byte(n.Resource.Nonce), sealed, []byte(n.Resource.AssociatedData))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"mchid":"` + w.Material().MchID + `","appid":"` + w.Material().AppID + `","out_trade_no":"20170804115600000001",` +
		`"transaction_id":"4200000001","trade_type":"NATIVE","trade_state":"SUCCESS","trade_state_desc":"支付成功","bank_type":"OTHERS",` +
		`"attach":"o000001","success_time":"2017-08-04T11:55:59+08:00","payer":{"openid":"oLR_o000001"},` +
		`"amount":{"total":350,"payer_total":350,"currency":"CNY","payer_currency":"CNY"}}`
	if string(plain) != want {
		t.Errorf("got  %s\nwant %s", plain, want)
	}
}

func TestARetryIsTheSameNotificationFreshlySigned(t *testing.T) {
	w, a := world()
	h1, b1 := must(t)(w.Sign(payment, "n1", created, created))
	h2, b2 := must(t)(w.Sign(payment, "n1", created, created.Add(15*time.Second)))
	if !bytes.Equal(b1, b2) {
		t.Errorf("wechat: the body changed over a retry:\n%s\n%s", b1, b2)
	}
	for _, key := range []string{"Wechatpay-Timestamp", "Wechatpay-Nonce", "Wechatpay-Signature"} {
		if h1.Get(key) == h2.Get(key) {
			t.Errorf("wechat: %s is not fresh", key)
		}
	}

	_, b1 = must(t)(a.Sign(payment, "n1", created, created))
	_, b2 = must(t)(a.Sign(payment, "n1", created, created.Add(4*time.Minute)))
	v1, _ := url.ParseQuery(string(b1))
	v2, _ := url.ParseQuery(string(b2))
	for key := range v1 {
		fresh := key == "sign" || key == "notify_time"
		if (v1.Get(key) != v2.Get(key)) != fresh {
			t.Errorf("alipay: %s was %q, then %q", key, v1.Get(key), v2.Get(key))
		}
	}
}

func TestAlipaySendsNothingThatSDKsDisagreeOn(t *testing.T) {
	_, a := world()
	p := payment
	p.Attach = ""  // an empty value is left out
	for range 20 { // about every third signature has a plus sign
		_, body := must(t)(a.Sign(p, "n1", created, created))
		v, err := url.ParseQuery(string(body))
		if err != nil {
			t.Fatal(err)
		}
		for key, all := range v {
			if len(all) != 1 || all[0] == "" || (key != "sign" && strings.ContainsAny(all[0], "%&")) {
				t.Errorf("%s: %q", key, all)
			}
		}
		if v.Has("passback_params") || v.Has("alipay_cert_sn") {
			t.Errorf("sends too much: %v", v)
		}
		if sign := body[bytes.Index(body, []byte("&sign=")):]; bytes.ContainsRune(sign, '+') {
			t.Errorf("a plus sign is not escaped: %s", sign)
		}
		if v.Get("total_amount") != "3.50" || v.Get("notify_time") != "2017-08-04 11:56:00" || v.Get("trade_status") != "TRADE_SUCCESS" {
			t.Errorf("got %v", v)
		}
	}
	p.Attach = "100%"
	if _, _, err := a.Sign(p, "n1", created, created); err == nil {
		t.Error("signed a value with a percent sign")
	}
}

func TestAlipayRefunds(t *testing.T) {
	_, a := world()
	refund := paysign.Refund{Payment: payment, RefundNo: "R1", RefundID: "50", Fen: 100, TotalFen: 150, At: created}
	_, body := must(t)(a.SignRefund(refund, "n1", created, created))
	v, _ := url.ParseQuery(string(body))
	if v.Get("trade_status") != "TRADE_SUCCESS" || v.Get("refund_fee") != "1.50" || v.Get("out_biz_no") != "R1" || v.Get("total_amount") != "3.50" {
		t.Errorf("partial: %v", v)
	}
	refund.Fen, refund.TotalFen = 200, 350
	_, body = must(t)(a.SignRefund(refund, "n1", created, created))
	if v, _ = url.ParseQuery(string(body)); v.Get("trade_status") != "TRADE_CLOSED" || v.Get("refund_fee") != "3.50" || v.Get("gmt_close") == "" {
		t.Errorf("full: %v", v)
	}
}

func TestRefundsOfNothingOrTooMuchAreNotSigned(t *testing.T) {
	for _, s := range signers() {
		for _, r := range []paysign.Refund{{Fen: 0, TotalFen: 100}, {Fen: 351, TotalFen: 351}, {Fen: 200, TotalFen: 100}} {
			r.Payment, r.RefundNo, r.At = payment, "R1", created
			if _, _, err := s.SignRefund(r, "n1", created, created); err == nil {
				t.Errorf("%s: signed a refund of %d, %d in all, of %d", s.Channel(), r.Fen, r.TotalFen, payment.Fen)
			}
		}
	}
}

func TestABadKindThatAChannelLacksIsAnError(t *testing.T) {
	for _, s := range signers() {
		made := map[paysign.Bad]bool{}
		for _, k := range paysign.Kinds(s.Channel()) {
			made[k] = true
		}
		all := append(paysign.Kinds("wechat"), "nonsense")
		for _, k := range all {
			_, _, err := s.SignBad(k, payment, "n1", created, created)
			if errors.Is(err, paysign.ErrKind) == made[k] || (err != nil) == made[k] {
				t.Errorf("%s %s: %v, listed: %t", s.Channel(), k, err, made[k])
			}
		}
	}
}

func TestRotationGoesByShareAndKeepsToItsChoice(t *testing.T) {
	w, err := paysign.GenerateWeChat()
	if err != nil {
		t.Fatal(err)
	}
	ids := make([]string, 60)
	for i := range ids {
		ids[i] = "notify-" + string(rune('a'+i%26)) + string(rune('a'+i/26))
	}
	before := map[string]bool{}
	for _, share := range append([]float64{0}, paysign.RotationSteps...) {
		w.Rotate(share)
		moved := 0
		for _, id := range ids {
			h, _ := must(t)(w.Sign(payment, id, created, created))
			public := strings.HasPrefix(h.Get("Wechatpay-Serial"), "PUB_KEY_ID_")
			if before[id] && !public {
				t.Errorf("at share %v %s went back to the certificate", share, id)
			}
			if before[id] = public; public {
				moved++
			}
		}
		// Ten standard deviations of a binomial are far wider than any luck.
		if got := float64(moved) / float64(len(ids)); got < share-0.4 || got > share+0.4 || (share == 0 && moved > 0) || (share == 1 && got < 1) {
			t.Errorf("at share %v, %d of %d by public key", share, moved, len(ids))
		}
	}
}

func BenchmarkGenerate(b *testing.B) {
	for b.Loop() {
		if _, _, err := paysign.Generate(); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSign(b *testing.B) {
	for _, s := range signers() {
		b.Run(s.Channel(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, _, err := s.Sign(payment, "n1", created, created); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
