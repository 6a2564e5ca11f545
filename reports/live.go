package reports

import (
	"fmt"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A Glance is a run that still goes on, as far as anybody knows. It is drawn as a report is, and judges nothing: an order is
// lost only when the books say so at the end.
type Glance struct {
	Run     runlog.Manifest // its times so far; a pause that goes on ends now
	Samples []runlog.Sample
	Demand  []DemandPoint
	Faults  []LiveFault
	NowNS   int64 // since the run's start
}

// A LiveFault is a fault of a run that goes on.
type LiveFault struct {
	Fault
	ForNS int64 // how long it is to last
}

// The states of a fault while its run goes on.
const (
	FaultPlanned = "planned" // or asked for by hand, and about to be injected
	FaultOn      = "on"
	FaultHealed  = "healed"
	FaultFailed  = "failed" // it could not be injected, or not be healed: Note says why
)

// State is one of them.
func (f *LiveFault) State() string {
	switch {
	case f.Note != "":
		return FaultFailed
	case !f.Injected:
		return FaultPlanned
	case f.ToNS == 0:
		return FaultOn
	}
	return FaultHealed
}

// Says is what is known of its effect.
func (f *LiveFault) Says() string {
	switch {
	case f.Note != "":
		return f.Note
	case !f.Injected && f.ByHand:
		return "being injected"
	case !f.Injected:
		return ""
	case f.Evidence != "" && f.Felt:
		return "felt: " + f.Evidence
	case f.Evidence != "":
		return "not felt: " + f.Evidence
	case f.ToNS == 0:
		return "being measured"
	}
	return "not felt: " + neverMeasured
}

// strip adds the state to the strip of a fault.
func (f *LiveFault) strip(s strip) strip {
	if f.State() == FaultPlanned {
		s.class, s.shade = s.class+" planned", ""
		return s
	}
	if says := f.Says(); says != "" {
		s.name += " (" + says + ")"
	}
	return s
}

// Timeline draws the run as far as it went, width units wide, with the plan's demand ahead of it. "" before the play. The id
// must be unique in its page.
func (g *Glance) Timeline(id, class string, width float64) string {
	a := &Analysis{Run: g.Run, Timeline: g.Samples, Demand: g.Demand, Verdict: Verdict{Since: -1}}
	for _, f := range g.Faults {
		if f.ToNS == 0 {
			f.ToNS = f.FromNS + f.ForNS
			if f.Injected {
				f.ToNS = max(f.FromNS, g.NowNS)
			}
		}
		a.Faults = append(a.Faults, f.Fault)
	}
	t := newTimeline(a)
	t.live = g
	t.to = max(t.to, float64(g.Run.PlanEnd()), float64(g.NowNS))
	return t.draw(id, class, width)
}

// Style is the style sheet that the drawings are made for, the report's.
func Style() string {
	css, err := assets.ReadFile("templates/report.css")
	if err != nil {
		panic(fmt.Sprintf("the report's style sheet was built in: %v", err))
	}
	return string(css)
}

// Clock is the time of the scenario's day at a moment of the run, "" before the play.
func Clock(run *runlog.Manifest, atNS int64) string { return clockOf(run).at(atNS) }

// ByHand says what was done to a run by hand: "paused for 12.0 s; latency 200ms on mysql".
func ByHand(run *runlog.Manifest) string { return handSentence(run) }

// Count writes a number of things as a report does: "13,000".
func Count(n int64) string { return count(n) }

// Span writes a duration of ns nanoseconds as a report does: "0.21 ms", "34.1 s"; below zero it is unknown, "-".
func Span(ns int64) string { return span(ns) }
