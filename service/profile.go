package service

import "time"

// Values of switches that are words.
const (
	On  = "on"
	Off = "off"

	Own = "own"

	Bounded   = "bounded"
	Unbounded = "unbounded"
	None      = "none"

	OnPersist       = "on-persist"
	AfterProcessing = "after-processing"
	OnReceipt       = "on-receipt"

	PerStatement = "statement"
	PerRequest   = "request"

	Fixed   = "fixed"
	Arrival = "arrival"

	UniqueKey = "unique-key"
	RedisDrop = "redis-drop"

	Primary = "primary"
	Replica = "replica"

	Unique = "unique"

	LockRow   = "row"
	LockTable = "table"

	VoidRemedy = "remedy"
	VoidSilent = "silent"

	GuardCAS = "cas"

	Separate = "separate"
	Same     = "same"

	PaidFirst = "paid-first"

	SingleFlight = "single-flight"
	Aside        = "aside"
	Naive        = "naive"

	Split  = "split"
	Shared = "pool"

	Direct = "direct"
	ByGate = "gate"

	Async  = "async"
	Inline = "inline"

	StockCAS        = "cas"
	ReadThenWrite   = "read-then-write"
	ReserveNoReopen = "reserve-no-reopen"

	ProgressDerived = "derived"
	ProgressRow     = "row"
	Self            = "self"
	HostsFile       = "hosts-file"

	Graceful = "graceful"
	Abrupt   = "abrupt"
	Checked  = "checked"
)

// Profile holds the switches. A switch's dotted name ("callback.workers") is its path below here. Tags: doc says what it
// does, accepts lists its words, incident names what it answers.
type Profile struct {
	DB       DBSwitches       `yaml:"db"`
	Reads    string           `yaml:"reads" accepts:"primary|replica" incident:"replica-lag" doc:"where front reads the order that it is asked about, a payment's callback included: on the primary, or on mysql.replica_dsn, which may not have it yet"`
	Notify   NotifySwitches   `yaml:"notify"`
	Dedupe   string           `yaml:"dedupe" accepts:"unique|none" incident:"notify-duplicates" doc:"unique: one pay_queue row and one command per payment, by key, and an order is moved by compare-and-set; none: check, then act: any number of rows, a command with an id of its own for each, and an order is moved whatever state it is in by then"`
	Enqueue  EnqueueSwitches  `yaml:"enqueue"`
	Lock     LockSwitches     `yaml:"lock"`
	Gate     PoolSwitches     `yaml:"gate"`
	Callback CallbackSwitches `yaml:"callback"`
	Queue    QueueSwitches    `yaml:"queue"`
	Refund   RefundSwitches   `yaml:"refund"`
	Command  CommandSwitches  `yaml:"command"`
	Consumer ConsumerSwitches `yaml:"consumer"`
	Dispense DispenseSwitches `yaml:"dispense"`
	Pay      PaySwitches      `yaml:"pay"`
	Remedy   RemedySwitches   `yaml:"remedy"`
	Cache    CacheSwitches    `yaml:"cache"`
	Front    FrontSwitches    `yaml:"front"`
	Admit    string           `yaml:"admission" accepts:"paid-first|none" incident:"slb-burst" doc:"paid-first: callbacks of money that was taken are worked on before new orders, and new orders are turned away first; none: one line for all"`
	Callers  CallersSwitches  `yaml:"callers"`
	Registry RegistrySwitches `yaml:"registry"`
	Stop     StopSwitches     `yaml:"stop"`
	Ready    string           `yaml:"ready" accepts:"checked|none" incident:"process-recycle" doc:"checked: a process says that it is ready when what it needs is there, and that it is not when it is about to end; none: always"`
	Channels ChannelsSwitches `yaml:"channels"`
	Resolve  IdentitySwitches `yaml:"identity"`
	Acquirer AcquirerSwitches `yaml:"acquirer"`
	Redis    RedisSwitches    `yaml:"redis"`
	Stock    string           `yaml:"stock" accepts:"cas|read-then-write|reserve-no-reopen" incident:"full-bid-oversell, full-bid-undersell" doc:"how a bid's units are taken. cas: reserved by compare-and-set, and given back at once, which reopens the bid, when the purchase fails; read-then-write: what remains is read, and taken later; reserve-no-reopen: reserved, but a failed purchase keeps its units for bid.hold and the bid stays closed"`
	Progress string           `yaml:"progress" accepts:"derived|row" incident:"full-bid-undersell" doc:"derived: what is sold of a bid is added up from its shares; row: each purchase writes it to one row under an optimistic lock"`
	Bid      BidSwitches      `yaml:"bid"`
	Ingest   IngestSwitches   `yaml:"ingest"`
}

