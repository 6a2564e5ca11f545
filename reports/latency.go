package reports

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/internal/stats"
)

// The kinds of send, in the order of a report.
var kinds = []string{"create", "notify", "result", "heartbeat", "probe"}

// The kinds of send of the workloads beside the orders. A report shows those that its run had.
var callKinds = []string{"browse", "bid", "message", "reprice", "upload"}

// The histograms' range: from one microsecond to two minutes in nanoseconds, three digits.
const (
	histogramLow  = 1_000
	histogramHigh = int64(120e9)
)

func newHistogram() *hdrhistogram.Histogram { return hdrhistogram.New(histogramLow, histogramHigh, 3) }

// record enters v, held to the histogram's range: a wait of an hour counts as one of two minutes rather than not at all.
func record(h *hdrhistogram.Histogram, v int64) {
	_ = h.RecordValue(min(max(v, 0), histogramHigh)) // in range by now
}

// quantileSamples is how many samples the one-sided 95 % bound of quantile q needs: with fewer, all of them may lie below
// it by chance. 5 for the median, 29 for p90, 299 for p99, 2,995 for p99.9.
func quantileSamples(q float64) int64 {
	return int64(math.Ceil(math.Log(0.05) / math.Log(q)))
}

// quantilesOf reads a histogram; a quantile with too few samples is -1, all of them are when it is empty or nil.
func quantilesOf(h *hdrhistogram.Histogram) Quantiles {
	q := Quantiles{P50: -1, P90: -1, P99: -1, P999: -1, Max: -1}
	if h == nil || h.TotalCount() == 0 {
		return q
	}
	q.N = h.TotalCount()
	at := func(share float64) int64 {
		if q.N < quantileSamples(share) {
			return -1
		}
		return stats.Quantile(h, share)
	}
	q.P50, q.P90, q.P99, q.P999 = at(0.5), at(0.9), at(0.99), at(0.999)
	q.Max = h.Max()
	return q
}

// curve is the percentile plot of a histogram: five points for each halving of what lies above, up to 99.99 % or one
// sample in all, whichever comes first.
func curve(h *hdrhistogram.Histogram) []CurveStep {
	steps := []CurveStep{}
	if h == nil || h.TotalCount() == 0 {
		return steps
	}
	top := min(0.9999, 1-1/float64(h.TotalCount()))
	for k := 0; ; k++ {
		q := 1 - math.Pow(2, -float64(k)/5)
		if q >= top {
			break
		}
		steps = append(steps, CurveStep{q, stats.Quantile(h, q)})
	}
	return append(steps, CurveStep{top, stats.Quantile(h, top)})
}

// readLatency reads latency.hlog and merges its histograms by tag ("notify.response"), exactly. Of a file that breaks off
// it gives what is readable, and says so.
func readLatency(f *runlog.Folder) (map[string]*hdrhistogram.Histogram, error) {
	file, err := os.Open(f.Path(runlog.LatencyFile))
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return mergeLog(file)
}

// mergeLog reads HdrHistogram's log format 1.3: comment lines that start with #, a legend, and
// "Tag=notify.response,start,length,max,payload" for each interval. A run logs an interval every few seconds, so they are
// read in packed form: dense ones would be 200 kB each.
func mergeLog(r io.Reader) (map[string]*hdrhistogram.Histogram, error) {
	merged := make(map[string]*hdrhistogram.Histogram)
	lines := bufio.NewScanner(r)
	lines.Buffer(make([]byte, 0, 64<<10), 4<<20)
	n := 0
	for ; lines.Scan(); n++ {
		line := lines.Text()
		if line == "" || line[0] == '#' || line[0] == '"' {
			continue
		}
		tag := ""
		if rest, ok := strings.CutPrefix(line, "Tag="); ok {
			tag, line, _ = strings.Cut(rest, ",")
		}
		fields := strings.SplitN(line, ",", 4)
		if len(fields) != 4 {
			return merged, fmt.Errorf("%s breaks off in line %d", runlog.LatencyFile, n+1)
		}
		h, err := hdrhistogram.DecodePacked([]byte(fields[3]))
		if err != nil {
			return merged, fmt.Errorf("%s breaks off in line %d: %w", runlog.LatencyFile, n+1, err)
		}
		into := merged[tag]
		if into == nil {
			into = newHistogram()
			merged[strings.Clone(tag)] = into
		}
		if dropped := h.MergeInto(into); dropped > 0 {
			return merged, fmt.Errorf("%s: merging %s in line %d dropped %d samples", runlog.LatencyFile, tag, n+1, dropped)
		}
	}
	if err := lines.Err(); err != nil {
		return merged, fmt.Errorf("%s breaks off after line %d: %w", runlog.LatencyFile, n, err)
	}
	return merged, nil
}

// latencies gives each kind of send its figures. A run that was killed may have no latency.hlog: then the service times
// of the books' answers must do, and response time and lateness stay unknown.
func latencies(f *runlog.Folder, booked map[string]*hdrhistogram.Histogram) (all []Latency, lateness *hdrhistogram.Histogram, warnings []string) {
	logged, err := readLatency(f)
	switch {
	case errors.Is(err, os.ErrNotExist):
		warnings = append(warnings, "the folder has no latency.hlog: service times are from the books, response times and lateness are not known")
	case err != nil:
		warnings = append(warnings, err.Error()+"; the figures are of what comes before")
	}
	lateness = newHistogram()
	for _, kind := range slices.Concat(kinds, callKinds) {
		response, served, late := logged[kind+".response"], logged[kind+".service"], logged[kind+".lateness"]
		if response == nil && served == nil {
			served = booked[kind]
		}
		if response == nil && served == nil && slices.Contains(callKinds, kind) {
			continue
		}
		if late != nil {
			if dropped := lateness.Merge(late); dropped > 0 {
				warnings = append(warnings, fmt.Sprintf("merging lateness dropped %d samples", dropped))
			}
		}
		l := Latency{
			Kind:     kind,
			Response: quantilesOf(response),
			Service:  quantilesOf(served),
			Lateness: quantilesOf(late),
			Curve:    curve(response),
			Served:   curve(served),
		}
		all = append(all, l)
		if n := l.Response.N; kind != "probe" && n > 0 && n < quantileSamples(0.99) {
			warnings = append(warnings, fmt.Sprintf("%s: a p99 needs %d sends, there were %d", kind, quantileSamples(0.99), n))
		}
	}
	return all, lateness, warnings
}
