package reports

// phase is one phase of a run's stability; every figure of it is unknown when there is none.
func (e *evidence) phase(name string) *Phase {
	if e.stability != nil {
		for i := range e.stability.Phases {
			if e.stability.Phases[i].Name == name {
				return &e.stability.Phases[i]
			}
		}
	}
	return &Phase{Goodput: -1, Late: -1, Attempts: -1, BacklogMax: -1, OldestNS: -1}
}

// stabilityGauges are the measures of how a run came through its faults. They have no samples when it had none.
func stabilityGauges() []gauge {
	of := func(name, unit, doc, phase string, read func(*Phase) float64) gauge {
		return gauge{MeasureDoc{name, unit, doc}, func(e *evidence) (float64, int) {
			p := e.phase(phase)
			v := read(p)
			if v < 0 {
				return never, p.Operations
			}
			return v, p.Operations
		}}
	}
	whole := func(name, unit, doc string, read func(*Stability) float64) gauge {
		return gauge{MeasureDoc{name, unit, doc}, func(e *evidence) (float64, int) {
			if e.stability == nil {
				return never, 0
			}
			if v := read(e.stability); v >= 0 {
				return v, e.phase("after").Operations
			}
			return never, e.phase("after").Operations
		}}
	}
	goodput := func(p *Phase) float64 { return p.Goodput }
	attempts := func(p *Phase) float64 { return p.Attempts }
	const (
		before = "before the first fault"
		during = "from the first fault to the end of the last"
		after  = "after the last fault, up to a kick or the end of the load"
		sends  = "sends for each first send, of creates or of notifies, whichever is more, "
	)
	return []gauge{
		whole("stability", "word", "whether the service came back after the faults by itself: STABLE, RECOVERING, METASTABLE or BROKEN; UNDECIDED is never what was expected",
			func(*Stability) float64 { return -1 }),
		whole("recovery_time", "ns", "from the end of the last fault until the service is as it was before the first, and stays so while the load goes on",
			func(s *Stability) float64 { return float64(s.RecoveryNS) }),
		whole("drain_time.model", "ns", "how long the model takes to work off what the faults held up: their length x rho / (1 - rho)",
			func(s *Stability) float64 { return float64(s.ModelNS) }),
		whole("rho", "", "the offered load after the faults, as a part of the capacity (demand.capacity, or what the drain showed)",
			func(s *Stability) float64 { return s.Rho }),
		of("goodput.baseline", "share", "share of the operations due "+before+" whose goods fell in time", "baseline", goodput),
		of("goodput.during", "share", "share of the operations due "+during+" whose goods fell in time", "trigger", goodput),
		of("goodput.after", "share", "share of the operations due "+after+" whose goods fell in time", "after", goodput),
		of("amplification.baseline", "", sends+before+"; 1 is none again", "baseline", attempts),
		of("amplification.during", "", sends+during, "trigger", attempts),
		of("amplification.after", "", sends+after, "after", attempts),
		of("late.after", "share", "share of the operations due "+after+" that were finished too late for their client: work done for nobody", "after",
			func(p *Phase) float64 { return p.Late }),
		of("backlog.after", "", "most unfinished pay_queue rows "+after, "after", func(p *Phase) float64 { return float64(p.BacklogMax) }),
		of("backlog.age_after", "ns", "greatest age of an unfinished pay_queue row "+after, "after", func(p *Phase) float64 { return float64(p.OldestNS) }),
	}
}

// stabilityMore adds to a measure what a number does not hold: a word, that it is a lower bound, why it is not known.
var stabilityMore = map[string]func(*evidence, *Measure){
	"stability": func(e *evidence, m *Measure) {
		if unless(e, m) {
			m.Word, m.Why, m.Samples = e.stability.Class, e.stability.Why, e.phase("after").Operations
			m.Known = m.Word != Undecided
		}
	},
	"recovery_time": func(e *evidence, m *Measure) {
		if unless(e, m) {
			if m.AtLeast = m.Known && e.stability.RecoveryOpen; !m.Known {
				m.Why = e.stability.Why
			}
		}
	},
	"drain_time.model": unlessModel,
	"rho":              unlessModel,
}

// unless reports whether the run had a fault, and says so on the measure when it had none.
func unless(e *evidence, m *Measure) bool {
	if e.stability == nil {
		m.Why = "the run had no fault"
	}
	return e.stability != nil
}

func unlessModel(e *evidence, m *Measure) {
	if unless(e, m) && !m.Known {
		m.Why = "the capacity is not known (demand.capacity)"
		if e.stability.Rho >= 1 {
			m.Why = "the load is not below the capacity"
		}
	}
}
