package paysign

import (
	"bytes"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"math"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"
)

// RotationSteps are the shares in which WeChat Pay moves a merchant from the platform certificate to the public key.
var RotationSteps = []float64{0.001, 0.01, 0.05, 0.10, 0.20, 0.50, 1}

// SignatureType is the value of Wechatpay-Signature-Type.
const SignatureType = "WECHATPAY2-SHA256-RSA2048"

// WeChat is the platform's side of WeChat Pay v3: it signs notifications. See [GenerateWeChat].
type WeChat struct {
	material      WeChatMaterial
	byCert, byPub *rsa.PrivateKey
	aead          cipher.AEAD
	share         atomic.Uint64 // math.Float64bits of the share signed in public key mode
}

var _ Signer = (*WeChat)(nil)

func newWeChat(m WeChatMaterial, byCert, byPub *rsa.PrivateKey) (*WeChat, error) {
	block, err := aes.NewCipher([]byte(m.APIv3Key))
	if err != nil {
		return nil, fmt.Errorf("the API v3 key: %w", err)
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, fmt.Errorf("the API v3 key: %w", err)
	}
	return &WeChat{material: m, byCert: byCert, byPub: byPub, aead: aead}, nil
}

// Material is what the merchant is given.
func (w *WeChat) Material() WeChatMaterial { return w.material }

// Channel is "wechat".
func (w *WeChat) Channel() string { return "wechat" }

// Rotate sets the share of notifications, 0 to 1, that are signed in public key mode from now on. The choice hangs on
// the notification's id, so that the same id is signed by the same key until the share moves past it.
func (w *WeChat) Rotate(share float64) {
	w.share.Store(math.Float64bits(min(max(share, 0), 1)))
}

// Sign makes the notification TRANSACTION.SUCCESS. The body stays the same over retries; timestamp, nonce and signature
// are fresh.
func (w *WeChat) Sign(p Payment, notifyID string, created, now time.Time) (http.Header, []byte, error) {
	body, err := w.payment(p, notifyID, created)
	if err != nil {
		return nil, nil, err
	}
	return w.seal(body, notifyID, now)
}

// SignRefund makes the notification REFUND.SUCCESS.
func (w *WeChat) SignRefund(r Refund, notifyID string, created, now time.Time) (http.Header, []byte, error) {
	if err := r.check(); err != nil {
		return nil, nil, err
	}
	plain, err := json.Marshal(wechatRefund{
		MchID:         w.material.MchID,
		OutTradeNo:    r.Payment.OrderID,
		TransactionID: r.Payment.TransactionID,
		OutRefundNo:   r.RefundNo,
		RefundID:      r.RefundID,
		RefundStatus:  "SUCCESS",
		SuccessTime:   r.At.In(beijing).Format(time.RFC3339),
		UserReceived:  "零钱",
		Amount:        wechatRefundAmount{Total: r.Payment.Fen, Refund: r.Fen, PayerTotal: r.Payment.Fen, PayerRefund: r.Fen},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a refund: %w", err)
	}
	n := wechatNotification{
		ID: notifyID, CreateTime: created.In(beijing).Format(time.RFC3339), ResourceType: "encrypt-resource",
		EventType: "REFUND.SUCCESS", Summary: "退款成功", Resource: w.encrypt("refund", notifyID, plain),
	}
	body, err := json.Marshal(n)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a refund notification: %w", err)
	}
	return w.seal(body, notifyID, now)
}

