package reports

import (
	"math"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A tracker collects, while the books are read, what stability needs beside the audit. Only a run with faults has one.
type tracker struct {
	a        *audit
	slowerNS [2]int64 // the limits of create.p99 and notify.p99 that the scenario expects; 0 none
	answered []bool   // by key number: the buyer was given his order
	seconds  []traffic
	due      []int64
	planned  []plannedOperation
}

// A plannedOperation is one order of the plan that is meant to end with goods.
type plannedOperation struct {
	due  int64
	keys []uint32 // of its tries, as far as they were sent
}

// trySeparator stands in a request id between the plan's key and the number of a further try: "o000001.2".
const trySeparator = "."

func newTracker(a *audit) *tracker {
	if len(a.run.Faults) == 0 {
		return nil
	}
	t := &tracker{a: a}
	for kind, name := range map[int]string{slowCreate: "create.p99", slowNotify: "notify.p99"} {
		c, err := ParseCondition(a.run.Expect[name])
		if err == nil && (c.Op == "<" || c.Op == "<=") && c.Unit == "ns" && c.Ref == "" {
			t.slowerNS[kind] = int64(c.Limit)
		}
	}
	return t
}

// second is the traffic of the second that holds at.
func (t *tracker) second(at int64) *traffic {
	const most = 7 * 24 * 3600 // no run lasts a week: a broken time must not cost memory
	i := int(min(max(at, 0)/int64(time.Second), most))
	for len(t.seconds) <= i {
		t.seconds = append(t.seconds, traffic{})
	}
	return &t.seconds[i]
}

// take enters a record, after the audit has.
func (t *tracker) take(r *runlog.Record) {
	switch r.Event {
	case runlog.BuyerIntent:
		s := t.second(r.At)
		s.creates++
		if !strings.Contains(r.Key, trySeparator) {
			s.firstCreates++
		}
	case runlog.BuyerAnswer:
		t.timed(slowCreate, r)
		if r.Status/100 == 2 {
			k, _ := t.a.keys.find(r.Key) // the audit has it by now
			for len(t.answered) <= int(k) {
				t.answered = append(t.answered, false)
			}
			t.answered[k] = true
		}
	case runlog.ChannelPrepay:
		t.second(r.At).prepays++
	case runlog.NotifyIntent:
		if r.Note == "duplicate" {
			return
		}
		s := t.second(r.At)
		s.notifies++
		if p := t.a.payment(t.a.order(r.Order), r.Txn); p != nil && !p.notified {
			p.notified = true
			s.firstNotifies++
		}
	case runlog.NotifyAnswer:
		t.timed(slowNotify, r)
	default:
	}
}

// timed counts what a send came to by the moment of the send. One without an answer missed its limit, however soon it ended: what was
// waited for in vain is not quicker than what came late, and a connection that broke off answers nobody. An answer that refuses is an
// answer; those are the errors' measures' affair, and the goodput's.
func (t *tracker) timed(kind int, r *runlog.Record) {
	s := t.second(r.At - r.Took)
	s.answered[kind]++
	if limit := t.slowerNS[kind]; limit > 0 && (r.Status == 0 || r.Took > limit) {
		s.slow[kind]++
	}
}

// plan enters one order of the plan.
func (t *tracker) plan(line *planLine) {
	due := t.a.run.Moment(int64(line.Due))
	if due == math.MaxInt64 {
		return // held for good
	}
	t.due = append(t.due, due)
	if !meantToDispense(line.Buyer, line.Device) {
		return
	}
	o := plannedOperation{due: due}
	for _, key := range t.a.tries(line.Key) {
		if k, ok := t.a.keys.find(key); ok {
			o.keys = append(o.keys, k)
		}
	}
	t.planned = append(t.planned, o)
}

// meantToDispense: the buyer pays in time and the machine dispenses at once.
func meantToDispense(buyer, device string) bool {
	return (buyer == "pays" || buyer == "twice") && (device == "dispenses" || device == "lost-result")
}

// track is what the books come to. The plan may be nil.
func (t *tracker) track(samples []runlog.Sample, faults []Fault) *track {
	run := t.a.run
	x := &track{
		playFrom: run.PlayFromNS, playTo: run.PlanEnd(), cut: !t.a.end.over, due: t.due, seconds: t.seconds,
		samples: samples, faults: faults, load: run.Load, refundAfter: run.RefundAfterNS,
	}
	if kick := run.Moment(run.Load.KickFromNS); kick != math.MaxInt64 {
		x.load.KickFromNS = kick - run.PlayFromNS // pauses move it too
	}
	sortBy(x.due, func(at int64) int64 { return at })
	for _, p := range t.planned {
		o := operation{due: p.due}
		for _, k := range p.keys {
			good, late, done := t.outcome(k)
			o.good, o.late, o.done = o.good || good, o.late || late, max(o.done, done)
		}
		o.late = o.late && !o.good
		x.ops = append(x.ops, o)
	}
	sortBy(x.ops, func(o operation) int64 { return o.due })
	return x
}

// outcome is what became of one try: the goods fell in time, or the work was done and came too late: goods after the refund
// deadline, or an order that was made for a buyer who no longer waited for it.
func (t *tracker) outcome(k uint32) (good, late bool, done int64) {
	n := t.a.ofKey[k]
	if n == 0 {
		return false, false, 0
	}
	o := t.a.at(n - 1)
	if o.payments > 0 && o.drops > 0 {
		in := t.a.run.RefundAfterNS <= 0 || o.droppedAt-o.first.at <= t.a.run.RefundAfterNS
		return in, !in, o.droppedAt
	}
	answered := int(k) < len(t.answered) && t.answered[k]
	return false, o.prepaid > 0 && !answered, 0
}
