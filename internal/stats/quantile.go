package stats

import (
	"math"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Quantile is the smallest value that a share q of all samples of a histogram does not exceed, to the histogram's digits: the one of
// rank [Rank]. The library rounds q n to the nearest rank, one too low for a p99 of 299; asked for the rank's own share it gives that
// rank. A share of 0 is the least that the first sample can have been; of no samples it is 0.
func Quantile(h *hdrhistogram.Histogram, q float64) int64 {
	n := h.TotalCount()
	if n == 0 || q <= 0 {
		return h.ValueAtPercentile(0)
	}
	return h.ValueAtPercentile(100 * float64(Rank(q, n)) / float64(n))
}

// Rank is the rank of a quantile among n samples, from 1: ceil(q n), whatever a float makes of 0.99 x 300.
func Rank(q float64, n int64) int64 {
	return min(max(int64(math.Ceil(q*float64(n)-1e-9)), 1), n)
}
