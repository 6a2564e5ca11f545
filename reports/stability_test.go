package reports

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A play is a synthetic run for the judge of stability: what share of the operations due in a second is good, how much is sent,
// what is queued. The baseline lasts to second 70, the fault to 80.
type play struct {
	rate            float64 // orders a second
	seconds         int
	faultFrom       int
	faultTo         int
	good            func(second int) float64
	late            func(second int) float64
	creates         func(second int) float64 // sends for each order; nil: 1
	load            func(second int) float64 // of rate; nil: 1
	oldest          func(second int) float64 // seconds; nil: 0
	slow            func(second int) float64 // share of notifies over their limit; nil: 0
	prepays         func(second int) int     // nil: none
	kickFrom        int
	kickFor         int
	capacity        float64
	tries           int
	cut, noOps      bool
	faultNotInjects bool
}

func steady() play {
	return play{rate: 20, seconds: 200, faultFrom: 70, faultTo: 80, capacity: 40, good: func(int) float64 { return 1 }, late: func(int) float64 { return 0 }}
}

// from is a figure that is a before a second and b from it on.
func from(second int, a, b float64) func(int) float64 {
	return func(s int) float64 {
		if s < second {
			return a
		}
		return b
	}
}

// downFrom is goodput that the fault takes away and that comes back so long after it; 0 seconds is never.
func (p *play) downFor(seconds int, left float64) func(int) float64 {
	return func(s int) float64 {
		if s >= p.faultFrom && (seconds == 0 || s < p.faultTo+seconds) {
			return left
		}
		return 1
	}
}

func (p play) judge() *Stability { return p.track().stability() }

func (p play) track() *track {
	t := &track{
		playTo: int64(p.seconds) * second, cut: p.cut, refundAfter: 20 * second,
		load: runlog.LoadFacts{CapacityPerS: p.capacity, NotifyTimeoutNS: 5 * second, Tries: max(1, p.tries), PatienceNS: 4 * second},
		faults: []Fault{{
			ID: "f", Injected: !p.faultNotInjects, FromNS: int64(p.faultFrom) * second, ToNS: int64(p.faultTo) * second,
		}},
	}
	if p.kickFor > 0 {
		t.load.KickFromNS, t.load.KickForNS = int64(p.kickFrom)*second, int64(p.kickFor)*second
	}
	owed := 0.0
	for s := range p.seconds {
		rate := p.rate
		if p.load != nil {
			rate *= p.load(s)
		}
		if p.kickFor > 0 && s >= p.kickFrom && s < p.kickFrom+p.kickFor {
			rate /= 10
		}
		owed += rate
		n := int(owed)
		owed -= float64(n)
		good := int(math.Round(float64(n) * p.good(s)))
		late := int(math.Round(float64(n) * p.late(s)))
		for i := range n {
			due := int64(s)*second + int64(i)*second/int64(n)
			t.due = append(t.due, due)
			if !p.noOps {
				t.ops = append(t.ops, operation{due: due, good: i < good, late: i >= good && i < good+late})
			}
		}
		w := traffic{creates: n, firstCreates: n, notifies: good, firstNotifies: good}
		if p.creates != nil {
			w.creates = int(float64(n) * p.creates(s))
		}
		if p.slow != nil {
			w.answered[slowNotify], w.slow[slowNotify] = 100, int(100*p.slow(s))
		}
		if p.prepays != nil {
			w.prepays = p.prepays(s)
		}
		t.seconds = append(t.seconds, w)
		sample := runlog.Sample{AtNS: int64(s+1) * second, Phase: "play"}
		if p.oldest != nil {
			sample.Backlog, sample.BacklogAge = 10, p.oldest(s)
		}
		t.samples = append(t.samples, sample)
	}
	return t
}

