package reports

import (
	"fmt"
	"math"
	"strings"
)

// Verdict is the outcome in a word: ANSWERED, AT LEAST (something else than the service ended the search), NOT CONFIRMED, NO
// ANSWER, LOST (money or goods were, which is worse than any limit).
func (c *Capacity) Verdict() string {
	switch {
	case c.ExitCode() == ExitViolated:
		return "LOST"
	case !c.Answer.Found:
		return "NO ANSWER"
	case c.Answer.Tentative:
		return "NOT CONFIRMED"
	case c.Answer.AtLeast:
		return "AT LEAST"
	}
	return "ANSWERED"
}

// Headline is the answer in one sentence.
func (c *Capacity) Headline() string {
	a := c.Answer
	if !a.Found {
		return a.Why
	}
	much := ""
	if a.AtLeast {
		much = "at least "
	}
	says := fmt.Sprintf("carries %s%s orders/s: %s machines at the peak, with %s orders an hour each", much, rateText(a.PerSecond),
		count(int64(a.Machines)), rateText(c.Load.PerMachineHour))
	if a.Above > 0 {
		says += fmt.Sprintf("; not %s here", rateText(a.Above))
	}
	if a.Tentative {
		says += " (not confirmed)"
	}
	return says
}

// A saying is one line of the answer.
type saying struct{ Name, Says string }

// Sayings are the answer's lines, in the order in which they are asked for.
func (c *Capacity) Sayings() []saying {
	var list []saying
	add := func(name, format string, args ...any) {
		list = append(list, saying{name, fmt.Sprintf(format, args...)})
	}
	a, s := c.Answer, c.Sizing
	if a.Found {
		if a.AtLeast {
			add("At least", "%s", a.Why)
		}
		if a.Above > 0 {
			add("Bounds", "%s orders/s passed (%s of the confirming trials), %s did not: %s apart", rateText(a.PerSecond), a.Confirmed, rateText(a.Above), percent(a.Gap))
		}
		add("Headroom", "%s machines at the peak: %.2f of the capacity, since %s binds (%s)", count(int64(s.Machines)), s.RhoMax, s.Binds, c.terms())
		add("One fewer", "%s", c.fewerText())
	}
	if a.AboveMachines > 0 {
		add("Limit", "%s: %s", c.Binding.Name, c.Binding.Says)
	}
	add("Service", "%s", c.statedText())
	add("Held", "%s", c.Stated.Held)
	return list
}

func (c *Capacity) terms() string {
	var parts []string
	for _, t := range c.Sizing.Terms {
		parts = append(parts, fmt.Sprintf("%s %.2f", t.Name, t.Value))
	}
	return strings.Join(parts, ", ")
}

func (c *Capacity) fewerText() string {
	f := c.Sizing.Fewer
	if !f.Known {
		return f.Says
	}
	return fmt.Sprintf("%s machines: %s", count(int64(f.Machines)), f.Says)
}

// statedText is the service that was asked for: "one process, 2 CPUs, 4096 MiB".
func (c *Capacity) statedText() string {
	s := c.Stated
	parts := []string{s.Deployed}
	each := ""
	if s.Processes > 1 {
		each = " each"
	}
	if s.CPUs > 0 {
		parts = append(parts, fmt.Sprintf("%g CPUs%s", s.CPUs, each))
	} else {
		parts = append(parts, "as many CPUs as there are")
	}
	if s.MemoryMiB > 0 {
		parts = append(parts, fmt.Sprintf("%d MiB%s", s.MemoryMiB, each))
	}
	parts = append(parts, "on "+c.Testbed+" with "+c.Engine)
	return strings.Join(parts, ", ")
}

// Honesty says what was measured and what was not.
func (c *Capacity) Honesty() []string {
	list := []string{fmt.Sprintf(
		"Measured on one machine (%s, %d cores), everything over loopback: there was no network between machines, service and databases, and the payment channels are simulated with delays of their own.",
		c.Machine.CPU, c.Machine.Cores)}
	if c.Stated.CPUs > 0 && !c.Stated.Apart {
		list = append(list, fmt.Sprintf(
			"The service may use %g CPUs, and had to share the machine's with its databases and the harness: a service with processors of its own carries this much or more.", c.Stated.CPUs*float64(max(1, c.Stated.Processes))))
	}
	list = append(list, fmt.Sprintf(
		"The load of a trial is constant, at the peak's rate (%s on the scenario's clock), with buyers who come by chance. The whole fleet is there: every machine polls and sends its heartbeat.", c.Load.PeakAt))
	if len(c.Load.LeftOut) > 0 {
		list = append(list, "Left out of the scenario: "+strings.Join(c.Load.LeftOut, ", ")+".")
	}
	if len(c.Method.GaveUp) > 0 {
		list = append(list, "Given up for the budget: "+strings.Join(c.Method.GaveUp, "; ")+".")
	}
	if top := c.highest(); top > 0 {
		list = append(list, fmt.Sprintf("The highest load that was played is %s orders/s. Nothing is said of any beyond.", rateText(top)))
	}
	return list
}

