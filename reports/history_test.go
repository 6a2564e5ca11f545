package reports

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// pastRuns writes the folders of n runs, an hour apart, each changed by change, and reads their history.
func pastRuns(t *testing.T, n, last int, change func(i int, a *Analysis)) *History {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		a := passedRun()
		a.Run.StartedAt = time.Date(2026, 11, 20, i, 0, 0, 0, time.UTC)
		a.Measures = []Measure{
			{Name: "loss.total", Samples: 412, Known: true},
			{Name: "notify.p99", Unit: "ns", Samples: 412, Known: true, Value: float64(50+i%3) * 1e6},
			{Name: "stability", Unit: "word", Samples: 90, Known: true, Word: Stable},
		}
		a.Run.Expect = map[string]string{"loss.total": "== 0"}
		change(i, a)
		runFolder(t, dir, fmt.Sprintf("run-%02d", n-i), a, true) // folder names in another order than the starts
	}
	h, err := ReadHistory(dir, last, nil)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestTheLastRunsAreHeldAgainstThoseBefore(t *testing.T) {
	slower := func(from int) func(int, *Analysis) {
		return func(i int, a *Analysis) {
			if i >= from {
				a.Measures[1].Value += 40e6
			}
		}
	}
	tests := []struct {
		name    string
		n, last int
		change  func(int, *Analysis)
		says    string
		before  int
		counted int
	}{
		{"the last five got slower", 10, 5, slower(5), "1 worse", 5, 5},
		{"nothing happened", 10, 5, func(int, *Analysis) {}, "no change", 5, 5},
		{"it happened long ago", 12, 5, slower(2), "no change", 7, 5},
		{"there are too few", 6, 5, slower(1), "too few runs: a change needs 4 and 4 before, there are 5 and 1", 1, 5},
		{"there is one", 1, 5, slower(0), "too few runs: a change needs 4 and 4 before, there are 1 and 0", 0, 1},
		{
			"runs that prove nothing are not counted", 14, 5, func(i int, a *Analysis) {
				if i%3 == 2 {
					a.Verdict, a.Measures[1].Value = doubtfulRun().Verdict, 9e9
				}
				slower(8)(i, a)
			}, "1 worse", 5, 5,
		},
		{
			"nor are runs of another machine", 14, 5, func(i int, a *Analysis) {
				if i < 5 {
					a.Run.Machine.Cores, a.Measures[1].Value = 64, 1e6
				}
			}, "no change", 4, 5,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := pastRuns(t, tt.n, tt.last, tt.change)
			if len(h.Tracks) != 1 || len(h.Tracks[0].Runs) != tt.n {
				t.Fatalf("%d tracks", len(h.Tracks))
			}
			track := &h.Tracks[0]
			if track.says() != tt.says || track.Before != tt.before || track.Last != tt.counted {
				t.Errorf("%s (%d against %d), want %s (%d against %d)", track.says(), track.Last, track.Before, tt.says, tt.counted, tt.before)
			}
			if !slices.IsSortedFunc(track.Runs, func(x, y Past) int { return x.Run.StartedAt.Compare(y.Run.StartedAt) }) {
				t.Error("the runs are out of order")
			}
		})
	}
}

func TestRunsOfOneScenarioProfileAndTestbedGoTogether(t *testing.T) {
	h := pastRuns(t, 6, 5, func(i int, a *Analysis) {
		a.Run.Profile = []string{"as-was", "hardened"}[i%2]
		a.Run.Testbed = []string{"local", "containers"}[i/4]
	})
	var got []string
	for i := range h.Tracks {
		got = append(got, fmt.Sprintf("%s: %d", h.Tracks[i].name(), len(h.Tracks[i].Runs)))
	}
	want := []string{
		"peak-lunch, as-was, containers: 1", "peak-lunch, as-was, local: 2", "peak-lunch, hardened, containers: 1", "peak-lunch, hardened, local: 2",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if one, err := ReadHistory(h.Dir, 5, []string{"slb-burst"}); err != nil || len(one.Tracks) != 0 {
		t.Errorf("of another scenario there are %d tracks, %v", len(one.Tracks), err)
	}
}

func TestWhatElseChangedIsNamed(t *testing.T) {
	h := pastRuns(t, 9, 4, func(i int, a *Analysis) {
		switch {
		case i >= 7:
			a.Run.Lunchrush, a.Run.PlanSHA256 = "v2", "beef"
		case i >= 6:
			a.Run.Lunchrush, a.Run.ServiceCfg = "v2", map[string]any{"callback.workers": "1"}
		default:
			a.Run.Lunchrush = "v1"
		}
	})
	track := &h.Tracks[0]
	var changed []string
	for i := range track.Runs {
		changed = append(changed, strings.Join(track.Runs[i].Changed, "+"))
	}
	if want := []string{"", "", "", "", "", "", "settings+program", "plan+settings", ""}; !slices.Equal(changed, want) {
		t.Errorf("got %q, want %q", changed, want)
	}
	said := strings.Join(track.remarks(), "\n")
	for _, want := range []string{"another plan since 2026-11-20 07:00", "other settings since 2026-11-20 06:00", "another program since 2026-11-20 06:00: v2, before v1"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is not said:\n%s", want, said)
		}
	}
}

