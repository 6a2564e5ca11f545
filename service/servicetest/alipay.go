package servicetest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"
)

// An AlipaySigner signs notifications as Alipay does.
type AlipaySigner struct {
	PublicKey string // base64 of PKIX
	key       *rsa.PrivateKey
}

// AlipayAppID is the app that the notifications are for.
const AlipayAppID = "2021000000000001"

// NewAlipaySigner makes a signer with a key of its own.
func NewAlipaySigner(tb testing.TB) *AlipaySigner {
	tb.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		tb.Fatal(err)
	}
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		tb.Fatal(err)
	}
	return &AlipaySigner{PublicKey: base64.StdEncoding.EncodeToString(public), key: key}
}

// Notification is the signed form that tells of a payment. Extra fields are signed along; an empty one is left out.
func (s *AlipaySigner) Notification(tb testing.TB, t Trade, extra map[string]string) string {
	tb.Helper()
	yuan := func(fen int64) string { return fmt.Sprintf("%d.%02d", fen/100, fen%100) }
	china := time.FixedZone("CST", 8*3600)
	fields := map[string]string{
		"notify_time": time.Now().In(china).Format(time.DateTime), "notify_type": "trade_status_sync", "notify_id": "n" + t.TransactionID,
		"app_id": AlipayAppID, "charset": "utf-8", "version": "1.0", "sign_type": "RSA2", "trade_no": t.TransactionID,
		"out_trade_no": t.OrderID, "buyer_id": "2088000000000001", "seller_id": "2088100000000001", "trade_status": "TRADE_SUCCESS",
		"total_amount": yuan(t.Fen), "receipt_amount": yuan(t.Fen), "gmt_payment": time.UnixMilli(t.PaidMS).In(china).Format(time.DateTime),
	}
	maps.Copy(fields, extra)
	maps.DeleteFunc(fields, func(_, v string) bool { return v == "" })
	var pairs []string
	for _, k := range slices.Sorted(maps.Keys(fields)) {
		if k != "sign_type" {
			pairs = append(pairs, k+"="+fields[k])
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(pairs, "&")))
	sign, err := rsa.SignPKCS1v15(rand.Reader, s.key, crypto.SHA256, sum[:])
	if err != nil {
		tb.Fatal(err)
	}
	form := url.Values{"sign": {base64.StdEncoding.EncodeToString(sign)}}
	for k, v := range fields {
		form.Set(k, v)
	}
	return form.Encode()
}
