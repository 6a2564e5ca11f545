package scenarios

import (
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func found(t interface {
	Helper()
	Fatal(args ...any)
}, name string,
) *Scenario {
	t.Helper()
	s, err := Find(name, Known{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestAScenarioIsStretchedToACell(t *testing.T) {
	s := found(t, "notify-storm") // 12 orders a second, a fault of 18 s after 18 s
	c, err := s.Stretched(Stretch{
		Load: 16, Trigger: 9 * time.Second, Baseline: 30 * time.Second, After: 60 * time.Second, Kick: 20 * time.Second, Restored: 15 * time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := c.LoadAtFault(); math.Abs(got-16) > 1e-9 {
		t.Errorf("the load is %v", got)
	}
	if got := c.Faults[0].For; got != 9*time.Second || c.TriggerLength() != got {
		t.Errorf("the trigger lasts %v", got)
	}
	if got := c.BaselineLength(); got != 30*time.Second {
		t.Errorf("the baseline lasts %v", got)
	}
	if got := c.Length(); got != (30+9+60+20+15)*time.Second {
		t.Errorf("the load lasts %v", got)
	}
	if at := c.At(c.Kick.At); at != (30+9+60)*time.Second || c.Kick.For != 20*time.Second {
		t.Errorf("the lull begins at %v for %v", at, c.Kick.For)
	}
	if rate := c.Curve().Rate(110 * time.Second); math.Abs(rate-1.6) > 1e-9 {
		t.Errorf("the load in the lull is %v", rate)
	}
	// What was stretched is as it was.
	if s.LoadAtFault() != 12 || s.TriggerLength() != 18*time.Second || s.Length() != 2*time.Minute || s.Kick.For != 0 {
		t.Errorf("the scenario has changed: %v, %v, %v", s.LoadAtFault(), s.TriggerLength(), s.Length())
	}
}

func TestWhatIsNotAskedForStays(t *testing.T) {
	s := found(t, "notify-storm")
	c, err := s.Stretched(Stretch{})
	if err != nil {
		t.Fatal(err)
	}
	if c.LoadAtFault() != 12 || c.TriggerLength() != 18*time.Second || c.Length() != s.Length() || c.Clock != s.Clock {
		t.Errorf("%v, %v, %v", c.LoadAtFault(), c.TriggerLength(), c.Clock)
	}
}

func TestFaultsThatFollowEachOtherKeepTheirProportions(t *testing.T) {
	s := found(t, "notify-storm")
	second := s.Faults[0]
	second.At, second.For = second.At+TimeOfDay(12*time.Second), 24*time.Second // from 12 s to 36 s, the first from 0 to 18 s
	if err := s.AddFault(second); err != nil {
		t.Fatal(err)
	}
	if got := s.TriggerLength(); got != 36*time.Second {
		t.Fatalf("the trigger lasts %v", got)
	}
	c, err := s.Stretched(Stretch{Trigger: 18 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if c.Faults[0].For != 9*time.Second || c.Faults[1].For != 12*time.Second || c.At(c.Faults[1].At)-c.At(c.Faults[0].At) != 6*time.Second || c.TriggerLength() != 18*time.Second {
		t.Errorf("%+v", c.Faults)
	}
}

func TestStretchedTimesAreReal(t *testing.T) {
	s := found(t, "peak-lunch-storm") // 30 times faster than the day
	c, err := s.Stretched(Stretch{Trigger: 5 * time.Second, Baseline: 20 * time.Second, After: 15 * time.Second})
	if err != nil {
		t.Fatal(err)
	}
	if c.TriggerLength() != 5*time.Second || c.BaselineLength() != 20*time.Second || c.Length() != 40*time.Second {
		t.Errorf("trigger %v, baseline %v, length %v", c.TriggerLength(), c.BaselineLength(), c.Length())
	}
}

func TestWhatCannotBeStretchedSaysWhy(t *testing.T) {
	again := found(t, "notify-storm")
	again.Faults[0].Every, again.Faults[0].Times = 30*time.Second, 2
	for _, tt := range []struct {
		name string
		s    *Scenario
		by   Stretch
		want string
	}{
		{"nothing is broken", found(t, "callback-serial"), Stretch{}, "callback-serial has no fault"},
		{"a fault comes again", again, Stretch{}, "a fault that comes again"},
		{"more than a machine can sell", found(t, "notify-storm"), Stretch{Load: 601}, "601 orders a second are more than 3600 an hour of each of its 600 machines"},
		{"a peak ends while the service would recover", found(t, "peak-lunch-storm"), Stretch{After: 2 * time.Minute}, "a map needs one that is held constant"},
		{"a baseline that begins on the day before", found(t, "notify-storm"), Stretch{Baseline: 20 * time.Hour}, "would begin on the day before"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := tt.s.Stretched(tt.by)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnyStretchIsWhatWasAskedFor(t *testing.T) {
	s := found(t, "notify-storm")
	rapid.Check(t, func(t *rapid.T) {
		ms := func(name string, least, most int) time.Duration {
			return time.Duration(rapid.IntRange(least, most).Draw(t, name)) * time.Millisecond
		}
		by := Stretch{
			Load: rapid.Float64Range(0.5, 500).Draw(t, "load"), Trigger: ms("trigger", 100, 600_000), Baseline: ms("baseline", 1000, 600_000),
			After: ms("after", 1000, 600_000), Kick: ms("kick", 0, 60_000), Restored: ms("restored", 1, 60_000),
		}
		c, err := s.Stretched(by)
		if err != nil {
			t.Fatal(err)
		}
		near := func(a, b time.Duration) bool { return (a - b).Abs() <= time.Millisecond }
		if math.Abs(c.LoadAtFault()-by.Load) > 1e-6*by.Load || !near(c.TriggerLength(), by.Trigger) || !near(c.BaselineLength(), by.Baseline) ||
			!near(c.Length(), by.Baseline+by.Trigger+by.After+by.Kick+by.Restored) {
			t.Fatalf("asked for %+v, got a load of %v, a trigger of %v, %v before it, %v in all", by, c.LoadAtFault(), c.TriggerLength(), c.BaselineLength(), c.Length())
		}
	})
}
