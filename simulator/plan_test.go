package simulator

import (
	"bytes"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/scenarios"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s is not what it was (-was +is); if that is meant, go test -update\n%s", path, diff)
	}
}

// smallScenario has everything in it that chance decides.
func smallScenario() *scenarios.Scenario {
	constant := func(d time.Duration) scenarios.Delay { return scenarios.Delay{Kind: "constant", A: d} }
	return &scenarios.Scenario{
		Name: "small", Title: "A small lunch",
		Clock: scenarios.Clock{From: clockAt(11, 30), To: clockAt(12, 30), Speed: 360},
		Fleet: scenarios.Fleet{Machines: 60, Slots: 3, Stock: 20, PriceFen: [2]int64{100, 900}, Poll: 2 * time.Second, Beat: time.Second},
		Demand: scenarios.Demand{
			PerMachineHour: 180, Arrivals: "poisson",
			Peaks: []scenarios.Peak{{From: clockAt(11, 45), To: clockAt(12, 15), Times: 3, Ramp: 5 * time.Minute}},
		},
		Buyers: scenarios.Buyers{Abandon: 0.05, Late: 0.05, Twice: 0.05},
		Payments: scenarios.Payments{
			WeChat: 0.7, Alipay: 0.3, Think: scenarios.Delay{Kind: "lognormal", A: 300 * time.Millisecond, SigmaPct: 50}, Probes: 0.2,
			Notify: scenarios.Notify{
				Delay: scenarios.Delay{Kind: "uniform", A: 10 * time.Millisecond, B: 100 * time.Millisecond}, Duplicates: 0.1,
				Apart: scenarios.Delay{Kind: "uniform", B: time.Second}, Ladder: "short", Timeout: time.Second,
			},
		},
		Machines: scenarios.Machines{
			Dispense: scenarios.Delay{Kind: "uniform", A: 50 * time.Millisecond, B: 200 * time.Millisecond},
			Fail:     0.05, Late: 0.05, LateBy: constant(300 * time.Millisecond), LostResult: 0.05,
			Offline: 0.05, OfflineFor: constant(500 * time.Millisecond),
		},
		Upstream: scenarios.Upstreams{Create: after(5 * time.Millisecond), Query: after(5 * time.Millisecond), Refund: after(5 * time.Millisecond)},
		Drain:    10 * time.Second,
	}
}

