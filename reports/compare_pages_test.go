package reports

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// recorded are the run folders that match a pattern in testdata/runs: real ones, of testdata/lunch-brief.yaml, without their
// books.
func recorded(t testing.TB, pattern string) []string {
	t.Helper()
	dirs, err := filepath.Glob(filepath.Join("testdata", "runs", pattern))
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no recorded run is named %s: %v", pattern, err)
	}
	return dirs
}

func groupOf(t testing.TB, dirs []string, doubtful bool) Group {
	t.Helper()
	g, err := ReadGroup(t.Context(), dirs, doubtful)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// recordedComparison is one worker for the callbacks against all of them.
func recordedComparison(t testing.TB) *Comparison {
	t.Helper()
	c, err := Compare(groupOf(t, recorded(t, "*-as-was"), false), groupOf(t, recorded(t, "*-hardened"), false), false)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestAComparisonOfRecordedRunsAsTextAndMarkdown(t *testing.T) {
	c := recordedComparison(t)
	for _, format := range []struct {
		name  string
		write func(*bytes.Buffer) error
	}{
		{"compare.txt", func(b *bytes.Buffer) error { return CompareText(b, c, false, false) }},
		{"compare.md", func(b *bytes.Buffer) error { return CompareMarkdown(b, c, false) }},
	} {
		t.Run(format.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := format.write(&b); err != nil {
				t.Fatal(err)
			}
			golden(t, format.name, b.Bytes())
		})
	}
}

func TestTheTextCountsWhatItDoesNotShow(t *testing.T) {
	c := recordedComparison(t)
	var some, all bytes.Buffer
	if err := CompareText(&some, c, false, false); err != nil {
		t.Fatal(err)
	}
	if err := CompareText(&all, c, true, true); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(some.String(), "double_refund") || !strings.Contains(all.String(), "double_refund") {
		t.Error("a measure that is 0 in every run is shown, or not with all")
	}
	if strings.Contains(some.String(), "\x1b[") || !strings.Contains(all.String(), "\x1b[32mpay_to_dispense.p99") {
		t.Error("colour where none is wanted, or none where it is")
	}
	lines := func(b *bytes.Buffer) int {
		return strings.Count(b.String(), " (n=") + strings.Count(b.String(), " (p=")
	}
	if lines(&all) != len(c.Rows) || lines(&some) >= lines(&all) {
		t.Errorf("%d rows of %d, with all %d", lines(&some), len(c.Rows), lines(&all))
	}
}

func compared(t testing.TB, c *Comparison) string {
	t.Helper()
	var b bytes.Buffer
	if err := CompareHTML(&b, c, "testdata"); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestThePageOfAComparisonTellsWhatTheTextDoes(t *testing.T) {
	c := recordedComparison(t)
	page := compared(t, c)
	text := plainText(page)
	for _, want := range []string{
		"A as-was against B hardened", "plan 07296a1c4ec0 · seed 7 · local", c.Sum(),
		"callback.workers 1 as hardened",       // what was done differently
		"pay_to_dispense.p99", "−91.5% better", // a row
		"ok-dispensed Paid, and the goods fell once. 1,200 1,200",               // books side by side
		"paid by buyers, yuan 4,636.96 4,636.96", "= unaccounted for 0.00 0.00", // money
		"20261120-151528-lunch-brief-hardened inconclusive: the run proves nothing: ", // what was left out
		"measures of which these runs show no difference",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	for _, want := range []string{`id="overlay-wide"`, `id="overlay-narrow"`, `id="percentiles-notify"`, `class="line a faint"`, `class="line b faint"`, `id="dots-pay_to_dispense.p99"`} {
		if !strings.Contains(page, want) {
			t.Errorf("%s is not drawn", want)
		}
	}
	if strings.Contains(page, "<a href=\"./runs") {
		t.Error("a report that is not there is linked")
	}
}

func TestRunsAreLinkedFromWhereThePageLies(t *testing.T) {
	dir := t.TempDir()
	runs := filepath.Join(dir, "all runs")
	if err := os.Mkdir(runs, 0o755); err != nil {
		t.Fatal(err)
	}
	a, b := passedRun(), passedRun()
	b.Run.ID = "other"
	runFolder(t, runs, "a#1", a, true)
	runFolder(t, runs, "b", b, true)
	c, err := Compare(groupOf(t, []string{filepath.Join(runs, "a#1")}, false), groupOf(t, []string{filepath.Join(runs, "b")}, false), false)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "pages", "deep", "compare.html")
	if err := WriteComparePage(path, c); err != nil {
		t.Fatal(err)
	}
	page, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if want := `href="./../../all%20runs/a%231/report.html"`; !strings.Contains(string(page), want) {
		t.Errorf("%s is not on the page", want)
	}
}

func TestMarkupInARunStaysText(t *testing.T) {
	hostile := sideOf(2, 1, nil)
	const evil = `<img src=x onerror=alert(1)>`
	for i := range hostile.Runs {
		hostile.Runs[i].Run.Profile, hostile.Runs[i].Verdict.Headline, hostile.Runs[i].Run.ServiceCfg = evil, evil, map[string]any{evil: evil}
		hostile.Runs[i].Dir = evil
		hostile.analyses[i].Latency[0].Kind = "create"
		hostile.analyses[i].Measures = append(hostile.analyses[i].Measures, Measure{Name: evil, Unit: evil, Known: true, Value: float64(i)})
		hostile.analyses[i].Faults = []Fault{{On: evil, What: evil, FromNS: 5e9, ToNS: 9e9}}
	}
	hostile.Left = []LeftOut{{evil, evil}}
	other := sideOf(2, 0, nil)
	c, err := Compare(hostile, other, false)
	if err != nil {
		t.Fatal(err)
	}
	if page := compared(t, c); strings.Contains(page, "<img") {
		t.Error("text of a run became markup on the page")
	}
	var b bytes.Buffer
	if err := CompareMarkdown(&b, c, true); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "<img") {
		t.Error("text of a run became markup in Markdown")
	}
}

func TestAGroupLeavesOutWhatProvesNothing(t *testing.T) {
	dir := t.TempDir()
	late, killed := doubtfulRun(), killedRun()
	lossy := failedRun() // under a load that was not what was planned
	lossy.Certificate = doubtfulRun().Certificate
	first := passedRun()
	first.Run.StartedAt = first.Run.StartedAt.AddDate(0, 0, -1)
	for name, a := range map[string]*Analysis{"late": late, "killed": killed, "lossy": lossy, "good": passedRun(), "first": first} {
		runFolder(t, dir, name, a, true)
	}
	runFolder(t, dir, "running", passedRun(), false)
	if err := os.WriteFile(filepath.Join(dir, "good", "noise"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "torn"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "torn", "run.json"), []byte(`{"schema":1`), 0o644); err != nil {
		t.Fatal(err)
	}
	var dirs []string
	for _, name := range []string{"good", "first", "late", "killed", "lossy", "running", "torn"} {
		dirs = append(dirs, filepath.Join(dir, name))
	}
	names := func(g Group) (in, out []string) {
		for _, r := range g.Runs {
			in = append(in, filepath.Base(r.Dir))
		}
		for _, l := range g.Left {
			out = append(out, filepath.Base(l.Dir)+": "+l.Why)
		}
		return in, out
	}
	in, out := names(groupOf(t, dirs, false))
	if !slices.Equal(in, []string{"first", "good"}) {
		t.Errorf("took %q, want the two good ones, the older first", in)
	}
	for i, want := range []string{
		"late: inconclusive: the load was late", "killed: the run did not come to its end", "lossy: its times prove nothing: lateness.p99: ", "running: ", "torn: ",
	} {
		if len(out) != 5 || !strings.HasPrefix(out[i], want) {
			t.Fatalf("left out %q, want %q", out, want)
		}
	}
	if in, out = names(groupOf(t, dirs, true)); len(in) != 5 || len(out) != 2 {
		t.Errorf("asked for doubtful ones it took %q and left out %q", in, out)
	}
}

func TestReadingAGroupCanBeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadGroup(ctx, recorded(t, "*-as-was"), false); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestARunIsJudgedAnewFromItsBooks(t *testing.T) {
	b := wholeRun(t)
	b.end()
	folder := b.folder()
	stale := passedRun()
	stale.Measures = []Measure{{Name: "of an older program"}}
	if err := Write(folder.Dir, stale); err != nil {
		t.Fatal(err)
	}
	a, err := Read(folder.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := byName(a.Measures)["notify.p99"]; !ok || a.Run.Scenario != "peak-lunch" {
		t.Errorf("the old report was taken: %v", a.Measures)
	}
	if err := os.Remove(folder.Path("books.jsonl.zst")); err != nil {
		t.Fatal(err)
	}
	if a, err = Read(folder.Dir); err != nil || len(a.Measures) != 1 {
		t.Errorf("without books the report should do: %v, %v", a, err)
	}
	if err := os.WriteFile(folder.Path(JSONFile), []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err = Read(folder.Dir); err == nil || !strings.Contains(err.Error(), JSONFile) {
		t.Errorf("a torn report: %v", err)
	}
}

func TestMedianLinesAreOfTheRunsOfThatSecond(t *testing.T) {
	c := recordedComparison(t)
	o := newOverlay(c)
	for i, g := range []*Group{&c.A, &c.B} {
		most := 0.0
		for _, p := range o.sides[i].median(backlogOf, true) {
			most = max(most, known(p.Y))
		}
		low, high := 1e9, 0.0
		for _, a := range g.analyses {
			n, _ := backlogMax(a.Timeline)
			low, high = min(low, n), max(high, n)
		}
		if most > high || most < low/2 {
			t.Errorf("%s: the median line reaches %v, the runs %v to %v", g.Name, most, low, high)
		}
	}
	if a, b := backlogTop(o, 0), backlogTop(o, 1); a < 10*b {
		t.Errorf("A's backlog line reaches %v, B's %v: they are drawn alike", a, b)
	}
}

func TestRunsThatEndedDoNotLeaveTheMedianToTheRest(t *testing.T) {
	run := func(ended string, backlog ...int) *timeline {
		a := &Analysis{Run: runlog.Manifest{Ended: ended, PlayForNS: 2e9}}
		for i, n := range backlog {
			a.Timeline = append(a.Timeline, runlog.Sample{AtNS: int64(i)*1e9 + 5e8, Backlog: n})
		}
		return newTimeline(a)
	}
	tests := []struct {
		name  string
		runs  []*timeline
		state bool
		want  string
	}{
		{"two of three are through: so is the side", []*timeline{run("whole", 3, 0), run("whole", 4, 0), run("whole", 9, 8, 7, 6)}, true, "4 0 0 0"},
		{"what is no state ends with half of the runs", []*timeline{run("whole", 3, 1), run("whole", 4, 2), run("whole", 9, 8, 7, 6)}, false, "4 2 NaN NaN"},
		{"a run that was cut short does not stay as it was", []*timeline{run("interrupted", 3, 50), run("whole", 9, 8, 7)}, true, "6 29 7"},
		{"a second that nobody knows is a gap", []*timeline{run("whole", 3, -1, 1), run("whole", 5, -1, -1)}, true, "4 NaN 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			side := &overlaid{runs: tt.runs}
			var got []string
			for i, p := range side.median(backlogOf, tt.state) {
				got = append(got, fmt.Sprint(p.Y))
				if want := float64(i)*1e9 + 5e8; p.X != want {
					t.Errorf("point %d stands at %v, the runs' at %v", i, p.X, want)
				}
			}
			if strings.Join(got, " ") != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestHowLongProvidingTookIsNoPartOfTheOverlay(t *testing.T) {
	late := func(by int64) *Analysis {
		a := failedRun()
		a.Faults = []Fault{{On: "mysql", What: "latency", FromNS: a.Run.PlayFromNS + 5e9, ToNS: a.Run.PlayFromNS + 9e9}}
		a.Run.PlayFromNS += by
		for i := range a.Timeline {
			a.Timeline[i].AtNS += by
		}
		for i := range a.Demand {
			a.Demand[i].AtNS += by
		}
		for i := range a.Faults {
			a.Faults[i].FromNS, a.Faults[i].ToNS = a.Faults[i].FromNS+by, a.Faults[i].ToNS+by
		}
		return a
	}
	draw := func(a *Analysis) string {
		return newOverlay(&Comparison{A: Group{analyses: []*Analysis{a}}, B: Group{analyses: []*Analysis{a}}}).draw("x", "x", 400)
	}
	before := late(20e9)
	at := before.Timeline[0].AtNS
	if draw(late(0)) != draw(before) {
		t.Error("a run whose providing took 20 s longer is drawn elsewhere")
	}
	if before.Timeline[0].AtNS != at {
		t.Error("the run itself was changed")
	}
}

func TestGoodputIsTheMeanOfAllRunsToTheEnd(t *testing.T) {
	run := func(dropped ...int) *timeline {
		a := &Analysis{Run: runlog.Manifest{Ended: "whole", PlayForNS: 2e9}}
		for i, n := range dropped {
			a.Timeline = append(a.Timeline, runlog.Sample{AtNS: int64(i+1) * 1e9, Dropped: n})
		}
		return newTimeline(a)
	}
	side := &overlaid{runs: []*timeline{run(4, 4), run(2, 2, 6)}}
	var got []float64
	for i, p := range side.rate(&timeline{step: 1}, func(s *runlog.Sample) int { return s.Dropped }) {
		if i%2 == 0 { // each step has two corners
			got = append(got, p.Y)
		}
	}
	if want := []float64{3, 3, 3}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func backlogOf(s *runlog.Sample) float64 { return float64(s.Backlog) }

func backlogTop(o *overlay, side int) (top float64) {
	for _, p := range o.sides[side].median(backlogOf, true) {
		top = max(top, known(p.Y))
	}
	return top
}
