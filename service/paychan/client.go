package paychan

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// ClientConfig is one channel's merchant interface. Every field must be set.
type ClientConfig struct {
	Channel   service.Channel
	BaseURL   string
	Key       []byte        // the channel's API key
	Timeout   time.Duration // of one call, waiting for a connection included
	Transport http.RoundTripper
	Now       func() time.Time // signs; nil: the machine's clock
}

// Client calls a channel's merchant interface, docs/PROTOCOL.md "What the service calls". It may be used by many
// goroutines at once. It never retries: an indeterminate call is the caller's to repeat.
type Client struct {
	channel service.Channel
	key     []byte
	up      *upstream
}

var _ service.PayChannel = (*Client)(nil)

// NewClient checks the config. Nothing is dialed.
func NewClient(c ClientConfig) (*Client, error) {
	if c.Channel == "" {
		return nil, errors.New("a channel's client needs the channel's name")
	}
	if len(c.Key) == 0 {
		return nil, fmt.Errorf("%s: no API key", c.Channel)
	}
	up, err := newUpstream(string(c.Channel), c.BaseURL, c.Timeout, c.Transport)
	if err != nil {
		return nil, err
	}
	up.clock = c.Now
	return &Client{channel: c.Channel, key: c.Key, up: up}, nil
}

const transactions = "/v3/pay/transactions"

type money struct {
	Total      int64  `json:"total"`
	PayerTotal int64  `json:"payer_total,omitempty"`
	Refund     int64  `json:"refund,omitempty"`
	Currency   string `json:"currency,omitempty"`
}

// Prepay makes the order payable.
func (c *Client) Prepay(ctx context.Context, p service.Prepay) (string, error) {
	in := struct {
		OutTradeNo   string `json:"out_trade_no"`
		Attach       string `json:"attach"`
		Description  string `json:"description"`
		TimeExpireMS int64  `json:"time_expire_ms"`
		Amount       money  `json:"amount"`
	}{p.OrderID, p.RequestID, "vending " + p.OrderID, p.ExpiresMS, money{Total: p.Fen, Currency: "CNY"}}
	var out struct {
		CodeURL string `json:"code_url"`
	}
	if err := c.up.call(ctx, c.key, http.MethodPost, transactions+"/native", nil, in, &out); err != nil {
		return "", definite(err)
	}
	if out.CodeURL == "" {
		return "", fmt.Errorf("%s: answered without a code_url", c.channel)
	}
	return out.CodeURL, nil
}

// Query asks what became of an order.
func (c *Client) Query(ctx context.Context, orderID string) (service.ChannelState, error) {
	var out struct {
		OutTradeNo    string `json:"out_trade_no"`
		TradeState    string `json:"trade_state"`
		TransactionID string `json:"transaction_id"`
		Amount        money  `json:"amount"`
		SuccessMS     int64  `json:"success_ms"`
	}
	if err := c.up.call(ctx, c.key, http.MethodGet, byOrder(orderID), nil, nil, &out); err != nil {
		return service.ChannelState{}, definite(err)
	}
	if out.OutTradeNo != orderID {
		return service.ChannelState{}, fmt.Errorf("%s: answered for another order", c.channel)
	}
	switch state := service.TradeState(out.TradeState); state {
	case service.TradeNotPaid, service.TradeClosed:
		return service.ChannelState{State: state}, nil
	case service.TradeSuccess, service.TradeRefunded:
		if out.Amount.Total <= 0 || out.Amount.Total > maxFen || !id(out.TransactionID, maxID) {
			return service.ChannelState{}, fmt.Errorf("%s: answered %s without amount or transaction", c.channel, state)
		}
		return service.ChannelState{State: state, Payment: service.Payment{
			Channel:       c.channel,
			OrderID:       out.OutTradeNo,
			TransactionID: out.TransactionID,
			Fen:           out.Amount.Total,
			PaidMS:        out.SuccessMS,
		}}, nil
	}
	return service.ChannelState{}, fmt.Errorf("%s: answered trade state %q", c.channel, excerpt(out.TradeState, maxID))
}

// Close ends an unpaid order.
func (c *Client) Close(ctx context.Context, orderID string) error {
	return definite(c.up.call(ctx, c.key, http.MethodPost, byOrder(orderID)+"/close", nil, nil, nil))
}

// Refund gives money back. Nil means that the money is back.
func (c *Client) Refund(ctx context.Context, r service.Refund) error {
	in := struct {
		OutTradeNo    string `json:"out_trade_no"`
		TransactionID string `json:"transaction_id"`
		OutRefundNo   string `json:"out_refund_no"`
		Amount        money  `json:"amount"`
	}{r.OrderID, r.TransactionID, r.RefundNo, money{Refund: r.Fen, Total: r.TotalFen, Currency: "CNY"}}
	var out struct {
		OutRefundNo string `json:"out_refund_no"`
		Status      string `json:"status"`
	}
	if err := c.up.call(ctx, c.key, http.MethodPost, "/v3/refund/domestic/refunds", nil, in, &out); err != nil {
		return definite(err)
	}
	if out.OutRefundNo != r.RefundNo || out.Status != "SUCCESS" {
		return fmt.Errorf("%s: answered refund status %q", c.channel, excerpt(out.Status, maxID))
	}
	return nil
}

// byOrder is the path of an order; its number is one segment of it, whatever it holds.
func byOrder(orderID string) string { return transactions + "/out-trade-no/" + url.PathEscape(orderID) }

// definite gives the channel's definite answers their names. The *ChannelError stays reachable beneath.
func definite(err error) error {
	var no *service.ChannelError
	if !errors.As(err, &no) {
		return err
	}
	switch no.Code {
	case "ORDER_NOT_EXIST":
		return fmt.Errorf("%w: %w", service.ErrOrderUnknown, no)
	case "ORDER_PAID":
		return fmt.Errorf("%w: %w", service.ErrAlreadyPaid, no)
	}
	return err
}
