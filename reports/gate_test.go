package reports

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A build as the tests make it up: how long its answers take, and how much that differs from run to run.
type made struct {
	create, notify, drop float64 // medians in ms
	goodput              float64
	recovery             float64 // s; 0: the run had no fault
	open                 bool    // it did not recover while it was watched
}

var usual = made{create: 82, notify: 1.2, drop: 404, goodput: 1}

// slower is the build with all its latencies so many times as long.
func (m made) slower(times float64) made {
	m.create, m.notify, m.drop = m.create*times, m.notify*times, m.drop*times
	return m
}

// run draws one run of the build. noise is the standard deviation of its logarithm; a p99 has three times that.
func (m made) run(r *rand.Rand, noise float64) GateRun {
	v := map[string]GateValue{}
	ms := func(name string, median, noise float64, samples int) {
		v[name] = GateValue{Value: median * 1e6 * math.Exp(noise*r.NormFloat64()), Samples: samples}
	}
	for _, kind := range []struct {
		name   string
		median float64
	}{{"create", m.create}, {"notify", m.notify}, {"pay_to_dispense", m.drop}} {
		ms(kind.name+".p50", kind.median, noise, 480)
		ms(kind.name+".p99", 2.4*kind.median, 3*noise, 480)
	}
	v[goodputMeasure] = GateValue{Value: m.goodput, Samples: 480}
	if m.recovery > 0 {
		v[recoveryMeasure] = GateValue{Value: math.Round(m.recovery+noise*r.NormFloat64()) * 1e9, Samples: 480, AtLeast: m.open}
	}
	return GateRun{Folder: "run", Values: v, Machine: testMachine}
}

var testMachine = runlog.Fingerprint{CPU: "a processor", Cores: 2, Memory: 8 << 30, OS: "linux/amd64", Go: "go1.26.8"}

// gateOf is a gate of so many pairs of made-up runs, judged. Busy pairs come with a machine that is slower for a while: both
// builds feel it.
func gateOf(base, head made, pairs int, noise float64, seed uint64) *Gate {
	r := rand.New(rand.NewPCG(seed, 1))
	g := &Gate{
		Schema: GateSchema, ID: "20261120-115600-gate-gate-lunch", Scenario: "gate-lunch", Title: "Eight even seconds of lunch, to compare two builds by",
		Base: GateBuild{Name: "main", Revision: "1f2e3d4c5b6a79880f1e2d3c4b5a69788f0e1d2c"}, Head: GateBuild{Name: "this lunchrush"},
		Testbed: "local", Engine: "MariaDB 10.11.14, Redis 7.0.15", Machine: testMachine, Lunchrush: "devel", CommandLine: []string{"lunchrush", "gate", "gate-lunch", "--base", "main"},
		StartedAt: time.Date(2026, 11, 20, 11, 56, 0, 0, time.UTC), Finished: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), Ended: "whole",
		Rules: DefaultGateRules(), WarmUps: []GateRun{}, Pairs: []GatePair{}, Repeated: []GatePair{}, Notes: []string{},
	}
	for i := range pairs {
		busy := 1.0
		if r.IntN(3) == 0 {
			busy = 1.2
		}
		first := SideBase
		if r.IntN(2) == 1 {
			first = SideHead
		}
		g.Pairs = append(g.Pairs, GatePair{
			Number: i + 1, Seed: uint64(i + 1), First: first, Base: base.slower(busy).run(r, noise), Head: head.slower(busy).run(r, noise),
		})
	}
	g.Judge()
	return g
}

func (g *Gate) measure(name string) GateMeasure {
	for _, m := range g.Measures {
		if m.Name == name {
			return m
		}
	}
	return GateMeasure{Status: "not there"}
}

