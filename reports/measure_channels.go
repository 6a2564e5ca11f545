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

// take enters an answer; patience is how long the channel waits for one.
func (c channelAnswers) take(r *runlog.Record, patience int64) {
	took := r.Took
	if r.Status == 0 {
		took = max(took, patience)
	}
	list, known := c[r.Channel]
	name := r.Channel
	if !known {
		name = strings.Clone(name)
	}
	c[name] = append(list, channelAnswer{r.At - r.Took, took})
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

// channelGauges are the times of one channel's notifies, whole and around the faults. A 99th percentile of a few hundred stands on a
// handful of sends, which one stall of a small machine moves; the 90th stays.
func channelGauges(channel, whose string) []gauge {
	var list []gauge
	for _, at := range []struct {
		name, says string
		of         func(Quantiles) int64
	}{
		{"p90", "90th", func(q Quantiles) int64 { return q.P90 }},
		{"p99", "99th", func(q Quantiles) int64 { return q.P99 }},
	} {
		name := channel + ".notify." + at.name
		part := func(suffix, doc string, in func(e *evidence, at int64) bool) gauge {
			return gauge{
				MeasureDoc{name + suffix, "ns", at.says + " percentile of the time until " + whose + " notifies were answered, from their send" + doc},
				func(e *evidence) (float64, int) {
					q := e.answers.quantiles(channel, func(at int64) bool { return in(e, at) })
					return quantile(q, at.of(q))
				},
			}
		}
		list = append(
			list,
			part("", "", func(*evidence, int64) bool { return true }),
			part(".before", ", before the first fault", (*evidence).before),
			part(".during", ", while a fault was on", (*evidence).during),
			gauge{
				MeasureDoc{name + ".moved", "share", "how much longer that was while a fault was on than before the first, as a part of it; less than 10 ms is none"},
				func(e *evidence) (float64, int) {
					before, during := e.answers.quantiles(channel, e.before), e.answers.quantiles(channel, e.during)
					return moved(at.of(before), at.of(during)), int(min(before.N, during.N))
				},
			},
		)
	}
	return list
}

// moved is how far a percentile went from where it was.
func moved(before, during int64) float64 {
	if before <= 0 || during < 0 {
		return never
	}
	change := during - before
	if int64(math.Abs(float64(change))) < sameWithin {
		change = 0
	}
	return float64(change) / float64(before)
}
