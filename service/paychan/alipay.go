package paychan

import (
	"context"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"time"

	"github.com/smartwalle/alipay/v3"

	"github.com/lunchrush/lunchrush/service"
)

// AlipayConfig is what Alipay gives a merchant.
type AlipayConfig struct {
	AppID     string
	SellerID  string // "" takes payments to any seller, as Alipay allows an app to have several
	PublicKey string // Alipay's, PKIX: base64 as its console shows it, or PEM

	Now func() time.Time // nil: the machine's clock
}

// Alipay checks Alipay's asynchronous notifications. It may be used by many goroutines at once.
type Alipay struct {
	appID, sellerID string
	client          *alipay.Client
	clock           clock
}

var _ service.Verifier = (*Alipay)(nil)

// NewAlipay reads the key. Nothing is fetched, now or later.
func NewAlipay(c AlipayConfig) (*Alipay, error) {
	if c.AppID == "" {
		return nil, errors.New("alipay: the app id must be set")
	}
	// Only the checking half of the SDK is used, so there is no private key of ours; not production, where it would
	// fetch a certificate that it does not know.
	client, err := alipay.NewWithSigner(c.AppID, noSigner{}, false)
	if err != nil {
		return nil, fmt.Errorf("alipay: %w", err)
	}
	if err := client.LoadAliPayPublicKey(c.PublicKey); err != nil {
		return nil, fmt.Errorf("alipay: the public key: %w", err)
	}
	return &Alipay{appID: c.AppID, sellerID: c.SellerID, client: client, clock: c.Now}, nil
}

// Verify turns a notification into a payment. A verified one that is no payment's success is a refusal with
// [service.ReasonIgnored] and status 200; among these are partial refunds, which say TRADE_SUCCESS once more.
//
// Alipay's SDK does not look at the clock. Every send of a notification carries a fresh notify_time under its signature,
// so one that is five minutes old is a replay.
func (a *Alipay) Verify(r *http.Request, body []byte) (service.Payment, error) {
	values, err := alipayForm(r, body)
	if err != nil {
		return service.Payment{}, err
	}
	n, err := a.decode(r.Context(), values)
	if err != nil {
		return service.Payment{}, badSignature("the signature does not fit the fields")
	}
	sent, err := time.ParseInLocation(time.DateTime, n.NotifyTime, beijing)
	if err != nil {
		return service.Payment{}, malformed("no notify_time")
	}
	if off, too := a.clock.stale(sent); too {
		return service.Payment{}, replayed(off)
	}
	if n.AppId != a.appID || (a.sellerID != "" && n.SellerId != a.sellerID) {
		return service.Payment{}, malformed("signed by the channel for another app or seller")
	}
	switch {
	case n.NotifyType != "trade_status_sync":
		return service.Payment{}, ignored("notify_type " + excerpt(n.NotifyType, maxID))
	case n.RefundFee != "" || n.OutBizNo != "" || n.GmtRefund != "":
		return service.Payment{}, ignored("notice of a refund")
	case n.TradeStatus != alipay.TradeStatusSuccess && n.TradeStatus != alipay.TradeStatusFinished:
		return service.Payment{}, ignored("trade_status " + excerpt(string(n.TradeStatus), maxID))
	}
	return alipayPayment(n)
}

func alipayPayment(n *alipay.Notification) (service.Payment, error) {
	fen, err := Fen(n.TotalAmount)
	if err != nil || fen == 0 {
		return service.Payment{}, malformed("total_amount is no amount")
	}
	paid, err := time.ParseInLocation(time.DateTime, n.GmtPayment, beijing)
	if err != nil {
		return service.Payment{}, malformed("no gmt_payment")
	}
	buyer := n.BuyerId
	if buyer == "" {
		buyer = n.BuyerOpenId // an app that was made lately is told this instead
	}
	p := service.Payment{
		Channel:       service.Alipay,
		NotifyID:      n.NotifyId,
		OrderID:       n.OutTradeNo,
		TransactionID: n.TradeNo,
		BuyerID:       buyer,
		Fen:           fen,
		PaidMS:        paid.UnixMilli(),
	}
	return p, identified(p)
}

var (
	fieldName   = regexp.MustCompile(`^[a-z][a-z0-9_]{0,63}$`)
	hiddenField = regexp.MustCompile(`&[a-z][a-z0-9_]*=`)
)

// alipayForm reads the fields. The text that Alipay signs joins them as k=v&k=v without escaping: whoever has one signed
// notification can move a whole field, as refund_fee, into the value before it, and the signature still fits. So a value
// that holds what looks like a field is refused, and so is a field that comes twice or is not under the signature.
func alipayForm(r *http.Request, body []byte) (url.Values, error) {
	if len(body) > maxBody {
		return nil, malformed("body too long")
	}
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/x-www-form-urlencoded" {
		return nil, malformed("not a form")
	}
	values, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, malformed("not a form")
	}
	for key, all := range values {
		switch {
		case len(all) != 1:
			return nil, malformed("a field comes more than once")
		case !fieldName.MatchString(key):
			return nil, malformed("a field has no fit name")
		case hiddenField.MatchString(all[0]):
			return nil, badSignature("a value holds a further field")
		}
	}
	switch {
	case len(values) == 0:
		return nil, malformed("not a form")
	case values.Get("sign") == "":
		return nil, badSignature("no signature")
	case !canonical(values.Get("sign")):
		return nil, badSignature("the signature is no base64")
	case values.Get("sign_type") != "RSA2":
		return nil, badSignature("sign_type " + excerpt(values.Get("sign_type"), maxID))
	case values.Has("alipay_cert_sn"):
		return nil, badSignature("signed by a certificate, a public key is expected")
	}
	return values, nil
}

// decode calls the SDK; a panic in it is a refusal.
func (a *Alipay) decode(ctx context.Context, values url.Values) (n *alipay.Notification, err error) {
	defer func() {
		if p := recover(); p != nil {
			n, err = nil, fmt.Errorf("alipay panicked: %v", p)
		}
	}()
	return a.client.DecodeNotification(ctx, values)
}

// beijing is the zone of Alipay's times, which carry none.
var beijing = time.FixedZone("UTC+8", 8*60*60)
