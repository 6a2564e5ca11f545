package scenarios

import (
	"time"
)

// A Scenario is one file of the catalogue: demand, payments, topology, faults, and what is expected of the service.
type Scenario struct {
	Name     string // file name without .yaml
	Title    string
	Source   string
	Clock    Clock
	Fleet    Fleet
	Demand   Demand
	Buyers   Buyers
	Payments Payments
	Machines Machines
	Upstream Upstreams
	Browse   Browse
	Sale     Sale
	Messages Messages
	Reprice  Reprice
	Uploads  Uploads
	Topology Topology
	Database Database
	Faults   []Fault
	Kick     Kick

	// Service are switches set for both sides; AsWas are set on top of them for the as-was side. Keys are the dotted
	// names of service.Config ("callback.workers"), values scalars as written.
	Service map[string]string
	AsWas   map[string]string
	Sides   []Side

	// Expect and Signature map a measure ("notify.p99") to a condition ("< 1s"). All of Expect must hold for a run to
	// pass; all of Signature must hold for an as-was run to be the documented failure.
	Expect    map[string]Condition
	Signature map[string]Condition

	Drain time.Duration // how long after the plan's end the books may stay open; default refund.after + 30 s
	Needs []string      // innodb, redis, replica, containers

	// Places is how many of the places of `prove --abreast` the scenario takes while it is played, 1 if 0; Alone is all of them: it
	// takes the machine, or its figures suffer from company.
	Places int
	Alone  bool

	Incident Incident // zero for a scenario that replays no failure
}

// Incident tells the story of a documented failure, for those who meet it for the first time.
type Incident struct {
	Happened  string   // what the account says, with its figures
	Mechanism string   // why it came to that
	Cure      string   // what the hardened side does instead
	Code      []string // where the mechanism and the cure stand: "service/consumer.go:runLocked", relative to the module's root
}

// Clock is the scenario's time of day. Only the demand curve runs Speed times faster, never a time-out or a ladder.
type Clock struct {
	From, To TimeOfDay // To may lie past 24:00 ("24:30")
	Speed    float64   // 1 is real time
}

// TimeOfDay is minutes since midnight; it may exceed 24 h for scenarios that cross midnight.
type TimeOfDay time.Duration

// Fleet is what stands in the street.
type Fleet struct {
	Machines int
	Slots    int // per machine
	Stock    int // pieces per slot at the start
	PriceFen [2]int64
	Poll     time.Duration // long-poll wait
	Beat     time.Duration // heartbeat interval
}

// Demand is the rate of new orders over the scenario's clock.
type Demand struct {
	PerMachineHour float64
	Peaks          []Peak
	Arrivals       string // "even" or "poisson"

	// Capacity is how many orders a second the service can carry by its make (workers and their work, by Little's law) or by
	// measurement; 0 is not known. It is the yardstick of recovery, the same for both sides, and changes nothing in the play.
	Capacity float64
}

// Kick is a lull near the end of the plan: the load falls to [KickShare] of itself and comes back. A service that recovers by
// it was held down by its own retries (metastable); one that does not is broken. It is planned, so both sides meet it.
type Kick struct {
	At  TimeOfDay
	For time.Duration // real time; 0: there is none
}

// KickShare is what is left of the load during a [Kick].
const KickShare = 0.1

// Peak multiplies the base rate between From and To. Ramp is how long the rise and the fall take, on the scenario's clock.
type Peak struct {
	From, To TimeOfDay
	Times    float64
	Ramp     time.Duration
}

// Buyers says what buyers do. Shares are of all buyers, 0..1; the rest pay once, after Think.
type Buyers struct {
	Abandon float64 // never pay
	Late    float64 // pay after the service's payment window has closed
	Twice   float64 // pay the same order a second time by the other channel

	// Patience is how long a buyer waits for the answer to his order. One who gets none, or is turned away for the moment,
	// loads the page again after Again: a new order, Tries of them in all.
	Patience time.Duration
	Tries    int
	Again    time.Duration
}

