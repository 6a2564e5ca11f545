package paysign

import (
	"errors"
	"fmt"
	"net/http"
	"time"
)

// A Payment is what a channel took from a buyer.
type Payment struct {
	OrderID       string // the merchant's order number, out_trade_no
	TransactionID string // the channel's number of the payment
	BuyerID       string // openid, or Alipay's buyer id
	Attach        string // the merchant's own words, given back; may be empty
	Fen           int64
	PaidAt        time.Time
}

// A Refund is money that a channel gave back.
type Refund struct {
	Payment  Payment
	RefundNo string // the merchant's number of the refund, out_refund_no or out_biz_no
	RefundID string // the channel's number
	Fen      int64  // given back this time
	TotalFen int64  // given back of this payment so far, this time included; equal to Payment.Fen once all is back
	At       time.Time
}

// full reports whether the whole payment has been given back.
func (r Refund) full() bool { return r.TotalFen >= r.Payment.Fen }

func (r Refund) check() error {
	if r.Fen <= 0 || r.TotalFen < r.Fen || r.TotalFen > r.Payment.Fen {
		return fmt.Errorf("refund of %d fen, %d in all, of a payment of %d", r.Fen, r.TotalFen, r.Payment.Fen)
	}
	return nil
}

// A Signer is one channel's notifications. It may be used by many goroutines at once. The id and the time of creation
// belong to the notification and stay over its retries; now is when it leaves, and everything signed is fresh for it.
//
// A body is the caller's to keep and to read. The header must not be changed.
type Signer interface {
	// Channel is "wechat" or "alipay".
	Channel() string

	// Sign makes the notification of a payment.
	Sign(p Payment, notifyID string, created, now time.Time) (http.Header, []byte, error)

	// SignRefund makes the notification of a refund, partial or full.
	SignRefund(r Refund, notifyID string, created, now time.Time) (http.Header, []byte, error)

	// SignBad makes a notification of p that must be refused, and is otherwise as good as Sign's.
	SignBad(kind Bad, p Payment, notifyID string, created, now time.Time) (http.Header, []byte, error)
}

// A Bad is a kind of notification that a service must refuse; its values are those of a plan's probes.
type Bad string

// The kinds. Amount and unknown are signed properly: it is the service's own book that they disagree with.
const (
	Signtest   Bad = "signtest"    // WeChat's own probe: a signature starting WECHATPAY/SIGNTEST/; 401
	Forged     Bad = "forged"      // a signature that belongs to another notification; 401
	Replayed   Bad = "replayed"    // signed properly, six minutes ago; 401
	Reencoded  Bad = "re-encoded"  // the same content in other bytes than were signed; 401
	Amount     Bad = "amount"      // one fen more than the order; 422
	Unknown    Bad = "unknown"     // an order number that nobody gave out; 404
	ShortNonce Bad = "short-nonce" // WeChat: signed properly, resource.nonce of 8 bytes; 400
	NoResource Bad = "no-resource" // WeChat: signed properly, no resource; 400
)

// ErrKind is wrapped by SignBad when the channel has no notification of that kind.
var ErrKind = errors.New("the channel has no such notification")

// Kinds lists what a channel's SignBad can make.
func Kinds(channel string) []Bad {
	switch channel {
	case "wechat":
		return []Bad{Signtest, Forged, Replayed, Reencoded, Amount, Unknown, ShortNonce, NoResource}
	case "alipay":
		return []Bad{Forged, Replayed, Reencoded, Amount, Unknown}
	}
	return nil
}

// replayAge is how long ago a replayed notification was signed. The channels' limit is five minutes.
const replayAge = 6 * time.Minute

// unknownOrder turns an order number into one that nobody gave out, the same one each time.
func unknownOrder(id string) string { return "nobody" + id }

// beijing is the zone of both channels' times.
var beijing = time.FixedZone("UTC+8", 8*60*60)