// SignBad makes a notification that must be refused.
func (w *WeChat) SignBad(kind Bad, p Payment, notifyID string, created, now time.Time) (http.Header, []byte, error) {
	switch kind {
	case Amount:
		p.Fen++
	case Unknown:
		p.OrderID = unknownOrder(p.OrderID)
	case Replayed:
		now = now.Add(-replayAge)
	}
	n, err := w.notification(p, notifyID, created)
	if err != nil {
		return nil, nil, err
	}
	switch kind {
	case ShortNonce:
		n.Resource.Nonce = n.Resource.Nonce[:8]
	case NoResource:
		n.Resource = nil
	}
	body, err := json.Marshal(n)
	if err != nil {
		return nil, nil, fmt.Errorf("encoding a notification: %w", err)
	}

	switch kind {
	case Amount, Unknown, Replayed, ShortNonce, NoResource:
		return w.seal(body, notifyID, now)
	case Signtest:
		header, body, err := w.seal(body, notifyID, now)
		if err == nil {
			// The probe keeps the length of a real signature.
			header.Set("Wechatpay-Signature", "WECHATPAY/SIGNTEST/"+header.Get("Wechatpay-Signature")[19:])
		}
		return header, body, err
	case Forged:
		other := p
		other.OrderID, other.Fen = unknownOrder(p.OrderID), p.Fen+1
		signed, err := w.payment(other, notifyID, created)
		if err != nil {
			return nil, nil, err
		}
		header, _, err := w.seal(signed, notifyID, now)
		return header, body, err
	case Reencoded:
		header, _, err := w.seal(body, notifyID, now)
		if err != nil {
			return nil, nil, err
		}
		// What a proxy or a framework does that parses the body and writes it again.
		var out bytes.Buffer
		if err := json.Indent(&out, body, "", "  "); err != nil {
			return nil, nil, fmt.Errorf("re-encoding a notification: %w", err)
		}
		return header, out.Bytes(), nil
	}
	return nil, nil, fmt.Errorf("%w: wechat %q", ErrKind, kind)
}

// payment is the body of a payment's notification.
func (w *WeChat) payment(p Payment, notifyID string, created time.Time) ([]byte, error) {
	n, err := w.notification(p, notifyID, created)
	if err != nil {
		return nil, err
	}
	body, err := json.Marshal(n)
	if err != nil {
		return nil, fmt.Errorf("encoding a notification: %w", err)
	}
	return body, nil
}

func (w *WeChat) notification(p Payment, notifyID string, created time.Time) (wechatNotification, error) {
	plain, err := json.Marshal(wechatTransaction{
		MchID:          w.material.MchID,
		AppID:          w.material.AppID,
		OutTradeNo:     p.OrderID,
		TransactionID:  p.TransactionID,
		TradeType:      "NATIVE",
		TradeState:     "SUCCESS",
		TradeStateDesc: "支付成功",
		BankType:       "OTHERS",
		Attach:         p.Attach,
		SuccessTime:    p.PaidAt.In(beijing).Format(time.RFC3339),
		Payer:          wechatPayer{OpenID: p.BuyerID},
		Amount:         wechatAmount{Total: p.Fen, PayerTotal: p.Fen, Currency: "CNY", PayerCurrency: "CNY"},
	})
	if err != nil {
		return wechatNotification{}, fmt.Errorf("encoding a transaction: %w", err)
	}
	return wechatNotification{
		ID:           notifyID,
		CreateTime:   created.In(beijing).Format(time.RFC3339),
		ResourceType: "encrypt-resource",
		EventType:    "TRANSACTION.SUCCESS",
		Summary:      "支付成功",
		Resource:     w.encrypt("transaction", notifyID, plain),
	}, nil
}

// encrypt makes a resource. Its nonce is drawn from what it encrypts: a retry carries the same bytes, and no nonce ever
// serves two plaintexts.
func (w *WeChat) encrypt(kind, notifyID string, plain []byte) *wechatResource {
	h := sha256.New()
	h.Write([]byte(notifyID))
	h.Write([]byte{0})
	h.Write(plain)
	nonce := []byte(base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:9])) // 12 ASCII bytes
	return &wechatResource{
		OriginalType:   kind,
		Algorithm:      "AEAD_AES_256_GCM",
		Ciphertext:     base64.StdEncoding.EncodeToString(w.aead.Seal(nil, nonce, plain, []byte(kind))),
		AssociatedData: kind,
		Nonce:          string(nonce),
	}
}

