package stats

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// A ScalePoint is one measurement of a system under load: how much was under way in it on average, and what it finished.
type ScalePoint struct {
	N float64 // concurrency, > 0
	X float64 // throughput, a second
}

// USL is Gunther's Universal Scalability Law, X(N) = gN / (1 + s(N-1) + kN(N-1)). With s = k = 0 throughput grows with
// concurrency without an end; s bends it towards a ceiling, k makes it fall again.
type USL struct {
	Gamma float64 `json:"gamma"` // throughput of one at a time, a second
	Sigma float64 `json:"sigma"` // contention: the share that waits for others, 0 or more
	Kappa float64 `json:"kappa"` // coherence: what each pair costs, 0 or more
}

// At is the throughput at a concurrency.
func (u USL) At(n float64) float64 {
	return u.Gamma * n / (1 + u.Sigma*(n-1) + u.Kappa*n*(n-1))
}

// Peak is the concurrency of the highest throughput: +Inf where there is none, 0 where it falls from the start.
func (u USL) Peak() float64 {
	if u.Sigma >= 1 {
		return 0
	}
	if u.Kappa <= 0 {
		return math.Inf(1)
	}
	return math.Sqrt((1 - u.Sigma) / u.Kappa)
}

// The least that a fit is made of: three unknowns, and something left to see whether they suit.
const (
	uslPoints   = 5
	uslDistinct = 4 // concurrencies that differ by a twentieth at least
)

// FitUSL fits the law by least squares of the throughput, with s and k held to 0 or more. It wants five points at four
// different concurrencies; with fewer it says so.
//
// N/X is linear in 1/g, s/g and k/g, so each round is a linear problem, weighted so that its residuals are those of X;
// s and k that would be below 0 are 0, whichever way leaves the least.
func FitUSL(points []ScalePoint) (USL, error) {
	if n := distinct(points); len(points) < uslPoints || n < uslDistinct {
		return USL{}, fmt.Errorf("a fit needs %d measurements at %d different concurrencies, there are %d at %d", uslPoints, uslDistinct, len(points), n)
	}
	return fitUSL(points)
}

func fitUSL(points []ScalePoint) (USL, error) {
	for _, p := range points {
		if !(p.N > 0) || !(p.X > 0) || math.IsInf(p.N, 0) || math.IsInf(p.X, 0) {
			return USL{}, fmt.Errorf("a fit needs concurrency and throughput above 0, got %g and %g", p.N, p.X)
		}
	}
	best, least := USL{}, math.Inf(1)
	for _, free := range [][]int{{0, 1, 2}, {0, 1}, {0, 2}, {0}} {
		u, ok := fitFree(points, free)
		if !ok || slices.ContainsFunc(points, func(p ScalePoint) bool { return !(u.At(p.N) > 0) }) {
			continue // below one at a time the law may leave its world
		}
		if r := residual(u, points); r < least {
			best, least = u, r
		}
	}
	if math.IsInf(least, 1) {
		return USL{}, fmt.Errorf("no curve of this law goes through these measurements")
	}
	return best, nil
}

// uslRounds is how often the weights are taken anew from the curve of the round before.
const uslRounds = 4

// fitFree fits the coefficients of 1, N-1 and N(N-1) in N/X that are free; the others are 0.
func fitFree(points []ScalePoint, free []int) (USL, bool) {
	u, ok := USL{}, false
	for round := range uslRounds {
		var a [3][4]float64 // normal equations of the free ones
		for _, p := range points {
			x := p.X
			if round > 0 {
				x = u.At(p.N)
			}
			// An error of X moves N/X by N/X^2 of it.
			w := x * x / p.N
			w *= w
			row := [3]float64{1, p.N - 1, p.N * (p.N - 1)}
			for i, fi := range free {
				for j, fj := range free {
					a[i][j] += w * row[fi] * row[fj]
				}
				a[i][3] += w * row[fi] * p.N / p.X
			}
		}
		solved, can := solve(a, len(free))
		if !can {
			return u, ok
		}
		var c [3]float64
		for i, f := range free {
			c[f] = solved[i]
		}
		if !(c[0] > 0) || c[1] < 0 || c[2] < 0 {
			return u, ok
		}
		u, ok = USL{Gamma: 1 / c[0], Sigma: c[1] / c[0], Kappa: c[2] / c[0]}, true
	}
	return u, ok
}

// solve solves n linear equations by elimination; false when they are not independent.
func solve(a [3][4]float64, n int) (x [3]float64, ok bool) {
	for c := range n {
		pivot := c
		for r := c + 1; r < n; r++ {
			if math.Abs(a[r][c]) > math.Abs(a[pivot][c]) {
				pivot = r
			}
		}
		a[c], a[pivot] = a[pivot], a[c]
		scale := 0.0
		for k := c; k < n; k++ {
			scale = max(scale, math.Abs(a[c][k]))
		}
		if math.Abs(a[c][c]) <= 1e-12*scale || a[c][c] == 0 {
			return x, false
		}
		for r := range n {
			if r == c {
				continue
			}
			f := a[r][c] / a[c][c]
			for k := c; k < 4; k++ {
				a[r][k] -= f * a[c][k]
			}
		}
	}
	for c := range n {
		x[c] = a[c][3] / a[c][c]
	}
	return x, true
}