func TestStabilityIsClassifiedFromWhatBecameOfTheOperations(t *testing.T) {
	tests := []struct {
		name string
		make func(p *play)
		want string
		says string
		// recovery is in seconds; -1 not known, and 1000 added to what is a lower bound
		recovery int
	}{
		{"nothing happened under the fault", func(*play) {}, Stable, "back 0 after", 0},
		{"everything failed during the fault only", func(p *play) { p.good = p.downFor(-1, 0) }, Stable, "within 5.00 s", 0},
		{"back after four seconds", func(p *play) { p.good = p.downFor(4, 0) }, Stable, "within 5.00 s", 4},
		{
			"back after 9 s: the model's 10 s", func(p *play) { p.good = p.downFor(9, 0.2) }, Recovering,
			"within three times the model's drain time of 10", 9,
		},
		{"back after 29 s: three times the model", func(p *play) { p.good = p.downFor(29, 0.2) }, Recovering, "within three times", 29},
		{"back after 45 s: later than the model allows", func(p *play) { p.good = p.downFor(45, 0.2) }, Undecided, "later than three times", 45},
		{
			"back after 9 s, of a capacity that nobody knows", func(p *play) { p.good, p.capacity = p.downFor(9, 0.2), 0 }, Undecided,
			"capacity is not known", 9,
		},
		{
			"back after 9 s, of a capacity that the drain showed", func(p *play) {
				p.good, p.capacity = p.downFor(9, 0.2), 0
				p.prepays = func(s int) int { return map[bool]int{true: 40, false: 20}[s >= 80 && s < 90] }
			}, Recovering, "drain time of 10", 9,
		},
		{
			"a capacity is not taken from a service that only did what came", func(p *play) {
				p.good, p.capacity = p.downFor(9, 0.2), 0
				p.prepays = func(int) int { return 21 }
			}, Undecided, "capacity is not known", 9,
		},
		{
			"nor from buyers who came in a bunch", func(p *play) {
				p.good, p.capacity = p.downFor(9, 0.2), 0
				p.load = func(s int) float64 { return map[bool]float64{true: 1.3, false: 1}[s >= 150 && s < 155] }
				p.prepays = func(s int) int { return map[bool]int{true: 26, false: 20}[s >= 150 && s < 155] }
			}, Undecided, "capacity is not known", 9,
		},
		{"a load at its capacity has no drain time", func(p *play) { p.good, p.capacity = p.downFor(9, 0), 20 }, Undecided, "the load is 1.00 of the capacity", 9},
		{
			"noise of eight in a hundred is no failure", func(p *play) { p.good = func(s int) float64 { return 0.95 + 0.05*float64(s%2) } }, Stable,
			"within 5.00 s", 0,
		},
		{
			"one bad bucket of ten is forgiven", func(p *play) {
				p.good = func(s int) float64 { return map[bool]float64{true: 0.5, false: 1}[s >= 130 && s < 135] }
			},
			Stable, "within 5.00 s", 0,
		},
		{
			"two bad buckets in a row at the end are not, though they are fewer than one of ten: it died again", func(p *play) { p.good = from(190, 1, 0) },
			Undecided, "nothing shows what keeps it down", 1120,
		},
		{
			"two bad stretches are not: it counts from the last", func(p *play) {
				p.good = func(s int) float64 { return map[bool]float64{true: 0, false: 1}[s >= 130 && s < 160] }
			}, Undecided, "later than three times", 80,
		},
		{
			"goodput is back, and the queue is older than the refund deadline", func(p *play) { p.oldest = from(75, 0, 30) }, Undecided,
			"nothing shows what keeps it down", 1120,
		},
		{"goodput is back, and notifies are slow", func(p *play) { p.slow = from(75, 0, 0.1) }, Undecided, "no kick", 1120},
		{"one slow notify in a hundred is what a p99 allows", func(p *play) { p.slow = from(75, 0, 0.01) }, Stable, "", 0},
		{
			"four slow notifies in a hundred prove nothing in one bucket", func(p *play) {
				p.slow = func(s int) float64 { return map[bool]float64{true: 0.04, false: 0}[s >= 100 && s < 105] }
			}, Stable, "", 0,
		},
		{
			"four in a hundred for good miss a p99 that no bucket misses", func(p *play) { p.slow = from(75, 0, 0.04) }, Undecided,
			"480 of 12,000 notifies were not answered within their limit", 1120,
		},
		{
			"four in a hundred that end are a late recovery", func(p *play) {
				p.slow = func(s int) float64 { return map[bool]float64{true: 0.04, false: 0}[s >= 75 && s < 125] }
			}, Recovering, "within three times", 15,
		},
		{
			"down for good, retries, no kick", func(p *play) { p.good, p.creates = p.downFor(0, 0.1), from(75, 1, 3) }, Suspect,
			"3.0 sends for each piece of work, 1.0 before", 1120,
		},
		{
			"down for good, work done too late, no kick", func(p *play) { p.good, p.late = p.downFor(0, 0.1), from(70, 0, 0.8) }, Suspect,
			"finished too late for its client", 1120,
		},
		{"down for good, nothing shows why, no kick", func(p *play) { p.good = p.downFor(0, 0) }, Undecided, "nothing shows what keeps it down", 1120},
		{
			"down, and a lull sets it free", func(p *play) {
				p.creates, p.kickFrom, p.kickFor = from(75, 1, 3), 150, 15
				p.good = func(s int) float64 { return map[bool]float64{true: 0.1, false: 1}[s >= 70 && s < 155] }
			}, Metastable, "recovered when the load had fallen", 1070,
		},
		{
			"down, and a lull does not help", func(p *play) { p.good, p.creates, p.kickFrom, p.kickFor = p.downFor(0, 0.1), from(75, 1, 3), 150, 15 }, Broken,
			"did not help", 1070,
		},
		{
			"dead, with no retries, and a lull does not help", func(p *play) { p.good, p.kickFrom, p.kickFor = p.downFor(0, 0), 150, 15 }, Broken,
			"did not help", 1070,
		},
		{
			"down, and the lull was shorter than the model's drain", func(p *play) { p.good, p.creates, p.kickFrom, p.kickFor = p.downFor(0, 0.1), from(75, 1, 3), 150, 5 },
			Suspect, "may have been too short", 1070,
		},
		{
			"recovered, and a lull knocks it over", func(p *play) { p.good, p.kickFrom, p.kickFor = from(165, 1, 0), 150, 15 }, Undecided,
			"down again after the lull", -1,
		},
		{
			"down until the load ends, thirty seconds after the fault", func(p *play) {
				p.good, p.creates, p.seconds = p.downFor(0, 0.1), from(75, 1, 3), 110
			}, Undecided, "the horizon is 60", 1030,
		},
		{
			"patient buyers who come back make the horizon longer", func(p *play) {
				p.good, p.creates, p.tries, p.capacity = p.downFor(0, 0.1), from(75, 1, 3), 3, 28
				p.seconds = 145
			}, Undecided, "the horizon is 75", 1065,
		},
		{
			"still rising when the load ends", func(p *play) {
				p.good = func(s int) float64 { return map[bool]float64{true: float64(s-70) / 160, false: 1}[s >= 70] }
			}, Undecided, "still rising", 1120,
		},
		{"ten seconds after the fault are too few", func(p *play) { p.seconds = 92 }, Undecided, "at least 15", -1},
		{"the fault lasts to the end", func(p *play) { p.faultTo = 200 }, Undecided, "lasted until the load ended", -1},
		{"the fault begins at once", func(p *play) { p.faultFrom, p.faultTo = 0, 10 }, Undecided, "there is no baseline", -1},
		{"the service was not well before", func(p *play) { p.good = func(int) float64 { return 0.6 } }, Undecided, "not well before", -1},
		{"the load falls after the fault", func(p *play) { p.load = from(100, 1, 0.5) }, Undecided, "not held constant", -1},
		{"the run was cut short", func(p *play) { p.cut = true }, Undecided, "cut short", -1},
		{"the plan is not known", func(p *play) { p.noOps = true }, Undecided, "the plan is not known", -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := steady()
			tt.make(&p)
			s := p.judge()
			if s.Class != tt.want || !strings.Contains(s.Why, tt.says) {
				t.Errorf("it is %s: %s\nwant %s: ... %s", s.Class, s.Why, tt.want, tt.says)
			}
			got := int(math.Round(float64(s.RecoveryNS) / 1e9))
			if s.RecoveryNS < 0 {
				got = -1
			}
			if s.RecoveryOpen {
				got += 1000
			}
			if diff := got - tt.recovery; diff < -2 || diff > 2 {
				t.Errorf("recovery is %d s, want %d (1000 is added to a lower bound)", got, tt.recovery)
			}
			if s.Why == "" {
				t.Error("it does not say why")
			}
		})
	}
}

