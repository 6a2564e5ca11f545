package simulator

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/bits"
	"math/rand/v2"
	"time"

	"github.com/lunchrush/lunchrush/scenarios"
)

// A stream is one component's own source of chance. Components do not share one, so that a new component, or one more
// draw in an old one, leaves all the others' draws as they were.
//
// Everything here must give the same bits on any machine. PCG's Uint64 is fixed by its documentation; what math/rand/v2
// makes of it is not, so the few distributions that a plan needs are made here, of integers where that is possible.
// Floating-point products are wrapped in float64(), which forbids the compiler to fuse them with an addition as it does
// on arm64; math.Exp and math.Log are assembly on some machines, so they are not used; math.Sqrt is exact by IEEE 754.
type stream struct{ src *rand.PCG }

// newStream is a pure function of the seed and the component's name.
func newStream(seed uint64, name string) *stream {
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64([]byte(name+"\x00"), seed))
	return &stream{rand.NewPCG(binary.LittleEndian.Uint64(sum[:8]), binary.LittleEndian.Uint64(sum[8:16]))}
}

// below returns an integer in [0, n). The bias is n/2^64.
func (s *stream) below(n int) int {
	high, _ := bits.Mul64(s.src.Uint64(), uint64(n))
	return int(high)
}

// unit returns a multiple of 2^-53 in [0, 1).
func (s *stream) unit() float64 { return float64(s.src.Uint64()>>11) / (1 << 53) }

// exponential returns Exp(1) by von Neumann's method, which only compares: draw u1 > u2 > ... until the run breaks; a
// run of odd length accepts k + u1, an even one starts again with k + 1.
func (s *stream) exponential() float64 {
	for k := 0; ; k++ {
		first := s.src.Uint64() >> 11
		odd := true
		for last := first; ; odd = !odd {
			next := s.src.Uint64() >> 11
			if next >= last {
				break
			}
			last = next
		}
		if odd {
			return float64(k) + float64(float64(first)/(1<<53))
		}
	}
}

// normal returns a standard normal deviate by Marsaglia's polar method.
func (s *stream) normal() float64 {
	for {
		u, v := float64(2*s.unit())-1, float64(2*s.unit())-1
		q := float64(u*u) + float64(v*v)
		if q > 0 && q < 1 {
			return float64(u * math.Sqrt(float64(-2*logarithm(q))/q))
		}
	}
}

// shuffle is Fisher and Yates's.
func shuffle[T any](s *stream, list []T) {
	for i := len(list) - 1; i > 0; i-- {
		j := s.below(i + 1)
		list[i], list[j] = list[j], list[i]
	}
}

// A share is a name and how much of the whole it takes, 0..1.
type share struct {
	name string
	part float64
}

// quotas returns n names in random order, each as often as its share asks, to within one: a share of 2% is 2% of every
// plan, not of the average of many. What the shares leave over is rest.
func (s *stream) quotas(n int, rest string, shares ...share) []string {
	names := make([]string, 0, n)
	sum := 0.0
	for _, sh := range shares {
		sum += sh.part
		upTo := min(n, int(math.Floor(float64(sum*float64(n))+0.5)))
		for len(names) < upTo {
			names = append(names, sh.name)
		}
	}
	for len(names) < n {
		names = append(names, rest)
	}
	shuffle(s, names)
	return names
}

// draw returns a duration of the distribution d, in whole microseconds, never negative.
func (s *stream) draw(d scenarios.Delay) time.Duration {
	ns := 0.0
	switch d.Kind {
	case "constant":
		return max(0, d.A)
	case "uniform":
		ns = float64(d.A) + float64(s.unit()*float64(d.B-d.A))
	case "quantiles":
		ns = s.quantile(d.Table)
	case "lognormal":
		ns = float64(float64(d.A) * exponentOf(float64(s.normal()*float64(d.SigmaPct))/100))
	}
	return time.Duration(max(0, ns)).Round(time.Microsecond)
}

// quantile draws from a table: evenly between its points, and from 0 to the first.
func (s *stream) quantile(table scenarios.QuantileList) float64 {
	part := float64(s.unit() * 1e6)
	var below scenarios.Quantile
	for _, q := range table.Used() {
		if part < float64(q.Part) {
			along := (part - float64(below.Part)) / float64(q.Part-below.Part)
			return float64(below.At) + float64(along*float64(q.At-below.At))
		}
		below = q
	}
	return float64(below.At)
}

// logarithm is the natural logarithm of a positive x: x = 2^e m with m in [sqrt(1/2), sqrt(2)), and ln m by the series
// of atanh, to about 1e-16.
func logarithm(x float64) float64 {
	m, e := math.Frexp(x)
	if m < math.Sqrt2/2 {
		m, e = float64(m*2), e-1
	}
	z := (m - 1) / (m + 1)
	z2 := float64(z * z)
	sum, power := 0.0, z
	for k := 1; k < 31; k += 2 {
		sum += power / float64(k)
		power = float64(power * z2)
	}
	return float64(2*sum) + float64(float64(e)*math.Ln2)
}

// exponentOf is e^x for |x| < 700: x = n ln 2 + r, and e^r by Taylor's series, to about 1e-16.
func exponentOf(x float64) float64 {
	n := math.Floor(x/math.Ln2 + 0.5)
	r := x - float64(n*math.Ln2)
	sum, term := 1.0, 1.0
	for k := 1; k < 20; k++ {
		term = float64(term*r) / float64(k)
		sum += term
	}
	return math.Ldexp(sum, int(n))
}
