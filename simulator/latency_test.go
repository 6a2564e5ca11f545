package simulator

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"pgregory.net/rapid"
)

func newTestLatency(t *testing.T, w io.Writer) *Latency {
	t.Helper()
	l, err := NewLatency(time.Unix(1_800_000_000, 0), w)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A service that takes 40 ms each, behind one worker: every second send waits 40 ms for its turn.
func TestHistogramsTellWhatIsKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newTestLatency(t, nil)
		tl := NewTimeline(TimelineConfig{
			Start: time.Now(), Workers: 1, Latency: l, ticking: true,
			Transport: sinkFunc(func(*http.Request) (*http.Response, error) {
				time.Sleep(40 * time.Millisecond)
				return answered(200, ""), nil
			}),
		})
		for i := range 200 {
			if err := tl.Push(Send{Due: time.Duration(i/2) * time.Second, Kind: SendCreate, Method: "POST", URL: "http://127.0.0.1/"}); err != nil {
				t.Fatal(err)
			}
		}
		tl.Close()
		if err := tl.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := l.Second(); err != nil {
			t.Fatal(err)
		}
		for what, want := range map[string][2]time.Duration{ // p50, p99
			TimeResponse: {40 * time.Millisecond, 80 * time.Millisecond},
			TimeService:  {40 * time.Millisecond, 40 * time.Millisecond},
			TimeLateness: {0, 40 * time.Millisecond},
		} {
			h := l.Total(SendCreate, what)
			if h.TotalCount() != 200 {
				t.Fatalf("%s has %d of 200", what, h.TotalCount())
			}
			for i, p := range []float64{50, 99} {
				got := time.Duration(h.ValueAtPercentile(p))
				if diff := (got - want[i]).Abs(); float64(diff) > float64(want[i])/1000+1000 {
					t.Errorf("%s p%v is %v, must be %v to three digits", what, p, got, want[i])
				}
			}
		}
	})
}

// Whatever is added by whatever number of workers is there in the end, in the interval lines as in the total.
func TestHistogramsMergeExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := time.Unix(1_800_000_000, 0)
		var log bytes.Buffer
		l, err := NewLatency(start, &log)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]*hdr.Histogram{}
		record := func(tag string, d time.Duration) {
			if want[tag] == nil {
				want[tag] = newHistogram()
			}
			_ = want[tag].RecordValue(min(histogramHighest, max(0, int64(d))))
		}
		over := 0
		now := time.Duration(0)
		for range rapid.IntRange(1, 4).Draw(t, "intervals") {
			for range rapid.IntRange(0, 3).Draw(t, "seconds") {
				var wg sync.WaitGroup
				for _, ns := range rapid.SliceOfN(rapid.Int64Range(-5, int64(3*time.Minute)), 0, 60).Draw(t, "times") {
					kind := []string{SendCreate, SendNotify, SendResult}[ns&1]
					d := time.Duration(ns)
					record(kind+"."+TimeResponse, d)
					record(kind+"."+TimeService, d/2)
					record(kind+"."+TimeLateness, d/3)
					for _, x := range []time.Duration{d, d / 2, d / 3} {
						if int64(x) > histogramHighest {
							over++
						}
					}
					wg.Go(func() { l.Add(kind, d, d/2, d/3) })
				}
				wg.Wait()
				if _, err := l.Second(); err != nil {
					t.Fatal(err)
				}
			}
			now += 10 * time.Second
			if err := l.Interval(now); err != nil {
				t.Fatal(err)
			}
		}
		if l.Over() != over {
			t.Fatalf("%d times were too long, %d were counted", over, l.Over())
		}
		for tag, h := range want {
			kind, what, _ := strings.Cut(tag, ".")
			if got := l.Total(kind, what); got == nil || !got.Equals(h) {
				t.Fatalf("the total of %s is not the sum of its parts", tag)
			}
		}
		read := map[string]*hdr.Histogram{}
		reader := hdr.NewHistogramLogReader(&log)
		for {
			h, err := reader.NextIntervalHistogram()
			if err != nil {
				t.Fatal(err)
			}
			if h == nil {
				break
			}
			if h.EndTimeMs()-h.StartTimeMs() != 10_000 {
				t.Fatalf("an interval lasts %d ms", h.EndTimeMs()-h.StartTimeMs())
			}
			if err := merge(read, h.Tag(), h); err != nil {
				t.Fatal(err)
			}
		}
		if got, want := slices.Sorted(maps.Keys(read)), slices.Sorted(maps.Keys(want)); !slices.Equal(got, want) {
			t.Fatalf("the log has tags %v, want %v", got, want)
		}
		for tag, h := range want {
			if read[tag].TotalCount() != h.TotalCount() || read[tag].ValueAtPercentile(99) != h.ValueAtPercentile(99) {
				t.Fatalf("the log's %s is not what was added", tag)
			}
		}
	})
}

func TestTheLatencyLogIsOfFormat13(t *testing.T) {
	var log bytes.Buffer
	l := newTestLatency(t, &log)
	l.Add(SendCreate, 3*time.Millisecond, 2*time.Millisecond, time.Millisecond)
	if _, err := l.Second(); err != nil {
		t.Fatal(err)
	}
	if err := l.Interval(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	got := log.String()
	for _, want := range []string{
		"#[Histogram log format version 1.3]\n", "#[StartTime: 1800000000 (seconds since epoch)",
		"\nTag=create.lateness,0.000000,10.000000,1.0", "\nTag=create.response,0.000000,10.000000,3.0", "\nTag=create.service,",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("the log lacks %q:\n%s", want, got)
		}
	}
}

func TestAMergeThatLosesSomethingIsAnError(t *testing.T) {
	wide := hdr.New(1, math.MaxInt64/2, 3)
	if err := wide.RecordValue(int64(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if err := merge(map[string]*hdr.Histogram{}, "x", wide); err == nil || !strings.Contains(err.Error(), "dropped 1") {
		t.Errorf("got %v", err)
	}
}

func TestAgendaDoesThingsInOrderAndNotBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		a := newAgenda(func() time.Duration { return time.Since(start) })
		var got []string
		note := func(name string) func() {
			return func() { got = append(got, fmt.Sprint(name, "@", time.Since(start))) }
		}
		a.after(3*time.Second, note("third"))
		a.after(time.Second, func() {
			note("first")()
			a.after(0, note("overdue"))
			a.after(2*time.Second, note("second"))
		})
		a.after(3*time.Second, note("fourth"))
		a.after(time.Hour, note("never"))
		go func() {
			time.Sleep(1500 * time.Millisecond)
			a.after(1700*time.Millisecond, note("pushed"))
		}()
		ctx, cancel := contextFor(t, 10*time.Second)
		defer cancel()
		a.run(ctx)
		if want := "[first@1s overdue@1s pushed@1.7s second@2s third@3s fourth@3s]"; fmt.Sprint(got) != want {
			t.Errorf("got  %v\nwant %s", got, want)
		}
	})
}