func clockAt(hour, minute int) scenarios.TimeOfDay {
	return scenarios.TimeOfDay(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
}

func mustPlan(t *testing.T, s *scenarios.Scenario, seed uint64) *Plan {
	t.Helper()
	p, err := NewPlan(s, seed)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The digests are those of linux/amd64. They must be the same on every machine and with every Go release: a run can be
// repeated from its scenario and seed alone.
func TestAPlanIsTheSameByteForByteEverywhere(t *testing.T) {
	even := smallScenario()
	even.Demand.Arrivals = "even"
	troubled := troubledScenario(t)
	var got strings.Builder
	for _, s := range []*scenarios.Scenario{smallScenario(), even, troubled} {
		for _, seed := range []uint64{0, 1, math.MaxUint64} {
			p := mustPlan(t, s, seed)
			fmt.Fprintf(&got, "%s %s seed %d: %d orders, %d probes, sha256 %s\n",
				s.Name, s.Demand.Arrivals, seed, p.Header.Orders, p.Header.Probes, p.SHA256())
		}
	}
	golden(t, "plans.txt", []byte(got.String()))

	var written bytes.Buffer
	if _, err := mustPlan(t, smallScenario(), 1).WriteTo(&written); err != nil {
		t.Fatal(err)
	}
	lines := bytes.SplitAfter(written.Bytes(), []byte("\n"))
	golden(t, "plan-head.jsonl", bytes.Join(lines[:12], nil)) // what differs, when the digest does
}

func TestANewComponentLeavesTheOthersAsTheyWere(t *testing.T) {
	was := mustPlan(t, smallScenario(), 7)
	s := smallScenario()
	s.Payments.Notify.Duplicates = 0.5
	s.Machines.Fail = 0.3
	s.Upstream.Query.Delay = scenarios.Delay{Kind: "uniform", B: time.Second}
	is := mustPlan(t, s, 7)
	for i := range was.Orders {
		a, b := was.Orders[i], is.Orders[i]
		b.Again, b.Device, b.Query = a.Again, a.Device, a.Query
		// How long a machine is taken decides which one is free for the next buyer.
		b.Takes, b.Offline, b.Machine, b.Slot = a.Takes, a.Offline, a.Machine, a.Slot
		if a != b {
			t.Fatalf("order %d changed with what has nothing to do with it:\n%s", i, cmp.Diff(a, b))
		}
	}
}

func TestPlanProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := smallScenario()
		s.Fleet.Machines = rapid.IntRange(1, 60).Draw(t, "machines")
		s.Fleet.Slots = rapid.IntRange(1, 9).Draw(t, "slots")
		s.Fleet.Stock = rapid.IntRange(0, 30).Draw(t, "stock")
		s.Demand.PerMachineHour = rapid.Float64Range(0, 3600).Draw(t, "per machine and hour")
		s.Demand.Arrivals = rapid.SampledFrom([]string{"even", "poisson"}).Draw(t, "arrivals")
		s.Clock.Speed = rapid.Float64Range(60, 3600).Draw(t, "speed")
		s.Demand.Peaks[0].Times = rapid.Float64Range(0, 9).Draw(t, "times")
		s.Demand.Peaks[0].Ramp = rapid.SampledFrom([]time.Duration{0, time.Minute, 15 * time.Minute}).Draw(t, "ramp")
		s.Payments.Alipay = rapid.Float64Range(0, 1).Draw(t, "alipay")
		s.Buyers.Abandon = rapid.Float64Range(0, 0.3).Draw(t, "abandon")
		p, err := NewPlan(s, rapid.Uint64().Draw(t, "seed"))
		if err != nil {
			t.Fatal(err)
		}

		curve, n := s.Curve(), len(p.Orders)
		if p.Header.Orders != n || p.Header.Probes != len(p.Probes) || p.Header.Length != s.Length() {
			t.Fatalf("the header %+v does not fit %d orders and %d probes", p.Header, n, len(p.Probes))
		}
		total := curve.Total()
		if off := math.Abs(float64(n) - total); s.Demand.Arrivals == "even" && off > 0.5001 || off > 6*math.Sqrt(total)+6 {
			t.Fatalf("%d orders for a demand of %.2f", n, total)
		}
		seen := map[string]bool{}
		var last time.Duration
		channels := map[string]int{}
		abandoned := 0
		for i, o := range p.Orders {
			if o.Due < last || o.Due > p.Header.Length {
				t.Fatalf("order %d is due at %v, after %v, in a plan of %v", i, o.Due, last, p.Header.Length)
			}
			last = o.Due
			if seen[o.Key] {
				t.Fatalf("key %s twice", o.Key)
			}
			seen[o.Key] = true
			var m int
			if _, err := fmt.Sscanf(o.Machine, "m%05d", &m); err != nil || m < 1 || m > s.Fleet.Machines || o.Slot < 1 || o.Slot > s.Fleet.Slots {
				t.Fatalf("order %d is for slot %d of %s", i, o.Slot, o.Machine)
			}
			for _, d := range []time.Duration{o.Think, o.Second, o.Notify, o.Takes, o.Offline, o.Create, o.Query, o.Refund, o.Unionid} {
				if d < 0 || d%time.Microsecond != 0 {
					t.Fatalf("order %d has a duration of %v", i, d)
				}
			}
			channels[o.Channel]++
			if o.Buyer == BuyerAbandons {
				abandoned++
			}
		}
		if off := math.Abs(float64(channels["alipay"]) - s.Payments.Alipay*float64(n)); off > 1 {
			t.Fatalf("%d of %d pay by alipay, asked were %.3f", channels["alipay"], n, s.Payments.Alipay)
		}
		if off := math.Abs(float64(abandoned) - s.Buyers.Abandon*float64(n)); off > 1 {
			t.Fatalf("%d of %d abandon, asked were %.3f", abandoned, n, s.Buyers.Abandon)
		}

		var written bytes.Buffer
		wrote, err := p.WriteTo(&written)
		if err != nil || wrote != int64(written.Len()) {
			t.Fatalf("WriteTo answers %d, %v for %d bytes", wrote, err, written.Len())
		}
		read, err := ReadPlan(&written)
		if err != nil {
			t.Fatal(err)
		}
		if read.SHA256() != p.SHA256() {
			t.Fatal("a plan changes by being written and read")
		}

		shards := rapid.IntRange(1, 5).Draw(t, "shards")
		var joined []PlanOrder
		probes := 0
		home := map[string]int{}
		for i := range shards {
			part := p.Shard(i, shards)
			joined = append(joined, part.Orders...)
			probes += len(part.Probes)
			for _, o := range part.Orders {
				if was, ok := home[o.Machine]; ok && was != i {
					t.Fatalf("machine %s is in shards %d and %d", o.Machine, was, i)
				}
				home[o.Machine] = i
			}
		}
		slices.SortFunc(joined, func(a, b PlanOrder) int { return strings.Compare(a.Key, b.Key) })
		if !slices.Equal(joined, p.Orders) || probes != len(p.Probes) {
			t.Fatalf("%d shards together are not the plan", shards)
		}
	})
}

