package scenarios

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A Stretch is how a scenario's load and trigger are changed for one cell of a stability map. Every length is real time. A zero
// leaves what the scenario has.
type Stretch struct {
	Load     float64       // orders a second while the first fault begins, and after the last
	Trigger  time.Duration // from the beginning of the first fault to the end of the last
	Baseline time.Duration // load before the first fault
	After    time.Duration // load between the last fault and the kick, or the end; with a zero the kick is left as it is, too
	Kick     time.Duration // length of the lull; 0: none
	Restored time.Duration // load after the lull
}

// LoadAtFault is the offered load when the first fault begins, in orders a second; 0 without a fault.
func (s *Scenario) LoadAtFault() float64 {
	if len(s.Faults) == 0 {
		return 0
	}
	return s.Curve().Rate(s.At(s.firstFault()))
}

// TriggerLength is from the beginning of the first fault to the end of the last, in real time.
func (s *Scenario) TriggerLength() time.Duration {
	if len(s.Faults) == 0 {
		return 0
	}
	from, to := s.At(s.firstFault()), time.Duration(0)
	for _, f := range s.Faults {
		occurs := s.Occurrences(f)
		to = max(to, occurs[len(occurs)-1]+f.For)
	}
	return to - from
}

// BaselineLength is how long the load goes on before the first fault, in real time.
func (s *Scenario) BaselineLength() time.Duration {
	if len(s.Faults) == 0 {
		return s.Length()
	}
	return s.At(s.firstFault())
}

func (s *Scenario) firstFault() TimeOfDay {
	first := s.Faults[0].At
	for _, f := range s.Faults {
		first = min(first, f.At)
	}
	return first
}

// steady is by how much the load may differ from what it was when the first fault began, for a map to mean anything.
const steady = 0.01

// Stretched is the scenario with another load, a longer or shorter trigger, and so much load around it. The faults keep their
// order and their proportions. The error is [Problems], or says why the scenario cannot be stretched.
func (s *Scenario) Stretched(by Stretch) (*Scenario, error) {
	switch {
	case len(s.Faults) == 0:
		return nil, fmt.Errorf("%s has no fault: nothing triggers anything", s.Name)
	case slices.ContainsFunc(s.Faults, func(f Fault) bool { return f.Every > 0 }):
		return nil, fmt.Errorf("%s has a fault that comes again: its trigger has no length", s.Name)
	}
	c := *s
	first, speed := s.firstFault(), s.Clock.Speed
	if by.Load > 0 {
		c.Demand.PerMachineHour *= by.Load / s.LoadAtFault()
		if math.IsInf(c.Demand.PerMachineHour, 0) || c.Demand.PerMachineHour > perHourMax {
			return nil, fmt.Errorf("%s: %s orders a second are more than %s an hour of each of its %d machines", s.Name, number64(by.Load), number64(perHourMax), s.Fleet.Machines)
		}
	}
	length := s.TriggerLength()
	if by.Trigger > 0 {
		ratio := float64(by.Trigger) / float64(length)
		c.Faults = slices.Clone(s.Faults)
		for i := range c.Faults {
			f := &c.Faults[i]
			f.For = time.Duration(float64(f.For) * ratio).Round(time.Millisecond)
			f.At = first + TimeOfDay(float64(f.At-first)*ratio)
		}
		length = by.Trigger
	}
	ends := first + TimeOfDay(float64(length)*speed)
	later := func(d time.Duration) TimeOfDay { return TimeOfDay(float64(d) * speed) }
	if by.Baseline > 0 {
		c.Clock.From = first - later(by.Baseline)
	}
	if by.After > 0 {
		c.Kick = Kick{}
		if by.Kick > 0 {
			c.Kick = Kick{At: ends + later(by.After), For: by.Kick}
		}
		c.Clock.To = ends + later(by.After) + later(by.Kick) + later(by.Restored)
	}
	if c.Clock.From < 0 {
		return nil, fmt.Errorf("%s: %s of load before the fault, at %s, would begin on the day before", s.Name, duration(by.Baseline), first)
	}
	if err := c.recheck(func() {}); err != nil {
		return nil, err
	}
	return &c, c.steadyFrom(first)
}

// steadyFrom reports where the load is not what it was when the first fault began. The kick is no such place.
func (s *Scenario) steadyFrom(first TimeOfDay) error {
	plain := *s
	plain.Kick = Kick{}
	at := plain.At(first)
	curve := plain.Curve()
	want := curve.Rate(at)
	for _, k := range curve {
		if k.At >= at && math.Abs(k.Rate-want) > steady*want {
			return fmt.Errorf("%s: the load is %.1f orders a second when the fault begins, and %.1f at %s: a map needs one that is held constant after it",
				s.Name, want, k.Rate, plain.TimeOfDay(k.At))
		}
	}
	return nil
}
