package scenarios

import (
	"fmt"
	"slices"
	"time"
)

// Occurrences are when a fault of the scenario begins, in real time since the plan's zero. There is at least one.
func (s *Scenario) Occurrences(f Fault) []time.Duration {
	until := f.Until
	if until == 0 {
		until = s.Clock.To
	}
	return f.Repeats(s.At(f.At), s.At(until))
}

// Repeats are the moments at which the fault begins when the first is at and no other is at until or later; an until of 0
// is no bound. There are no more than a thousand.
func (f Fault) Repeats(at, until time.Duration) []time.Duration {
	list := []time.Duration{at}
	if f.Every <= 0 {
		return list
	}
	most := repeatsMax
	if f.Times > 0 {
		most = min(most, f.Times)
	}
	for next := at + f.Every; len(list) < most && (until <= 0 || next < until); next += f.Every {
		list = append(list, next)
	}
	return list
}

// settleEvery gives every to the fault's own parameter of that name, if it has one and nothing says that the whole fault
// is meant: {inject: restart, every: 15s} restarts every 15 s while the fault lasts.
func (f *Fault) settleEvery(accepted []string) {
	if f.Every == 0 || f.Times != 0 || f.Until != 0 || !slices.Contains(accepted, "every") {
		return
	}
	if f.Params == nil {
		f.Params = map[string]string{}
	}
	f.Params["every"] = duration(f.Every)
	f.Every = 0
}

// checkRepeats finds what is wrong with how often a fault comes.
func (s *Scenario) checkRepeats(i int, f Fault, add adder) {
	at := func(field string) string { return fmt.Sprintf("faults[%d].%s", i, field) }
	switch {
	case f.Every == 0 && f.Times > 1:
		add(at("every"), "say how far apart the repetitions begin", "is missing, although times is %d", f.Times)
	case f.Every == 0 && f.Until != 0:
		add(at("every"), "say how far apart the repetitions begin", "is missing, although there is until")
	case f.Every == 0:
	case f.Every <= f.For:
		add(at("every"), "the one before must be over", "%s is not longer than for, %s", duration(f.Every), duration(f.For))
	case f.Until != 0 && (f.Until <= f.At || f.Until > s.Clock.To):
		add(at("until"), "", "%s is not between at, %s, and the clock's end, %s", f.Until, f.At, s.Clock.To)
	case f.Times > 1 && s.At(f.At)+time.Duration(f.Times-1)*f.Every >= s.At(s.Clock.To):
		add(at("times"), "", "the last of %d begins after the clock's end, %s", f.Times, s.Clock.To)
	}
}