func TestAGateTellsAChangeFromNoise(t *testing.T) {
	faulty := usual
	faulty.recovery = 4
	with := func(change func(*made)) made {
		m := usual
		change(&m)
		return m
	}
	tests := []struct {
		name       string
		base, head made
		outcome    string
		code       int
		statuses   map[string]string
	}{
		{"the same build passes", usual, usual, Pass, ExitPass, map[string]string{"create.p50": Pass, "goodput": Pass, recoveryMeasure: "not there"}},
		{"a third slower is a regression", usual, usual.slower(1.3), Fail, ExitRegression, map[string]string{"create.p50": Fail, "notify.p50": Pass}},
		{"faster is not worse", usual, usual.slower(0.5), Pass, ExitPass, map[string]string{"create.p50": Pass}},
		{"four per cent are within the margin", usual, usual.slower(1.04), Pass, ExitPass, nil},
		{
			"twice as slow and still under 10 ms is ignored", usual, with(func(m *made) { m.notify *= 2 }), Pass, ExitPass,
			map[string]string{"notify.p50": Pass, "notify.p99": Pass},
		},
		{
			"twenty times as slow is not", usual, with(func(m *made) { m.notify *= 20 }), Fail, ExitRegression,
			map[string]string{"notify.p50": Fail, "notify.p99": Fail, "create.p50": Pass},
		},
		{
			"about as much as the margin is for more pairs to decide", usual, with(func(m *made) { m.drop *= 1.095 }), Inconclusive, ExitInconclusive,
			map[string]string{"pay_to_dispense.p50": Inconclusive, "create.p50": Pass},
		},
		{"fewer goods", usual, with(func(m *made) { m.goodput = 0.9 }), Fail, ExitRegression, map[string]string{"goodput": Fail, "create.p50": Pass}},
		{"two per cent fewer goods are within the margin", usual, with(func(m *made) { m.goodput = 0.98 }), Pass, ExitPass, nil},
		{"no goods at all", usual, with(func(m *made) { m.goodput = 0 }), Fail, ExitRegression, map[string]string{"goodput": Fail}},
		{"more goods", with(func(m *made) { m.goodput = 0.5 }), usual, Pass, ExitPass, nil},
		{"a base of which no goods fell", with(func(m *made) { m.goodput = 0 }), usual, Inconclusive, ExitInconclusive, map[string]string{"goodput": Inconclusive}},
		{"as quick back from a fault", faulty, faulty, Pass, ExitPass, map[string]string{recoveryMeasure: Pass}},
		{"a second longer is no longer than the grain", faulty, with(func(m *made) { m.recovery = 4.9 }), Pass, ExitPass, map[string]string{recoveryMeasure: Pass}},
		{
			"nor is it of one second", with(func(m *made) { m.recovery = 1 }), with(func(m *made) { m.recovery = 2 }), Pass, ExitPass,
			map[string]string{recoveryMeasure: Pass},
		},
		{"three times as long", faulty, with(func(m *made) { m.recovery = 12 }), Fail, ExitRegression, map[string]string{recoveryMeasure: Fail}},
		{
			"it never came back while it was watched", faulty, with(func(m *made) { m.recovery, m.open = 30, true }), Fail, ExitRegression,
			map[string]string{recoveryMeasure: Fail},
		},
		{
			"it had not come back when the watch ended, no later than the base", faulty, with(func(m *made) { m.recovery, m.open = 4, true }),
			Inconclusive, ExitInconclusive,
			map[string]string{recoveryMeasure: Inconclusive},
		},
		{
			"a head that comes back where the base never did", with(func(m *made) { m.recovery, m.open = 30, true }), faulty, Pass, ExitPass,
			map[string]string{recoveryMeasure: Pass},
		},
		{
			"neither comes back, of which nothing follows", with(func(m *made) { m.recovery, m.open = 30, true }),
			with(func(m *made) { m.recovery, m.open = 30, true }), Inconclusive, ExitInconclusive,
			map[string]string{recoveryMeasure: Inconclusive},
		},
		{
			"a base that was watched for less than the head took", with(func(m *made) { m.recovery, m.open = 4, true }),
			with(func(m *made) { m.recovery = 30 }), Inconclusive, ExitInconclusive,
			map[string]string{recoveryMeasure: Inconclusive},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := gateOf(tt.base, tt.head, 10, 0.01, 1)
			if g.Verdict.Outcome != tt.outcome || g.Verdict.ExitCode != tt.code {
				t.Errorf("%s, exit code %d: %s; want %s, %d", g.Verdict.Outcome, g.Verdict.ExitCode, g.Verdict.Headline, tt.outcome, tt.code)
			}
			for name, want := range tt.statuses {
				if m := g.measure(name); m.Status != want {
					t.Errorf("%s is %s (%s), want %s: %+v", name, m.Status, m.Why, want, m.Change)
				}
			}
			again := *g
			again.Judge()
			if d := cmp.Diff(g, &again, cmpopts.EquateNaNs()); d != "" {
				t.Errorf("judged again it differs:\n%s", d)
			}
		})
	}
}

