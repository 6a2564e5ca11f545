package scenarios

import "time"

// Reprice is an operator who changes prices while buyers look. The zero value changes none.
type Reprice struct {
	Every time.Duration // from one change to the next; 0 none
	Grace time.Duration // for how long after a change the old price may still be told
}

func repriceFields(p *Reprice) []field {
	return []field{
		{"every", true, "From one change to the next. Each is of one of browse's hot slots.", period(&p.Every, 100*time.Millisecond, time.Hour)},
		{"grace", false, "How long after a change the old price may still be told before it counts as wrong.", period(&p.Grace, 0, time.Hour)},
	}
}

func (s *Scenario) checkReprice(add adder) {
	if s.Reprice.Every > 0 && s.Browse.PerMachineHour == 0 {
		add("reprice", "add browse", "changes prices that nobody looks at")
	}
}
