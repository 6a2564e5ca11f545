package reports

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/lunchrush/lunchrush/internal/stats"
)

// What follows from the trials.
const (
	rhoSafe     = 0.7  // of its capacity: beyond it a queue's length is at the mercy of chance. Ours
	littleLimit = 0.05 // between L and lambda W
	// littleTold is how many sends under way on average a cross-check is told of: fewer, and single sends are the difference.
	littleTold = 1.0

	uslResamples = 1000
	uslSteps     = 60
)

// Conclude draws from the trials what they say: the answer, the limit that binds, the fleet with headroom, the curve, the
// cross-check. It may be called after any trial.
func (c *Capacity) Conclude() {
	c.Answer = c.answerOf(c.Trials, c.Method.ConfirmNeed, c.Method.ConfirmOf, c.Method.Ceiling)
	if f := c.Fewer; f != nil {
		f.Answer = c.answerOf(f.Trials, f.ConfirmNeed, f.ConfirmOf, c.Answer.Machines)
	}
	c.Binding = c.binding()
	c.shortOfProcessors()
	c.Sizing = c.sizing()
	c.Curve, c.NoCurve = c.curve()
	c.Little = c.little()
	c.Warnings = c.warnings()
}

// level is the votes of the trials of one load.
type level struct {
	machines                int
	passed, failed, invalid int
	confirmed, refused      int  // trials of the confirmation
	hopeless                bool // one of them was: no other can make the load one that is carried
}

// carries says of a load what the search that played it says (harness: search.bounds, confirm).
func (l level) carries(need, of int) bool {
	return !l.hopeless && l.passed > l.failed+l.invalid && l.refused <= of-need
}

// levelsOf are the loads of trials, ascending.
func levelsOf(trials []CapacityTrial) []level {
	var all []level
	for _, t := range trials {
		if t.Replaced {
			continue
		}
		i := slices.IndexFunc(all, func(l level) bool { return l.machines == t.Machines })
		if i < 0 {
			all = append(all, level{machines: t.Machines})
			i = len(all) - 1
		}
		switch t.Outcome {
		case TrialPassed:
			all[i].passed++
		case TrialFailed:
			all[i].failed++
		default:
			all[i].invalid++
		}
		all[i].hopeless = all[i].hopeless || t.Hopeless()
		if t.Step == StepConfirm {
			if t.Outcome == TrialPassed {
				all[i].confirmed++
			} else {
				all[i].refused++
			}
		}
	}
	slices.SortFunc(all, func(a, b level) int { return a.machines - b.machines })
	return all
}

// StepConfirm is the step of a trial that is to confirm a load.
const StepConfirm = "confirm"

// answerOf finds the greatest load that was carried below the least that was not. Of a greater one whose confirmation had no time to
// end nothing is known, where a smaller one is confirmed. ceiling is the greatest that was to be tried; 0: there was none.
func (c *Capacity) answerOf(trials []CapacityTrial, need, of, ceiling int) CapacityAnswer {
	var a CapacityAnswer
	var lower, upper *level
	all := levelsOf(trials)
	for i := range all {
		if l := &all[i]; !l.carries(need, of) {
			upper = l
			break
		}
		if lower == nil || lower.confirmed < need || all[i].confirmed >= need {
			lower = &all[i]
		}
	}
	rate := c.Load.PerMachine()
	if upper != nil {
		a.AboveMachines, a.Above = upper.machines, float64(upper.machines)*rate
	}
	switch {
	case len(all) == 0:
		a.Why = "no trial was played to its end"
		return a
	case lower == nil:
		if upper.invalid >= upper.failed {
			a.Why = "not even the least load could be offered as planned: " + whyNot(trials, upper.machines)
		} else {
			a.Why = "not even the least load was carried: " + whyNot(trials, upper.machines)
		}
		return a
	}
	a.Found, a.Machines, a.PerSecond = true, lower.machines, float64(lower.machines)*rate
	a.Confirmed = fmt.Sprintf("%d of %d", lower.confirmed, lower.confirmed+lower.refused)
	a.Tentative = lower.confirmed < need
	switch {
	case upper == nil && ceiling > 0 && lower.machines >= ceiling:
		a.AtLeast, a.Why = true, c.Method.CeilingWhy
	case upper == nil:
		a.AtLeast, a.Why = true, "the search ended before any load was refused"
	case upper.invalid > upper.failed && disturbedAt(trials, upper.machines):
		a.AtLeast, a.Why = true, "the next load could not be offered to the service alone: "+whyNot(trials, upper.machines)
	case upper.invalid > upper.failed:
		a.AtLeast, a.Why = true, "at the next load the harness gave out, not the service: "+whyNot(trials, upper.machines)
	}
	if upper != nil {
		a.Gap = float64(upper.machines)/float64(lower.machines) - 1
	}
	return a
}

