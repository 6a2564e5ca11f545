package simulator

import (
	"errors"
	"fmt"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A bill is one order at one channel.
type bill struct {
	order   string // out_trade_no
	key     string // attach: the plan's key of the order
	plan    *PlanOrder
	fen     int64
	expires int64 // Unix ms after which nobody can pay; 0 never
	codeURL string

	closed   bool
	paid     bool
	paidAt   time.Duration
	txn      string // given out with the bill, so that its notification can be signed before the payment
	refunded int64
	refunds  map[string]refund // by out_refund_no
	notice   *notice           // of the payment; nil until someone asked for it
}

type refund struct {
	id  string // the channel's
	fen int64
}

// The states of a bill on the wire.
const (
	tradeNotPaid  = "NOTPAY"
	tradeSuccess  = "SUCCESS"
	tradeClosed   = "CLOSED"
	tradeRefunded = "REFUND"
)

func (b *bill) state() string {
	switch {
	case b.refunded > 0:
		return tradeRefunded
	case b.paid:
		return tradeSuccess
	case b.closed:
		return tradeClosed
	}
	return tradeNotPaid
}

// A billError is a definite no of a channel, as it is answered.
type billError struct {
	status  int
	code    string
	message string
}

func (e *billError) Error() string { return e.code + ": " + e.message }

var errNoBill = &billError{404, "ORDER_NOT_EXIST", "no such order"}

// number gives out the next number of the channel's own: transactions, refunds. Callers hold mu.
func (c *channel) number(prefix string) string {
	c.count++
	return fmt.Sprintf("%s%s%012d", prefix, c.day, c.count)
}

// prepay makes an order payable, once; every further call finds the same bill.
func (c *channel) prepay(order, key string, fen, expiresMS int64) (*bill, error) {
	if order == "" || fen <= 0 {
		return nil, &billError{400, "PARAM_ERROR", "out_trade_no and a positive amount.total are required"}
	}
	c.st.orders.bind(order, key)
	plan := c.st.orders.order(order)

	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.bills[order]; b != nil {
		switch {
		case b.fen != fen:
			return nil, &billError{400, "INVALID_REQUEST", "out_trade_no was used with another amount"}
		case b.closed:
			return nil, &billError{400, "ORDER_CLOSED", "the order is closed"}
		}
		return b, nil
	}
	b := &bill{order: order, key: key, plan: plan, fen: fen, expires: expiresMS}
	if c.name == alipayName {
		b.txn = c.number("22")
		b.codeURL = "https://qr.alipay.com/" + b.txn
	} else {
		b.txn = c.number("4200")
		b.codeURL = "weixin://wxpay/bizpayurl?pr=" + b.txn
	}
	c.bills[order] = b
	c.last = b
	c.st.book(runlog.Record{Event: runlog.ChannelPrepay, Key: key, Order: order, Channel: c.name, Fen: fen})
	return b, nil
}

// pay moves money, now, and lets the notification go.
func (c *channel) pay(order string) (int64, error) {
	c.mu.Lock()
	b := c.bills[order]
	if b == nil {
		c.mu.Unlock()
		return 0, errUnknownOrder
	}
	now := c.st.now()
	switch {
	case b.paid:
		c.mu.Unlock()
		return 0, errPaidOrder
	case b.closed:
		c.mu.Unlock()
		return 0, errClosedOrder
	case b.expires > 0 && c.st.wall(now).UnixMilli() >= b.expires:
		c.mu.Unlock()
		return 0, fmt.Errorf("%w: its time has passed", errClosedOrder)
	}
	b.paid, b.paidAt = true, now
	if c.last == b {
		c.last = nil
	}
	c.st.book(runlog.Record{At: int64(now), Event: runlog.ChannelPaid, Key: b.key, Order: order, Channel: c.name, Fen: b.fen, ID: b.txn})
	n := b.notice
	if n == nil || (now-n.planned).Abs() > presignSlack {
		n = c.newNotice(b, now)
	}
	c.mu.Unlock()
	n.release()
	return b.fen, nil
}

// query tells the state of an order.
func (c *channel) query(order string) (b bill, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	found := c.bills[order]
	if found == nil {
		c.st.book(runlog.Record{Event: runlog.ChannelQueried, Order: order, Channel: c.name, Note: errNoBill.code})
		return bill{}, errNoBill
	}
	c.st.book(runlog.Record{Event: runlog.ChannelQueried, Key: found.key, Order: order, Channel: c.name, Note: found.state()})
	return *found, nil
}

// shut closes an order that nobody has paid; closing it again changes nothing.
func (c *channel) shut(order string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bills[order]
	switch {
	case b == nil:
		return errNoBill
	case b.paid:
		return &billError{400, "ORDER_PAID", "the order is paid"}
	case b.closed:
		return nil
	}
	b.closed = true
	if c.last == b {
		c.last = nil
	}
	c.st.book(runlog.Record{Event: runlog.ChannelClosed, Key: b.key, Order: order, Channel: c.name})
	return nil
}

// repay gives money back, once for each number.
func (c *channel) repay(order, txn, number string, fen, total int64) (refund, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	b := c.bills[order]
	if b == nil || (txn != "" && txn != b.txn) {
		return refund{}, c.deny(b, order, number, fen, &billError{404, "RESOURCE_NOT_EXISTS", "no such transaction"})
	}
	if done, ok := b.refunds[number]; ok {
		if done.fen != fen {
			return refund{}, c.deny(b, order, number, fen, &billError{400, "PARAM_ERROR", "out_refund_no was used with another amount"})
		}
		return done, nil
	}
	switch {
	case number == "" || fen <= 0 || total != b.fen:
		return refund{}, c.deny(b, order, number, fen, &billError{400, "PARAM_ERROR", "out_refund_no, amount.refund or amount.total is wrong"})
	case !b.paid || fen > b.fen-b.refunded:
		return refund{}, c.deny(b, order, number, fen, &billError{403, "NOT_ENOUGH", "more than is left of the payment"})
	}
	done := refund{id: c.number("50"), fen: fen}
	if b.refunds == nil {
		b.refunds = make(map[string]refund, 1)
	}
	b.refunds[number] = done
	b.refunded += fen
	c.st.book(runlog.Record{Event: runlog.ChannelRefunded, Key: b.key, Order: order, Channel: c.name, Fen: fen, ID: number, Txn: b.txn})
	return done, nil
}

// deny books why no money goes back.
func (c *channel) deny(b *bill, order, number string, fen int64, why *billError) error {
	key := ""
	if b != nil {
		key = b.key
	}
	c.st.book(runlog.Record{Event: runlog.ChannelRefusal, Key: key, Order: order, Channel: c.name, Fen: fen, ID: number, Note: why.code})
	return why
}

// asBillError finds the definite answer in err.
func asBillError(err error) *billError {
	var no *billError
	if errors.As(err, &no) {
		return no
	}
	return &billError{500, "SYSTEM_ERROR", err.Error()}
}
