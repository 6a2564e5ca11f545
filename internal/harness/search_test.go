package harness

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/reports"
)

// A known service carries so much: a trial passes up to it, with noise in a measure of its load.
type known struct {
	capacity float64
	noise    float64 // standard deviation, as a share
	chance   *rand.Rand
	trials   []string
	loads    []int
}

func (k *known) trial(_ context.Context, step string, load int) (string, error) {
	k.trials, k.loads = append(k.trials, step), append(k.loads, load)
	felt := float64(load)
	if k.noise > 0 {
		felt *= 1 + k.noise*k.chance.NormFloat64()
	}
	switch {
	case felt <= k.capacity:
		return reports.TrialPassed, nil
	case k.noise > 0 && felt > 1.2*k.capacity:
		return hopeless, nil
	}
	return reports.TrialFailed, nil
}

func methods(trial func(context.Context, string, int) (string, error)) *search {
	return &search{start: 600, growth: 1.5, resolution: 0.03, majority: 3, need: 4, of: 5, trial: trial}
}

func TestAnswerIsWithinTheResolutionOfAServiceWithoutNoise(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := &known{capacity: rapid.Float64Range(70, 60_000).Draw(t, "capacity")}
		f, err := methods(k.trial).run(t.Context())
		if err != nil || !f.confirmed {
			t.Fatalf("%+v, %v", f, err)
		}
		if float64(f.lower) > k.capacity || float64(f.upper) <= k.capacity {
			t.Fatalf("%v is not between %d and %d", k.capacity, f.lower, f.upper)
		}
		if float64(f.upper) > float64(f.lower)*1.03+1 {
			t.Fatalf("%d to %d is wider than 3 %%", f.lower, f.upper)
		}
	})
}

func TestAnswerIsWithinATenthOfANoisyService(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := &known{
			capacity: rapid.Float64Range(300, 20_000).Draw(t, "capacity"), noise: 0.03,
			chance: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)),
		}
		f, err := methods(k.trial).run(t.Context())
		if err != nil || !f.confirmed {
			t.Fatalf("%+v, %v", f, err)
		}
		if off := math.Abs(float64(f.lower)/k.capacity - 1); off > 0.10 {
			t.Fatalf("%d is %.0f %% off %v", f.lower, 100*off, k.capacity)
		}
	})
}

func TestMoreCapacityNeverMeansASmallerAnswer(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		less := rapid.Float64Range(100, 20_000).Draw(t, "less")
		more := less * rapid.Float64Range(1, 3).Draw(t, "times")
		a, _ := methods((&known{capacity: less}).trial).run(t.Context())
		b, _ := methods((&known{capacity: more}).trial).run(t.Context())
		if b.lower < a.lower {
			t.Fatalf("%v carries %d, and %v carries %d", less, a.lower, more, b.lower)
		}
	})
}

func TestBudgetIsNeverPassedAndWhatWasFoundIsTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		k := &known{capacity: rapid.Float64Range(100, 20_000).Draw(t, "capacity")}
		budget := rapid.IntRange(0, 40).Draw(t, "budget")
		s := methods(k.trial)
		s.afford = func(n, _ int) bool { return len(k.trials)+n <= budget }
		f, err := s.run(t.Context())
		if err != nil || len(k.trials) > budget {
			t.Fatalf("%d trials of %d, %v", len(k.trials), budget, err)
		}
		if f.lower > 0 && float64(f.lower) > k.capacity {
			t.Fatalf("%d passed, and %v is the capacity", f.lower, k.capacity)
		}
		full := *k
		full.trials = nil
		whole, _ := methods(full.trial).run(t.Context())
		if room := 10; budget >= len(full.trials)+room && (!f.confirmed || f.lower != whole.lower) { // a bound may be refused
			t.Fatalf("%d trials are enough for %+v, got %+v", len(full.trials), whole, f)
		}
		if f.confirmed && !slices.Contains(k.trials, stepConfirm) {
			t.Fatal("confirmed without a trial")
		}
	})
}