func TestADifferenceThatReachesAcrossWhatIsIgnoredIsSaidToBeUndecidedForThat(t *testing.T) {
	head := usual
	head.create += 9.5 // ms, more than a tenth
	g := gateOf(usual, head, 10, 0.001, 1)
	m := g.measure("create.p50")
	const why = "beyond the margin of 10 %, but the difference reaches across the 10.0 ms that are ignored"
	if m.Status != Inconclusive || !strings.HasPrefix(m.Why, why) || m.Needs != 0 && m.Needs <= 10 {
		t.Errorf("%s (%s), %d pairs: %+v", m.Status, m.Why, m.Needs, m.Change)
	}
}

// The bounds that bench/gate holds the program to on a real machine, here on made-up runs, with the declared extension.
func TestFalseAlarmsAndMissesOfMadeUpGates(t *testing.T) {
	const gates = 120
	play := func(head made, noise float64, seed uint64) (alarm, pass bool) {
		g := gateOf(usual, head, 20, noise, seed)
		all := g.Pairs
		g.Pairs = all[:10]
		if g.Judge(); g.Undecided() && g.Verdict.Outcome == Inconclusive {
			g.Pairs = all
			g.Judge()
		}
		return g.Verdict.Outcome == Fail, g.Verdict.Outcome == Pass
	}
	for _, noise := range []float64{0.02, 0.06} {
		alarms, passes, caught := 0, 0, 0
		for i := range gates {
			alarm, pass := play(usual, noise, uint64(i))
			if alarm {
				alarms++
			}
			if pass {
				passes++
			}
			if alarm, _ := play(usual.slower(1.3), noise, uint64(1000+i)); alarm {
				caught++
			}
		}
		if alarms > gates*5/100 {
			t.Errorf("noise %v: %d of %d gates of one build raised an alarm, want at most 5 %%", noise, alarms, gates)
		}
		if caught < gates*85/100 {
			t.Errorf("noise %v: %d of %d gates caught a build that is 30 %% slower, want at least 85 %%", noise, caught, gates)
		}
		if noise < 0.05 && passes < gates*80/100 {
			t.Errorf("noise %v: %d of %d gates of one build passed", noise, passes, gates)
		}
	}
}

func TestAGateDoesNotDependOnNamesOrUnits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		times := rapid.Float64Range(0.7, 1.6).Draw(t, "times slower")
		noise := rapid.Float64Range(0.001, 0.1).Draw(t, "noise")
		pairs := 2 * rapid.IntRange(3, 12).Draw(t, "half the pairs")
		g := gateOf(usual, usual.slower(times), pairs, noise, rapid.Uint64().Draw(t, "seed"))
		for _, m := range g.Measures {
			c := m.Change
			if c.Low > c.Median || c.Median > c.High || m.Base.Low > m.Base.Median || m.Base.Median > m.Base.High || m.P <= 0 || m.P > 1 {
				t.Fatalf("%+v", m)
			}
			if m.Status == Fail && !(c.Low > m.Margin) {
				t.Fatalf("%s fails although its interval reaches down to %v: %+v", m.Name, c.Low, m)
			}
			if m.Status == Pass && !(c.High < m.Margin) && m.Why == "" && m.Better == "less" {
				t.Fatalf("%s passes although its interval reaches up to %v: %+v", m.Name, c.High, m)
			}
		}
		// A pair's runs swapped turn every change round.
		turned := *g
		turned.Pairs = nil
		for _, p := range g.Pairs {
			p.Base, p.Head = p.Head, p.Base
			turned.Pairs = append(turned.Pairs, p)
		}
		turned.Judge()
		for i, m := range g.Measures {
			if back := (1 + m.Change.Median) * (1 + turned.Measures[i].Change.Median); math.Abs(back-1) > 1e-9 {
				t.Fatalf("%s: %v there and %v back", m.Name, m.Change.Median, turned.Measures[i].Change.Median)
			}
			if m.Status == Fail && turned.Measures[i].Status == Fail {
				t.Fatalf("%s is worse both ways", m.Name)
			}
		}
	})
}

