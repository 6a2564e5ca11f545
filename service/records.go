package service

import "time"

// An Order is one row of the orders table.
type Order struct {
	ID            string
	RequestID     string // the buyer's; the same one makes no second order
	MachineID     string
	Slot          int
	Channel       Channel // asked for at first; once paid, the one it was paid by
	BuyerID       string
	Fen           int64
	PaidFen       int64 // 0 until paid
	State         State
	TransactionID string
	PayURL        string
	PayChannels   []Channel // those that could take the payment
	CreatedMS     int64
	ExpiresMS     int64
	NextMS        int64 // when a job looks at the order again
	PaidMS        int64 // when the payment was recorded here
	DoneMS        int64
}

// Payable reports whether a payment moves the order on. A notification may overtake the channel's answer to the order's
// creation, by 2.7 to 3.5 s as was seen, so CREATED takes one too.
func (o Order) Payable() bool { return o.State == Created || o.State == Paying }

// Values of pay_queue's status column, as documented: a row ends deleted or void.
const (
	RowNew  = 0
	RowVoid = 4 // the ladder was climbed to its end
	RowDone = 5 // the normal end
)

// Values of pay_queue's consume_status column.
const (
	Waiting  = 0
	Claimed  = 1
	Consumed = 2 // ended: done or void
)

// A QueueRow is one row of pay_queue: a notification that was acknowledged and has to be handled.
type QueueRow struct {
	ID            int64
	Payment       Payment
	Status        int
	ConsumeStatus int
	ConsumeCount  int // attempts so far; also the claim's fencing token
	Created       time.Time
	LastConsume   time.Time // zero: never
	NextMS        int64     // Waiting: not before; Claimed: end of the lease
}

// Kinds of commands.
const (
	Dispense = "dispense"
	Cancel   = "cancel"
)

// A CommandState is where a command stands.
type CommandState string

// The states of a command. DISPENSED, FAILED, EXPIRED and CANCELLED end a dispense command; ANSWERED and CANCELLED end a
// cancel command.
const (
	Queued           CommandState = "QUEUED"
	Sent             CommandState = "SENT"       // given to the machine's poll
	Cancelling       CommandState = "CANCELLING" // sent, and a cancel was sent after it
	CommandDispensed CommandState = "DISPENSED"
	CommandFailed    CommandState = "FAILED"
	CommandExpired   CommandState = "EXPIRED"
	CommandCancelled CommandState = "CANCELLED"
	CommandSilent    CommandState = "SILENT" // the machine never told; the money went back
	CommandAnswered  CommandState = "ANSWERED"
)

// Final reports whether no result is expected any more of a command in s.
func (s CommandState) Final() bool { return s != Queued && s != Sent && s != Cancelling }

// A Command tells a machine to do something about an order.
type Command struct {
	ID        string
	OrderID   string
	MachineID string
	Slot      int
	Kind      string
	State     CommandState
	QueuedMS  int64
	SentMS    int64 // by the store's clock
}

// An Outcome is what a machine reports of a command.
type Outcome string

// The outcomes.
const (
	OutcomeDispensed Outcome = "dispensed"
	OutcomeFailed    Outcome = "failed"
	OutcomeExpired   Outcome = "expired"
	OutcomeCancelled Outcome = "cancelled"
)

// A RefundState is where a refund stands.
type RefundState string

// The states of a refund.
const (
	RefundPending RefundState = "PENDING"
	RefundDone    RefundState = "DONE"    // the channel confirmed it
	RefundDropped RefundState = "DROPPED" // never sent: the goods fell after all
)

// A RefundRow is one row of refunds: money that goes back. Its number is derived from the transaction, so a transaction
// is paid back once.
type RefundRow struct {
	Refund
	Channel  Channel
	State    RefundState
	Reason   string
	Attempts int
	NextMS   int64
}

// A RemedyOrder is one row of remedy_order: what a channel took for an order is to be made good.
type RemedyOrder struct {
	OrderID string
	Channel Channel
	Reason  string
	Count   int
	State   string // OPEN or DONE
	NextMS  int64
}

// A FurtherWay is one row of further_ways: one way to pay an order that has several, until the order was paid by it, or it is
// closed.
type FurtherWay struct {
	OrderID string
	Channel Channel
	NextMS  int64
}

// Reasons of remedy orders and refunds.
const (
	BecauseVoid      = "void"             // its pay_queue row was voided
	BecauseUntold    = "notify-missing"   // paid at the channel, no notification came
	BecauseNoResult  = "no-result"        // no result of the machine in time
	BecauseFailed    = "machine-failed"   // the machine reported that nothing fell
	BecauseSecond    = "second-payment"   // the order was paid by another transaction before
	BecauseClosed    = "paid-when-closed" // the order had been closed
	BecauseTooLate   = "handled-too-late" // nobody stands at the machine any more
	BecauseCancelled = "cancelled"        // the machine confirmed that it will not dispense
)

// A Slot is one column of a machine.
type Slot struct {
	Slot     int   `json:"slot"`
	PriceFen int64 `json:"price_fen"`
	Stock    int   `json:"stock"`
}

// A Machine is a vending machine with its key and slots.
type Machine struct {
	ID     string `json:"machine_id"`
	KeyHex string `json:"key_hex"`
	Slots  []Slot `json:"slots"`
}

// A Backlog is what waits.
type Backlog struct {
	Waiting  int64 `json:"waiting"`   // unfinished rows of pay_queue
	OldestMS int64 `json:"oldest_ms"` // age of the oldest, milliseconds
	Pushes   int64 `json:"pushes"`    // commands that no machine has fetched yet
	Uploads  int   `json:"uploads"`   // batches of records that are not done
}

// A Refused is one row of notify_refused.
type Refused struct {
	Channel Channel
	Reason  string
	OrderID string // "" when it could not be read
	Detail  string
	At      time.Time
}
