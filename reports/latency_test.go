package reports

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

func TestQuantilesNeedTheirSamples(t *testing.T) {
	for q, want := range map[float64]int64{0.5: 5, 0.9: 29, 0.99: 299, 0.999: 2995} {
		if got := quantileSamples(q); got != want {
			t.Errorf("q %v needs %d samples, want %d", q, got, want)
		}
	}
	tests := []struct {
		samples            int
		p50, p90, p99, max bool
	}{
		{0, false, false, false, false},
		{1, false, false, false, true},
		{5, true, false, false, true},
		{28, true, false, false, true},
		{29, true, true, false, true},
		{298, true, true, false, true},
		{299, true, true, true, true},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.samples, " samples"), func(t *testing.T) {
			h := newHistogram()
			for i := range tt.samples {
				record(h, int64(i+1)*int64(time.Millisecond))
			}
			q := quantilesOf(h)
			if q.N != int64(tt.samples) || q.P50 >= 0 != tt.p50 || q.P90 >= 0 != tt.p90 || q.P99 >= 0 != tt.p99 || q.Max >= 0 != tt.max || q.P999 != -1 {
				t.Errorf("%+v", q)
			}
		})
	}
}

// Neighbours are four in a thousand apart, which three digits tell: a rank that is off by one is another value.
func TestAQuantileIsTheValueOfItsRank(t *testing.T) {
	for _, n := range []int{5, 29, 298, 299, 300, 301, 800, 2995, 2996} {
		t.Run(fmt.Sprint(n, " samples"), func(t *testing.T) {
			h := newHistogram()
			values := make([]int64, n)
			for i := range values {
				values[i] = int64(1e6 * math.Pow(1.0039, float64(i)))
			}
			for _, i := range rand.New(rand.NewPCG(7, uint64(n))).Perm(n) {
				record(h, values[i])
			}
			q := quantilesOf(h)
			for _, tt := range []struct{ got, thousandths int64 }{{q.P50, 500}, {q.P90, 900}, {q.P99, 990}, {q.P999, 999}} {
				if tt.got < 0 {
					continue
				}
				rank := (tt.thousandths*int64(n) + 999) / 1000
				if want := values[rank-1]; tt.got < want || float64(tt.got) > 1.001*float64(want) {
					t.Errorf("the quantile of %d in a thousand is %d, want %d, of rank %d", tt.thousandths, tt.got, want, rank)
				}
			}
		})
	}
}

// Whatever is recorded by however many workers, the merged quantiles are those of the sorted values, to the histogram's
// three digits.
func TestMergedQuantilesAreThoseOfAllValues(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var values []int64
		var log bytes.Buffer
		w := hdrhistogram.NewHistogramLogWriter(&log)
		for range rapid.IntRange(1, 5).Draw(t, "workers") {
			h := newHistogram()
			for _, v := range rapid.SliceOfN(rapid.Int64Range(1000, 60e9), 0, 400).Draw(t, "values") {
				values = append(values, v)
				record(h, v)
			}
			h.SetTag("create.response")
			if h.TotalCount() > 0 {
				if err := w.OutputIntervalHistogram(h); err != nil {
					t.Fatal(err)
				}
			}
		}
		merged, err := mergeLog(&log)
		if err != nil {
			t.Fatal(err)
		}
		h := merged["create.response"]
		q := quantilesOf(h)
		if q.N != int64(len(values)) {
			t.Fatalf("%d samples of %d", q.N, len(values))
		}
		if len(values) == 0 {
			return
		}
		slices.Sort(values)
		for share, got := range map[float64]int64{0.5: q.P50, 0.9: q.P90, 0.99: q.P99, 1: q.Max} {
			if got < 0 {
				continue
			}
			if want := float64(nearestRank(values, share)); float64(got) < want*0.998-1024 || float64(got) > want*1.002+1024 {
				t.Fatalf("quantile %v is %d, want %.0f", share, got, want)
			}
		}
		c := curve(h)
		if c[0].Quantile != 0 || c[len(c)-1].Quantile > 0.9999 {
			t.Fatalf("the curve goes from %v to %v", c[0].Quantile, c[len(c)-1].Quantile)
		}
		for i := 1; i < len(c); i++ {
			if c[i].Quantile < c[i-1].Quantile || c[i].NS < c[i-1].NS {
				t.Fatalf("the curve falls: %v", c)
			}
		}
	})
}

func FuzzLatencyLog(f *testing.F) {
	var log bytes.Buffer
	w := hdrhistogram.NewHistogramLogWriter(&log)
	h := newHistogram()
	record(h, 5_000_000)
	h.SetTag("notify.service")
	if err := w.OutputIntervalHistogram(h); err != nil {
		f.Fatal(err)
	}
	f.Add(log.String())
	f.Add(log.String()[:len(log.String())/2])
	f.Add("#[Histogram log format version 1.3]\n\"StartTimestamp\"\nTag=x\nTag=a,1,2,3,HISTFAAA\n,,,\n")
	f.Fuzz(func(_ *testing.T, s string) {
		_, _ = mergeLog(strings.NewReader(s)) // must not panic
	})
}

