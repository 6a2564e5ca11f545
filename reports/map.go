package reports

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// The files of a stability map, in its folder.
const (
	MapFile     = "map.json"
	MapPage     = "map.html"
	MapMarkdown = "map.md"
)

// MapSchema is the version of map.json. Readers refuse another.
const MapSchema = 1

// A StabilityMap says at which offered load and after how long a trigger a service still comes back by itself. It is drawn from
// runs, one for each cell that was played; what has not been played is not guessed. It is also where a map goes on that was
// interrupted.
type StabilityMap struct {
	Schema    int                `json:"schema"`
	Scenario  string             `json:"scenario"`
	Title     string             `json:"title"`
	Profile   string             `json:"profile"` // "as-was", "hardened"
	Trigger   string             `json:"trigger"` // what breaks, "wechat: latency 4s"
	Seed      uint64             `json:"seed"`
	Digest    string             `json:"digest"` // of the scenario and the settings: a map goes on with the same only
	Machine   runlog.Fingerprint `json:"machine"`
	Testbed   string             `json:"testbed"`
	Engine    string             `json:"engine"`
	Lunchrush string             `json:"lunchrush"`
	Service   string             `json:"service_sha256"` // of the program that is the service
	StartedAt time.Time          `json:"started_at"`

	CapacityPerS float64   `json:"capacity_per_s"` // orders; 0 unknown
	LoadsPerS    []float64 `json:"loads_per_s"`    // ascending
	TriggersNS   []int64   `json:"triggers_ns"`    // ascending
	Grid         bool      `json:"grid"`           // every cell is wanted, not only those beside the boundary
	Cells        []MapCell `json:"cells"`          // that were played, in their order

	Complete bool          `json:"complete"`
	Why      string        `json:"why,omitempty"` // it is not
	Rows     []MapBoundary `json:"rows"`          // one for each trigger
	Model    MapModel      `json:"model"`
}

// A MapCell is one load and one trigger, played once or, when the machine disturbed the first run, twice.
type MapCell struct {
	LoadPerS   float64 `json:"load_per_s"`
	TriggerNS  int64   `json:"trigger_ns"`
	Class      string  `json:"class"` // STABLE, RECOVERING, METASTABLE, METASTABLE-suspect, BROKEN, UNDECIDED
	Why        string  `json:"why"`
	Disturbed  bool    `json:"disturbed"` // the load was not what was planned, or the run broke off: the class is not known
	Tries      int     `json:"tries"`
	TookNS     int64   `json:"took_ns"`
	Dir        string  `json:"dir"` // the run's folder, relative to the map's
	Rho        float64 `json:"rho"` // -1 unknown
	RecoveryNS int64   `json:"recovery_ns"`
	Open       bool    `json:"recovery_open"` // it had not recovered by then
	ModelNS    int64   `json:"model_ns"`
	During     float64 `json:"goodput_during"` // share; -1
	After      float64 `json:"goodput_after"`
	Attempts   float64 `json:"attempts_after"` // sends for each piece of work; -1
	BacklogMax int     `json:"backlog_after"`
	OldestNS   int64   `json:"oldest_after_ns"`
	LossFen    int64   `json:"loss_fen"`
	Violated   bool    `json:"violated"` // money or data
}

// A MapBoundary is what a row of the map says: up to which load the service came back after a trigger of that length, and from
// which on it stayed down. -1: no such load was seen.
type MapBoundary struct {
	TriggerNS int64     `json:"trigger_ns"`
	UpTo      float64   `json:"up_to_per_s"`
	DownFrom  float64   `json:"down_from_per_s"`
	UpBeyond  []float64 `json:"up_beyond_per_s,omitempty"` // loads above DownFrom at which it came back: the row contradicts itself
	Narrow    bool      `json:"narrow"`                    // no load of the map lies between them, or there is no boundary within it, and nothing contradicts it
}

// A MapModel is the boundary that the model has for long triggers: rho* = 1 / (1 + a), a being the retries of each operation.
type MapModel struct {
	Known    bool    `json:"known"`
	Why      string  `json:"why,omitempty"` // it is not
	Retries  float64 `json:"retries"`       // a: the most that a cell which stayed down showed
	RhoStar  float64 `json:"rho_star"`
	LoadPerS float64 `json:"load_per_s"`
}

