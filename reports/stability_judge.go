package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/internal/stats"
)

func sortBy[T any](list []T, key func(T) int64) {
	slices.SortStableFunc(list, func(x, y T) int { return cmp.Compare(key(x), key(y)) })
}

// A stabilityJudge lays the phases of a track and decides.
type stabilityJudge struct {
	*track
	*Stability
	baseline, during, after, restored *Phase // restored nil without a kick
	width                             int64
}

// lay makes the phases.
func (j *stabilityJudge) lay(from, to int64) {
	from, to = min(max(from, j.playFrom), j.playTo), min(max(to, j.playFrom), j.playTo)
	end := j.playTo
	kickFrom, kickTo := int64(0), int64(0)
	if j.load.KickForNS > 0 {
		kickFrom = j.playFrom + j.load.KickFromNS
		kickTo = kickFrom + j.load.KickForNS
		if kickFrom > to && kickTo < end {
			end = kickFrom
		} else {
			kickTo = 0
		}
	}
	begun := max(from-j.takes(from), j.playFrom)
	list := []Phase{
		{Name: "baseline", FromNS: j.playFrom, ToNS: begun},
		{Name: "in-flight", FromNS: begun, ToNS: from},
		{Name: "trigger", FromNS: from, ToNS: to},
		{Name: "after", FromNS: to, ToNS: end},
	}
	if kickTo > 0 {
		list = append(list, Phase{Name: "kick", FromNS: kickFrom, ToNS: kickTo}, Phase{Name: "restored", FromNS: kickTo, ToNS: j.playTo})
	}
	for i := range list {
		j.fill(&list[i])
	}
	j.Phases = list
	j.baseline, j.during, j.after = &list[0], &list[2], &list[3]
	if kickTo > 0 {
		j.restored = &list[5]
	}
	j.SeenNS = j.after.ToNS - j.after.FromNS
}