func TestAKilledRunWithoutLatencyLogHasTheBooksServiceTimes(t *testing.T) {
	b := wholeRun(t)
	b.sends = nil
	b.many(40)
	b.end()
	a := b.analyse()
	i := slices.IndexFunc(a.Latency, func(l Latency) bool { return l.Kind == "notify" })
	if l := a.Latency[i]; l.Service.N != 40 || l.Response.N != 0 || l.Response.P50 != -1 || l.Service.P50 < int64(11*time.Millisecond) {
		t.Errorf("%+v", l)
	}
	if a.Verdict.ExitCode != ExitInconclusive {
		t.Errorf("%+v: without lateness nobody knows whether the load was what was planned", a.Verdict)
	}
}

func TestTheSlopeIsThatOfMostSeconds(t *testing.T) {
	grow := func(n int, rows func(i int) int) []runlog.Sample {
		var s []runlog.Sample
		for i := range n {
			s = append(s, runlog.Sample{AtNS: int64(i) * second, Phase: "play", Backlog: rows(i)})
		}
		return s
	}
	tests := []struct {
		name    string
		samples []runlog.Sample
		want    float64
		n       int
	}{
		{"nothing waits", grow(60, func(int) int { return 0 }), 0, 60},
		{"five rows a second", grow(60, func(i int) int { return 5 * i }), 5, 60},
		{"five rows a second for an hour", grow(3600, func(i int) int { return 5 * i }), 5, 3600},
		{"five rows a second, with stalls of the reader", grow(60, func(i int) int { return 5*i + 1000*(i%7/6) }), 5, 60},
		{"it drains", grow(60, func(i int) int { return 600 - 10*i }), -10, 60},
		{"nine seconds are too few", grow(9, func(i int) int { return i }), math.NaN(), 9},
		{"nobody could say", grow(60, func(int) int { return -1 }), math.NaN(), 0},
		{"only the play counts", append(grow(20, func(i int) int { return i }), runlog.Sample{AtNS: 100 * second, Phase: "drain", Backlog: 9999}), 1, 20},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, n := backlogSlope(tt.samples)
			if n != tt.n || math.IsNaN(got) != math.IsNaN(tt.want) || math.Abs(got-tt.want) > 0.15 {
				t.Errorf("%v of %d samples, want %v of %d", got, n, tt.want, tt.n)
			}
		})
	}
}

func TestEveryMeasureIsDocumentedAndReads(t *testing.T) {
	seen := make(map[string]bool)
	for _, d := range Measures() {
		if d.Name == "" || d.Doc == "" || seen[d.Name] || unitWords[d.Unit] == "" {
			t.Errorf("%+v", d)
		}
		seen[d.Name] = true
	}
	b := wholeRun(t)
	b.add(runlog.Record{Event: runlog.Stock, Machine: "m1", Slot: 1, Fen: 50})
	b.many(320)
	b.tell("22 paid b1 350\n52 refunded b1 350\n71.5 drops b1\n120 says b1 REFUNDED 350 tb1\n30 notify f3 2\n30 notify f4 1 duplicate\n120 remedied f5")
	b.samples = []runlog.Sample{{AtNS: second, Phase: "play", Backlog: 7, BacklogAge: 1.5}, {AtNS: 2 * second, Phase: "drain", Backlog: 3}}
	plan := b.plan
	for i := range 320 {
		plan += fmt.Sprintf("{\"key\":\"kf%d\",\"due_ns\":%d,\"buyer\":\"pays\",\"device\":\"dispenses\"}\n", i, int64(i)*second/4)
	}
	b.plan = plan + `{"key":"kb1","due_ns":1,"buyer":"twice","device":"lost-result"}` + "\n" + `{"due_ns":5,"kind":"forged"}` + "\n"
	b.add(runlog.Record{At: 120 * second, Event: runlog.ServiceSlot, Machine: "m1", Slot: 1, Fen: -271})
	for order, note := range map[string]string{"f1": "dispense DISPENSED", "b1": "dispense CANCELLED", "b2": "cancel ANSWERED"} {
		b.add(runlog.Record{At: 120 * second, Event: runlog.ServiceCommand, Order: order, Machine: "m1", ID: "c-" + order, Note: note})
	}
	b.end()
	a := b.analyse()
	m := byName(a.Measures)
	want := map[string]float64{
		"loss.total": 1, "loss.fen": 350, "dispensed_and_refunded": 1, "double_dispense": 0, "recovered": 1, "remedies": 1, "refunds": 1, "pushes.lost": 1,
		"amplification": 321.0 / 321, "backlog.max": 7, "backlog.end": 3, "backlog.age_max": 1.5e9, "goodput.ratio": 320.0 / 321, "goodput.offered": 320.0 / 321, "queue.voided": 0,
		"oversold": 0, "undersold": 0, "queue.later_than_60s": 0, "service.cpu": 0.2, "service.rss": 50 << 20, "create.max": 300e6, "notify.errors": 0, "pay_to_dispense.max": 49.5e9,
	}
	for name, v := range want {
		if got := m[name]; !got.Known || math.Abs(got.Value-v) > 0.002*math.Abs(v) {
			t.Errorf("%s is %+v, want %v", name, got, v)
		}
	}
	for _, name := range []string{"probes_taken", "result.p50", "heartbeat.errors", "notify.p999", "backlog.slope"} {
		if got := m[name]; got.Known || got.Value != 0 {
			t.Errorf("%s is known: %+v", name, got)
		}
	}
	if a.Demand == nil || math.Abs(a.Demand[5].Rate-4) > 0.01 {
		t.Errorf("demand %+v", a.Demand)
	}
}
