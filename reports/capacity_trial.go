package reports

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// The limits of a trial that no scenario says.
const (
	goodputShare = 0.99 // of what was offered
	// slopeShare is how much of the load a backlog may grow by and still count as level: less cannot be told from chance
	// in half a minute, and is within what goodputShare forgives. Ours.
	slopeShare = 0.01
)

// The names of a trial's own checks.
const (
	checkNoLoss  = "no money and no goods lost"
	checkLoadWas = "the load was what was planned"
	checkGoodput = "goods in time, of the orders offered"
	checkSlope   = "the backlog does not grow"
)

// NeedsFault reports whether a measure says something about a fault, so that a run without one cannot have it.
func NeedsFault(measure string) bool {
	return slices.ContainsFunc(stabilityGauges(), func(g gauge) bool { return g.Name == measure })
}

// JudgeTrial is what one run came to as a trial of a capacity search: did the service carry that load? The run has a warm-up;
// planned is how many orders of its plan were due after it.
//
// A run whose load was not what was planned says nothing about the service, but in one case: sends that were late for
// no other reason than that every worker of the harness was waiting for the service, on a machine that others left alone. The
// service then had less than the load, and failing with less it would have failed with all of it.
func JudgeTrial(dir string, a *Analysis, planned int, e Evidence) (CapacityTrial, error) {
	m := byName(a.Measures)
	seconds := float64(a.Run.PlayForNS-a.Run.WarmUpNS) / 1e9
	t := CapacityTrial{
		Machines: a.Run.Machines, Evidence: e, Offered: float64(planned) / seconds, Amplification: -1,
		DropP99NS: a.Audit.PayToDrop.P99, CreateP99NS: -1, NotifyP99NS: -1, LatenessP99NS: -1,
	}
	for _, l := range a.Latency {
		switch l.Kind {
		case "create":
			t.CreateP99NS = l.Response.P99
		case "notify":
			t.NotifyP99NS = l.Response.P99
		}
	}
	if l := m["lateness.p99"]; l.Known {
		t.LatenessP99NS = int64(l.Value)
	}
	if x := m["amplification"]; x.Known {
		t.Amplification = x.Value
	}
	goodput := m["goodput.offered"]
	if goodput.Known {
		t.Goodput = t.Offered * goodput.Value
	}
	t.Checks = append(t.Checks, lossless(a), loadHeld(a))
	t.Checks = append(t.Checks, ratioCheck(goodput), levelBacklog(m["backlog.slope"], t.Offered))
	for _, c := range a.Expect {
		t.Checks = append(t.Checks, fewSamples(c, m))
	}
	t.decide(a)
	var err error
	if t.Little, err = littleOf(dir, a); err != nil {
		return t, fmt.Errorf("reading %s: %w", runlog.ResultsFile, err)
	}
	return t, nil
}

func lossless(a *Analysis) Check {
	c := Check{Name: checkNoLoss, Want: "all invariants hold", Got: "they do", Samples: a.Audit.Orders, Status: passed}
	for _, i := range a.Invariants {
		switch {
		case i.Status == failed:
			c.Status, c.Got = failed, i.Name+": "+i.Got
			return c
		case i.Status != passed && c.Status == passed:
			c.Status, c.Got = unknown, i.Name+": not known"
		}
	}
	return c
}

func loadHeld(a *Analysis) Check {
	c := Check{Name: checkLoadWas, Want: "a certificate without a fault", Samples: len(a.Certificate), Status: passed}
	held := 0
	var broken []string
	for _, k := range a.Certificate {
		if k.Status == passed {
			held++
			continue
		}
		broken = append(broken, fmt.Sprintf("%s: %s, wanted %s", k.Name, k.Got, k.Want))
	}
	c.Got = fmt.Sprintf("%d of %d hold", held, len(a.Certificate))
	if broken != nil {
		c.Status, c.Note = failed, strings.Join(broken, "; ")
	}
	return c
}

func ratioCheck(goodput Measure) Check {
	c := Check{Name: checkGoodput, Want: fmt.Sprintf(">= %.0f %%", 100*goodputShare), Got: "-", Samples: goodput.Samples, Status: unknown}
	if goodput.Known {
		c.Got, c.Status = fmt.Sprintf("%.2f %%", 100*goodput.Value), status(goodput.Value >= goodputShare)
	}
	return c
}

func levelBacklog(slope Measure, offered float64) Check {
	limit := slopeShare * offered
	c := Check{Name: checkSlope, Want: fmt.Sprintf("<= %.2g rows/s", limit), Got: "-", Samples: slope.Samples, Status: unknown, Note: "level, to one in a hundred orders"}
	if slope.Known {
		c.Got, c.Status = fmt.Sprintf("%.2f rows/s", slope.Value), status(slope.Value <= limit)
	}
	return c
}

// fewSamples lets a percentile of too few sends pass if all of them are within its limit: then the percentile is, too.
func fewSamples(c Check, m map[string]Measure) Check {
	kind, ok := strings.CutSuffix(c.Name, ".p99")
	most := m[kind+".max"]
	if !ok || c.Status != unknown || !most.Known {
		return c
	}
	want, err := ParseCondition(c.Want)
	if err != nil || want.Op != "<" && want.Op != "<=" || want.Ref != "" || !want.holds(most.Value) {
		return c
	}
	c.Got, c.Status, c.Note = reading(most), passed, "the maximum of few sends"
	return c
}

