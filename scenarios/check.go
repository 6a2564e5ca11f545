package scenarios

import (
	"fmt"
	"math"
	"slices"
	"time"
)

// A finding is a mistake in a field that was well written by itself.
type finding struct{ path, what, hint string }

// check finds what contradicts itself or is impossible in a scenario whose fields have all been read well.
func (s *Scenario) check() []finding {
	var found []finding
	add := func(path, hint, format string, args ...any) {
		found = append(found, finding{path, fmt.Sprintf(format, args...), hint})
	}
	clockOK := s.checkClock(add)
	peaksOK := s.checkPeaks(add, "demand", s.Demand.Peaks)
	browseOK := s.checkPeaks(add, "browse", s.Browse.Peaks)
	s.checkShares(add)
	s.checkFaults(add)
	s.checkKick(add)
	s.checkReplica(add)
	s.checkBalancer(add)
	s.checkHealth(add)
	if clockOK && peaksOK {
		s.checkLoad(add)
	}
	if clockOK {
		s.checkSale(add)
		s.checkReprice(add)
		s.checkUploads(add)
	}
	if messagesOK := s.checkPeaks(add, "messages", s.Messages.Peaks); clockOK && messagesOK {
		s.checkCalls(add, "messages", s.MessagesCurve())
	}
	s.checkSides(add)
	if clockOK && browseOK {
		s.checkBrowse(add)
	}
	switch {
	case len(s.AsWas) > 0 && len(s.Signature) == 0:
		add("signature", "say what shows that the failure is back", "is missing, although there is as-was")
	case len(s.AsWas) == 0 && len(s.Signature) > 0:
		add("as-was", "say which switches bring the failure back", "is missing, although there is a signature")
	}
	if s.Alone && s.Places > 0 {
		add("places", "leave it out", "is %d, although alone takes all of them", s.Places)
	}
	if len(s.Expect) == 0 {
		add("expect", `loss.total: "== 0" is the least`, "expects nothing: such a run could not fail")
	}
	return found
}

type adder = func(path, hint, format string, args ...any)

func (s *Scenario) checkClock(add adder) bool {
	c, day := s.Clock, TimeOfDay(24*time.Hour)
	switch {
	case c.From >= day:
		add("clock.from", "only to may lie past midnight", "%s is past midnight", c.From)
	case c.To <= c.From && c.To+day > c.From && c.To < day:
		add("clock.to", fmt.Sprintf("past midnight the hours go on; did you mean %s?", c.To+day), "%s is not after from, %s", c.To, c.From)
	case c.To <= c.From:
		add("clock.to", "", "%s is not after from, %s", c.To, c.From)
	case c.To-c.From > day:
		add("clock.to", "", "%s is more than a day after from, %s", c.To, c.From)
	case s.Length() < lengthMin:
		add("clock.speed", "", "at speed %s the run would last %s, less than %s", number64(c.Speed), s.Length(), lengthMin)
	case s.Length() > lengthMax:
		add("clock.speed", "", "at speed %s the run would last longer than a day", number64(c.Speed))
	default:
		return true
	}
	return false
}

func (s *Scenario) checkPeaks(add adder, block string, peaks []Peak) bool {
	ok := true
	for i, p := range peaks {
		at := fmt.Sprintf("%s.peaks[%d]", block, i)
		switch {
		case p.To <= p.From:
			add(at+".to", "", "%s is not after from, %s", p.To, p.From)
		case p.To <= s.Clock.From || p.From >= s.Clock.To:
			add(at+".from", "", "the peak from %s to %s is outside the clock, %s to %s", p.From, p.To, s.Clock.From, s.Clock.To)
		case 2*p.Ramp > time.Duration(p.To-p.From):
			add(at+".ramp", "", "%s up and %s down do not fit between %s and %s", duration(p.Ramp), duration(p.Ramp), p.From, p.To)
		default:
			continue
		}
		ok = false
	}
	return ok
}

