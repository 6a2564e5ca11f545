package reports

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/lunchrush/lunchrush/internal/stats"
)

// A GateMeasure is one measure of a gate, compared and judged. Changes are of head against base: 0.1 is a tenth more.
type GateMeasure struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`   // "ns", "share"
	Better string  `json:"better"` // "less" or "more"
	Margin float64 `json:"margin"` // 0.1 is ten per cent
	Ignore float64 `json:"ignore"` // changes below this are none, in the unit

	Pairs  int        `json:"pairs"` // that it was compared in
	Base   GateMiddle `json:"base"`
	Head   GateMiddle `json:"head"`
	Change GateChange `json:"change"`
	P      float64    `json:"p"`      // that chance alone turns the pairs' signs so far
	Status string     `json:"status"` // PASS, FAIL, INCONCLUSIVE, "not judged"
	Why    string     `json:"why,omitempty"`
	Needs  int        `json:"needs_pairs,omitempty"` // about how many pairs would decide it; 0: it is decided, or no number would
}

// A GateMiddle is the median of one build's runs with its interval.
type GateMiddle struct {
	Median float64 `json:"median"`
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
}

// A GateChange is the median of the pairs' ratios less one, with its interval. High is -1 when there is no bound: the head did not
// recover while it was watched. Low is -1, all of it gone, when the base did not. The medians are of what was watched. Absolute is
// that of the differences, in the unit.
type GateChange struct {
	Median   float64 `json:"median"`
	Low      float64 `json:"low"`
	High     float64 `json:"high"`
	Open     bool    `json:"open,omitempty"` // there is no upper bound
	Absolute float64 `json:"absolute"`
}

// NotJudged is the status of a measure that the scenario does not give: nothing is held against the head.
const NotJudged = "not judged"

// Judge compares the pairs and decides. It needs only Rules, WarmUps, Pairs, Repeated, Machine, Noise, Ended, and is
// repeatable: the same pairs give the same judgement.
func (g *Gate) Judge() {
	g.Measures = []GateMeasure{}
	for i, rule := range g.names() {
		g.Measures = append(g.Measures, g.compare(rule, g.Rules.Seed+uint64(i)))
	}
	g.Verdict = g.decide()
}

// compare judges one measure by the pairs' ratios d = ln(head/base), turned so that more is worse.
//
// It FAILs when the whole interval of their median is beyond the margin, and that of the differences beyond what is ignored;
// it PASSes when one of the two ends below. Anything else is undecided. Where a run's value is a lower bound, the pair's ratio is
// one too, or an upper one: the interval's other end takes it for anything beyond.
func (g *Gate) compare(r gateRule, seed uint64) GateMeasure {
	m := GateMeasure{Name: r.name, Unit: r.unit, Better: "less", Margin: g.Rules.Margins[r.margin], Ignore: r.ignore, P: 1}
	if r.more {
		m.Better = "more"
	}
	base, head, open, err := g.values(r)
	m.Pairs = len(base)
	if err != nil {
		m.Status, m.Why = Inconclusive, err.Error()
		if errors.Is(err, errNotGiven) {
			m.Status = NotJudged
		}
		return m
	}
	d, err := worse(r, base, head)
	if err != nil { // values are held above 0, so that this is no number at all
		m.Status, m.Why = Inconclusive, err.Error()
		return m
	}
	mid, err := stats.BootstrapMedian(d, g.Rules.Level)
	if err != nil {
		m.Status, m.Why = Inconclusive, err.Error()
		return m
	}
	by := apart(r, base, head)
	better, more := open.base, open.head // may be better than it looks, and worse
	if r.more {
		better, more = more, better
	}
	low, high := g.median(opened(d, better, -1)), g.median(opened(d, more, 1))
	lowBy, highBy := g.median(opened(by, better, -1)), g.median(opened(by, more, 1))
	m.Base, m.Head = g.middle(base), g.middle(head)
	m.P = stats.SignFlip(d, seed)
	m.Change = changeOf(r, low.Low, mid.Median, high.High, g.median(by).Median)

	limit := limitOf(r.more, m.Margin)
	switch {
	case low.Low > limit && lowBy.Low > r.ignore:
		m.Status = Fail
		m.Why = "worse by more than the margin of " + percent(m.Margin)
		if slices.Contains(open.head, true) {
			m.Why += "; the head did not recover while it was watched"
		}
	case high.High < limit:
		m.Status = Pass
	case highBy.High <= r.ignore: // recoveries are whole seconds: one more is ignored
		m.Status, m.Why = Pass, "the change is no more than "+span(int64(r.ignore))+", which is ignored"
	default:
		m.Status = Inconclusive
		m.Needs = pairsToDecide(len(d), mid.Median, high.High-low.Low, limit)
		m.Why = "the interval reaches across the margin of " + percent(m.Margin)
		if low.Low > limit {
			m.Needs = pairsToDecide(len(by), g.median(by).Median, highBy.High-lowBy.Low, r.ignore)
			m.Why = "beyond the margin of " + percent(m.Margin) + ", but the difference reaches across the " + span(int64(r.ignore)) + " that are ignored"
		}
		if m.Needs == 0 {
			m.Why += fmt.Sprintf(", to which the change is so near that more than %d pairs would be needed", pairsMax)
		}
		if math.IsInf(high.High-low.Low, 1) {
			m.Why = open.sentence()
		}
	}
	return m
}

// errNotGiven: no run of the base has the measure, so that there is nothing to hold the head to.
var errNotGiven = errors.New("the scenario does not give it")

// bounds tell in which pairs a side's value is a lower bound only.
type bounds struct{ base, head []bool }

// sentence says of whom nobody knows when they recovered: "the head did not recover while it was watched in 5 of 10 pairs".
func (b bounds) sentence() string {
	base, head := trues(b.base), trues(b.head)
	s := "the head did not recover while it was watched in %d of %s"
	switch {
	case head == 0:
		return fmt.Sprintf("the base did not recover while it was watched in %d of %s", base, several(len(b.base), "pair", "pairs"))
	case base > 0:
		s += fmt.Sprintf(", nor the base in %d", base)
	}
	return fmt.Sprintf(s, head, several(len(b.head), "pair", "pairs"))
}

func trues(list []bool) (n int) {
	for _, v := range list {
		if v {
			n++
		}
	}
	return n
}

// values are the measure in every pair, and where they are lower bounds only.
func (g *Gate) values(r gateRule) (base, head []float64, open bounds, err error) {
	var given, missing int
	var why string
	for _, p := range g.Pairs {
		b, inBase := p.Base.Values[r.name]
		h, inHead := p.Head.Values[r.name]
		if inBase && b.Why == "" {
			given++
		}
		switch {
		case !inBase || b.Why != "":
			missing, why = missing+1, "base: "+cmp.Or(b.Why, "not measured")
		case r.name == goodputMeasure && b.Value == 0:
			missing, why = missing+1, "base: no goods fell in time"
		case !inHead || h.Why != "":
			missing, why = missing+1, "head: "+cmp.Or(h.Why, "not measured")
		default:
			least := r.least
			if r.name == goodputMeasure { // half an order, so that none at all has a ratio too
				least = 0.5 / float64(max(b.Samples, h.Samples, 1))
			}
			base, head = append(base, max(b.Value, least)), append(head, max(h.Value, least))
			open.base, open.head = append(open.base, b.AtLeast), append(open.head, h.AtLeast)
		}
	}
	switch {
	case given == 0:
		return base, head, open, fmt.Errorf("%w: %s", errNotGiven, strings.TrimPrefix(why, "base: "))
	case missing > 0:
		return base, head, open, fmt.Errorf("not known in %d of %s: %s", missing, several(len(g.Pairs), "pair", "pairs"), why)
	}
	return base, head, open, nil
}

// worse are the pairs' log ratios, above 0 where the head is worse.
func worse(r gateRule, base, head []float64) ([]float64, error) {
	if r.more {
		base, head = head, base
	}
	return stats.LogRatios(base, head)
}

// apart are the pairs' differences in the measure's unit, above 0 where the head is worse.
func apart(r gateRule, base, head []float64) []float64 {
	d := make([]float64, len(base))
	for i := range base {
		if d[i] = head[i] - base[i]; r.more {
			d[i] = -d[i]
		}
	}
	return d
}

// opened replaces what is a bound by what lies beyond it at worst: infinity, of the sign.
func opened(values []float64, open []bool, sign int) []float64 {
	values = slices.Clone(values)
	for i := range values {
		if open[i] {
			values[i] = math.Inf(sign)
		}
	}
	return values
}

// median is for as many samples as have given an interval before.
func (g *Gate) median(samples []float64) stats.BootstrapInterval {
	i, err := stats.BootstrapMedian(samples, g.Rules.Level)
	if err != nil {
		panic(err)
	}
	return i
}

func (g *Gate) middle(samples []float64) GateMiddle {
	i := g.median(samples)
	return GateMiddle{i.Median, i.Low, i.High}
}

// changeOf turns log ratios that are worse above 0 into changes of head against base.
func changeOf(r gateRule, low, median, high, absolute float64) GateChange {
	if r.more {
		low, median, high, absolute = -high, -median, -low, -absolute
	}
	c := GateChange{math.Expm1(median), math.Expm1(low), math.Expm1(high), false, absolute}
	if math.IsInf(c.High, 1) {
		c.High, c.Open = -1, true // JSON has no infinity
	}
	return c
}

// pairsToDecide is about how many pairs bring an interval of this width, around this median, to one side of the limit: a
// width falls with the root of the pairs. 0: the median is so near to the limit that no sensible number would.
func pairsToDecide(pairs int, median, width, limit float64) int {
	room := math.Abs(limit - median)
	if room == 0 || math.IsInf(width, 1) {
		return 0
	}
	n := evenPairs(float64(pairs) * squared(width/2/room))
	if n > pairsMax {
		return 0
	}
	return max(n, pairs+2)
}

// pairsMax is more pairs than anybody plays.
const pairsMax = 1000

// evenPairs is the next even number: an odd one gives a coarser interval.
func evenPairs(n float64) int {
	if !(n < pairsMax+2) {
		return pairsMax + 2
	}
	return 2 * int(math.Ceil(n/2))
}

// decide gives the verdict. Money and data come first, whatever the statistics say; then a proven regression; then doubt.
func (g *Gate) decide() GateVerdict {
	if v := g.violation(); v != "" {
		return GateVerdict{Fail, ExitViolated, v}
	}
	var worse, unknown []*GateMeasure
	judged := 0
	for i := range g.Measures {
		m := &g.Measures[i]
		switch m.Status {
		case Fail:
			worse = append(worse, m)
		case Inconclusive:
			unknown = append(unknown, m)
		}
		if m.Status != NotJudged {
			judged++
		}
	}
	played := several(len(g.Pairs), "pair", "pairs")
	switch {
	case g.strangers() != "":
		return GateVerdict{Inconclusive, ExitInconclusive, g.strangers()}
	case g.Ended == "":
		return GateVerdict{Inconclusive, ExitInconclusive, "the gate has not ended: it was killed after " + played + ", or still goes on"}
	case g.Ended != "whole":
		return GateVerdict{Inconclusive, ExitInconclusive, "the gate ended after " + played + ": " + cmp.Or(g.Error, g.Ended)}
	case len(g.Repeated) > g.Rules.Repeats:
		last := g.Repeated[len(g.Repeated)-1]
		if head, base := g.spoilers(); base == 0 && head >= spoiledAlone {
			return GateVerdict{Fail, ExitRegression, fmt.Sprintf("the head alone spoiled all of %s that proved nothing, which a busy machine would do once in %s times; the last: %s",
				several(head, "pair", "pairs"), count(1<<min(head, 30)), last.Why)}
		}
		return GateVerdict{Inconclusive, ExitInconclusive, fmt.Sprintf("%s proved nothing, more than the %d that may be repeated; the last: %s",
			several(len(g.Repeated), "pair", "pairs"), g.Rules.Repeats, last.Why)}
	case len(worse) > 0:
		return GateVerdict{Fail, ExitRegression, "worse than the base: " + worstFirst(worse)}
	case g.headSpoils() != "":
		return GateVerdict{Inconclusive, ExitInconclusive, g.headSpoils()}
	case judged == 0:
		return GateVerdict{Inconclusive, ExitInconclusive, "nothing could be compared in " + played}
	case len(unknown) > 0:
		return GateVerdict{Inconclusive, ExitInconclusive, fmt.Sprintf("%s undecided after %s%s", firstNames(unknown), played, g.prospect(unknown))}
	}
	return GateVerdict{Pass, ExitPass, fmt.Sprintf("no worse than the base by more than the margins, in %s", played)}
}

// firstNames are the names of three measures, and how many more there are.
func firstNames(list []*GateMeasure) string {
	var names []string
	for _, m := range list[:min(3, len(list))] {
		names = append(names, m.Name)
	}
	if more := len(list) - 3; more > 0 {
		names = append(names, fmt.Sprintf("%d more", more))
	}
	return strings.Join(names, ", ")
}

// prospect says what more pairs would do for measures that are undecided: how many would decide them, or those of them that pairs
// decide, and which they may never decide, and why.
func (g *Gate) prospect(undecided []*GateMeasure) string {
	if len(g.Pairs) < stats.MedianNeeds(g.Rules.Level) {
		return "" // nobody can say
	}
	var can, cannot []*GateMeasure
	needs := 0
	for _, m := range undecided {
		if needs = max(needs, m.Needs); m.Needs > 0 {
			can = append(can, m)
		} else {
			cannot = append(cannot, m)
		}
	}
	s := ""
	if len(can) > 0 {
		s = fmt.Sprintf("; about %d would decide", needs)
	}
	if len(cannot) == 0 {
		return s
	}
	if len(can) > 0 {
		s += " " + firstNames(can)
	}
	return s + fmt.Sprintf("; more pairs may never decide %s: %s", firstNames(cannot), cannot[0].Why)
}

// spoiled is by how many more pairs a head may make useless than the base does before the pairs that are left prove nothing: three
// of three by chance are one in eight, and what is left out are its worst runs.
const spoiled = 3

// spoiledAlone is how many pairs a head must spoil, and the base none, to have failed: a busy machine spoils the one as often as the
// other, and so many in a row less than once in a hundred gates.
const spoiledAlone = 7

// spoilers counts the pairs that were repeated by whose run proved nothing.
func (g *Gate) spoilers() (head, base int) {
	for _, p := range g.Repeated {
		if strings.HasPrefix(p.Why, SideHead+": ") {
			head++
		} else {
			base++
		}
	}
	return head, base
}

// headSpoils tells that pairs had to be repeated for the head's sake, "" unless clearly so.
func (g *Gate) headSpoils() string {
	head, base := g.spoilers()
	if head-base < spoiled {
		return ""
	}
	last := ""
	for _, p := range g.Repeated {
		if strings.HasPrefix(p.Why, SideHead+": ") {
			last = p.Why
		}
	}
	return fmt.Sprintf("%s had to be repeated for the head's sake, and %d for the base's; the last: %s", several(head, "pair", "pairs"), base, last)
}

// worstFirst tells the measure that is farthest beyond its margin in full, and the others by name.
func worstFirst(worse []*GateMeasure) string {
	far := func(m *GateMeasure) float64 { low, _, _ := m.inMargins(); return low }
	worst := slices.MaxFunc(worse, func(a, b *GateMeasure) int { return cmp.Compare(far(a), far(b)) })
	var others []string
	for _, m := range worse {
		if m != worst {
			others = append(others, m.Name)
		}
	}
	s := worst.sentence()
	if len(others) > 0 {
		s += "; also " + strings.Join(others, ", ")
	}
	return s
}

// violation says what money or data went wrong in any run, of a pair that counts or not.
func (g *Gate) violation() string {
	type found struct{ side, what, where string }
	var all []found
	look := func(side string, r GateRun, where string) {
		if r.Broken != "" {
			all = append(all, found{side, r.Broken, where})
		}
	}
	for i, r := range g.WarmUps {
		look([]string{SideBase, SideHead}[i%2], r, "in its warm-up")
	}
	for _, p := range slices.Concat(g.Pairs, g.Repeated) {
		look(SideHead, p.Head, fmt.Sprintf("in pair %d", p.Number))
		look(SideBase, p.Base, fmt.Sprintf("in pair %d", p.Number))
	}
	for _, side := range []string{SideHead, SideBase} {
		if i := slices.IndexFunc(all, func(f found) bool { return f.side == side }); i >= 0 {
			return fmt.Sprintf("the %s lost money or data %s: %s", side, all[i].where, all[i].what)
		}
	}
	return ""
}

// Undecided reports whether more pairs may decide a measure that these do not.
func (g *Gate) Undecided() bool {
	return slices.ContainsFunc(g.Measures, func(m GateMeasure) bool { return m.Status == Inconclusive && m.Pairs == len(g.Pairs) })
}

// Violated reports whether money or data went wrong in any run: then nothing more needs to be played.
func (g *Gate) Violated() bool { return g.violation() != "" }

// strangers says that runs are of different machines; "" when they are of one.
func (g *Gate) strangers() string {
	for _, p := range g.Pairs {
		for _, r := range []GateRun{p.Base, p.Head} {
			if other := g.Machine.Differs(r.Machine); other != "" {
				return fmt.Sprintf("pair %d was played on another machine, and runs of two machines are not compared: %s", p.Number, other)
			}
		}
	}
	return ""
}

// pairsOf are the base's and the head's values of a measure, pair by pair.
func (g *Gate) pairsOf(measure string) [][2]float64 {
	rules := rulesOfGate()
	base, head, _, _ := g.values(rules[slices.IndexFunc(rules, func(r gateRule) bool { return r.name == measure })])
	pairs := make([][2]float64, len(base))
	for i := range base {
		pairs[i] = [2]float64{base[i], head[i]}
	}
	return pairs
}
