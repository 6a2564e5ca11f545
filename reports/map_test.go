package reports

import (
	"bytes"
	"fmt"
	"math"
	"math/bits"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// played is a cell of that class.
func played(load float64, trigger time.Duration, class string) MapCell {
	return MapCell{LoadPerS: load, TriggerNS: int64(trigger), Class: class, Rho: -1, RecoveryNS: -1, ModelNS: -1, During: -1, After: -1, Attempts: -1, BacklogMax: -1, OldestNS: -1}
}

func newTestMap(loads []float64, triggers ...time.Duration) *StabilityMap {
	m := &StabilityMap{Schema: MapSchema, Scenario: "notify-storm", Profile: "as-was", LoadsPerS: loads}
	for _, d := range triggers {
		m.TriggersNS = append(m.TriggersNS, int64(d))
	}
	return m
}

func TestABisectedRowFindsItsBoundaryInFewCells(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 40).Draw(t, "loads")
		m := newTestMap(nil, 5*time.Second, 10*time.Second, 20*time.Second)
		for i := range n {
			m.LoadsPerS = append(m.LoadsPerS, float64(i+1))
		}
		// The first load that stays down: beyond the last it comes back at all of them.
		down := map[int64]int{}
		for _, trigger := range m.TriggersNS {
			down[trigger] = rapid.IntRange(0, n).Draw(t, "down")
		}
		for {
			load, trigger, open := m.Next()
			if !open {
				break
			}
			class := Stable
			if int(load) > down[trigger] {
				class = Metastable
			}
			if m.cell(load, trigger) != nil {
				t.Fatalf("%v at %v was played already", load, trigger)
			}
			m.Take(played(load, time.Duration(trigger), class))
		}
		m.Conclude("")
		for _, r := range m.Rows {
			k := down[r.TriggerNS]
			up, from := float64(k), float64(k+1)
			if k == 0 {
				up = -1
			}
			if k == n {
				from = -1
			}
			if r.UpTo != up || r.DownFrom != from || !r.Narrow {
				t.Fatalf("down from the %d-th of %d: %+v", k+1, n, r)
			}
		}
		if most := 3 * bits.Len(uint(n)); len(m.Cells) > most {
			t.Fatalf("%d cells for three rows of %d, at most %d are needed", len(m.Cells), n, most)
		}
		if m.ExitCode() != 0 {
			t.Fatalf("exit code %d", m.ExitCode())
		}
	})
}

func TestAGridPlaysEveryCellOnce(t *testing.T) {
	m := newTestMap([]float64{4, 8, 12}, 5*time.Second, 10*time.Second)
	m.Grid = true
	for {
		load, trigger, open := m.Next()
		if !open {
			break
		}
		if m.cell(load, trigger) != nil {
			t.Fatalf("%v at %v was played already", load, trigger)
		}
		m.Take(played(load, time.Duration(trigger), map[bool]string{true: Broken, false: Recovering}[load > 8]))
	}
	if m.Conclude(""); len(m.Cells) != 6 || m.Rows[0].UpTo != 8 || m.Rows[1].DownFrom != 12 {
		t.Errorf("%d cells, %+v", len(m.Cells), m.Rows)
	}
}

func TestARowThatContradictsItselfHasNoBoundary(t *testing.T) {
	m := newTestMap([]float64{8, 10, 12, 14}, 5*time.Second)
	m.Grid = true
	for load, class := range map[float64]string{8: Stable, 10: Metastable, 12: Stable, 14: Recovering} {
		m.Take(played(load, 5*time.Second, class))
	}
	m.Conclude("")
	if r := m.Rows[0]; r.UpTo != 8 || r.DownFrom != 10 || r.Narrow || m.ExitCode() != ExitInconclusive {
		t.Errorf("%+v, exit code %d", r, m.ExitCode())
	}
	var text bytes.Buffer
	if err := WriteMapText(&text, m); err != nil || strings.Contains(text.String(), "|") {
		t.Errorf("%v, a boundary is drawn:\n%s", err, &text)
	}
	if got := m.boundary(m.Rows[0]); got != "stays down at 10 orders/s and comes back at 12 and 14: there is no boundary to name" {
		t.Error(got)
	}
}

