package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// The exit codes of a judged run.
const (
	ExitPass         = 0
	ExitInconclusive = 97
	ExitViolated     = 98 // money or data
	ExitMissed       = 99 // an expectation
)

// invariants are the statements about money and data that no run may violate. They are judged whatever the certificate
// says: money lost under a strange load is lost all the same. What only a whole book could show is unknown without one.
func invariants(a *audit, res *Audit) []Check {
	wrong, open := 0, res.Classes[Indeterminate]
	var parts []string
	for _, c := range classes {
		if n := res.Classes[c]; c.Bad() && n > 0 {
			parts = append(parts, count(int64(n))+" "+string(c))
			if c != Indeterminate {
				wrong += n
			}
		}
	}
	every := Check{Name: checkOrders, Want: "no order in a bad class", Got: "all of " + count(int64(res.Orders)), Samples: res.Orders}
	switch {
	case wrong > 0:
		every.Status = failed
	case open > 0 || res.Orders == 0 || !a.end.whole || !a.end.over:
		every.Status = unknown
	default:
		every.Status = passed
	}
	switch {
	case len(parts) > 0:
		every.Got = strings.Join(parts, ", ")
	case res.Orders == 0:
		every.Got, every.Note = "-", "no orders"
	case every.Status == unknown:
		every.Note = "as far as the books go"
	}

	money := Check{
		Name: checkMoney, Want: yuan(res.PaidFen) + " yuan", Samples: res.Payments,
		Got: fmt.Sprintf("%s + %s + %s", yuan(res.DispensedFen), yuan(res.RefundedFen), yuan(res.OpenFen)),
	}
	balanced := res.PaidFen == res.DispensedFen+res.RefundedFen+res.OpenFen
	switch {
	case res.Payments == 0 && res.RefundedFen == 0:
		money.Status, money.Note = unknown, "no payments"
	case !balanced, res.OpenFen > 0 && res.Classes[Lost]+res.Classes[AckedLost] > 0:
		money.Status = failed
	case res.OpenFen > 0:
		money.Status, money.Note = unknown, "the run ended with money on its way"
	default:
		money.Status = passed
	}

	checks := []Check{every, money}
	if res.Probes > 0 {
		c := Check{Name: checkProbes, Want: "0", Got: count(int64(res.ProbesTaken)), Samples: a.tally.probesAnswered, Status: status(res.ProbesTaken == 0)}
		switch {
		case res.ProbesTaken > 0:
			c.Note = "the first: " + a.takenKind
		case a.tally.probesAnswered == 0:
			c.Got, c.Status, c.Note = "-", unknown, "none of "+count(int64(res.Probes))+" was answered"
		}
		checks = append(checks, c)
	}
	sold := Check{Name: checkStock, Want: "0", Got: count(int64(res.Oversold + res.Undersold)), Samples: a.tally.slotsCompared, Status: status(res.Oversold == 0)}
	if res.Undersold > 0 {
		sold.Note = fmt.Sprintf("%s sold twice, %s lost", count(int64(res.Oversold)), count(int64(res.Undersold)))
	}
	switch untold := a.tally.slotsUntold; {
	case res.Oversold > 0:
	case res.Undersold > 0 && a.end.over:
		sold.Status = failed
	case res.Undersold > 0:
		sold.Status, sold.Note = unknown, sold.Note+", as far as the books go"
	case a.tally.slotsCompared == 0:
		sold.Got, sold.Status, sold.Note = "-", unknown, "the service's stock is not known"
	case untold > 0:
		sold.Status, sold.Note = unknown, fmt.Sprintf("the service's book does not tell the stock of %s of %s slots", count(int64(untold)), count(int64(untold+a.tally.slotsCompared)))
	}
	return slices.Concat(checks, []Check{sold}, a.messages.invariants(a.end.whole, a.end.over), a.uploads.invariants(a.end.whole, a.end.over))
}

