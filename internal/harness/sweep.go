package harness

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

// A Sweep plays the cells of a stability map, one run each, on one testbed that is reset between them. The map says which
// cell comes next, so a sweep goes on wherever its map was left.
type Sweep struct {
	Scenario *scenarios.Scenario
	Side     string
	Map      *reports.StabilityMap
	Dir      string        // the map's folder; runs land in it
	Budget   time.Duration // no cell is begun that would not end within it; 0: no bound
	Watch    time.Duration // the load goes on for so long at most after the trigger
	Kick     bool          // a lull comes then: it tells METASTABLE from BROKEN

	// Open starts a testbed: at the beginning, and again after a run that broke off, which may leave one in any state.
	Open func(ctx context.Context) (*Stage, error)
	// Play makes the run of one cell.
	Play func(ctx context.Context, stage *Stage, sc *scenarios.Scenario, label string) (Result, error)
	Tell func(line string)
}

// Digest tells two maps apart that must not be drawn into one: it is of the scenario, the side, the seed and how long is watched.
func (s *Sweep) Digest() (string, error) {
	text, err := json.Marshal(struct {
		Scenario *scenarios.Scenario
		Side     string
		Seed     uint64
		Watch    time.Duration
		Kick     bool
	}{s.Scenario, s.Side, s.Map.Seed, s.Watch, s.Kick})
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

// Run plays what is still open, and writes the map after each cell. Its error is what kept it from going on; the map holds
// what was played until then.
func (s *Sweep) Run(ctx context.Context) (err error) {
	began := time.Now()
	var stage *Stage
	defer func() {
		if stage != nil {
			err = errors.Join(err, stage.Close())
		}
	}()
	for {
		load, trigger, open := s.Map.Next()
		if !open {
			return s.conclude("")
		}
		sc, err := s.Cell(load, time.Duration(trigger))
		if err != nil {
			return err
		}
		expected := sc.Length() + sc.Drain/2 + 15*time.Second
		if s.Budget > 0 && time.Since(began)+expected > s.Budget {
			return s.conclude(fmt.Sprintf("the budget of %.0f min is used up", s.Budget.Minutes()))
		}
		if stage == nil {
			if stage, err = s.Open(ctx); err != nil {
				return errors.Join(err, s.conclude("the testbed did not start"))
			}
			if len(s.Map.Cells) > 0 && (s.Map.Testbed != stage.Choice.Name || s.Map.Engine != stage.Engine()) {
				return fmt.Errorf("the map was begun on %s, %s, and this is %s, %s: its cells could not be compared; give --testbed %s, or begin another map",
					s.Map.Testbed, s.Map.Engine, stage.Choice.Name, stage.Engine(), s.Map.Testbed)
			}
			s.Map.Testbed, s.Map.Engine = stage.Choice.Name, stage.Engine()
		}
		s.Tell(fmt.Sprintf("%s orders/s, trigger %s: %s of load", rateText(load), time.Duration(trigger), sc.Length().Round(time.Second)))
		cell, broke := s.play(ctx, stage, sc, load, trigger)
		if ctx.Err() != nil {
			if broke == nil || cell.Violated { // lost money is no less lost when the run was broken off
				s.Map.Take(cell)
			}
			return errors.Join(broke, context.Cause(ctx), s.conclude("interrupted"))
		}
		if broke != nil {
			_ = stage.Close() // the run has told what went wrong
			stage = nil
		}
		s.Map.Take(cell)
		if err := s.conclude("cells are still to be played"); err != nil {
			return err
		}
		s.Tell(fmt.Sprintf("%s orders/s, trigger %s: %s: %s", rateText(load), time.Duration(trigger), cell.Class, cell.Why))
	}
}

// play makes the run of a cell. One that broke off is a cell that nothing is known about.
func (s *Sweep) play(ctx context.Context, stage *Stage, sc *scenarios.Scenario, load float64, trigger int64) (reports.MapCell, error) {
	began := time.Now()
	label := fmt.Sprintf("%s-%s-per-s-%s", s.Side, rateText(load), time.Duration(trigger))
	result, err := s.Play(ctx, stage, sc, label)
	c := reports.MapCell{LoadPerS: load, TriggerNS: trigger, Class: reports.Undecided, Disturbed: true}
	if result.Analysis != nil {
		c = reports.CellOf(result.Analysis, load, trigger)
	}
	if err != nil {
		c.Class, c.Disturbed = reports.Undecided, true // what it lost until then is lost
		c.Why = "the run broke off: " + strings.Join(strings.Fields(err.Error()), " ")
	}
	c.TookNS = int64(time.Since(began))
	if rel, relErr := filepath.Rel(s.Dir, result.Dir); relErr == nil && result.Dir != "" {
		c.Dir = filepath.ToSlash(rel)
	}
	return c, err
}

func (s *Sweep) conclude(why string) error {
	s.Map.Conclude(why)
	return reports.WriteMap(s.Dir, s.Map)
}

// How much load a cell needs around its trigger, beside what the stability of a run is judged by (reports).
const (
	cellOperations = 105              // before the fault: a hundred and some
	cellLead       = 10 * time.Second // and for these to end before it
	cellLeast      = 63 * time.Second // after the fault: a minute, and what its healing takes
	cellBucket     = 100              // operations of a bucket
	cellKickLeast  = 20 * time.Second
	cellKickMost   = time.Minute
)

// Cell is the scenario of one cell: so much load that a baseline, a recovery and a lull can be seen.
func (s *Sweep) Cell(load float64, trigger time.Duration) (*scenarios.Scenario, error) {
	sc := s.Scenario
	operations := load * (1 - sc.Buyers.Abandon - sc.Buyers.Late) * (1 - sc.Machines.Fail - sc.Machines.Late - sc.Machines.Offline)
	if operations <= 0 {
		return nil, fmt.Errorf("%s: none of its orders is meant to end with goods: nothing shows whether the service is well", sc.Name)
	}
	bucket := time.Duration(math.Ceil(cellBucket/operations)) * time.Second
	seen := max(10*time.Second, 3*bucket) + 2*time.Second // the shortest stretch that shows a recovery
	drain := time.Duration(0)
	if rho := load / sc.Demand.Capacity; sc.Demand.Capacity > 0 && rho < 1 {
		drain = time.Duration(float64(trigger) * rho / (1 - rho))
	}
	patience := sc.Payments.Notify.Timeout
	if sc.Buyers.Tries > 1 {
		patience = max(patience, sc.Buyers.Patience)
	}
	by := scenarios.Stretch{
		Load: load, Trigger: trigger,
		Baseline: max(sc.BaselineLength(), time.Duration(cellOperations/operations*float64(time.Second))+cellLead),
		After:    max(cellLeast, 10*patience+3*time.Second, 3*drain+seen, seen),
	}
	if s.Watch > 0 {
		by.After = min(by.After, max(s.Watch, seen, cellLeast))
	}
	if s.Kick {
		by.Kick = min(lull(drain), cellKickMost)
		by.Restored = seen
	}
	whole := func(d *time.Duration) { *d = d.Round(time.Second) }
	whole(&by.Baseline)
	whole(&by.After)
	whole(&by.Kick)
	whole(&by.Restored)
	return sc.Stretched(by)
}

// rateText writes a load without more digits than it has.
func rateText(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// NewMap is an empty map of a scenario's side.
func NewMap(sc *scenarios.Scenario, side string, seed uint64, version string) *reports.StabilityMap {
	var faults []string
	for _, f := range sc.Faults {
		text := f.On + ": " + f.Inject
		if by := cmp.Or(f.Params["by"], f.Params["mode"]); by != "" {
			text += " " + by
		}
		faults = append(faults, text)
	}
	return &reports.StabilityMap{
		Schema: reports.MapSchema, Scenario: sc.Name, Title: sc.Title, Profile: side, Trigger: strings.Join(faults, ", "), Seed: seed,
		Machine: Fingerprint(), Lunchrush: version, StartedAt: time.Now(), CapacityPerS: sc.Demand.Capacity,
	}
}
