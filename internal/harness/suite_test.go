package harness

import (
	"slices"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

// Lanes that end together waste no time, a wide row fits in while narrow ones can fill what it leaves, and a testbed that one row alone
// needs is started while the others are busy.
func TestTheWidestRowsComeFirstThenThoseOfRareEnginesThenTheLongestAndThoseAloneLast(t *testing.T) {
	row := func(name string, drain time.Duration, connections int, needs ...string) *scenarios.Scenario {
		return &scenarios.Scenario{
			Name: name, Drain: drain, Clock: scenarios.Clock{Speed: 1}, Needs: needs, Database: scenarios.Database{MaxConnections: connections},
		}
	}
	fiveSides := row("five-sides", 29*time.Second, 0)
	fiveSides.Sides = make([]scenarios.Side, 3)
	alone := row("alone", 2*time.Hour, 0)
	alone.Alone = true
	wide, wider := row("wide", time.Second, 0), row("wider", time.Millisecond, 0)
	wide.Places, wider.Places = 2, 3
	s := &Suite{Abreast: 4, Scenarios: []*scenarios.Scenario{
		alone, row("short", 10*time.Second, 0), row("long", time.Minute, 0), row("replica-short", time.Second, 0, "replica"), wide,
		row("middling", 30*time.Second, 0), fiveSides, row("few-connections", 5*time.Second, 25), row("replica-long", time.Hour, 0, "replica"), wider,
	}}
	var got []string
	for _, i := range s.order() {
		got = append(got, s.Scenarios[i].Name)
	}
	if want := []string{"wider", "wide", "few-connections", "replica-long", "replica-short", "five-sides", "long", "middling", "short", "alone"}; !slices.Equal(got, want) {
		t.Errorf("the rows come as %v, wanted %v", got, want)
	}
}

// Neighbours make a row late; they lose no money.
func TestWhatIsTriedOnceMore(t *testing.T) {
	judged := func(outcome string, code int) *reports.Proof {
		a := &reports.Analysis{}
		a.Verdict.Outcome, a.Verdict.ExitCode = outcome, code
		return &reports.Proof{Sides: []reports.ProofSide{{Name: Hardened, Analysis: a}}}
	}
	for _, tt := range []struct {
		name         string
		proof        *reports.Proof
		crowd, alone bool
	}{
		{"not reached", nil, false, false},
		{"proved", judged(reports.Pass, reports.ExitPass), false, false},
		{"inconclusive", judged(reports.Inconclusive, reports.ExitInconclusive), true, true},
		{"missed a limit", judged(reports.Fail, reports.ExitMissed), true, false},
		{"lost money", judged(reports.Fail, reports.ExitViolated), false, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if crowd, alone := onceMore(tt.proof, true), onceMore(tt.proof, false); crowd != tt.crowd || alone != tt.alone {
				t.Errorf("once more after a crowd: %v, alone: %v", crowd, alone)
			}
		})
	}
}

func TestWhoHasNeighbours(t *testing.T) {
	for _, tt := range []struct {
		name    string
		row     scenarios.Scenario
		abreast int
		want    bool
	}{
		{"one of several", scenarios.Scenario{}, 2, true},
		{"one that leaves a place", scenarios.Scenario{Places: 3}, 4, true},
		{"one that leaves none", scenarios.Scenario{Places: 3}, 3, false},
		{"one of more places than there are", scenarios.Scenario{Places: 3}, 2, false},
		{"one that is alone", scenarios.Scenario{Alone: true}, 4, false},
		{"one after the other", scenarios.Scenario{}, 1, false},
	} {
		s := &Suite{Scenarios: []*scenarios.Scenario{&tt.row}, Abreast: tt.abreast}
		if got := s.crowded(0); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// The service refuses some of what was without the rest of it: the mutant takes away as little as can be.
func TestACureIsTakenAwayByItselfOrWithWhatItNeeds(t *testing.T) {
	for _, tt := range []struct{ scenario, key, with string }{
		{"refund-race", "refund.guard", ""},
		{"remedy", "remedy", "queue.void"},
		{"remedy", "queue.void", ""},
		{"callback-serial", "callback.lock", "callback.workers"},
	} {
		sc, err := scenarios.Find(tt.scenario, Known())
		if err != nil {
			t.Fatal(err)
		}
		mutant, with, err := withoutCure(sc, tt.key)
		if err != nil || with != tt.with {
			t.Errorf("%s without %s: with %q, %v; wanted with %q", tt.scenario, tt.key, with, err, tt.with)
			continue
		}
		for key, value := range sc.AsWas {
			if taken := mutant.Service[key] == value; taken != (key == tt.key || key == tt.with) {
				t.Errorf("%s without %s: %s taken away: %v", tt.scenario, tt.key, key, taken)
			}
		}
	}
}