// decide gives the verdict. A violated invariant stands whatever else is wrong; then comes doubt; then a missed limit.
func decide(x *Analysis, a *audit) Verdict {
	v := Verdict{Since: -1, LossFen: x.Audit.LossFen}
	switch {
	case slices.ContainsFunc(x.Invariants, has(failed)):
		v.Outcome, v.ExitCode = Fail, ExitViolated
		v.Headline = violation(x, a, &v)
		v.Likely = likelyLoss(x, a)
	case slices.ContainsFunc(x.Certificate, notPassed):
		v.Outcome, v.ExitCode = Inconclusive, ExitInconclusive
		c := x.Certificate[slices.IndexFunc(x.Certificate, notPassed)]
		v.Headline = doubt("the run proves nothing", c)
		v.Likely = likelyDoubt(x, c)
	case slices.ContainsFunc(x.Invariants, has(unknown)):
		v.Outcome, v.ExitCode = Inconclusive, ExitInconclusive
		v.Headline = doubt("money and data cannot be judged", x.Invariants[slices.IndexFunc(x.Invariants, has(unknown))])
	case slices.ContainsFunc(x.Expect, has(unknown)):
		v.Outcome, v.ExitCode = Inconclusive, ExitInconclusive
		v.Headline = doubt("an expectation cannot be judged", x.Expect[slices.IndexFunc(x.Expect, has(unknown))])
	case slices.ContainsFunc(x.Expect, has(failed)):
		v.Outcome, v.ExitCode = Fail, ExitMissed
		v.Headline = missed(x)
		v.Likely = likelySlow(x)
	default:
		v.Outcome, v.ExitCode = Pass, ExitPass
		v.Headline = fmt.Sprintf("%s orders, %s payments, %s yuan: all accounted for", count(int64(x.Audit.Orders)),
			count(int64(x.Audit.Payments)), yuan(x.Audit.PaidFen))
	}
	if x.Run.Touched() && v.Outcome == Fail {
		v.Headline += " (by hand: " + handSentence(&x.Run) + ")" // an inconclusive one says so already
	}
	if v.Since >= 0 {
		v.SinceTime = clockOf(&x.Run).at(int64(v.Since))
	}
	return v
}

func has(status string) func(Check) bool { return func(c Check) bool { return c.Status == status } }
func notPassed(c Check) bool             { return c.Status != passed }

// doubt names the first thing in the way of a verdict. The name of some checks is the sentence that should be true: read
// after a colon it would say the opposite of what is meant.
func doubt(what string, c Check) string {
	why := c.Note
	if why == "" {
		why = fmt.Sprintf("%s, wanted %s", c.Got, c.Want)
	}
	switch {
	case !slices.Contains(sentences, c.Name):
		return fmt.Sprintf("%s: %s: %s", what, c.Name, why)
	case c.Status == unknown:
		return fmt.Sprintf("%s: it is not known whether %s (%s)", what, c.Name, why)
	}
	if c.Note == "" {
		why = c.Got
	} else if c.Got != "-" {
		why = c.Got + ": " + c.Note
	}
	return fmt.Sprintf("%s: it is not true that %s (%s)", what, c.Name, why)
}

// The checks whose name is a sentence.
const (
	checkEndedWhole = "the run ended whole"
	checkDrained    = "the drain had its time"
	checkBookWhole  = "the service's book is whole"
	checkPlan       = "the plan is the one that was played"
	checkOrders     = "every order ends well"
	checkMoney      = "sum paid = sum dispensed + sum refunded + open, and open = 0"
	checkProbes     = "no false notification is taken"
	checkStock      = "no piece is sold twice or lost"
)

var sentences = []string{checkEndedWhole, checkDrained, checkBookWhole, checkPlan, checkOrders, checkProbes, checkStock, checkMessages, checkUploads}

// violation says what was lost, how much, since when.
func violation(x *Analysis, a *audit, v *Verdict) string {
	var parts []string
	first := int64(-1)
	at := func(ns int64) {
		if first < 0 || ns < first {
			first = ns
		}
	}
	for _, c := range classes {
		if n := x.Audit.Classes[c]; n > 0 && c.Bad() && c != Indeterminate {
			parts = append(parts, fmt.Sprintf("%s %s", orders(n, len(parts) == 0), inWords[c]))
			at(a.firstAt[c])
		}
	}
	if len(parts) > 0 && x.Audit.LossFen > 0 {
		parts[len(parts)-1] += " (" + yuan(x.Audit.LossFen) + " yuan)"
	}
	if n := x.Audit.ProbesTaken; n > 0 {
		parts = append(parts, count(int64(n))+" false "+plural(n, "notification")+" taken ("+a.takenKind+")")
		at(a.taken)
	}
	if n := x.Audit.Oversold; n > 0 {
		parts = append(parts, count(int64(n))+" "+plural(n, "piece")+" oversold")
	}
	if n := x.Audit.Undersold; n > 0 && a.end.over {
		parts = append(parts, count(int64(n))+" "+plural(n, "piece")+" lost from the stock")
	}
	if b := x.Bid; b != nil && b.Oversold > 0 {
		parts = append(parts, count(int64(b.Oversold))+" units of the bid oversold")
	} else if b != nil && b.Lost+b.Phantom > 0 {
		parts = append(parts, count(int64(b.Lost+b.Phantom))+" shares of the bid told and not kept, or kept and denied")
	}
	for _, c := range x.Invariants {
		switch {
		case c.Status != failed:
		case c.Name == checkMessages || c.Name == checkUploads:
			parts = append(parts, "it is not true that "+c.Name+" ("+cmp.Or(c.Note, c.Got)+")")
		case c.Name == checkMoney && len(parts) == 0: // else the orders tell it
			parts = append(parts, "the money does not add up: "+yuan(x.Audit.PaidFen)+" yuan paid")
		}
	}
	s := strings.Join(parts, ", ")
	if first >= 0 {
		v.Since = time.Duration(first)
		since := clockOf(&x.Run).at(first)
		if since == "" {
			since = span(first) + " into the run"
		}
		s += ", since " + since
	}
	return s
}

