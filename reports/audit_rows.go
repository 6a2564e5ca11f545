package reports

import "github.com/lunchrush/lunchrush/internal/runlog"

// endedLate reports whether a row of pay_queue has ended, and was last consumed more than 60 s after its creation. It is what the
// operators' own query counts: in whole seconds, so that 60.999 s are 60.
func endedLate(r *runlog.Record) bool {
	return r.Status == 2 && r.DoneMS > 0 && (r.DoneMS-r.CreatedMS)/1000 > 60
}

// bound enters a buyer whom the service has bound, at the order of each of his tries. One who is bound as somebody else is not.
func (a *audit) bound(r *runlog.Record) {
	if !r.OK {
		return
	}
	for _, key := range a.tries(r.Key) {
		if k, known := a.keys.find(key); known && a.ofKey[k] != 0 {
			a.at(a.ofKey[k] - 1).flags |= buyerBound
		}
	}
}

// countBuyer counts the buyer of an order that was paid.
func (a *audit) countBuyer(o *order) {
	if o.payments == 0 {
		return
	}
	a.tally.payers++
	if o.flags&buyerBound != 0 {
		a.tally.bound++
	}
}
