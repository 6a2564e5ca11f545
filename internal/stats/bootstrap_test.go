package stats

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Distributions whose median is known.
var knownMedians = []struct {
	name   string
	draw   func(*rand.Rand) float64
	median float64
}{
	{"normal", func(r *rand.Rand) float64 { return r.NormFloat64() }, 0},
	{"exponential, skewed", func(r *rand.Rand) float64 { return r.ExpFloat64() }, math.Ln2},
	{"lognormal, as times are", func(r *rand.Rand) float64 { return math.Exp(r.NormFloat64()) }, 1},
	{"heavy in both tails", func(r *rand.Rand) float64 { return r.NormFloat64() / math.Sqrt(r.ExpFloat64()) }, 0},
}

// The doc comment of BootstrapMedian gives these figures.
func TestTheIntervalHoldsTheTrueMedianAboutAsOftenAsItSays(t *testing.T) {
	const trials = 1000
	for _, d := range knownMedians {
		for _, c := range []struct {
			n        int
			from, to float64
		}{{6, 0.90, 0.97}, {7, 0.82, 0.91}, {10, 0.90, 0.97}, {20, 0.91, 0.97}} {
			r := rand.New(rand.NewPCG(7, uint64(c.n)))
			held := 0
			for range trials {
				samples := make([]float64, c.n)
				for k := range samples {
					samples[k] = d.draw(r)
				}
				interval, err := BootstrapMedian(samples, 0.95)
				if err != nil {
					t.Fatal(err)
				}
				if interval.Holds(d.median) {
					held++
				}
			}
			if share := float64(held) / trials; share < c.from || share > c.to {
				t.Errorf("%s, %d samples: the interval holds the median in %.1f %% of the trials, want %v to %v", d.name, c.n, 100*share, c.from, c.to)
			}
		}
	}
}

func TestFourTimesTheSamplesHalveTheInterval(t *testing.T) {
	width := func(n int) float64 {
		r := rand.New(rand.NewPCG(3, 3))
		sum := 0.0
		const trials = 200
		for range trials {
			samples := make([]float64, n)
			for k := range samples {
				samples[k] = r.NormFloat64()
			}
			interval, err := BootstrapMedian(samples, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			sum += (interval.High - interval.Low) / trials
		}
		return sum
	}
	if ratio := width(10) / width(40); ratio < 1.6 || ratio > 2.4 {
		t.Errorf("10 samples give an interval %.2f times as wide as 40, want about 2", ratio)
	}
}

func TestTheIntervalIsOfItsSamples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		samples := rapid.SliceOfN(rapid.Float64Range(-1e6, 1e6), 6, 40).Draw(t, "samples")
		seed := rapid.Uint64().Draw(t, "seed")
		before := slices.Clone(samples)
		got, err := BootstrapMedian(samples, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(samples, before) {
			t.Fatal("the samples were moved")
		}
		sorted := slices.Sorted(slices.Values(samples))
		if got.Low > got.Median || got.Median > got.High || got.Low < sorted[0] || got.High > sorted[len(sorted)-1] {
			t.Fatalf("%+v of %v", got, sorted)
		}
		if got.Median != MedianOf(sorted) || got.N != len(samples) {
			t.Fatalf("%+v of %v", got, sorted)
		}
		shuffled := slices.Clone(samples)
		rand.New(rand.NewPCG(seed, 1)).Shuffle(len(shuffled), func(i, k int) { shuffled[i], shuffled[k] = shuffled[k], shuffled[i] })
		if again, _ := BootstrapMedian(shuffled, 0.95); again != got {
			t.Fatalf("in another order they give %+v, not %+v", again, got)
		}
		moved := make([]float64, len(samples))
		for i, v := range samples {
			moved[i] = 4 * v // exact in binary
		}
		if again, _ := BootstrapMedian(moved, 0.95); again.Low != 4*got.Low || again.High != 4*got.High {
			t.Fatalf("four times as large they give %+v, not four times %+v", again, got)
		}
	})
}

