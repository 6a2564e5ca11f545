package reports

// A meaning is what a class of orders says to someone who has not read the manual.
type meaning struct {
	Class Class
	Bad   bool
	Says  string
}

// meanings are all classes in the order of the report: bad ones first, the worst first.
var meanings = []meaning{
	{Lost, true, "Paid, and neither goods nor money came back by the deadline."},
	{AckedLost, true, "The channel was told that its notification is taken, and the service has no record of the payment."},
	{DispensedAndRefunded, true, "The goods fell and the money went back too: the operator paid for them."},
	{DoubleDispense, true, "The goods fell more than once for one payment."},
	{DoubleRefund, true, "The money went back more than once."},
	{UnpaidDispense, true, "The goods fell although nobody paid."},
	{AmountMismatch, true, "A payment of another amount than the order's was taken."},
	{Stuck, true, "The money is whole, but the service never brought the order to an end."},
	{Indeterminate, true, "The books cannot tell: an answer never came, or a book was cut short."},
	{OKDispensed, false, "Paid, and the goods fell once."},
	{OKRefunded, false, "Paid, nothing fell, and the money went back once."},
	{OKUnpaid, false, "Never paid, and nothing fell."},
	{Recovered, false, "Paid, missed at first, and made good by the remedy job."},
}

// lostOrders counts the orders of the classes that cost someone money or goods.
func lostOrders(a *Audit) int {
	return badOrders(a) - a.Classes[Stuck] - a.Classes[Indeterminate]
}

// badOrders counts the orders of the bad classes.
func badOrders(a *Audit) int {
	n := 0
	for _, m := range meanings {
		if m.Bad {
			n += a.Classes[m.Class]
		}
	}
	return n
}