func TestWhatACellLostIsLostThoughItIsPlayedAgain(t *testing.T) {
	m := newTestMap([]float64{8}, 5*time.Second)
	m.Profile = "hardened"
	lost := played(8, 5*time.Second, Undecided)
	lost.Disturbed, lost.Violated, lost.LossFen, lost.Dir = true, true, 390, "first"
	m.Take(lost)
	m.Take(played(8, 5*time.Second, Stable))
	m.Conclude("")
	if c := m.Cells[0]; !c.Violated || c.LossFen != 390 || c.Dir != "first" || c.Class != Stable || m.ExitCode() != ExitViolated {
		t.Errorf("%+v, exit code %d", c, m.ExitCode())
	}
}

func TestACellThatCannotBeDecidedMakesWayForItsNeighbours(t *testing.T) {
	m := newTestMap([]float64{4, 8, 12, 16, 20}, 10*time.Second)
	for {
		load, _, open := m.Next()
		if !open {
			break
		}
		class := Undecided
		if load == 8 {
			class = Stable
		}
		if load == 20 {
			class = Metastable
		}
		m.Take(played(load, 10*time.Second, class))
	}
	m.Conclude("")
	if r := m.Rows[0]; r.UpTo != 8 || r.DownFrom != 20 || r.Narrow {
		t.Errorf("%+v", r)
	}
	if m.ExitCode() != ExitInconclusive {
		t.Errorf("exit code %d of a row that is wide open", m.ExitCode())
	}
	if got := m.boundary(m.Rows[0]); got != "comes back up to 8 orders/s, stays down from 20; what is between is not decided" {
		t.Error(got)
	}
}

func TestADisturbedCellIsPlayedTwiceAtMost(t *testing.T) {
	m := newTestMap([]float64{8}, 10*time.Second)
	for range 2 {
		if _, _, open := m.Next(); !open {
			t.Fatal("it is not played again")
		}
		c := played(8, 10*time.Second, Undecided)
		c.Disturbed, c.TookNS = true, int64(time.Minute)
		m.Take(c)
	}
	if _, _, open := m.Next(); open || len(m.Cells) != 1 || m.Cells[0].Tries != 2 || m.Cells[0].TookNS != int64(2*time.Minute) {
		t.Errorf("still open: %v, %+v", open, m.Cells)
	}
	if m.Conclude(""); m.ExitCode() != ExitInconclusive {
		t.Errorf("exit code %d", m.ExitCode())
	}
}

func TestTheModelsBoundaryIsOfTheRetriesThatWereSeen(t *testing.T) {
	m := newTestMap([]float64{8, 16}, 10*time.Second)
	if m.Conclude(""); m.Model.Known || !strings.Contains(m.Model.Why, "capacity") {
		t.Errorf("%+v", m.Model)
	}
	m.CapacityPerS = 20
	up := played(8, 10*time.Second, Stable)
	up.Attempts = 9 // of a service that came back: not what holds one down
	m.Take(up)
	if m.Conclude(""); m.Model.Known || !strings.Contains(m.Model.Why, "no cell stayed down") {
		t.Errorf("%+v", m.Model)
	}
	down := played(16, 10*time.Second, Suspect)
	down.Attempts = 2.5
	m.Take(down)
	if m.Conclude(""); !m.Model.Known || m.Model.Retries != 1.5 || m.Model.RhoStar != 0.4 || m.Model.LoadPerS != 8 {
		t.Errorf("%+v", m.Model)
	}
}

