package service

// A State is where an order stands. Every move is a compare-and-set in the database.
//
//	CREATED -> PAYING -> PAID -> DISPENSING -> DISPENSED
//	              |        |         |
//	              |        +---------+--> REFUNDING -> REFUNDED
//	              +--> CLOSED (never paid)
//
// A payment that arrives for a CLOSED order moves it to REFUNDING. [State.CanBecome] has every move.
type State string

// The states of an order.
const (
	Created    State = "CREATED"    // written; the channel has not confirmed that it can be paid
	Paying     State = "PAYING"     // the buyer can pay
	Paid       State = "PAID"       // the payment is recorded
	Dispensing State = "DISPENSING" // a command for the machine exists
	Dispensed  State = "DISPENSED"  // the machine reported the goods dropped
	Refunding  State = "REFUNDING"  // money is on its way back; the machine must not start any more
	Refunded   State = "REFUNDED"   // the channel confirmed the refund
	Closed     State = "CLOSED"     // never paid; stock given back
)

// Final reports whether no further move is expected of an order in s.
func (s State) Final() bool { return s == Dispensed || s == Refunded || s == Closed }

// A Channel is a way to pay.
type Channel string

// The channels.
const (
	WeChat Channel = "wechat"
	Alipay Channel = "alipay"
)

// A Payment is one verified payment notification, or the answer to a query that a channel gave.
type Payment struct {
	Channel       Channel
	NotifyID      string // the channel's id of the notification; "" when it comes from a query
	OrderID       string // our order id, the channel's out_trade_no
	TransactionID string // the channel's id of the payment
	BuyerID       string // openid or buyer id at the channel
	Fen           int64  // what was paid
	PaidMS        int64  // when, by the channel's clock, Unix milliseconds
}
