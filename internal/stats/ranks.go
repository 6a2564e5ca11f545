package stats

import (
	"math"
	"slices"

	"golang.org/x/perf/benchmath"
)

// Alpha is the share of tests that call two samples of the same thing different: 5 %, as benchstat has it.
const Alpha = 0.05

// A Center is the median of a sample, with the order statistics between which the median of all that could have been measured
// lies with Confidence.
type Center struct {
	Median     float64
	Lo, Hi     float64 // -Inf and +Inf when N < Needs
	Confidence float64 // of Lo to Hi: at least 95 %
	N          int
	Needs      int // how many samples an interval takes at 95 %; 0: there are enough
}

// CenterOf is the median of the samples, which may be infinite but no NaN. Of no sample everything is NaN.
func CenterOf(samples []float64) Center {
	c := Center{Median: math.NaN(), Lo: math.NaN(), Hi: math.NaN(), N: len(samples)}
	if c.N < CenterNeeds {
		c.Needs = CenterNeeds
	}
	if c.N == 0 {
		return c
	}
	s := benchmath.AssumeNothing.Summary(sampleOf(samples), 1-Alpha)
	c.Median, c.Lo, c.Hi, c.Confidence = s.Center, s.Lo, s.Hi, s.Confidence
	if c.Needs > 0 { // an interval with one end is none
		c.Lo, c.Hi, c.Confidence = math.Inf(-1), math.Inf(1), 1
	}
	return c
}

// CenterNeeds is how many samples an interval for a median takes at 95 %: the chance that all of them lie on one side of it
// is 2 x 2^-n, and 6 is the first n at which that is below 5 %.
const CenterNeeds = 6

// A RankTest says whether two samples differ, by the ranks of their values alone (Mann-Whitney): it assumes nothing of how
// they are distributed.
type RankTest struct {
	P      float64 // how likely ranks as far apart are by chance alone; NaN when Needs is not 0
	N1, N2 int
	Needs  int // how many samples of each could differ at Alpha; 0: there are enough
}

// Differ reports whether the samples are further apart than chance puts them in all but Alpha of the cases.
func (r RankTest) Differ() bool { return r.P <= Alpha }

// Ranks compares two samples, whose values may be infinite but no NaN. So few that even the furthest ranks would be no
// difference are not compared.
func Ranks(a, b []float64) RankTest {
	r := RankTest{P: math.NaN(), N1: len(a), N2: len(b)}
	if leastP(r.N1, r.N2) > Alpha {
		r.Needs = RanksNeed()
		return r
	}
	// The library doubles the lower tail, of the distribution that the first sample's ranks have. Where values are equal that
	// distribution is not symmetric, so the first must be the one that ranks lower. Samples of nothing but equal values are an
	// error to it, and no difference to us: it reports P = 1.
	if above(a, b) > above(b, a) {
		a, b = b, a
	}
	r.P = min(1, benchmath.AssumeNothing.Compare(sampleOf(a), sampleOf(b)).P)
	return r
}

// above counts the pairs of which the value of a is greater than that of b.
func above(a, b []float64) (n int) {
	for _, x := range a {
		for _, y := range b {
			if x > y {
				n++
			}
		}
	}
	return n
}

// leastP is the P of two samples without ties of which every value of one lies below every value of the other: 2 of the
// (n1+n2 over n1) orders that are equally likely.
func leastP(n1, n2 int) float64 {
	p := 2.0
	for i := 1; i <= n1; i++ {
		p *= float64(i) / float64(n2+i)
	}
	return min(1, p)
}

// RanksNeed is the least n for which n against n can differ: 4.
func RanksNeed() int {
	n := 1
	for leastP(n, n) > Alpha {
		n++
	}
	return n
}

// sampleOf copies: the library sorts what it is given.
func sampleOf(values []float64) *benchmath.Sample {
	return benchmath.NewSample(slices.Clone(values), &benchmath.DefaultThresholds)
}