func TestASendWithoutAnAnswerMissedItsLimit(t *testing.T) {
	for _, tt := range []struct {
		name           string
		status         int
		took           time.Duration
		answered, slow int
	}{
		{"answered in time", 200, 900 * time.Millisecond, 1, 0},
		{"refused in time, which is no matter of slowness", 503, 900 * time.Millisecond, 1, 0},
		{"answered too late", 200, 1100 * time.Millisecond, 1, 1},
		{"waited for until the sender's patience ended", 0, 5 * time.Second, 1, 1},
		{"broken off at once", 0, time.Millisecond, 1, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for event, kind := range map[runlog.Event]int{runlog.BuyerAnswer: slowCreate, runlog.NotifyAnswer: slowNotify} {
				run := &runlog.Manifest{Faults: []runlog.FaultPlan{{ID: "f"}}, Expect: map[string]string{"create.p99": "< 1s", "notify.p99": "<= 1s"}}
				tr := newTracker(&audit{run: run})
				tr.timed(kind, &runlog.Record{At: 9 * second, Event: event, Status: tt.status, Took: int64(tt.took)})
				if w := (&track{seconds: tr.seconds}).wire(0, 10*second); w.answered[kind] != tt.answered || w.slow[kind] != tt.slow {
					t.Errorf("%s: %d answered, %d of them slow", event, w.answered[kind], w.slow[kind])
				}
				run.Expect = nil
				tr = newTracker(&audit{run: run})
				tr.timed(kind, &runlog.Record{At: 9 * second, Event: event, Status: tt.status, Took: int64(tt.took)})
				if w := (&track{seconds: tr.seconds}).wire(0, 10*second); w.slow[kind] != 0 {
					t.Errorf("%s: slow, by no limit", event)
				}
			}
		})
	}
}