// decide sets the outcome.
func (t *CapacityTrial) decide(a *Analysis) {
	loss, load, rest := t.Checks[0], t.Checks[1], t.Checks[2:]
	name := func(c Check) string { return fmt.Sprintf("%s: %s, wanted %s", c.Name, c.Got, c.Want) }
	missed := slices.IndexFunc(rest, has(failed))
	switch {
	case loss.Status == failed:
		t.Outcome, t.Loss, t.Why = TrialFailed, true, loss.Got
	case load.Status != passed && missed >= 0 && waitedFor(a) && !t.Evidence.disturbed():
		t.Outcome, t.Why = TrialFailed, name(rest[missed])+"; all workers of the harness waited for the service, so that it had less than the load"
	case load.Status != passed:
		t.Outcome, t.Why = TrialInvalid, load.Note
	case missed >= 0 && t.Evidence.disturbed():
		t.Outcome, t.Why = TrialInvalid, fmt.Sprintf("%s; but %s meanwhile", name(rest[missed]), t.Evidence.disturbance())
	case missed >= 0:
		t.Outcome, t.Why = TrialFailed, name(rest[missed])
	case loss.Status != passed:
		t.Outcome, t.Why = TrialInvalid, loss.Got
	case slices.ContainsFunc(rest, notPassed):
		c := rest[slices.IndexFunc(rest, notPassed)]
		t.Outcome, t.Why = TrialInvalid, c.Name+" is not known: "+c.Note
	default:
		t.Outcome = TrialPassed
	}
}

// settled reports whether what a trial offered and what it carried are one rate, so that it is a point of the law of scalability: its
// backlog is level, and where enough was under way to tell, heads and answers agree on how much that was, which they do not while a queue
// grows. Of any other trial the orders with goods in time are a share of those that were due, whenever they ended: no throughput.
func (t *CapacityTrial) settled() bool {
	level := func(c Check) bool { return c.Name == checkSlope && c.Status == passed }
	return t.told() && slices.ContainsFunc(t.Checks, level) && (t.Little.L < littleTold || t.Little.Off <= littleLimit)
}

// told reports whether a trial has a place in the drawing of the law at all: its load was what was planned, and something was under way.
func (t *CapacityTrial) told() bool {
	return t.Outcome != TrialInvalid && t.Little.L > 0 && t.Goodput > 0
}

// hopelessShare is the goodput, of what was offered, below which no chance can have made a trial fail. Ours.
const hopelessShare = 0.9

// Hopeless reports whether the service failed by so much that the same load need not be played again.
func (t *CapacityTrial) Hopeless() bool {
	missed := func(c Check) bool { return c.Name == checkGoodput && c.Status == failed }
	return t.Outcome == TrialFailed && slices.ContainsFunc(t.Checks, missed) && t.Goodput < hopelessShare*t.Offered
}

// waitedFor reports whether the load fell short for no other reason than that every worker waited for an answer.
func waitedFor(a *Analysis) bool {
	busy := false
	for _, c := range a.Certificate {
		switch {
		case c.Status == passed:
		case c.Name == checkFreeWorker:
			busy = true
		case strings.HasPrefix(c.Name, "lateness") || strings.HasSuffix(c.Name, checkSentOf):
		default:
			return false
		}
	}
	return busy
}

// littleOf cross-checks a trial by Little's law, over whole rows of the play after the warm-up.
func littleOf(dir string, a *Analysis) (Little, error) {
	l := Little{L: -1, Rate: -1, WaitNS: -1, Product: -1, Off: -1}
	from, to, before, area := int64(-1), int64(-1), int64(0), 0.0
	for _, s := range a.Timeline {
		if s.Phase == "play" && before >= a.Run.PlayFromNS+a.Run.WarmUpNS && s.AtNS <= a.Run.PlayFromNS+a.Run.PlayForNS {
			if from < 0 {
				from = before
			}
			to = s.AtNS
			area += s.InFlightMean * float64(s.AtNS-before)
		}
		before = s.AtNS
	}
	if to <= from || from < 0 {
		return l, nil
	}
	f, err := os.Open(filepath.Join(dir, runlog.ResultsFile))
	if err != nil {
		return l, err
	}
	defer f.Close()
	next := vegeta.NewDecoder(f)
	n, wait := 0, time.Duration(0)
	for {
		var r vegeta.Result
		if err := next.Decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return l, err
		}
		due := int64(r.Timestamp.Sub(a.Run.StartedAt))
		if due >= from && due < to {
			n, wait = n+1, wait+r.Latency
		}
	}
	if n == 0 {
		return l, nil
	}
	l.L, l.Rate = area/float64(to-from), float64(n)/(float64(to-from)/1e9)
	l.WaitNS = float64(wait) / float64(n)
	l.Product = l.Rate * l.WaitNS / 1e9
	if l.L > 0 {
		l.Off = math.Abs(l.L-l.Product) / l.L
	}
	return l, nil
}
