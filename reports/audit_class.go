package reports

import "time"

// classes are all classes in the order in which they are tried; an order has the first that fits. It is also the order
// of badness in which bad orders are listed. The channel's book is the truth about money, the machine's about goods;
// the service's tables are only what the service believes.
//
//   - double-dispense: goods fell twice or more, whatever was paid.
//   - unpaid-dispense: goods fell once and no payment was ever made.
//   - dispensed-and-refunded: goods fell once and every payment went back in full.
//   - double-refund: of some payment more went back than was paid, or money went back that was never paid.
//   - acked-lost: more payments stayed than goods fell (one too many), the run gave it the time it was promised, a notify
//     of a payment that stayed was answered with success, and the service's tables do not know that payment.
//   - lost: as acked-lost, but the service knows the payment, or never said that it does, or its tables were not read.
//   - amount-mismatch: goods fell once, and the money that stayed is not their price, which is the label's and what the
//     buyer was told; or the service's tables hold another amount for a payment than the channel's book.
//   - stuck: money and goods are right, but the service's tables say otherwise at the end: no final state, the wrong
//     one, no row. An unpaid order may stay CREATED or PAYING until its payment window closes.
//   - indeterminate: a payment stayed without goods when the run was cut short; or it was made so late that the service had until
//     after the run's end to settle it; or the service had not heard yet, at the run's end, of goods or a refund of its last
//     seconds: nobody can tell what would have come.
//   - recovered: as ok-dispensed or ok-refunded, but the service's remedy job had a hand in it.
//   - ok-dispensed: goods fell once, and one payment, of the price, stayed.
//   - ok-refunded: paid, nothing fell, everything went back.
//   - ok-unpaid: never paid, nothing fell. Also an order that was asked for and never made.
//
// The order's second payment (another transaction) is money like the first: with goods fallen one of them must go back.
var classes = []Class{
	DoubleDispense, UnpaidDispense, DispensedAndRefunded, DoubleRefund, AckedLost, Lost, AmountMismatch, Stuck,
	Indeterminate, Recovered, OKDispensed, OKRefunded, OKUnpaid,
}

// Bad reports whether an order of class c is one that must not be. [Indeterminate] is bad too: nobody may call it good.
func (c Class) Bad() bool {
	switch c {
	case OKDispensed, OKRefunded, OKUnpaid, Recovered:
		return false
	default:
		return true
	}
}

// Loss reports whether an order of class c cost someone money or goods: bad, and neither [Stuck] nor [Indeterminate].
func (c Class) Loss() bool { return c.Bad() && c != Stuck && c != Indeterminate }

// A payment is what the channel's book says of one transaction.
type payment struct {
	at         int64 // when it was paid
	fen        int64
	refunded   int64
	refundedAt int64 // the last refund
	ackedAt    int64 // a notify of it was first answered with success; 0 never
	txn        ref
	refunds    uint16
	known      bool // the service's tables name it
	notified   bool // a notify of it was sent; only kept for stability
}

// whole reports whether all of it went back.
func (p *payment) whole() bool { return p.refunded >= p.fen }

// Facts about an order that are yes or no.
const (
	jammed        = 1 << iota // the machine said that nothing falls
	remedied                  // the service's remedy had it
	serviceKnows              // a row in the service's orders
	amountDiffers             // the service wrote another amount than the channel's for a payment
	canDispense               // planned: the buyer pays in time and the machine dispenses at once
	wentOffline               // planned: the machine goes offline for a while
	warmingUp                 // planned: due in the warm-up
	buyerBound                // the service has bound its buyer, to whom he is
)

// order is what the books say of one order.
type order struct {
	first     payment
	prepaid   int64 // fen, the channel's prepay
	amount    int64 // fen, the service's table
	droppedAt int64 // the first
	againAt   int64 // the second
	key       uint32
	more      uint32 // index + 1 into the audit's ledgers: what one payment cannot hold
	payments  uint16
	drops     uint16
	commands  uint16
	notifies  uint16
	flags     uint8
	state     uint8 // index into states
}

// A ledger holds what few orders have.
type ledger struct {
	more     []payment // the second and further
	orphan   int64     // fen that went back for no payment
	orphanAt int64
	label    int64 // what the goods cost by the machine's label, or as the buyer was told, where that is not what was charged
}

// states are the service's words for where an order stands (docs/PROTOCOL.md); index 0 stands for any other word.
var states = []string{"", "CREATED", "PAYING", "PAID", "DISPENSING", "DISPENSED", "REFUNDING", "REFUNDED", "CLOSED"}

// final reports whether no further move is expected of an order in that state.
func final(state string) bool {
	return state == "DISPENSED" || state == "REFUNDED" || state == "CLOSED"
}

// An ending is how the run ended, as far as classes depend on it.
type ending struct {
	over  bool // the drain completed, or the run's deadline was reached
	at    int64
	until int64 // the run's deadline when the drain did not complete; 0 when it did
	whole bool  // the service's own book is whole
	// refundAfter is the service's refund deadline: a payment without goods went wrong then.
	refundAfter int64
	// settle is the same of an order whose machine may have its command: a silent machine is waited for before money goes back.
	settle int64
}