func TestACellIsWhatItsRunSays(t *testing.T) {
	a := passedRun()
	a.Stability = &Stability{
		Class: Metastable, Why: "it stayed down", Rho: 0.6, RecoveryNS: int64(time.Minute), RecoveryOpen: true, ModelNS: int64(27 * time.Second),
		Phases: []Phase{
			{Name: "trigger", Goodput: 0.2, Late: -1, Attempts: 1.5, BacklogMax: 10, OldestNS: 5},
			{Name: "after", Goodput: 0.1, Late: 0.4, Attempts: 2.8, BacklogMax: 400, OldestNS: int64(30 * time.Second)},
		},
	}
	c := CellOf(a, 12, int64(18*time.Second))
	if c.Class != Metastable || c.During != 0.2 || c.After != 0.1 || c.Attempts != 2.8 || c.BacklogMax != 400 || c.OldestNS != int64(30*time.Second) || !c.Open || c.Disturbed {
		t.Errorf("%+v", c)
	}
	a.Certificate = append(a.Certificate, Check{Name: "lateness p99", Want: "<= 5 ms", Got: "48 ms", Status: failed})
	if c := CellOf(a, 12, int64(18*time.Second)); c.Class != Undecided || !c.Disturbed || c.Down() || !strings.Contains(c.Why, "lateness p99") {
		t.Errorf("of a run that proves nothing: %+v", c)
	}
	a = passedRun()
	if c := CellOf(a, 12, 1); c.Class != Undecided || c.Up() || c.Down() {
		t.Errorf("of a run without a fault: %+v", c)
	}
}