func orders(n int, noun bool) string {
	if !noun {
		return count(int64(n))
	}
	return count(int64(n)) + " " + plural(n, "order")
}

func plural(n int, noun string) string {
	if n == 1 {
		return noun
	}
	return noun + "s"
}

var inWords = map[Class]string{
	DoubleDispense:       "dispensed twice",
	UnpaidDispense:       "dispensed unpaid",
	DispensedAndRefunded: "dispensed and refunded",
	DoubleRefund:         "refunded twice",
	AckedLost:            "acknowledged and lost",
	Lost:                 "lost",
	AmountMismatch:       "taken at another amount",
	Stuck:                "never brought to an end",
}

// likelyLoss looks for the mechanism behind the worst class, in the order in which one explains another. It names only
// what the books and samples show.
func likelyLoss(x *Analysis, a *audit) string {
	var (
		n       = x.Audit.Classes
		t       = &a.tally
		m       = byName(x.Measures)
		reasons []string
	)
	say := func(format string, args ...any) { reasons = append(reasons, fmt.Sprintf(format, args...)) }
	refundAfter := x.Run.RefundAfterNS
	waited := int64(m["backlog.age_max"].Value)
	grew := m["backlog.slope"].Known && m["backlog.slope"].Value > 0

	if n[DispensedAndRefunded] > 0 {
		switch {
		case refundAfter > 0 && waited > refundAfter:
			how := "callbacks"
			if grew {
				how = fmt.Sprintf("the queue grew by %.1f rows a second; callbacks", m["backlog.slope"].Value)
			}
			say("%s waited up to %s in the queue, longer than the refund deadline of %s: the refund timer and the late callback both acted",
				how, span(waited), span(refundAfter))
		case t.lateBeyondRefund > 0 && t.refundFirst >= t.goodsFirst:
			say("%s %s fell later than the refund deadline of %s: the money was given back while the command was still live",
				count(int64(t.lateBeyondRefund)), plural(t.lateBeyondRefund, "piece"), span(refundAfter))
		case t.goodsFirst > 0:
			say("the goods had fallen before the refund was made: the result was not known, or not asked for, when the timer fired")
		default:
			say("the refund did not withdraw the command: the machine started after the money had gone back")
		}
	}
	if n[DoubleDispense] > 0 {
		switch {
		case t.doubleByTwo > 0 && t.doubleNotified > 0:
			say("one payment, several notifies, several commands: %s of the orders dispensed twice were notified more than once, so each notify had its own effect",
				count(int64(t.doubleNotified)))
		case t.doubleByTwo > 0:
			say("the service gave one order several commands")
		default:
			say("a machine started one command twice")
		}
	}
	if n[AckedLost] > 0 {
		say("notifies were answered with success before the payment was stored, and it then was not")
	}
	if n[Lost] > 0 {
		switch q := x.Audit.Queue; {
		case q.Voided > 0:
			say("%s pay_queue %s given up (status 4) and nothing made them good", count(int64(q.Voided)), rowsWere(q.Voided))
		case q.Waiting > 0:
			say("%s pay_queue %s still waiting at the end of the drain", count(int64(q.Waiting)), rowsWere(q.Waiting))
		case q.Rows == 0 && a.end.whole:
			say("no payment ever reached pay_queue")
		}
	}
	if n[UnpaidDispense] > 0 {
		say("goods were released without a payment at the channel: a notification was believed that no channel sent, or the wrong order was released")
	}
	if x.Audit.ProbesTaken > 0 {
		say("a false notification passed verification (%s)", a.takenKind)
	}
	if n[DoubleRefund] > 0 {
		say("one payment was refunded under more than one refund number")
	}
	if n[Stuck] > 0 && len(reasons) == 0 {
		say("goods or money moved and the service never recorded the end: a result or a confirmation was lost and not asked for again")
	}
	if b := x.Bid; b != nil && b.Oversold > 0 {
		say("what remained was read before it was taken: several bought the same units")
	}
	if x.Audit.Oversold > 0 && len(reasons) == 0 {
		say("stock was given back, or never taken, for pieces that fell")
	}
	return strings.Join(reasons, "; ")
}

