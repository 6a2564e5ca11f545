package runlog

import (
	"fmt"
	"strings"
	"time"
)

// SchemaVersion is the version of every file in a run folder. Readers refuse a newer one.
const SchemaVersion = 1

// A Manifest is run.json: all that a judge must know besides the books. It is written when the run starts, again when
// each phase begins, and finally; Finished is zero in the folder of a run that was killed.
type Manifest struct {
	Schema    int       `json:"schema"`
	ID        string    `json:"id"` // folder name: 20261120-115600-peak-lunch-hardened
	Scenario  string    `json:"scenario"`
	Title     string    `json:"title"`
	Source    string    `json:"source"`
	Profile   string    `json:"profile"`            // the side that was played: "hardened", "as-was" or a further one; or the label that the run was given
	Labelled  bool      `json:"labelled,omitempty"` // the profile is a label, which `lunchrush run --profile` does not take
	Seed      uint64    `json:"seed"`
	Speed     float64   `json:"speed"`
	Machines  int       `json:"machines"`
	ClockFrom string    `json:"clock_from"` // "10:30", the scenario's clock at play start
	ClockTo   string    `json:"clock_to"`
	StartedAt time.Time `json:"started_at"` // wall clock at Record.At == 0
	Finished  time.Time `json:"finished_at,omitzero"`
	Ended     string    `json:"ended"` // "", "whole", "interrupted", "error"
	Error     string    `json:"error,omitempty"`

	PlayFromNS int64 `json:"play_from_ns"` // Record.At of the plan's zero
	PlayForNS  int64 `json:"play_for_ns"`  // length of the plan
	// WarmUpNS is how much of the play's beginning is played and accounted for, and left out of latencies, goodput and backlog.
	WarmUpNS    int64 `json:"warm_up_ns,omitempty"`
	DrainedAtNS int64 `json:"drained_at_ns"` // 0: the drain did not complete by DeadlineNS
	DeadlineNS  int64 `json:"deadline_ns"`   // after it an order still open is stuck or lost

	PlanSHA256  string         `json:"plan_sha256"`
	Planned     map[string]int `json:"planned"` // planned sends by kind at the plan's making: create, notify
	Sent        map[string]int `json:"sent"`    // sends that were made, by kind: create notify result heartbeat probe
	Unsent      map[string]int `json:"unsent"`  // entries that fell due and were never sent
	Testbed     string         `json:"testbed"` // "containers", "local", "embedded"
	TestbedWhy  []string       `json:"testbed_why"`
	Engine      string         `json:"engine"` // what answered SELECT VERSION(), and Redis's
	Service     string         `json:"service"`
	ServiceCfg  map[string]any `json:"service_config"` // effective switches that differ from hardened, and the scenario's
	Machine     Fingerprint    `json:"machine"`
	Lunchrush   string         `json:"lunchrush"` // version
	CommandLine []string       `json:"command_line"`

	RefundAfterNS int64             `json:"refund_after_ns"`     // the service's refund deadline in this run
	SettleNS      int64             `json:"settle_ns,omitempty"` // how long after a payment the service's switches let its refund begin, at the latest; not less than RefundAfterNS
	Expect        map[string]string `json:"expect"`              // from the scenario
	Signature     map[string]string `json:"signature"`
	Faults        []FaultPlan       `json:"faults,omitempty"`
	Pauses        []Pause           `json:"pauses,omitempty"`  // by hand, in their order
	Load          LoadFacts         `json:"load,omitzero"`     // what the stability of a run is judged by
	Balance       []Share           `json:"balance,omitempty"` // what the balancer gave to whom, in a topology of several processes
	Cold          []ColdSpell       `json:"cold,omitempty"`    // instances that were started cold
	Health        Health            `json:"health,omitzero"`   // what the health checks came to
	Generator     GeneratorCost     `json:"generator"`
	Notes         []string          `json:"notes,omitempty"` // things that a reader must know ("totals are 1/90 of the real day's")
}