func TestArrivalsFollowTheCurve(t *testing.T) {
	jump := scenarios.Curve{{At: 0, Rate: 0}, {At: 10 * time.Second, Rate: 20}, {At: 10 * time.Second, Rate: 5}, {At: 20 * time.Second, Rate: 5}, {At: 30 * time.Second, Rate: 0}}
	for _, kind := range []string{"even", "poisson"} {
		due := arrivals(jump, kind, newStream(3, "arrivals"))
		// L is 100 at 10 s, 150 at 20 s, 175 at 30 s.
		for at, want := range map[time.Duration]float64{5 * time.Second: 25, 10 * time.Second: 100, 15 * time.Second: 125, 20 * time.Second: 150, 30 * time.Second: 175} {
			n, _ := slices.BinarySearch(due, at+1)
			tolerance := 1.0
			if kind == "poisson" {
				tolerance = 4 * math.Sqrt(want)
			}
			if math.Abs(float64(n)-want) > tolerance {
				t.Errorf("%s: %d arrivals by %v, want %v", kind, n, at, want)
			}
		}
	}
	flat := arrivals(scenarios.Curve{{Rate: 10}, {At: time.Second, Rate: 10}}, "even", nil)
	if got := fmt.Sprint(flat); got != "[50ms 150ms 250ms 350ms 450ms 550ms 650ms 750ms 850ms 950ms]" {
		t.Errorf("ten a second are due at %s", got)
	}
	if got := arrivals(scenarios.Curve{{}, {At: time.Hour}}, "poisson", newStream(1, "")); len(got) != 0 {
		t.Errorf("no demand has %d arrivals", len(got))
	}
}

func TestChanceHasTheMomentsItShould(t *testing.T) {
	const n = 200_000
	mean := func(draw func() float64) (mean, variance float64) {
		var sum, squares float64
		for range n {
			x := draw()
			sum += x
			squares += x * x
		}
		mean = sum / n
		return mean, squares/n - mean*mean
	}
	s := newStream(11, "moments")
	for _, c := range []struct {
		name           string
		draw           func() float64
		mean, variance float64
	}{
		{"uniform", s.unit, 0.5, 1.0 / 12},
		{"exponential", s.exponential, 1, 1},
		{"normal", s.normal, 0, 1},
		{"of seven", func() float64 { return float64(s.below(7)) }, 3, 4},
	} {
		m, v := mean(c.draw)
		if math.Abs(m-c.mean) > 0.02 || math.Abs(v-c.variance) > 0.03*max(1, c.variance) {
			t.Errorf("%s has mean %.4f and variance %.4f, want %.4f and %.4f", c.name, m, v, c.mean, c.variance)
		}
	}
	median := make([]time.Duration, 10_001)
	for i := range median {
		median[i] = s.draw(scenarios.Delay{Kind: "lognormal", A: 180 * time.Millisecond, SigmaPct: 40})
	}
	slices.Sort(median)
	if m := median[len(median)/2]; m < 175*time.Millisecond || m > 185*time.Millisecond {
		t.Errorf("the median of lognormal 180ms is %v", m)
	}
	if q := median[len(median)*84/100].Seconds() / median[len(median)/2].Seconds(); math.Abs(q-math.Exp(0.4)) > 0.05 {
		t.Errorf("one sigma of 0.4 is a factor of %.3f", q)
	}
	for _, x := range []float64{1e-300, 0.1, 0.5, 0.7, 1, 1.5, 2, 10, 1e300} {
		if got, want := logarithm(x), math.Log(x); math.Abs(got-want) > 1e-14*max(1, math.Abs(want)) {
			t.Errorf("ln %v is %v, not %v", x, got, want)
		}
	}
	for _, x := range []float64{-600, -1, -0.1, 0, 0.3, 1, 5, 600} {
		if got, want := exponentOf(x), math.Exp(x); math.Abs(got/want-1) > 1e-13 {
			t.Errorf("e^%v is %v, not %v", x, got, want)
		}
	}
}

