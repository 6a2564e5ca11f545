package stats

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// A BootstrapInterval is a median with the bounds between which the true one lies with the confidence of Level.
type BootstrapInterval struct {
	Low, Median, High float64
	Level             float64
	N                 int // samples
}

// Holds reports whether v lies within the bounds.
func (i BootstrapInterval) Holds(v float64) bool { return i.Low <= v && v <= i.High }

// MedianNeeds is how many samples an interval of the median needs at a level: with fewer, even the lowest and the highest of
// them do not enclose the true median so often. 6 at 0.95.
func MedianNeeds(level float64) int {
	// All n samples lie on one side of the median with probability 2 * 2^-n.
	return 1 + int(math.Ceil(math.Log2(1/(1-level))-1e-9))
}

// BootstrapMedian is the percentile bootstrap's interval of the median of samples, at a two-sided level such as 0.95. Samples may be in
// any order and are left as they are. +Inf and -Inf are welcome, such as a time that did not end; NaN is not. Too few
// samples are an error that says how many it needs.
//
// How the median is distributed when as many samples are drawn again with replacement can be written down, so nothing is drawn:
// these are the bounds that ever more resamples tend to, the same each time and without a seed.
//
// Of ten samples the 95 % interval holds the true median in 93 to 94 of 100 cases, of twenty in 94, whether they are normal,
// skewed or heavy in the tails; of seven in 86 only, of six and eight again in 93: an even number serves better. The correction for
// bias and acceleration (BCa) covered no better with any of them, so it is left out.
func BootstrapMedian(samples []float64, level float64) (BootstrapInterval, error) {
	if !(level > 0 && level < 1) {
		return BootstrapInterval{}, fmt.Errorf("a level of %v: it is between 0 and 1", level)
	}
	if n, needs := len(samples), MedianNeeds(level); n < needs {
		return BootstrapInterval{}, fmt.Errorf("%d samples are too few for the %v %% interval of a median: it needs %d", n, 100*level, needs)
	}
	if slices.ContainsFunc(samples, math.IsNaN) {
		return BootstrapInterval{}, fmt.Errorf("one of %d samples is no number", len(samples))
	}
	sorted := slices.Sorted(slices.Values(samples))
	medians := resampledMedians(sorted)
	tail := (1 - level) / 2 * (1 - 1e-9)
	i := BootstrapInterval{Median: MedianOf(sorted), Level: level, N: len(samples)}
	below, above := 0.0, 0.0
	for k := 0; below < tail && k < len(medians); k++ {
		below += medians[k].share
		i.Low = medians[k].median
	}
	for k := len(medians) - 1; above < tail && k >= 0; k-- {
		above += medians[k].share
		i.High = medians[k].median
	}
	return i, nil
}

// A resampled median is a value that the median of a resample may have, and the share of all resamples in which it does.
type resampled struct{ median, share float64 }

// resampledMedians are all medians that n draws with replacement from n sorted samples may have, in order.
//
// The median is halfway between the draws of ranks r and r+1, r = n/2; of an odd number it is the draw of rank (n+1)/2. The r-th draw is
// the i-th sample or a lower one when r or more of the draws are: that is binomial, with the share i/n. It is the i-th and the next
// is the j-th, above it, when r draws are the i-th or lower, one of them the i-th, and the others the j-th or higher, one of them the
// j-th.
func resampledMedians(sorted []float64) []resampled {
	n := len(sorted)
	r := (n + 1) / 2
	share := func(k int) float64 { return float64(k) / float64(n) }
	var list []resampled
	upTo := 0.0
	// ln of the share of ways in which r draws are among m of the samples and one of them at least is the outermost: r of 1,000 overflow without.
	outermost := func(m int) float64 {
		return float64(r)*math.Log(share(m)) + math.Log1p(-math.Pow(float64(m-1)/float64(m), float64(r)))
	}
	ways := lnChoose(n, r)
	for i := 1; i <= n; i++ {
		next := AtLeast(n, r, share(i))
		same := next - upTo // the r-th draw is the i-th sample
		upTo = next
		if n%2 == 0 {
			low := ways + outermost(i)
			for j := i + 1; j <= n; j++ {
				both := math.Exp(low + outermost(n-j+1)) // n - r is r
				list = append(list, resampled{halfway(sorted[i-1], sorted[j-1]), both})
				same -= both
			}
		}
		list = append(list, resampled{sorted[i-1], max(same, 0)})
	}
	slices.SortFunc(list, func(a, b resampled) int { return cmp.Compare(a.median, b.median) })
	return list
}

