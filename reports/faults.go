package reports

import (
	"strings"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// neverMeasured is the evidence of a fault that nobody measured.
const neverMeasured = "never measured"

// A Fault is what became of one that the scenario asked for, or somebody by hand.
type Fault struct {
	ID       string `json:"id"`
	What     string `json:"what"` // "latency 200ms±50ms"
	On       string `json:"on"`
	FromNS   int64  `json:"from_ns"` // since the run's start; planned, if it was never injected
	ToNS     int64  `json:"to_ns"`   // when it had been healed; planned, if there is no record of it
	Injected bool   `json:"injected"`
	Felt     bool   `json:"felt"`
	Evidence string `json:"evidence"` // what was measured while it was on
	Healed   bool   `json:"healed"`
	Note     string `json:"note,omitempty"` // why it was not healed
	ByHand   bool   `json:"by_hand,omitempty"`
}

// A faultBook is what the records say of each fault, by its id.
type faultBook map[string]*Fault

func (b faultBook) take(r *runlog.Record) {
	f := b[r.ID]
	if f == nil {
		f = &Fault{}
		b[strings.Clone(r.ID)] = f
	}
	switch r.Event {
	case runlog.FaultOn:
		f.Injected, f.FromNS = true, r.At
	case runlog.FaultFelt:
		f.Felt, f.Evidence = r.OK, strings.Clone(r.Note)
	case runlog.FaultOff:
		f.ToNS, f.Note = r.At, strings.Clone(r.Note)
		f.Healed = f.Note == ""
	}
}

// of are the faults of a run, as planned and as they came.
func (b faultBook) of(run *runlog.Manifest) []Fault {
	list := []Fault{}
	for _, plan := range run.Faults {
		f := Fault{Evidence: neverMeasured}
		if booked := b[plan.ID]; booked != nil {
			f = *booked
			if f.Evidence == "" {
				f.Evidence = neverMeasured
			}
		}
		f.ID, f.What, f.On, f.ByHand = plan.ID, plan.What, plan.On, plan.ByHand
		if !f.Injected {
			f.FromNS = run.Moment(plan.FromNS)
		}
		if f.ToNS == 0 {
			f.ToNS = f.FromNS + plan.ForNS
		}
		list = append(list, f)
	}
	return list
}