func TestTheExitCodeOfAMap(t *testing.T) {
	whole := func(profile string, violated bool) *StabilityMap {
		m := newTestMap([]float64{8, 16}, 10*time.Second)
		m.Profile = profile
		up, down := played(8, 10*time.Second, Stable), played(16, 10*time.Second, Metastable)
		down.Violated = violated
		m.Take(up)
		m.Take(down)
		m.Conclude("")
		return m
	}
	stopped := whole("as-was", false)
	stopped.Conclude("the budget of 60 min is used up")
	for _, tt := range []struct {
		name string
		m    *StabilityMap
		want int
	}{
		{"every row has its boundary", whole("as-was", false), 0},
		{"the as-was side loses money, as it did", whole("as-was", true), 0},
		{"the hardened side does", whole("hardened", true), ExitViolated},
		{"the budget is used up", stopped, ExitInconclusive},
		{"nothing was played", newTestMap([]float64{8}, time.Second), ExitInconclusive},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.m.ExitCode(); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

// sampleMap is a bisected map with every class on it.
func sampleMap() *StabilityMap {
	m := newTestMap([]float64{6, 8, 10, 12, 14, 16, 18}, 4500*time.Millisecond, 9*time.Second, 18*time.Second, 36*time.Second)
	m.Title, m.Trigger, m.Seed, m.CapacityPerS = "Answers come after the work, so WeChat sends everything again", "wechat: latency 4s", 1, 20
	m.Testbed, m.Engine, m.Machine.Cores = "local", "MariaDB 10.11.14, Redis 7.0.15", 2
	m.StartedAt = time.Date(2026, 11, 20, 11, 56, 0, 0, time.UTC)
	put := func(trigger time.Duration, load float64, class string, change func(*MapCell)) {
		c := played(load, trigger, class)
		c.Why = "goodput was 4 % of the load for 63 s after the fault ended; it recovered when the load had fallen to a tenth for 20 s"
		c.Dir = fmt.Sprintf("20261120-115600-notify-storm-as-was-%g-per-s-%s", load, trigger)
		c.Rho, c.ModelNS, c.BacklogMax, c.OldestNS = load/20, int64(float64(trigger)*load/(20-load)), 40, int64(time.Second)
		c.During, c.After, c.Attempts, c.RecoveryNS = 0.3, 0.97, 1.02, int64(2*time.Second)
		if c.Down() {
			c.After, c.Attempts, c.RecoveryNS, c.Open, c.BacklogMax, c.OldestNS = 0.04, 2.6, int64(63*time.Second), true, 812, int64(41*time.Second)
		}
		if change != nil {
			change(&c)
		}
		m.Take(c)
	}
	put(36*time.Second, 12, Metastable, nil)
	put(36*time.Second, 8, Metastable, nil)
	put(36*time.Second, 6, Recovering, func(c *MapCell) { c.RecoveryNS = int64(14 * time.Second) })
	put(18*time.Second, 12, Metastable, nil)
	put(18*time.Second, 8, Stable, nil)
	put(18*time.Second, 10, Recovering, func(c *MapCell) { c.RecoveryNS = int64(11 * time.Second) })
	put(9*time.Second, 12, Stable, nil)
	put(9*time.Second, 16, Broken, nil)
	put(9*time.Second, 14, Undecided, func(c *MapCell) {
		c.Disturbed, c.Why = true, "the run proves nothing: lateness p99: 48 ms, wanted <= 5 ms"
	})
	put(4500*time.Millisecond, 12, Stable, nil)
	put(4500*time.Millisecond, 16, Stable, nil)
	put(4500*time.Millisecond, 18, Suspect, nil)
	m.Conclude("the budget of 60 min is used up")
	return m
}

func TestTheMapForPeople(t *testing.T) {
	var text, md bytes.Buffer
	if err := WriteMapText(&text, sampleMap()); err != nil {
		t.Fatal(err)
	}
	golden(t, "map.txt", text.Bytes())
	if err := MapMD(&md, sampleMap()); err != nil {
		t.Fatal(err)
	}
	golden(t, "map.md", md.Bytes())
}

func TestAMapIsReadBack(t *testing.T) {
	dir := t.TempDir()
	m := sampleMap()
	if err := WriteMap(dir, m); err != nil {
		t.Fatal(err)
	}
	back, err := ReadMap(dir)
	if err != nil {
		t.Fatal(err)
	}
	load, trigger, open := m.Next()
	if l, d, o := back.Next(); l != load || d != trigger || o != open || len(back.Cells) != len(m.Cells) {
		t.Errorf("goes on with %v at %v, not %v at %v", l, d, load, trigger)
	}
	for _, name := range []string{MapPage, MapMarkdown} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for text, want := range map[string]string{`{"schema": 2}`: "schema 2", `{`: "unexpected end", ``: "unexpected end"} {
		if err := os.WriteFile(filepath.Join(dir, MapFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadMap(dir); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestTheModelStandsBetweenItsColumns(t *testing.T) {
	m := newTestMap([]float64{6, 8, 12}, time.Second)
	for load, want := range map[float64]float64{6: 0.5, 8: 1.5, 7: 1, 10: 2, 12: 2.5, 14: 3, 99: 3, 3: 0.25, 0: 0} {
		if got := m.column(load); math.Abs(got-want) > 1e-9 {
			t.Errorf("%v stands at %v, want %v", load, got, want)
		}
	}
}

func TestAMapsPageHoldsNobodysMarkup(t *testing.T) {
	m := sampleMap()
	m.Scenario, m.Title, m.Cells[0].Why, m.Cells[1].Dir = `<script>alert(1)</script>`, `<img src=x>`, `"><i>`, `javascript:alert(1)//`
	var b bytes.Buffer
	if err := MapHTML(&b, m); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{"<script", "<img", `"><i>`, `href="javascript`} {
		if strings.Contains(b.String(), bad) {
			t.Errorf("the page has %s in it", bad)
		}
	}
	for _, empty := range []*StabilityMap{{}, newTestMap([]float64{8}, time.Second)} {
		b.Reset()
		if err := MapHTML(&b, empty); err != nil || !strings.Contains(b.String(), "No cell was played") {
			t.Errorf("an empty map: %v", err)
		}
	}
}
