package reports

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// GateSchema is the version of gate.json. Readers refuse a newer one.
const GateSchema = 1

// ExitRegression is the exit code of a gate whose head is worse than its base by more than a margin.
const ExitRegression = 96

// A Gate is the comparison of two builds of a service, base and head, by pairs of runs of one scenario. It is what gate.json
// holds; [Gate.Judge] fills Measures and Verdict from the pairs, so that a gate can be judged again.
type Gate struct {
	Schema      int                `json:"schema"`
	ID          string             `json:"id"` // its folder's name
	Scenario    string             `json:"scenario"`
	Title       string             `json:"title"`
	Base        GateBuild          `json:"base"`
	Head        GateBuild          `json:"head"`
	Testbed     string             `json:"testbed"`
	Engine      string             `json:"engine"`
	Machine     runlog.Fingerprint `json:"machine"`
	Lunchrush   string             `json:"lunchrush"` // version of the generator, which is the same for both
	CommandLine []string           `json:"command_line"`
	StartedAt   time.Time          `json:"started_at"`
	Finished    time.Time          `json:"finished_at,omitzero"`
	Ended       string             `json:"ended"` // "whole", "interrupted", "error"; "" while it goes on, and of one that was killed
	Error       string             `json:"error,omitempty"`

	Rules    GateRules     `json:"rules"`
	WarmUps  []GateRun     `json:"warm_ups"` // one of each build, before the pairs; not counted
	Pairs    []GatePair    `json:"pairs"`    // those that count, in their order
	Repeated []GatePair    `json:"repeated"` // those that proved nothing and were played again
	Noise    *GateNoise    `json:"noise,omitempty"`
	Measures []GateMeasure `json:"measures"`
	Verdict  GateVerdict   `json:"verdict"`
	Notes    []string      `json:"notes"`
}

// A GateBuild is one of the two services.
type GateBuild struct {
	Name     string            `json:"name"`               // as the caller calls it: "main", "bin/ours", "this lunchrush"
	Revision string            `json:"revision,omitempty"` // the commit that it was built from
	Program  string            `json:"program,omitempty"`  // the file's SHA-256
	Set      map[string]string `json:"set,omitempty"`      // switches set for this side alone
}

// GateRules are what a gate declares before it begins.
type GateRules struct {
	Pairs    int                `json:"pairs"`
	ExtendTo int                `json:"extend_to"` // pairs after the one extension; Pairs: there is none
	Repeats  int                `json:"repeats"`   // most pairs that may be played again
	Level    float64            `json:"level"`     // of the intervals
	Seed     uint64             `json:"seed"`      // of the first pair's plan, and of all chance
	Margins  map[string]float64 `json:"margins"`   // by what they are of: "p50", "p99", "goodput", "recovery"
}

// What a margin is of.
const (
	MarginP50      = "p50"
	MarginP99      = "p99"
	MarginGoodput  = "goodput"
	MarginRecovery = "recovery"
)

// DefaultGateRules are what gate takes when it is told nothing else. How often they raise a false alarm, or miss, is measured by
// bench/gate.
func DefaultGateRules() GateRules {
	return GateRules{
		Pairs: 10, ExtendTo: 20, Repeats: 6, Level: 0.95, Seed: 1,
		Margins: map[string]float64{MarginP50: 0.10, MarginP99: 0.25, MarginGoodput: 0.03, MarginRecovery: 0.50},
	}
}

// A GatePair is one run of each build with the same plan, one right after the other.
type GatePair struct {
	Number int     `json:"number"` // from 1
	Seed   uint64  `json:"seed"`
	First  string  `json:"first"` // "base" or "head": who was played first, by chance
	Base   GateRun `json:"base"`
	Head   GateRun `json:"head"`
	Why    string  `json:"why,omitempty"` // why it does not count
}

// The sides of a gate.
const (
	SideBase = "base"
	SideHead = "head"
)

// A GateRun is a run as far as a gate needs it.
type GateRun struct {
	Folder  string               `json:"folder"` // beside gate.json; "" when there is none
	Values  map[string]GateValue `json:"values"`
	Doubt   string               `json:"doubt,omitempty"`    // why the run proves nothing; "" when it does
	Broken  string               `json:"violated,omitempty"` // money or data that went wrong; "" when none did
	LossFen int64                `json:"loss_fen,omitempty"`

	Machine runlog.Fingerprint `json:"machine"`
}

// A GateValue is one measure of one run.
type GateValue struct {
	Value   float64 `json:"value"` // ns, or a share as a fraction
	Samples int     `json:"samples"`
	AtLeast bool    `json:"at_least,omitempty"` // the value is a lower bound: it was not watched for longer
	Why     string  `json:"why,omitempty"`      // why it is not known; "" when it is
}

// A GateVerdict is the judgement of a gate. ExitCode: 0 pass, 96 worse than a margin, 97 inconclusive, 98 money or data
// wrong.
type GateVerdict struct {
	Outcome  string `json:"outcome"` // PASS, FAIL, INCONCLUSIVE
	ExitCode int    `json:"exit_code"`
	Headline string `json:"headline"`
}

