package calibration

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator"
)

// An Exercise is one load whose delays are known before anything is sent. Sends are evenly spaced.
type Exercise struct {
	Name, Title string

	PerSecond int // sends
	Seconds   int

	// Takes is how long the target takes for the n-th send, from 0.
	Takes func(n int) time.Duration

	// Serial makes the target handle one at a time, in the order of their arrival.
	Serial bool

	// From StallAt, since the plan's zero, the target begins nothing for StallFor. Of serial targets only.
	StallAt, StallFor time.Duration

	Workers  int           // sends in flight at most; 0: the generator's own bound. With 1 it waits for each answer.
	Patience time.Duration // how long an answer is waited for; 0: 30 s
}

// Exercises are all of them, in the order in which they are played. Together they take about two minutes.
func Exercises() []Exercise {
	const patience = 500 * time.Millisecond
	return []Exercise{
		{
			Name: "constant", Title: "every answer takes 100 ms", PerSecond: 100, Seconds: 30,
			Takes: always(100 * time.Millisecond),
		},
		{
			Name: "bimodal", Title: "of five answers four take 50 ms and one takes 500 ms", PerSecond: 50, Seconds: 10,
			Takes: func(n int) time.Duration {
				if n%5 == 2 {
					return 500 * time.Millisecond
				}
				return 50 * time.Millisecond
			},
		},
		{
			// 775 sends: 99 % of them are 767.25. The ranks beside the right one are 20 ms away, more than the 1 % of a figure.
			Name: "stall", Title: "one at a time, 20 ms each, and nothing for two seconds in their midst", PerSecond: 25, Seconds: 31,
			Takes: always(20 * time.Millisecond), Serial: true, StallAt: 10 * time.Second, StallFor: 2 * time.Second,
		},
		{
			// Each send begins where the one before ended, so what the loopback adds adds up: 40 s, so that only the first few of
			// them are at a percentile that is held to arithmetic.
			Name: "one-worker", Title: "the same stall, and a generator that can have only one send in flight", PerSecond: 20, Seconds: 40,
			Takes: always(20 * time.Millisecond), Serial: true, StallAt: 10 * time.Second, StallFor: 2 * time.Second, Workers: 1,
		},
		{
			Name: "time-outs", Title: "one answer in eight takes 2 s, and 500 ms are waited for it", PerSecond: 50, Seconds: 10,
			Takes: func(n int) time.Duration {
				if n%8 == 4 {
					return 4 * patience
				}
				return patience / 10
			},
			Patience: patience,
		},
	}
}

// Choose picks exercises by name, in the order of [Exercises]; all of them without names.
func Choose(names []string) ([]Exercise, error) {
	all := Exercises()
	var known []string
	for _, e := range all {
		known = append(known, e.Name)
	}
	for _, name := range names {
		if !slices.Contains(known, name) {
			return nil, fmt.Errorf("no such exercise: %s; there are %s", name, strings.Join(known, ", "))
		}
	}
	if len(names) == 0 {
		return all, nil
	}
	return slices.DeleteFunc(all, func(e Exercise) bool { return !slices.Contains(names, e.Name) }), nil
}

func always(d time.Duration) func(int) time.Duration {
	return func(int) time.Duration { return d }
}

// scenario is the exercise for the simulator: orders that nobody pays, from as many machines as it takes.
func (e Exercise) scenario() (*scenarios.Scenario, error) {
	patience := ""
	if e.Patience > 0 {
		patience = ", patience: " + e.Patience.String()
	}
	name := "calibrate-" + e.Name
	s, err := scenarios.Load(name+".yaml", fmt.Appendf(nil, `name: %s
title: %s
source: ours
clock: {from: "12:00:00", to: "12:%02d:%02d"}
fleet: {machines: %d, slots: 1, stock: 10000, beat: 1h}
demand: {per_machine_hour: 3600}
buyers: {abandon: 100%%%s}
service: {refund.after: 10s}
expect: {loss.total: "== 0"}
drain: 15s
`, name, strconv.Quote(e.Title), e.Seconds/60, e.Seconds%60, e.PerSecond, patience), harness.Known())
	if err != nil {
		return nil, fmt.Errorf("the exercise %s: %w", e.Name, err)
	}
	return s, nil
}

// A Took is what became of one send, in nanoseconds.
type Took struct {
	Response int64 // from its due moment to its answer, or to the end of the sender's patience
	Service  int64 // from the send
	Lateness int64 // from its due moment to the send
	Lost     bool  // the sender's patience ended first
}

// Arithmetic is what becomes of each send when nothing but the exercise's own delays costs time: the recursion of a queue,
// send by send. Due are their due moments since the plan's zero, ascending.
func (e Exercise) Arithmetic(due []time.Duration) []Took {
	took := make([]Took, len(due))
	var free, answered time.Duration // when the target, and when the only worker, is free
	for n, at := range due {
		sent := at
		if e.Workers == 1 {
			sent = max(at, answered)
		}
		done := e.answerAt(n, sent, &free)
		lost := e.Patience > 0 && done-sent > e.Patience
		if lost {
			done = sent + e.Patience
		}
		answered = done
		took[n] = Took{Response: int64(done - at), Service: int64(done - sent), Lateness: int64(sent - at), Lost: lost}
	}
	return took
}

// answerAt is when the target answers the n-th send, which arrives at that moment since the plan's zero. Free is until when
// a serial target is busy; it is moved on.
func (e Exercise) answerAt(n int, arrives time.Duration, free *time.Duration) time.Duration {
	begins := arrives
	if e.Serial {
		begins = max(arrives, *free)
	}
	if e.StallFor > 0 && begins >= e.StallAt && begins < e.StallAt+e.StallFor {
		begins = e.StallAt + e.StallFor
	}
	*free = begins + e.Takes(n)
	return *free
}

// dues are the due moments of a plan's orders.
func dues(plan *simulator.Plan) []time.Duration {
	due := make([]time.Duration, len(plan.Orders))
	for i := range plan.Orders {
		due[i] = plan.Orders[i].Due
	}
	return due
}
