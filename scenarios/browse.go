package scenarios

import "time"

// Browse is buyers who look at a slot's price before, or without, ordering. The zero value is nobody.
type Browse struct {
	PerMachineHour float64 // looks; 0 nobody looks
	Peaks          []Peak  // an advert campaign
	Hot            float64 // share of the looks that goes to a few slots, 0..1
	HotSlots       int     // how many slots those are, in the whole street
	Unknown        float64 // share that asks for a slot that does not exist, 0..1
	Timeout        time.Duration
}

// BrowseCurve is the rate of looks, as [Scenario.Curve] is that of orders.
func (s *Scenario) BrowseCurve() Curve { return s.curve(s.Browse.PerMachineHour, s.Browse.Peaks) }

func browseFields(b *Browse) []field {
	return []field{
		{"per_machine_hour", true, "Looks at prices for one machine in an hour, outside peaks.", numberOf(&b.PerMachineHour, 0, perHourMax)},
		{"peaks", false, "When more buyers look: an advert campaign.", listOf(&b.Peaks, peaksMax, newPeak, peakFields)},
		{"hot", false, "Share of the looks that goes to a few slots.", fraction(&b.Hot)},
		{"hot_slots", false, "How many slots those are, in the whole street.", numberOf(&b.HotSlots, 1, machinesMax)},
		{"unknown", false, "Share that asks for a slot that does not exist, each time for another.", fraction(&b.Unknown)},
		{"timeout", false, "How long a buyer waits for the price.", period(&b.Timeout, 100*time.Millisecond, time.Minute)},
	}
}

func (s *Scenario) checkBrowse(add adder) {
	b := s.Browse
	if b.Hot+b.Unknown > 1 {
		add("browse", "the rest look at any slot", "hot and unknown make %s, more than 100%%", share(b.Hot+b.Unknown))
	}
	s.checkCalls(add, "browse", s.BrowseCurve())
}

// checkCalls looks at what a workload beside the orders comes to.
func (s *Scenario) checkCalls(add adder, block string, curve Curve) {
	switch {
	case curve.lowest() < -1e-9:
		add(block+".peaks", "overlapping peaks add up", "bring the rate below zero")
	case curve.Max() > rateMax:
		add(block, "", "comes to %.0f calls a second, more than %.0f", curve.Max(), rateMax)
	case curve.Total() > ordersMax:
		add(block, "", "comes to %.0f calls, more than %d", curve.Total(), ordersMax)
	}
}