func TestWhatStandsAboveTheStatistics(t *testing.T) {
	tests := []struct {
		name   string
		change func(g *Gate)
		code   int
		want   string
	}{
		{"money that went wrong in the head", func(g *Gate) { g.Pairs[3].Head.Broken = "2 orders lost (7.00 yuan)" }, ExitViolated, "the head lost money or data in pair 4: 2 orders lost"},
		{"in a pair that does not count", func(g *Gate) {
			g.Repeated = append(g.Repeated, voidPair(2, "head: late"))
			g.Repeated[0].Head.Broken = "1 order lost"
		}, ExitViolated, "the head lost money or data in pair 2"},
		{"in a warm-up", func(g *Gate) { g.WarmUps = []GateRun{noRun(), noRun()}; g.WarmUps[1].Broken = "1 order lost" }, ExitViolated, "the head lost money or data in its warm-up"},
		{"in the base", func(g *Gate) { g.Pairs[0].Base.Broken = "1 order lost" }, ExitViolated, "the base lost money or data in pair 1"},
		{"in both, the head is named", func(g *Gate) {
			g.Pairs[0].Base.Broken, g.Pairs[5].Head.Broken = "1 order lost", "3 orders lost"
		}, ExitViolated, "the head lost money or data in pair 6"},
		{"even when it was interrupted", func(g *Gate) {
			g.Ended, g.Pairs[0].Head.Broken = "interrupted", "1 order lost"
		}, ExitViolated, "the head lost"},
		{"too many pairs that prove nothing", func(g *Gate) {
			for range 7 {
				g.Repeated = append(g.Repeated, voidPair(2, "base: lateness p99: 9 ms"))
			}
		}, ExitInconclusive, "7 pairs proved nothing, more than the 6 that may be repeated; the last: base: lateness p99: 9 ms"},
		{"pairs that the head alone spoils", func(g *Gate) {
			for range 3 {
				g.Repeated = append(g.Repeated, voidPair(2, "head: lateness p99: 9 ms"))
			}
		}, ExitInconclusive, "3 pairs had to be repeated for the head's sake, and 0 for the base's; the last: head: lateness p99: 9 ms"},
		{"so many that no busy machine spoils them on one side only", func(g *Gate) {
			g.Pairs = g.Pairs[:2]
			for range 7 {
				g.Repeated = append(g.Repeated, voidPair(2, "head: 60 of 480 sends found a free worker"))
			}
		}, ExitRegression, "the head alone spoiled all of 7 pairs that proved nothing, which a busy machine would do once in 128 times"},
		{"as many, one of which the base spoiled", func(g *Gate) {
			g.Pairs = g.Pairs[:2]
			g.Repeated = append(g.Repeated, voidPair(1, "base: lateness p99: 9 ms"))
			for range 7 {
				g.Repeated = append(g.Repeated, voidPair(2, "head: lateness p99: 9 ms"))
			}
		}, ExitInconclusive, "8 pairs proved nothing"},
		{"pairs that both spoil", func(g *Gate) {
			g.Repeated = append(g.Repeated, voidPair(2, "head: lateness p99: 9 ms"), voidPair(2, "base: lateness p99: 9 ms"),
				voidPair(3, "head: lateness p99: 9 ms"), voidPair(4, "head: lateness p99: 9 ms"))
		}, ExitPass, "no worse than the base"},
		{"another machine", func(g *Gate) { g.Pairs[7].Head.Machine.Cores = 64 }, ExitInconclusive, "pair 8 was played on another machine, and runs of two machines are not compared: cores: 64, here 2"},
		{"a kernel that keeps some megabytes more", func(g *Gate) { g.Pairs[7].Head.Machine.Memory -= 5 << 20 }, ExitPass, "no worse"},
		{"an interrupt", func(g *Gate) { g.Ended, g.Error = "interrupted", "signal" }, ExitInconclusive, "the gate ended after 10 pairs: signal"},
		{"too few pairs", func(g *Gate) { g.Pairs = g.Pairs[:5] }, ExitInconclusive, "undecided after 5 pairs"},
		{"no pairs", func(g *Gate) { g.Pairs = g.Pairs[:0] }, ExitInconclusive, "nothing could be compared in 0 pairs"},
		{"nothing measured", func(g *Gate) {
			for i := range g.Pairs {
				g.Pairs[i].Base.Values, g.Pairs[i].Head.Values = noRun().Values, noRun().Values
			}
		}, ExitInconclusive, "nothing could be compared in 10 pairs"},
		{"a measure that the head lacks once", func(g *Gate) {
			g.Pairs[2].Head.Values["create.p99"] = GateValue{Samples: 12, Why: "12 samples are too few: this needs 299"}
		}, ExitInconclusive, "create.p99 undecided after 10 pairs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := gateOf(usual, usual, 10, 0.01, 1)
			if g.Verdict.Outcome != Pass {
				t.Fatalf("untouched it is %s", g.Verdict.Headline)
			}
			tt.change(g)
			g.Judge()
			if g.Verdict.ExitCode != tt.code || !strings.Contains(g.Verdict.Headline, tt.want) {
				t.Errorf("exit code %d: %s\nwant %d: %s", g.Verdict.ExitCode, g.Verdict.Headline, tt.code, tt.want)
			}
			every(t, g) // no file chokes on it
		})
	}
}