func TestARunWithoutAFaultHasNoStability(t *testing.T) {
	p := steady()
	p.faultNotInjects = true
	if s := p.judge(); s != nil {
		t.Errorf("a fault that never came makes %s", s.Class)
	}
}

func TestShortRunsSayThatTheyAreShort(t *testing.T) {
	p := steady()
	p.faultFrom, p.faultTo, p.seconds = 20, 30, 60
	s := p.judge()
	if all := strings.Join(s.Notes, "; "); s.Class != Stable || !strings.Contains(all, "baseline is 20") || !strings.Contains(all, "horizon is 60") {
		t.Errorf("it is %s with the notes %q", s.Class, all)
	}
}

func TestTheModelDrainsWhatTheFaultsHeldUp(t *testing.T) {
	p := steady()
	s := p.judge() // 10 s at half the capacity
	if s.ModelNS != 10*second || math.Abs(s.Rho-0.5) > 1e-9 || s.CapacityFrom != "the scenario" {
		t.Errorf("the model drains in %s at %.2f of %s", time.Duration(s.ModelNS), s.Rho, s.CapacityFrom)
	}
}

func TestOperationsInFlightAtTheFaultAreNotTheBaselines(t *testing.T) {
	p := steady()
	x := p.track()
	for i := range x.ops {
		if o := &x.ops[i]; o.due < 66*second {
			o.done = o.due + 4*second
		} else if o.due < 70*second {
			o.good = false // what they still needed the fault took
		}
	}
	s := x.stability()
	if s.Phases[0].Goodput != 1 || s.Phases[1].Name != "in-flight" || s.Phases[1].Goodput != 0 || s.Phases[1].FromNS != 66*second || s.Class != Stable {
		t.Errorf("it is %s: %+v", s.Class, s.Phases[:2])
	}
}

func TestFaultsThatOverlapCountOnce(t *testing.T) {
	x := &track{faults: []Fault{
		{Injected: true, FromNS: 10, ToNS: 20}, {Injected: true, FromNS: 15, ToNS: 25}, {Injected: true, FromNS: 40, ToNS: 45}, {FromNS: 0, ToNS: 90},
	}}
	if from, to, length := x.trigger(); from != 10 || to != 45 || length != 20 {
		t.Errorf("from %d to %d, %d long", from, to, length)
	}
}

