package service

import (
	"context"
	"errors"
	"time"
)

// Errors of a [Store].
var (
	ErrNotFound  = errors.New("not found")
	ErrSoldOut   = errors.New("sold out")
	ErrDuplicate = errors.New("exists already")
	// ErrPriceMoved is an order at another price than its slot's: whoever told the price was behind.
	ErrPriceMoved = errors.New("the price has changed")

	// ErrRolledBack is a transaction that met a deadlock or a lock wait, as often as db.retry lets it be tried. Nothing of it
	// happened.
	ErrRolledBack = errors.New("rolled back by the database")
)

// A Store keeps everything that must survive. Each method is one transaction: all of it happened or none.
// Methods that return moved make a compare-and-set; false means that someone else was first, which is no error.
type Store interface {
	Migrate(ctx context.Context) error
	Ping(ctx context.Context) error
	// Clock is the store's own time of day, by which all processes go where theirs must not differ.
	Clock(ctx context.Context) (time.Time, error)

	Catalogue
	Orders
	Queue
	Commands
	Refunds
	Remedies
	BidBook
	Readings
	Uploads
	AsWas

	// Book writes the service's own book, line by line, to emit. It reads one snapshot.
	Book(ctx context.Context, emit func(line any) error) error
	Backlog(ctx context.Context, now time.Time) (Backlog, error)
	// Refuse records notifications that were not taken.
	Refuse(ctx context.Context, list []Refused) error
	// Bound is the buyer's unionid, "" when not known yet.
	Bound(ctx context.Context, channel Channel, buyerID string) (string, error)
	Bind(ctx context.Context, channel Channel, buyerID, unionID string) error
}

// Catalogue is what stands in the street.
type Catalogue interface {
	PutMachines(ctx context.Context, list []Machine) error
	// MachineKey is the key that the machine signs with. ErrNotFound.
	MachineKey(ctx context.Context, machineID string) ([]byte, error)
	// Slot is a slot's price and stock. ErrNotFound.
	Slot(ctx context.Context, machineID string, slot int) (Slot, error)
	// Slots are a machine's prices and stock, by slot; none of a machine that is not known, or has no slots.
	Slots(ctx context.Context, machineID string) ([]Slot, error)
	// SetPrice changes a slot's price. ErrNotFound.
	SetPrice(ctx context.Context, machineID string, slot int, fen int64) error
	// HasMachine tells an unknown machine from an unknown slot.
	HasMachine(ctx context.Context, machineID string) (bool, error)
}

// Orders are the orders' own moves.
type Orders interface {
	// CreateOrder takes one piece of stock and writes the order as CREATED; atPrice: only if it is at the slot's price. ErrSoldOut,
	// ErrPriceMoved, ErrDuplicate.
	CreateOrder(ctx context.Context, o Order, atPrice bool) error
	// Order and OrderByRequest: ErrNotFound.
	Order(ctx context.Context, orderID string) (Order, error)
	OrderByRequest(ctx context.Context, requestID string) (Order, error)
	// MakePayable moves CREATED to PAYING.
	MakePayable(ctx context.Context, o Order) (moved bool, err error)
	// AddChannel remembers a further channel that may take the payment of a PAYING order, and writes down each of its ways, first
	// looked at at look.
	AddChannel(ctx context.Context, orderID string, channels []Channel, look time.Time) (moved bool, err error)
	// DueFurtherWays lists a channel's ways to pay orders that have several; ClaimFurtherWay keeps others away until next, and
	// FurtherWayDone forgets the row.
	DueFurtherWays(ctx context.Context, channel Channel, now time.Time, limit int) ([]FurtherWay, error)
	ClaimFurtherWay(ctx context.Context, w FurtherWay, next time.Time) (moved bool, err error)
	FurtherWayDone(ctx context.Context, w FurtherWay) error
	// CloseOrder moves one of from (CREATED, PAYING) to CLOSED and gives the stock back.
	CloseOrder(ctx context.Context, orderID string, now time.Time, from ...State) (moved bool, err error)
	// DueOrders lists a channel's orders in one of states whose NextMS has come, oldest first.
	DueOrders(ctx context.Context, channel Channel, states []State, now time.Time, limit int) ([]Order, error)
	// Postpone moves NextMS on, if it still is what o says and the state too. It claims the order for one look.
	Postpone(ctx context.Context, o Order, next time.Time) (moved bool, err error)

	// Settle records the payment of a payable order, writes its command, and finishes the row of pay_queue
	// (queueID 0: there is none), all at once.
	Settle(ctx context.Context, p Payment, c Command, next time.Time, queueID int64) (moved bool, err error)
	// SettleByRefund records the payment of an order in one of from and sends the money back.
	SettleByRefund(ctx context.Context, p Payment, from []State, r RefundRow, queueID int64, now time.Time) (moved bool, err error)
	// RefundExtra sends back a transaction that is not the one the order was paid by.
	RefundExtra(ctx context.Context, r RefundRow, queueID int64, now time.Time) error
}

