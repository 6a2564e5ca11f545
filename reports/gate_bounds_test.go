package reports

import (
	"regexp"
	"strings"
	"testing"
	"time"
)

// What a bound proves it proves wherever the bounded ones stand: a head that cures some of the pairs passes, one that breaks them fails,
// and turned round the one is the other.
func TestBoundsOnEitherSide(t *testing.T) {
	const never, four = 30, 4
	gate := func(baseOpen, headOpen int) *Gate {
		base, head := usual, usual
		base.recovery, head.recovery = four, four
		g := gateOf(base, head, 10, 0.01, 1)
		for i := range g.Pairs {
			for _, side := range []struct {
				r    GateRun
				open int
			}{{g.Pairs[i].Base, baseOpen}, {g.Pairs[i].Head, headOpen}} {
				if i < side.open {
					side.r.Values[recoveryMeasure] = GateValue{Value: never * 1e9, Samples: 480, AtLeast: true}
				}
			}
		}
		g.Judge()
		return g
	}
	tests := []struct {
		name       string
		base, head int // pairs in which they did not recover
		want       string
		why        string
	}{
		{"none", 0, 0, Pass, ""},
		{"one of the base's", 1, 0, Pass, ""},
		{"all of the base's", 10, 0, Pass, ""},
		{"one of the head's", 0, 1, Pass, ""},
		{"five of the head's", 0, 5, Inconclusive, "the head did not recover while it was watched in 5 of 10 pairs"},
		{"all of the head's", 0, 10, Fail, "the head did not recover while it was watched"},
		{"one of both", 1, 1, Pass, ""},
		{"two of both", 2, 2, Inconclusive, "the head did not recover while it was watched in 2 of 10 pairs, nor the base in 2"},
		{"all of both", 10, 10, Inconclusive, "the head did not recover while it was watched in 10 of 10 pairs, nor the base in 10"},
		{"all of the base's and five of the head's", 10, 5, Inconclusive, "the head did not recover while it was watched in 5 of 10 pairs, nor the base in 10"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := gate(tt.base, tt.head)
			m := g.measure(recoveryMeasure)
			if m.Status != tt.want || !strings.Contains(m.Why, tt.why) || m.Pairs != 10 {
				t.Errorf("%s in %d pairs (%s), want %s (%s): %+v", m.Status, m.Pairs, m.Why, tt.want, tt.why, m.Change)
			}
			every(t, g)
		})
	}
	// The schema lets any measure be a bound, also one of which more is better.
	for _, side := range []string{SideBase, SideHead} {
		g := gate(0, 0)
		for _, p := range g.Pairs {
			r := map[string]GateRun{SideBase: p.Base, SideHead: p.Head}[side]
			r.Values[goodputMeasure] = GateValue{Value: 0.5, Samples: 480, AtLeast: true}
		}
		g.Judge()
		if m := g.measure(goodputMeasure); m.Status != Inconclusive {
			t.Errorf("goodput of the %s is half or more: %s, %+v", side, m.Status, m.Change)
		}
		every(t, g)
	}
}

func TestOnlyWhatMorePairsWouldDecideIsPromised(t *testing.T) {
	near := usual
	near.drop *= 1.095
	lacking := func(g *Gate) {
		g.Pairs[2].Head.Values["create.p99"] = GateValue{Samples: 12, Why: "12 samples are too few: this needs 299"}
	}
	tests := []struct {
		name   string
		head   made
		change func(*Gate)
		want   string // of the headline, behind the pairs
	}{
		{"all that is undecided", near, func(*Gate) {}, `^pay_to_dispense\.p50 undecided after 10 pairs; about \d+ would decide$`},
		{"none of it", usual, lacking, `^create\.p99 undecided after 10 pairs; more pairs may never decide create\.p99: not known in 1 of 10 pairs: head: 12 samples`},
		{
			"some of it", near, lacking,
			`^create\.p99, pay_to_dispense\.p50 undecided after 10 pairs; about \d+ would decide pay_to_dispense\.p50; more pairs may never decide create\.p99: not known`,
		},
		{"too few to say", usual, func(g *Gate) { g.Pairs = g.Pairs[:5] }, `undecided after 5 pairs$`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := gateOf(usual, tt.head, 10, 0.01, 1)
			tt.change(g)
			if g.Judge(); !regexp.MustCompile(tt.want).MatchString(g.Verdict.Headline) {
				t.Errorf("%q, want %s", g.Verdict.Headline, tt.want)
			}
		})
	}
}

func TestThePairsThatAreEnoughAreOfEachMeasure(t *testing.T) {
	g := gateOf(usual, usual, 10, 0.01, 1)
	at := time.Date(2026, 11, 19, 9, 0, 0, 0, time.UTC)
	g.Noise = NoiseOf(gateOf(usual, usual, 40, 0.01, 3).Pairs, g.Rules, at, at)
	if got := strings.Join(g.noiseLines(), "; "); !strings.Contains(got, "with 6 pairs each measure of an unchanged build passes in nine of ten gates") {
		t.Error(got)
	}
}

func TestPairsWhoseRunsBothDidNotRecoverTellNoNoise(t *testing.T) {
	m := usual
	m.recovery = 4
	g := gateOf(m, m, 20, 0.3, 1)
	for _, p := range g.Pairs[:14] {
		for _, r := range []GateRun{p.Base, p.Head} {
			r.Values[recoveryMeasure] = GateValue{Value: 30e9, Samples: 480, AtLeast: true}
		}
	}
	if n := NoiseOf(g.Pairs, g.Rules, g.StartedAt, g.StartedAt).Of(recoveryMeasure); n == nil || n.Pairs != 6 {
		t.Errorf("%+v", n)
	}
}
