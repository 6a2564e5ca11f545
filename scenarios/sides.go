package scenarios

import "maps"

// A Side is a further way to run a scenario, beside as-was and hardened: what helps a little, or only for a while. It
// either passes, by its own Expect, or fails, with its own Signature.
type Side struct {
	Name      string
	Title     string            // what it shows, for people
	Set       map[string]string // switches on top of Service
	Times     float64           // of the rate of the traffic beside the orders
	Expect    map[string]Condition
	Signature map[string]Condition
}

// Fails reports whether the side is one that must fail.
func (d *Side) Fails() bool { return len(d.Signature) > 0 }

// On is the scenario as that side runs it: with its switches and rates, and what it is held to. It shares nothing with s
// that a caller may change.
func (s *Scenario) On(side Side) *Scenario {
	c := *s
	c.Service = maps.Clone(s.Service)
	maps.Copy(c.Service, side.Set)
	if c.Signature = side.Signature; !side.Fails() {
		c.Expect = side.Expect
	}
	c.Browse.PerMachineHour *= side.Times
	c.Messages.PerMachineHour *= side.Times
	return &c
}

const sidesMax = 5

func sideFields(d *Side) []field {
	return []field{
		{"name", true, "What it is called: a word.", word(&d.Name)},
		{"title", true, "What it shows.", line(&d.Title, 120)},
		{"set", false, "Switches set on top of service.", switches(&d.Set)},
		{"times", false, "The rate of the traffic beside the orders, as a multiple.", numberOf(&d.Times, 0.01, timesMax)},
		{"expect", false, "What must hold, of a side that passes.", conditions(&d.Expect)},
		{"signature", false, "What must hold, of a side that fails as the as-was side does.", conditions(&d.Signature)},
	}
}

func (s *Scenario) checkSides(add adder) {
	seen := map[string]bool{"hardened": true, "as-was": true}
	for _, d := range s.Sides {
		switch {
		case seen[d.Name]:
			add("sides", "", "has two sides %s", d.Name)
		case d.Fails() == (len(d.Expect) > 0):
			add("sides", "one that passes has expect, one that fails has signature", "%s must either pass or fail", d.Name)
		case len(s.AsWas) == 0:
			add("sides", "a side is a third one", "are there, although there is no as-was")
		}
		seen[d.Name] = true
	}
}
