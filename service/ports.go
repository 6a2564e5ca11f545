package service

import (
	"context"
	"errors"
	"fmt"
	"net/http"
)

// Reasons why a notification is refused. They are recorded and counted by these names.
const (
	ReasonSignature = "signature" // the signature does not fit, or is missing
	ReasonSigntest  = "signtest"  // the channel's own probe with a deliberately bad signature
	ReasonReplayed  = "replayed"  // signed more than five minutes ago, or ahead
	ReasonMalformed = "malformed" // not to be read: no resource, nonce of the wrong length, not a form
	ReasonUnknown   = "unknown"   // no such order (yet)
	ReasonAmount    = "amount"    // paid differs from the order's amount
	ReasonIgnored   = "ignored"   // verified, and nothing to do: not a payment's success (Status 200)
)

// A Refusal says why a notification was not taken. Status is the HTTP status the channel is answered with; a refusal
// with a 2xx Status is an acknowledgement without effect, for a notification that is genuine but is no payment.
type Refusal struct {
	Reason string // one of the Reason constants
	Status int
	Detail string // for the log and the record; holds no secret
}

// Error tells the reason and the detail.
func (r *Refusal) Error() string {
	if r.Detail == "" {
		return r.Reason
	}
	return r.Reason + ": " + r.Detail
}

// A Verifier turns one channel's notification into a payment. Every error is a *[Refusal]. Body is what r carried, read
// already and bounded; r.Body is not read again. An implementation never panics, whatever it is sent.
type Verifier interface {
	Verify(r *http.Request, body []byte) (Payment, error)
}

// Prepay asks a channel for a way to pay an order.
type Prepay struct {
	OrderID   string
	RequestID string // goes along as attach
	Fen       int64
	ExpiresMS int64 // when the channel stops taking the payment, Unix milliseconds
}

// TradeState is what a channel says of an order.
type TradeState string

// The trade states.
const (
	TradeSuccess  TradeState = "SUCCESS"
	TradeNotPaid  TradeState = "NOTPAY"
	TradeClosed   TradeState = "CLOSED"
	TradeRefunded TradeState = "REFUND"
)

// ChannelState is a channel's answer to a query. Payment is filled when State is TradeSuccess or TradeRefunded.
type ChannelState struct {
	State   TradeState
	Payment Payment
}

// Refund asks a channel to give money back. The same RefundNo is paid back once, however often it is sent.
type Refund struct {
	RefundNo      string
	OrderID       string
	TransactionID string
	Fen           int64 // to give back
	TotalFen      int64 // what the transaction paid
}

// Errors of a channel that mean something definite.
var (
	ErrOrderUnknown = errors.New("order unknown to the channel")
	ErrAlreadyPaid  = errors.New("order already paid")
)

// A ChannelError is a definite answer of a channel: it was reached and it said no. Any other error of a [PayChannel],
// save ErrOrderUnknown, ErrAlreadyPaid, and [ErrUpstreamBusy] of one that is guarded, is indeterminate: the request may have had
// its effect.
type ChannelError struct {
	Status  int
	Code    string // the channel's, as "NOT_ENOUGH"
	Message string
}

// Error gives the channel's code and words.
func (e *ChannelError) Error() string {
	return fmt.Sprintf("channel answered %d %s: %s", e.Status, e.Code, e.Message)
}

// A PayChannel is one payment channel's merchant interface.
type PayChannel interface {
	// Prepay makes the order payable and returns what the buyer opens. Repeating it for the same order is safe.
	Prepay(ctx context.Context, p Prepay) (payURL string, err error)

	// Query asks what became of an order. ErrOrderUnknown when the channel never heard of it.
	Query(ctx context.Context, orderID string) (ChannelState, error)

	// Close ends an unpaid order, so that it can not be paid any more. ErrAlreadyPaid when it was paid.
	Close(ctx context.Context, orderID string) error

	// Refund gives money back; nil means that the money is back. A *ChannelError is definite, any other error
	// indeterminate: repeat with the same RefundNo.
	Refund(ctx context.Context, r Refund) error
}

// Identity looks up who a buyer is across channels.
type Identity interface {
	UnionID(ctx context.Context, channel Channel, openid string) (string, error)
}
