package reports

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// readings are a measure's, run by run.
func readings(name, unit string, values ...float64) []Measure {
	var list []Measure
	for _, v := range values {
		list = append(list, Measure{Name: name, Unit: unit, Value: v, Samples: 400, Known: true})
	}
	return list
}

func TestWhatIsSaidOfAMeasure(t *testing.T) {
	const ms = 1e6
	censored := func(list []Measure) []Measure {
		list = slices.Clone(list)
		for i := range list {
			list[i].AtLeast = true
		}
		return list
	}
	unknown := []Measure{{Name: "notify.p99", Unit: "ns", Samples: 3}}
	words := func(list ...string) (m []Measure) {
		for _, w := range list {
			m = append(m, Measure{Name: "stability", Unit: "word", Word: w, Samples: 90, Known: w != Undecided})
		}
		return m
	}
	tests := []struct {
		name   string
		a, b   []Measure
		says   string
		why    string
		change string
		text   string // evidence
	}{
		{
			"a percentile that fell is better",
			readings("notify.p99", "ns", 100*ms, 101*ms, 102*ms, 103*ms), readings("notify.p99", "ns", 50*ms, 51*ms, 52*ms, 53*ms),
			Improved, "", "-49.3%", "(p=0.029 n=4)",
		},
		{
			"one that rose is worse",
			readings("notify.p99", "ns", 50*ms, 51*ms, 52*ms, 53*ms), readings("notify.p99", "ns", 100*ms, 101*ms, 102*ms, 103*ms),
			Worsened, "", "+97.1%", "(p=0.029 n=4)",
		},
		{
			"goodput that fell is worse",
			readings("goodput.ratio", "share", 0.99, 0.98, 0.99, 1), readings("goodput.ratio", "share", 0.91, 0.92, 0.93, 0.94),
			Worsened, "", "-6.6%", "(p=0.029 n=4)",
		},
		{
			"what is neither good nor bad only differs",
			readings("refunds", "", 1, 2, 3, 4), readings("refunds", "", 11, 12, 13, 14),
			Changed, "", "+400.0%", "(p=0.029 n=4)",
		},
		{
			"a change of a duration by less than 10 ms is none",
			readings("notify.p99", "ns", 10*ms, 11*ms, 12*ms, 13*ms), readings("notify.p99", "ns", 16*ms, 17*ms, 18*ms, 19*ms),
			Same, "under 10 ms", "~", "(p=0.029 n=4, under 10 ms)",
		},
		{
			"the floor is for durations alone",
			readings("backlog.max", "", 10, 11, 12, 13), readings("backlog.max", "", 16, 17, 18, 19),
			Worsened, "", "+52.2%", "(p=0.029 n=4)",
		},
		{
			"what chance could do is no change",
			readings("backlog.max", "", 10, 30, 50, 70), readings("backlog.max", "", 20, 40, 60, 80),
			Same, "within chance", "~", "(p=0.686 n=4)",
		},
		{
			"three runs a side are too few, however far apart",
			readings("backlog.max", "", 1, 2, 3), readings("backlog.max", "", 800, 900, 1000),
			Same, "4 runs a side are needed", "~", "(n=3, needs 4)",
		},
		{
			"one run each too",
			readings("backlog.max", "", 1), readings("backlog.max", "", 1000),
			Same, "4 runs a side are needed", "~", "(n=1, needs 4)",
		},
		{
			"the same everywhere is told from chance",
			readings("loss.total", "", 0, 0, 0, 0), readings("loss.total", "", 0, 0, 0, 0, 0),
			Same, everSame, "~", "(n=4+5, the same in every run)",
		},
		{
			"from nothing there is no share",
			readings("loss.total", "", 0, 0, 0, 0), readings("loss.total", "", 3, 4, 5, 6),
			Worsened, "", "from 0", "(p=0.029 n=4)",
		},
		{
			"a side that does not know is named",
			readings("notify.p99", "ns", 100*ms), unknown, Same, "not known of B", "~", "(n=1+0, not known of B)",
		},
		{"neither side knows", unknown, nil, Same, "not known", "~", "(n=0, not known)"},
		{
			"runs that do not know are not counted",
			slices.Concat(unknown, readings("notify.p99", "ns", 100*ms, 101*ms, 102*ms)), readings("notify.p99", "ns", 1*ms, 2*ms, 3*ms, 4*ms),
			Same, "4 runs a side are needed", "~", "(n=3+4, needs 4)",
		},
		{
			"what was not seen to end is longer than all that was",
			readings("recovery_time", "ns", 20e9, 30e9, 61e9, 62e9), censored(readings("recovery_time", "ns", 60e9, 60e9, 60e9, 60e9)),
			Worsened, "", "+31.9%", "(p=0.029 n=4)",
		},
		{
			"also when it was given up sooner than the others ended",
			readings("recovery_time", "ns", 70e9, 71e9, 72e9, 73e9), censored(readings("recovery_time", "ns", 60e9, 60e9, 60e9, 60e9)),
			Worsened, "", "not seen to end", "(p=0.029 n=4)",
		},
		{"words are counted, not ranked", words(Stable, Stable), words(Metastable, Undecided), Same, "words are not ranked", "~", "(n=2, words are not ranked)"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := slices.Concat(tt.a, tt.b)[0]
			r := compareMeasure(m, tt.a, tt.b)
			if r.Says != tt.says || r.Why != tt.why || r.change() != tt.change || r.evidence() != tt.text {
				t.Errorf("%s (%s) %s %s, want %s (%s) %s %s", r.Says, r.Why, r.change(), r.evidence(), tt.says, tt.why, tt.change, tt.text)
			}
			if (r.Needs > 0) != (r.P == nil && strings.Contains(tt.text, "needs")) {
				t.Errorf("p %v, needs %d", r.P, r.Needs)
			}
		})
	}
}