// Of n samples 1 to n the bounds of the median are about sqrt(n) ranks from the middle: 1.96 standard deviations of half a sqrt(n).
func TestTheIntervalOfThousandsOfSamplesIsNarrow(t *testing.T) {
	for _, n := range []int{1000, 1001, 1040, 2000} {
		samples := make([]float64, n)
		for i := range samples {
			samples[i] = float64(i + 1)
		}
		got, err := BootstrapMedian(samples, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if wide := (got.High - got.Low) / 2 / math.Sqrt(float64(n)); !(wide > 0.93 && wide < 1.03) {
			t.Errorf("%d samples: %v to %v, %.3f sqrt(n) to either side, want 0.98", n, got.Low, got.High, wide)
		}
	}
}

// The bounds are written down rather than drawn; drawing them must come to the same.
func TestDrawingAgainAndAgainTendsToTheBounds(t *testing.T) {
	const draws = 20_000
	for _, n := range []int{6, 7, 10, 15, 20, 40} {
		r := rand.New(rand.NewPCG(11, uint64(n)))
		samples := make([]float64, n)
		for i := range samples {
			samples[i] = r.ExpFloat64()
		}
		got, err := BootstrapMedian(samples, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		below, upTo, from, above := 0, 0, 0, 0
		drawn := make([]float64, n)
		for range draws {
			for i := range drawn {
				drawn[i] = samples[r.IntN(n)]
			}
			slices.Sort(drawn)
			m := MedianOf(drawn)
			below, upTo = below+count(m < got.Low), upTo+count(m <= got.Low)
			from, above = from+count(m >= got.High), above+count(m > got.High)
		}
		// Less than a fortieth lies beyond each bound, and no less than that with the bound's own share; but for chance.
		const fortieth, chance = draws / 40, 70
		if below > fortieth+chance || above > fortieth+chance || upTo < fortieth-chance || from < fortieth-chance {
			t.Errorf("%d samples: of %d resampled medians %d lie below the interval, %d up to its foot, %d from its top, %d above; a fortieth is %d",
				n, draws, below, upTo, from, above, fortieth)
		}
	}
}

func count(so bool) int {
	if so {
		return 1
	}
	return 0
}

func TestTheSharesOfTheResampledMediansAreAll(t *testing.T) {
	for n := 1; n <= 60; n++ {
		sorted := make([]float64, n)
		for i := range sorted {
			sorted[i] = float64(i * i)
		}
		sum := 0.0
		for _, m := range resampledMedians(sorted) {
			sum += m.share
		}
		if math.Abs(sum-1) > 1e-9 {
			t.Errorf("%d samples: the shares come to %v", n, sum)
		}
	}
}

func TestInfinitiesAreBeyondEverySample(t *testing.T) {
	inf := math.Inf(1)
	few, err := BootstrapMedian([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, inf}, 0.95)
	if err != nil || few.Median != 5.5 || math.IsInf(few.Low, 0) || math.IsNaN(few.High) {
		t.Errorf("one of ten that did not end: %+v, %v", few, err)
	}
	most, err := BootstrapMedian([]float64{1, inf, inf, inf, inf, inf, inf, inf, inf, inf}, 0.95)
	if err != nil || !math.IsInf(most.Low, 1) || !math.IsInf(most.Median, 1) || !math.IsInf(most.High, 1) {
		t.Errorf("nine of ten that did not end: %+v, %v", most, err)
	}
	both, err := BootstrapMedian([]float64{-inf, -inf, -inf, inf, inf, inf}, 0.95)
	if err != nil || !math.IsInf(both.Low, -1) || !math.IsInf(both.High, 1) || math.IsNaN(both.Median) {
		t.Errorf("both infinities: %+v, %v", both, err)
	}
	first, err := BootstrapMedian([]float64{-inf, 1, 2, 3, 4, 5, 6, 7, 8, 9}, 0.95)
	if err != nil || first.Median != 4.5 || math.IsNaN(first.Low) || math.IsInf(first.High, 0) {
		t.Errorf("one of ten that is below every bound: %+v, %v", first, err)
	}
	half, err := BootstrapMedian([]float64{-inf, -inf, -inf, -inf, -inf, 1, 2, 3, 4, 5}, 0.95)
	if err != nil || !math.IsInf(half.Low, -1) || !math.IsInf(half.Median, -1) || !(half.High > 1 && half.High <= 5) {
		t.Errorf("half of them are: %+v, %v", half, err)
	}
}

// What is true of the samples is true of them turned round, with infinities of one side or without.
func TestTurnedRoundSamplesTurnTheirInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		infinity := math.Inf(rapid.SampledFrom([]int{1, -1}).Draw(t, "side"))
		samples := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(-9, 9), rapid.Just(infinity)), 6, 20).Draw(t, "samples")
		turned := make([]float64, len(samples))
		for i, v := range samples {
			turned[i] = -v
		}
		got, err := BootstrapMedian(samples, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		back, err := BootstrapMedian(turned, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		near := func(a, b float64) bool { return a == b || math.Abs(a-b) < 1e-9 }
		if !near(got.Low, -back.High) || !near(got.High, -back.Low) || math.IsNaN(got.Median) || !(got.Low <= got.Median && got.Median <= got.High) {
			t.Fatalf("%v give %+v, turned round %+v", samples, got, back)
		}
	})
}

