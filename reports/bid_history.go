package reports

import (
	"math"

	"github.com/anishathalye/porcupine"
)

// history says whether the answers fit some order of events in which each unit is taken once.
//
// More sold than there is, or someone turned away for nothing, has none, and is not searched for. Else porcupine is first
// given the order that the service's ledger tells, if it does ([inLedgerOrder]). What is left is the search for a service that
// tells nothing: units that came back did so somewhere between the purchase's send and its answer, and with hundreds of
// purchases at once the search for that moment does not end, so it is looked for at the answer first. An order that is found
// in any of these ways is one.
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
	if acts, told := inLedgerOrder(b.units, b.acts(asTheBookSays)); told && search(b.units, acts) == porcupine.Ok {
		return historyOK
	}
	if search(b.units, b.acts(backAtTheAnswer)) == porcupine.Ok {
		return historyOK
	}
	switch search(b.units, b.acts(backAtAnyTime)) {
	case porcupine.Ok:
		return historyOK
	case porcupine.Illegal:
		return historyIllegal
	case porcupine.Unknown:
	}
	return historyNotChecked
}

// A bidReading is how the buyers' answers are read where they leave something open.
type bidReading uint8

const (
	asTheBookSays   bidReading = iota // what nobody was told is what the service's book says
	backAtTheAnswer                   // nobody knows it; units came back when the buyer was told
	backAtAnyTime                     // nobody knows it; units came back while the buyer waited
)

// acts are what the purchases did. A purchase of whose end nobody was told and whose share the service gave back is read as
// that: to its buyer nothing was promised.
func (b *bidBook) acts(reading bidReading) []stockAct {
	var acts []stockAct
	for i := range b.bought {
		p := &b.bought[i]
		act := func(kind stepKind, from, seq int64) {
			acts = append(acts, stockAct{stockStep{p.units, kind}, from, p.till, seq})
		}
		open := p.outcome == purchaseOpen
		switch {
		case p.outcome == purchaseShed, !p.asked:
		case p.outcome.turnedAway():
			act(stepRefuse, p.from, 0)
		case p.outcome == purchaseFailed, open && p.state == "RETURNED":
			act(stepHold, p.from, p.takenSeq)
			from := p.from
			if reading == backAtTheAnswer && p.till < math.MaxInt64 {
				from = max(from, p.till-1)
			}
			act(stepReturn, from, p.returnedSeq)
		case p.outcome == purchaseBought, open && reading == asTheBookSays && p.state != "":
			act(stepTake, p.from, p.takenSeq)
		case reading != asTheBookSays:
			act(stepMaybe, p.from, 0)
		}
	}
	return acts
}
