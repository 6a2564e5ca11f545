package reports

import (
	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A workerPool is one bounded set of worker threads in the samples of a run.
type workerPool struct {
	name        string // "front"
	class       string // of its line
	busy, limit func(*runlog.Sample) int
}

var workerPools = []workerPool{
	{"front", "line create", func(s *runlog.Sample) int { return s.FrontBusy }, func(s *runlog.Sample) int { return s.FrontLimit }},
	{"gate", "line notify", func(s *runlog.Sample) int { return s.GateBusy }, func(s *runlog.Sample) int { return s.GateLimit }},
	{"identity", "line backlog", func(s *runlog.Sample) int { return s.IdentityBusy }, func(s *runlog.Sample) int { return s.IdentityLimit }},
}

// full reports whether every worker was busy, known whether anyone could tell.
func (p workerPool) full(s *runlog.Sample) (full, known bool) {
	busy, limit := p.busy(s), p.limit(s)
	return busy >= limit, busy >= 0 && limit > 0
}

// workers is the panel of the pools' share of busy threads. It is drawn when one of them was full: of pools that never
// were there is nothing to tell, unless the run goes on: then nobody knows yet.
func (t *timeline) workers() (panel, bool) {
	p := panel{name: "busy workers", height: 60, floor: 1, label: func(v float64) string { return percent(v) }}
	full := t.live != nil
	for _, w := range workerPools {
		there := false
		for i := range t.samples {
			f, known := w.full(&t.samples[i])
			there, full = there || known, full || known && f
		}
		if there {
			p.series = append(p.series, series{name: w.name, class: w.class, points: t.values(func(s *runlog.Sample) float64 {
				if _, known := w.full(s); !known {
					return -1
				}
				return float64(w.busy(s)) / float64(w.limit(s))
			})})
		}
	}
	return p, full && len(p.series) > 0
}

// fullGauge is the measure of a pool that does not come free again.
func fullGauge(w workerPool) gauge {
	return gauge{
		MeasureDoc{
			w.name + ".full", "share",
			"seconds of play in which every worker of " + w.name + " was busy, of those after the last fault was healed; without a fault, of all",
		},
		func(e *evidence) (float64, int) { return fullAfter(e.samples, e.healed(), w) },
	}
}

func fullAfter(samples []runlog.Sample, healed int64, w workerPool) (float64, int) {
	full, n := 0, 0
	for i := range samples {
		s := &samples[i]
		if s.Phase != "play" || s.AtNS <= healed {
			continue
		}
		if f, known := w.full(s); known {
			n++
			if f {
				full++
			}
		}
	}
	return ratio(full, n)
}

// healed is when the last fault was healed, 0 when there was none.
func (e *evidence) healed() (at int64) {
	for _, f := range e.faults {
		at = max(at, f.ToNS)
	}
	return at
}