func TestASideIsItsMedianAndWhereThatMayLie(t *testing.T) {
	tests := []struct {
		name, unit string
		list       []Measure
		want       string
	}{
		{"one run is itself", "ns", readings("x", "ns", 12e6), "12.0 ms"},
		{"five have no interval", "ns", readings("x", "ns", 12e6, 13e6, 14e6, 15e6, 16e6), "14.0 ms"},
		{"six have one", "ns", readings("x", "ns", 95e6, 99e6, 100e6, 100e6, 101e6, 105e6), "100 ms ± 5%"},
		{"around 0 it has no share", "", readings("x", "", 0, 0, 0, 0, 0, 3), "0 ± 3"},
		{"all the same", "", readings("x", "", 7, 7, 7, 7, 7, 7), "7 ± 0%"},
		{"a slope may fall", "rows/s", readings("x", "rows/s", -0.5), "-0.50 rows/s"},
		{"a bound below the median makes the median one", "ns", append(readings("x", "ns", 20e9, 40e9), Measure{Unit: "ns", Known: true, AtLeast: true, Value: 10e9}), ">20.0 s"},
		{"one above it does not", "ns", append(readings("x", "ns", 20e9, 40e9), Measure{Unit: "ns", Known: true, AtLeast: true, Value: 60e9}), "40.0 s"},
		{"one of the two in the middle does", "ns", append(readings("x", "ns", 10e9), Measure{Unit: "ns", Known: true, AtLeast: true, Value: 60e9}), ">35.0 s"},
		{"no run knows", "ns", []Measure{{Unit: "ns"}}, "-"},
		{"words that agree", "word", []Measure{{Unit: "word", Word: Stable}, {Unit: "word", Word: Stable}}, Stable},
		{"words that do not", "word", []Measure{{Unit: "word", Word: Stable}, {Unit: "word", Word: Broken}, {Unit: "word", Word: Stable}}, "BROKEN 1, STABLE 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := spread(tt.list)
			if got := s.text(tt.unit); got != tt.want {
				t.Errorf("%q, want %q", got, tt.want)
			}
		})
	}
}

func TestSidesCanBeSwapped(t *testing.T) {
	values := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 200), func(v int) float64 { return float64(v) * 1e6 }), 1, 9)
	mirror := map[string]string{Improved: Worsened, Worsened: Improved, Same: Same, Changed: Changed}
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SampledFrom([]string{"notify.p99", "goodput.ratio", "refunds"}).Draw(t, "measure")
		a, b := readings(name, "ns", values.Draw(t, "a")...), readings(name, "ns", values.Draw(t, "b")...)
		x, y := compareMeasure(a[0], a, b), compareMeasure(a[0], b, a)
		if y.Says != mirror[x.Says] || (x.P == nil) != (y.P == nil) || x.P != nil && math.Abs(*x.P-*y.P) > 1e-9 {
			t.Fatalf("%s %v one way, %s %v the other", x.Says, x.P, y.Says, y.P)
		}
		if x.Says != Same && *x.A.Median == *x.B.Median {
			t.Fatalf("%s, and both medians are %v", x.Says, *x.A.Median)
		}
	})
}