// LoadFacts are what the scenario says of the load besides the plan: what recovery from a fault is measured by. In the folder
// of an older run they are zero, which means unknown.
type LoadFacts struct {
	CapacityPerS    float64 `json:"capacity_per_s,omitempty"`    // orders a second that the service can carry; 0 unknown
	KickFromNS      int64   `json:"kick_from_ns,omitempty"`      // since the plan's zero: the lull that tells metastable from broken
	KickForNS       int64   `json:"kick_for_ns,omitempty"`       // 0: there is none
	NotifyTimeoutNS int64   `json:"notify_timeout_ns,omitempty"` // how long a channel waits for an answer before it sends again
	PatienceNS      int64   `json:"patience_ns,omitempty"`       // how long a buyer waits for the answer to his order
	Tries           int     `json:"tries,omitempty"`             // how often a buyer asks in all; 1: he walks on

	// Of a demand whose clock was compressed: its steepest change in a second as a share of the rate, and when. 0: it was not.
	SteepPerS float64 `json:"steep_per_s,omitempty"`
	SteepAtNS int64   `json:"steep_at_ns,omitempty"` // since the plan's zero
}

// Health is what came of asking the processes whether they are well. Zero: nobody asked.
type Health struct {
	Asked    int       `json:"asked"`  // questions
	Failed   int       `json:"failed"` // of these, not answered with 200 in time
	Restarts []Restart `json:"restarts,omitempty"`
}

// A Restart is a process that was killed and started again since it did not say that it is well.
type Restart struct {
	Instance string `json:"instance"`
	AtNS     int64  `json:"at_ns"` // of the kill, since the run's start
	Why      string `json:"why"`   // the last answer
}

// A FaultPlan is one fault as the scenario asked for it, or somebody by hand.
type FaultPlan struct {
	ID     string `json:"id"`
	What   string `json:"what"`
	On     string `json:"on"`
	FromNS int64  `json:"from_ns"` // since the plan's zero
	ForNS  int64  `json:"for_ns"`
	ByHand bool   `json:"by_hand,omitempty"` // it was not in the scenario: somebody injected it while the run went on
}

// A Fingerprint tells two machines apart; runs of different ones are not compared. Two are compared by [Fingerprint.Same].
type Fingerprint struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory_bytes"`
	OS     string `json:"os"`
	Go     string `json:"go"`
}

// Rounded has the memory in whole GiB, less than one in steps of 64 MiB: a kernel keeps some megabytes for itself, one more than another.
func (f Fingerprint) Rounded() Fingerprint {
	step := int64(1 << 30)
	if f.Memory < step {
		step = 64 << 20
	}
	f.Memory = (f.Memory + step/2) / step * step
	return f
}

// Same reports whether both are of one machine, as far as its runs are compared.
func (f Fingerprint) Same(other Fingerprint) bool { return f.Rounded() == other.Rounded() }

// Differs names what another machine has differently, as "cores: 4, here 2", where f is of here; "" when both are the same.
func (f Fingerprint) Differs(other Fingerprint) string {
	here, there := f.Rounded(), other.Rounded()
	var list []string
	for _, t := range []struct {
		name        string
		there, here any
	}{
		{"processor", there.CPU, here.CPU},
		{"cores", there.Cores, here.Cores},
		{"memory in MiB", there.Memory >> 20, here.Memory >> 20},
		{"system", there.OS, here.OS},
		{"Go", there.Go, here.Go},
	} {
		if t.there != t.here {
			list = append(list, fmt.Sprintf("%s: %v, here %v", t.name, t.there, t.here))
		}
	}
	return strings.Join(list, "; ")
}

// GeneratorCost is what harness and service used.
type GeneratorCost struct {
	CPUNS      int64 `json:"cpu_ns"`                // of the harness's process, while the plan was played
	WallNS     int64 `json:"wall_ns"`               // for which the plan was played
	MaxRSS     int64 `json:"max_rss_bytes"`         // of the harness's process
	ServiceCPU int64 `json:"service_cpu_ns"`        // of all the service's processes, while the plan was played; 0 unknown
	ServiceRSS int64 `json:"service_max_rss_bytes"` // of all the service's processes

	Workers   int `json:"workers"`    // bound of the sends in flight
	Bound     int `json:"bound"`      // sends that fell due while all workers were busy: late by the generator's fault
	OverRange int `json:"over_range"` // times longer than the histograms hold, recorded as their longest

	First bool `json:"first,omitempty"` // its threads ran before all ordinary ones of the machine
	Awake bool `json:"awake,omitempty"` // the machine's processors did not sleep meanwhile
}