// seal signs a body for the moment now.
func (w *WeChat) seal(body []byte, notifyID string, now time.Time) (http.Header, []byte, error) {
	timestamp, nonce := strconv.FormatInt(now.Unix(), 10), text(alphanumeric, 32)
	key, serial := w.byCert, w.material.Serial
	if w.publicKeyMode(notifyID) {
		key, serial = w.byPub, w.material.PublicKeyID
	}

	h := sha256.New()
	h.Write([]byte(timestamp + "\n" + nonce + "\n"))
	h.Write(body)
	h.Write([]byte("\n"))
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, h.Sum(nil))
	if err != nil {
		return nil, nil, fmt.Errorf("signing a notification: %w", err)
	}
	return http.Header{
		"Accept":                   {"*/*"},
		"Content-Type":             {"application/json"},
		"Pragma":                   {"no-cache"},
		"User-Agent":               {"Mozilla/4.0"},
		"Wechatpay-Nonce":          {nonce},
		"Wechatpay-Serial":         {serial},
		"Wechatpay-Signature":      {base64.StdEncoding.EncodeToString(sig)},
		"Wechatpay-Signature-Type": {SignatureType},
		"Wechatpay-Timestamp":      {timestamp},
	}, body, nil
}

func (w *WeChat) publicKeyMode(notifyID string) bool {
	share := math.Float64frombits(w.share.Load())
	if share <= 0 || share >= 1 {
		return share >= 1
	}
	h := fnv.New64a()
	h.Write([]byte(notifyID))
	// FNV leaves the high bits of near-equal ids near each other; one round of mixing spreads them.
	x := h.Sum64()
	x ^= x >> 32
	x *= 0xd6e8feb86659fd93
	x ^= x >> 32
	return float64(x>>11)/(1<<53) < share
}

// The shapes of WeChat Pay v3, in the order in which WeChat writes them.
type (
	wechatNotification struct {
		ID           string          `json:"id"`
		CreateTime   string          `json:"create_time"`
		ResourceType string          `json:"resource_type"`
		EventType    string          `json:"event_type"`
		Summary      string          `json:"summary"`
		Resource     *wechatResource `json:"resource,omitempty"`
	}
	wechatResource struct {
		OriginalType   string `json:"original_type"`
		Algorithm      string `json:"algorithm"`
		Ciphertext     string `json:"ciphertext"`
		AssociatedData string `json:"associated_data"`
		Nonce          string `json:"nonce"`
	}
	wechatTransaction struct {
		MchID          string       `json:"mchid"`
		AppID          string       `json:"appid"`
		OutTradeNo     string       `json:"out_trade_no"`
		TransactionID  string       `json:"transaction_id"`
		TradeType      string       `json:"trade_type"`
		TradeState     string       `json:"trade_state"`
		TradeStateDesc string       `json:"trade_state_desc"`
		BankType       string       `json:"bank_type"`
		Attach         string       `json:"attach"`
		SuccessTime    string       `json:"success_time"`
		Payer          wechatPayer  `json:"payer"`
		Amount         wechatAmount `json:"amount"`
	}
	wechatPayer struct {
		OpenID string `json:"openid"`
	}
	wechatAmount struct {
		Total         int64  `json:"total"`
		PayerTotal    int64  `json:"payer_total"`
		Currency      string `json:"currency"`
		PayerCurrency string `json:"payer_currency"`
	}
	wechatRefund struct {
		MchID         string             `json:"mchid"`
		OutTradeNo    string             `json:"out_trade_no"`
		TransactionID string             `json:"transaction_id"`
		OutRefundNo   string             `json:"out_refund_no"`
		RefundID      string             `json:"refund_id"`
		RefundStatus  string             `json:"refund_status"`
		SuccessTime   string             `json:"success_time"`
		UserReceived  string             `json:"user_received_account"`
		Amount        wechatRefundAmount `json:"amount"`
	}
	wechatRefundAmount struct {
		Total       int64 `json:"total"`
		Refund      int64 `json:"refund"`
		PayerTotal  int64 `json:"payer_total"`
		PayerRefund int64 `json:"payer_refund"`
	}
)
