package live

import (
	"slices"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/simulator"
)

func TestAPercentileIsToldOnlyWhereThereAreSamplesForIt(t *testing.T) {
	tests := []struct {
		name      string
		seconds   []int // answers of 1 ms, 2 ms, ... in each second
		want      string
		low, high time.Duration
	}{
		{"none", []int{0, 0}, "p99", -1, -1},
		{"a few: the longest of them", []int{5, 23}, "longest", 23 * time.Millisecond, 24 * time.Millisecond},
		{"some: the ninetieth", []int{29}, "p90", 26 * time.Millisecond, 28 * time.Millisecond},
		{"just too few", []int{298}, "p90", 265 * time.Millisecond, 275 * time.Millisecond},
		{"enough", []int{299}, "p99", 290 * time.Millisecond, 300 * time.Millisecond},
		{"those of more than ten seconds ago are forgotten", []int{299, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5}, "longest", 5 * time.Millisecond, 6 * time.Millisecond},
	}
	const tag = simulator.SendCreate + "." + simulator.TimeResponse
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWindows()
			for _, n := range tt.seconds {
				h := hdr.New(1_000, 120e9, 3)
				for i := range n {
					_ = h.RecordValue(int64(i+1) * int64(time.Millisecond))
				}
				if err := w.add(map[string]*hdr.Histogram{tag: h}); err != nil {
					t.Fatal(err)
				}
			}
			q := w.percentile(tag)
			if q.Name != tt.want || time.Duration(q.NS) < tt.low || time.Duration(q.NS) > tt.high || q.Note == "" {
				t.Errorf("got %+v, want %s between %v and %v", q, tt.want, tt.low, tt.high)
			}
		})
	}
}

func TestAWindowHoldsTheLastSeconds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var w window
		counts := rapid.SliceOfN(rapid.IntRange(0, 5), 0, 40).Draw(t, "answers of each second")
		for _, n := range counts {
			h := newTimes()
			_ = h.RecordValues(int64(time.Millisecond), int64(n))
			if err := w.add(h); err != nil {
				t.Fatal(err)
			}
		}
		var want int64
		for _, n := range counts[max(0, len(counts)-windowSeconds):] {
			want += int64(n)
		}
		if got := w.sum().TotalCount(); got != want {
			t.Fatalf("the window holds %d answers, want %d", got, want)
		}
	})
}

func TestBucketsHoldEveryTimeOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := newBuckets(responseBounds)
		times := rapid.SliceOfN(rapid.Int64Range(1e6, 100e9), 1, 200).Draw(t, "times")
		for part := range slices.Chunk(times, 37) {
			h := hdr.New(1_000, 120e9, 3)
			for _, ns := range part {
				if err := h.RecordValue(ns); err != nil {
					t.Fatal(err)
				}
			}
			b.add(h)
		}
		if b.n != uint64(len(times)) {
			t.Fatalf("%d of %d times", b.n, len(times))
		}
		within, sum := uint64(0), 0.0
		for i, bound := range responseBounds {
			within += b.counts[i]
			low, high := 0, 0
			for _, ns := range times {
				low += int(oneIf(float64(ns)*1.002/1e9 <= bound))
				high += int(oneIf(float64(ns)*0.998/1e9 <= bound))
			}
			if int(within) < low || int(within) > high {
				t.Fatalf("%d times within %v s, want %d to %d", within, bound, low, high)
			}
		}
		for _, ns := range times {
			sum += float64(ns) / 1e9
		}
		if b.sum < sum*0.998 || b.sum > sum*1.002 {
			t.Fatalf("the sum is %v, want %v", b.sum, sum)
		}
	})
}
