package reports

import (
	"fmt"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// slotsLimit bounds the time that all slots together may take to be checked; the rest is not checked, and the report says so.
const slotsLimit = 10 * time.Second

// SlotHistories says of how many slots (machine and slot) the orders, the refusals as sold out and what is left at the end fit
// some order of events in which each piece is taken once. Of a run whose service's book is not whole, none is checked.
type SlotHistories struct {
	Slots      int `json:"slots"`
	SoldOut    int `json:"sold_out"` // slots in which a buyer was told so
	Illegal    int `json:"illegal"`
	NotChecked int `json:"not_checked"`
}

// A slotAsk is one buyer's wish for a piece, by his own book.
type slotAsk struct {
	asked, answered int64 // answered 0 never
	refused         bool  // as sold out
}

// ask enters that a buyer asked a slot for a piece, at the moment at: what the buyers' book says, or, of an order that only the
// service knows, the beginning of the run.
func (a *audit) ask(r *runlog.Record, at int64) {
	if r.Key == "" {
		a.slot(r).unasked = true
		return
	}
	k, fresh := a.keys.number(r.Key)
	if fresh {
		a.ofKey = append(a.ofKey, 0)
	}
	for int(k) >= len(a.asks) {
		a.asks = append(a.asks, slotAsk{asked: -1})
	}
	if a.asks[k].asked < 0 {
		a.asks[k].asked = at
		s := a.slot(r)
		s.asks = append(s.asks, k)
	}
}

// told enters what he was answered.
func (a *audit) told(r *runlog.Record) {
	k, known := a.keys.find(r.Key)
	if !known || int(k) >= len(a.asks) {
		return
	}
	if ask := &a.asks[k]; r.Status/100 == 2 || r.Status == 409 && r.Note == "SOLD_OUT" {
		ask.answered, ask.refused = r.At, r.Status == 409
	}
}

// histories checks each slot by itself.
func (a *audit) histories() SlotHistories {
	var h SlotHistories
	began := time.Now()
	for _, s := range a.slots {
		if !s.started || !s.told {
			continue
		}
		h.Slots++
		acts, refused := a.slotActs(s)
		if refused {
			h.SoldOut++
		}
		switch {
		case !a.end.whole || s.unasked || time.Since(began) > slotsLimit:
			h.NotChecked++
		default:
			switch search(s.start, acts) {
			case porcupine.Illegal:
				h.Illegal++
			case porcupine.Unknown:
				h.NotChecked++
			case porcupine.Ok:
			}
		}
	}
	return h
}

// slotActs are what was done to a slot's pieces until the service was asked for its book, and what it said was left. Money that
// went back although goods had fallen may have brought a piece back for a while: whether it did in the end is left open.
func (a *audit) slotActs(s *stock) (acts []stockAct, refused bool) {
	end := a.last
	act := func(kind stepKind, from, till int64) {
		acts = append(acts, stockAct{stockStep{1, kind}, from, till, 0})
	}
	for _, k := range s.asks {
		ask, till := a.asks[k], end
		if ask.answered > 0 {
			till = ask.answered
		}
		var o *order
		if int(k) < len(a.ofKey) && a.ofKey[k] > 0 {
			o = a.at(a.ofKey[k] - 1)
		}
		if o == nil || o.flags&serviceKnows == 0 {
			if ask.refused {
				refused = true
				act(stepRefuse, ask.asked, till)
			}
			continue
		}
		switch state := states[o.state]; {
		case state == "REFUNDED" && o.drops > 0, state == "REFUNDING":
			act(stepMaybe, ask.asked, till)
		case state == "REFUNDED", state == "CLOSED":
			act(stepHold, ask.asked, till)
			act(stepReturn, ask.asked, end)
		default:
			act(stepTake, ask.asked, till)
		}
	}
	acts = append(acts, stockAct{stockStep{s.left, stepLeft}, end + 1, end + 1, 0})
	return acts, refused
}

// sentence says what the histories are like; "" when there is nothing to tell.
func (h *SlotHistories) sentence() string {
	if h.Slots == 0 {
		return ""
	}
	s := fmt.Sprintf("stock of %s slots (%s sold out): order of events ", count(int64(h.Slots)), count(int64(h.SoldOut)))
	switch {
	case h.Illegal > 0:
		s += fmt.Sprintf("%s in %s of them", historyIllegal, count(int64(h.Illegal)))
	case h.NotChecked > 0:
		s += fmt.Sprintf("%s in %s of them", historyNotChecked, count(int64(h.NotChecked)))
	default:
		s += historyOK
	}
	return s
}

var slotGauges = []gauge{{
	MeasureDoc{"stock.illegal", "", "slots whose orders, refusals and rest fit no order of events in which each piece is taken once, as porcupine checks it; not known when it could not tell of each"},
	func(e *evidence) (float64, int) {
		h := &e.audit.Histories
		if !e.whole || h.Slots == 0 || h.Illegal == 0 && h.NotChecked > 0 {
			return never, 0
		}
		return float64(h.Illegal), h.Slots
	},
}}
