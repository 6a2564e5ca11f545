package runlog

// An Event says what a [Record] is about. The prefix names whose book it stands in.
type Event string

// The events. "Intent" is written before a send, "answer" after; an intent without an answer, or an answer with Status 0,
// is indeterminate.
const (
	// The buyers' book. Key is the plan's key of the order; Order is known from the answer on.
	BuyerIntent   Event = "buyer.intent"    // Key Machine Slot Channel: about to send POST /v1/orders
	BuyerAnswer   Event = "buyer.answer"    // Key Order Fen Paid(what the label says, fen, when Fen is another price than it ever said in that time) Status Note(error code)
	BuyerPayAgain Event = "buyer.pay-again" // Key Order Channel Status: a second way to pay was asked for
	BuyerGone     Event = "buyer.gone"      // Key Order: will never pay (planned)

	// The payment channels' book: the truth about money.
	ChannelPrepay   Event = "channel.prepay"        // Order Channel Fen: can be paid now
	ChannelPaid     Event = "channel.paid"          // Order Channel Fen ID(transaction)
	ChannelClosed   Event = "channel.closed"        // Order Channel: the service closed it unpaid
	ChannelQueried  Event = "channel.queried"       // Order Channel Note(trade_state)
	ChannelRefunded Event = "channel.refunded"      // Order Channel Fen ID(out_refund_no) Txn(transaction): money went back, once per ID
	ChannelRefusal  Event = "channel.refund-denied" // Order Channel Fen ID Note(code)
	NotifyIntent    Event = "notify.intent"         // Order Channel ID(notify id) Txn N(send, from 1) Note("duplicate" for a planned duplicate)
	NotifyAnswer    Event = "notify.answer"         // Order Channel ID Txn N Status OK(the channel takes it as success)
	NotifyGivenUp   Event = "notify.given-up"       // Order Channel ID N: the ladder is at its end
	ProbeIntent     Event = "probe.intent"          // ID Channel Note(kind: signtest, forged, replayed, re-encoded, amount, unknown, ...)
	ProbeAnswer     Event = "probe.answer"          // ID Channel Status OK(it was refused, as it must be) Note(kind)

	// The workloads' book: traffic beside the orders. Channel is the kind of the call.
	CallIntent Event = "call.intent" // Key Channel ID(subject) N Fen
	CallAnswer Event = "call.answer" // Key Channel ID(the service's) N Fen Status OK(it is the right answer) Took Note(code, or what is wrong)

	// The message queue's own figures, each second.
	QueueSecond Event = "queue.second" // N(most messages in flight so far) Fen(messages that are in the queue now, waiting or in flight) Status(receives in that second that found the limit in flight)

	// The machines' book: the truth about goods.
	MachineCommand   Event = "machine.command"   // Order Machine Slot ID(command) Note(kind: dispense, cancel)
	MachineDropped   Event = "machine.dropped"   // Order Machine Slot ID: goods fell
	MachineJammed    Event = "machine.jammed"    // Order Machine Slot ID Note: nothing fell
	MachineRefused   Event = "machine.refused"   // Order Machine ID Note(expired, duplicate, cancelled)
	ResultIntent     Event = "result.intent"     // Order Machine ID Note(outcome)
	ResultAnswer     Event = "result.answer"     // Order Machine ID Status Note(outcome)
	HeartbeatFailure Event = "heartbeat.failure" // Machine Status: only failures are booked

	// The service's own book, copied from GET /internal/book after the drain.
	ServiceOrder   Event = "service.order"   // Order Key Machine Slot Channel Fen(amount) Paid(fen) Txn Note(state) CreatedMS PaidMS DoneMS
	ServiceQueue   Event = "service.queue"   // Order Channel Txn Status(consume_status) N(consume_count) Note(status) CreatedMS DoneMS
	ServiceCommand Event = "service.command" // Order Machine Slot ID Note("kind state")
	ServiceRefund  Event = "service.refund"  // Order Channel Txn Fen ID(refund_no) Note(state)
	ServiceRemedy  Event = "service.remedy"  // Order N(remedy_count) Note("reason state")
	ServiceSlot    Event = "service.slot"    // Machine Slot Fen(stock left, pieces)
	ServiceBuyer   Event = "service.buyer"   // Key(of the order that he is the buyer of) Channel ID(unionid) OK(it is the right one): is bound
	ServiceCall    Event = "service.call"    // Key Channel(kind) ID N Fen Note(state) CreatedMS DoneMS TakenSeq ReturnedSeq: what came of a call
	ServiceEnd     Event = "service.end"     // N(orders) OK(it tells of its buyers): the service's book is whole

	// The harness's own book.
	Stock     Event = "run.stock"      // Machine Slot Fen(pieces at the start)
	Phase     Event = "run.phase"      // Note(provision, play, drain, collect, end)
	FaultOn   Event = "run.fault-on"   // ID(fault) Note(what)
	FaultFelt Event = "run.fault-felt" // ID OK Note(evidence)
	FaultOff  Event = "run.fault-off"  // ID Note
	ByHand    Event = "run.by-hand"    // ID(fault) Note(pause, resume, inject, heal, stop): what somebody asked for
)

// A Record is one line of a book. The zero value of a field is not written. At is always there: nanoseconds since the
// run's start by the harness's monotonic clock (Manifest.StartedAt is the wall clock of that moment). Service records
// carry the moment they were collected.
type Record struct {
	At        int64  `json:"t"`
	Event     Event  `json:"e"`
	Key       string `json:"k,omitempty"` // the plan's key of the order = the buyer's request_id
	Order     string `json:"o,omitempty"` // the service's order id = the channel's out_trade_no
	Machine   string `json:"m,omitempty"`
	Slot      int    `json:"s,omitempty"` // slots count from 1
	Channel   string `json:"c,omitempty"`
	Fen       int64  `json:"f,omitempty"`
	Paid      int64  `json:"p,omitempty"`
	ID        string `json:"i,omitempty"`
	Txn       string `json:"x,omitempty"`
	N         int    `json:"n,omitempty"`
	Status    int    `json:"st,omitempty"` // HTTP status; 0 = no answer (time-out, reset): indeterminate
	OK        bool   `json:"ok,omitempty"`
	Due       int64  `json:"d,omitempty"`   // intents: when the send was due, ns since start
	Took      int64  `json:"tk,omitempty"`  // answers: service time, ns from send to answer
	CreatedMS int64  `json:"cms,omitempty"` // service records: Unix ms
	PaidMS    int64  `json:"pms,omitempty"`
	DoneMS    int64  `json:"dms,omitempty"`
	Note      string `json:"w,omitempty"`

	// Of a share of a bid: which of the takes and returns of the bid's units its own were, counted from 1 by the service in
	// the order in which they happened. 0 it did not happen, or the service does not tell.
	TakenSeq    int64 `json:"ts,omitempty"`
	ReturnedSeq int64 `json:"rs,omitempty"`
}
