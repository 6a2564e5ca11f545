package reports

import "strings"

// The directions of a measure.
const (
	LowerBetter  = "lower"  // time, loss, waste: most are
	HigherBetter = "higher" // what is wanted
	NoBetter     = ""       // it says how a run went, or what it was given; more of it is neither good nor bad
)

// Better is the direction in which a measure is better.
func Better(measure string) string {
	switch measure {
	case "goodput.ratio", "goodput.baseline", "goodput.during", "goodput.after", "goodput.offered", "upload.completed", "share.min", "share.added", "bind.bound":
		return HigherBetter
	case "recovered", "remedies", "refunds", // made good: where nothing is lost there is nothing to make good
		"message.in_flight_max", "bid.sold", "bid.turned_away", "shop.reads", "rho", // what was asked for
		"drain_time.model", "lateness.p99", // of the faults and of the harness
		"stability": // a word
		return NoBetter
	}
	return LowerBetter
}

// serviceTimes are the service times of an analysis as measures, "notify.service.p99". No expectation names them: a buyer
// waits from the moment he was due. But they tell a slow service from a queue before it.
func serviceTimes(a *Analysis) []Measure {
	var list []Measure
	for _, l := range a.Latency {
		if l.Kind == "probe" {
			continue // too few for percentiles, as for the response times
		}
		for _, p := range []struct {
			name string
			ns   int64
		}{{"p50", l.Service.P50}, {"p90", l.Service.P90}, {"p99", l.Service.P99}, {"p999", l.Service.P999}, {"max", l.Service.Max}} {
			m := Measure{Name: l.Kind + ".service." + p.name, Unit: "ns", Samples: int(l.Service.N), Known: p.ns >= 0}
			if m.Known {
				m.Value = float64(p.ns)
			}
			list = append(list, m)
		}
	}
	return list
}

// comparableMeasures are all measures of an analysis: those that expectations name, and after the response times of a kind of send
// its service times.
func comparableMeasures(a *Analysis) []Measure {
	served := serviceTimes(a)
	var list []Measure
	for _, m := range a.Measures {
		list = append(list, m)
		kind, last, _ := strings.Cut(m.Name, ".")
		if last != "max" {
			continue
		}
		for _, s := range served {
			if strings.HasPrefix(s.Name, kind+".service.") {
				list = append(list, s)
			}
		}
	}
	return list
}