// DBSwitches bound what the database is asked.
type DBSwitches struct {
	Pool    string `yaml:"pool" accepts:"bounded|unbounded" incident:"connections-exhausted" doc:"bounded: at most db.max_open connections; unbounded: one for each statement that runs"`
	MaxOpen int    `yaml:"max_open" min:"1" incident:"connections-exhausted" doc:"connections of one process with db.pool bounded"`
	Hold    string `yaml:"hold" accepts:"statement|request" incident:"connections-exhausted" doc:"statement: a connection is taken for each statement or transaction; request: a request or callback takes one and holds it until its end, while it waits for a channel too"`
	Retry   string `yaml:"retry" accepts:"bounded|none" incident:"deadlock" doc:"bounded: a transaction that met error 1205 or 1213 is tried twice more; none: it is given up, and a notification that it was to store is answered with success"`
}

// EnqueueSwitches say how a notification gets into pay_queue.
type EnqueueSwitches struct {
	Lock string `yaml:"lock" accepts:"unique-key|redis-drop" incident:"lock-lost" doc:"what keeps a payment from being stored twice at once. unique-key: the database's; redis-drop: a lock in Redis, without which the notification is dropped and answered with success"`
}

// LockSwitches say in which order a transaction locks rows.
type LockSwitches struct {
	Order string `yaml:"order" accepts:"fixed|arrival" incident:"deadlock" doc:"fixed: an order before its rows of pay_queue, everywhere; arrival: a notification locks its new row of pay_queue first, and its order after it"`
}

// NotifySwitches are the gate's.
type NotifySwitches struct {
	Ack     string `yaml:"ack" accepts:"on-persist|after-processing|on-receipt" incident:"notify-storm, process-recycle" doc:"when a channel's notification is answered: when it is stored, when the order was handled, or as soon as it is understood, to be stored later with others. With after-processing it also waits for its worker when the channel has hung up, and callback.confirm asks before it is looked whether the payment was handled already"`
	Confirm bool   `yaml:"confirm" incident:"shared-proxy" doc:"the gate asks the channel about a notification before it stores it, as Alipay's notify_verify wanted: a round trip more, on the gate's worker"`
}

// PoolSwitches bound the notifications handled at once.
type PoolSwitches struct {
	Workers  int `yaml:"workers" min:"1" incident:"notify-storm" doc:"notifications that one gate handles at once"`
	QueueLen int `yaml:"queue_len" min:"0" incident:"notify-storm" doc:"notifications that wait for a worker; more are answered 503, and the channel sends them again"`
}

// CallbackSwitches are those of the pay_queue's consumer.
type CallbackSwitches struct {
	Workers int           `yaml:"workers" min:"1" incident:"callback-serial" doc:"rows of pay_queue that one gate consumes at once"`
	Batch   int           `yaml:"batch" min:"1" incident:"queue-serial-batch" doc:"rows of pay_queue fetched at once"`
	Lock    string        `yaml:"lock" accepts:"row|table" incident:"callback-serial" doc:"row: a claim by primary key in a short transaction; table: a scan FOR UPDATE whose transaction stays open while the row is handled"`
	Threads string        `yaml:"threads" accepts:"own|front" incident:"acquirer-timeouts" doc:"own: front handles what the gates hand over on threads of its own; front: on those of its buyers, whose slow channel then holds up both"`
	Confirm bool          `yaml:"confirm" incident:"callback-serial" doc:"the consumer asks the channel to confirm the payment before it dispatches: one round trip more for each payment"`
	Lease   time.Duration `yaml:"lease" min:"1s" incident:"process-recycle" doc:"how long a claimed row belongs to its consumer; a row of a dead one is taken over after it"`
	Poll    time.Duration `yaml:"poll" min:"10ms" incident:"callback-serial" doc:"how often a gate looks for rows that nobody handed to it"`
}