// CellOf is what a run says about its cell.
func CellOf(a *Analysis, load float64, trigger int64) MapCell {
	c := MapCell{
		LoadPerS: load, TriggerNS: trigger, Class: Undecided, Rho: -1, RecoveryNS: -1, ModelNS: -1, During: -1, After: -1, Attempts: -1,
		BacklogMax: -1, OldestNS: -1, LossFen: a.Verdict.LossFen, Violated: a.Verdict.ExitCode == ExitViolated,
	}
	if s := a.Stability; s != nil {
		c.Class, c.Why, c.Rho, c.RecoveryNS, c.Open, c.ModelNS = s.Class, s.Why, s.Rho, s.RecoveryNS, s.RecoveryOpen, s.ModelNS
		e := evidence{stability: s}
		after := e.phase("after")
		c.During, c.After, c.Attempts = e.phase("trigger").Goodput, after.Goodput, after.Attempts
		c.BacklogMax, c.OldestNS = after.BacklogMax, after.OldestNS
	} else {
		c.Why = "the run had no fault"
	}
	if i := slices.IndexFunc(a.Certificate, notPassed); i >= 0 {
		c.Class, c.Disturbed, c.Why = Undecided, true, doubt("the run proves nothing", a.Certificate[i])
	}
	return c
}

// Up reports whether the service came back, Down whether it stayed down. An undecided cell is neither.
func (c *MapCell) Up() bool { return c.Class == Stable || c.Class == Recovering }

// Down is the reverse of Up for what was decided.
func (c *MapCell) Down() bool {
	return c.Class == Metastable || c.Class == Suspect || c.Class == Broken
}

// settled reports whether the cell need not be played again.
func (c *MapCell) settled() bool { return !c.Disturbed || c.Tries >= cellTries }

// cellTries is how often a cell is played whose run was disturbed.
const cellTries = 2

// cell is the one that was played; nil.
func (m *StabilityMap) cell(load float64, trigger int64) *MapCell {
	for i := range m.Cells {
		if c := &m.Cells[i]; c.LoadPerS == load && c.TriggerNS == trigger {
			return c
		}
	}
	return nil
}

// Take enters a cell that was played. One that was played before is replaced, but what it lost is lost.
func (m *StabilityMap) Take(c MapCell) {
	c.Tries = 1
	if old := m.cell(c.LoadPerS, c.TriggerNS); old != nil {
		c.Tries += old.Tries
		c.TookNS += old.TookNS
		if old.Violated && !c.Violated {
			c.Violated, c.LossFen, c.Dir = true, old.LossFen, old.Dir
		}
		*old = c
		return
	}
	m.Cells = append(m.Cells, c)
}

// Next is the cell to play; false when the map is complete. Rows come from the longest trigger to the shortest. In a row the cell
// in the middle of what is still open comes next: between the highest load at which the service came back and the lowest at
// which it stayed down. One that cannot be decided makes way for its neighbours. With Grid every cell comes.
func (m *StabilityMap) Next() (load float64, trigger int64, ok bool) {
	for _, trigger := range slices.Backward(m.TriggersNS) {
		if i := m.nextIn(trigger); i >= 0 {
			return m.LoadsPerS[i], trigger, true
		}
	}
	return 0, 0, false
}

func (m *StabilityMap) nextIn(trigger int64) int {
	low, high := m.between(trigger)
	if m.Grid {
		low, high = -1, len(m.LoadsPerS)
	}
	best := -1
	for i := low + 1; i < high; i++ {
		if c := m.cell(m.LoadsPerS[i], trigger); c != nil && c.settled() {
			continue
		}
		if m.Grid {
			return i
		}
		if best < 0 || distance(i, low, high) < distance(best, low, high) {
			best = i
		}
	}
	return best
}

// distance is how far i is from the middle of what lies between, doubled to stay whole.
func distance(i, low, high int) int { return int(abs(int64(2*i - low - high))) }

