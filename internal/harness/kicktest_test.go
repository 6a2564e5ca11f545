package harness

import (
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

func TestARunThatStaysDownIsPlayedAgainWithALull(t *testing.T) {
	sc, err := scenarios.Find("notify-storm", Known())
	if err != nil {
		t.Fatal(err)
	}
	down := reports.Stability{
		Class: reports.Suspect, BucketNS: int64(9 * time.Second), RecoveryOpen: true, SeenNS: int64(84 * time.Second),
		HorizonNS: int64(81 * time.Second), ModelNS: int64(27 * time.Second),
	}
	for _, tt := range []struct {
		name   string
		change func(*reports.Stability)
		wants  bool
	}{
		{"suspect", func(*reports.Stability) {}, true},
		{"down, and nothing shows why", func(s *reports.Stability) { s.Class = reports.Undecided }, true},
		{"it came back later than it should", func(s *reports.Stability) { s.Class, s.RecoveryOpen = reports.Undecided, false }, false},
		{"there was no baseline", func(s *reports.Stability) { s.Class, s.BucketNS = reports.Undecided, -1 }, false},
		{"it came back", func(s *reports.Stability) { s.Class, s.RecoveryOpen = reports.Recovering, false }, false},
	} {
		s := down
		tt.change(&s)
		if got := WantsKick(&s, sc); got != tt.wants {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
	if WantsKick(nil, sc) {
		t.Error("a run without a fault wants one")
	}
	kicked, err := WithKick(sc, &down)
	if err != nil {
		t.Fatal(err)
	}
	if kicked.Kick.For != 32*time.Second || kicked.At(kicked.Kick.At) != (18+18+84)*time.Second || kicked.Length() != (18+18+84+32+29)*time.Second {
		t.Errorf("a lull of %v at %v, %v in all", kicked.Kick.For, kicked.At(kicked.Kick.At), kicked.Length())
	}
	if WantsKick(&down, kicked) {
		t.Error("one that has a lull wants another")
	}
	down.SeenNS, down.ModelNS = int64(20*time.Second), -1
	if kicked, err = WithKick(sc, &down); err != nil || kicked.At(kicked.Kick.At) != (18+18+84)*time.Second || kicked.Kick.For != 20*time.Second {
		t.Errorf("of a run that ended before its horizon: %v, %v", err, kicked)
	}
}