// A gateRule is what a gate holds one measure to.
type gateRule struct {
	name    string
	measure string  // of the run, that it is; "": the one of this name
	margin  string  // what it is of
	more    bool    // more of it is better
	ignore  float64 // changes below this are none, in the measure's unit
	least   float64 // smaller values count as this much, so that there is a ratio
	unit    string  // "ns", "share"
}

// limitOf is the logarithm of the ratio, worse to better, at which a change is worse by the margin: a latency that is longer by that
// share of the base, a goodput of which that share is gone.
func limitOf(more bool, margin float64) float64 {
	if more {
		return -math.Log1p(-margin)
	}
	return math.Log1p(margin)
}

// ignoredNS is the change of a latency that no gate minds. Ours: below it a person feels nothing, and it is a few turns of a
// busy machine's scheduler.
const ignoredNS = float64(10 * time.Millisecond)

// recoveryGrain is how finely a recovery is measured: in whole seconds. One of them more or less is none.
const recoveryGrain = float64(time.Second)

// goodputMeasure is the run's goodput.offered, which counts those that were turned away: a build that does so has no slow answers
// to show for it, and its goodput.ratio is of those that paid.
const (
	goodputMeasure  = "goodput"
	recoveryMeasure = "recovery_time" // of runs with faults
)

// rulesOfGate are all measures that a gate may judge, in the order of its table: what the buyer, the channel and the machine's
// owner see, and what callers of the other workloads do.
func rulesOfGate() []gateRule {
	var rules []gateRule
	for _, kind := range slices.Concat([]string{"create", "notify", "pay_to_dispense"}, callKinds) {
		rules = append(rules,
			gateRule{name: kind + ".p50", margin: MarginP50, ignore: ignoredNS, least: histogramLow, unit: "ns"},
			gateRule{name: kind + ".p99", margin: MarginP99, ignore: ignoredNS, least: histogramLow, unit: "ns"})
	}
	return append(rules,
		gateRule{name: goodputMeasure, measure: "goodput.offered", margin: MarginGoodput, more: true, unit: "share"},
		gateRule{name: recoveryMeasure, margin: MarginRecovery, ignore: recoveryGrain, least: recoveryGrain, unit: "ns"},
	)
}

// GateRunOf takes from a judged run what a gate needs of it.
func GateRunOf(folder string, a *Analysis) GateRun {
	r := GateRun{Folder: folder, Values: map[string]GateValue{}, Machine: a.Run.Machine}
	if i := slices.IndexFunc(a.Invariants, has(failed)); i >= 0 {
		r.Broken, r.LossFen = a.Verdict.Headline, a.Verdict.LossFen
	}
	// A limit that was missed, or that had too few samples, is the scenario's business and not the comparison's.
	if why := a.uncertified(); why != "" {
		r.Doubt = why
	} else if i := slices.IndexFunc(a.Invariants, unjudged(a)); i >= 0 {
		r.Doubt = doubt("money and data cannot be judged", a.Invariants[i])
	}
	measures := byName(a.Measures)
	for _, rule := range rulesOfGate() {
		m, ok := measures[cmp.Or(rule.measure, rule.name)]
		if !ok || rule.name == recoveryMeasure && a.Stability == nil {
			continue
		}
		v := GateValue{Value: m.Value, Samples: m.Samples, AtLeast: m.AtLeast}
		if !m.Known {
			v.Value, v.Why = 0, cmp.Or(m.Why, tooFew(rule.name, m.Samples))
		}
		r.Values[rule.name] = v
	}
	return r
}

// unjudged are the invariants that nobody knows of. Where nobody could pay there is no money to judge: that is no doubt in the run,
// it is a build that turned all buyers away, and its goodput of nothing tells.
func unjudged(a *Analysis) func(Check) bool {
	return func(c Check) bool {
		return c.Status == unknown && (c.Name != checkMoney || a.Audit.Payments > 0 || a.Audit.RefundedFen > 0)
	}
}

// names are the measures that any run of the gate has, in the order of the table.
func (g *Gate) names() []gateRule {
	seen := map[string]bool{}
	for _, p := range g.Pairs {
		for name := range maps.Keys(p.Base.Values) {
			seen[name] = true
		}
		for name := range maps.Keys(p.Head.Values) {
			seen[name] = true
		}
	}
	return slices.DeleteFunc(rulesOfGate(), func(r gateRule) bool { return !seen[r.name] })
}

// Brief is a pair in a line: "create.p50 81.7 ms, 82.1 ms (+0.5%)".
func (p GatePair) Brief() string {
	b, h := p.Base.Values["create.p50"], p.Head.Values["create.p50"]
	switch {
	case b.Value <= 0 && h.Value <= 0:
		return "create.p50 not known"
	case h.Value <= 0:
		return "create.p50 " + span(int64(b.Value)) + ", of the base alone"
	case b.Value <= 0:
		return "create.p50 " + span(int64(h.Value)) + ", of the head alone"
	}
	return fmt.Sprintf("create.p50 %s, %s (%+.1f%%)", span(int64(b.Value)), span(int64(h.Value)), 100*(h.Value/b.Value-1))
}
