package calibration

import (
	"fmt"
	"time"

	"github.com/lunchrush/lunchrush/reports"
)

// checks are what must be true of the counts: every send reached the target once, and one that was not answered in time is
// booked as one of which nothing is known.
func (e Exercise) checks(due []time.Duration, book []entry, odd int, said buyersBook, sent int, echo reports.Quantiles) []reports.Check {
	came, twice := 0, 0
	for _, b := range book {
		if b.times > 0 {
			came++
		}
		if b.times > 1 {
			twice++
		}
	}
	status := func(ok bool) string {
		if ok {
			return "pass"
		}
		return "fail"
	}
	checks := []reports.Check{
		{
			Name: "every send of the plan reached the target, once", Want: fmt.Sprint(len(due)), Samples: len(due),
			Got:    fmt.Sprintf("%d sent, %d came, %d of them twice, %d unknown", sent, came, twice, odd),
			Status: status(sent == len(due) && came == len(due) && twice == 0 && odd == 0 && said.intents == len(due)),
		},
	}
	lost := 0
	for _, took := range e.Arithmetic(due) {
		if took.Lost {
			lost++
		}
	}
	timeouts := reports.Check{
		Name: "time-outs are booked as indeterminate, never as refused", Want: fmt.Sprintf("%d, and %d taken", lost, len(due)-lost),
		Got: fmt.Sprintf("%d, and %d taken, %d refused", said.indeterminate, said.taken, said.refused), Samples: len(due),
		Status: status(said.refused == 0 && said.indeterminate == lost && said.taken == len(due)-lost),
	}
	// A machine that stands still for as long as the patience leaves room makes time-outs of its own.
	if room := e.room(); timeouts.Status == "fail" && said.refused == 0 && said.indeterminate > lost && time.Duration(echo.Max) >= room {
		timeouts.Status, timeouts.Note = "unknown", "the machine stood still for longer than the patience leaves room: "+time.Duration(echo.Max).String()
	}
	return append(checks, timeouts)
}

// room is by how much the longest answer that is waited for is inside the patience.
func (e Exercise) room() time.Duration {
	patience := e.Patience
	if patience == 0 {
		patience = 30 * time.Second
	}
	longest := time.Duration(0)
	for n := range e.PerSecond * e.Seconds {
		if takes := e.Takes(n); takes < patience {
			longest = max(longest, takes)
		}
	}
	return patience - longest - e.StallFor
}
