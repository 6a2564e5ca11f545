package paychan

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/wechatpay-apiv3/wechatpay-go/core"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth"
	"github.com/wechatpay-apiv3/wechatpay-go/core/auth/verifiers"
	"github.com/wechatpay-apiv3/wechatpay-go/core/notify"
	"github.com/wechatpay-apiv3/wechatpay-go/services/payments"

	"github.com/lunchrush/lunchrush/service"
)

// WeChatConfig is what WeChat Pay gives a merchant. At least one of the certificates and the public key must be set;
// with both, notifications of either kind are taken, as during the rotation from one to the other.
type WeChatConfig struct {
	AppID           string
	MchID           string
	APIv3Key        string // 32 bytes
	CertificatesPEM string // platform certificates, one after the other; "" for none
	PublicKeyID     string // "PUB_KEY_ID_..."; "" for none
	PublicKeyPEM    string // PKIX
}

// WeChat checks WeChat Pay v3 notifications. It may be used by many goroutines at once.
type WeChat struct {
	appID, mchID string
	handler      *notify.Handler
}

var _ service.Verifier = (*WeChat)(nil)

// NewWeChat reads the keys. Nothing is fetched, now or later.
func NewWeChat(c WeChatConfig) (*WeChat, error) {
	if c.AppID == "" || c.MchID == "" {
		return nil, errors.New("wechat: app id and merchant id must be set")
	}
	if len(c.APIv3Key) != 32 {
		return nil, fmt.Errorf("wechat: the API v3 key has %d bytes, 32 wanted", len(c.APIv3Key))
	}
	verifier, err := wechatVerifier(c)
	if err != nil {
		return nil, fmt.Errorf("wechat: %w", err)
	}
	handler, err := notify.NewRSANotifyHandler(c.APIv3Key, witness{verifier})
	if err != nil {
		return nil, fmt.Errorf("wechat: %w", err)
	}
	return &WeChat{appID: c.AppID, mchID: c.MchID, handler: handler}, nil
}

func wechatVerifier(c WeChatConfig) (auth.Verifier, error) {
	certs, err := certificates(c.CertificatesPEM)
	if err != nil {
		return nil, err
	}
	if c.PublicKeyID == "" {
		if len(certs) == 0 {
			return nil, errors.New("neither a platform certificate nor a public key is set")
		}
		return verifiers.NewSHA256WithRSAVerifier(core.NewCertificateMapWithList(certs)), nil
	}
	block, _ := pem.Decode([]byte(c.PublicKeyPEM))
	if block == nil {
		return nil, errors.New("the public key is no PEM")
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("the public key: %w", err)
	}
	pub, ok := parsed.(*rsa.PublicKey)
	if !ok {
		return nil, fmt.Errorf("the public key is %T, RSA wanted", parsed)
	}
	if len(certs) == 0 {
		return verifiers.NewSHA256WithRSAPubkeyVerifier(c.PublicKeyID, *pub), nil
	}
	return verifiers.NewSHA256WithRSACombinedVerifier(core.NewCertificateMapWithList(certs), c.PublicKeyID, *pub), nil
}

// certificates reads all certificates of a text. The SDK casts their keys to RSA without looking, so that is checked
// here.
func certificates(text string) ([]*x509.Certificate, error) {
	var out []*x509.Certificate
	for rest := []byte(text); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if len(bytes.TrimSpace(rest)) > 0 {
				return nil, fmt.Errorf("platform certificate %d is no PEM", len(out)+1)
			}
			return out, nil
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("platform certificate %d: %w", len(out)+1, err)
		}
		if _, ok := cert.PublicKey.(*rsa.PublicKey); !ok {
			return nil, fmt.Errorf("platform certificate %d has a key of %T, RSA wanted", len(out)+1, cert.PublicKey)
		}
		out = append(out, cert)
	}
}

const (
	wechatSignatureType = "WECHATPAY2-SHA256-RSA2048"
	signtestPrefix      = "WECHATPAY/SIGNTEST/"
)

