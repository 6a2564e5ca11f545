package reports

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// The certificate's limits. Those of sends and lateness are the harness's documented ones; the processor's is ours.
const (
	sentShare     = 0.99
	latenessLimit = 5 * time.Millisecond
	latenessShare = 0.10
	harnessShare  = 0.80 // of all cores: beyond it the harness competes with itself
)

// Names of its checks that are looked for elsewhere.
const (
	checkFreeWorker = "sends that found a free worker"
	checkSentOf     = " sends: sent of offered"
)

// certificate says whether the load was what was planned and the books are what a judge needs. Any check that does not
// pass makes the run inconclusive; it says nothing about the service.
func certificate(a *audit, e *evidence, p *planned, planErr error) []Check {
	run := a.run
	var checks []Check
	if run.Touched() {
		checks = append(checks, byHand(run))
	}
	checks = append(checks, endedWhole(run, a.truncated))
	checks = append(checks, drained(a), bookWhole(a), planMatches(run, p, planErr))
	checks = append(checks, offered(run, a.tally.creates)...)
	checks = append(checks, lateness(e)...)
	checks = append(checks, harnessCPU(run))
	if run.Generator.Workers > 0 {
		checks = append(checks, harnessWorkers(run))
	}
	for _, f := range a.faults.of(run) {
		checks = append(checks, faultFelt(f))
	}
	return checks
}

// Certified reports whether the load was what was planned and the books are what a judge needs.
func (a *Analysis) Certified() bool { return a.uncertified() == "" }

// uncertified names the first thing in the way of that.
func (a *Analysis) uncertified() string {
	if i := slices.IndexFunc(a.Certificate, notPassed); i >= 0 {
		return doubt("the run proves nothing", a.Certificate[i])
	}
	return ""
}

func endedWhole(run *runlog.Manifest, truncated bool) Check {
	c := Check{Name: checkEndedWhole, Want: "whole", Got: run.Ended, Samples: 1, Status: status(run.Ended == "whole")}
	switch {
	case run.Ended == "":
		c.Got, c.Note = "killed", "run.json was never finished"
	case run.Error != "":
		c.Note = run.Error
	}
	if truncated {
		c.Status = failed
		c.Note = strings.TrimPrefix(c.Note+"; the books were not closed", "; ")
	}
	return c
}

func drained(a *audit) Check {
	c := Check{Name: checkDrained, Want: "all orders closed, or the deadline reached", Samples: 1, Status: status(a.end.over)}
	switch {
	case a.run.DrainedAtNS > 0:
		c.Got = "all closed after " + span(a.run.DrainedAtNS)
	case a.end.over:
		c.Got = "deadline reached at " + span(a.run.DeadlineNS)
	default:
		c.Got = "ended after " + span(a.last)
	}
	return c
}

func bookWhole(a *audit) Check {
	c := Check{Name: checkBookWhole, Want: "every order and the last line", Samples: a.served, Status: status(a.end.whole)}
	switch {
	case a.ended < 0 && a.served == 0:
		c.Got = "none"
	case a.ended < 0:
		c.Got = count(int64(a.served)) + " orders, no last line"
	default:
		c.Got = fmt.Sprintf("%s orders of %s", count(int64(a.served)), count(int64(a.ended)))
	}
	return c
}

func planMatches(run *runlog.Manifest, p *planned, err error) Check {
	c := Check{Name: checkPlan, Want: short(run.PlanSHA256), Got: "-", Status: unknown}
	switch {
	case err != nil:
		c.Note = planWarning(err)
	case run.PlanSHA256 == "":
		c.Note = "run.json has no plan_sha256"
	default:
		c.Got, c.Samples, c.Status = short(p.sha256), p.orders, status(p.sha256 == run.PlanSHA256)
	}
	return c
}

func short(sum string) string { return sum[:min(12, len(sum))] }

// offered compares what fell due with what was sent, for each kind of send and, for creates, with the plan. run.json of a
// run that was killed is from the beginning of its last phase: what the books hold may be more.
func offered(run *runlog.Manifest, booked int) []Check {
	var checks []Check
	for _, kind := range slices.Concat(kinds, callKinds) {
		sent, due := run.Sent[kind], run.Sent[kind]+run.Unsent[kind]
		if kind == "create" {
			sent = max(sent, booked)
			due = max(due, sent, run.Planned[kind])
		} else if due == 0 && run.Planned[kind] == 0 {
			continue
		} else if slices.Contains(callKinds, kind) {
			due = max(due, run.Planned[kind])
		}
		c := Check{Name: kind + checkSentOf, Want: fmt.Sprintf(">= %.0f %%", 100*sentShare), Got: "-", Samples: due, Status: unknown}
		if due > 0 {
			share := float64(sent) / float64(due)
			c.Got = fmt.Sprintf("%s of %s (%.1f %%)", count(int64(sent)), count(int64(due)), 100*share)
			c.Status = status(share >= sentShare)
		} else {
			c.Note = "nothing was sent"
		}
		checks = append(checks, c)
	}
	return checks
}

