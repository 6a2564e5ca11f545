package reports

import (
	"slices"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/internal/stats"
)

// A Capacity is what a search for the largest fleet has measured, and what follows from it. It is what capacity.json holds,
// and all that its reports are drawn from: what follows is calculated from the trials, again each time that [Conclude] is
// called.
type Capacity struct {
	Schema      int                `json:"schema"`
	Scenario    string             `json:"scenario"`
	Title       string             `json:"title"`
	Source      string             `json:"source"`
	Seed        uint64             `json:"seed"` // trial n plays its plan of Seed, n
	StartedAt   time.Time          `json:"started_at"`
	FinishedAt  time.Time          `json:"finished_at,omitzero"`
	Ended       string             `json:"ended"` // "whole", "budget", "interrupted", "error"; "" while it goes on
	Error       string             `json:"error,omitempty"`
	Testbed     string             `json:"testbed"`
	Engine      string             `json:"engine"`
	Lunchrush   string             `json:"lunchrush"`
	CommandLine []string           `json:"command_line"`
	Machine     runlog.Fingerprint `json:"machine"`
	Stated      StatedService      `json:"stated"`
	Load        CapacityLoad       `json:"load"`
	Method      CapacityMethod     `json:"method"`
	Outage      OutageAsk          `json:"outage"`
	Trials      []CapacityTrial    `json:"trials"`
	Fewer       *FewerSearch       `json:"fewer,omitempty"` // nil: there is but one instance, or it was not come to
	Answer      CapacityAnswer     `json:"answer"`
	Binding     Binding            `json:"binding"`
	Sizing      Sizing             `json:"sizing"`
	Curve       *stats.USLBand     `json:"usl,omitempty"`
	NoCurve     string             `json:"no_usl,omitempty"` // why there is none
	Little      LittleSum          `json:"little"`
	Warnings    []string           `json:"warnings"`
}

// CapacitySchema is the version of capacity.json.
const CapacitySchema = 1

// A StatedService is the service whose capacity is asked for, and how this machine holds it to that.
type StatedService struct {
	CPUs           float64  `json:"cpus"`       // of each process; 0: all that there are
	MemoryMiB      int      `json:"memory_mib"` // of each process; 0: all that there is
	Processes      int      `json:"processes"`
	Instances      int      `json:"instances"`       // of the role that there are most of; 1: one process
	Deployed       string   `json:"deployed"`        // "one process", "front 2, gate 2, ..."
	MaxConnections int      `json:"max_connections"` // of the database; 0: its default
	Held           string   `json:"held"`            // how it is held to that
	Apart          bool     `json:"apart"`           // it has processors that neither databases nor harness may use
	Settings       []string `json:"settings"`        // the scenario's switches: "refund.after: 30s"
}

// CapacityLoad is the load of which a trial plays more or less.
type CapacityLoad struct {
	Machines       int      `json:"machines"`         // the scenario's fleet
	PerMachineHour float64  `json:"per_machine_hour"` // orders of one machine in an hour at the peak
	PeakAt         string   `json:"peak_at"`          // on the scenario's clock
	Arrivals       string   `json:"arrivals"`
	Expect         []string `json:"expect"`   // "notify.p99 < 1s"
	LeftOut        []string `json:"left_out"` // of the scenario: "its faults"
}

// PerMachine is the orders a second of one machine at the peak.
func (l CapacityLoad) PerMachine() float64 { return l.PerMachineHour / 3600 }

// CapacityMethod is how the search goes about it.
type CapacityMethod struct {
	Growth      float64  `json:"growth"`     // of the ramp, a step
	Resolution  float64  `json:"resolution"` // between what passes and what does not
	Majority    int      `json:"majority"`   // trials that decide a load
	ConfirmNeed int      `json:"confirm_need"`
	ConfirmOf   int      `json:"confirm_of"`
	WarmUpNS    int64    `json:"warm_up_ns"`
	MeasureNS   int64    `json:"measure_ns"`
	BudgetNS    int64    `json:"budget_ns"` // 0: none
	Expected    int      `json:"expected_trials"`
	GaveUp      []string `json:"gave_up"` // what the full method has and this search had not
	Ceiling     int      `json:"ceiling"` // the largest fleet that this harness can be; 0: none is known
	CeilingWhy  string   `json:"ceiling_why,omitempty"`
}

