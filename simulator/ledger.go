package simulator

import (
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A ledger follows the books while they are written, as far as the live line, the goodput and the end of the drain need
// it. It judges nothing: that is done afterwards, from the books.
type ledger struct {
	inTime time.Duration // goods that fall within it of their payment are goodput; 0 is any time

	mu     sync.Mutex
	orders map[string]*account // by the service's order id; guarded by mu
	sum    ledgerSum           // guarded by mu
}

// An account is what the channels and the machines know of one order.
type account struct {
	paidAt            time.Duration // first payment
	payments, refunds int
	drops             int
}

// settled reports whether the buyer has his goods or his money: each payment but one that goods were given for is back.
func (a *account) settled() bool {
	owed := a.payments - a.refunds
	return owed <= 0 || owed == 1 && a.drops > 0
}

// lost reports whether the service has given away goods or money for good.
func (a *account) lost() bool {
	return a.drops > 1 || a.drops > 0 && a.refunds >= a.payments || a.refunds > a.payments
}

// ledgerSum are totals since the run's start.
type ledgerSum struct {
	Creates int // orders asked for
	Paid    int // payments
	Dropped int // pieces that fell
	InTime  int // of these within the refund deadline of their payment
	Refunds int
	Open    int // orders paid and neither dispensed nor refunded
	Losses  int // orders that are lost already, whatever comes
}

func newLedger(inTime time.Duration, orders int) *ledger {
	return &ledger{inTime: inTime, orders: make(map[string]*account, orders)}
}

// note takes a record as it is booked.
func (l *ledger) note(r *runlog.Record) {
	switch r.Event {
	case runlog.BuyerIntent, runlog.ChannelPaid, runlog.ChannelRefunded, runlog.MachineDropped:
	default:
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Event == runlog.BuyerIntent {
		l.sum.Creates++
		return
	}
	a := l.orders[r.Order]
	if a == nil {
		a = &account{}
		l.orders[r.Order] = a
	}
	wasSettled, wasLost := a.settled(), a.lost()
	switch r.Event {
	case runlog.ChannelPaid:
		if a.payments++; a.payments == 1 {
			a.paidAt = time.Duration(r.At)
		}
		l.sum.Paid++
	case runlog.ChannelRefunded:
		a.refunds++
		l.sum.Refunds++
	case runlog.MachineDropped:
		a.drops++
		l.sum.Dropped++
		if a.drops == 1 && a.payments > 0 && (l.inTime <= 0 || time.Duration(r.At)-a.paidAt <= l.inTime) {
			l.sum.InTime++
		}
	}
	l.sum.Open += btoi(wasSettled) - btoi(a.settled())
	l.sum.Losses += btoi(a.lost()) - btoi(wasLost)
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// totals returns the sums so far.
func (l *ledger) totals() ledgerSum {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sum
}

// paid reports whether a channel has taken money for the order.
func (l *ledger) paid(order string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.orders[order]
	return a != nil && a.payments > 0
}
