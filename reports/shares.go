package reports

import (
	"fmt"
	"math"
	"slices"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// fairSamples is how many requests an instance's fair share must come to before its share says anything.
const fairSamples = 100

// shareGauges are what the balancer gave to each instance, measured by what would have been fair.
func shareGauges() []gauge {
	every := func(runlog.Share) bool { return true }
	added := func(s runlog.Share) bool { return s.Added }
	return []gauge{
		{
			MeasureDoc{"share.min", "share", "the least that any instance got of its fair share of a listener's requests; 100 % is fair"},
			func(e *evidence) (float64, int) { return fairness(e.run.Balance, every, math.Min) },
		},
		{
			MeasureDoc{"share.skew", "share", "by how much of its fair share the instance treated most unfairly got more or less than that"},
			func(e *evidence) (float64, int) {
				low, n := fairness(e.run.Balance, every, math.Min)
				high, _ := fairness(e.run.Balance, every, math.Max)
				return math.Max(1-low, high-1), n
			},
		},
		{
			MeasureDoc{"share.added", "share", "the least that an instance which was added during the run got of its fair share, from when it was ready; 100 % is fair"},
			func(e *evidence) (float64, int) { return fairness(e.run.Balance, added, math.Min) },
		},
		{
			MeasureDoc{"cold.p99", "ns", "99th percentile of the answers of an instance that was started cold, until the fault ended, as the balancer saw them; the slowest such instance counts"},
			func(e *evidence) (float64, int) {
				worst, least := never, 0
				for i, c := range e.run.Cold {
					if i == 0 || float64(c.P99NS) > worst {
						worst = float64(c.P99NS)
					}
					if i == 0 || int(c.Answered) < least {
						least = int(c.Answered)
					}
				}
				if int64(least) < quantileSamples(0.99) {
					return never, least
				}
				return worst, least
			},
		},
	}
}

// fairness is the least, or the most, of the ratios of what was given to what was fair. Its samples are the requests of
// the instance with the smallest fair share; one that is due too few to tell leaves the measure unknown.
func fairness(shares []runlog.Share, of func(runlog.Share) bool, pick func(a, b float64) float64) (float64, int) {
	value, samples := never, 0
	for _, s := range shares {
		if !of(s) || s.Weight == 0 {
			continue
		}
		n := int(math.Round(s.Fair))
		if samples == 0 || n < samples {
			samples = n
		}
		if s.Fair <= 0 {
			return never, 0
		}
		got := float64(s.Requests) / s.Fair
		if math.IsNaN(value) {
			value = got
		}
		value = pick(value, got)
	}
	if samples < fairSamples {
		return never, samples
	}
	return value, samples
}

// tenths writes a share to a tenth of a per cent, so that those of a table can be added up.
func tenths(share float64) string { return fmt.Sprintf("%.1f %%", 100*share) }

// A shareRow is one instance behind one listener as a table shows it.
type shareRow struct {
	runlog.Share
	Got  float64 // of the listener's requests while it was there, 0 to 1
	Due  float64 // what would have been fair
	Bar  int     // Got in per cent, for a bar
	Mark int     // Due in per cent
	Odd  bool    // off its fair share by more than a tenth
}

// P99 is what the balancer saw of the instance's answers, when there were enough of them.
func (r *shareRow) P99() cell {
	return p99Of(r.P99NS, r.Requests-r.Unanswered)
}

// coldP99 is that of an instance that was started cold.
func coldP99(c runlog.ColdSpell) string { return p99Of(c.P99NS, c.Answered).Cell }

// p99Of is a p99 of so many samples that somebody else took.
func p99Of(ns, n int64) cell {
	if why := whyNone(Quantiles{N: n, P99: ifEnough(ns, n)}, 99); why != "" {
		return cell{Cell: "-", Why: why}
	}
	return cell{Cell: span(ns)}
}

func ifEnough(ns, n int64) int64 {
	if n < quantileSamples(0.99) {
		return -1
	}
	return ns
}

// shareRows are the rows, a listener's instances together.
func shareRows(run *runlog.Manifest) []shareRow {
	rows := make([]shareRow, 0, len(run.Balance))
	for _, s := range run.Balance {
		r := shareRow{Share: s}
		if s.Of > 0 {
			r.Got, r.Due = float64(s.Requests)/float64(s.Of), s.Fair/float64(s.Of)
		}
		r.Bar, r.Mark = int(math.Round(100*r.Got)), int(math.Round(100*r.Due))
		r.Odd = s.Fair >= fairSamples && math.Abs(float64(s.Requests)/s.Fair-1) > 0.1
		rows = append(rows, r)
	}
	return rows
}

// spreadRows are those of listeners with more than one instance: one has everything, and need not be told.
func spreadRows(run *runlog.Manifest) []shareRow {
	rows := shareRows(run)
	of := make(map[string]int)
	for _, r := range rows {
		of[r.Listener]++
	}
	return slices.DeleteFunc(rows, func(r shareRow) bool { return of[r.Listener] < 2 })
}
