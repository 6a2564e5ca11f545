package stats

import (
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestRanksTellADifferenceFromChance(t *testing.T) {
	inf := math.Inf(1)
	tests := []struct {
		name  string
		a, b  []float64
		p     float64 // NaN: too few
		needs int
	}{
		{"one each says nothing", []float64{1}, []float64{9}, math.NaN(), 4},
		{"three each cannot, however far apart", []float64{1, 2, 3}, []float64{7, 8, 9}, math.NaN(), 4},
		{"one cannot differ from many either", []float64{9}, []float64{1, 2, 3, 4, 5, 6}, math.NaN(), 4},
		{"none is too few", nil, []float64{1, 2, 3, 4}, math.NaN(), 4},
		{"four each can: 2 of 70 orders", []float64{1, 2, 3, 4}, []float64{6, 7, 8, 9}, 2.0 / 70, 0},
		{"two can differ from eight: 2 of 45 orders", []float64{1, 2}, []float64{3, 4, 5, 6, 7, 8, 9, 10}, 2.0 / 45, 0},
		{"interleaved ones do not", []float64{1, 3, 5, 7}, []float64{2, 4, 6, 8}, 48.0 / 70, 0},
		{"equal ones do not", []float64{0, 0, 0, 0}, []float64{0, 0, 0, 0}, 1, 0},
		{"what has no end ranks above all that has", []float64{1, 2, 3, 4}, []float64{inf, inf, inf, inf}, 2.0 / 70, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := Ranks(tt.a, tt.b)
			if r.Needs != tt.needs || r.N1 != len(tt.a) || r.N2 != len(tt.b) || math.IsNaN(r.P) != math.IsNaN(tt.p) || math.Abs(r.P-tt.p) > 1e-9 {
				t.Errorf("%+v, want p %v, needs %d", r, tt.p, tt.needs)
			}
			if r.Differ() != (tt.p <= Alpha) {
				t.Errorf("differ is %v at p %v", r.Differ(), r.P)
			}
		})
	}
}

func TestACenterHasItsIntervalFromSixSamplesOn(t *testing.T) {
	tests := []struct {
		name           string
		samples        []float64
		median, lo, hi float64
		needs          int
	}{
		{"none", nil, math.NaN(), math.NaN(), math.NaN(), 6},
		{"one is its own median", []float64{7}, 7, math.Inf(-1), math.Inf(1), 6},
		{"five are one too few", []float64{5, 1, 2, 4, 3}, 3, math.Inf(-1), math.Inf(1), 6},
		{"six reach from the least to the greatest", []float64{60, 10, 20, 40, 50, 30}, 35, 10, 60, 0},
		{"of ten the outer ones are left out", []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 1000}, 5.5, 2, 9, 0},
	}
	same := func(x, y float64) bool { return x == y || math.IsNaN(x) && math.IsNaN(y) }
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			before := slices.Clone(tt.samples)
			c := CenterOf(tt.samples)
			if !same(c.Median, tt.median) || !same(c.Lo, tt.lo) || !same(c.Hi, tt.hi) || c.Needs != tt.needs || c.N != len(tt.samples) {
				t.Errorf("%+v, want %v (%v to %v), needs %d", c, tt.median, tt.lo, tt.hi, tt.needs)
			}
			if c.Needs == 0 && c.Confidence < 0.95 {
				t.Errorf("the interval holds with %v", c.Confidence)
			}
			if !slices.Equal(before, tt.samples) {
				t.Error("the caller's samples were sorted")
			}
		})
	}
}

func TestRanksAreTheSameWhicheverSideIsFirst(t *testing.T) {
	values := rapid.SliceOfN(rapid.Map(rapid.IntRange(-9, 9), func(v int) float64 { return float64(v) }), 0, 12)
	rapid.Check(t, func(t *rapid.T) {
		a, b := values.Draw(t, "a"), values.Draw(t, "b")
		x, y := Ranks(a, b), Ranks(b, a)
		if x.Needs != y.Needs || math.IsNaN(x.P) != math.IsNaN(y.P) || math.Abs(x.P-y.P) > 1e-9 {
			t.Fatalf("%+v one way, %+v the other", x, y)
		}
		if x.Needs == 0 && (x.P < leastP(len(a), len(b))-1e-9 || x.P > 1) {
			t.Fatalf("p is %v, and the furthest apart are %v", x.P, leastP(len(a), len(b)))
		}
		// Ranks do not change with a scale that keeps the order.
		grow := func(list []float64) []float64 {
			list = slices.Clone(list)
			for i, v := range list {
				list[i] = math.Exp(v)
			}
			return list
		}
		if z := Ranks(grow(a), grow(b)); z.Needs == 0 && math.Abs(z.P-x.P) > 1e-9 {
			t.Fatalf("%v, on another scale %v", x.P, z.P)
		}
	})
}

