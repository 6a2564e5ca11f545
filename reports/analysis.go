package reports

import (
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// An Analysis is everything that is known about one run, judged. Every report format is drawn from it alone; it is what
// report.json holds.
type Analysis struct {
	Run         runlog.Manifest `json:"run"`
	Verdict     Verdict         `json:"verdict"`
	Certificate []Check         `json:"certificate"` // is the load what was planned; any failed: INCONCLUSIVE
	Invariants  []Check         `json:"invariants"`  // money and data
	Expect      []Check         `json:"expectations"`
	Signature   []Check         `json:"signature"` // of the documented failure; judged by prove only
	Audit       Audit           `json:"audit"`
	Calls       []Calls         `json:"calls,omitempty"` // traffic beside the orders, by kind
	Bid         *BidAudit       `json:"bid,omitempty"`
	Latency     []Latency       `json:"latency"`
	Measures    []Measure       `json:"measures"`
	Timeline    []runlog.Sample `json:"timeline"`
	Faults      []Fault         `json:"faults"`
	Stability   *Stability      `json:"stability,omitempty"` // nil: the run had no fault
	Demand      []DemandPoint   `json:"demand"`              // planned offered load over the run
	Warnings    []string        `json:"warnings"`
}

// The outcomes of a run.
const (
	Pass         = "PASS"
	Fail         = "FAIL"
	Inconclusive = "INCONCLUSIVE"
)

// A Verdict is the judgement in a few words. ExitCode: 0 pass, 99 an expectation missed, 98 an invariant violated,
// 97 inconclusive; 98 > 97 > 99.
type Verdict struct {
	Outcome   string        `json:"outcome"`
	ExitCode  int           `json:"exit_code"`
	Headline  string        `json:"headline"`   // "41 orders (143.50 yuan) dispensed and refunded, since 11:21:07"
	Likely    string        `json:"likely"`     // the likely reason, "" when it passed
	Since     time.Duration `json:"since_ns"`   // first bad moment, since the run's start; -1 none
	SinceTime string        `json:"since_time"` // the same on the scenario's clock, "11:21:07"
	LossFen   int64         `json:"loss_fen"`
}

// A Check is one statement that held or did not.
type Check struct {
	Name    string `json:"name"`   // "notify.p99", "sum paid = sum dispensed + sum refunded + open"
	Want    string `json:"want"`   // "< 1s"
	Got     string `json:"got"`    // "212ms"
	Status  string `json:"status"` // "pass", "fail", "unknown" (no or too few samples)
	Samples int    `json:"samples"`
	Note    string `json:"note,omitempty"`
}

// A Class is what became of an order; every order has exactly one.
type Class string

// The classes. Those below the gap are bad.
const (
	OKDispensed Class = "ok-dispensed"
	OKRefunded  Class = "ok-refunded"
	OKUnpaid    Class = "ok-unpaid"
	Recovered   Class = "recovered" // made good by remedy

	Lost                 Class = "lost" // paid; neither goods nor money by the deadline
	DispensedAndRefunded Class = "dispensed-and-refunded"
	DoubleDispense       Class = "double-dispense"
	DoubleRefund         Class = "double-refund"
	UnpaidDispense       Class = "unpaid-dispense"
	AckedLost            Class = "acked-lost" // notify answered with success, not recorded
	AmountMismatch       Class = "amount-mismatch"
	Stuck                Class = "stuck"         // the service's state is not final at the end, money is whole
	Indeterminate        Class = "indeterminate" // the books cannot tell
)

// An Audit is the account of every order and every fen.
type Audit struct {
	Orders       int           `json:"orders"`
	Classes      map[Class]int `json:"classes"`
	PaidFen      int64         `json:"paid_fen"`
	DispensedFen int64         `json:"dispensed_fen"` // price of the goods that fell for paid orders, once per order
	RefundedFen  int64         `json:"refunded_fen"`
	OpenFen      int64         `json:"open_fen"` // PaidFen - DispensedFen - RefundedFen of orders with neither
	LossFen      int64         `json:"loss_fen"` // money or goods gone wrong, all bad classes together
	Payments     int           `json:"payments"`
	Notifies     int           `json:"notifies"` // sends, with retries and duplicates
	Probes       int           `json:"probes"`
	ProbesTaken  int           `json:"probes_taken"` // must be 0

	// ProbeKinds counts the probes by what was false about them: "signtest", "forged", ...
	ProbeKinds map[string]int `json:"probe_kinds"`

	Oversold   int           `json:"oversold"` // stock items, pieces
	Undersold  int           `json:"undersold"`
	Histories  SlotHistories `json:"histories"`
	UpperBound string        `json:"upper_bound"` // "0 lost of 412: at most 0.73% with 95% confidence"
	Bad        []BadOrder    `json:"bad"`         // at most 1,000, worst first; Classes counts all
	Queue      QueueFacts    `json:"queue"`       // the account's own SQL, on the service's book
	PayToDrop  Quantiles     `json:"pay_to_dispense"`
}

// QueueFacts are what the platform's engineers looked at: the pay_queue at the end.
type QueueFacts struct {
	Rows        int `json:"rows"`
	Waiting     int `json:"waiting"` // consume_status != 2
	Voided      int `json:"voided"`  // status 4
	LaterThan60 int `json:"later_than_60s"`
	Remedies    int `json:"remedies"`
}

// A BadOrder is one order that went wrong, with its own timeline.
type BadOrder struct {
	Class   Class    `json:"class"`
	Key     string   `json:"key"`
	Order   string   `json:"order"`
	Machine string   `json:"machine"`
	Slot    int      `json:"slot"`
	Channel string   `json:"channel"`
	Fen     int64    `json:"fen"`
	AtNS    int64    `json:"at_ns"` // when it went wrong
	Why     string   `json:"why"`   // "goods fell at 11:24:10, money back at 11:23:58"
	Events  []Moment `json:"events"`
}

// A Moment is one line of an order's timeline.
type Moment struct {
	AtNS int64  `json:"at_ns"`
	Who  string `json:"who"`  // buyer, channel, machine, service
	What string `json:"what"` // "notify sent (2nd), answered 200 in 12ms"
}

// Quantiles of a duration, nanoseconds. A quantile with too few samples is -1.
type Quantiles struct {
	N    int64 `json:"n"`
	P50  int64 `json:"p50_ns"`
	P90  int64 `json:"p90_ns"`
	P99  int64 `json:"p99_ns"`
	P999 int64 `json:"p999_ns"`
	Max  int64 `json:"max_ns"`
}

// Latency is one kind of send.
type Latency struct {
	Kind     string      `json:"kind"` // create, notify, result, heartbeat, probe, and those of the run's workloads
	Response Quantiles   `json:"response"`
	Service  Quantiles   `json:"service"`
	Lateness Quantiles   `json:"lateness"`
	Curve    []CurveStep `json:"curve"`         // of the response time, for the percentile plot
	Served   []CurveStep `json:"service_curve"` // of the service time, beside it
}

// A CurveStep is one point of a latency percentile plot.
type CurveStep struct {
	Quantile float64 `json:"q"` // 0..1
	NS       int64   `json:"ns"`
}

// A Measure is a number that a scenario's expect or signature can name.
type Measure struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"` // durations in ns, shares as fractions
	Unit    string  `json:"unit"`  // "ns", "", "share", "rows/s", "fen"
	Samples int     `json:"samples"`
	Known   bool    `json:"known"` // false: there is nothing to measure it by

	Word    string `json:"word,omitempty"`     // the value of a measure that is a word
	AtLeast bool   `json:"at_least,omitempty"` // the value is a lower bound: more was not watched
	Why     string `json:"why,omitempty"`      // why it is not known, when there is more to say than how many samples there were
}

// A DemandPoint is the planned load at a moment.
type DemandPoint struct {
	AtNS int64   `json:"at_ns"`
	Rate float64 `json:"orders_per_s"`
}