// Payments says how channels behave.
type Payments struct {
	WeChat, Alipay float64 // shares, sum 1
	Think          Delay   // from the order's answer to the payment
	Notify         Notify
	Probes         float64 // SIGNTEST and forged notifies, share of payments
}

// Notify says how a channel tells of a payment.
type Notify struct {
	Delay      Delay   // from payment to the first send
	Duplicates float64 // share of payments whose notify is sent twice
	Apart      Delay   // how far apart the two are; 0 is the same moment
	Lost       float64 // share of payments whose notify never comes
	Ladder     string  // "wechat-v3", "alipay", "channel" (each channel its own, the default), or "short" for tests
	Timeout    time.Duration
}

// Machines says what machines do with a dispense command. Shares 0..1; the rest dispense and report.
type Machines struct {
	Dispense   Delay   // from command to drop
	Fail       float64 // nothing falls, reported
	Late       float64 // the drop takes LateBy
	LateBy     Delay
	LostResult float64 // the result is never sent; the next heartbeat tells it
	Offline    float64 // the machine stops polling for OfflineFor from the moment of the payment
	OfflineFor Delay
}

// Upstreams are what the service calls: a channel creating, answering a query or a close, refunding; the unionid look-up.
type Upstreams struct {
	Create, Query, Refund, Identity Upstream

	IdentityThreads   int  // worker threads of the look-up's service; 0 no limit
	IdentityAsksFront bool // it asks front about the buyer before it answers
}

// An Upstream is how one kind of call is answered. Shares are of all calls; the rest is served.
type Upstream struct {
	Delay  Delay   // until the answer, an error's too
	Errors float64 // answered with Status and Code
	Status int     // of those: a 4xx is a definite no; after a 5xx the call has had its effect, and nobody says so
	Code   string  // of those: "SYSTEM_ERROR", "A004"
	Hang   float64 // taken, carried out, and never answered
}

// Topology is how many processes of which roles. All zero means one process with every role.
type Topology struct {
	Front, Gate, Shop, Notifier, Jobs int
	CPUs                              float64 // of one service process; 0 unlimited
	MemoryMiB                         int
	Balancer                          Balancer
	Health                            Health
	GateConnections                   int // from the balancer to the gates, all channels together; 0 unlimited
}

// Database is what the scenario asks of MySQL.
type Database struct {
	MaxConnections int
	ReplicaDelay   time.Duration // of the replica that needs: [replica] starts; whole seconds
}

// Fault is one entry of the timeline.
type Fault struct {
	At     TimeOfDay // on the scenario's clock
	For    time.Duration
	On     string
	Inject string
	Params map[string]string

	// Every repeats the fault: that long after it began, in real time, it begins again. 0: it comes once. Times bounds how
	// often it comes, Until when it comes last; with neither it is repeated to the end of the clock.
	Every time.Duration
	Times int
	Until TimeOfDay
}

// A Delay is a distribution of a duration. The zero value is no delay.
//
// In a file: "300ms" (constant), "100ms..2s" (uniform), "lognormal 180ms 0.4" (median and sigma), or what was measured:
// "quantiles 50%=80ms 99%=2s 100%=6s".
type Delay struct {
	Kind     string // "", "constant", "uniform", "lognormal", "quantiles"
	A, B     time.Duration
	SigmaPct int          // lognormal sigma times 100
	Table    QuantileList // of quantiles
}

// A Condition is a comparison with a limit: "== 0", "< 1s", "> 1.5", "<= 10%"; or a list of words, one of which it must be.
type Condition struct {
	Op    string   // == != < <= > >=; "" for Words
	Limit float64  // durations in nanoseconds, per cents as fractions; with a Ref, how many times it
	Text  string   // as written; of words "METASTABLE or BROKEN"
	Ref   string   // the limit is the service's "refund.after" in that run, or the "model" drain time; "" for a Limit
	Unit  string   // how the limit was written: "duration", "%", or "" for a bare number or a Ref
	Words []string // of a measure that is a word: the words that are accepted
}
