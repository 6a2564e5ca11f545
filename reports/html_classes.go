package reports

// meanings say what a class of orders means to someone who has not read the manual.
var meanings = map[Class]string{
	Lost:                 "Paid, and neither goods nor money came back by the deadline.",
	AckedLost:            "The channel was told that its notification is taken, and the service has no record of the payment.",
	DispensedAndRefunded: "The goods fell and the money went back too: the operator paid for them.",
	DoubleDispense:       "The goods fell more than once for one payment.",
	DoubleRefund:         "The money went back more than once.",
	UnpaidDispense:       "The goods fell although nobody paid.",
	AmountMismatch:       "A payment of another amount than the order's was taken.",
	Stuck:                "The money is whole, but the service never brought the order to an end.",
	Indeterminate:        "The books cannot tell: the run ended before this could be settled, or was cut short.",
	OKDispensed:          "Paid, and the goods fell once.",
	OKRefunded:           "Paid, nothing fell, and the money went back once.",
	OKUnpaid:             "Never paid, and nothing fell.",
	Recovered:            "Paid, missed at first, and made good by the remedy job.",
}

// badOrders counts the orders of the bad classes.
func badOrders(a *Audit) int { return countClasses(a, Class.Bad) }

// lostOrders counts the orders of the classes that cost someone money or goods.
func lostOrders(a *Audit) int { return countClasses(a, Class.Loss) }

func countClasses(a *Audit, which func(Class) bool) int {
	n := 0
	for c, orders := range a.Classes {
		if which(c) {
			n += orders
		}
	}
	return n
}
