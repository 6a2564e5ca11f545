package scenarios

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

func clock(text string) TimeOfDay {
	t, err := ParseTimeOfDay(text)
	if err != nil {
		panic(err)
	}
	return t
}

func TestCurveHasTheCornersOfItsPeaks(t *testing.T) {
	const minute = time.Minute
	tests := []struct {
		name  string
		speed float64
		peaks []Peak
		want  Curve
	}{{
		name: "without peaks it is flat",
		want: Curve{{0, 1}, {60 * minute, 1}},
	}, {
		name:  "compression shortens the day and leaves the rate",
		speed: 60,
		want:  Curve{{0, 1}, {minute, 1}},
	}, {
		name:  "a peak rises and falls within its times",
		peaks: []Peak{{clock("11:10"), clock("11:40"), 6, 5 * minute}},
		want:  Curve{{0, 1}, {10 * minute, 1}, {15 * minute, 6}, {35 * minute, 6}, {40 * minute, 1}, {60 * minute, 1}},
	}, {
		name:  "a peak without a ramp jumps: two knots at one moment",
		peaks: []Peak{{clock("11:10"), clock("11:40"), 6, 0}},
		want:  Curve{{0, 1}, {10 * minute, 1}, {10 * minute, 6}, {40 * minute, 6}, {40 * minute, 1}, {60 * minute, 1}},
	}, {
		name:  "a peak that began before the clock is cut",
		peaks: []Peak{{clock("10:30"), clock("11:10"), 3, 0}},
		want:  Curve{{0, 3}, {10 * minute, 3}, {10 * minute, 1}, {60 * minute, 1}},
	}, {
		name:  "a ramp that is cut begins halfway",
		peaks: []Peak{{clock("10:55"), clock("11:40"), 3, 10 * minute}},
		want:  Curve{{0, 2}, {5 * minute, 3}, {30 * minute, 3}, {40 * minute, 1}, {60 * minute, 1}},
	}, {
		name:  "overlapping peaks add what each has more than the base",
		peaks: []Peak{{clock("11:10"), clock("11:40"), 6, 0}, {clock("11:20"), clock("11:30"), 3, 0}},
		want: Curve{
			{0, 1},
			{10 * minute, 1},
			{10 * minute, 6},
			{20 * minute, 6},
			{20 * minute, 8},
			{30 * minute, 8},
			{30 * minute, 6},
			{40 * minute, 6},
			{40 * minute, 1},
			{60 * minute, 1},
		},
	}, {
		name:  "a lull is a peak below one",
		peaks: []Peak{{clock("11:10"), clock("11:40"), 0.5, 0}},
		want:  Curve{{0, 1}, {10 * minute, 1}, {10 * minute, 0.5}, {40 * minute, 0.5}, {40 * minute, 1}, {60 * minute, 1}},
	}, {
		name:  "a peak that meets the clock's ends makes no knots of its own",
		peaks: []Peak{{clock("11:00"), clock("12:00"), 2, 0}},
		want:  Curve{{0, 2}, {60 * minute, 2}},
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := defaults()
			s.Clock = Clock{clock("11:00"), clock("12:00"), max(tt.speed, 1)}
			s.Fleet.Machines, s.Demand.PerMachineHour = 600, 6
			s.Demand.Peaks = tt.peaks
			if diff := cmp.Diff(tt.want, s.Curve(), cmpopts.EquateApprox(0, 1e-12)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// anyScenario draws clock and demand; everything else is of no matter to a curve.
func anyScenario(t *rapid.T) Scenario {
	s := defaults()
	minutes := func(label string, low, high int) TimeOfDay {
		return TimeOfDay(time.Duration(rapid.IntRange(low, high).Draw(t, label)) * time.Minute)
	}
	s.Clock.From = minutes("from", 0, 1439)
	s.Clock.To = s.Clock.From + minutes("span", 1, 1440)
	s.Clock.Speed = rapid.Float64Range(1, 500).Draw(t, "speed")
	s.Fleet.Machines = rapid.IntRange(1, 1000).Draw(t, "machines")
	s.Demand.PerMachineHour = rapid.Float64Range(0.1, 100).Draw(t, "per hour")
	for range rapid.IntRange(0, 4).Draw(t, "peaks") {
		from := minutes("peak from", 0, 2000)
		span := minutes("peak span", 1, 600)
		ramp := rapid.IntRange(0, int(time.Duration(span)/time.Second)/2).Draw(t, "ramp s")
		s.Demand.Peaks = append(s.Demand.Peaks, Peak{from, from + span, rapid.Float64Range(1, 10).Draw(t, "times"), time.Duration(ramp) * time.Second})
	}
	return s
}

func TestCurveIsWellFormed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScenario(t)
		c := s.Curve()
		if c[0].At != 0 || c[len(c)-1].At != s.Length() {
			t.Fatalf("the curve goes from %s to %s, the run from 0 to %s", c[0].At, c[len(c)-1].At, s.Length())
		}
		for i := 1; i < len(c); i++ {
			if c[i].At < c[i-1].At {
				t.Fatalf("knot %d lies before its neighbour: %v", i, c)
			}
		}
		base := float64(s.Fleet.Machines) * s.Demand.PerMachineHour / 3600
		if c.lowest() < base*(1-1e-9) {
			t.Fatalf("peaks of at least x1 bring the rate from %v to %v", base, c.lowest())
		}
	})
}

func TestCurveTotalIsTheSumOfItsRates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScenario(t)
		c := s.Curve()
		// The middle of each of many thin slices; jumps cost at most a slice each.
		const slices = 20_000
		sum, width := 0.0, s.Length()/slices
		for i := range slices {
			rate := c.Rate(time.Duration(i)*width + width/2)
			if rate > c.Max()*(1+1e-12) {
				t.Fatalf("rate %v above the maximum %v", rate, c.Max())
			}
			sum += rate * width.Seconds()
		}
		slack := c.Total()*0.001 + c.Max()*width.Seconds()*float64(2+2*len(s.Demand.Peaks))
		if math.Abs(sum-c.Total()) > slack {
			t.Fatalf("summed %v, total %v", sum, c.Total())
		}
	})
}

