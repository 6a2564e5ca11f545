package reports

import "github.com/lunchrush/lunchrush/internal/runlog"

// priced enters the price that the buyer was told. Where it is not the label's, or not what the channel is to take, the order's books cannot
// say what the goods cost: its ledger does.
func (a *audit) priced(r *runlog.Record) {
	if r.Order == "" {
		return
	}
	o := a.order(r.Order)
	switch {
	case r.Paid > 0:
		a.ledger(o).label = r.Paid
	case r.Fen > 0 && o.prepaid > 0 && o.prepaid != r.Fen:
		a.ledger(o).label = r.Fen
	}
}

// price is what the goods cost: by the label where that is not what was charged, else by the service's table, else by the prepay, else
// what was paid. l is nil for most orders.
func (o *order) price(l *ledger) int64 {
	switch {
	case l != nil && l.label > 0:
		return l.label
	case o.amount > 0:
		return o.amount
	case o.prepaid > 0:
		return o.prepaid
	}
	return o.first.fen
}
