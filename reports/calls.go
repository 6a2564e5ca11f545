package reports

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// Calls is the account of one workload beside the orders.
type Calls struct {
	Kind     string         `json:"kind"`
	Asked    int            `json:"asked"`    // sends
	Good     int            `json:"good"`     // answered as they should be
	Wrong    int            `json:"wrong"`    // answered otherwise
	Silent   int            `json:"silent"`   // no answer: time-out, reset
	Notes    map[string]int `json:"notes"`    // why, of those that were not good: the codes, or what was wrong
	Recorded int            `json:"recorded"` // lines about such calls in the service's own book
}

// maxNotes bounds the different reasons that are told apart: errors of the network carry ports.
const maxNotes = 20

// A callBook is the calls of a run by kind.
type callBook map[string]*Calls

// of gives the account of a kind, made when there is none.
func (b callBook) of(kind string) *Calls {
	c := b[kind]
	if c == nil {
		c = &Calls{Kind: strings.Clone(kind), Notes: make(map[string]int)}
		b[c.Kind] = c
	}
	return c
}

// take enters one record.
func (b callBook) take(r *runlog.Record) {
	c := b.of(r.Channel)
	switch r.Event {
	case runlog.CallIntent:
		c.Asked++
	case runlog.CallAnswer:
		switch {
		case r.OK:
			c.Good++
			return
		case r.Status == 0:
			c.Silent++
			c.note("no answer")
			return
		}
		c.Wrong++
		c.note(r.Note)
	case runlog.ServiceCall:
		c.Recorded++
	default:
	}
}

func (c *Calls) note(why string) {
	if _, known := c.Notes[why]; !known {
		if len(c.Notes) >= maxNotes {
			why = "other"
		}
		why = strings.Clone(why)
	}
	c.Notes[why]++
}

func (b callBook) list() []Calls {
	var list []Calls
	for _, kind := range slices.Sorted(maps.Keys(b)) {
		list = append(list, *b[kind])
	}
	return list
}

// callGauges are the measures of the workloads that are neither latency nor errors.
var callGauges = []gauge{
	{
		MeasureDoc{"browse.wrong_price", "", "looks that were answered with a price that the slot did not have: stale, or another's"},
		func(e *evidence) (float64, int) {
			c := e.calls["browse"]
			if c == nil {
				return never, 0
			}
			return float64(c.Notes["wrong price"]), c.Good + c.Wrong
		},
	},
}

// told leaves out the measures of workloads that the run did not have.
func told(all []Measure, e *evidence) []Measure {
	return slices.DeleteFunc(slices.Clone(all), func(m Measure) bool {
		kind, _, _ := strings.Cut(m.Name, ".")
		return slices.Contains(callKinds, kind) && e.calls[kind] == nil && e.run.Planned[kind] == 0
	})
}

// sentence says what became of the calls of a kind.
func (c *Calls) sentence() string {
	s := fmt.Sprintf("%s %s: %s answered as they should be", count(int64(c.Asked)), c.Kind, count(int64(c.Good)))
	if c.Wrong > 0 {
		s += fmt.Sprintf(", %s otherwise", count(int64(c.Wrong)))
	}
	if c.Silent > 0 {
		s += fmt.Sprintf(", %s not at all", count(int64(c.Silent)))
	}
	var why []string
	for _, note := range slices.Sorted(maps.Keys(c.Notes)) {
		if note != "no answer" {
			why = append(why, fmt.Sprintf("%s %s", count(int64(c.Notes[note])), orDash(note)))
		}
	}
	if len(why) > 0 {
		s += " (" + strings.Join(why, ", ") + ")"
	}
	return s
}

func writeCalls(w io.Writer, calls []Calls) {
	for i := range calls {
		fmt.Fprintf(w, "%s\n", calls[i].sentence())
	}
	if len(calls) > 0 {
		fmt.Fprintln(w)
	}
}

func markdownCalls(b *strings.Builder, calls []Calls) {
	for i := range calls {
		fmt.Fprintf(b, "\n%s\n", markdown(calls[i].sentence()))
	}
}