// Queue is pay_queue.
type Queue interface {
	// Enqueue stores a payment. With unique, ErrDuplicate when the transaction is there already; with a lease above 0 the caller
	// handles the row itself until it ends.
	Enqueue(ctx context.Context, p Payment, unique bool, now time.Time, lease time.Duration) (QueueRow, error)
	// Row is one row. ErrNotFound.
	Row(ctx context.Context, queueID int64) (QueueRow, error)
	// DueRows lists rows that may be claimed.
	DueRows(ctx context.Context, now time.Time, limit int) ([]QueueRow, error)
	// Claim takes the row for lease, and counts the attempt in row.
	Claim(ctx context.Context, row *QueueRow, now time.Time, lease time.Duration) (moved bool, err error)
	// Finish, Retry and Void end the attempt that row was claimed for.
	Finish(ctx context.Context, row QueueRow, now time.Time) (moved bool, err error)
	Retry(ctx context.Context, row QueueRow, now, next time.Time) (moved bool, err error)
	Void(ctx context.Context, row QueueRow, now time.Time, remedy bool) (moved bool, err error)
	// Archive moves finished rows that ended before the moment to pay_queue_bak.
	Archive(ctx context.Context, before time.Time, limit int) (rows int, err error)
}

// Commands are the machines' commands.
type Commands interface {
	// Command: ErrNotFound.
	Command(ctx context.Context, commandID string) (Command, error)
	// DispenseCommand is an order's newest dispense command. ErrNotFound.
	DispenseCommand(ctx context.Context, orderID string) (Command, error)
	// QueuedCommand is the machine's oldest command that was not given to it. ErrNotFound.
	QueuedCommand(ctx context.Context, machineID string) (Command, error)
	// SendCommand moves QUEUED to SENT, and stamps it by Clock.
	SendCommand(ctx context.Context, commandID string) (moved bool, err error)
	// LostCommand is the command that the machine was given last, if it is SENT and not settled: the answer that carried it may
	// never have arrived. ErrNotFound.
	LostCommand(ctx context.Context, machineID string) (Command, error)
	// ResendCommand stamps a SENT command anew; not moved: it is not the machine's last any more.
	ResendCommand(ctx context.Context, c Command) (moved bool, err error)
	// UnfetchedCommands lists QUEUED commands pushed before the moment, and stamps them as pushed now.
	UnfetchedCommands(ctx context.Context, before, now time.Time, limit int) ([]Command, error)
	// Dispensed and NotDispensed record what the machine reports of a dispense command and move its order: to dispensed, or to
	// refunded by r. They return the order's state.
	Dispensed(ctx context.Context, c Command, now time.Time) (State, error)
	NotDispensed(ctx context.Context, c Command, end CommandState, r RefundRow, now time.Time) (State, error)
	// EndCommand ends a cancel command.
	EndCommand(ctx context.Context, commandID string, end CommandState, now time.Time) error

	// CancelQueued takes back a command that no machine was given, and sends the money back.
	CancelQueued(ctx context.Context, c Command, r RefundRow, now time.Time) (moved bool, err error)
	// CancelSent moves a SENT command to CANCELLING and writes the cancel command.
	CancelSent(ctx context.Context, c, cancel Command, now time.Time) (moved bool, err error)
}

// Refunds is the refunds table.
type Refunds interface {
	// DueRefunds lists a channel's refunds that were not confirmed yet.
	DueRefunds(ctx context.Context, channel Channel, now time.Time, limit int) ([]RefundRow, error)
	// ClaimRefund counts an attempt in r and keeps others away until next.
	ClaimRefund(ctx context.Context, r *RefundRow, next time.Time) (moved bool, err error)
	// RefundConfirmed marks the refund done, moves its order to REFUNDED and gives the stock back once.
	RefundConfirmed(ctx context.Context, r RefundRow, now time.Time) error
}

