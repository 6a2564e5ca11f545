package reports

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/internal/stats"
)

// A History is the runs of a folder over time, those of one scenario, profile and testbed together. It is read from what the
// runs' own reports say: no run is judged again.
type History struct {
	Dir    string
	Last   int // how many runs are held against those before them
	Tracks []Track
	Left   []LeftOut // folders that tell nothing
}

// A Track is the runs of one scenario, profile and testbed, the oldest first.
type Track struct {
	Scenario, Title, Profile, Testbed string

	Runs   []Past
	Trends []Trend // of each measure that any run knows
	Before int     // runs that the last ones are held against; both are counted without those that prove nothing
	Last   int
}

// Past is a run as its report tells it.
type Past struct {
	Dir     string
	Run     runlog.Manifest
	Verdict Verdict
	Orders  int
	Bad     int
	Doubt   string   // why it proves nothing; "" when it does
	Changed []string // what is not as in the run before: "machine", "plan", "settings", "program"

	measures map[string]Measure
}

// A Trend is one measure over the runs of a track. Its row has the runs before as A and the last ones as B.
type Trend struct {
	Row
	Points []Measure // run by run; one that does not know the measure is not Known
}

// ReadHistory reads the run folders of dir, or of the scenarios in only, if any are named. Folders whose report cannot be read
// are named in Left; others that are no run folders are passed over.
func ReadHistory(dir string, last int, only []string) (*History, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	h := &History{Dir: dir, Last: last}
	type result struct {
		past *Past
		why  error
	}
	results := make([]result, len(entries))
	var g errgroup.Group
	g.SetLimit(4)
	for i, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if _, err := os.Stat(filepath.Join(path, runlog.ManifestFile)); err != nil {
			continue
		}
		g.Go(func() error {
			past, err := readPast(path)
			results[i] = result{past, err}
			return nil
		})
	}
	_ = g.Wait() // nothing of it fails: what cannot be read is a result
	tracks := map[[3]string]*Track{}
	for i, r := range results {
		switch {
		case r.why != nil:
			h.Left = append(h.Left, LeftOut{filepath.Join(dir, entries[i].Name()), r.why.Error()})
			continue
		case r.past == nil, len(only) > 0 && !slices.Contains(only, r.past.Run.Scenario):
			continue
		}
		m := &r.past.Run
		key := [3]string{m.Scenario, m.Profile, m.Testbed}
		if tracks[key] == nil {
			tracks[key] = &Track{Scenario: m.Scenario, Profile: m.Profile, Testbed: m.Testbed}
		}
		tracks[key].Runs = append(tracks[key].Runs, *r.past)
	}
	for _, t := range tracks {
		t.follow(last)
		h.Tracks = append(h.Tracks, *t)
	}
	slices.SortFunc(h.Tracks, func(x, y Track) int {
		return cmp.Or(cmp.Compare(x.Scenario, y.Scenario), cmp.Compare(x.Profile, y.Profile), cmp.Compare(x.Testbed, y.Testbed))
	})
	return h, nil
}

// readPast reads what a history wants of a run folder.
func readPast(dir string) (*Past, error) {
	f, err := runlog.Open(dir)
	if err != nil {
		return nil, err
	}
	content, err := os.ReadFile(f.Path(JSONFile))
	if errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("it has no %s: the run still goes on, or was killed; `lunchrush report %s` makes one", JSONFile, dir)
	}
	if err != nil {
		return nil, err
	}
	var report struct { // of the whole Analysis no more than this: there may be hundreds
		Verdict     Verdict
		Certificate []Check
		Measures    []Measure
		Latency     []struct {
			Kind    string
			Service Quantiles
		}
		Audit struct {
			Orders  int
			Classes map[Class]int
		}
	}
	if err := json.Unmarshal(content, &report); err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path(JSONFile), err)
	}
	a := &Analysis{Run: f.Manifest, Verdict: report.Verdict, Certificate: report.Certificate, Measures: report.Measures}
	for _, l := range report.Latency {
		a.Latency = append(a.Latency, Latency{Kind: l.Kind, Service: l.Service})
	}
	p := &Past{
		Dir: dir, Run: f.Manifest, Verdict: report.Verdict, Orders: report.Audit.Orders,
		Bad: badOrders(&Audit{Classes: report.Audit.Classes}), Doubt: doubtOf(a), measures: map[string]Measure{},
	}
	for _, m := range comparableMeasures(a) {
		p.measures[m.Name] = m
	}
	return p, nil
}