// A Sample is one row of metrics.csv: one second of the run. Latencies are response times (from the due time) of the
// sends that were answered in that second, milliseconds, -1 when there were none.
type Sample struct {
	AtNS        int64   `json:"at_ns"`         // end of the second, ns since the run's start
	Phase       string  `json:"phase"`         // provision, play, drain, collect
	Offered     int     `json:"offered"`       // sends that fell due
	Sent        int     `json:"sent"`          // sends that were made
	OK          int     `json:"ok"`            // sends answered as they should be
	Failed      int     `json:"failed"`        // answered with an error, or not at all
	Creates     int     `json:"creates"`       // orders asked for
	Paid        int     `json:"paid"`          // orders paid at the channel
	Dropped     int     `json:"dropped"`       // goods that fell within the refund deadline of their payment: goodput
	Refunds     int     `json:"refunds"`       // refunds made by the channel
	CreateP50MS float64 `json:"create_p50_ms"` // response time of POST /v1/orders
	CreateP99MS float64 `json:"create_p99_ms"`
	NotifyP50MS float64 `json:"notify_p50_ms"` // response time of notifies
	NotifyP99MS float64 `json:"notify_p99_ms"`
	LatenessP99 float64 `json:"lateness_p99_ms"`   // ms
	InFlight    int     `json:"in_flight"`         // sends waiting for their answer
	Backlog     int     `json:"backlog"`           // unfinished pay_queue rows, as the service says; -1 unknown
	BacklogAge  float64 `json:"backlog_age_s"`     // seconds, age of the oldest
	ServiceCPU  float64 `json:"service_cpu_cores"` // cores
	ServiceRSS  int64   `json:"service_rss_bytes"` // bytes
	HarnessCPU  float64 `json:"harness_cpu_cores"` // cores
	Goroutines  int     `json:"goroutines"`        // the service's
	DBInUse     int     `json:"db_in_use"`         // the service's database connections in use, -1 unknown
	Open        int     `json:"open"`              // orders paid and neither dispensed nor refunded yet
	LossSoFar   int     `json:"loss_so_far"`       // losses that the books already prove (dispensed and refunded, dropped twice)

	// Worker threads of front, of gate, and of the identity upstream: busy, and work that waits for one. A limit of 0 means
	// that there is no such pool, or none that tells; busy and waiting are -1 when they could not be asked.
	FrontBusy       int `json:"front_busy"`
	FrontWaiting    int `json:"front_waiting"`
	FrontLimit      int `json:"front_limit"`
	GateBusy        int `json:"gate_busy"`
	GateWaiting     int `json:"gate_waiting"`
	GateLimit       int `json:"gate_limit"`
	IdentityBusy    int `json:"identity_busy"`
	IdentityWaiting int `json:"identity_waiting"`
	IdentityLimit   int `json:"identity_limit"`

	// What the service has counted since it started, -1 when it did not tell: MySQL errors by number, and attempts on
	// pay_queue rows that ended with "order not payable". Of a service of several processes it is what all of them have
	// counted, a restart does not lower it, and it is -1 while one that has counted is silent. Look-ups that failed and
	// prices below are counted alike; figures of the moment, above, are of those processes together that answered.
	DBErrors1040    int `json:"db_errors_1040"`
	DBErrors1205    int `json:"db_errors_1205"`
	DBErrors1213    int `json:"db_errors_1213"`
	QueueNotPayable int `json:"queue_not_payable"`

	// Look-ups of buyers: failed for good since the start, and yet to be made; -1 when nobody could tell.
	BindsFailed  int `json:"binds_failed"`
	BindsWaiting int `json:"binds_waiting"`
	// Prices that shop was asked for since it started, and its questions to the database about them; -1 when it did not tell.
	PriceLooks int `json:"price_looks"`
	PriceReads int `json:"price_reads"`

	// InFlightMean is how many sends were under way on average since the row before: due, and not yet answered.
	InFlightMean float64 `json:"in_flight_mean"`
}
