package paysign

import (
	"cmp"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Alipay is the platform's side of Alipay: it signs notifications. See [GenerateAlipay].
type Alipay struct {
	material AlipayMaterial
	key      *rsa.PrivateKey
}

var _ Signer = (*Alipay)(nil)

// Material is what the merchant is given.
func (a *Alipay) Material() AlipayMaterial { return a.material }

// Channel is "alipay".
func (a *Alipay) Channel() string { return "alipay" }

// Sign makes the notification TRADE_SUCCESS. Its notify_time is now; notify_id stays over retries.
func (a *Alipay) Sign(p Payment, notifyID string, created, now time.Time) (http.Header, []byte, error) {
	return a.seal(a.payment(p, notifyID, created, now))
}

// SignRefund makes the notification of a refund: TRADE_SUCCESS once more with refund_fee and out_biz_no while part of
// the money stays paid, TRADE_CLOSED when all of it is back. refund_fee is what was given back so far.
func (a *Alipay) SignRefund(r Refund, notifyID string, created, now time.Time) (http.Header, []byte, error) {
	if err := r.check(); err != nil {
		return nil, nil, err
	}
	f := a.payment(r.Payment, notifyID, created, now)
	if r.full() {
		f.set("trade_status", "TRADE_CLOSED")
		f.set("gmt_close", alipayTime(r.At))
	}
	f.set("refund_fee", yuan(r.TotalFen))
	f.set("out_biz_no", r.RefundNo)
	f.set("gmt_refund", r.At.In(beijing).Format(alipayLayout+".000"))
	return a.seal(f)
}

// SignBad makes a notification that must be refused. Alipay has no SIGNTEST and no encrypted resource.
func (a *Alipay) SignBad(kind Bad, p Payment, notifyID string, created, now time.Time) (http.Header, []byte, error) {
	switch kind {
	case Amount:
		p.Fen++
		return a.Sign(p, notifyID, created, now)
	case Unknown:
		p.OrderID = unknownOrder(p.OrderID)
		return a.Sign(p, notifyID, created, now)
	case Replayed:
		return a.Sign(p, notifyID, created, now.Add(-replayAge))
	case Forged:
		other := p
		other.OrderID, other.Fen = unknownOrder(p.OrderID), p.Fen+1
		signed := a.payment(other, notifyID, created, now)
		sig, err := a.signature(signed)
		if err != nil {
			return nil, nil, err
		}
		return alipayHeader(), a.payment(p, notifyID, created, now).encode(sig), nil
	case Reencoded:
		// A plus sign that something decoded and wrote back as it stood: it arrives as a space.
		f := a.payment(p, notifyID, created, now)
		f.set("subject", "1+1")
		sig, err := a.signature(f)
		if err != nil {
			return nil, nil, err
		}
		f.set("subject", "1 1")
		return alipayHeader(), f.encode(sig), nil
	}
	return nil, nil, fmt.Errorf("%w: alipay %q", ErrKind, kind)
}

func (a *Alipay) payment(p Payment, notifyID string, created, now time.Time) form {
	amount := yuan(p.Fen)
	bills, _ := json.Marshal([]map[string]string{{"amount": amount, "fundChannel": "ALIPAYACCOUNT"}}) // strings only: never fails
	f := form{
		{"app_id", a.material.AppID},
		{"auth_app_id", a.material.AppID},
		{"buyer_id", p.BuyerID},
		{"buyer_pay_amount", amount},
		{"charset", "utf-8"},
		{"fund_bill_list", string(bills)},
		{"gmt_create", alipayTime(created)},
		{"gmt_payment", alipayTime(p.PaidAt)},
		{"invoice_amount", amount},
		{"notify_id", notifyID},
		{"notify_time", alipayTime(now)},
		{"notify_type", "trade_status_sync"},
		{"out_trade_no", p.OrderID},
		{"passback_params", p.Attach},
		{"point_amount", "0.00"},
		{"receipt_amount", amount},
		{"seller_id", a.material.SellerID},
		{"subject", "vending " + p.OrderID},
		{"total_amount", amount},
		{"trade_no", p.TransactionID},
		{"trade_status", "TRADE_SUCCESS"},
		{"version", "1.0"},
	}
	// SDKs disagree on whether an empty value is signed, so none is ever sent.
	return slices.DeleteFunc(f, func(kv field) bool { return kv.value == "" })
}

func (a *Alipay) seal(f form) (http.Header, []byte, error) {
	for _, kv := range f {
		// Some SDKs decode twice; a percent sign would then change.
		if strings.Contains(kv.value, "%") {
			return nil, nil, fmt.Errorf("alipay: %s holds a percent sign", kv.key)
		}
	}
	sig, err := a.signature(f)
	if err != nil {
		return nil, nil, err
	}
	return alipayHeader(), f.encode(sig), nil
}

func (a *Alipay) signature(f form) (string, error) {
	sum := sha256.Sum256([]byte(f.signed()))
	sig, err := rsa.SignPKCS1v15(rand.Reader, a.key, crypto.SHA256, sum[:])
	if err != nil {
		return "", fmt.Errorf("signing a notification: %w", err)
	}
	return base64.StdEncoding.EncodeToString(sig), nil
}

// A form is the fields of a notification, sorted by key, without sign and sign_type.
type form []field

type field struct{ key, value string }

func (f *form) set(key, value string) {
	i, found := slices.BinarySearchFunc(*f, key, func(kv field, key string) int { return cmp.Compare(kv.key, key) })
	if found {
		(*f)[i].value = value
		return
	}
	*f = slices.Insert(*f, i, field{key, value})
}

// signed is the text under the signature: the decoded values, joined.
func (f form) signed() string {
	var b strings.Builder
	for i, kv := range f {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(kv.key)
		b.WriteByte('=')
		b.WriteString(kv.value)
	}
	return b.String()
}

// encode is the body. QueryEscape writes a plus sign as %2B.
func (f form) encode(sig string) []byte {
	var b strings.Builder
	for _, kv := range f {
		b.WriteString(kv.key)
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(kv.value))
		b.WriteByte('&')
	}
	b.WriteString("sign=")
	b.WriteString(url.QueryEscape(sig))
	b.WriteString("&sign_type=RSA2")
	return []byte(b.String())
}

func alipayHeader() http.Header {
	return http.Header{
		"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"},
		"User-Agent":   {"Mozilla/4.0"},
	}
}

const alipayLayout = "2006-01-02 15:04:05"

func alipayTime(t time.Time) string { return t.In(beijing).Format(alipayLayout) }

// yuan writes fen as yuan with two decimals.
func yuan(fen int64) string {
	sign := ""
	if fen < 0 {
		sign, fen = "-", -fen
	}
	return fmt.Sprintf("%s%d.%02d", sign, fen/100, fen%100)
}
