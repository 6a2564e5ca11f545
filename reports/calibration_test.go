package reports

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// reportOf is what a report says of so many values.
func reportOf(values []int64) Quantiles {
	h := newHistogram()
	for _, v := range values {
		record(h, v)
	}
	return quantilesOf(h)
}

// valued are n values, from a function of their number.
func valued(n int, of func(i int) time.Duration) []int64 {
	values := make([]int64, n)
	for i := range values {
		values[i] = int64(of(i))
	}
	return values
}

// stalled are the response times of 600 sends, 20 a second, of which those that are due in a stall of two seconds wait for its end.
func stalled(i int) time.Duration {
	if i < 40 {
		return 2*time.Second - time.Duration(i)*50*time.Millisecond
	}
	return 20 * time.Millisecond
}

func TestAReportIsHeldToTheTruth(t *testing.T) {
	const ms = time.Millisecond
	constant := func(d time.Duration) func(int) time.Duration { return func(int) time.Duration { return d } }
	quick := valued(600, constant(50*time.Microsecond))
	tests := []struct {
		name       string
		truth      []int64 // response times by the target's book
		arithmetic []int64
		says       []int64 // those of the report
		echo       time.Duration
		want       string // the statuses of the response's p50, p90, p99 and p99.9
		note       string
	}{
		{
			name: "it says what is true", truth: valued(3000, constant(100*ms)), says: valued(3000, constant(100*ms)),
			want: "pass pass pass pass",
		},
		{
			name: "1 % more is the way there and back", truth: valued(3000, constant(100*ms)), says: valued(3000, constant(100900*time.Microsecond)),
			want: "pass pass pass pass",
		},
		{
			name: "100 µs more of a short time are, too", truth: valued(3000, constant(1*ms)), says: valued(3000, constant(1090*time.Microsecond)),
			want: "pass pass pass pass",
		},
		{
			name: "more than that is wrong where the machine is quick", truth: valued(3000, constant(100*ms)), says: valued(3000, constant(102*ms)),
			echo: 200 * time.Microsecond, want: "fail fail fail fail", note: "more than the machine can have added: an echo took up to",
		},
		{
			name: "and cannot be told where the machine was as slow", truth: valued(3000, constant(100*ms)), says: valued(3000, constant(102*ms)),
			echo: 3 * ms, want: "unknown unknown unknown unknown", note: "the machine was as slow",
		},
		{
			name: "less by no more than that is within what a figure may be off, too", truth: valued(3000, constant(100*ms)), says: valued(3000, constant(99100*time.Microsecond)),
			want: "pass pass pass pass",
		},
		{
			name: "an answer that was had before it was given", truth: valued(3000, constant(100*ms)), says: valued(3000, constant(98*ms)),
			echo: time.Minute, want: "fail fail fail fail", note: "no machine can cause this",
		},
		{
			name: "a stall that nobody was counted to wait for, as with a closed loop", truth: valued(600, stalled),
			says: append(valued(599, constant(20*ms)), int64(2*time.Second)), echo: 10 * ms, want: "pass pass fail pass", note: "no machine can cause this",
		},
		{
			name: "a stall that is not what arithmetic says", truth: valued(600, stalled), says: valued(600, stalled),
			arithmetic: valued(600, func(i int) time.Duration { return stalled(i) * 9 / 10 }), echo: 10 * ms, want: "pass pass unknown pass", note: "by arithmetic",
		},
		{
			name: "too few for a p99, and the report says so", truth: valued(100, constant(100*ms)), says: valued(100, constant(100*ms)),
			want: "pass pass pass pass", note: "too few: 100 of 299",
		},
		{
			name: "no samples at all", truth: valued(100, constant(100*ms)), want: "fail fail fail fail", note: "no samples",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			figures, echo := Calibrate(Latency{Response: reportOf(tt.says), Service: reportOf(quick), Lateness: reportOf(quick)}, Truth{
				Response: [2][]int64{tt.truth, tt.arithmetic}, Service: [2][]int64{quick, nil}, Lateness: [2][]int64{quick, nil},
				Echo: []int64{int64(tt.echo), int64(tt.echo / 2)},
			})
			if len(figures) != 12 || echo.Max < int64(tt.echo) {
				t.Fatalf("%d figures, an echo of %v", len(figures), time.Duration(echo.Max))
			}
			var got, notes []string
			for _, f := range figures[:4] {
				got, notes = append(got, f.Status), append(notes, f.Note)
			}
			if strings.Join(got, " ") != tt.want || tt.note != "" && !strings.Contains(strings.Join(notes, "; "), tt.note) {
				t.Errorf("got %v, want %s; notes %q", got, tt.want, notes)
			}
			for _, f := range figures[4:] {
				if f.Status != passed {
					t.Errorf("%s %v: %s: %s", f.Time, f.Quantile, f.Status, f.Note)
				}
			}
		})
	}
}