func (s *Scenario) checkShares(add adder) {
	const exact = 1e-9
	if sum := s.Payments.WeChat + s.Payments.Alipay; math.Abs(sum-1) > exact {
		add("payments", "the two channels share all payments", "wechat %s and alipay %s make %s, not 100%%",
			share(s.Payments.WeChat), share(s.Payments.Alipay), share(sum))
	}
	if b := s.Buyers; b.Abandon+b.Late+b.Twice > 1+exact {
		add("buyers", "the rest pay once", "abandon, late and twice make %s, more than 100%%", share(b.Abandon+b.Late+b.Twice))
	}
	u := s.Upstream
	for _, call := range []struct {
		name string
		up   Upstream
	}{{"create", u.Create}, {"query", u.Query}, {"refund", u.Refund}, {"identity", u.Identity}} {
		if sum := call.up.Errors + call.up.Hang; sum > 1+exact {
			add("upstream."+call.name, "the rest is served", "errors and hang make %s, more than 100%%", share(sum))
		}
	}
	m := s.Machines
	if sum := m.Fail + m.Late + m.LostResult + m.Offline; sum > 1+exact {
		add("machines", "the rest dispense and report", "fail, late, lost_result and offline make %s, more than 100%%", share(sum))
	}
	if m.Late > 0 && m.LateBy == (Delay{}) {
		add("machines.late_by", "say how long a late drop takes", "is missing, although late is %s", share(m.Late))
	}
	if m.Offline > 0 && m.OfflineFor == (Delay{}) {
		add("machines.offline_for", "say how long the machine stays away", "is missing, although offline is %s", share(m.Offline))
	}
}

func (s *Scenario) checkFaults(add adder) {
	for i, f := range s.Faults {
		if f.At < s.Clock.From || f.At >= s.Clock.To {
			add(fmt.Sprintf("faults[%d].at", i), "", "%s is outside the clock, %s to %s", f.At, s.Clock.From, s.Clock.To)
			continue
		}
		s.checkRepeats(i, f, add)
	}
}

func (s *Scenario) checkKick(add adder) {
	switch k := s.Kick; {
	case k.For == 0:
	case len(s.Faults) == 0:
		add("kick", "it tells a metastable service from a broken one after a fault", "is there, but no fault is")
	case k.At <= s.Clock.From || s.kickEnd() >= s.Clock.To:
		add("kick.at", "the load must be back before the end", "from %s for %s does not lie within the clock, %s to %s", k.At, duration(k.For), s.Clock.From, s.Clock.To)
	default:
		for i, f := range s.Faults {
			if end := f.At + TimeOfDay(float64(f.For)*s.Clock.Speed); k.At < end {
				add("kick.at", "the service needs the time between to recover by itself", "%s is before the end of faults[%d], %s", k.At, i, end)
			}
		}
	}
}

func (s *Scenario) checkReplica(add adder) {
	d := s.Database.ReplicaDelay
	switch {
	case d > 0 && !slices.Contains(s.Needs, "replica"):
		add("database.replica_delay", "add needs: [replica]", "is %s, but there is no replica", duration(d))
	case d%time.Second != 0:
		add("database.replica_delay", "", "%s is not a whole number of seconds, which is what a replica counts in", duration(d))
	}
}

// checkLoad looks at what the demand comes to.
func (s *Scenario) checkLoad(add adder) {
	curve := s.Curve()
	switch {
	case curve.lowest() < -1e-9:
		add("demand.peaks", "overlapping peaks add up", "bring the rate below zero")
	case curve.Max() > rateMax:
		add("demand", "", "comes to %.0f orders a second, more than %.0f", curve.Max(), rateMax)
	case curve.Total() > ordersMax:
		add("demand", "", "comes to %.0f orders, more than %d", curve.Total(), ordersMax)
	case curve.Total() < 1:
		add("demand", "raise per_machine_hour or machines, or lower speed", "comes to no order at all")
	}
}