// QueueSwitches say what becomes of a row that could not be consumed.
type QueueSwitches struct {
	Ladder  []time.Duration `yaml:"ladder,flow" incident:"retry-ladder" doc:"waits between the attempts on a row; after the last it is void"`
	Void    string          `yaml:"void" accepts:"remedy|silent" incident:"retry-ladder" doc:"remedy: a void row raises a remedy order; silent: it is forgotten"`
	Archive time.Duration   `yaml:"archive" min:"0s" incident:"callback-serial" doc:"age at which a finished row moves to pay_queue_bak; 0 never"`
}

// RefundSwitches say when money goes back.
type RefundSwitches struct {
	After      time.Duration `yaml:"after" min:"1s" incident:"refund-race" doc:"no result of the machine for so long after the payment: refund. Documented as 90 s"`
	Guard      string        `yaml:"guard" accepts:"cas|none" incident:"callback-serial, refund-race" doc:"cas: a refund first makes sure that the goods can not fall any more, and a payment that is handled later is a duplicate; none: it just refunds, and the callback that comes to its payment later does not look: it dispenses what is REFUNDED, and moves an order whatever state it is in"`
	CancelWait time.Duration `yaml:"cancel_wait" min:"0s" incident:"refund-race" doc:"how long the machine may take to answer the cancel of a command it was given"`
	Every      time.Duration `yaml:"every" min:"10ms" incident:"refund-race" doc:"interval of the refund timer and of refunds tried again"`
}

// CommandSwitches are those of a machine's commands.
type CommandSwitches struct {
	TTL       time.Duration `yaml:"ttl" min:"1s" incident:"refund-race" doc:"a machine does not start a command later than this after it was sent, however late it gets it"`
	Late      time.Duration `yaml:"late" min:"0s" incident:"refund-race" doc:"how long after its start a command's goods may take to fall: the refund of a silent machine's order waits for command.ttl and this"`
	PushAgain time.Duration `yaml:"push_again" min:"0s" incident:"shared-redis" doc:"a command that no machine fetched is pushed again after so long, from the database; none (0s): never, what the queue loses is lost"`
}

// DispenseSwitches say when goods are no longer given.
type DispenseSwitches struct {
	MaxAge time.Duration `yaml:"max_age" min:"1s" incident:"callback-serial" doc:"a payment that is handled later than this after it was made is refunded, since nobody stands at the machine any more"`
}

// PaySwitches are those of an order that waits for its payment.
type PaySwitches struct {
	Window time.Duration `yaml:"window" min:"1s" incident:"remedy" doc:"an order not paid for so long is closed at the channel, and its stock given back"`
}

// RemedySwitches are the reconciliation's.
type RemedySwitches struct {
	Mode  string        `yaml:"mode" key:"remedy" accepts:"on|off" incident:"remedy" doc:"on: the channel is asked about orders whose notification does not come, and void rows are made good"`
	After time.Duration `yaml:"after" min:"100ms" incident:"remedy" doc:"age at which an unpaid order is first asked about"`
	Every time.Duration `yaml:"every" min:"10ms" incident:"remedy" doc:"interval of the remedy job; an order is asked about again after half its age, at least this"`
}

// CacheSwitches are shop's.
type CacheSwitches struct {
	Mode        string        `yaml:"mode" accepts:"single-flight|aside|naive|off" incident:"shop-punch-through, cache-teething" doc:"single-flight: a machine's prices are one key, and one reader of a missing key asks the database; aside: a key for each slot, and each reader of a missing one asks; naive: as aside, all keys live equally long, nothing is remembered of unknown slots, and a new price does not reach the cache; off: no cache"`
	TTL         time.Duration `yaml:"ttl" min:"1ms" incident:"cache-teething" doc:"how long a price is cached"`
	TTLJitter   time.Duration `yaml:"ttl_jitter" min:"0s" incident:"cache-teething" doc:"up to so much is added to each key's time, so that they do not expire together"`
	NegativeTTL time.Duration `yaml:"negative_ttl" min:"0s" incident:"shop-punch-through" doc:"how long it is remembered that a machine, or aside a slot, does not exist; 0 not at all"`
	Stale       time.Duration `yaml:"stale" min:"0s" incident:"shop-punch-through" doc:"single-flight: how long a price whose time is over is told on while one reader asks for the new one; 0 not at all"`
}