// follow puts the runs in order and holds the last of them against those before. Runs that prove nothing, or of another machine
// than the newest, are shown and not held against anything.
func (t *Track) follow(last int) {
	slices.SortStableFunc(t.Runs, func(x, y Past) int {
		return cmp.Or(x.Run.StartedAt.Compare(y.Run.StartedAt), cmp.Compare(x.Dir, y.Dir))
	})
	newest := &t.Runs[len(t.Runs)-1].Run
	t.Title = newest.Title
	var proven []*Past
	for i := range t.Runs {
		p := &t.Runs[i]
		if i > 0 {
			p.Changed = changedBetween(&t.Runs[i-1].Run, &p.Run)
		}
		if p.Doubt == "" && sameMachine(&p.Run, newest) {
			proven = append(proven, p)
		}
	}
	t.Last = min(last, len(proven))
	t.Before = len(proven) - t.Last
	for _, m := range t.names() {
		trend := Trend{}
		for i := range t.Runs {
			trend.Points = append(trend.Points, t.Runs[i].measures[m.Name])
		}
		of := func(runs []*Past) (list []Measure) {
			for _, p := range runs {
				if m, ok := p.measures[m.Name]; ok {
					list = append(list, m)
				}
			}
			return list
		}
		trend.Row = compareMeasure(m, of(proven[:t.Before]), of(proven[t.Before:]))
		_, expected := newest.Expect[m.Name]
		_, signed := newest.Signature[m.Name]
		trend.Named = expected || signed
		t.Trends = append(t.Trends, trend)
	}
}

func (t *Track) names() []Measure {
	var runs []*Analysis
	for i := range t.Runs {
		a := new(Analysis)
		for _, m := range t.Runs[i].measures {
			a.Measures = append(a.Measures, m)
		}
		slices.SortFunc(a.Measures, func(x, y Measure) int { return cmp.Compare(x.Name, y.Name) })
		runs = append(runs, a)
	}
	return namesOf(runs)
}

// sameMachine reports whether two runs had the same machine under them.
func sameMachine(x, y *runlog.Manifest) bool {
	for _, t := range aroundTraits {
		if t.of(x) != t.of(y) && t.name != "engine" {
			return false
		}
	}
	return true
}

// changedBetween names what was not the same in two runs.
func changedBetween(x, y *runlog.Manifest) []string {
	var list []string
	for _, c := range []struct {
		name string
		same bool
	}{
		{"machine", sameMachine(x, y)},
		{"plan", x.PlanSHA256 == y.PlanSHA256 && faultsText(x) == faultsText(y)},
		{"settings", slices.Equal(switches(x.ServiceCfg), switches(y.ServiceCfg)) && x.Service == y.Service && x.Engine == y.Engine},
		{"program", x.Lunchrush == y.Lunchrush},
	} {
		if !c.same {
			list = append(list, c.name)
		}
	}
	return list
}

// verdicts counts the runs by their outcome.
func (t *Track) verdicts() map[string]int {
	n := map[string]int{}
	for i := range t.Runs {
		n[t.Runs[i].Verdict.Outcome]++
	}
	return n
}

// moves are the trends of which the last runs differ from those before: what got worse first.
func (t *Track) moves() []*Trend {
	var list []*Trend
	for i := range t.Trends {
		if t.Trends[i].Says != Same {
			list = append(list, &t.Trends[i])
		}
	}
	rank := map[string]int{Worsened: 0, Improved: 1, Changed: 2}
	slices.SortStableFunc(list, func(x, y *Trend) int { return cmp.Compare(rank[x.Says], rank[y.Says]) })
	return list
}

// needs is how many runs a test wants on each side; 0: there are enough.
func (t *Track) needs() int {
	for i := range t.Trends {
		if r := &t.Trends[i].Row; r.Needs > 0 && r.A.N == t.Before && r.B.N == t.Last {
			return r.Needs
		}
	}
	if t.Before == 0 || t.Last == 0 {
		return stats.RanksNeed()
	}
	return 0
}

// says is what the last runs show against those before: "2 worse, 1 better", "no change", "too few runs: ...".
func (t *Track) says() string {
	if n := t.needs(); n > 0 {
		return fmt.Sprintf("too few runs: a change needs %d and %d before, there are %d and %d", n, n, t.Last, t.Before)
	}
	counts := map[string]int{}
	for _, m := range t.moves() {
		counts[m.Says]++
	}
	text := ""
	for _, w := range []struct{ says, word string }{{Worsened, "worse"}, {Improved, "better"}, {Changed, "otherwise different"}} {
		if n := counts[w.says]; n > 0 {
			if text != "" {
				text += ", "
			}
			text += fmt.Sprintf("%d %s", n, w.word)
		}
	}
	if text == "" {
		text = "no change"
	}
	return text
}

// when is a run's start, as a list shows it.
func when(at time.Time) string {
	if at.IsZero() {
		return "-"
	}
	return at.UTC().Format("2006-01-02 15:04")
}