// AtLeast is how likely it is that of n draws r or more are of a share. Beyond the likeliest number the chances fall ever faster: what
// no longer counts ends the sum.
func AtLeast(n, r int, share float64) float64 {
	if share >= 1 {
		return 1
	}
	sum := 0.0
	for k := r; k <= n; k++ {
		chance := math.Exp(lnChoose(n, k) + float64(k)*math.Log(share) + float64(n-k)*math.Log1p(-share))
		sum += chance
		if float64(k) > share*float64(n) && chance <= 1e-15*sum {
			break
		}
	}
	return sum
}

// lnChoose is the logarithm of how many ways there are to choose k of n.
func lnChoose(n, k int) float64 {
	ln := func(m int) float64 { v, _ := math.Lgamma(float64(m + 1)); return v }
	return ln(n) - ln(k) - ln(n-k)
}

// MedianOf is the middle one of sorted samples, or the mean of the two in the middle; NaN of none.
func MedianOf(sorted []float64) float64 {
	n := len(sorted)
	if n == 0 {
		return math.NaN()
	}
	return halfway(sorted[(n-1)/2], sorted[n/2])
}

// halfway is between a and b. Of an infinity and what is finite it is the infinity, of both infinities the first: their mean would
// be no number.
func halfway(a, b float64) float64 {
	if a == b || math.IsInf(a, -1) {
		return a
	}
	return a + (b-a)/2
}

// LogRatios are ln(b/a) of pairs, which is how far b is above a however large both are: twice and half are as far from 0.
// Values must be above 0; +Inf stands for what did not end.
func LogRatios(a, b []float64) ([]float64, error) {
	if len(a) != len(b) {
		return nil, fmt.Errorf("%d values and %d are no pairs", len(a), len(b))
	}
	d := make([]float64, len(a))
	for i := range a {
		if !(a[i] > 0) || !(b[i] > 0) || math.IsInf(a[i], 1) && math.IsInf(b[i], 1) {
			return nil, fmt.Errorf("pair %d: %v and %v have no ratio", i+1, a[i], b[i])
		}
		d[i] = math.Log(b[i] / a[i])
	}
	return d, nil
}

// SignFlip is the two-sided p-value of pairs' differences when a pair's order means nothing: the share of all ways to turn
// their signs whose sum is as far from 0. Pairs that were played in random order are such by their making. It is exact up to 12
// differences, and of 4,096 ways drawn by seed beyond.
func SignFlip(differences []float64, seed uint64) float64 {
	const exact = 12
	n := len(differences)
	if n == 0 {
		return 1
	}
	seen := 0.0
	for _, d := range differences {
		seen += d
	}
	seen = math.Abs(seen)
	chance := rand.New(rand.NewPCG(seed, 0x666c6970)) // "flip"
	ways, far := 1<<min(n, exact), 0
	for way := range ways {
		signs, sum := uint64(way), 0.0
		if n > exact {
			signs = chance.Uint64()
		}
		for i, d := range differences {
			if i%64 == 0 && i > 0 {
				signs = chance.Uint64()
			}
			if signs>>(i%64)&1 == 1 {
				d = -d
			}
			sum += d
		}
		if math.Abs(sum) >= seen*(1-1e-12) {
			far++
		}
	}
	if n > exact { // what was seen is one of the ways
		return float64(far+1) / float64(ways+1)
	}
	return float64(far) / float64(ways)
}
