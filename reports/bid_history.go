package reports

import (
	"math"
	"time"

	"github.com/anishathalye/porcupine"
)

// historyLimit bounds each of porcupine's two searches: what it cannot decide within it is not checked, and the report says so.
const historyLimit = 3 * time.Second

// A purchaseStep is one thing that a purchase did to the units that remain.
type purchaseStep struct {
	units int
	kind  stepKind
}

type stepKind uint8

const (
	stepTake   stepKind = iota // units left
	stepMaybe                  // units left, or did not: nobody was told
	stepHold                   // units left, and will come back
	stepReturn                 // units came back
	stepRefuse                 // units did not suffice
)

// A stockState is what remains of an item, and what of the rest is only held.
type stockState struct{ left, held int }

// stockModel is one item's stock. A take whose answer never came has two outcomes, and both are
// followed.
func stockModel(stock int) porcupine.Model {
	model := porcupine.NondeterministicModel{
		Init: func() []any { return []any{stockState{stock, 0}} },
		Step: func(state, input, _ any) []any {
			s, step := state.(stockState), input.(purchaseStep) //nolint:forcetypeassert // the model's own
			enough := s.left >= step.units
			switch step.kind {
			case stepTake:
				if enough {
					return []any{stockState{s.left - step.units, s.held}}
				}
			case stepMaybe:
				if enough {
					return []any{s, stockState{s.left - step.units, s.held}}
				}
				return []any{s}
			case stepHold:
				if enough {
					return []any{stockState{s.left - step.units, s.held + step.units}}
				}
			case stepReturn:
				if s.held >= step.units { // nothing comes back that was not taken
					return []any{stockState{s.left + step.units, s.held - step.units}}
				}
			case stepRefuse:
				if !enough {
					return []any{s}
				}
			}
			return nil
		},
		Equal: func(a, b any) bool { return a == b },
	}
	return model.ToModel()
}

// history says whether the answers fit some order of events in which each unit is taken once.
//
// Units that came back did so somewhere between the purchase's send and its answer. With hundreds of purchases at once the
// search for that moment does not end, so it is looked for at the answer first: an order that is found there is one. More
// sold than there is, or someone turned away for nothing, has none, and is not searched for.
func (b *bidBook) history(res *BidAudit) string {
	if b.units == 0 {
		return historyNotChecked
	}
	sure := 0
	for i := range b.bought {
		if b.bought[i].outcome == purchaseBought {
			sure += b.bought[i].units
		}
	}
	if sure > b.units || res.TurnedAwayEarly > 0 {
		return historyIllegal
	}
	if porcupine.CheckOperationsTimeout(stockModel(b.units), b.operations(true), historyLimit) == porcupine.Ok {
		return historyOK
	}
	switch porcupine.CheckOperationsTimeout(stockModel(b.units), b.operations(false), historyLimit) {
	case porcupine.Ok:
		return historyOK
	case porcupine.Illegal:
		return historyIllegal
	case porcupine.Unknown:
	}
	return historyNotChecked
}

// operations are what the purchases did. With late, units came back when the buyer was told.
func (b *bidBook) operations(late bool) []porcupine.Operation {
	var ops []porcupine.Operation
	add := func(p *purchase, kind stepKind, from int64) {
		ops = append(ops, porcupine.Operation{ClientId: len(ops), Input: purchaseStep{p.units, kind}, Call: from, Return: min(p.till, math.MaxInt64-1)})
	}
	for i := range b.bought {
		switch p := &b.bought[i]; p.outcome {
		case purchaseBought:
			add(p, stepTake, p.from)
		case purchaseOpen:
			add(p, stepMaybe, p.from)
		case purchaseFailed:
			add(p, stepHold, p.from)
			if late {
				add(p, stepReturn, max(p.from, p.till-1))
			} else {
				add(p, stepReturn, p.from)
			}
		case purchaseTurnedAway:
			add(p, stepRefuse, p.from)
		}
	}
	return ops
}

const (
	historyOK         = "ok"
	historyIllegal    = "illegal"
	historyNotChecked = "not checked"
)