// Verify turns a notification into a payment. A verified one that is no payment's success, as REFUND.SUCCESS, is a
// refusal with [service.ReasonIgnored] and status 200.
func (w *WeChat) Verify(r *http.Request, body []byte) (service.Payment, error) {
	if len(body) > maxBody {
		return service.Payment{}, malformed("body too long")
	}
	if err := wechatHeader(r.Header); err != nil {
		return service.Payment{}, err
	}

	var (
		content  payments.Transaction
		verified bool
	)
	ctx := context.WithValue(r.Context(), witnessKey{}, &verified)
	note, err := w.parse(ctx, r.Header, body, &content)
	switch {
	case !verified:
		// The SDK's error repeats the whole request, so it is not passed on.
		return service.Payment{}, badSignature("the signature does not fit the body")
	case note != nil && note.Resource != nil && note.Resource.Plaintext != "" && note.EventType != "TRANSACTION.SUCCESS":
		// Whatever the content looks like: it is not a transaction, so it may not fit one.
		return service.Payment{}, ignored("event " + excerpt(note.EventType, maxID))
	case err != nil:
		return service.Payment{}, malformed("the resource can not be read")
	}
	return w.payment(note, &content)
}

// wechatHeader checks what the SDK is lax about, or refuses without a reason that could be told apart.
func wechatHeader(h http.Header) error {
	sig := h.Get("Wechatpay-Signature")
	switch {
	case sig == "":
		return badSignature("no signature")
	case strings.HasPrefix(sig, signtestPrefix):
		return refused(service.ReasonSigntest, http.StatusUnauthorized, "the channel's own probe")
	case !canonical(sig):
		return badSignature("the signature is no base64")
	}
	if t := h.Get("Wechatpay-Signature-Type"); t != "" && t != wechatSignatureType {
		return badSignature("signature type " + excerpt(t, maxID))
	}
	stamp := h.Get("Wechatpay-Timestamp")
	sec, err := strconv.ParseInt(stamp, 10, 64)
	if err != nil || strconv.FormatInt(sec, 10) != stamp {
		return badSignature("no timestamp")
	}
	if off, too := stale(time.Unix(sec, 0)); too {
		return replayed(off)
	}
	return nil
}

// parse calls the SDK, which panics on properly signed input without a resource or with a nonce that is not 12 bytes.
func (w *WeChat) parse(ctx context.Context, h http.Header, body []byte, content any) (note *notify.Request, err error) {
	defer func() {
		if p := recover(); p != nil {
			note, err = nil, fmt.Errorf("wechatpay-go panicked: %v", p)
		}
	}()
	return w.handler.ParseNotifyRequest(ctx, &http.Request{Header: h, Body: io.NopCloser(bytes.NewReader(body))}, content)
}

func (w *WeChat) payment(note *notify.Request, t *payments.Transaction) (service.Payment, error) {
	if state := text(t.TradeState); state != "SUCCESS" {
		return service.Payment{}, ignored("trade state " + excerpt(state, maxID))
	}
	if text(t.Appid) != w.appID || text(t.Mchid) != w.mchID {
		return service.Payment{}, malformed("signed by the channel for another merchant or app")
	}
	if t.Amount == nil || t.Amount.Total == nil {
		return service.Payment{}, malformed("no amount")
	}
	if currency := text(t.Amount.Currency); currency != "CNY" {
		return service.Payment{}, refused(service.ReasonAmount, http.StatusUnprocessableEntity, "currency "+excerpt(currency, maxID))
	}
	if fen := *t.Amount.Total; fen <= 0 || fen > maxFen {
		return service.Payment{}, malformed("amount out of range")
	}
	paid, err := time.Parse(time.RFC3339, text(t.SuccessTime))
	if err != nil {
		return service.Payment{}, malformed("no time of payment")
	}
	p := service.Payment{
		Channel:       service.WeChat,
		NotifyID:      note.ID,
		OrderID:       text(t.OutTradeNo),
		TransactionID: text(t.TransactionId),
		Fen:           *t.Amount.Total,
		PaidMS:        paid.UnixMilli(),
	}
	if t.Payer != nil {
		p.BuyerID = text(t.Payer.Openid)
	}
	return p, identified(p)
}

// identified checks a payment's names.
func identified(p service.Payment) error {
	switch {
	case !id(p.NotifyID, maxNotifyID):
		return malformed("no notification id, or an unfit one")
	case !id(p.OrderID, maxID):
		return malformed("no order id, or an unfit one")
	case !id(p.TransactionID, maxID):
		return malformed("no transaction id, or an unfit one")
	case !id(p.BuyerID, maxNotifyID):
		return malformed("no buyer id, or an unfit one")
	}
	return nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// A witness remembers, in the call's context, that the signature was good. The SDK's errors do not tell a bad signature
// from a bad body.
type witness struct{ auth.Verifier }

type witnessKey struct{}

func (w witness) Verify(ctx context.Context, serial, message, signature string) error {
	if err := w.Verifier.Verify(ctx, serial, message, signature); err != nil {
		return err
	}
	if good, ok := ctx.Value(witnessKey{}).(*bool); ok {
		*good = true
	}
	return nil
}