// resultGrace is how long before the run's end goods may have fallen, or money gone back, without the service's tables saying so: as
// long as a machine waits for the answer to its result.
const resultGrace = int64(10 * time.Second)

// tooLate reports whether less than patience was left of the run at the moment at: nobody can tell what would have come.
func (e *ending) tooLate(at, patience int64) bool { return e.until > 0 && at+patience >= e.until }

// patience is how long after its payment an order may be open: nobody waits for a machine that was given nothing. A refund that is
// under way began at the latest when the machine was no longer waited for, and the channel has yet to confirm it.
func (e *ending) patience(o *order) int64 {
	switch states[o.state] {
	case "DISPENSING":
		return e.settle
	case "REFUNDING":
		return e.settle + resultGrace
	}
	return e.refundAfter
}

// A judgement is an order's class and what it means in money.
type judgement struct {
	class Class
	at    int64 // when it went wrong; 0 for good classes
	price int64
	paid  int64
	back  int64 // refunded
	open  int64 // of orders with neither goods nor refund
	goods int64 // price of the goods, once
	stay  int   // payments that were not given back whole
	loss  int64
}

// judge gives an order its class: see [classes] for the rules.
func judge(o *order, l *ledger, end ending) judgement {
	var (
		j       = judgement{price: o.price(l)}
		stay    int   // payments that were not given back whole
		stayAt  int64 // the last of them
		stayFen int64
		over    int64 // fen that went back beyond what was paid
		overAt  int64
		backAt  int64
	)
	look := func(p *payment) {
		j.paid += p.fen
		j.back += p.refunded
		backAt = max(backAt, p.refundedAt)
		if p.refunded > p.fen {
			over += p.refunded - p.fen
			overAt = max(overAt, p.refundedAt)
		}
		if p.whole() {
			return
		}
		stay++
		stayAt = max(stayAt, p.at)
		stayFen += p.fen - p.refunded
	}
	if o.payments > 0 {
		look(&o.first)
	}
	if l != nil {
		for i := range l.more {
			look(&l.more[i])
		}
		j.back += l.orphan
		over += l.orphan
		overAt = max(overAt, l.orphanAt)
	}
	if o.drops > 0 && o.payments > 0 {
		j.goods = j.price
	}
	drops := int(o.drops)
	j.stay = stay

	switch {
	case drops >= 2:
		j.class, j.at = DoubleDispense, o.againAt
	case drops == 1 && o.payments == 0:
		j.class, j.at = UnpaidDispense, o.droppedAt
	case drops == 1 && stay == 0:
		j.class, j.at = DispensedAndRefunded, max(o.droppedAt, backAt)
	case over > 0:
		j.class, j.at = DoubleRefund, overAt
	case stay > drops:
		j.open = max(0, stayFen-int64(drops)*j.price)
		j.at = stayAt + end.refundAfter
		switch {
		case !end.over, end.tooLate(stayAt, end.patience(o)):
			j.class, j.at = Indeterminate, end.at
		case end.whole && o.unheard(l) != nil:
			j.class, j.at = AckedLost, o.unheard(l).ackedAt
		default:
			j.class = Lost
		}
	case drops == 1 && stayFen != j.price, end.whole && o.flags&amountDiffers != 0:
		j.class, j.at = AmountMismatch, o.first.at
	case end.whole && end.over && !o.believed():
		j.class, j.at = Stuck, end.at
		if last := max(o.droppedAt, backAt); last > 0 && end.tooLate(last, resultGrace) {
			j.class = Indeterminate
		}
	case o.payments == 0:
		j.class = OKUnpaid
	case o.flags&remedied != 0:
		j.class = Recovered
	case drops == 1:
		j.class = OKDispensed
	default:
		j.class = OKRefunded
	}
	if j.class.Loss() {
		// What the books are out of balance by, in either direction; what went back beyond its payment counts for itself.
		j.loss = over + abs(j.paid-(j.back-over)-int64(drops)*j.price)
	}
	return j
}

// unheard is the last payment that stayed, whose notify was answered with success, and that the service's tables do not know; nil when
// there is none.
func (o *order) unheard(l *ledger) *payment {
	is := func(p *payment) bool { return !p.whole() && p.ackedAt > 0 && !p.known }
	if l != nil {
		for i := len(l.more) - 1; i >= 0; i-- {
			if is(&l.more[i]) {
				return &l.more[i]
			}
		}
	}
	if o.payments > 0 && is(&o.first) {
		return &o.first
	}
	return nil
}

// believed reports whether the service's tables agree with what happened to an order whose money is right.
func (o *order) believed() bool {
	switch state := states[o.state]; {
	case o.payments == 0:
		return o.flags&serviceKnows == 0 || state == "CREATED" || state == "PAYING" || state == "CLOSED"
	case o.drops > 0:
		return state == "DISPENSED"
	default:
		return state == "REFUNDED" || state == "CLOSED"
	}
}

// holdsUnpaid reports whether the service's tables say that nobody has paid the order, or do not have it.
func (o *order) holdsUnpaid() bool {
	state := states[o.state]
	return o.flags&serviceKnows == 0 || state == "CREATED" || state == "PAYING" || state == "CLOSED"
}

func abs(n int64) int64 {
	if n < 0 {
		return -n
	}
	return n
}
