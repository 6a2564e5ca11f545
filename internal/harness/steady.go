package harness

import (
	"fmt"
	"time"

	"github.com/lunchrush/lunchrush/scenarios"
)

// Peak is a scenario's highest load: orders of one machine in an hour, and when it begins.
func Peak(sc *scenarios.Scenario) (perMachineHour float64, at scenarios.TimeOfDay) {
	top := -1.0
	for _, k := range sc.Curve() {
		if k.Rate > top*(1+1e-9) {
			top, at = k.Rate, sc.TimeOfDay(k.At)
		}
	}
	return top * 3600 / float64(sc.Fleet.Machines), at
}

// Steady is the scenario at its peak, held for so long, with another fleet: what a trial of a capacity search plays. Buyers come by
// chance (Poisson), in real time. leftOut says what of the scenario is not in it.
func Steady(sc *scenarios.Scenario, machines int, length time.Duration) (_ *scenarios.Scenario, leftOut []string, err error) {
	for _, other := range []struct {
		is   bool
		what string
	}{
		{sc.Sale.Units > 0, "a bid"}, {sc.Messages.PerMachineHour > 0, "messages"}, {sc.Uploads.Callers > 0, "uploads"}, {sc.Reprice.Every > 0, "changes of prices"},
	} {
		if other.is {
			return nil, nil, fmt.Errorf("%s has %s, which does not grow with the fleet; a search for the largest fleet has no use for it", sc.Name, other.what)
		}
	}
	rate, at := Peak(sc)
	s := *sc
	if at >= scenarios.TimeOfDay(24*time.Hour) {
		at -= scenarios.TimeOfDay(24 * time.Hour)
	}
	looks := sc.BrowseCurve().Rate(sc.At(at)) * 3600 / float64(sc.Fleet.Machines)
	s.Clock = scenarios.Clock{From: at, To: at + scenarios.TimeOfDay(length), Speed: 1}
	s.Demand.PerMachineHour, s.Demand.Peaks, s.Demand.Arrivals = rate, nil, "poisson"
	s.Browse.PerMachineHour, s.Browse.Peaks = looks, nil
	s.AsWas, s.Signature, s.Sides = nil, nil, nil
	if len(sc.Faults) > 0 {
		s.Faults, s.Kick = nil, scenarios.Kick{}
		leftOut = append(leftOut, "its faults")
	}
	if err := s.SetMachines(machines); err != nil {
		return nil, nil, fmt.Errorf("%s with %d machines: %w", sc.Name, machines, err)
	}
	return &s, leftOut, nil
}
