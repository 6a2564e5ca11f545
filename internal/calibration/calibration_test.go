package calibration

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/simulator"
)

func exercise(t *testing.T, name string) (Exercise, []time.Duration) {
	t.Helper()
	list, err := Choose([]string{name})
	if err != nil {
		t.Fatal(err)
	}
	sc, err := list[0].scenario()
	if err != nil {
		t.Fatal(err)
	}
	plan, err := simulator.NewPlan(sc, 1)
	if err != nil {
		t.Fatal(err)
	}
	return list[0], dues(plan)
}

// Sends are due at (k + 1/2) / rate. The j-th that is due in the stall, from 0, or in what it leaves behind, is answered when the
// stall has ended and j others were handled: its response time is D + s (j + 1) - (j + 1/2) / rate, while that is more than s.
// So the m-th longest response time of all is that of j = m - 1, and a percentile is one of these.
func TestTheStallsAreWhatArithmeticSays(t *testing.T) {
	for _, tt := range []struct {
		name     string
		p90, p99 time.Duration
	}{
		{"stall", 460 * time.Millisecond, 1860 * time.Millisecond},
		{"one-worker", 20 * time.Millisecond, 1755 * time.Millisecond},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e, due := exercise(t, tt.name)
			if len(due) != e.PerSecond*e.Seconds {
				t.Fatalf("%d sends are planned", len(due))
			}
			gap, takes := time.Second/time.Duration(e.PerSecond), e.Takes(0)
			var response []time.Duration
			for n, took := range e.Arithmetic(due) {
				want := takes
				if j := n - int(e.StallAt/gap); j >= 0 {
					want = max(takes, e.StallFor+takes*time.Duration(j+1)-gap*time.Duration(2*j+1)/2)
				}
				if took.Response != int64(want) || took.Response != took.Service+took.Lateness || took.Lost {
					t.Fatalf("send %d, due at %v: %+v, want a response time of %v", n, due[n], took, want)
				}
				if e.Workers == 0 && took.Lateness != 0 {
					t.Fatalf("send %d is late by itself: %+v", n, took)
				}
				response = append(response, want)
			}
			slices.Sort(response)
			n := len(response)
			if got := response[(n*90+99)/100-1]; got != tt.p90 {
				t.Errorf("p90 is %v", got)
			}
			if got := response[(n*99+99)/100-1]; got != tt.p99 {
				t.Errorf("p99 is %v", got)
			}
		})
	}
}

// A generator that waits for each answer sends little while the target stalls: its service times hardly show the stall, and its
// response times, from the moment each send was due, show it whole.
func TestWithOneWorkerTheStallIsInTheLateness(t *testing.T) {
	e, due := exercise(t, "one-worker")
	long, late := 0, 0
	for _, took := range e.Arithmetic(due) {
		if took.Service > int64(100*time.Millisecond) {
			long++
		}
		if took.Lateness > int64(100*time.Millisecond) {
			late++
		}
	}
	if long != 1 || late < 50 {
		t.Errorf("%d sends were long, %d were late", long, late)
	}
}

func TestNoPercentileStandsOnAnEdge(t *testing.T) {
	for _, e := range Exercises() {
		t.Run(e.Name, func(t *testing.T) {
			_, due := exercise(t, e.Name)
			var response []int64
			for _, took := range e.Arithmetic(due) {
				response = append(response, took.Response)
			}
			slices.Sort(response)
			n := len(response)
			for _, percent := range []int{50, 90, 99} {
				at := n * percent / 100
				below, above := response[at-1-n/200], response[min(at-1+n/200, n-1)]
				if e.StallFor == 0 && below != above {
					t.Errorf("p%d is anything from %v to %v", percent, time.Duration(below), time.Duration(above))
				}
				// One exercise has a p99 that would be another value, by more than a figure may be off, if its rank were rounded.
				if whole := n*percent%100 == 0; !whole && e.Name != "stall" {
					t.Errorf("p%d of %d sends is between two of them", percent, n)
				}
			}
			if at := n * 99 / 100; e.Name == "stall" && (n*99%100 >= 50 || response[at]-response[at-1] <= response[at]/100) {
				t.Errorf("of %d sends the p99 is %v, and rounded down %v: nobody could tell", n, time.Duration(response[at]), time.Duration(response[at-1]))
			}
		})
	}
}

func TestArithmeticOfAnyQueue(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		takes := rapid.SliceOfN(rapid.Int64Range(0, int64(time.Second)), 1, 50).Draw(t, "takes")
		e := Exercise{
			Takes: func(n int) time.Duration { return time.Duration(takes[n]) }, Serial: rapid.Bool().Draw(t, "serial"),
			Workers: rapid.IntRange(0, 1).Draw(t, "workers"), Patience: time.Duration(rapid.Int64Range(0, int64(2*time.Second)).Draw(t, "patience")),
		}
		if e.Serial {
			e.StallAt, e.StallFor = time.Second, time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "stall"))
		}
		var due []time.Duration
		at := time.Duration(0)
		for range takes {
			at += time.Duration(rapid.Int64Range(0, int64(100*time.Millisecond)).Draw(t, "gap"))
			due = append(due, at)
		}
		for n, took := range e.Arithmetic(due) {
			least := takes[n]
			if e.Patience > 0 {
				least = min(least, int64(e.Patience))
			}
			if took.Response != took.Service+took.Lateness || took.Service < least || took.Lateness < 0 || took.Lost && took.Service != int64(e.Patience) {
				t.Fatalf("send %d: %+v", n, took)
			}
			if e.Workers == 0 && took.Lateness != 0 {
				t.Fatalf("send %d waited for a worker: %+v", n, took)
			}
			if e.Workers == 0 && !e.Serial && took.Service != least {
				t.Fatalf("send %d waited for another: %+v", n, took)
			}
		}
	})
}