func TestAPercentileWithoutTheSamplesItNeedsIsWrong(t *testing.T) {
	f := Figure{Time: "response", Quantile: 0.99, Samples: 298, Needed: 299, Truth: int64(time.Second), Arithmetic: -1, Report: int64(time.Second)}
	if f.judge(true, 0); f.Status != failed || !strings.Contains(f.Note, "298 samples") {
		t.Errorf("a p99 of 298: %s: %s", f.Status, f.Note)
	}
	f = Figure{Time: "response", Quantile: 0.99, Samples: 299, Needed: 299, Truth: int64(time.Second), Arithmetic: -1, Report: -1}
	if f.judge(true, 0); f.Status != failed || !strings.Contains(f.Note, "gives no figure") {
		t.Errorf("no p99 of 299: %s: %s", f.Status, f.Note)
	}
}

func TestLatenessCannotBeGreaterThanTheTargetSaw(t *testing.T) {
	truth, says := valued(600, func(int) time.Duration { return time.Millisecond }), valued(600, func(int) time.Duration { return 2 * time.Millisecond })
	same := [2][]int64{truth, nil}
	figures, _ := Calibrate(Latency{Response: reportOf(truth), Service: reportOf(truth), Lateness: reportOf(says)},
		Truth{Response: same, Service: same, Lateness: same, Echo: []int64{int64(time.Minute)}})
	if f := figures[8]; f.Time != "lateness" || f.Status != failed {
		t.Errorf("%s: %s: %s", f.Time, f.Status, f.Note)
	}
	figures, _ = Calibrate(Latency{Response: reportOf(truth), Service: reportOf(truth), Lateness: reportOf(truth)},
		Truth{Response: same, Service: same, Lateness: [2][]int64{says, nil}, Echo: []int64{int64(time.Minute)}})
	if f := figures[8]; f.Status != unknown {
		t.Errorf("a target that woke up late: %s: %s", f.Status, f.Note)
	}
}

func TestACalibrationIsDecidedByItsWorstFigure(t *testing.T) {
	with := func(figures []string, checks ...string) Calibration {
		var e Exercised
		for _, s := range figures {
			e.Figures = append(e.Figures, Figure{Status: s})
		}
		for _, s := range checks {
			e.Checks = append(e.Checks, Check{Status: s})
		}
		return Calibration{Exercises: []Exercised{{Figures: []Figure{{Status: passed}}}, e}}
	}
	rest := func(c Calibration) Calibration {
		c.NotPlayed = []string{"stall"}
		return c
	}
	for _, tt := range []struct {
		name string
		c    Calibration
		want string
		code int
	}{
		{"all are right", with([]string{passed}, passed), Pass, 0},
		{"one cannot be told", with([]string{passed, unknown}, passed), Inconclusive, 97},
		{"one is wrong", with([]string{passed, unknown, failed}), Fail, 99},
		{"a send that went missing", with([]string{passed}, failed), Fail, 99},
		{"nothing was compared", Calibration{}, Inconclusive, 97},
		{"all are right that were played", rest(with([]string{passed})), Inconclusive, 97},
		{"one is wrong of those that were played", rest(with([]string{failed})), Fail, 99},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.c.Decide(); tt.c.Outcome != tt.want || tt.c.ExitCode != tt.code {
				t.Errorf("got %s, %d; want %s, %d", tt.c.Outcome, tt.c.ExitCode, tt.want, tt.code)
			}
		})
	}
}

func TestACalibrationIsWrittenForPeopleAndPrograms(t *testing.T) {
	truth := valued(600, stalled)
	same := [2][]int64{truth, truth}
	quick := [2][]int64{valued(600, func(int) time.Duration { return 90 * time.Microsecond }), nil}
	figures, echo := Calibrate(Latency{Response: reportOf(truth), Service: reportOf(truth), Lateness: reportOf(quick[0])},
		Truth{Response: same, Service: same, Lateness: quick, Echo: valued(100, func(i int) time.Duration { return time.Duration(40+i) * time.Microsecond })})
	figures[8].Status, figures[8].Report, figures[8].Note = failed, int64(time.Millisecond), "more than the machine can have added: an echo took up to 0.14 ms"
	c := Calibration{Schema: 1, Exercises: []Exercised{{
		Name: "stall", Title: "two seconds of nothing", PerSecond: 20, Sends: 600, Figures: figures, Echo: echo,
		Checks: []Check{{Name: "every send reached the target, once", Want: "600", Got: "599 came", Status: failed}},
	}}}
	c.Decide()
	var b bytes.Buffer
	if err := WriteExercise(&b, &c.Exercises[0]); err != nil {
		t.Fatal(err)
	}
	if err := WriteCalibrationSummary(&b, &c); err != nil {
		t.Fatal(err)
	}
	golden(t, "calibration.txt", b.Bytes())
	dir := t.TempDir()
	if err := WriteCalibration(dir, &c); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, CalibrationFile))
	if err != nil {
		t.Fatal(err)
	}
	var back Calibration
	if err := json.Unmarshal(text, &back); err != nil || back.Outcome != Fail || len(back.Exercises[0].Figures) != 12 {
		t.Errorf("%v: %+v", err, back)
	}
}