func TestCurveDoesNotChangeItsRateWithSpeed(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := anyScenario(t)
		slow := s
		slow.Clock.Speed = 1
		at := TimeOfDay(rapid.Int64Range(int64(s.Clock.From), int64(s.Clock.To)-1).Draw(t, "at"))
		fast, real := s.Curve(), slow.Curve()
		if math.Abs(fast.Max()-real.Max()) > 1e-9*real.Max() {
			t.Fatalf("max %v at speed %v, %v in real time", fast.Max(), s.Clock.Speed, real.Max())
		}
		// A jump may be rounded to either side of a nanosecond: then the rates on both sides of at bracket the other.
		near := func(c Curve, at time.Duration) (low, high float64) {
			a, b, d := c.Rate(max(at-time.Microsecond, 0)), c.Rate(at), c.Rate(at+time.Microsecond)
			return min(a, b, d), max(a, b, d)
		}
		low, high := near(fast, s.At(at))
		slack := real.Max() * 1e-4
		if r := real.Rate(slow.At(at)); at+TimeOfDay(time.Second) < s.Clock.To && (r < low-slack || r > high+slack) {
			t.Fatalf("rate at %s: %v..%v at speed %v, %v in real time", at, low, high, s.Clock.Speed, r)
		}
	})
}

func TestRateOutsideTheCurveIsNothing(t *testing.T) {
	c := Curve{{0, 2}, {time.Second, 2}, {time.Second, 5}, {2 * time.Second, 7}}
	for at, want := range map[time.Duration]float64{
		-1: 0, 0: 2, time.Second - 1: 2, time.Second: 5, 1500 * time.Millisecond: 6, 2 * time.Second: 7, 2*time.Second + 1: 0,
	} {
		if got := c.Rate(at); got != want {
			t.Errorf("at %s: got %v, want %v", at, got, want)
		}
	}
	if got := (Curve{}).Rate(0); got != 0 {
		t.Errorf("an empty curve has rate %v", got)
	}
}

func TestOverridesAreCheckedLikeTheFile(t *testing.T) {
	load := func() *Scenario {
		s, err := Find("peak-lunch", Known{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	tests := []struct {
		name string
		set  func(*Scenario) error
		want string
	}{
		{"real time", func(s *Scenario) error { return s.SetSpeed(1) }, ""},
		{"no speed", func(s *Scenario) error { return s.SetSpeed(0) }, "clock.speed: 0 is not between 0.01 and 10000"},
		{"a speed that is no number", func(s *Scenario) error { return s.SetSpeed(math.NaN()) }, "clock.speed: NaN is not between 0.01 and 10000"},
		{"a slower day than a day", func(s *Scenario) error { return s.SetSpeed(0.05) }, "peak-lunch: clock.speed: at speed 0.05 the run would last longer than a day"},
		{"ten machines", func(s *Scenario) error { return s.SetMachines(10) }, ""},
		{"no machine", func(s *Scenario) error { return s.SetMachines(0) }, "fleet.machines: 0 is not between 1 and 100000"},
		{"too many machines", func(s *Scenario) error { return s.SetMachines(100_001) }, "fleet.machines: 100001 is not between 1 and 100000"},
		{"no order left", func(s *Scenario) error { return s.SetMachines(1) }, "peak-lunch: demand: comes to no order at all; raise per_machine_hour or machines, or lower speed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := load()
			before := *s
			err := tt.set(s)
			if got := fmtError(err); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			if err != nil && (s.Clock != before.Clock || s.Fleet != before.Fleet) {
				t.Error("a refused override changed the scenario")
			}
		})
	}
}

func fmtError(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestTheSteepestRampIsTakenAtItsLowerEnd(t *testing.T) {
	s := func(sec int) time.Duration { return time.Duration(sec) * time.Second }
	for _, tt := range []struct {
		name  string
		curve Curve
		want  float64
		at    time.Duration
	}{
		{"up from 1 to 6 in 20 s", Curve{{s(0), 1}, {s(10), 1}, {s(30), 6}, {s(90), 6}}, 0.25, s(10)},
		{"down again, faster", Curve{{s(0), 6}, {s(10), 6}, {s(20), 1}}, 0.5, s(20)},
		{"a jump is meant", Curve{{s(0), 1}, {s(10), 1}, {s(10), 6}, {s(30), 6}}, 0, 0},
		{"from nothing, a tenth of the top counts", Curve{{s(0), 0}, {s(10), 10}}, 1, 0},
		{"even", Curve{{s(0), 2}, {s(10), 2}}, 0, 0},
		{"none", nil, 0, 0},
	} {
		got, at := tt.curve.Steepest()
		if math.Abs(got-tt.want) > 1e-9 || at != tt.at {
			t.Errorf("%s: %v at %v, want %v at %v", tt.name, got, at, tt.want, tt.at)
		}
	}
}
