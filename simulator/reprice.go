package simulator

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/scenarios"
)

// SendReprice is an operator's new price for a slot.
const SendReprice = "reprice"

// planReprice changes the price of a hot slot, one after the other, each time to another price.
func planReprice(s *scenarios.Scenario, chance func(string) *stream) []PlanCall {
	every := s.Reprice.Every
	if every == 0 || s.Browse.PerMachineHour == 0 {
		return nil
	}
	hot := hotSlots(s, chance("browse place"))
	price := chance("reprice price")
	var calls []PlanCall
	last := make(map[int]int64)
	for due := every; due < s.Length(); due += every {
		at := hot[len(calls)%len(hot)]
		low, high := s.Fleet.PriceFen[0], s.Fleet.PriceFen[1]
		fen := high + 1 + int64(price.below(int(high-low)+2)) // none that a slot has from the start
		if fen == last[at] {
			fen++
		}
		last[at] = fen
		calls = append(calls, PlanCall{
			Due: due, Subject: fmt.Sprintf("%s/%d", machineName(at/s.Fleet.Slots), at%s.Fleet.Slots+1), Fen: fen,
		})
	}
	return calls
}

// hotSlots are the slots that browse's hot looks go to. They are the first that its stream draws.
func hotSlots(s *scenarios.Scenario, place *stream) []int {
	slots := s.Fleet.Machines * s.Fleet.Slots
	hot := make([]int, min(s.Browse.HotSlots, slots))
	for i := range hot {
		hot[i] = place.below(slots)
	}
	return hot
}

// reprice is the operator.
type reprice struct{ caller }

func openReprice(st *stage) (workload, error) { return &reprice{caller{st: st}}, nil }

// call changes a price. The new one may be told from the send on, the old one until the answer came.
func (p *reprice) call(c *PlanCall, due time.Duration) {
	machine, slot, _ := strings.Cut(c.Subject, "/")
	n, _ := strconv.Atoi(slot) // the plan's own
	s := Send{
		Due: due, Method: http.MethodPost, URL: p.target.Internal + "/internal/prices/" + machine + "/" + slot,
		Header: jsonHeader, Body: fmt.Appendf(nil, `{"price_fen":%d}`, c.Fen),
		Intent: func(time.Duration) { p.st.prices.announce(machine, n, c.Fen) },
	}
	p.push(c, s, func(a Answer) said {
		if a.Status != http.StatusNoContent {
			return refused("", a.Status)
		}
		p.st.prices.settle(machine, n, a.At+p.st.scenario.Reprice.Grace)
		return said{ok: true, fen: c.Fen}
	})
}