func TestAMachineServesOneBuyerAtATime(t *testing.T) {
	s := smallScenario()
	s.Fleet.Machines, s.Demand.PerMachineHour = 400, 27 // enough for everyone
	p := mustPlan(t, s, 5)
	free := map[string]time.Duration{}
	used := map[string]int{}
	sold := map[string]int{}
	for _, o := range p.Orders {
		if o.Due < free[o.Machine] {
			t.Fatalf("%s is sent to %s at %v, which is taken until %v", o.Key, o.Machine, o.Due, free[o.Machine])
		}
		free[o.Machine] = o.Due + o.Think + o.Notify + o.Offline + o.Takes
		used[o.Machine]++
		sold[fmt.Sprint(o.Machine, "/", o.Slot)]++
	}
	if len(used) < len(p.Orders)*8/10 {
		t.Errorf("%d orders go to %d of %d machines", len(p.Orders), len(used), s.Fleet.Machines)
	}
	for slot, n := range sold {
		if n > s.Fleet.Stock {
			t.Errorf("slot %s is pressed %d times with %d pieces in it", slot, n, s.Fleet.Stock)
		}
	}
	s = smallScenario()
	s.Fleet.Stock = 1
	pressed := map[string]map[int]int{}
	for _, o := range mustPlan(t, s, 5).Orders {
		if pressed[o.Machine] == nil {
			pressed[o.Machine] = map[int]int{}
		}
		pressed[o.Machine][o.Slot]++
	}
	again := 0
	for machine, slots := range pressed {
		n := 0
		for _, times := range slots {
			n += times
		}
		if n > 1 {
			again++
		}
		if len(slots) != min(n, s.Fleet.Slots) {
			t.Errorf("%d buyers at %s press %d of its %d slots, which hold one piece each", n, machine, len(slots), s.Fleet.Slots)
		}
	}
	if again == 0 {
		t.Error("no machine has two buyers: nothing was tested")
	}
	s.Fleet.Machines, s.Demand.PerMachineHour = 1, 10_800 // not enough: everyone queues there, nobody is dropped
	if got := mustPlan(t, s, 5); len(got.Orders) == 0 {
		t.Error("one machine gets no orders")
	}
}

func TestAPlanThatCannotBeSaysWhy(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*scenarios.Scenario)
		want   string
	}{
		"no machines":       {func(s *scenarios.Scenario) { s.Fleet.Machines = 0 }, "0 machines"},
		"too many orders":   {func(s *scenarios.Scenario) { s.Demand.PerMachineHour = 1e12 }, "more than 10000000"},
		"not a number":      {func(s *scenarios.Scenario) { s.Demand.PerMachineHour = math.NaN() }, "more than"},
		"no demand at all":  {func(s *scenarios.Scenario) { s.Demand.PerMachineHour = 0 }, ""},
		"a clock of length": {func(s *scenarios.Scenario) {}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := smallScenario()
			c.change(s)
			_, err := NewPlan(s, 1)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func TestReadPlanRefusesWhatIsNotAPlan(t *testing.T) {
	var whole bytes.Buffer
	if _, err := mustPlan(t, smallScenario(), 1).WriteTo(&whole); err != nil {
		t.Fatal(err)
	}
	lines := strings.SplitAfter(whole.String(), "\n")
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                {"", "line 1: unexpected EOF"},
		"not JSON":               {"PK\x03\x04", "line 1: invalid character"},
		"a newer schema":         {`{"schema":99}`, "schema 99, this program reads 1"},
		"a header that lies":     {`{"schema":1,"orders":2000000000}`, "cannot be"},
		"cut short":              {strings.Join(lines[:5], ""), "line 6: unexpected EOF"},
		"orders out of order":    {lines[0] + lines[2] + lines[1], "line 3: order o000001 is due before"},
		"a line too many":        {whole.String() + "{}\n", "more than the header's"},
		"a line that is a probe": {lines[0] + `{"due_ns":1,"channel":"wechat","kind":"forged"}` + "\n", "line 2: not an order"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := ReadPlan(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}

func FuzzReadPlan(f *testing.F) {
	p, err := NewPlan(smallScenario(), 1)
	if err != nil {
		f.Fatal(err)
	}
	p.Orders, p.Probes = p.Orders[:2], p.Probes[:1]
	p.Header.Orders, p.Header.Probes = 2, 1
	var b bytes.Buffer
	if _, err := p.WriteTo(&b); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, src []byte) {
		p, err := ReadPlan(bytes.NewReader(src))
		if err != nil {
			return
		}
		var again bytes.Buffer
		if _, err := p.WriteTo(&again); err != nil {
			t.Fatal(err)
		}
		if q, err := ReadPlan(&again); err != nil || q.SHA256() != p.SHA256() {
			t.Fatalf("a plan that was read cannot be written and read again: %v", err)
		}
	})
}
