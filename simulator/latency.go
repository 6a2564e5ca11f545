package simulator

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
)

// The three times of a send, as the tags of latency.hlog name them: "create.response".
const (
	TimeResponse = "response" // due to answer: what the buyer waited
	TimeService  = "service"  // send to answer: what the service took
	TimeLateness = "lateness" // due to send: what the generator added
)

var times = [...]string{TimeResponse, TimeService, TimeLateness}

// What the histograms hold: nanoseconds from 1 µs to 2 min with 3 significant digits.
const (
	histogramLowest  = int64(time.Microsecond)
	histogramHighest = int64(120 * time.Second)
	histogramDigits  = 3
)

// A Latency keeps three histograms for each kind of send. Workers add to stripes, which each [Latency.Second] empties
// into the current interval and each [Latency.Interval] writes to the log; all merges are exact or an error. Add may be
// called by any goroutine, the other methods by one.
type Latency struct {
	stripes [2]stripe
	turn    atomic.Uint32
	over    atomic.Int64

	second   map[string]*hdr.Histogram // by tag
	interval map[string]*hdr.Histogram
	total    map[string]*hdr.Histogram

	start time.Time
	from  time.Duration // of the interval
	log   *hdr.HistogramLogWriter
}

type stripe struct {
	mu    sync.Mutex
	kinds map[string]*[len(times)]*hdr.Histogram // guarded by mu
}

func newHistogram() *hdr.Histogram {
	return hdr.New(histogramLowest, histogramHighest, histogramDigits)
}

// NewLatency returns empty histograms. Log, which may be nil, gets an HdrHistogram log, format 1.3: start is its base
// time, a line's tag is kind and time.
func NewLatency(start time.Time, log io.Writer) (*Latency, error) {
	l := &Latency{
		start:  start,
		second: map[string]*hdr.Histogram{}, interval: map[string]*hdr.Histogram{}, total: map[string]*hdr.Histogram{},
	}
	for i := range l.stripes {
		l.stripes[i].kinds = map[string]*[len(times)]*hdr.Histogram{}
	}
	if log == nil {
		return l, nil
	}
	l.log = hdr.NewHistogramLogWriter(log)
	l.log.SetBaseTime(start.UnixMilli())
	err := errors.Join(
		l.log.OutputComment("[Latencies of a lunchrush run, nanoseconds; Interval_Max in ms]"),
		l.log.OutputLogFormatVersion(),
		l.log.OutputStartTime(start.UnixMilli()),
		l.log.OutputLegend(),
	)
	if err != nil {
		return nil, fmt.Errorf("writing the latency log: %w", err)
	}
	return l, nil
}

// Add records the times of one send. What lies past 2 min is recorded as 2 min and counted by Over.
func (l *Latency) Add(kind string, response, service, lateness time.Duration) {
	s := &l.stripes[l.turn.Add(1)%uint32(len(l.stripes))]
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.kinds[kind]
	if h == nil {
		h = &[len(times)]*hdr.Histogram{newHistogram(), newHistogram(), newHistogram()}
		s.kinds[kind] = h
	}
	for i, d := range [len(times)]time.Duration{response, service, lateness} {
		ns := max(0, int64(d))
		if ns > histogramHighest {
			ns = histogramHighest
			l.over.Add(1)
		}
		_ = h[i].RecordValue(ns) // in range
	}
}

// Over is how many times were longer than the histograms hold.
func (l *Latency) Over() int { return int(l.over.Load()) }

// Second takes what was added since the last call and returns its histograms by tag, valid until the next call.
func (l *Latency) Second() (map[string]*hdr.Histogram, error) {
	for _, h := range l.second {
		h.Reset()
	}
	var err error
	for i := range l.stripes {
		err = errors.Join(err, l.stripes[i].empty(l.second))
	}
	for tag, h := range l.second {
		err = errors.Join(err, merge(l.interval, tag, h), merge(l.total, tag, h))
	}
	return l.second, err
}

// empty moves a stripe's histograms into those of the second.
func (s *stripe) empty(into map[string]*hdr.Histogram) (err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for kind, histograms := range s.kinds {
		for i, h := range histograms {
			if h.TotalCount() > 0 {
				err = errors.Join(err, merge(into, kind+"."+times[i], h))
				h.Reset()
			}
		}
	}
	return err
}

// merge adds h to into[tag], and fails if anything of it is lost.
func merge(into map[string]*hdr.Histogram, tag string, h *hdr.Histogram) error {
	if h.TotalCount() == 0 {
		return nil
	}
	if into[tag] == nil {
		into[tag] = newHistogram()
	}
	if dropped := into[tag].Merge(h); dropped > 0 {
		return fmt.Errorf("merging the histograms of %s dropped %d values", tag, dropped)
	}
	return nil
}

// Interval writes the histograms gathered since the last call to the log, a line for each tag, and ends the interval at
// the given moment of the run.
func (l *Latency) Interval(to time.Duration) error {
	var err error
	for _, tag := range slices.SortedFunc(maps.Keys(l.interval), cmp.Compare[string]) {
		h := l.interval[tag]
		if h.TotalCount() > 0 && l.log != nil {
			h.SetTag(tag)
			h.SetStartTimeMs(l.start.Add(l.from).UnixMilli())
			h.SetEndTimeMs(l.start.Add(to).UnixMilli())
			err = errors.Join(err, l.log.OutputIntervalHistogram(h))
		}
		h.Reset()
	}
	l.from = to
	if err != nil {
		return fmt.Errorf("writing the latency log: %w", err)
	}
	return nil
}

// Discard forgets all that was taken by Second so far and not yet written by Interval: a warm-up. The next interval begins at
// the given moment of the run.
func (l *Latency) Discard(from time.Duration) {
	for _, histograms := range []map[string]*hdr.Histogram{l.interval, l.total} {
		for _, h := range histograms {
			h.Reset()
		}
	}
	l.from = from
}

// Total returns the histogram of the whole run up to the last Second, nil when nothing of that kind was sent.
func (l *Latency) Total(kind, what string) *hdr.Histogram { return l.total[kind+"."+what] }