// shortOfProcessors: where the machine was full before the service had used the processors that it may have, the answer is
// this machine's. The stated service carries that or more.
func (c *Capacity) shortOfProcessors() {
	a := &c.Answer
	above := c.least(a.AboveMachines, TrialFailed)
	stated := c.Stated.CPUs * float64(max(1, c.Stated.Processes))
	if !a.Found || a.AtLeast || above == nil || c.Stated.Apart || c.Binding.Name != limitMachine || stated <= 0 {
		return
	}
	if e := above.Evidence; e.ServiceCores >= 0 && e.ServiceCores < fullProcessors*stated {
		a.AtLeast = true
		a.Why = fmt.Sprintf("this machine's %d cores were full when the service had %.2f of the %g that it may have; its databases and the harness had the others",
			e.Cores, e.ServiceCores, stated)
		if e.StealCores >= coresTold {
			a.Why += fmt.Sprintf(", but for %s that its host took", coresText(e.StealCores))
		}
	}
}

// whyNot is why the last trial of a load that did not pass did not.
func whyNot(trials []CapacityTrial, machines int) string {
	for _, t := range slices.Backward(trials) {
		if t.Machines == machines && t.Outcome != TrialPassed {
			return t.Why
		}
	}
	return ""
}

// disturbedAt reports whether others had the machine in the trial that [whyNot] tells of.
func disturbedAt(trials []CapacityTrial, machines int) bool {
	for _, t := range slices.Backward(trials) {
		if t.Machines == machines && t.Outcome != TrialPassed {
			return t.Evidence.disturbed()
		}
	}
	return false
}

// sizing is the fleet that the capacity stands for when there is to be headroom: machines = rho_max x C_lower / rate of one
// machine at the peak.
func (c *Capacity) sizing() Sizing {
	s := Sizing{Retries: c.Outage.Retries}
	if s.Retries < 0 {
		s.Retries = 0
		for _, t := range c.at(c.Answer.Machines) {
			s.Retries = max(s.Retries, t.Amplification-1)
		}
	}
	d, t := time.Duration(c.Outage.ForNS).Seconds(), time.Duration(c.Outage.DrainNS).Seconds()
	share := 1.0
	if t+d > 0 {
		share = t / (t + d)
	}
	a := s.Retries
	s.Terms = []RhoTerm{
		{"chance", rhoSafe, "beyond it short queues become long by chance"},
		{"drain", share / (1 + a), fmt.Sprintf("what %s of outage have piled up, and %.2f further sends an operation, are gone within %s",
			span(c.Outage.ForNS), a, span(c.Outage.DrainNS))},
		{"retries", 1 / (1 + a), fmt.Sprintf("beyond it %.2f further sends an operation keep the service down by themselves", a)},
	}
	s.RhoMax = math.Inf(1)
	for _, term := range s.Terms {
		if term.Value < s.RhoMax {
			s.RhoMax, s.Binds = term.Value, term.Name
		}
	}
	if c.Answer.Found {
		s.Machines = c.fleet(s.RhoMax * c.Answer.PerSecond)
	}
	s.Fewer = c.fewer(s.RhoMax)
	return s
}

// fleet is how many machines make so many orders a second at the peak.
func (c *Capacity) fleet(perSecond float64) int {
	rate := c.Load.PerMachine()
	if rate <= 0 {
		return 0
	}
	return int(math.Floor(perSecond/rate + 1e-9))
}

// fewer is the fleet with one instance fewer. It is never calculated: what the others do was measured or is not known.
func (c *Capacity) fewer(rhoMax float64) FewerInstances {
	f := c.Fewer
	switch {
	case c.Stated.Instances <= 1:
		return FewerInstances{Known: true, Says: "there is one instance: without it nothing is carried"}
	case f != nil && len(f.Trials) > 0 && !f.Answer.Found:
		return FewerInstances{Says: fmt.Sprintf("%s carried none of the loads tried: %s", f.Deployed, f.Answer.Why)}
	case f == nil || !f.Answer.Found:
		return FewerInstances{Says: fmt.Sprintf("not measured; search with --instances %d", c.Stated.Instances-1)}
	}
	says := fmt.Sprintf("%s carried %s orders/s (%s of the confirming trials)", f.Deployed, rateText(f.Answer.PerSecond), f.Answer.Confirmed)
	switch {
	case f.Answer.Above > 0:
		says += fmt.Sprintf(", and not %s", rateText(f.Answer.Above))
	case f.Answer.Machines >= c.Answer.Machines:
		says += ", as much as all of them"
	}
	return FewerInstances{Known: !f.Answer.Tentative, Machines: c.fleet(rhoMax * f.Answer.PerSecond), Says: says}
}

// at are the trials of a load.
func (c *Capacity) at(machines int) []*CapacityTrial {
	var all []*CapacityTrial
	for i := range c.Trials {
		if c.Trials[i].Machines == machines {
			all = append(all, &c.Trials[i])
		}
	}
	return all
}

