package reports

import (
	"fmt"
	"math"
	"runtime"
	"runtime/debug"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// Analyse judges a run folder. It reads the books once, and once more when orders went wrong, to tell their stories.
//
// A folder of a run that was killed is judged as far as it goes; an error is only what cannot be read at all. For a
// million orders it takes some seconds and about 300 MiB; while it works the garbage collector runs more often than by
// default, which costs little because the orders hold no pointers, and keeps to that figure.
func Analyse(f *runlog.Folder) (*Analysis, error) {
	defer debug.SetGCPercent(debug.SetGCPercent(25))
	// Collected now, or the default would let the heap grow to twice what the audit needed while reports are written.
	defer runtime.GC()
	return analyse(f)
}

func analyse(f *runlog.Folder) (*Analysis, error) {
	a := newAudit(&f.Manifest)
	for r, err := range f.Records() {
		if err != nil {
			return nil, fmt.Errorf("reading the books: %w", err)
		}
		a.take(&r)
		if a.track != nil {
			a.track.take(&r)
		}
	}
	a.close(f.Truncated())
	samples, err := f.Samples()
	if err != nil {
		return nil, fmt.Errorf("reading the samples: %w", err)
	}
	for i := range samples {
		finite(&samples[i])
	}
	plan, planErr := a.readPlan(f)
	res, wrong := a.result()
	sale := a.bids.result()
	latency, late, warnings := latencies(f, a.took)

	x := &Analysis{Run: f.Manifest, Latency: latency, Timeline: samples, Demand: []DemandPoint{}, Faults: a.faults.of(&f.Manifest), Warnings: []string{}}
	if x.Timeline == nil {
		x.Timeline = []runlog.Sample{}
	}
	if plan != nil && plan.demand != nil {
		x.Demand = plan.demand
	}
	if planErr != nil {
		warnings = append(warnings, planWarning(planErr))
	}
	if f.Truncated() {
		warnings = append(warnings, "the books were never closed: they are read to their last whole record, "+span(a.last)+" into the run")
	}
	e := &evidence{
		run: &f.Manifest, audit: res, tally: &a.tally, whole: a.end.whole, latency: make(map[string]Latency), lateness: late, samples: measured(&f.Manifest, samples),
		faults: a.faults.of(&f.Manifest), answers: a.answersOf, calls: a.calls, bid: sale, messages: a.messages, uploads: a.uploads, last: a.last,
	}
	for _, l := range latency {
		e.latency[l.Kind] = l
	}
	if a.track != nil {
		x.Stability = a.track.track(samples, x.Faults).stability()
	}
	e.stability = x.Stability
	all := measure(e)
	measures := byName(all)
	x.Measures, x.Calls = told(all, e), a.calls.list()
	x.Certificate = certificate(a, e, plan, planErr)
	x.Invariants = invariants(a, &res)
	if x.Bid = sale; sale != nil {
		x.Invariants = append(x.Invariants, sale.invariants(a.end.whole)...)
	}
	x.Expect = conditions(f.Manifest.Expect, measures, &f.Manifest)
	x.Signature = conditions(f.Manifest.Signature, measures, &f.Manifest)
	x.Warnings = append(append(x.Warnings, describe(&f.Manifest)...), warnings...)
	if text := steep(&f.Manifest, latency); text != "" {
		x.Warnings = append(x.Warnings, text)
	}

	if res.Bad, err = a.stories(f, wrong); err != nil {
		return nil, err
	}
	x.Audit = res
	x.Verdict = decide(x, a)
	return x, nil
}

// finite replaces what is no number, which JSON cannot say, by -1: unknown.
func finite(s *runlog.Sample) {
	for _, v := range []*float64{
		&s.CreateP50MS, &s.CreateP99MS, &s.NotifyP50MS, &s.NotifyP99MS, &s.LatenessP99, &s.BacklogAge, &s.ServiceCPU, &s.HarnessCPU,
	} {
		if math.IsNaN(*v) || math.IsInf(*v, 0) {
			*v = -1
		}
	}
}