// between are the indexes of the loads that bound what is open in a row: -1 and the number of loads at its ends.
func (m *StabilityMap) between(trigger int64) (low, high int) {
	low, high = -1, len(m.LoadsPerS)
	for i := len(m.LoadsPerS) - 1; i >= 0; i-- {
		if c := m.cell(m.LoadsPerS[i], trigger); c != nil && c.Down() {
			high = i
		}
	}
	for i := range high {
		if c := m.cell(m.LoadsPerS[i], trigger); c != nil && c.Up() {
			low = i
		}
	}
	return low, high
}

// Conclude works out the rows and the model from the cells. Why says why the map is not complete, "" when it is.
func (m *StabilityMap) Conclude(why string) {
	m.Rows = m.Rows[:0]
	m.Complete, m.Why = why == "", why
	at := func(i int) float64 {
		if i < 0 || i >= len(m.LoadsPerS) {
			return -1
		}
		return m.LoadsPerS[i]
	}
	for _, trigger := range m.TriggersNS {
		low, high := m.between(trigger)
		row := MapBoundary{TriggerNS: trigger, UpTo: at(low), DownFrom: at(high)}
		for i := high + 1; i < len(m.LoadsPerS); i++ {
			if c := m.cell(m.LoadsPerS[i], trigger); c != nil && c.Up() {
				row.UpBeyond = append(row.UpBeyond, c.LoadPerS)
			}
		}
		row.Narrow = high-low <= 1 && row.UpBeyond == nil
		m.Rows = append(m.Rows, row)
	}
	m.Model = m.model()
}

// model takes the retries from the cells: those of a service that stays down are the ones that keep it there.
func (m *StabilityMap) model() MapModel {
	retries := -1.0
	for i := range m.Cells {
		if c := &m.Cells[i]; c.Down() && c.Attempts >= 0 {
			retries = max(retries, c.Attempts-1, 0)
		}
	}
	switch {
	case m.CapacityPerS <= 0:
		return MapModel{Why: "the capacity is not known (demand.capacity, --capacity)"}
	case retries < 0:
		return MapModel{Why: "no cell stayed down, so its retries were not seen"}
	}
	star := 1 / (1 + retries)
	return MapModel{Known: true, Retries: retries, RhoStar: star, LoadPerS: star * m.CapacityPerS}
}

// ExitCode is 98 when a cell of the hardened side lost money or data, 97 when the map is not complete or a row of it is wide
// open, else 0. What an as-was side loses is what it documents.
func (m *StabilityMap) ExitCode() int {
	switch {
	case m.Profile != "as-was" && slices.ContainsFunc(m.Cells, func(c MapCell) bool { return c.Violated }):
		return ExitViolated
	case !m.Complete || len(m.Rows) == 0 || slices.ContainsFunc(m.Rows, func(r MapBoundary) bool { return !r.Narrow }):
		return ExitInconclusive
	}
	return ExitPass
}

// WriteMap writes map.json, map.html and map.md into dir.
func WriteMap(dir string, m *StabilityMap) error {
	var errs []error
	for _, file := range []struct {
		name  string
		write func(io.Writer, *StabilityMap) error
	}{{MapFile, mapJSON}, {MapPage, MapHTML}, {MapMarkdown, MapMD}} {
		var b bytes.Buffer
		if err := file.write(&b, m); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", file.name, err))
			continue
		}
		errs = append(errs, replaceFile(filepath.Join(dir, file.name), b.Bytes()))
	}
	return errors.Join(errs...)
}

func mapJSON(w io.Writer, m *StabilityMap) error { return writeJSON(w, m) }

// ReadMap reads map.json from dir.
func ReadMap(dir string) (*StabilityMap, error) {
	text, err := os.ReadFile(filepath.Join(dir, MapFile))
	if err != nil {
		return nil, err
	}
	var m StabilityMap
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, fmt.Errorf("%s: %w", MapFile, err)
	}
	if m.Schema != MapSchema {
		return nil, fmt.Errorf("%s: schema %d, this program reads %d", MapFile, m.Schema, MapSchema)
	}
	return &m, nil
}
