package reports

import (
	"slices"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// upstreamGauges are the measures of what a sick upstream does to a service.
func upstreamGauges() []gauge {
	return []gauge{
		{
			MeasureDoc{"paid_unknown", "", "orders paid at the channel, the money not given back, that the service at the end holds for unpaid: CREATED, PAYING, CLOSED, or no such order"},
			func(e *evidence) (float64, int) {
				if !e.whole {
					return never, 0
				}
				return float64(e.tally.paidUnknown), e.audit.Payments
			},
		},
		{
			MeasureDoc{"recovered.max", "ns", "longest time from the payment to goods or money back, of the orders that the remedy job made good"},
			func(e *evidence) (float64, int) { return float64(e.tally.recoveryMax), e.audit.Classes[Recovered] },
		},
		fullForGauge(workerPools[0]), fullForGauge(workerPools[1]),
		{
			MeasureDoc{"front.waiting_max", "", "most requests that waited for a worker of front, of all its instances together, each second that one looked"},
			func(e *evidence) (float64, int) { return mostWaiting(e.samples) },
		},
		{
			MeasureDoc{"bind.failed", "", "look-ups of a buyer that the service gave up"},
			func(e *evidence) (float64, int) {
				return lastKnown(e.samples, func(s *runlog.Sample) int { return s.BindsFailed })
			},
		},
		{
			MeasureDoc{"bind.waiting_end", "", "look-ups of a buyer that were still to be made at the end of the drain"},
			func(e *evidence) (float64, int) {
				return lastKnown(e.samples, func(s *runlog.Sample) int { return s.BindsWaiting })
			},
		},
		{
			MeasureDoc{"bind.bound", "share", "orders that were paid whose buyer the service's own book in the end has bound, as who he is; not known of a service that does not tell of its buyers"},
			func(e *evidence) (float64, int) {
				if !e.whole || !e.tally.buyersTold {
					return never, 0
				}
				return ratio(e.tally.bound, e.tally.payers)
			},
		},
	}
}

// fullForGauge is the measure of a pool that has no thread left for a while.
func fullForGauge(w workerPool) gauge {
	return gauge{
		MeasureDoc{w.name + ".full_for", "ns", "longest time in which every worker of " + w.name + " was busy each second that one looked"},
		func(e *evidence) (float64, int) { return fullFor(e.samples, w) },
	}
}

// fullFor is 0 for a pool that was found full once only. A second in which nobody could tell neither ends a stretch nor counts.
func fullFor(samples []runlog.Sample, w workerPool) (ns float64, n int) {
	began, longest := int64(-1), int64(0)
	for i := range samples {
		s := &samples[i]
		full, known := w.full(s)
		switch {
		case !known:
			continue
		case !full:
			began = -1
		case began < 0:
			began = s.AtNS
		default:
			longest = max(longest, s.AtNS-began)
		}
		n++
	}
	return float64(time.Duration(longest)), n
}

// mostWaiting is the longest line before front's workers. It is never of a run in which nobody could tell.
func mostWaiting(samples []runlog.Sample) (most float64, n int) {
	for i := range samples {
		if s := &samples[i]; s.FrontLimit > 0 && s.FrontWaiting >= 0 {
			most, n = max(most, float64(s.FrontWaiting)), n+1
		}
	}
	if n == 0 {
		return never, 0
	}
	return most, n
}

// lastKnown is the last figure of a column of which -1 is unknown.
func lastKnown(samples []runlog.Sample, of func(*runlog.Sample) int) (float64, int) {
	for _, s := range slices.Backward(samples) {
		if v := of(&s); v >= 0 {
			return float64(v), 1
		}
	}
	return never, 0
}
