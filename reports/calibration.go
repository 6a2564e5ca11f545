package reports

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/internal/stats"
)

// CalibrationFile is a calibration for programs, in its folder.
const CalibrationFile = "calibration.json"

// A Calibration compares what reports say with what is known to be true: the generator has played against a target whose
// delays were known.
type Calibration struct {
	Schema    int                `json:"schema"` // 1
	At        time.Time          `json:"at"`
	Machine   runlog.Fingerprint `json:"machine"`
	Lunchrush string             `json:"lunchrush"` // version
	Outcome   string             `json:"outcome"`   // PASS, FAIL, INCONCLUSIVE: the machine was too slow to tell
	ExitCode  int                `json:"exit_code"`
	Exercises []Exercised        `json:"exercises"`
	NotPlayed []string           `json:"not_played,omitempty"` // the exercises that were still to come when it was written
}

// Exercised is one load that was played against the target.
type Exercised struct {
	Name      string    `json:"name"`
	Title     string    `json:"title"`
	PerSecond int       `json:"sends_per_s"`
	Sends     int       `json:"sends"`
	Figures   []Figure  `json:"figures"`
	Checks    []Check   `json:"checks"`
	Echo      Quantiles `json:"echo"` // an empty message to and fro meanwhile, from the moment it was due: what the machine adds
	Dir       string    `json:"dir"`  // the run's folder
}

// A Figure is one percentile of one of the three times, as the report has it and as it is true.
type Figure struct {
	Time       string  `json:"time"` // "response", "service", "lateness"
	Quantile   float64 `json:"quantile"`
	Samples    int64   `json:"samples"`
	Needed     int64   `json:"needed"`        // samples for a one-sided 95 % bound
	Truth      int64   `json:"truth_ns"`      // by the target's book and the plan
	Arithmetic int64   `json:"arithmetic_ns"` // of a stall, by the exercise alone; -1
	Report     int64   `json:"report_ns"`     // -1: too few samples, the report says
	Off        int64   `json:"off_ns"`        // report less truth
	Allowed    int64   `json:"allowed_ns"`
	Status     string  `json:"status"` // "pass"; "fail"; "unknown": the machine was too slow to tell
	Note       string  `json:"note,omitempty"`
}

// What a figure may be off: the greater of both.
const (
	calibratedShare = 0.01
	calibratedLeast = 100 * time.Microsecond

	// arithmeticFrom is how long a time must be to be held to the exercise's arithmetic too: 1 % of it is then more than what
	// a loopback adds. The arithmetic knows of no way there and back, the target's book leaves it out.
	arithmeticFrom = 100 * time.Millisecond
)

// A Truth is what is known about the sends of an exercise, one value for each, in nanoseconds.
type Truth struct {
	Response, Service, Lateness [2][]int64 // by the target's book; by arithmetic, nil without
	Echo                        []int64
}

// calibrated are the percentiles that a report gives.
var calibrated = []float64{0.5, 0.9, 0.99, 0.999}

// Calibrate compares the report of one exercise with the truth. What a report says of sends is under their kind.
func Calibrate(l Latency, t Truth) (figures []Figure, echoed Quantiles) {
	h := newHistogram()
	for _, ns := range t.Echo {
		record(h, ns)
	}
	echoed = quantilesOf(h)
	for _, one := range []struct {
		time   string
		report Quantiles
		truth  [2][]int64
		longer bool // the way there and back is in what the sender sees, and not in the target's book; of lateness it is the reverse
	}{
		{"response", l.Response, t.Response, true},
		{"service", l.Service, t.Service, true},
		{"lateness", l.Lateness, t.Lateness, false},
	} {
		book, sums := sorted(one.truth[0]), sorted(one.truth[1])
		for _, q := range calibrated {
			f := Figure{
				Time: one.time, Quantile: q, Samples: one.report.N, Needed: quantileSamples(q),
				Truth: nearestRank(book, q), Arithmetic: nearestRank(sums, q), Report: one.report.at(percentileOf(q)),
			}
			f.judge(one.longer, max(echoed.Max, 0))
			figures = append(figures, f)
		}
	}
	return figures, echoed
}