// OutageAsk is the outage that there must be headroom for.
type OutageAsk struct {
	ForNS   int64   `json:"for_ns"`   // D
	DrainNS int64   `json:"drain_ns"` // t: by when its backlog is to be gone
	Retries float64 `json:"retries"`  // a: further sends an operation while it lasts; below 0: as measured
}

// The outcomes of a trial.
const (
	TrialPassed  = "pass"
	TrialFailed  = "fail"
	TrialInvalid = "invalid" // the load was not what was planned: it says nothing about the service
)

// A CapacityTrial is one load, played once.
type CapacityTrial struct {
	N        int     `json:"n"`    // from 1
	Step     string  `json:"step"` // ramp, bisect, confirm
	Machines int     `json:"machines"`
	Folder   string  `json:"folder"` // of the run, within the report's
	TookNS   int64   `json:"took_ns"`
	Planned  float64 `json:"planned_per_s"` // orders a second that the load stands for
	Offered  float64 `json:"offered_per_s"` // orders a second that fell due in the measured time
	Goodput  float64 `json:"goodput_per_s"` // of these, with goods in time
	Outcome  string  `json:"outcome"`
	Why      string  `json:"why,omitempty"` // of one that did not pass
	Checks   []Check `json:"checks"`
	Loss     bool    `json:"loss"`               // money or data went wrong
	Replaced bool    `json:"replaced,omitempty"` // it proved nothing and was played again: it counts neither way

	CreateP99NS   int64 `json:"create_p99_ns"` // -1 unknown, like those below
	NotifyP99NS   int64 `json:"notify_p99_ns"`
	DropP99NS     int64 `json:"pay_to_dispense_p99_ns"`
	LatenessP99NS int64 `json:"lateness_p99_ns"`

	Amplification float64  `json:"amplification"` // notifies a payment; -1 unknown
	Little        Little   `json:"little"`
	Evidence      Evidence `json:"evidence"`
}

// Little is the cross-check of one trial: the mean number of sends under way, counted by heads, and what follows from rate
// and response time.
type Little struct {
	L       float64 `json:"l"`        // sends under way on average
	Rate    float64 `json:"lambda"`   // sends a second
	WaitNS  float64 `json:"w_ns"`     // their mean response time
	Product float64 `json:"lambda_w"` // Rate x Wait
	Off     float64 `json:"off"`      // |L - Product| / L; -1 unknown
}

// Evidence is what was measured of the machine, the databases and the service in the measured time of a trial. Unknown is -1.
type Evidence struct {
	Seconds float64 `json:"seconds"`
	Cores   int     `json:"cores"` // that this process may use

	ServiceCores  float64 `json:"service_cores"` // used, on average
	DatabaseCores float64 `json:"database_cores"`
	RedisCores    float64 `json:"redis_cores"`
	HarnessCores  float64 `json:"harness_cores"`
	OtherCores    float64 `json:"other_cores"` // by all others on the machine
	IdleCores     float64 `json:"idle_cores"`
	StealCores    float64 `json:"steal_cores"` // taken by the host of a virtual machine
	IOWaitCores   float64 `json:"iowait_cores"`

	QuotaCores       float64 `json:"quota_cores"`               // of the harness's control group; 0: none
	Throttled        float64 `json:"throttled"`                 // share of the time in which the group had to wait for its next quota
	ServiceThrottled int64   `json:"service_throttled_periods"` // of the service's containers

	PressureCPU    float64 `json:"psi_cpu_some"` // share of the time in which somebody waited
	PressureIO     float64 `json:"psi_io_full"`  // in which everybody did
	PressureMemory float64 `json:"psi_memory_full"`

	ServiceRSS int64 `json:"service_rss_bytes"` // the most
	OpenFiles  int   `json:"service_open_files"`
	MaxFiles   int   `json:"service_max_files"`

	DBRunning     float64 `json:"db_threads_running"` // on average, without the one that asks
	DBConnected   int     `json:"db_connections"`     // the most
	DBConnections int     `json:"db_max_connections"`
	DBLockWaiters float64 `json:"db_lock_waiters"` // statements that waited for a row lock, on average
	DBLockWaits   float64 `json:"db_lock_waits_per_s"`
	DBSyncs       float64 `json:"db_syncs_per_s"` // of the log to disk
	DBQueries     float64 `json:"db_queries_per_s"`

	PoolInUse   float64 `json:"db_pool_in_use"` // connections of the service's pool, on average
	PoolLimit   int     `json:"db_pool_limit"`
	PoolWaiters float64 `json:"db_pool_waiters"` // statements that waited for one, on average

	Workers []WorkerLoad `json:"workers"`
}