func (c *Capacity) highest() (top float64) {
	for _, t := range c.Trials {
		top = max(top, t.Planned)
	}
	return top
}

// Cut says why the search is partial, "" when it is not.
func (c *Capacity) Cut() string {
	switch c.Ended {
	case EndedInterrupted:
		return "Interrupted: what follows rests on the trials that were played to their end."
	case EndedError:
		return "Ended by an error: " + c.Error
	case EndedBudget:
		return "Ended by its budget."
	case "":
		return "The search goes on, or was killed: what follows rests on the trials so far."
	}
	return ""
}

// rateText writes a rate with a decimal below a hundred: "6", "22.5", "214".
func rateText(v float64) string {
	if v >= 99.95 || v == math.Trunc(v) {
		return count(int64(math.Round(v)))
	}
	return fmt.Sprintf("%.1f", v)
}

// methodText is how the search goes about it.
func (c *Capacity) methodText() string {
	m := c.Method
	s := fmt.Sprintf("from %s machines up by %g until a load does not pass, then halved to %s; each load by the majority of %d trials of %s after a warm-up of %s, on the way up by one that passes; the lower bound confirmed by %d of %d",
		count(int64(c.Load.Machines)), m.Growth, percent(m.Resolution), m.Majority, span(m.MeasureNS), span(m.WarmUpNS), m.ConfirmNeed, m.ConfirmOf)
	if m.BudgetNS > 0 {
		s += fmt.Sprintf("; budget %s for %d trials or so", span(m.BudgetNS), m.Expected)
	}
	return s
}

// machineText is what the machine was like while the answer was confirmed, or at the last trial of a search without one.
func (c *Capacity) machineText() string {
	var e *Evidence
	for i := range c.Trials {
		if t := &c.Trials[i]; e == nil || t.Machines == c.Answer.Machines || !c.Answer.Found {
			e = &t.Evidence
		}
	}
	if e == nil {
		return "not looked at"
	}
	quota := "no quota"
	if e.QuotaCores > 0 {
		quota = fmt.Sprintf("a quota of %.2f, held back by it %s of the time", e.QuotaCores, shareText(e.Throttled))
	}
	s := fmt.Sprintf("%d cores to use, %s, %s stolen, %s used by others; pressure (PSI) on processors %s, disk %s, memory %s of the time",
		e.Cores, quota, coresText(e.StealCores), coresText(e.OtherCores), shareText(e.PressureCPU), shareText(e.PressureIO), shareText(e.PressureMemory))
	if e.ServiceThrottled >= 0 {
		s += fmt.Sprintf("; the service's containers were throttled in %s periods", count(e.ServiceThrottled))
	}
	return s
}

// littleText is the cross-check in a sentence.
func (c *Capacity) littleText() string {
	l := c.Little
	if l.Trials == 0 {
		return "no trial had enough under way to tell"
	}
	return fmt.Sprintf("L and lambda x W agree within %s in %d of %d trials that passed; the worst is %s off", percent(l.Limit), l.Within, l.Trials, percent(l.Worst))
}

// curveText is the fitted law in a sentence.
func (c *Capacity) curveText() string {
	u := c.Curve
	if u == nil {
		return "not fitted: " + c.NoCurve
	}
	s := fmt.Sprintf("X(N) = %.3g N / (1 + %.2g (N-1) + %.2g N (N-1)); sigma %.2g..%.2g, kappa %.2g..%.2g in 95 %% of the resamples, R2 %.3f",
		u.Curve.Gamma, u.Curve.Sigma, u.Curve.Kappa, u.SigmaLow, u.SigmaTop, u.KappaLow, u.KappaTop, u.R2)
	in, out := c.fitted()
	s += fmt.Sprintf("; fitted to %d of %d trials", in, in+out)
	if out > 0 {
		s += ", since the others had not settled: their backlog, or what was under way, grew"
	}
	switch n := u.Curve.Peak(); {
	case n < u.From:
		s += fmt.Sprintf("; it falls from N = %.0f on, where the measurements begin", u.From)
	case n <= u.To:
		s += fmt.Sprintf("; it is highest at N = %.0f", n)
	default:
		s += fmt.Sprintf("; it has no highest point up to N = %.0f, where the measurements end", u.To)
	}
	return s
}