func TestAMeasureThatTheScenarioDoesNotGiveIsHeldAgainstNobody(t *testing.T) {
	g := gateOf(usual, usual, 10, 0.01, 1)
	for i := range g.Pairs {
		for _, r := range []GateRun{g.Pairs[i].Base, g.Pairs[i].Head} {
			r.Values["notify.p99"] = GateValue{Samples: 120, Why: "120 samples are too few: this needs 299"}
		}
	}
	g.Judge()
	if m := g.measure("notify.p99"); g.Verdict.Outcome != Pass || m.Status != NotJudged || !strings.Contains(m.Why, "this needs 299") {
		t.Errorf("%s; notify.p99 is %s: %s", g.Verdict.Headline, m.Status, m.Why)
	}
	every(t, g)
}

func TestTheNoiseOfOneBuildTellsWhatAMarginNeeds(t *testing.T) {
	quiet, noisy := gateOf(usual, usual, 40, 0.01, 1), gateOf(usual, usual, 40, 0.3, 1)
	rules := DefaultGateRules()
	from := time.Date(2026, 11, 20, 10, 0, 0, 0, time.UTC)
	n := NoiseOf(quiet.Pairs, rules, from, from)
	if m := n.Of("create.p50"); m.Below || m.Needs != 6 || m.Spread < 0.005 || m.Spread > 0.03 {
		t.Errorf("a quiet machine: %+v", m)
	}
	loud := NoiseOf(noisy.Pairs, rules, from, from)
	m := loud.Of("create.p50")
	if !m.Below || m.Needs < 60 || m.Width < m.Margin {
		t.Errorf("a noisy machine: %+v", m)
	}
	if notify := n.Of("notify.p50"); notify.Below || notify.Needs != 6 {
		t.Errorf("what stays below 10 ms needs no pairs: %+v", notify)
	}
	if notify := loud.Of("notify.p50"); notify.Below || notify.Needs != 6 || notify.Width < notify.Margin {
		t.Errorf("nor on a noisy machine: %+v", notify)
	}
	if NoiseOf(quiet.Pairs[:5], rules, from, from) != nil {
		t.Error("five pairs tell the noise")
	}

	// What it says is needed is about what is needed.
	middling := NoiseOf(gateOf(usual, usual, 200, 0.08, 3).Pairs, rules, from, from)
	needs := middling.Of("create.p50").Needs
	passed, few := 0, 0
	for i := range 60 {
		if m := gateOf(usual, usual, needs, 0.08, uint64(50+i)).measure("create.p50"); m.Status == Pass {
			passed++
		}
		if m := gateOf(usual, usual, max(6, needs/4), 0.08, uint64(50+i)).measure("create.p50"); m.Status == Pass {
			few++
		}
	}
	if passed < 48 || few > 42 {
		t.Errorf("with the %d pairs that are needed %d of 60 gates pass, with a quarter of them %d", needs, passed, few)
	}
	noisy.Noise = loud
	var b bytes.Buffer
	if err := GateText(&b, noisy, false); err != nil || !strings.Contains(b.String(), "create.p50: its margin of 10 % is below this machine's own noise") {
		t.Errorf("%v\n%s", err, b.String())
	}
	b.Reset()
	if err := NoiseText(&b, n, rules); err != nil || !strings.Contains(b.String(), "create.p50") {
		t.Errorf("%v\n%s", err, b.String())
	}
}

func noRun() GateRun { return GateRun{Values: map[string]GateValue{}, Machine: testMachine} }

func voidPair(number int, why string) GatePair {
	return GatePair{Number: number, First: SideBase, Base: noRun(), Head: noRun(), Why: why}
}