// A WorkerLoad is one pool of worker threads.
type WorkerLoad struct {
	Name    string  `json:"name"`  // "front", "gate wechat", "consumer"
	Limit   int     `json:"limit"` // 0 unknown
	Busy    float64 `json:"busy"`  // on average
	Waiting float64 `json:"waiting"`
}

// A CapacityAnswer is what the search found.
type CapacityAnswer struct {
	Found         bool    `json:"found"`        // there is a load that was confirmed
	Confirmed     string  `json:"confirmed"`    // "4 of 4": trials of the confirmation that passed
	Tentative     bool    `json:"tentative"`    // fewer of them than wanted
	Machines      int     `json:"machines"`     // of that load: the fleet that was carried
	PerSecond     float64 `json:"orders_per_s"` // C_lower
	Above         float64 `json:"above_per_s"`  // the least load that did not pass; 0: there was none
	AboveMachines int     `json:"above_machines"`
	Gap           float64 `json:"gap"`      // between the two, as a share of the lower
	AtLeast       bool    `json:"at_least"` // the harness or the ceiling ended the search, not the service
	Why           string  `json:"why"`      // of AtLeast, or of nothing found
}

// A Binding names the limit that the service ran into, from the evidence of the least load that did not pass.
type Binding struct {
	Name   string      `json:"name"` // of the first that is full; "undetermined"
	Says   string      `json:"says"`
	Limits []LimitUsed `json:"limits"` // ranked
}

// A LimitUsed is one limit and how much of it was used.
type LimitUsed struct {
	Name  string  `json:"name"`
	Used  float64 `json:"used"`  // share of the limit at the load that did not pass
	Below float64 `json:"below"` // share at the confirmed load; -1 unknown
	Full  bool    `json:"full"`
	Says  string  `json:"says"`
}

// Sizing is the fleet that capacity stands for.
type Sizing struct {
	Terms    []RhoTerm      `json:"terms"`
	RhoMax   float64        `json:"rho_max"`
	Binds    string         `json:"binds"`    // the name of the least term
	Machines int            `json:"machines"` // with headroom
	Retries  float64        `json:"retries"`  // a
	Fewer    FewerInstances `json:"fewer"`
}

// A RhoTerm is one bound of the share of its capacity that a service may be loaded with.
type RhoTerm struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Says  string  `json:"says"`
}

// FewerInstances is the fleet with one instance fewer.
type FewerInstances struct {
	Known    bool   `json:"known"`
	Machines int    `json:"machines"` // with headroom, like [Sizing]'s
	Says     string `json:"says"`
}

// A FewerSearch is a coarser search of its own, of the same service with one instance fewer of each role that has several: up
// to the fleet that all of them carried.
type FewerSearch struct {
	Deployed    string          `json:"deployed"`
	ConfirmNeed int             `json:"confirm_need"`
	ConfirmOf   int             `json:"confirm_of"`
	Resolution  float64         `json:"resolution"`
	Trials      []CapacityTrial `json:"trials"`
	Answer      CapacityAnswer  `json:"answer"`
}

// Played are the trials of both searches, in the order in which they were played. Their steps are written
// for a reader: "ramp, one fewer".
func (c *Capacity) Played() []CapacityTrial {
	all := slices.Clone(c.Trials)
	if c.Fewer != nil {
		for _, t := range c.Fewer.Trials {
			t.Step += ", one fewer"
			all = append(all, t)
		}
	}
	for i := range all {
		if all[i].Replaced {
			all[i].Step += ", played again"
		}
	}
	return all
}

// LittleSum is the cross-check over all trials whose load was good.
type LittleSum struct {
	Trials int     `json:"trials"`
	Within int     `json:"within"` // the limit
	Limit  float64 `json:"limit"`
	Worst  float64 `json:"worst"` // among those that passed; -1 none
}

// How a search ended, [Capacity.Ended].
const (
	EndedWhole       = "whole"
	EndedBudget      = "budget" // before it was as narrow, or as well confirmed, as it was to be
	EndedInterrupted = "interrupted"
	EndedError       = "error"
)
