package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/scenarios"
)

// SendBrowse is a buyer's look at the price of a slot.
const SendBrowse = "browse"

// unknownSlot is what [PlanCall.Note] says of a look at a slot that does not exist.
const unknownSlot = "unknown"

// planBrowse spreads looks over the curve: some to the hot slots, some to slots that no machine has, the rest anywhere.
// Slots that do not exist are never asked for twice, as those of someone who counts through them.
func planBrowse(s *scenarios.Scenario, chance func(string) *stream) []PlanCall {
	if s.Browse.PerMachineHour == 0 {
		return nil
	}
	due := arrivals(s.BrowseCurve(), s.Demand.Arrivals, chance("browse arrivals"))
	kind := chance("browse kind").quotas(len(due), "", share{"hot", s.Browse.Hot}, share{unknownSlot, s.Browse.Unknown})
	place := chance("browse place")
	slots := s.Fleet.Machines * s.Fleet.Slots
	hot := hotSlots(s, place)
	strange := 0
	calls := make([]PlanCall, len(due))
	for i := range calls {
		c := &calls[i]
		c.Due = due[i]
		var at int
		switch kind[i] {
		case "hot":
			at = hot[place.below(len(hot))]
		case unknownSlot:
			c.Note = unknownSlot
			strange++
			c.Subject = fmt.Sprintf("%s/%d", machineName(place.below(s.Fleet.Machines)), s.Fleet.Slots+strange)
			continue
		default:
			at = place.below(slots)
		}
		c.Subject = fmt.Sprintf("%s/%d", machineName(at/s.Fleet.Slots), at%s.Fleet.Slots+1)
	}
	return calls
}

// browse is the buyers who look.
type browse struct {
	caller
	timeout time.Duration
}

func openBrowse(st *stage) (workload, error) {
	return &browse{caller: caller{st: st}, timeout: st.scenario.Browse.Timeout}, nil
}

// call looks once.
func (b *browse) call(c *PlanCall, due time.Duration) {
	machine, slot, _ := strings.Cut(c.Subject, "/")
	s := Send{
		Due: due, Method: http.MethodGet, URL: b.target.Public + "/v1/machines/" + machine + "/slots/" + slot, Timeout: b.timeout,
	}
	if c.Note == unknownSlot {
		s.Wants = http.StatusNotFound
	}
	b.push(c, s, func(a Answer) said { return b.looked(c, machine, slot, a) })
}

// looked judges a price by the one that the machine has: another is stale, or some other slot's.
func (b *browse) looked(c *PlanCall, machine, slot string, a Answer) said {
	var got struct {
		Fen  int64  `json:"price_fen"`
		Code string `json:"code"`
	}
	if err := json.Unmarshal(a.Body, &got); err != nil {
		return said{note: "the answer is not JSON"}
	}
	switch {
	case c.Note == unknownSlot && a.Status == http.StatusNotFound:
		return said{ok: true, note: got.Code}
	case c.Note == unknownSlot && a.Status == http.StatusOK:
		return said{fen: got.Fen, note: wrongPrice}
	case a.Status != http.StatusOK:
		return refused(got.Code, a.Status)
	}
	n, _ := strconv.Atoi(slot) // the plan's own
	if !b.st.prices.was(machine, n, got.Fen, a.Sent) {
		return said{fen: got.Fen, note: wrongPrice}
	}
	return said{ok: true, fen: got.Fen}
}

// wrongPrice is the note of an answer with a price that the slot did not have when it was asked for.
const wrongPrice = "wrong price"
