package reports

import (
	"fmt"
	"strings"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// byHand is the check that fails where somebody did something to the run while it went on: what was played is not what was
// planned, whatever came of it.
func byHand(run *runlog.Manifest) Check {
	acts := len(run.Pauses)
	for _, f := range run.Faults {
		if f.ByHand {
			acts++
		}
	}
	return Check{
		Name: "by hand", Want: "nothing", Got: several(acts, "act", "acts"), Samples: 1, Status: failed,
		Note: handSentence(run),
	}
}

// handSentence says what was done by hand: "paused for 12.0 s; latency 200ms on mysql".
func handSentence(run *runlog.Manifest) string {
	var parts []string
	var held int64
	open := false
	for _, p := range run.Pauses {
		held += max(0, p.ToNS-p.FromNS)
		open = open || p.ToNS == 0
	}
	switch {
	case open:
		parts = append(parts, "paused to the run's end")
	case len(run.Pauses) == 1:
		parts = append(parts, "paused for "+span(held))
	case len(run.Pauses) > 1:
		parts = append(parts, fmt.Sprintf("paused %d times, for %s in all", len(run.Pauses), span(held)))
	}
	const most = 3
	faults := 0
	for _, f := range run.Faults {
		if !f.ByHand {
			continue
		}
		if faults++; faults <= most {
			parts = append(parts, f.What+" on "+f.On)
		}
	}
	if faults > most {
		parts = append(parts, "and "+several(faults-most, "more fault", "more faults"))
	}
	return strings.Join(parts, "; ")
}

// faultStrip names the strip of the i-th fault.
func (t *timeline) faultStrip(i int, s strip) strip {
	f := &t.a.Faults[i]
	s.name = f.On + ": " + f.What
	if f.ByHand {
		s.name = "by hand: " + s.name
	}
	switch {
	case t.live != nil:
		return t.live.Faults[i].strip(s)
	case !f.Felt:
		s.name += " (not felt)"
	}
	return s
}

// pauseStrips are the times in which the plan was held.
func (t *timeline) pauseStrips() []strip {
	var strips []strip
	for _, p := range t.a.Run.Pauses {
		from, to := float64(p.FromNS), float64(p.ToNS)
		if p.ToNS == 0 {
			to = t.to
		}
		if to > from {
			strips = append(strips, strip{name: "plan held by hand", class: "strip hand", shade: "shade hand", from: max(from, t.from), to: min(to, t.to)})
		}
	}
	return strips
}