// judge gives a figure its status. What is off in the direction that no machine can cause is the instrument's fault, and so is
// what is off by more than the longest that the echo took.
func (f *Figure) judge(longer bool, machine int64) {
	f.Off = f.Report - f.Truth
	f.Allowed = max(int64(calibratedLeast), int64(calibratedShare*float64(f.Truth)))
	switch {
	case f.Samples == 0:
		f.Status, f.Off, f.Note = failed, 0, "the report has no samples"
	case f.Report < 0 && f.Samples < f.Needed:
		f.Status, f.Off, f.Note = passed, 0, fmt.Sprintf("too few: %s of %s", count(f.Samples), count(f.Needed))
	case f.Report < 0:
		f.Status, f.Off, f.Note = failed, 0, "there are samples enough, and the report gives no figure"
	case f.Samples < f.Needed:
		f.Status, f.Note = failed, fmt.Sprintf("a figure from %s samples, which needs %s", count(f.Samples), count(f.Needed))
	default:
		f.Status, f.Note = within(f.Off, f.Allowed, longer, machine)
		f.holdToArithmetic()
	}
}

// holdToArithmetic compares a figure that agrees with the target's book with what a stall comes to on paper. Where it does not
// agree, the target itself was held up, or met its requests in another order: the machine's doing.
func (f *Figure) holdToArithmetic() {
	off := abs(f.Report - f.Arithmetic)
	if f.Status != passed || f.Arithmetic < int64(arithmeticFrom) || off <= max(int64(calibratedLeast), int64(calibratedShare*float64(f.Arithmetic))) {
		return
	}
	f.Status, f.Note = unknown, fmt.Sprintf("by arithmetic it is %s; the machine held the target up, by its own book", span(f.Arithmetic))
}

// within judges a difference. Longer: a slow machine makes it positive, else negative. Machine is the most that it can add.
func within(off, allowed int64, longer bool, machine int64) (status, note string) {
	impossible := off < 0
	if !longer {
		impossible = off > 0
	}
	switch {
	case abs(off) <= allowed:
		return passed, ""
	case impossible:
		return failed, "no machine can cause this"
	case abs(off) <= allowed+machine:
		return unknown, "the machine was as slow: an echo took up to " + span(machine)
	default:
		return failed, "more than the machine can have added: an echo took up to " + span(machine)
	}
}

func sorted(values []int64) []int64 {
	values = slices.Clone(values)
	slices.Sort(values)
	return values
}

// nearestRank is the smallest value that a share q of all does not exceed; -1 of none.
func nearestRank(ascending []int64, q float64) int64 {
	if len(ascending) == 0 {
		return -1
	}
	return ascending[stats.Rank(q, int64(len(ascending)))-1]
}

// percentileOf is a quantile as [Quantiles.at] wants it.
func percentileOf(q float64) int {
	return map[float64]int{0.5: 50, 0.9: 90, 0.99: 99, 0.999: 999}[q]
}

// Decide gives the calibration its outcome: one wrong figure is enough to fail, one that could not be told to be
// inconclusive. Nothing compared is inconclusive too, and so is what was not played to its end.
func (c *Calibration) Decide() {
	seen := map[string]int{}
	for _, e := range c.Exercises {
		for _, f := range e.Figures {
			seen[f.Status]++
		}
		for _, k := range e.Checks {
			seen[k.Status]++
		}
	}
	switch {
	case seen[failed] > 0:
		c.Outcome, c.ExitCode = Fail, ExitMissed
	case seen[unknown] > 0 || seen[passed] == 0 || len(c.NotPlayed) > 0:
		c.Outcome, c.ExitCode = Inconclusive, ExitInconclusive
	default:
		c.Outcome, c.ExitCode = Pass, ExitPass
	}
}

// WriteCalibration writes calibration.json into dir.
func WriteCalibration(dir string, c *Calibration) error {
	var b bytes.Buffer
	if err := writeJSON(&b, c); err != nil {
		return err
	}
	return replaceFile(filepath.Join(dir, CalibrationFile), b.Bytes())
}
