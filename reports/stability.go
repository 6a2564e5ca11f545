package reports

import (
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// The classes of stability, after the literature on metastable failures (Bronson et al., HotOS 2021; Huang et al., OSDI 2022).
const (
	Stable     = "STABLE"     // recovered within the client's deadline, or five seconds
	Recovering = "RECOVERING" // recovered by three times the model's drain time
	Suspect    = "METASTABLE-suspect"
	Metastable = "METASTABLE" // stayed down by itself; a lull in the load set it free
	Broken     = "BROKEN"     // stayed down, and a lull did not help
	Undecided  = "UNDECIDED"  // the run cannot tell; never a pass
)

// A Stability says whether the service came back after the faults of a run by itself, and how long that took.
//
// An operation is a planned order whose buyer pays in time and whose machine dispenses at once. It is good when its goods
// fall within the refund deadline of its payment. Operations are counted by the moment at which they were due, so those that
// a fault holds up count against the fault, and a queue that is worked off afterwards is not taken for goodput.
type Stability struct {
	Class    string   `json:"class"`
	Why      string   `json:"why"`       // one sentence
	Notes    []string `json:"notes"`     // what is shorter, or less sure, than the method asks
	BucketNS int64    `json:"bucket_ns"` // width of a bucket; -1 when none could be made

	// RecoveryNS is from the end of the last fault to the first moment from which on the service is recovered until the load
	// ends: in nine of ten buckets goodput is 0.9 of the baseline's, its p99 limits hold, nothing queued is older than the
	// refund deadline, and over all of them no more than one send in a hundred missed its limit. When it never was, it is how long
	// that was watched, and RecoveryOpen is true. -1: not known.
	RecoveryNS   int64 `json:"recovery_ns"`
	RecoveryOpen bool  `json:"recovery_open"`

	// ModelNS is the drain time of the model, tau = D x rho / (1 - rho): D is the length of the faults, rho the offered load
	// (with the retries of the baseline) over the capacity. -1 when the capacity is not known, or is not above the load.
	ModelNS      int64   `json:"model_ns"`
	FaultNS      int64   `json:"fault_ns"` // D
	Rho          float64 `json:"rho"`      // -1 unknown
	CapacityPerS float64 `json:"capacity_per_s"`
	CapacityFrom string  `json:"capacity_from"` // "the scenario", "measured ...", or "unknown"

	HorizonNS int64    `json:"horizon_ns"` // how long a service must stay down before that may be called metastable
	SeenNS    int64    `json:"seen_ns"`    // how long the load went on, unchanged, after the last fault
	Phases    []Phase  `json:"phases"`
	Buckets   []Bucket `json:"buckets"` // of the whole play, before and after the trigger on grids of their own
}

// A Phase is one stretch of the load: baseline; in-flight, whose operations began before the first fault and could not end
// before it; trigger, from the first fault to the end of the last; after; and with a kick in the plan also kick and restored.
type Phase struct {
	Name        string  `json:"name"`
	FromNS      int64   `json:"from_ns"` // since the run's start
	ToNS        int64   `json:"to_ns"`
	Operations  int     `json:"operations"`
	OfferedPerS float64 `json:"offered_per_s"` // all planned orders, operations or not
	Goodput     float64 `json:"goodput"`       // share of the operations that were good; -1 when there were none
	Late        float64 `json:"late"`          // share that was finished too late for its client: wasted work; -1
	Attempts    float64 `json:"attempts"`      // sends for each first send, of creates or of notifies, whichever is more; -1
	BacklogMax  int     `json:"backlog_max"`   // unfinished pay_queue rows; -1 unknown
	OldestNS    int64   `json:"oldest_ns"`     // greatest age of one; -1 unknown
}

// A Bucket is as many seconds as hold a hundred operations.
type Bucket struct {
	FromNS     int64   `json:"from_ns"`
	ToNS       int64   `json:"to_ns"`
	Operations int     `json:"operations"`
	Goodput    float64 `json:"goodput"` // share; -1 when there were no operations
	Good       bool    `json:"good"`
	Why        string  `json:"why,omitempty"` // why not
}

// The method's figures. What is ours stands there with its reason.
const (
	// bucketOperations: a share of so many operations, 0.9 of which succeed, has a noise of 9 % at three sigma. The 900 that
	// arrivals would need is for counts of a Poisson process; a share of what was due has no such noise.
	bucketOperations = 100
	goodOfBaseline   = 0.9  // goodput, as a share of the baseline's
	healthyBaseline  = 0.9  // ours: below it there is nothing to return to
	badOfBuckets     = 10   // one of so many may be bad
	slowOfBucket     = 0.04 // ours: where one send in a hundred is slow, five of a hundred are in 0.3 % of cases
	slowOfAll        = 0.01 // what a p99 allows of all sends from the recovery on, and ...
	slowByChance     = 0.05 // ... what chance makes of that no more seldom than this: the one-sided bound of the percentiles
	stableWithin     = 5 * int64(time.Second)
	horizonLeast     = 60 * int64(time.Second)
	baselineLeast    = 60 * int64(time.Second) // shorter ones say so
	horizonModels    = 3
	horizonDeadlines = 10
	recoveringModels = 3
	recoveredLeast   = 10 * int64(time.Second) // ours: shorter is a good moment, not a recovery
	bucketsLeast     = 3                       // ours
	workAmplified    = 1.2                     // attempts for each operation, of the baseline's
	finishedLate     = 0.1                     // of operations
	slopeRise        = 0.05                    // ours: a third of the horizon must bring more than this to count as rising
	loadConstant     = 0.3                     // ours: three sigma of a hundred Poisson arrivals
	capacityWindow   = 5                       // seconds; ours
	capacityAbove    = 1.2                     // of the offered load; ours: less is the load coming through, not a drain
	amplifiedOf      = 20                      // first sends that attempts need; ours
)

// A track is all that stability is judged from: what was due and what became of it, second by second.
type track struct {
	playFrom, playTo int64
	cut              bool // the run ended before its operations could
	due              []int64
	ops              []operation // by due
	seconds          []traffic   // by second since the run's start
	samples          []runlog.Sample
	faults           []Fault
	load             runlog.LoadFacts
	refundAfter      int64
}

// An operation is one planned order that was meant to end with goods.
type operation struct {
	due  int64 // since the run's start
	done int64 // when its goods fell; 0 never
	good bool
	late bool // finished, but too late for its client
}

// traffic is what went over the wire in one second.
type traffic struct {
	creates, firstCreates   int    // orders asked for, by the moment of the send; first: not a further try
	notifies, firstNotifies int    // without planned duplicates
	answered, slow          [2]int // sends that ended; those of them that had no answer within the scenario's limit
	prepays                 int    // orders that the service brought as far as the channel, whoever still waited
}

// Indexes of traffic.answered and .slow.
const (
	slowCreate = iota
	slowNotify
)

// stability judges a run; nil when it had no fault.
func (t *track) stability() *Stability {
	s := &Stability{
		Class: Undecided, BucketNS: -1, RecoveryNS: -1, ModelNS: -1, Rho: -1, CapacityFrom: "unknown",
		Notes: []string{}, Phases: []Phase{}, Buckets: []Bucket{},
	}
	from, to, length := t.trigger()
	if length == 0 {
		return nil
	}
	s.FaultNS = length
	j := &stabilityJudge{track: t, Stability: s}
	j.lay(from, to)
	s.Why = j.decide()
	return s
}

// trigger is from the first fault to the end of the last, and how long there was at least one.
func (t *track) trigger() (from, to, length int64) {
	type edge struct {
		at   int64
		step int
	}
	var edges []edge
	for _, f := range t.faults {
		if f.Injected && f.ToNS > f.FromNS {
			edges = append(edges, edge{f.FromNS, 1}, edge{f.ToNS, -1})
		}
	}
	if len(edges) == 0 {
		return 0, 0, 0
	}
	sortBy(edges, func(e edge) int64 { return e.at })
	open, since := 0, int64(0)
	for _, e := range edges {
		if open == 0 {
			since = e.at
		}
		if open += e.step; open == 0 {
			length += e.at - since
		}
	}
	return edges[0].at, edges[len(edges)-1].at, length
}
