package reports

import (
	"cmp"
	"slices"
)

// inLedgerOrder puts acts one after the other so that takes and returns come as the ledger has them, each refusal comes while
// too little is left, and each act has a moment of its own within its interval. It gives them in that order, with their place
// in it as from and till; false when there is none, or when the ledger does not tell of every take and return.
//
// The ledger is a hint and no evidence: an order that is legal here is a legal one of the acts as they were, since each has a
// moment within its own interval. That there is none says nothing.
//
// A take or return waits until its own answer, or the answer of a refusal that fits none of the states so far, wants it. In
// any order with the ledger's takes and returns they are made by then, too: so if there is one, this finds one. Porcupine,
// which tries whoever came first, would try subsets of hundreds of refusals.
func inLedgerOrder(stock int, acts []stockAct) ([]stockAct, bool) {
	w := ledgerWalk{acts: acts, left: stock, done: make([]bool, len(acts))}
	var events []ledgerEvent
	for i, a := range acts {
		switch {
		case a.kind == stepRefuse:
			events = append(events, ledgerEvent{a.from, asked, i}, ledgerEvent{a.till, answered, i})
		case a.seq <= 0 || a.kind == stepMaybe:
			return nil, false
		default:
			events = append(events, ledgerEvent{a.till, answered, i})
			w.moves = append(w.moves, i)
		}
	}
	slices.SortFunc(w.moves, func(i, j int) int { return cmp.Compare(acts[i].seq, acts[j].seq) })
	slices.SortFunc(events, func(x, y ledgerEvent) int { return cmp.Or(cmp.Compare(x.at, y.at), cmp.Compare(x.kind, y.kind)) })
	for _, e := range events {
		if e.kind == asked {
			if !w.ask(e.act, e.at) {
				return nil, false
			}
			continue
		}
		for !w.done[e.act] {
			if !w.move(e.at) {
				return nil, false
			}
		}
	}
	return w.order, true
}

// A ledgerEvent is the beginning or the end of an act's interval. Of takes and returns only the end matters.
type ledgerEvent struct {
	at   int64
	kind ledgerEventKind
	act  int
}

type ledgerEventKind uint8

const (
	asked    ledgerEventKind = iota // first of those at the same moment
	answered                        // an act that has not been put by now is put now
)

// A ledgerWalk puts acts in order, while time goes on.
type ledgerWalk struct {
	acts  []stockAct
	left  int   // units, after what has been put
	moves []int // the takes and returns that are to come, by the ledger
	asked []int // refusals that wait for a state with less left, the most units last
	done  []bool
	order []stockAct
}

// put gives an act its place, at the moment at; false when that is outside its interval: then the ledger's order is not the
// order of events.
func (w *ledgerWalk) put(act int, at int64) bool {
	a := w.acts[act]
	if at < a.from || at > a.till {
		return false
	}
	a.from = int64(len(w.order))
	a.till = a.from
	w.order = append(w.order, a)
	w.done[act] = true
	return true
}

// ask puts a refusal if too little is left for it, and lets it wait otherwise.
func (w *ledgerWalk) ask(refusal int, at int64) bool {
	units := w.acts[refusal].units
	if units > w.left {
		return w.put(refusal, at)
	}
	i, _ := slices.BinarySearchFunc(w.asked, units, func(r, units int) int { return cmp.Compare(w.acts[r].units, units) })
	w.asked = slices.Insert(w.asked, i, refusal)
	return true
}

// move puts the ledger's next take or return, and then the refusals that waited for it.
func (w *ledgerWalk) move(at int64) bool {
	if len(w.moves) == 0 {
		return false
	}
	m := w.acts[w.moves[0]]
	if m.kind == stepReturn {
		w.left += m.units
	} else {
		w.left -= m.units
	}
	if !w.put(w.moves[0], at) {
		return false
	}
	w.moves = w.moves[1:]
	for n := len(w.asked); n > 0 && w.acts[w.asked[n-1]].units > w.left; n = len(w.asked) {
		if !w.put(w.asked[n-1], at) {
			return false
		}
		w.asked = w.asked[:n-1]
	}
	return true
}