// FrontSwitches bound what front takes on.
type FrontSwitches struct {
	Queue    string        `yaml:"queue" accepts:"bounded|unbounded" incident:"slb-burst" doc:"bounded: at most front.queue_len requests wait for a worker, new orders are turned away first; unbounded: everything waits"`
	Workers  int           `yaml:"workers" min:"1" incident:"slb-burst" doc:"requests that one front handles at once"`
	QueueLen int           `yaml:"queue_len" min:"1" incident:"slb-burst" doc:"requests that wait for a worker; new orders get half of it"`
	Deadline time.Duration `yaml:"deadline" min:"0s" incident:"slb-burst" doc:"a request that waited for a worker this long is turned away; none (0s): it waits its turn, and what buyers ask of orders and prices, and what gates hand over, is worked on whether they are still there or not"`
	Prepay   string        `yaml:"prepay" accepts:"direct|gate" incident:"circular-wait" doc:"direct: front makes an order's payment at the channel; gate: it has a gate do so, and waits for one of its workers"`
}

// CallersSwitches say who shares worker threads.
type CallersSwitches struct {
	Share string `yaml:"share" accepts:"split|pool" incident:"circular-wait" doc:"split: what identity asks of front, and front of a gate, has as many workers of its own; pool: it shares those of buyers and of notifications"`
}

// StopSwitches say how a process ends when it is told to.
type StopSwitches struct {
	Mode   string        `yaml:"mode" key:"stop" accepts:"graceful|abrupt" incident:"process-recycle" doc:"graceful: it says that it is not ready, finishes what it began, and ends; abrupt: it ends, with whatever is under way"`
	Linger time.Duration `yaml:"linger" min:"0s" incident:"process-recycle" doc:"with stop graceful: how long it goes on serving after it says that it is not ready; longer than the balancer's checks take to notice. A process whose readiness nobody asked about lately does not wait"`
}

// RegistrySwitches say how a process announces itself to the balancer.
type RegistrySwitches struct {
	Address string `yaml:"address" accepts:"self|hosts-file" incident:"stale-hosts" doc:"self: a process announces the address that it listens at, and the registry calls it back there; hosts-file: what its host's name stands for in the hosts file, unchecked"`
}

// ChannelsSwitches say what the payment channels have in common.
type ChannelsSwitches struct {
	Share string `yaml:"share" accepts:"split|pool" incident:"shared-proxy" doc:"split: each channel's notifications have their part of gate.workers and gate.queue_len to themselves, and of the balancer's connections; pool: all channels share them"`
}

// IdentitySwitches are those of the unionid look-up.
type IdentitySwitches struct {
	Mode    string        `yaml:"mode" accepts:"async|inline|off" incident:"unionid-down, circular-wait" doc:"async: a buyer is bound after the notification was answered; inline: before; off: never"`
	Timeout time.Duration `yaml:"timeout" min:"1ms" incident:"unionid-down" doc:"how long the look-up may take. Documented as 6 s, later cut to 3 s"`
	Pool    string        `yaml:"pool" accepts:"bounded|none" incident:"unionid-down" doc:"bounded: kept connections, and no more than a few look-ups on their way at once; none: each dials its own, and there are as many as threads ask"`
	Breaker string        `yaml:"breaker" accepts:"on|off" incident:"unionid-down" doc:"on: a look-up that failed lately is not asked, but for a trial now and then; off: each one waits for the time-out"`
}

// RedisSwitches say which Redis holds what.
type RedisSwitches struct {
	Queue string `yaml:"queue" accepts:"separate|same" incident:"shared-redis" doc:"separate: queued pushes have a Redis of their own; same: they lie on the cache's, whose eviction and flush take them along"`
}

// AcquirerSwitches are those of the calls to payment channels.
type AcquirerSwitches struct {
	Pool    string        `yaml:"pool" accepts:"bounded|none" incident:"acquirer-timeouts" doc:"bounded: kept connections to each channel, and no more than half of front's threads wait for one channel; none: each call dials its own, and waits on whatever thread makes it"`
	Timeout time.Duration `yaml:"timeout" min:"1ms" incident:"acquirer-timeouts" doc:"how long one call to a payment channel may take. Documented as 3 s"`
}
