package service

import "slices"

// moves are the states that each state may become, in one write. PAYING becomes DISPENSING at once when the command is
// written along with the payment; PAID is seen where the two are apart. REFUNDING becomes DISPENSED only when the refund
// was never sent and the machine reports that the goods fell after all.
var moves = map[State][]State{
	Created:    {Paying, Paid, Dispensing, Refunding, Closed},
	Paying:     {Paid, Dispensing, Refunding, Closed},
	Paid:       {Dispensing, Dispensed, Refunding},
	Dispensing: {Dispensed, Refunding},
	Refunding:  {Refunded, Dispensed},
	Closed:     {Refunding},
	Dispensed:  nil,
	Refunded:   nil,
}

// CanBecome reports whether the rules let an order move from s to next. The writes themselves are compare-and-sets that
// name the states they start from; the property tests hold them to this table.
func (s State) CanBecome(next State) bool { return slices.Contains(moves[s], next) }
