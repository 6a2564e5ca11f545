package reports

import (
	"math"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// channelAnswers are the answers to each channel's notifies. They are told apart by channel and by moment, which latency.hlog
// does not do.
type channelAnswers map[string][]channelAnswer

// A channelAnswer is when a notify was sent, since the run's start, and how long its answer took; one that never came took as
// long as the channel waited.
type channelAnswer struct{ sent, took int64 }

func (c channelAnswers) take(r *runlog.Record) {
	list, known := c[r.Channel]
	name := r.Channel
	if !known {
		name = strings.Clone(name)
	}
	c[name] = append(list, channelAnswer{r.At - r.Took, r.Took})
}

// quantiles are those of a channel's notifies that are in.
func (c channelAnswers) quantiles(channel string, in func(sent int64) bool) Quantiles {
	h := newHistogram()
	for _, a := range c[channel] {
		if in(a.sent) {
			_ = h.RecordValue(min(max(a.took, h.LowestTrackableValue()), h.HighestTrackableValue()))
		}
	}
	return quantilesOf(h)
}

// before and during tell whether a moment was before the first fault, or while one was on.
func (e *evidence) before(at int64) bool {
	for _, f := range e.faults {
		if at >= f.FromNS {
			return false
		}
	}
	return len(e.faults) > 0
}

func (e *evidence) during(at int64) bool {
	for _, f := range e.faults {
		if at >= f.FromNS && at < f.ToNS {
			return true
		}
	}
	return false
}

// sameWithin is a change that counts as none (ours): on a busy machine a scheduler alone makes as much.
const sameWithin = int64(10 * time.Millisecond)

// channelGauges are the times of one channel's notifies, whole and around the faults.
func channelGauges(channel, whose string) []gauge {
	of := func(name, doc string, in func(e *evidence, at int64) bool) gauge {
		return gauge{
			MeasureDoc{channel + ".notify.p99" + name, "ns", "99th percentile of the time until " + whose + " notifies were answered, from their send" + doc},
			func(e *evidence) (float64, int) {
				q := e.answers.quantiles(channel, func(at int64) bool { return in(e, at) })
				return quantile(q, q.P99)
			},
		}
	}
	return []gauge{
		of("", "", func(*evidence, int64) bool { return true }),
		of(".before", ", before the first fault", (*evidence).before),
		of(".during", ", while a fault was on", (*evidence).during),
		{
			MeasureDoc{channel + ".notify.p99.moved", "share", "how much longer that was while a fault was on than before the first, as a part of it; less than 10 ms is none"},
			func(e *evidence) (float64, int) {
				return moved(e.answers.quantiles(channel, e.before), e.answers.quantiles(channel, e.during))
			},
		},
	}
}

// moved is how far a p99 went from where it was.
func moved(before, during Quantiles) (float64, int) {
	n := int(min(before.N, during.N))
	if before.P99 <= 0 || during.P99 < 0 {
		return never, n
	}
	change := during.P99 - before.P99
	if int64(math.Abs(float64(change))) < sameWithin {
		change = 0
	}
	return float64(change) / float64(before.P99), n
}