func rowsWere(n int) string {
	if n == 1 {
		return "row was"
	}
	return "rows were"
}

// missed names the expectations that failed.
func missed(x *Analysis) string {
	var parts []string
	for _, c := range x.Expect {
		if c.Status == failed {
			parts = append(parts, fmt.Sprintf("%s is %s, wanted %s", c.Name, c.Got, c.Want))
		}
	}
	return strings.Join(parts, "; ")
}

// likelySlow looks for what a slow service was short of.
func likelySlow(x *Analysis) string {
	m := byName(x.Measures)
	cores := float64(x.Run.Machine.Cores)
	used := 0.0
	if g := x.Run.Generator; g.WallNS > 0 {
		used = float64(g.CPUNS+g.ServiceCPU) / float64(g.WallNS)
	}
	busiest := 0.0
	for _, s := range x.Timeline {
		busiest = max(busiest, s.ServiceCPU)
	}
	switch {
	case m["backlog.slope"].Known && m["backlog.slope"].Value > 0 && m["backlog.max"].Value >= 10:
		return fmt.Sprintf("the queue grew by %.1f rows a second, to %s rows: callbacks came faster than they were handled",
			m["backlog.slope"].Value, count(int64(m["backlog.max"].Value)))
	case cores > 0 && used >= 0.9*cores:
		return fmt.Sprintf("harness and service together used %.1f of %.0f cores", used, cores)
	case cores > 0 && busiest >= 0.9*cores:
		return fmt.Sprintf("the service used %.1f of %.0f cores in its busiest second", busiest, cores)
	case m["create.errors"].Value > 0.01 || m["notify.errors"].Value > 0.01:
		return fmt.Sprintf("the service failed %s of creates and %s of notifies", percent(m["create.errors"].Value), percent(m["notify.errors"].Value))
	}
	return ""
}

// likelyDoubt explains a certificate that failed.
func likelyDoubt(x *Analysis, c Check) string {
	g := x.Run.Generator
	switch {
	case strings.HasPrefix(c.Name, "lateness") || strings.HasSuffix(c.Name, "sent of offered"):
		busy := "the machine was too busy to keep the plan's times"
		if g.WallNS <= 0 || x.Run.Machine.Cores <= 0 {
			return busy
		}
		harness, served, cores := float64(g.CPUNS)/float64(g.WallNS), float64(g.ServiceCPU)/float64(g.WallNS), x.Run.Machine.Cores
		if harness+served < 0.5*float64(cores) {
			busy += ", with something else"
		}
		return fmt.Sprintf("%s: harness %.2f and service %.2f of %d cores", busy, harness, served, cores)
	case c.Name == checkEndedWhole && x.Run.Ended == "":
		return "the harness was killed; the books are read to their last whole record"
	}
	return ""
}

func byName(measures []Measure) map[string]Measure {
	m := make(map[string]Measure, len(measures))
	for _, x := range measures {
		m[x.Name] = x
	}
	return m
}

// SignatureSeen reports whether a shows the documented failure: the scenario has a signature, and every line of it
// holds. What could not be measured is not seen.
func SignatureSeen(a *Analysis) bool {
	return len(a.Signature) > 0 && !slices.ContainsFunc(a.Signature, notPassed)
}

// describe sets the small differences between runs that a reader must know.
func describe(run *runlog.Manifest) []string {
	var notes []string
	if n := run.Generator.OverRange; n > 0 {
		notes = append(notes, fmt.Sprintf("%s times were longer than the histograms' two minutes and count as two minutes", count(int64(n))))
	}
	return append(notes, run.Notes...)
}

// steepRamp is the share by which the load may change while the service answers once. Beyond it a ramp is no slow one for the
// service, as the real day's was, but a disturbance of its own. The figure is ours.
const steepRamp = 0.1

// steep warns of a compressed demand that changed faster than the service could follow. How fast that is is taken from the medians of
// the two answers it owes, the slower one.
func steep(run *runlog.Manifest, latency []Latency) string {
	follows := int64(0)
	for _, l := range latency {
		if l.Kind == "create" || l.Kind == "notify" {
			follows = max(follows, l.Response.P50)
		}
	}
	load := run.Load
	while := load.SteepPerS * time.Duration(follows).Seconds()
	if while <= steepRamp {
		return ""
	}
	speed := run.Speed * steepRamp / while
	return fmt.Sprintf("the ramp is steep for the service: at %s the demand changes by %s a second, and an answer takes %s; the real day's did not. At --speed %.0f it would not either",
		clockOf(run).at(run.Moment(load.SteepAtNS)), percent(load.SteepPerS), span(follows), max(1, math.Floor(speed)))
}
