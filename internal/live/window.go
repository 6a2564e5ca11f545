package live

import (
	"errors"
	"fmt"
	"strings"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/lunchrush/lunchrush/internal/stats"
	"github.com/lunchrush/lunchrush/simulator"
)

// windowSeconds is over how many of the last seconds a percentile is taken. Ours: long enough for some hundred answers, short
// enough to show a collapse while it happens.
const windowSeconds = 10

// A window has the times of the last seconds of one tag, in 1 µs to 2 min with two significant digits.
type window struct {
	seconds [windowSeconds]*hdr.Histogram // a ring; nil: no answer in that second
	next    int
}

func newTimes() *hdr.Histogram { return hdr.New(int64(time.Microsecond), int64(2*time.Minute), 2) }

// add takes the times of the next second, nil when there were none.
func (w *window) add(h *hdr.Histogram) error {
	at := w.next
	w.next = (w.next + 1) % windowSeconds
	if h == nil || h.TotalCount() == 0 {
		w.seconds[at] = nil
		return nil
	}
	if w.seconds[at] == nil {
		w.seconds[at] = newTimes()
	}
	w.seconds[at].Reset()
	if dropped := w.seconds[at].Merge(h); dropped > 0 {
		return fmt.Errorf("%d times do not fit the live window", dropped)
	}
	return nil
}

// sum is all of the window.
func (w *window) sum() *hdr.Histogram {
	all := newTimes()
	for _, h := range w.seconds {
		if h != nil {
			all.Merge(h) // of one geometry: nothing is dropped
		}
	}
	return all
}

// The tags of which windows are kept. Lateness is kept over all kinds together.
var windowTags = []string{
	simulator.SendCreate + "." + simulator.TimeResponse, simulator.SendNotify + "." + simulator.TimeResponse, simulator.TimeLateness,
}

// windows are those of a run, by tag.
type windows map[string]*window

func newWindows() windows {
	w := make(windows, len(windowTags))
	for _, tag := range windowTags {
		w[tag] = &window{}
	}
	return w
}

// add takes a second of the run.
func (w windows) add(times map[string]*hdr.Histogram) error {
	late := newTimes()
	dropped := int64(0)
	for tag, h := range times {
		if strings.HasSuffix(tag, "."+simulator.TimeLateness) {
			dropped += late.Merge(h)
		}
	}
	var failed []error
	if dropped > 0 {
		failed = append(failed, fmt.Errorf("%d times do not fit the live window", dropped))
	}
	for tag, one := range w {
		h := times[tag]
		if tag == simulator.TimeLateness {
			h = late
		}
		failed = append(failed, one.add(h))
	}
	return errors.Join(failed...)
}

// Samples that a percentile needs for a one-sided 95 % bound, as in a report.
const (
	samplesP99 = 299
	samplesP90 = 29
)

// A quantile is the highest percentile that there are samples for, "p99", "p90" or "longest", with what there is to say
// beside it. NS is -1 when there were no samples at all.
type quantile struct {
	Name string
	NS   int64
	Note string
	N    int64
}

// percentile reads one window.
func (w windows) percentile(tag string) quantile {
	h := w[tag].sum()
	n := h.TotalCount()
	q := quantile{N: n, Name: "p99"}
	switch {
	case n == 0:
		q.NS, q.Note = -1, fmt.Sprintf("no answer in %d s", windowSeconds)
	case n >= samplesP99:
		q.NS = stats.Quantile(h, 0.99)
		q.Note = fmt.Sprintf("p50 %s, %s in %d s", spanOf(stats.Quantile(h, 0.5)), countOf(n), windowSeconds)
	case n >= samplesP90:
		q.Name, q.NS = "p90", stats.Quantile(h, 0.9)
		q.Note = fmt.Sprintf("p50 %s, %s in %d s: too few for p99", spanOf(stats.Quantile(h, 0.5)), countOf(n), windowSeconds)
	default:
		q.Name, q.NS = "longest", h.Max()
		q.Note = fmt.Sprintf("%s in %d s: too few for a percentile", countOf(n), windowSeconds)
	}
	return q
}