// The run with the change in it may be one that tells nothing.
func TestWhatChangedBetweenTheGroupsIsNamedToo(t *testing.T) {
	h := pastRuns(t, 9, 3, func(i int, a *Analysis) {
		a.Run.Lunchrush = "v1"
		if i >= 5 {
			a.Run.Lunchrush = "v2"
		}
		if i == 5 {
			a.Certificate[0].Status = failed
		}
	})
	track := &h.Tracks[0]
	if said := strings.Join(track.remarks(), "\n"); track.Runs[5].Doubt == "" || !strings.Contains(said, "another program since 2026-11-20 05:00: v2, before v1") {
		t.Errorf("doubt of the run: %q; said:\n%s", track.Runs[5].Doubt, said)
	}
}

func TestFoldersThatTellNothingAreNamed(t *testing.T) {
	h := pastRuns(t, 2, 5, func(int, *Analysis) {})
	runFolder(t, h.Dir, "running", passedRun(), false)
	for name, content := range map[string]string{"torn": `{"schema":1,`, "newer": `{"schema":99}`} {
		if err := os.Mkdir(filepath.Join(h.Dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(h.Dir, name, runlog.ManifestFile), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	runFolder(t, h.Dir, "bad-report", passedRun(), true)
	if err := os.WriteFile(filepath.Join(h.Dir, "bad-report", JSONFile), []byte("["), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(h.Dir, "notes"), 0o755); err != nil {
		t.Fatal(err)
	}
	h, err := ReadHistory(h.Dir, 5, nil)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, l := range h.Left {
		left = append(left, filepath.Base(l.Dir))
	}
	if want := []string{"bad-report", "newer", "running", "torn"}; !slices.Equal(left, want) {
		t.Errorf("left out %q, want %q", left, want)
	}
	if len(h.Tracks) != 1 || len(h.Tracks[0].Runs) != 2 {
		t.Errorf("the others are not there: %+v", h.Tracks)
	}
}

// pastPageOf draws the page of a history that lies in its own folder.
func pastPageOf(t testing.TB, h *History) string {
	t.Helper()
	var b bytes.Buffer
	if err := HistoryHTML(&b, h, h.Dir); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// eventful is a history with everything in it that a page marks.
func eventful(t *testing.T) *History {
	return pastRuns(t, 16, 5, func(i int, a *Analysis) {
		a.Run.Lunchrush = "v1"
		switch {
		case i == 3:
			failed := failedRun()
			a.Verdict = failed.Verdict
			a.Measures[0].Value = 60
		case i == 6:
			a.Verdict = doubtfulRun().Verdict
		case i >= 11:
			a.Run.Lunchrush = "v2 <b>"
			a.Measures[1].Value += 40e6
		}
		if i < 2 {
			a.Run.Machine.Cores = 4
		}
	})
}

func TestThePageOfAHistoryShowsTheChangeFirst(t *testing.T) {
	page := pastPageOf(t, eventful(t))
	text := plainText(page)
	for _, want := range []string{
		"peak-lunch, hardened, local newest 2026-11-20 15:00 UTC 16", "14 PASS, 1 FAIL, 1 INCONCLUSIVE", "1 worse",
		"another program since 2026-11-20 11:00: v2 <b>, before v1", "51.0 ms ± 2% → 91.0 ms, +78.4% worse, p=0.002 n=8+5",
		"FAIL run-13 2026-11-20 03:00 UTC", "another program",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	for _, want := range []string{`class="mark fail"`, `class="mark doubt"`, `class="changed program"`, `class="changed around"`, `class="level fail"`, `class="level before"`, `href="./run-13/report.html"`} {
		if !strings.Contains(page, want) {
			t.Errorf("%s is not drawn", want)
		}
	}
	if strings.Contains(page, "v2 <b>") {
		t.Error("a version became markup")
	}
	if moved, key := strings.Index(page, ">notify.<wbr>p99<"), strings.Index(page, "Key measures"); moved < 0 || key < moved {
		t.Errorf("what changed stands at %d, the rest from %d", moved, key)
	}
}

func TestAPageOfManyRunsShowsTheNewest(t *testing.T) {
	runs := make([]Past, historyRuns+50)
	for i := range runs {
		runs[i] = Past{Dir: fmt.Sprint(i), Run: runlog.Manifest{StartedAt: time.Unix(int64(i), 0)}, measures: map[string]Measure{"loss.total": {Name: "loss.total", Known: true, Value: float64(i)}}}
	}
	track := Track{Runs: runs}
	track.follow(5)
	s := newPastTrack(&track, 0, ".")
	if len(s.Listed) != historyRuns || s.Listed[0].Dir != fmt.Sprint(len(runs)-1) || len(s.Trends[0].Points) != historyRuns {
		t.Errorf("%d listed, the first is %s", len(s.Listed), s.Listed[0].Dir)
	}
	if s.Older != 50 {
		t.Errorf("%d older runs are said to be left out, want 50", s.Older)
	}
}

func TestTheHistoryOfAnEmptyFolderSaysSo(t *testing.T) {
	h, err := ReadHistory(t.TempDir(), 5, nil)
	if err != nil {
		t.Fatal(err)
	}
	if page := pastPageOf(t, h); !strings.Contains(page, "No run has a report here yet.") {
		t.Error("the page does not say so")
	}
	var b bytes.Buffer
	if err := HistoryText(&b, h, false); err != nil || !strings.HasPrefix(b.String(), "no run with a report in ") {
		t.Errorf("%v: %s", err, b.String())
	}
	if _, err := ReadHistory(filepath.Join(h.Dir, "gone"), 5, nil); err == nil {
		t.Error("a folder that is not there has a history")
	}
}