// curve fits the law of scalability: N is the sends under way on average, X the orders a second that ended well. Only trials
// that had settled count, since those alone have a throughput.
func (c *Capacity) curve() (*stats.USLBand, string) {
	var points []stats.ScalePoint
	for i := range c.Trials {
		if t := &c.Trials[i]; t.settled() {
			points = append(points, stats.ScalePoint{N: t.Little.L, X: t.Goodput})
		}
	}
	band, err := stats.BandUSL(points, uslResamples, uslSteps, c.Seed)
	switch _, out := c.fitted(); {
	case err != nil && out > 0:
		return nil, fmt.Sprintf("%v; %s that had not settled are left out", err, several(out, "trial", "trials"))
	case err != nil:
		return nil, err.Error()
	}
	return band, ""
}

// fitted counts the trials that the law is fitted to, and those that are drawn beside it since they had not settled.
func (c *Capacity) fitted() (in, out int) {
	for i := range c.Trials {
		switch t := &c.Trials[i]; {
		case t.settled():
			in++
		case t.told():
			out++
		}
	}
	return in, out
}

func (c *Capacity) little() LittleSum {
	s := LittleSum{Limit: littleLimit, Worst: -1}
	for _, t := range c.Trials {
		if t.Outcome != TrialPassed || t.Little.Off < 0 || t.Little.L < littleTold {
			continue
		}
		s.Trials++
		s.Worst = max(s.Worst, t.Little.Off)
		if t.Little.Off <= littleLimit {
			s.Within++
		}
	}
	return s
}

// Limits beyond which a reader must be told of the machine. Ours.
const (
	foreignShare = 0.05 // of the machine, used by others
	stealShare   = 0.02
)

func (c *Capacity) warnings() []string {
	list := []string{}
	say := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	foreign, stolen, throttled, losses := 0, 0, 0, 0
	mostForeign, mostStolen := 0.0, 0.0
	for _, t := range c.Played() {
		e := t.Evidence
		if share := e.OtherCores / float64(max(1, e.Cores)); share > foreignShare {
			foreign, mostForeign = foreign+1, max(mostForeign, e.OtherCores)
		}
		if share := e.StealCores / float64(max(1, e.Cores)); share > stealShare {
			stolen, mostStolen = stolen+1, max(mostStolen, e.StealCores)
		}
		if e.Throttled > 0.01 {
			throttled++
		}
		if t.Loss {
			losses++
		}
	}
	n := len(c.Played())
	if losses > 0 {
		say("money or goods were lost in %d of %d trials: that is worse than any limit missed", losses, n)
	}
	if foreign > 0 {
		say("others used this machine: up to %.2f cores, more than %s of it in %d of %d trials; a quiet machine carries more", mostForeign, percent(foreignShare), foreign, n)
	}
	if stolen > 0 {
		say("the host of this virtual machine took up to %.2f cores for others, in %d of %d trials", mostStolen, stolen, n)
	}
	if throttled > 0 {
		say("the harness's control group has a limit of processor time and was held back by it in %d of %d trials", throttled, n)
	}
	if c.Answer.Found && c.Outage.Retries < 0 {
		say("headroom after an outage reckons with the retries that the trials had without one; --retries states what an outage brings")
	}
	if l := c.Little; l.Within < l.Trials {
		say("Little's law holds within %s in %d of %d trials only: requests are missing from one of the two counts, or a queue grew", percent(l.Limit), l.Within, l.Trials)
	}
	if c.Answer.Tentative {
		say("the answer is not confirmed: %s of the confirming trials passed, %d of %d are wanted", c.Answer.Confirmed, c.Method.ConfirmNeed, c.Method.ConfirmOf)
	}
	if c.Answer.Found && c.Answer.Gap > c.Method.Resolution*(1+1e-9)+1/float64(c.Answer.Machines) {
		say("the bounds are %s apart, wanted %s", percent(c.Answer.Gap), percent(c.Method.Resolution))
	}
	return list
}

// ExitCode is 98 where money or data was lost at any load, 97 without a confirmed answer, 99 where the confirmed fleet is
// smaller than the scenario's, else 0.
func (c *Capacity) ExitCode() int {
	switch {
	case slices.ContainsFunc(c.Played(), func(t CapacityTrial) bool { return t.Loss }):
		return ExitViolated
	case c.Answer.Found && c.Answer.AboveMachines > 0 && !c.Answer.AtLeast && c.Answer.AboveMachines <= c.Load.Machines,
		!c.Answer.Found && c.Answer.AboveMachines > 0 && c.failedBelow():
		return ExitMissed
	case !c.Answer.Found || c.Answer.Tentative, c.Answer.AtLeast && c.Answer.Machines < c.Load.Machines:
		return ExitInconclusive
	case c.Answer.Machines < c.Load.Machines:
		return ExitMissed
	}
	return ExitPass
}

// failedBelow: the service refused a load that was good, and carried none.
func (c *Capacity) failedBelow() bool {
	return slices.ContainsFunc(levelsOf(c.Trials), func(l level) bool { return l.failed > l.invalid+l.passed && l.machines <= c.Load.Machines })
}