// every writes each file of a gate, checks what a program checks about it, and returns them by name.
func every(t *testing.T, g *Gate) map[string]string {
	t.Helper()
	dir := t.TempDir()
	if err := WriteGate(dir, g); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, name := range []string{GateFile, GatePageFile, JUnitFile, SummaryFile, GateBenchmarkFile} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		files[name] = string(text)
	}
	validateBy(t, GateFileSchema, strings.NewReader(files[GateFile]))
	if err := xml.Unmarshal([]byte(files[JUnitFile]), new(junitSuites)); err != nil {
		t.Error(err)
	}
	var list []benchmark
	if err := json.Unmarshal([]byte(files[GateBenchmarkFile]), &list); err != nil {
		t.Error(err)
	}
	for _, b := range list {
		if b.Name == "" || b.Unit == "" || b.Value < 0 || math.IsNaN(b.Value) || !strings.HasPrefix(b.Range, "± ") {
			t.Errorf("benchmark %+v", b)
		}
	}
	again, err := ReadGate(filepath.Join(dir, GateFile))
	if err != nil {
		t.Fatal(err)
	}
	if again.Verdict != g.Verdict {
		t.Errorf("read back it is %+v, was %+v", again.Verdict, g.Verdict)
	}
	var b bytes.Buffer
	if err := GateText(&b, g, false); err != nil {
		t.Error(err)
	}
	files["text"] = b.String()
	b.Reset()
	if err := Annotations(&b, g); err != nil {
		t.Error(err)
	}
	files["annotations"] = b.String()
	return files
}

func TestAGateReadsAsItShould(t *testing.T) {
	for name, g := range map[string]*Gate{"passed": gateOf(usual, usual, 10, 0.01, 1), "failed": failedGate(), "doubtful": doubtfulGate()} {
		files := every(t, g)
		for file, text := range map[string]string{
			"gate-" + name + ".txt": files["text"], "gate-" + name + ".md": files[SummaryFile], "gate-" + name + ".xml": files[JUnitFile],
			"gate-" + name + "-annotations.txt": files["annotations"], "gate-" + name + "-benchmark.json": files[GateBenchmarkFile],
		} {
			golden(t, file, []byte(text))
		}
	}
}

// failedGate has a head that is slower, a pair that was played again, and a machine whose noise is known.
func failedGate() *Gate {
	g := gateOf(usual, usual.slower(1.3), 10, 0.02, 2)
	g.Repeated = []GatePair{{Number: 4, Seed: 4, First: SideHead, Base: GateRun{Values: map[string]GateValue{}, Machine: testMachine}, Head: g.Pairs[3].Head, Why: "head: the run proves nothing: lateness p99: 9.03 ms, wanted <= 5ms"}}
	at := time.Date(2026, 11, 19, 9, 0, 0, 0, time.UTC)
	g.Noise = NoiseOf(gateOf(usual, usual, 20, 0.02, 3).Pairs, g.Rules, at, at)
	g.Judge()
	return g
}

func TestOfAPairThatEndedTheGateNobodySaysThatItWasPlayedAgain(t *testing.T) {
	for _, c := range []struct {
		name    string
		spoiled []int
		want    string
		pages   int // rows of pairs that were played again
	}{
		{"spoiled once and replaced", []int{4}, "pair 4 was played again: late", 1},
		{"spoiled twice and replaced", []int{4, 4}, "pair 4 was played again 2 times, at last: late", 2},
		{"spoiled once, and no other was allowed", []int{11}, "pair 11 was not played again: late", 0},
		{"spoiled three times, and no other was allowed", []int{11, 11, 11}, "pair 11 was played again 2 times, at last: late", 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := gateOf(usual, usual, 10, 0.01, 1)
			for _, number := range c.spoiled {
				g.Repeated = append(g.Repeated, GatePair{Number: number, Base: g.Pairs[3].Base, Head: g.Pairs[3].Head, Why: "late"})
			}
			if lines := g.remarks(); lines[0] != c.want {
				t.Errorf("%q, want %q", lines[0], c.want)
			}
			var page bytes.Buffer
			if err := GateHTML(&page, g); err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(page.String(), ", played again<"); n != c.pages {
				t.Errorf("%d rows of pairs that were played again, want %d", n, c.pages)
			}
		})
	}
}

// doubtfulGate was extended and is no wiser.
func doubtfulGate() *Gate {
	g := gateOf(usual, usual.slower(1.1), 20, 0.04, 4)
	g.Base.Set, g.Head.Set = map[string]string{"callback.workers": "8"}, map[string]string{"callback.workers": "1"}
	return g
}

func TestAnAnnotationStaysOnItsLine(t *testing.T) {
	got := annotation("error", "gate x, y: z", "first\n::error::second 100%\r")
	want := "::error title=gate x%2C y%3A z::first%0A::error::second 100%25%0D\n"
	if got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