// permuted is the P of a rank test by its definition: of all ways to deal the values to two samples of these sizes, twice the
// share that is as far from the middle as the one seen, to the side on which that lies. Where values are equal that can be more
// than half of them all, and P is 1.
func permuted(a, b []float64) float64 {
	all := slices.Concat(a, b)
	u := func(x, y []float64) (u float64) {
		for _, v := range x {
			for _, w := range y {
				switch {
				case v > w:
					u++
				case v == w:
					u += 0.5
				}
			}
		}
		return u
	}
	seen := u(a, b)
	low, high, n := 0, 0, 0
	for set := range 1 << len(all) {
		var x, y []float64
		for i, v := range all {
			if set>>i&1 == 1 {
				x = append(x, v)
			} else {
				y = append(y, v)
			}
		}
		if len(x) != len(a) {
			continue
		}
		n++
		if v := u(x, y); v <= seen {
			low++
		}
		if v := u(x, y); v >= seen {
			high++
		}
	}
	switch middle := float64(len(a)*len(b)) / 2; {
	case seen < middle:
		return min(1, 2*float64(low)/float64(n))
	case seen > middle:
		return min(1, 2*float64(high)/float64(n))
	}
	return 1
}

func TestRanksAgreeWithEveryWayToDealTheValues(t *testing.T) {
	values := rapid.SliceOfN(rapid.Map(rapid.IntRange(0, 5), func(v int) float64 { return float64(v) }), 2, 6)
	rapid.Check(t, func(t *rapid.T) {
		a, b := values.Draw(t, "a"), values.Draw(t, "b")
		r := Ranks(a, b)
		if want := permuted(a, b); r.Needs == 0 && math.Abs(r.P-want) > 1e-9 {
			t.Fatalf("%v, want %v", r.P, want)
		}
	})
}

func TestRanksNearTheMiddleOfEqualValuesAreNoDifference(t *testing.T) {
	a, b := []float64{0, 0, 0, 4, 5, 5}, []float64{0, 1, 1, 4, 4}
	if r := Ranks(a, b); r.P != 1 || permuted(a, b) != 1 {
		t.Errorf("%v, and of every way to deal them %v", r.P, permuted(a, b))
	}
}

func TestAnIntervalHasTwoEndsWheneverThereAreEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := rapid.SliceOfN(rapid.Float64Range(-1e12, 1e12), 6, 60).Draw(t, "samples")
		c := CenterOf(samples)
		if math.IsInf(c.Lo, 0) || math.IsInf(c.Hi, 0) || c.Lo > c.Median || c.Median > c.Hi || c.Needs != 0 {
			t.Fatalf("%+v", c)
		}
	})
}

// Of samples that differ by chance alone no more than Alpha are called different.
func TestChanceAloneIsSeldomCalledADifference(t *testing.T) {
	for _, n := range []int{4, 6, 10} {
		// Every order of n and n distinct ranks is as likely as any other: counting all of them is exact. 10 against 10 has
		// 184,756, of which every 17th is looked at.
		differ, all, step := 0, 0, 1
		if n == 10 {
			step = 17
		}
		orders := 0
		for set := range 1 << (2 * n) {
			var a, b []float64
			for rank := range 2 * n {
				if set>>rank&1 == 1 {
					a = append(a, float64(rank))
				} else {
					b = append(b, float64(rank))
				}
				if len(a) > n || len(b) > n {
					break
				}
			}
			if len(a) != n || len(b) != n {
				continue
			}
			if orders++; orders%step != 0 {
				continue
			}
			all++
			if Ranks(a, b).Differ() {
				differ++
			}
		}
		if share := float64(differ) / float64(all); share > Alpha+0.005 || share < 0.02 {
			t.Errorf("%d against %d: %v of %d orders differ", n, n, share, all)
		}
	}
}