// lateness holds the harness to its own promise: a send leaves within 5 ms of its due time in 99 of 100 cases.
//
// Response times count from the due time, so lateness is inside them, and the many sends of one kind must not hide the late ones of
// another. Where an expectation or the signature names a percentile of a kind, and of the orders always, since gates and capacities judge
// those, the kind's own lateness must be at most a tenth of what it is part of: of the median where that is named and over 1 ms, else
// of the p99 of its service times, or 5 ms where that is more. Too few sends for a p99 have no percentile that could be judged.
func lateness(e *evidence) []Check {
	q := quantilesOf(e.lateness)
	c := Check{Name: "lateness p99", Want: "<= " + latenessLimit.String(), Got: "-", Samples: int(q.N), Status: unknown}
	if q.P99 >= 0 {
		c.Got, c.Status = span(q.P99), status(q.P99 <= int64(latenessLimit))
	} else if q.N > 0 { // too few for a p99: then all of them must be in time
		c.Got, c.Status, c.Note = span(q.Max), status(q.Max <= int64(latenessLimit)), "the maximum of few sends"
	} else {
		c.Note = "no samples"
	}
	checks := []Check{c}
	for _, kind := range slices.Concat(kinds, callKinds) {
		l := e.latency[kind]
		if l.Lateness.P99 < 0 {
			continue
		}
		var limit int64
		var note string
		switch {
		case named(e.run, kind+".p50") && l.Response.P50 > int64(time.Millisecond):
			limit, note = int64(latenessShare*float64(l.Response.P50)), "a tenth of their median response time, which an expectation names"
		case kind == "create" || named(e.run, kind+".p"):
			limit = max(int64(latenessLimit), int64(latenessShare*float64(l.Service.P99)))
		default:
			continue
		}
		checks = append(checks, Check{
			Name: "lateness p99 of " + kind + " sends", Want: "<= " + span(limit), Got: span(l.Lateness.P99), Samples: int(l.Lateness.N),
			Status: status(l.Lateness.P99 <= limit), Note: note,
		})
	}
	return checks
}

// named reports whether an expectation or the signature of the run names a measure of that kind: "notify.p99" or "wechat.notify.p99.moved".
func named(run *runlog.Manifest, measure string) bool {
	for _, of := range []map[string]string{run.Expect, run.Signature} {
		for name := range of {
			if strings.Contains("."+name, "."+measure) {
				return true
			}
		}
	}
	return false
}

func harnessCPU(run *runlog.Manifest) Check {
	c := Check{Name: "the harness's share of the machine", Want: fmt.Sprintf("<= %.0f %%", 100*harnessShare), Got: "-", Status: unknown}
	g := run.Generator
	if g.WallNS <= 0 || g.CPUNS <= 0 || run.Machine.Cores <= 0 {
		c.Note = "run.json does not say what the harness used"
		return c
	}
	share := float64(g.CPUNS) / float64(g.WallNS) / float64(run.Machine.Cores)
	c.Got, c.Samples, c.Status = readingBeside(Measure{Unit: "share", Value: share}, Condition{Op: "<=", Limit: harnessShare}), 1, status(share <= harnessShare)
	var notes []string
	if g.First {
		notes = append(notes, "real-time threads, which run before the service's")
	}
	if g.Awake {
		notes = append(notes, "processors kept awake")
	}
	c.Note = strings.Join(notes, "; ")
	return c
}

// harnessWorkers: a send that falls due while every worker waits for an answer is late by the harness's fault, and the
// load is no longer open.
func harnessWorkers(run *runlog.Manifest) Check {
	sent := 0
	for _, n := range run.Sent {
		sent += n
	}
	g := run.Generator
	c := Check{
		Name: checkFreeWorker, Want: fmt.Sprintf(">= %.0f %%", 100*sentShare), Samples: sent, Status: unknown, Got: "-",
		Note: count(int64(g.Workers)) + " workers",
	}
	if sent > 0 {
		share := 1 - float64(g.Bound)/float64(sent)
		c.Got, c.Status = fmt.Sprintf("%.1f %%", 100*share), status(share >= sentShare)
	}
	return c
}

func faultFelt(f Fault) Check {
	c := Check{Name: "felt: " + f.What + " on " + f.On, Want: "measured while it was on", Got: f.Evidence, Samples: 1, Status: status(f.Felt)}
	if f.Evidence == neverMeasured {
		c.Samples = 0
	}
	return c
}

func status(ok bool) string {
	if ok {
		return passed
	}
	return failed
}

// conditions judges expect or signature, by name.
func conditions(of map[string]string, measures map[string]Measure, run *runlog.Manifest) []Check {
	checks := []Check{}
	for _, name := range slices.Sorted(maps.Keys(of)) {
		checks = append(checks, check(name, of[name], measures, run))
	}
	return checks
}