// What a machine cannot change, however slow it is: every send comes once, nothing is answered before its time, nothing is taken
// for refused, and what there are too few samples for is not given.
func TestAnExerciseIsPlayedJudgedAndCompared(t *testing.T) {
	before := runtime.NumGoroutine()
	e := Exercise{
		Name: "short", Title: "three seconds", PerSecond: 40, Seconds: 3, Patience: 300 * time.Millisecond,
		Takes: func(n int) time.Duration {
			if n%10 == 4 {
				return time.Hour
			}
			return 20 * time.Millisecond
		},
	}
	dir := filepath.Join(t.TempDir(), "calibration")
	c, err := Run(t.Context(), Options{Exercises: []Exercise{e}, Dir: dir, Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	done := c.Exercises[0]
	if done.Sends != 120 || len(done.Figures) != 12 || done.Echo.N == 0 {
		t.Errorf("%+v", done)
	}
	for _, f := range done.Figures {
		if f.Note == "no machine can cause this" || f.Samples != 120 {
			t.Errorf("%s p%v of %d: the report says %v, true is %v: %s", f.Time, 100*f.Quantile, f.Samples, time.Duration(f.Report), time.Duration(f.Truth), f.Note)
		}
		if few := f.Quantile >= 0.99; few != (f.Report < 0) || few != strings.HasPrefix(f.Note, "too few: 120 of") {
			t.Errorf("%s p%v of 120 samples is %v: %s", f.Time, 100*f.Quantile, time.Duration(f.Report), f.Note)
		}
		if f.Time == "service" && f.Quantile == 0.5 && f.Report < int64(20*time.Millisecond) {
			t.Errorf("half the answers took %v", time.Duration(f.Report))
		}
	}
	if k := done.Checks[0]; k.Status != "pass" {
		t.Errorf("%s: %s", k.Name, k.Got)
	}
	if k := done.Checks[1]; k.Status == "fail" || !strings.Contains(k.Got, "0 refused") || !strings.HasPrefix(k.Want, "12, and 108") {
		t.Errorf("%s: wanted %s, got %s", k.Name, k.Want, k.Got)
	}
	for _, name := range []string{"short/report.html", "short/books.jsonl.zst", "short/" + TargetFile, reports.CalibrationFile} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	text, err := os.ReadFile(filepath.Join(dir, "short", TargetFile))
	if err != nil || strings.Count(string(text), "\n") != 121 {
		t.Errorf("the target's book: %v\n%s", err, text)
	}
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<18)
			t.Fatalf("goroutines were left running:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func TestAnInterruptedCalibrationSaysHowFarItCame(t *testing.T) {
	short := func(name string) Exercise {
		return Exercise{Name: name, Title: "a second", PerSecond: 10, Seconds: 1, Takes: always(time.Millisecond)}
	}
	for _, tt := range []struct {
		name      string
		during    string
		played    []string
		notPlayed []string
	}{
		{"during the first", "one", nil, []string{"one", "two", "three"}},
		{"during the second", "two", []string{"one"}, []string{"two", "three"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			dir := filepath.Join(t.TempDir(), "calibration")
			c, err := Run(ctx, Options{Exercises: []Exercise{short("one"), short("two"), short("three")}, Dir: dir, Began: func(e Exercise) {
				if e.Name == tt.during {
					cancel()
				}
			}})
			if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "the exercise "+tt.during) {
				t.Errorf("got %v", err)
			}
			if _, err := os.Stat(filepath.Join(dir, "three")); err == nil {
				t.Error("it went on")
			}
			text, err := os.ReadFile(filepath.Join(dir, reports.CalibrationFile))
			if err != nil {
				t.Fatal(err)
			}
			var kept reports.Calibration
			if err := json.Unmarshal(text, &kept); err != nil {
				t.Fatal(err)
			}
			for _, got := range []*reports.Calibration{c, &kept} {
				var played []string
				for _, e := range got.Exercises {
					played = append(played, e.Name)
				}
				if !slices.Equal(played, tt.played) || !slices.Equal(got.NotPlayed, tt.notPlayed) || got.Outcome == reports.Pass || got.ExitCode == 0 {
					t.Errorf("played %v, not played %v: %s, %d", played, got.NotPlayed, got.Outcome, got.ExitCode)
				}
			}
		})
	}
}

func TestAnExerciseThatIsNotThere(t *testing.T) {
	_, err := Choose([]string{"stall", "jitter"})
	if err == nil || err.Error() != "no such exercise: jitter; there are constant, bimodal, stall, one-worker, time-outs" {
		t.Errorf("got %v", err)
	}
	if all, err := Choose(nil); err != nil || len(all) != 5 {
		t.Errorf("%d exercises, %v", len(all), err)
	}
}