// takes is how long an operation takes from its due moment to its goods, in 99 of 100 cases, by those that ended before the
// first fault. Whatever began later than that before the fault is neither the baseline's nor the fault's.
func (t *track) takes(fault int64) int64 {
	var took []int64
	for _, o := range t.ops {
		if o.done > 0 && o.done < fault {
			took = append(took, o.done-o.due)
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return took[min(len(took)-1, len(took)*99/100)]
}

// between are the operations due from and before to.
func (t *track) between(from, to int64) []operation {
	at := func(ns int64) int {
		i, _ := slices.BinarySearchFunc(t.ops, ns, func(o operation, ns int64) int { return cmp.Compare(o.due, ns) })
		return i
	}
	return t.ops[at(from):max(at(from), at(to))]
}

// offered is the planned orders a second, operations or not.
func (t *track) offered(from, to int64) float64 {
	if to <= from {
		return 0
	}
	a, _ := slices.BinarySearch(t.due, from)
	b, _ := slices.BinarySearch(t.due, to)
	return float64(b-a) / (float64(to-from) / 1e9)
}

// share is the part of the operations of which it is so; -1 of none.
func share(ops []operation, so func(operation) bool) float64 {
	if len(ops) == 0 {
		return -1
	}
	n := 0
	for _, o := range ops {
		if so(o) {
			n++
		}
	}
	return float64(n) / float64(len(ops))
}

func isGood(o operation) bool { return o.good }
func isLate(o operation) bool { return o.late }

func (j *stabilityJudge) fill(p *Phase) {
	ops := j.between(p.FromNS, p.ToNS)
	p.Operations, p.OfferedPerS = len(ops), j.offered(p.FromNS, p.ToNS)
	p.Goodput, p.Late = share(ops, isGood), share(ops, isLate)
	p.Attempts, p.BacklogMax, p.OldestNS = j.attempts(p.FromNS, p.ToNS), -1, -1
	for _, s := range j.samples {
		if s.AtNS > p.FromNS && s.AtNS <= p.ToNS && s.Backlog >= 0 {
			p.BacklogMax, p.OldestNS = max(p.BacklogMax, s.Backlog), max(p.OldestNS, ns(s.BacklogAge, 1e9))
		}
	}
}

// wire adds the seconds of a stretch up.
func (t *track) wire(from, to int64) (sum traffic) {
	for i := max(from/1e9, 0); i < to/1e9 && i < int64(len(t.seconds)); i++ {
		s := &t.seconds[i]
		sum.creates, sum.firstCreates = sum.creates+s.creates, sum.firstCreates+s.firstCreates
		sum.notifies, sum.firstNotifies = sum.notifies+s.notifies, sum.firstNotifies+s.firstNotifies
		for k := range s.slow {
			sum.answered[k], sum.slow[k] = sum.answered[k]+s.answered[k], sum.slow[k]+s.slow[k]
		}
		sum.prepays += s.prepays
	}
	return sum
}

// attempts is the work that is sent for each piece of work: creates for each order, or notifies for each payment, whichever
// is more. A kind with fewer than twenty first sends is left out. -1: both are.
func (t *track) attempts(from, to int64) float64 {
	w, most := t.wire(from, to), -1.0
	for _, kind := range [][2]int{{w.creates, w.firstCreates}, {w.notifies, w.firstNotifies}} {
		if kind[1] >= amplifiedOf {
			most = max(most, float64(kind[0])/float64(kind[1]))
		}
	}
	return most
}

// model works out the drain time. The capacity is the scenario's, or else the most that the service did in five seconds of
// the drain: orders brought as far as the channel, whether their buyers still waited or not. That counts only when it is well
// above what was offered, on the whole and in those five seconds: a service with nothing to catch up with does no more than it is
// asked, and buyers who come by chance ask in bunches. It is then a lower bound, and the drain time an upper one. A service that
// neither the scenario nor a drain tells about stays unknown.
func (j *stabilityJudge) model() {
	offered := j.after.OfferedPerS
	if offered <= 0 {
		return
	}
	switch measured := j.drainRate(offered); {
	case j.load.CapacityPerS > 0:
		j.CapacityPerS, j.CapacityFrom = j.load.CapacityPerS, "the scenario"
	case measured > 0:
		j.CapacityPerS, j.CapacityFrom = measured, fmt.Sprintf("measured: the best %d s of the drain", capacityWindow)
	default:
		return
	}
	j.Rho = offered * max(j.baseline.Attempts, 1) / j.CapacityPerS
	if j.Rho < 1 {
		j.ModelNS = int64(float64(j.FaultNS) * j.Rho / (1 - j.Rho))
	}
}

// drainRate is the most orders a second in a window that worked off more than fell due in it, and than falls due on average; 0: none did.
func (j *stabilityJudge) drainRate(offered float64) float64 {
	best := 0.0
	first, last := (j.after.FromNS+1e9-1)/1e9, j.after.ToNS/1e9
	for s := first; s+capacityWindow <= last; s++ {
		from, to := s*1e9, (s+capacityWindow)*1e9
		done := float64(j.wire(from, to).prepays) / capacityWindow
		if done > capacityAbove*max(offered, j.offered(from, to)) {
			best = max(best, done)
		}
	}
	return best
}

// decide gives the class and says why.
func (j *stabilityJudge) decide() string {
	j.model()
	deadline := max(j.load.NotifyTimeoutNS, j.patience())
	j.HorizonNS = max(horizonLeast, horizonDeadlines*deadline, horizonModels*max(j.ModelNS, 0))
	j.makeBuckets()
	if why := j.cannotTell(); why != "" {
		return why
	}
	j.shorter()
	at, ok := j.recoveredFrom(j.after)
	if !ok {
		j.RecoveryNS, j.RecoveryOpen = j.SeenNS, true
		return j.stayedDown()
	}
	if j.restored != nil {
		if _, stays := j.recoveredFrom(j.restored); !stays && j.long(j.restored) {
			return fmt.Sprintf("it had recovered %s after the fault and was down again after the lull", span(at-j.after.FromNS))
		}
	}
	j.RecoveryNS = at - j.after.FromNS
	within := max(stableWithin, deadline)
	switch took := span(j.RecoveryNS); {
	case j.RecoveryNS <= within:
		j.Class = Stable
		return fmt.Sprintf("goodput was back %s after the fault ended, within %s", took, span(within))
	case j.ModelNS < 0:
		return fmt.Sprintf("it recovered %s after the fault ended, and the model's drain time is not known: %s", took, j.noModel())
	case j.RecoveryNS <= recoveringModels*j.ModelNS:
		j.Class = Recovering
		return fmt.Sprintf("it recovered %s after the fault ended, within three times the model's drain time of %s", took, span(j.ModelNS))
	default:
		return fmt.Sprintf("it recovered %s after the fault ended, later than three times the model's drain time of %s", took, span(j.ModelNS))
	}
}

func (j *stabilityJudge) noModel() string {
	if j.Rho >= 1 {
		return fmt.Sprintf("the load is %.2f of the capacity", j.Rho)
	}
	return "the capacity is not known (demand.capacity)"
}

// patience counts for the horizon only when buyers come back: those who walk on keep nothing going.
func (j *stabilityJudge) patience() int64 {
	if j.load.Tries > 1 {
		return j.load.PatienceNS
	}
	return 0
}

// cannotTell says why nothing can be decided, "" when something can.
func (j *stabilityJudge) cannotTell() string {
	base := j.baseline
	switch {
	case j.cut:
		return "the run was cut short: its last operations could not end"
	case len(j.ops) == 0:
		return "the plan is not known, or has no operations"
	case base.Operations < bucketOperations || j.width == 0:
		return fmt.Sprintf("there is no baseline: %s before the first fault, %d needed", several(base.Operations, "operation", "operations"), bucketOperations)
	case base.Goodput < healthyBaseline:
		return fmt.Sprintf("the service was not well before the fault: goodput was %s of the load", percent(base.Goodput))
	case j.SeenNS <= 0:
		return "the fault lasted until the load ended"
	case !j.long(j.after):
		return fmt.Sprintf("the load went on for %s after the fault: at least %s are needed", span(j.SeenNS), span(max(recoveredLeast, bucketsLeast*j.width)))
	}
	for _, p := range []*Phase{j.after, j.restored} {
		if p == nil {
			continue
		}
		mean := p.OfferedPerS
		if j.after.OfferedPerS > 0 && math.Abs(mean/j.after.OfferedPerS-1) > loadConstant {
			return fmt.Sprintf("the load was not held constant after the fault: %.1f orders a second, then %.1f", j.after.OfferedPerS, mean)
		}
		for at := p.FromNS; at+j.width <= p.ToNS; at += j.width {
			if rate := j.offered(at, at+j.width); math.Abs(rate/mean-1) > loadConstant {
				return fmt.Sprintf("the load was not held constant after the fault: %.1f orders a second at %s, %.1f on average", rate, seconds(at), mean)
			}
		}
	}
	return ""
}

// long reports whether a phase is long enough to see a recovery in.
func (j *stabilityJudge) long(p *Phase) bool {
	return p.ToNS-p.FromNS >= max(recoveredLeast, bucketsLeast*j.width)
}

// shorter notes what is shorter than the method asks.
func (j *stabilityJudge) shorter() {
	if length := j.baseline.ToNS - j.baseline.FromNS; length < baselineLeast {
		j.Notes = append(j.Notes, fmt.Sprintf("the baseline is %s long, the method asks for %s", span(length), span(baselineLeast)))
	}
	if j.SeenNS < j.HorizonNS {
		j.Notes = append(j.Notes, fmt.Sprintf("the load went on for %s after the fault, the method's horizon is %s: what comes back later was not seen",
			span(j.SeenNS), span(j.HorizonNS)))
	}
	if j.CapacityFrom != "unknown" && j.load.CapacityPerS <= 0 {
		j.Notes = append(j.Notes, "the capacity is measured in this run's drain: at least that; the model's drain time is an upper bound")
	}
}

// stayedDown decides about a service that did not recover before the kick, or the end.
func (j *stabilityJudge) stayedDown() string {
	what := fmt.Sprintf("goodput was %s of the load for %s after the fault ended", percent(max(j.after.Goodput, 0)), span(j.SeenNS))
	if slow := j.tooSlow(j.after.FromNS, j.after.ToNS); slow != "" {
		what += ", and " + slow
	}
	if j.SeenNS < j.HorizonNS {
		return what + "; the horizon is " + span(j.HorizonNS) + ", so it may yet recover"
	}
	if rise := j.rise(); rise > slopeRise {
		return what + ", and was still rising at the end"
	}
	var loop []string
	if base, now := max(j.baseline.Attempts, 1), j.after.Attempts; now > workAmplified*base {
		loop = append(loop, fmt.Sprintf("%.1f sends for each piece of work, %.1f before", now, base))
	}
	if j.after.Late > finishedLate {
		loop = append(loop, percent(j.after.Late)+" of the work was finished too late for its client")
	}
	if len(loop) > 0 {
		what += "; what keeps it down: " + strings.Join(loop, ", ")
	}
	switch {
	case j.restored == nil || !j.long(j.restored):
		if len(loop) == 0 {
			return what + "; nothing shows what keeps it down, and the plan has no kick"
		}
		j.Class = Suspect
		return what + "; the plan has no kick, which would tell metastable from broken"
	default:
		if _, ok := j.recoveredFrom(j.restored); ok {
			j.Class = Metastable
			return what + "; it recovered when the load had fallen to a tenth for " + span(j.load.KickForNS)
		}
		if j.ModelNS < 0 || j.load.KickForNS < j.ModelNS {
			if len(loop) > 0 {
				j.Class = Suspect
			}
			return fmt.Sprintf("%s; a lull of %s did not help, but it may have been too short (the model's drain time: %s)", what, span(j.load.KickForNS), orUnknown(j.ModelNS))
		}
		j.Class = Broken
		return what + "; a lull of " + span(j.load.KickForNS) + " did not help"
	}
}

func orUnknown(ns int64) string {
	if ns < 0 {
		return "unknown"
	}
	return span(ns)
}

// rise is how much the goodput rose over the last third of the horizon: the median slope of its seconds (Theil-Sen).
func (j *stabilityJudge) rise() float64 {
	from := j.after.ToNS - j.HorizonNS/3
	var x, y []float64
	for at := from; at+int64(time.Second) <= j.after.ToNS; at += int64(time.Second) {
		if s := share(j.between(at, at+int64(time.Second)), isGood); s >= 0 {
			x, y = append(x, float64(at-from)/1e9), append(y, s)
		}
	}
	slope := theilSen(x, y)
	if math.IsNaN(slope) {
		return 0
	}
	return slope * float64(j.HorizonNS/3) / 1e9
}

// makeBuckets finds the width of a bucket and draws them, before and after the end of the trigger on grids of their own, so that
// none straddles it.
func (j *stabilityJudge) makeBuckets() {
	length, n := j.baseline.ToNS-j.baseline.FromNS, j.baseline.Operations
	if n == 0 || length <= 0 {
		return
	}
	j.width = max(1, int64(math.Ceil(bucketOperations/(float64(n)/(float64(length)/1e9))))) * int64(time.Second)
	j.BucketNS = j.width
	for _, p := range j.Phases {
		j.Buckets = append(j.Buckets, j.bucketsOf(p.FromNS, p.ToNS)...)
	}
}

// bucketsOf divides a stretch; what is left over at the end belongs to the last.
func (j *stabilityJudge) bucketsOf(from, to int64) []Bucket {
	var list []Bucket
	for at := from; at < to; {
		end := at + j.width
		if to-end < j.width {
			end = to
		}
		list = append(list, j.bucket(at, end))
		at = end
	}
	return list
}

func (j *stabilityJudge) bucket(from, to int64) Bucket {
	ops := j.between(from, to)
	b := Bucket{FromNS: from, ToNS: to, Operations: len(ops), Goodput: share(ops, isGood)}
	oldest := int64(0)
	for _, s := range j.samples {
		if s.AtNS > from && s.AtNS <= to && s.Backlog > 0 {
			oldest = max(oldest, ns(s.BacklogAge, 1e9))
		}
	}
	w := j.wire(from, to)
	slow := func(kind int) bool {
		return w.answered[kind] > 0 && float64(w.slow[kind]) > slowOfBucket*float64(w.answered[kind])
	}
	switch {
	case b.Operations == 0:
		b.Why = "no operations"
	case b.Goodput < goodOfBaseline*j.baseline.Goodput:
		b.Why = "goodput"
	case j.refundAfter > 0 && oldest > j.refundAfter:
		b.Why = "a queued row is " + span(oldest) + " old"
	case slow(slowCreate):
		b.Why = "orders are answered slowly, or not at all"
	case slow(slowNotify):
		b.Why = "notifies are answered slowly, or not at all"
	default:
		b.Good = true
	}
	return b
}

// tooSlow says of which sends of a stretch more missed their limit than its p99 allows, "" of none. A bucket is too short to tell two
// in a hundred from one; all of them together are not. So many must not be chance, by the one-sided 95 % bound that percentiles have.
// Only whole seconds count: the one in which a fault ends is the fault's.
func (j *stabilityJudge) tooSlow(from, to int64) string {
	w := j.wire((from+1e9-1)/1e9*1e9, to)
	for kind, name := range [...]string{slowCreate: "orders", slowNotify: "notifies"} {
		n, slow := w.answered[kind], w.slow[kind]
		if float64(slow) > slowOfAll*float64(n) && stats.AtLeast(n, slow, slowOfAll) <= slowByChance {
			return fmt.Sprintf("%s of %s %s were not answered within their limit", count(int64(slow)), count(int64(n)), name)
		}
	}
	return ""
}

// recoveredFrom is the first moment, on a grid of seconds, from which on the phase is good to its end: in nine of ten buckets, the first
// of them included and no two bad ones in a row, and in all of them together by the limits of its p99.
func (j *stabilityJudge) recoveredFrom(p *Phase) (at int64, ok bool) {
	least := max(recoveredLeast, bucketsLeast*j.width)
	for at := p.FromNS; p.ToNS-at >= least; at += int64(time.Second) {
		list := j.bucketsOf(at, p.ToNS)
		bad, inARow := 0, false
		for i, b := range list {
			if !b.Good {
				bad++
				inARow = inARow || i > 0 && !list[i-1].Good
			}
		}
		if list[0].Good && bad <= len(list)/badOfBuckets && !inARow && j.tooSlow(at, p.ToNS) == "" {
			return at, true
		}
	}
	return 0, false
}