// Remedies is the remedy_order table.
type Remedies interface {
	// RaiseRemedy writes a remedy order for a payment, once per order and channel; done writes down one that is made good already,
	// and leaves one that is open as it is.
	RaiseRemedy(ctx context.Context, p Payment, reason string, done bool, now time.Time) error
	// DueRemedies lists a channel's open ones.
	DueRemedies(ctx context.Context, channel Channel, now time.Time, limit int) ([]RemedyOrder, error)
	ClaimRemedy(ctx context.Context, r *RemedyOrder, now, next time.Time) (moved bool, err error)
	// RemedyDone ends the attempt that r was claimed for. An order that was raised again meanwhile stays open.
	RemedyDone(ctx context.Context, r RemedyOrder, now time.Time) error
}

// BidBook keeps bids, their shares and their buyers' accounts.
type BidBook interface {
	// PutBid writes a bid of which nothing is sold, and accounts. A bid that is there keeps its units.
	PutBid(ctx context.Context, b Bid, accounts []Account) error
	// Bid, Account, Share and Progress: ErrNotFound.
	Bid(ctx context.Context, bidID string) (Bid, error)
	Account(ctx context.Context, buyerID string) (Account, error)
	Share(ctx context.Context, requestID string) (Share, error)
	// ReserveShare takes the units and writes the share; closes: the last unit closes the bid. takenSeq is the share's
	// TakenSeq, which BuyShare or ReturnShare writes down. ErrSoldOut, ErrDuplicate.
	ReserveShare(ctx context.Context, s Share, closes bool) (takenSeq int64, err error)
	// BuyShare moves RESERVED to BOUGHT and takes the price from the balance; not moved: the balance does not cover it, or
	// the share is not reserved any more.
	BuyShare(ctx context.Context, s Share, now time.Time) (moved bool, err error)
	// ReturnShare moves RESERVED to RETURNED and gives the units back; reopen: the bid takes buyers again.
	ReturnShare(ctx context.Context, s Share, reopen bool, now time.Time) (moved bool, err error)
	// HeldShares lists reservations whose time is over, oldest first.
	HeldShares(ctx context.Context, now time.Time, limit int) ([]Share, error)
	BidTotals(ctx context.Context, bidID string) (BidTotals, error)

	// AddProgress, Progress and TakeUnchecked are as it was: see the switches progress and stock. ErrBidBusy; ErrDuplicate,
	// and ErrNotFound when the balance does not cover the share.
	AddProgress(ctx context.Context, bidID string, units int64) error
	Progress(ctx context.Context, bidID string) (sold int64, err error)
	TakeUnchecked(ctx context.Context, s Share, now time.Time) error
}

// AsWas are the documented mistakes. Nothing of the hardened profile calls them.
type AsWas interface {
	// ConsumeLocked handles the oldest unfinished row inside a transaction that locks pay_queue by a scan, and stays
	// open until handle returns. found is false when there was none.
	ConsumeLocked(ctx context.Context, now time.Time, handle func(QueueRow) Verdict) (found bool, err error)
	// Hold takes a connection for all that is done with the context that it returns, until release.
	Hold(ctx context.Context) (_ context.Context, release func(), err error)
	// EnqueueArriving is Enqueue which also puts off the next look at the order to look, locking the order last. ErrDuplicate.
	EnqueueArriving(ctx context.Context, p Payment, unique bool, now, look time.Time) (QueueRow, error)
	// RowOf is the row that an earlier send of the same notification stored. ErrNotFound.
	RowOf(ctx context.Context, p Payment) (QueueRow, error)
	// PayUnchecked records a payment whatever state the order is in, and writes the command.
	PayUnchecked(ctx context.Context, p Payment, c Command, next time.Time) error
	// Overdue lists a channel's payments that came before the moment, of orders not dispensed and not refunded.
	Overdue(ctx context.Context, channel Channel, before time.Time, limit int) ([]Order, error)
	// RefundUnchecked writes down a refund that was made, and REFUNDED, whatever state the order is in.
	RefundUnchecked(ctx context.Context, r RefundRow, now time.Time) error
}

// A Verdict is how an attempt on a row of pay_queue ended.
type Verdict struct {
	Finished bool // else it is tried again
	Next     time.Time
	Void     bool // and never again
	Remedy   bool // a void row raises a remedy order
}