func TestWordsAreComparedHonestly(t *testing.T) {
	tests := []struct{ got, want, status string }{
		{Stable, "STABLE", passed},
		{Stable, "STABLE or RECOVERING", passed},
		{Recovering, "STABLE", failed},
		{Metastable, "METASTABLE or BROKEN", passed},
		{Broken, "METASTABLE", failed},
		{Suspect, "METASTABLE or BROKEN", passed}, // it is one of the two
		{Suspect, "METASTABLE", unknown},          // only a kick could tell
		{Suspect, "BROKEN", unknown},
		{Suspect, "STABLE or RECOVERING", failed},
		{Undecided, "STABLE or RECOVERING or METASTABLE or BROKEN", unknown},
		{Undecided, "UNDECIDED", unknown},
		{Stable, "> 3", unknown},
	}
	for _, tt := range tests {
		m := map[string]Measure{"stability": {Name: "stability", Unit: "word", Word: tt.got, Known: tt.got != Undecided, Samples: 100, Why: "because"}}
		if c := check("stability", tt.want, m, &runlog.Manifest{}); c.Status != tt.status {
			t.Errorf("%s against %q is %s (%s), want %s", tt.got, tt.want, c.Status, c.Note, tt.status)
		}
	}
	if c := check("stability", "STABLE", map[string]Measure{"stability": {Name: "stability", Unit: "word", Why: "the run had no fault"}}, &runlog.Manifest{}); c.Status != unknown || c.Note != "the run had no fault" {
		t.Errorf("without a fault it is %s: %s", c.Status, c.Note)
	}
}

func TestRecoveryIsComparedWithTheModel(t *testing.T) {
	model := Measure{Name: "drain_time.model", Unit: "ns", Value: 10e9, Known: true, Samples: 9}
	took := func(s float64, atLeast bool) Measure {
		return Measure{Name: "recovery_time", Unit: "ns", Value: s * 1e9, Known: true, Samples: 9, AtLeast: atLeast}
	}
	tests := []struct {
		got    Measure
		model  Measure
		want   string
		status string
	}{
		{took(9, false), model, "<= 1x model", passed},
		{took(11, false), model, "<= 1x model", failed},
		{took(31, false), model, "> 3x model", passed},
		{took(31, true), model, "> 3x model", passed},  // never recovered in 31 s
		{took(25, true), model, "> 3x model", unknown}, // not watched for long enough
		{took(25, true), model, "<= 1x model", failed},
		{took(5, true), model, "<= 1x model", unknown},
		{took(5, true), model, "== 5s", unknown},
		{took(31, false), Measure{Name: "drain_time.model", Unit: "ns", Samples: 9, Why: "the capacity is not known"}, "> 3x model", unknown},
		{took(3, false), model, "< 5s", passed},
	}
	for _, tt := range tests {
		c := check("recovery_time", tt.want, map[string]Measure{"recovery_time": tt.got, "drain_time.model": tt.model}, &runlog.Manifest{})
		if c.Status != tt.status {
			t.Errorf("%s of %s against %q is %s (%s), want %s", c.Got, fmt.Sprint(tt.got.AtLeast), tt.want, c.Status, c.Note, tt.status)
		}
	}
}