func TestTheDirectionsAreOfMeasuresThatThereAre(t *testing.T) {
	want := map[string]string{}
	for _, d := range Measures() {
		want[d.Name] = Better(d.Name)
	}
	for name, better := range map[string]string{
		"goodput.ratio": HigherBetter, "goodput.baseline": HigherBetter, "goodput.during": HigherBetter, "goodput.after": HigherBetter,
		"upload.completed": HigherBetter, "share.min": HigherBetter, "share.added": HigherBetter,
		"recovered": NoBetter, "remedies": NoBetter, "refunds": NoBetter, "message.in_flight_max": NoBetter, "bid.sold": NoBetter,
		"bid.turned_away": NoBetter, "shop.reads": NoBetter, "rho": NoBetter, "drain_time.model": NoBetter, "lateness.p99": NoBetter, "stability": NoBetter,
		"loss.total": LowerBetter, "notify.p99": LowerBetter, "backlog.drain": LowerBetter, "amplification": LowerBetter, "recovery_time": LowerBetter,
	} {
		if got, ok := want[name]; !ok || got != better {
			t.Errorf("%s is better %q (there is such a measure: %v), want %q", name, got, ok, better)
		}
	}
}

func TestServiceTimesStandBesideTheResponseTimesOfTheirKind(t *testing.T) {
	a := passedRun()
	a.Measures = []Measure{{Name: "loss.total"}, {Name: "notify.p99", Unit: "ns"}, {Name: "notify.max", Unit: "ns"}, {Name: "notify.errors"}, {Name: "pay_to_dispense.max"}}
	var names []string
	for _, m := range namesOf([]*Analysis{a}) {
		names = append(names, m.Name)
	}
	want := "loss.total notify.p99 notify.max notify.service.p50 notify.service.p90 notify.service.p99 notify.service.p999 notify.service.max notify.errors pay_to_dispense.max"
	if got := strings.Join(names, " "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	for _, m := range comparableMeasures(a) {
		if m.Name == "notify.service.p99" && (!m.Known || m.Value != float64(a.Latency[1].Service.P99)) {
			t.Errorf("%+v, want %d", m, a.Latency[1].Service.P99)
		}
		if m.Name == "notify.service.p999" && m.Known {
			t.Errorf("%+v is known of too few samples", m)
		}
	}
}

// sideOf is a group of n runs, one a minute from the hour on, each changed by change.
func sideOf(n, from int, change func(i int, m *runlog.Manifest)) Group {
	g := Group{Runs: []Played{}, Left: []LeftOut{}}
	for i := range n {
		a := passedRun()
		a.Run.StartedAt = time.Date(2026, 11, 20, 11, from+2*i, 0, 0, time.UTC)
		a.Run.ID = fmt.Sprintf("run-%d", from+2*i)
		if change != nil {
			change(i, &a.Run)
		}
		g.Runs = append(g.Runs, Played{a.Run.ID, a.Run, a.Verdict})
		g.analyses = append(g.analyses, a)
	}
	return g
}

func TestRunsThatAreNotAlikeAreRefusedWithWhatDiffers(t *testing.T) {
	asWas := func(_ int, m *runlog.Manifest) { m.Profile = "as-was" }
	tests := []struct {
		name   string
		b      func(i int, m *runlog.Manifest) // of the second side
		want   []string                        // "" for none: they are compared
		around bool
	}{
		{"another profile is what one compares", asWas, nil, false},
		{"another switch too", func(_ int, m *runlog.Manifest) { m.ServiceCfg = map[string]any{"callback.workers": "1"} }, nil, false},
		{"another program too", func(_ int, m *runlog.Manifest) { m.Lunchrush = "v9" }, nil, false},
		{"another scenario", func(_ int, m *runlog.Manifest) { m.Scenario = "slb-burst" }, []string{"scenario: A has peak-lunch (2 runs); B has slb-burst (2 runs)"}, false},
		{
			"another seed, and so another plan", func(_ int, m *runlog.Manifest) { m.Seed, m.PlanSHA256 = 8, "beef"; asWas(0, m) },
			[]string{"seed: A has 7 (2 runs); B has 8 (2 runs)", "plan: A has 9f2c41d0a5b3 (2 runs); B has beef (2 runs)"},
			false,
		},
		{
			"a seed that differs within a side", func(i int, m *runlog.Manifest) { m.PlanSHA256 = []string{"beef", "cafe"}[i] },
			[]string{"plan: A has 9f2c41d0a5b3 (2 runs); B has beef (1 run), cafe (1 run)"},
			false,
		},
		{
			"faults on one side only", func(_ int, m *runlog.Manifest) {
				m.Faults = []runlog.FaultPlan{{What: "latency 200ms", On: "mysql", FromNS: 1e9, ForNS: 30e9}}
			},
			[]string{"faults: A has none (2 runs); B has latency 200ms on mysql at 1.0 s for 30s (2 runs)"},
			false,
		},
		{
			"a side of two settings", func(i int, m *runlog.Manifest) { m.Profile = []string{"as-was", "hardened"}[i] },
			[]string{"profile: B has as-was (1 run), hardened (1 run): one side must be of one setting"},
			false,
		},
		{
			"another machine", func(_ int, m *runlog.Manifest) { m.Machine.Cores, m.Machine.CPU = 64, "Big" },
			[]string{"machine.cpu: A has", "machine.cores: A has"},
			true,
		},
		{"another testbed", func(_ int, m *runlog.Manifest) { m.Testbed = "embedded" }, []string{"testbed: A has local (2 runs); B has embedded (2 runs)"}, true},
		{
			"another machine is no excuse for another scenario", func(_ int, m *runlog.Manifest) { m.Testbed, m.Scenario = "embedded", "x" },
			[]string{"scenario: ", "testbed: "},
			false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, across := range []bool{false, true} {
				c, err := Compare(sideOf(2, 0, nil), sideOf(2, 1, tt.b), across)
				if tt.want == nil || across && tt.around {
					if err != nil {
						t.Fatal(err)
					}
					if tt.around && (len(c.Warnings) == 0 || !strings.HasPrefix(c.Warnings[0], "not the same surroundings, ")) {
						t.Errorf("no warning that the surroundings differ: %q", c.Warnings)
					}
					if !tt.around && len(c.Warnings) > 0 {
						t.Errorf("warned %q", c.Warnings)
					}
					continue
				}
				var mixed *Mixed
				if !errors.As(err, &mixed) || mixed.Around != tt.around || len(mixed.Problems) != len(tt.want) {
					t.Fatalf("got %v, want %q", err, tt.want)
				}
				for i, want := range tt.want {
					if !strings.HasPrefix(mixed.Problems[i], want) {
						t.Errorf("got  %s\nwant %s", mixed.Problems[i], want)
					}
				}
			}
		})
	}
}

