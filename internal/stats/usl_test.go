package stats

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestFitFindsTheLawThatMadeThePoints(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		law := USL{
			Gamma: rapid.Float64Range(0.5, 500).Draw(t, "gamma"),
			Sigma: rapid.Float64Range(0, 0.5).Draw(t, "sigma"),
			Kappa: rapid.Float64Range(0, 0.01).Draw(t, "kappa"),
		}
		var points []ScalePoint
		for n := 1.0; n <= 64; n *= 1.5 {
			points = append(points, ScalePoint{n, law.At(n)})
		}
		got, err := FitUSL(points)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range points {
			if math.Abs(got.At(p.N)-p.X) > 1e-4*p.X {
				t.Fatalf("at %v: %v, want %v (%+v of %+v)", p.N, got.At(p.N), p.X, got, law)
			}
		}
	})
}

func TestFitKeepsCoefficientsAtZeroOrAboveWhateverTheNoise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		points := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) ScalePoint {
			return ScalePoint{rapid.Float64Range(0.1, 200).Draw(t, "n"), rapid.Float64Range(0.1, 1000).Draw(t, "x")}
		}), 5, 30).Draw(t, "points")
		u, err := FitUSL(points)
		if err != nil {
			return // too few different ones
		}
		if !(u.Gamma > 0) || u.Sigma < 0 || u.Kappa < 0 {
			t.Fatalf("%+v", u)
		}
		for _, p := range points {
			if x := u.At(p.N); !(x > 0) || math.IsInf(x, 0) {
				t.Fatalf("%+v is %v at %v, where it was measured", u, x, p.N)
			}
		}
	})
}

func TestFitSaysWhatItLacks(t *testing.T) {
	for _, test := range []struct {
		name   string
		points []ScalePoint
		want   string
	}{
		{"four points", []ScalePoint{{1, 1}, {2, 2}, {3, 3}, {4, 4}}, "needs 5 measurements at 4 different concurrencies, there are 4 at 4"},
		{"five at three loads", []ScalePoint{{1, 1}, {1.01, 1}, {2, 2}, {4, 3}, {4.1, 3}}, "there are 5 at 3"},
		{"nothing was finished", []ScalePoint{{1, 1}, {2, 2}, {3, 3}, {4, 4}, {5, 0}}, "above 0, got 5 and 0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := FitUSL(test.points); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestPeakIsTheHighestPoint(t *testing.T) {
	u := USL{Gamma: 10, Sigma: 0.05, Kappa: 0.001}
	n := u.Peak()
	if u.At(n) < u.At(n*1.01) || u.At(n) < u.At(n*0.99) {
		t.Errorf("%v is not the peak of %+v", n, u)
	}
	if !math.IsInf(USL{Gamma: 1, Sigma: 0.5}.Peak(), 1) {
		t.Error("a curve that never falls has a peak")
	}
}

func TestBandHoldsTheLawAsOftenAsItSays(t *testing.T) {
	law := USL{Gamma: 10, Sigma: 0.03, Kappa: 0.0005}
	held, all := 0, 0
	for seed := range uint64(60) {
		chance := rand.New(rand.NewPCG(seed, 1))
		var points []ScalePoint
		for n := 1.0; n <= 60; n *= 1.25 {
			points = append(points, ScalePoint{n, law.At(n) * (1 + 0.03*chance.NormFloat64())})
		}
		b, err := BandUSL(points, 300, 7, seed)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range b.Points {
			if all++; p.Low <= law.At(p.N) && law.At(p.N) <= p.High {
				held++
			}
			if p.Low > p.X || p.X > p.High {
				t.Errorf("the curve, %v, is outside its band %v..%v", p.X, p.Low, p.High)
			}
		}
	}
	if share := float64(held) / float64(all); share < 0.80 {
		t.Errorf("the 95 %% band held the law at %.0f %% of the places", 100*share)
	}
}

func TestBandEndsWhereMeasurementsEndAndIsTheSameAgain(t *testing.T) {
	points := []ScalePoint{{2, 19}, {4, 36}, {8, 65}, {16, 100}, {32, 120}, {40, 122}}
	a, err := BandUSL(points, 200, 9, 7)
	if err != nil {
		t.Fatal(err)
	}
	if a.From != 2 || a.To != 40 || a.Points[0].N != 2 || a.Points[8].N != 40 || len(a.Points) != 9 {
		t.Errorf("from %v to %v, %d points", a.From, a.To, len(a.Points))
	}
	b, err := BandUSL(points, 200, 9, 7)
	if err != nil || b.Points[3] != a.Points[3] || b.SigmaTop != a.SigmaTop {
		t.Errorf("another band from the same seed: %v %v %v", b, a, err)
	}
}
