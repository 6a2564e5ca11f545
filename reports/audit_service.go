package reports

import (
	"slices"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// service enters a row of the service's own tables.
func (a *audit) service(r *runlog.Record) {
	switch r.Event {
	case runlog.ServiceOrder:
		a.served++
		a.keyed(r.Key, r.Order)
		a.ask(r, 0)
		o := a.order(r.Order)
		o.flags |= serviceKnows
		o.amount = r.Fen
		o.state = uint8(max(0, slices.Index(states, r.Note)))
		switch {
		case o.drops > 0 || final(r.Note):
		case r.Note == "REFUNDING": // one that was closed before it was paid gave its piece back then
			a.slot(r).unsure++
		default:
			a.slot(r).reserved++
		}
		if r.Txn == "" && r.Paid == 0 {
			return
		}
		if p := a.payment(o, r.Txn); p != nil {
			p.known = true
			if r.Paid != p.fen {
				o.flags |= amountDiffers
			}
		}
	case runlog.ServiceQueue:
		a.queue.Rows++
		if r.Status != 2 {
			a.queue.Waiting++
		}
		if r.Note == "4" || r.Note == "void" {
			a.queue.Voided++
		}
		if endedLate(r) {
			a.queue.LaterThan60++
		}
		if p := a.payment(a.order(r.Order), r.Txn); p != nil {
			p.known = true
		}
	case runlog.ServiceRefund:
		if p := a.payment(a.order(r.Order), r.Txn); p != nil {
			p.known = true
		}
	case runlog.ServiceRemedy:
		a.queue.Remedies++
		a.order(r.Order).flags |= remedied
	case runlog.ServiceSlot:
		s := a.slot(r)
		s.left, s.told = int(r.Fen), true
	case runlog.ServiceBuyer:
		a.bound(r)
	case runlog.ServiceEnd:
		a.ended, a.tally.buyersTold = r.N, r.OK
	}
}