func TestSeveralPlansAreAsGoodAsOneWhenBothSidesHaveEachAsOften(t *testing.T) {
	plans := func(names ...string) func(int, *runlog.Manifest) {
		return func(i int, m *runlog.Manifest) { m.PlanSHA256, m.Seed = names[i], uint64(i) }
	}
	if _, err := Compare(sideOf(3, 0, plans("x", "y", "z")), sideOf(3, 1, plans("z", "x", "y")), false); err != nil {
		t.Error(err)
	}
	if _, err := Compare(sideOf(3, 0, plans("x", "y", "y")), sideOf(3, 1, plans("x", "x", "y")), false); err == nil {
		t.Error("x twice on one side was taken")
	}
}

func TestARunIsNotComparedWithItself(t *testing.T) {
	_, err := Compare(sideOf(2, 0, nil), sideOf(2, 2, nil), false)
	if err == nil || !strings.Contains(err.Error(), "run-2 is in A and in B") {
		t.Errorf("got %v", err)
	}
}

func TestWhatAReaderMustKnowIsSaid(t *testing.T) {
	c, err := Compare(sideOf(2, 0, nil), sideOf(2, 10, func(i int, m *runlog.Manifest) { m.Lunchrush = []string{"v1", "v2"}[i] }), false)
	if err != nil {
		t.Fatal(err)
	}
	said := strings.Join(c.Warnings, "\n")
	for _, want := range []string{"lunchrush: B has v1 (1 run), v2 (1 run): one side mixes programs", "all runs of A came before all runs of B"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said:\n%s", want, said)
		}
	}
	c, err = Compare(sideOf(1, 0, nil), sideOf(1, 10, nil), false)
	if err != nil || len(c.Warnings) > 0 {
		t.Errorf("of one run each it is plain that one came first: %v, %v", c.Warnings, err)
	}
	doubtful := sideOf(2, 1, nil)
	*doubtful.analyses[0] = *doubtfulRun()
	doubtful.analyses[0].Run.Ended = "whole"
	c, err = Compare(sideOf(2, 0, nil), doubtful, false)
	if err != nil || len(c.Warnings) != 1 || !strings.HasPrefix(c.Warnings[0], "B: run-1 is in it all the same: inconclusive: ") {
		t.Errorf("%q, %v", c.Warnings, err)
	}
}

func TestTheSettingsThatDifferAreNamed(t *testing.T) {
	c, err := Compare(
		sideOf(1, 0, func(_ int, m *runlog.Manifest) {
			m.Profile, m.ServiceCfg, m.Lunchrush = "as-was", map[string]any{"callback.workers": "1", "refund.after": "20s", "n": 3.0}, "v1"
		}),
		sideOf(1, 1, func(_ int, m *runlog.Manifest) {
			m.ServiceCfg, m.Lunchrush = map[string]any{"refund.after": "20s", "n": 4.0}, "v2"
		}), false)
	if err != nil {
		t.Fatal(err)
	}
	want := []Difference{{"profile", "as-was", "hardened"}, {"lunchrush", "v1", "v2"}, {"callback.workers", "1", "as hardened"}, {"n", "3", "4"}}
	if !slices.Equal(c.Differs, want) {
		t.Errorf("got %v, want %v", c.Differs, want)
	}
}