func TestWhatHasNoIntervalIsRefused(t *testing.T) {
	tests := []struct {
		name    string
		level   float64
		samples []float64
		want    string
	}{
		{"too few samples", 0.95, make([]float64, 5), "5 samples are too few for the 95 % interval of a median: it needs 6"},
		{"none", 0.95, nil, "it needs 6"},
		{"a higher level needs more", 0.99, make([]float64, 7), "it needs 8"},
		{"no number", 0.95, []float64{1, 2, 3, math.NaN(), 5, 6}, "one of 6 samples is no number"},
		{"no level", 1.5, make([]float64, 9), "it is between 0 and 1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := BootstrapMedian(tt.samples, tt.level); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%+v, %v; want %q", got, err, tt.want)
			}
		})
	}
}

func TestLogRatiosOfPairs(t *testing.T) {
	d, err := LogRatios([]float64{1, 2, 10}, []float64{2, 1, math.Inf(1)})
	if err != nil || math.Abs(d[0]-math.Ln2) > 1e-15 || d[0] != -d[1] || !math.IsInf(d[2], 1) {
		t.Errorf("%v, %v", d, err)
	}
	for _, bad := range [][2][]float64{
		{{1, 2}, {1}}, {{0}, {1}}, {{1}, {0}}, {{-1}, {1}}, {{math.NaN()}, {1}}, {{math.Inf(1)}, {math.Inf(1)}},
	} {
		if got, err := LogRatios(bad[0], bad[1]); err == nil {
			t.Errorf("%v give %v", bad, got)
		}
	}
}

func TestSignFlip(t *testing.T) {
	tests := []struct {
		name        string
		differences []float64
		want        float64
	}{
		{"of no pairs nothing is known", nil, 1},
		{"all on one side is one way in 2^n, and its mirror", []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 2.0 / 1024},
		{"which side does not matter", []float64{-1, -2, -3, -4, -5, -6, -7, -8, -9, -10}, 2.0 / 1024},
		{"as much on both sides is no difference", []float64{1, -1, 2, -2, 3, -3}, 1},
		{"two against one", []float64{1, 1, -1}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := SignFlip(tt.differences, 1); math.Abs(got-tt.want) > 1e-12 {
				t.Errorf("p = %v, want %v", got, tt.want)
			}
		})
	}
}

// A test whose hypothesis is true gives every p-value as often as it says.
func TestSignFlipAlarmsAsOftenAsItSays(t *testing.T) {
	for _, n := range []int{10, 20, 70} {
		r := rand.New(rand.NewPCG(5, uint64(n)))
		const trials = 200
		alarms := 0
		for i := range trials {
			d := make([]float64, n)
			for k := range d {
				d[k] = r.NormFloat64() / math.Sqrt(r.ExpFloat64())
			}
			if SignFlip(d, uint64(i)) <= 0.1 {
				alarms++
			}
		}
		if share := float64(alarms) / trials; share < 0.05 || share > 0.16 {
			t.Errorf("%d differences without a cause: p <= 0.1 in %.1f %% of the trials", n, 100*share)
		}
	}
}
