package reports

import (
	"math"
	"slices"
	"time"

	"github.com/lunchrush/lunchrush/internal/stats"
)

// A GateNoise is what pairs of one and the same build have shown: how far apart two runs are on this machine when nothing differs.
type GateNoise struct {
	Pairs    int                `json:"pairs"`
	From     time.Time          `json:"from"` // when the first of them was played
	To       time.Time          `json:"to"`
	Measures []GateNoiseMeasure `json:"measures"`
}

// A GateNoiseMeasure is the noise of one measure, and what it means for a gate's margin.
type GateNoiseMeasure struct {
	Name   string  `json:"name"`
	Pairs  int     `json:"pairs"`
	Spread float64 `json:"spread"` // standard deviation of the pairs' ln(head/base), by their median deviation
	Apart  float64 `json:"apart"`  // of their differences, in the measure's unit
	Width  float64 `json:"width"`  // half the interval that the gate's pairs will give, as a change: 0.1 is a tenth
	Margin float64 `json:"margin"`
	Below  bool    `json:"below"`       // the margin is below the noise: an unchanged build can hardly pass
	Needs  int     `json:"needs_pairs"` // pairs with which an unchanged build passes in nine of ten gates; 0: more than anybody plays
}

// The median's standard error is so many times the mean's, of normal deviations; and the quantiles of the normal distribution
// for a two-sided 95 % interval and for nine of ten.
const (
	medianError = 1.2533
	z95         = 1.96
	z90         = 1.2816
)

// NoiseOf measures the noise in pairs of one build and says what it means for the rules. nil when there are fewer than six.
func NoiseOf(pairs []GatePair, rules GateRules, from, to time.Time) *GateNoise {
	if len(pairs) < stats.MedianNeeds(0.95) {
		return nil
	}
	n := &GateNoise{Pairs: len(pairs), From: from, To: to, Measures: []GateNoiseMeasure{}}
	g := Gate{Pairs: pairs}
	for _, r := range g.names() {
		base, head := g.known(r)
		if len(base) < stats.MedianNeeds(0.95) {
			continue
		}
		d, err := worse(r, base, head)
		if err != nil {
			continue
		}
		m := GateNoiseMeasure{Name: r.name, Pairs: len(d), Spread: deviation(d), Apart: deviation(apart(r, base, head)), Margin: rules.Margins[r.margin]}
		limit, root := limitOf(r.more, m.Margin), math.Sqrt(float64(rules.Pairs))
		half := z95 * medianError * m.Spread / root
		m.Width = math.Expm1(half)
		m.Below = half >= limit && (r.ignore == 0 || z95*medianError*m.Apart/root >= r.ignore)
		needs := squared((z95 + z90) * medianError * m.Spread / limit)
		if r.ignore > 0 {
			needs = min(needs, squared((z95+z90)*medianError*m.Apart/r.ignore))
		}
		if m.Needs = max(evenPairs(needs), stats.MedianNeeds(0.95)); m.Needs > pairsMax {
			m.Needs = 0
		}
		n.Measures = append(n.Measures, m)
	}
	return n
}

// known are the values of the pairs that have both. Of two runs that were not watched for long enough nobody knows how far apart they
// are.
func (g *Gate) known(r gateRule) (base, head []float64) {
	allBase, allHead, open, _ := g.values(r)
	for i := range allBase {
		if !open.base[i] || !open.head[i] {
			base, head = append(base, allBase[i]), append(head, allHead[i])
		}
	}
	return base, head
}

func squared(v float64) float64 { return v * v }

// deviation is the standard deviation that normal values with this median deviation have: an outlier or two do not move it.
// What two runs of one build differ by has no side, so the deviation is from 0.
func deviation(values []float64) float64 {
	far := make([]float64, len(values))
	for i, v := range values {
		far[i] = math.Abs(v)
	}
	slices.Sort(far)
	return 1.4826 * stats.MedianOf(far)
}

// Of is the noise of a measure, nil when there is none.
func (n *GateNoise) Of(measure string) *GateNoiseMeasure {
	if n == nil {
		return nil
	}
	for i := range n.Measures {
		if n.Measures[i].Name == measure {
			return &n.Measures[i]
		}
	}
	return nil
}