func TestStabilityIsJudgedFromTheFolder(t *testing.T) {
	b := wholeRun(t)
	b.manifest.Faults = []runlog.FaultPlan{{ID: "f1", What: "outage", On: "balancer", FromNS: 40 * second, ForNS: 10 * second}}
	b.manifest.Load = runlog.LoadFacts{CapacityPerS: 20, NotifyTimeoutNS: 5 * second, PatienceNS: 5 * second, Tries: 2}
	b.manifest.Expect = map[string]string{"stability": "RECOVERING", "recovery_time": "<= 1x model", "amplification.after": "< 1.2", "goodput.during": "<= 25%"}
	var plan strings.Builder
	plan.WriteString("{\"length_ns\":100000000000}\n")
	note := func(at float64, e runlog.Event, r runlog.Record) {
		r.At, r.Event, r.Machine, r.Slot, r.Channel = int64((10+at)*float64(second)), e, "m1", 1, "wechat"
		b.add(r)
	}
	buys := func(at float64, key string) {
		id := "s" + key
		note(at, runlog.BuyerIntent, runlog.Record{Key: key})
		note(at+0.05, runlog.ChannelPrepay, runlog.Record{Key: key, Order: id, Fen: 350})
		note(at+0.1, runlog.BuyerAnswer, runlog.Record{Key: key, Order: id, Status: 201, Took: int64(100 * time.Millisecond)})
		note(at+1, runlog.ChannelPaid, runlog.Record{Key: key, Order: id, Fen: 350, ID: "t" + id})
		note(at+1.3, runlog.NotifyIntent, runlog.Record{Order: id, ID: "n" + id, Txn: "t" + id, N: 1})
		note(at+1.4, runlog.NotifyAnswer, runlog.Record{Order: id, ID: "n" + id, Txn: "t" + id, N: 1, Status: 200, OK: true})
		note(at+3, runlog.MachineDropped, runlog.Record{Order: id, ID: "c" + id})
		note(115, runlog.ServiceOrder, runlog.Record{Key: key, Order: id, Note: "DISPENSED", Txn: "t" + id, Paid: 350, Fen: 350})
	}
	for i := range 1000 { // ten a second
		at, key := float64(i)/10, fmt.Sprintf("o%06d", i+1)
		fmt.Fprintf(&plan, `{"key":"%s","due_ns":%d,"machine":"m1","slot":1,"channel":"wechat","buyer":"pays","device":"dispenses"}`+"\n", key, int64(at*1e9))
		if at < 40 || at >= 57 {
			buys(at, key)
			continue
		}
		note(at, runlog.BuyerIntent, runlog.Record{Key: key})
		note(at+5, runlog.BuyerAnswer, runlog.Record{Key: key, Took: 5 * second})
		if at >= 48 && at < 50 { // their second try came through
			buys(at+6, key+".2")
		}
	}
	note(40, runlog.FaultOn, runlog.Record{ID: "f1"})
	note(45, runlog.FaultFelt, runlog.Record{ID: "f1", OK: true, Note: "felt"})
	note(50, runlog.FaultOff, runlog.Record{ID: "f1"})
	b.plan = plan.String()
	b.end()
	a := b.analyse()
	s := a.Stability
	if s == nil || s.Class != Recovering || s.ModelNS != 10*second {
		t.Fatalf("it is %+v", s)
	}
	for i, want := range []struct {
		name    string
		goodput float64
	}{{"baseline", 1}, {"in-flight", 1}, {"trigger", 0.2}, {"after", 0.86}} {
		if p := s.Phases[i]; p.Name != want.name || math.Abs(p.Goodput-want.goodput) > 0.01 || math.Abs(p.OfferedPerS-10) > 0.2 {
			t.Errorf("phase %d is %+v, want a goodput of %v", i, p, want.goodput)
		}
	}
	for _, c := range a.Expect {
		if c.Status != passed {
			t.Errorf("%s is %s, wanted %s: %s", c.Name, c.Got, c.Want, c.Note)
		}
	}
	validate(t, a)
	for name, write := range map[string]func(w *strings.Builder) error{
		"text":     func(w *strings.Builder) error { return WriteText(w, a, false) },
		"markdown": func(w *strings.Builder) error { return Markdown(w, a) },
	} {
		var out strings.Builder
		if err := write(&out); err != nil || !strings.Contains(out.String(), "RECOVERING") || !strings.Contains(out.String(), "baseline") {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
	}
}

func TestTheReportDrawsARecovery(t *testing.T) {
	p := steady()
	p.good = p.downFor(9, 0.2)
	a := passedRun()
	a.Stability = p.judge()
	page := rendered(t, a)
	for _, want := range []string{`id="stability"`, "RECOVERING", `class="band trigger"`, `class="bad-bucket"`, "recovered 9.00", "model 10.0", `id="stability-narrow"`} {
		if !strings.Contains(strings.ReplaceAll(page, "\u00a0", " "), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if a.Stability = nil; strings.Contains(rendered(t, a), `id="stability"`) {
		t.Error("a run without a fault has a section of stability")
	}
}
