package reports

import "github.com/lunchrush/lunchrush/internal/runlog"

// drained: the backlog counts as back when it is a twentieth of what it was when the trigger ended.
const drainedShare = 0.05

// backlogDrain is how long the backlog took to be back once its trigger had ended, in nanoseconds: from the end of the last
// fault, or without faults from the backlog's peak.
//
// The drain of a run that ended before is extrapolated: the backlog's fall until then, continued. One that did not fall has
// no drain time, and no samples either, so that no condition on it holds.
func backlogDrain(samples []runlog.Sample, faults []Fault) (float64, int) {
	var known []runlog.Sample
	for _, s := range samples {
		if s.Backlog >= 0 {
			known = append(known, s)
		}
	}
	start := drainStart(known, faults)
	if start < 0 || known[start].Backlog == 0 {
		return never, 0
	}
	from, low := known[start], drainedShare*float64(known[start].Backlog)
	for i, s := range known[start:] {
		if float64(s.Backlog) <= low {
			return float64(s.AtNS - from.AtNS), i + 1
		}
	}
	last := known[len(known)-1]
	fell := from.Backlog - last.Backlog
	if fell <= 0 {
		return never, 0
	}
	return float64(last.AtNS-from.AtNS) * (float64(from.Backlog) - low) / float64(fell), len(known) - start
}

// drainStart is the sample from which a drain counts, -1 when there is none.
func drainStart(known []runlog.Sample, faults []Fault) int {
	if len(faults) == 0 {
		peak := -1
		for i, s := range known {
			if peak < 0 || s.Backlog > known[peak].Backlog {
				peak = i
			}
		}
		return peak
	}
	var ended int64
	for _, f := range faults {
		ended = max(ended, f.ToNS)
	}
	for i, s := range known {
		if s.AtNS >= ended {
			return i
		}
	}
	return -1
}