// A quarter of an hour has room for about 26 trials, and the outcome of one near the capacity is chance.
func TestNoisySearchesOfOneServiceAgreeWithinTheirBudget(t *testing.T) {
	const searches = 400
	confirmed, near := 0, 0
	for seed := range uint64(searches) {
		chance := rand.New(rand.NewPCG(seed, 2))
		k := &known{capacity: 600 * math.Pow(1.5, 1+6*chance.Float64()), noise: 0.03, chance: chance}
		s := methods(k.trial)
		s.afford = func(n, _ int) bool { return len(k.trials)+n <= 26 }
		f, err := s.run(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if f.confirmed {
			confirmed++
			if math.Abs(float64(f.lower)/k.capacity-1) <= 0.10 {
				near++
			}
		}
	}
	if confirmed < searches*95/100 || near < confirmed*95/100 {
		t.Errorf("%d of %d searches were confirmed, %d of them within 10 %%", confirmed, searches, near)
	}
}

func TestBudgetKeepsTheConfirmationAndGivesUpNarrowness(t *testing.T) {
	k := &known{capacity: 5000}
	s := methods(k.trial)
	s.afford = func(n, _ int) bool { return len(k.trials)+n <= 16 }
	f, err := s.run(t.Context())
	if err != nil || !f.confirmed || f.stopped != outOfBudget || f.lower > 5000 || f.lower < 3000 {
		t.Errorf("%+v, %v after %v", f, err, k.trials)
	}
}

func TestServiceThatDoesNotCarryItsOwnFleetIsSearchedBelow(t *testing.T) {
	k := &known{capacity: 210}
	f, err := methods(k.trial).run(t.Context())
	if err != nil || !f.confirmed || f.lower > 210 || f.lower < 200 {
		t.Errorf("%+v, %v", f, err)
	}
}

// The trial that proved nothing is played once more, and then it is one of the majority.
func TestNothingIsTriedBelowALoadThatCouldNotBeOffered(t *testing.T) {
	s := methods(nil)
	var loads []int
	s.trial = func(_ context.Context, _ string, load int) (string, error) {
		loads = append(loads, load)
		return reports.TrialInvalid, nil
	}
	f, err := s.run(t.Context())
	if err != nil || f.lower != 0 || f.confirmed || !slices.Equal(loads, []int{600, 600, 600}) {
		t.Errorf("%+v, %v after %v", f, err, loads)
	}
}

func TestServiceThatCarriesNothingHasNoAnswer(t *testing.T) {
	f, err := methods((&known{capacity: 0.5}).trial).run(t.Context())
	if err != nil || f.lower != 0 || f.confirmed {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestNothingIsTriedBelowTheFloor(t *testing.T) {
	k := &known{capacity: 0.5}
	s := methods(k.trial)
	s.floor = 100
	if f, err := s.run(t.Context()); err != nil || f.lower != 0 || slices.Min(k.loads) < 100 {
		t.Errorf("%+v, %v: %v", f, err, k.loads)
	}
}

func TestCeilingIsTriedAndNotPassed(t *testing.T) {
	k := &known{capacity: 1e9}
	s := methods(k.trial)
	s.ceiling = 5000
	f, err := s.run(t.Context())
	if err != nil || f.lower != 5000 || f.upper != 0 || !f.confirmed {
		t.Errorf("%+v, %v", f, err)
	}
	if top := slices.Max(k.loads); top > 5000 {
		t.Errorf("%d machines were tried", top)
	}
}

func TestOneUnluckyTrialOfTheRampDoesNotEndIt(t *testing.T) {
	k := &known{capacity: 3000}
	s := methods(nil)
	s.trial = func(ctx context.Context, step string, load int) (string, error) {
		o, err := k.trial(ctx, step, load)
		if load == 900 && len(k.loads) == 2 {
			return reports.TrialInvalid, err
		}
		return o, err
	}
	f, err := s.run(t.Context())
	if err != nil || f.lower < 2900 || f.lower > 3000 {
		t.Errorf("%+v, %v", f, err)
	}
}

func TestLowerBoundThatIsNotConfirmedGivesWay(t *testing.T) {
	k := &known{capacity: 3000}
	s := methods(nil)
	refused := 0
	s.trial = func(ctx context.Context, step string, load int) (string, error) {
		o, err := k.trial(ctx, step, load)
		if step == stepConfirm && load > 2700 {
			refused++
			return reports.TrialFailed, err
		}
		return o, err
	}
	f, err := s.run(t.Context())
	if err != nil || !f.confirmed || f.lower > 2700 || f.lower < 2550 || refused == 0 {
		t.Errorf("%+v, %v, %d refused", f, err, refused)
	}
}

func TestThreeOfFiveRefuseALoadForGood(t *testing.T) {
	k := &known{capacity: 3000}
	s := methods(nil)
	confirming := map[int]int{}
	s.trial = func(ctx context.Context, step string, load int) (string, error) {
		o, err := k.trial(ctx, step, load)
		if step == stepConfirm {
			if confirming[load]++; confirming[load] > 5 {
				return "", errors.New("confirmed again and again")
			}
			if load > 2700 && confirming[load] > 3 {
				return reports.TrialFailed, err
			}
		}
		return o, err
	}
	f, err := s.run(t.Context())
	if err != nil || !f.confirmed || f.lower > 2700 {
		t.Errorf("%+v, %v: %v", f, err, confirming)
	}
}

// Narrowing has its last five trials at the middle: one of them proves nothing and is played again, one fails, and no time is left for the
// fourth that passes.
func TestAConfirmedLoadIsNotGivenUpForOneWhoseConfirmationHadNoTimeToEnd(t *testing.T) {
	k := &known{capacity: 6000}
	left := 1 << 30
	s := methods(nil)
	s.trial = func(ctx context.Context, step string, load int) (string, error) {
		outcome, err := k.trial(ctx, step, load)
		switch left--; left {
		case 4:
			return reports.TrialInvalid, err
		case 3:
			return reports.TrialFailed, err
		}
		return outcome, err
	}
	s.afford = func(n, _ int) bool {
		if n == s.majority+2*s.of {
			return false // no bisection
		}
		return n <= left
	}
	// The budget is what the confirmation of the middle would take, from where it begins.
	first := -1
	inner := s.trial
	s.trial = func(ctx context.Context, step string, load int) (string, error) {
		switch {
		case step == stepConfirm && first < 0:
			first = load
		case step == stepConfirm && load != first && left > s.of:
			left = s.of
		}
		return inner(ctx, step, load)
	}
	f, err := s.run(t.Context())
	if err != nil || left != 0 || f.lower != first || !f.confirmed {
		t.Errorf("%+v, %v, with %d trials left; %d was confirmed", f, err, left, first)
	}
	if last := k.loads[len(k.loads)-1]; last <= first || f.upper <= last {
		t.Errorf("the last trial was of %d, above %d and below %d", last, first, f.upper)
	}
}

func TestErrorOfATrialEndsTheSearchWithWhatIsKnown(t *testing.T) {
	k := &known{capacity: 3000}
	s := methods(nil)
	broken := errors.New("broken")
	s.trial = func(ctx context.Context, step string, load int) (string, error) {
		if len(k.trials) == 3 {
			return "", broken
		}
		return k.trial(ctx, step, load)
	}
	f, err := s.run(t.Context())
	if !errors.Is(err, broken) || f.lower != 1350 {
		t.Errorf("%+v, %v", f, err)
	}
}
