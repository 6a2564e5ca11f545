package scenarios

import "maps"

// SetSpeed overrides clock.speed and checks the whole again. On an error, which is [Problems], s is unchanged.
func (s *Scenario) SetSpeed(speed float64) error {
	old := s.Clock.Speed
	s.Clock.Speed = speed
	if speed >= speedMin && speed <= speedMax {
		return s.recheck(func() { s.Clock.Speed = old })
	}
	s.Clock.Speed = old
	return outside("clock.speed", speed, speedMin, speedMax)
}

// SetMachines overrides fleet.machines and checks the whole again; demand is per machine, so the load follows. On an
// error, which is [Problems], s is unchanged.
func (s *Scenario) SetMachines(machines int) error {
	old := s.Fleet.Machines
	if machines < 1 || machines > machinesMax {
		return outside("fleet.machines", float64(machines), 1, machinesMax)
	}
	s.Fleet.Machines = machines
	return s.recheck(func() { s.Fleet.Machines = old })
}

func (s *Scenario) recheck(undo func()) error {
	var problems Problems
	for _, f := range s.check() {
		problems = append(problems, Problem{File: s.Name, Field: f.path, What: f.what, Hint: f.hint})
	}
	if len(problems) > 0 {
		undo()
		return problems
	}
	return nil
}

func outside(field string, got, low, high float64) error {
	return Problems{{Field: field, What: number64(got) + " is not between " + number64(low) + " and " + number64(high)}}
}

// WithoutCures is the scenario with some of its as-was switches set on both sides: its hardened side lacks these cures. It
// panics if as-was does not have one of the switches.
func (s *Scenario) WithoutCures(keys ...string) *Scenario {
	mutant := *s
	mutant.Service = maps.Clone(s.Service)
	if mutant.Service == nil {
		mutant.Service = map[string]string{}
	}
	for _, key := range keys {
		value, ok := s.AsWas[key]
		if !ok {
			panic(s.Name + " does not switch " + key + " back")
		}
		mutant.Service[key] = value
	}
	return &mutant
}