func residual(u USL, points []ScalePoint) (sum float64) {
	for _, p := range points {
		d := p.X - u.At(p.N)
		sum += d * d
	}
	return sum
}

// Fitness is the share of the throughput's variance that the curve explains, 1 at best; below 0 a flat line would do better. Of
// measurements that are all the same it is 0: there is nothing to explain.
func (u USL) Fitness(points []ScalePoint) float64 {
	mean, total := 0.0, 0.0
	for _, p := range points {
		mean += p.X / float64(len(points))
	}
	for _, p := range points {
		total += (p.X - mean) * (p.X - mean)
	}
	if total == 0 {
		return 0
	}
	return 1 - residual(u, points)/total
}

// distinct counts the concurrencies, those within a twentieth of each other as one.
func distinct(points []ScalePoint) int {
	var at []float64
	for _, p := range points {
		at = append(at, p.N)
	}
	slices.Sort(at)
	n, last := 0, 0.0
	for _, v := range at {
		if n == 0 || v > last*1.05 {
			n, last = n+1, v
		}
	}
	return n
}

// A USLBand is the curve with what 95 of 100 curves through resampled measurements lie between, at concurrencies within
// the measured range. Beyond it nothing is known, and nothing is said.
type USLBand struct {
	Curve     USL         `json:"curve"`
	R2        float64     `json:"r2"`   // the share of the variance that the curve explains
	From      float64     `json:"from"` // the least concurrency that was measured
	To        float64     `json:"to"`   // the greatest
	Points    []BandPoint `json:"points"`
	SigmaLow  float64     `json:"sigma_low"` // 95 % interval of the coefficients
	SigmaTop  float64     `json:"sigma_top"`
	KappaLow  float64     `json:"kappa_low"`
	KappaTop  float64     `json:"kappa_top"`
	Resamples int         `json:"resamples"` // curves that the band is made of
}

// A BandPoint is the curve and its band at one concurrency.
type BandPoint struct {
	N    float64 `json:"n"`
	X    float64 `json:"x"`
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// BandUSL fits the law and resamples the measurements, with replacement, so many times; the same seed gives the same band.
// steps is at how many concurrencies the band is told, the ends of the measured range included.
//
// Resamples without a curve, as of too few different concurrencies for three unknowns, are drawn anew.
func BandUSL(points []ScalePoint, resamples, steps int, seed uint64) (*USLBand, error) {
	curve, err := FitUSL(points)
	if err != nil {
		return nil, err
	}
	b := &USLBand{Curve: curve, R2: curve.Fitness(points), From: math.Inf(1)}
	for _, p := range points {
		b.From, b.To = min(b.From, p.N), max(b.To, p.N)
	}
	at := make([]float64, max(2, steps))
	for i := range at {
		at[i] = b.From + (b.To-b.From)*float64(i)/float64(len(at)-1)
	}
	chance := rand.New(rand.NewPCG(seed, 0x05a1e1ab)) // a stream of its own
	found := make([][]float64, len(at))
	var sigma, kappa []float64
	drawn := make([]ScalePoint, len(points))
	for tries := 0; len(sigma) < resamples && tries < 10*resamples; tries++ {
		for i := range drawn {
			drawn[i] = points[chance.IntN(len(points))]
		}
		if distinct(drawn) < 3 {
			continue
		}
		u, err := fitUSL(drawn)
		if err != nil || slices.ContainsFunc(at, func(n float64) bool { return !(u.At(n) > 0) }) {
			continue
		}
		sigma, kappa = append(sigma, u.Sigma), append(kappa, u.Kappa)
		for i, n := range at {
			found[i] = append(found[i], u.At(n))
		}
	}
	b.Resamples = len(sigma)
	if b.Resamples < resamples {
		return nil, fmt.Errorf("only %d of %d resamples of these %d measurements have a curve", b.Resamples, resamples, len(points))
	}
	b.SigmaLow, b.SigmaTop = middle95(sigma)
	b.KappaLow, b.KappaTop = middle95(kappa)
	for i, n := range at {
		low, high := middle95(found[i])
		b.Points = append(b.Points, BandPoint{N: n, X: curve.At(n), Low: low, High: high})
	}
	return b, nil
}

// middle95 are the ends of the middle 95 % of values, which it sorts.
func middle95(values []float64) (low, high float64) {
	slices.Sort(values)
	at := func(q float64) float64 {
		place := q * float64(len(values)-1)
		i := int(place)
		if i+1 >= len(values) {
			return values[len(values)-1]
		}
		return values[i] + (place-float64(i))*(values[i+1]-values[i])
	}
	return at(0.025), at(0.975)
}
