package harness

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator"
)

func named(t *testing.T, name string) *scenarios.Scenario {
	t.Helper()
	sc, err := scenarios.Find(name, Known())
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

func TestTrialIsThePeakHeldForAnyFleet(t *testing.T) {
	for _, machines := range []int{100, 600, 20_000} {
		sc := named(t, "peak-night")
		rate, at := Peak(sc)
		s, leftOut, err := Steady(sc, machines, 40*time.Second)
		if err != nil || leftOut != nil {
			t.Fatalf("%v %v", leftOut, err)
		}
		curve := s.Curve()
		want := rate * float64(machines) / 3600
		if s.Length() != 40*time.Second || math.Abs(curve.Max()-want) > 1e-9*want || math.Abs(curve.Total()-40*want) > 1e-6*want {
			t.Errorf("%d machines: %v of %v for %v", machines, curve.Max(), want, s.Length())
		}
		if s.Clock.From != at || s.Demand.Arrivals != "poisson" {
			t.Errorf("from %v, %s", s.Clock.From, s.Demand.Arrivals)
		}
		if _, err := simulator.NewPlan(s, 1); err != nil {
			t.Error(err)
		}
		if sc.Clock.Speed == 1 || len(sc.Demand.Peaks) == 0 {
			t.Error("the scenario itself was changed")
		}
	}
}

func TestPeakOfThePeaks(t *testing.T) {
	if rate, at := Peak(named(t, "six-hundred-devices")); math.Abs(rate-120) > 1e-9 || at.String() != "11:05" {
		t.Errorf("%v at %v", rate, at)
	}
	if rate, _ := Peak(named(t, "connections-exhausted")); math.Abs(rate-120) > 1e-9 {
		t.Errorf("%v without a peak", rate)
	}
}

func TestFaultsAreLeftOutAndSaid(t *testing.T) {
	s, leftOut, err := Steady(named(t, "slb-burst"), 600, 20*time.Second)
	if err != nil || len(s.Faults) > 0 || len(s.AsWas) > 0 || len(leftOut) != 1 {
		t.Errorf("%v %v %v", s.Faults, leftOut, err)
	}
}

func TestWhatDoesNotGrowWithTheFleetIsRefused(t *testing.T) {
	for name, want := range map[string]string{"full-bid-oversell": "a bid", "inflight-limit": "messages", "reupload-storm": "uploads"} {
		if _, _, err := Steady(named(t, name), 600, 20*time.Second); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOneFewerIsOneFewerOfEachRoleThatHasSeveral(t *testing.T) {
	got := oneFewer(scenarios.Topology{Front: 3, Gate: 2, Shop: 1, Notifier: 2, CPUs: 2})
	if want := (scenarios.Topology{Front: 2, Gate: 1, Shop: 1, Notifier: 1, CPUs: 2}); describe(got) != describe(want) || got.CPUs != 2 {
		t.Errorf("%s", describe(got))
	}
}
