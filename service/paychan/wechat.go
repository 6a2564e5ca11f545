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
	"github.com/wechatpay-apiv3/wechatpay-go/utils"

	"github.com/lunchrush/lunchrush/service"
)

// WeChatConfig is what WeChat Pay gives a merchant. Every field but Now must be set.
type WeChatConfig struct {
	AppID    string
	MchID    string
	APIv3Key string // 32 bytes, decrypts resources

	// Platform holds platform certificates by serial number (upper hex) and public keys by id (PUB_KEY_ID_...), PEM
	// each. All of them are taken, as during the rotation from one to the other.
	Platform map[string]string

	Now func() time.Time // nil: the machine's clock
}

// WeChat checks WeChat Pay v3 notifications. It may be used by many goroutines at once.
type WeChat struct {
	appID, mchID string
	handler      *notify.Handler
	clock        clock
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
	keys, err := newPlatform(c.Platform)
	if err != nil {
		return nil, fmt.Errorf("wechat: %w", err)
	}
	handler, err := notify.NewRSANotifyHandler(c.APIv3Key, keys)
	if err != nil {
		return nil, fmt.Errorf("wechat: %w", err)
	}
	return &WeChat{appID: c.AppID, mchID: c.MchID, handler: handler, clock: c.Now}, nil
}

const publicKeyPrefix = "PUB_KEY_ID_"

// A platform checks a signature by the certificate or public key that Wechatpay-Serial names. The SDK's own combined
// verifier takes a single public key; while public keys rotate there are two.
type platform struct {
	auth.Verifier // by certificate
	byPublicKey   map[string]auth.Verifier
}

func newPlatform(keys map[string]string) (*platform, error) {
	if len(keys) == 0 {
		return nil, errors.New("no platform certificate and no public key")
	}
	certs := map[string]*x509.Certificate{}
	p := &platform{byPublicKey: map[string]auth.Verifier{}}
	for name, text := range keys {
		block, _ := pem.Decode([]byte(text))
		if block == nil {
			return nil, fmt.Errorf("platform key %s: not PEM", name)
		}
		if strings.HasPrefix(name, publicKeyPrefix) {
			pub, err := x509.ParsePKIXPublicKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("platform key %s: %w", name, err)
			}
			key, ok := pub.(*rsa.PublicKey)
			if !ok {
				return nil, fmt.Errorf("platform key %s: a key of %T, RSA wanted", name, pub)
			}
			p.byPublicKey[name] = verifiers.NewSHA256WithRSAPubkeyVerifier(name, *key)
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("platform key %s: not a certificate, and not named %s...: %w", name, publicKeyPrefix, err)
		}
		// The SDK casts a certificate's key to RSA without looking.
		if _, ok := cert.PublicKey.(*rsa.PublicKey); !ok {
			return nil, fmt.Errorf("platform key %s: a key of %T, RSA wanted", name, cert.PublicKey)
		}
		if serial := utils.GetCertificateSerialNumber(*cert); serial != name {
			return nil, fmt.Errorf("platform key %s: the certificate's serial number is %s", name, serial)
		}
		certs[name] = cert
	}
	p.Verifier = verifiers.NewSHA256WithRSAVerifier(core.NewCertificateMap(certs))
	return p, nil
}

// Verify checks by the key named. It tells the call's [witness] when the signature is good, since the SDK's errors do
// not tell a bad signature from a bad body.
func (p *platform) Verify(ctx context.Context, serial, message, signature string) error {
	by := p.Verifier
	if pub, ok := p.byPublicKey[serial]; ok {
		by = pub
	}
	if err := by.Verify(ctx, serial, message, signature); err != nil {
		return err
	}
	if w, ok := ctx.Value(witnessKey{}).(*witness); ok {
		w.verified = true
	}
	return nil
}

// A witness travels in a call's context and remembers whether its signature was good.
type witness struct{ verified bool }

type witnessKey struct{}

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
	if err := wechatHeader(r.Header, w.clock); err != nil {
		return service.Payment{}, err
	}

	var (
		content payments.Transaction
		seen    witness
	)
	ctx := context.WithValue(r.Context(), witnessKey{}, &seen)
	note, err := w.parse(ctx, r.Header, body, &content)
	switch {
	case !seen.verified:
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
func wechatHeader(h http.Header, now clock) error {
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
	if off, too := now.stale(time.Unix(sec, 0)); too {
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

// identified checks a payment's names. The buyer's may be missing: not every way to pay tells it, and the money is in.
func identified(p service.Payment) error {
	switch {
	case !id(p.NotifyID, maxNotifyID):
		return malformed("no notification id, or an unfit one")
	case !id(p.OrderID, maxID):
		return malformed("no order id, or an unfit one")
	case !id(p.TransactionID, maxID):
		return malformed("no transaction id, or an unfit one")
	case p.BuyerID != "" && !id(p.BuyerID, maxNotifyID):
		return malformed("an unfit buyer id")
	}
	return nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
