package testbed

import (
	"context"
	"fmt"
	"os"
	"time"
)

// The testbeds, in the order in which auto tries them.
const (
	Containers = "containers"
	Local      = "local"
	Embedded   = "embedded"
)

// A Choice is a testbed and the reasons why those before it were not taken.
type Choice struct {
	Name string
	Why  []string // "containers: no engine answers at unix:///var/run/docker.sock", one per testbed passed over
}

// A Spec is what a run needs of its testbed.
type Spec struct {
	RunID          string // names folders, containers and labels; [a-z0-9-]
	LogDir         string // where the parts' logs go; exists
	MaxConnections int    // of the database; 0 means its default, 151
	Binary         string // the lunchrush executable that is the service; "" means [Self]

	// Replica asks for a replica of the database, which applies what the primary does ReplicaDelay later; of the delay only
	// whole seconds count. The embedded testbed has none.
	Replica      bool
	ReplicaDelay time.Duration

	// Held keeps parts and harness apart for a measurement. Its zero value lets them run anywhere, as they are.
	Held Holding

	// Notice is told what is worth showing while a start takes long ("building the embedded database engine, once, about
	// 5 minutes"); nil writes it to stderr.
	Notice func(message string)
}

func (s Spec) notice(message string) {
	if s.Notice != nil {
		s.Notice(message)
		return
	}
	fmt.Fprintln(os.Stderr, message)
}

// A Part is a name for what the testbed runs: "mysql", "redis-cache", "redis-queue", or a service's name.
type Part string

// A Stack is a testbed that has been started: databases and the services beside them. All its addresses are loopback.
// Close must be called; it stops everything that was started, in reverse order, and may be called more than once.
type Stack interface {
	Name() string
	Engine() string     // "MariaDB 10.11.14, Redis 7.0.15"
	DSN() string        // go-sql-driver/mysql DSN of an empty database owned by this run
	ReplicaDSN() string // of the same database on the replica, read-only; "" when the Spec asked for none
	Archive() string    // another database beside the DSN's, its user's too, which Reset leaves as it is
	CacheRedis() string // host:port
	QueueRedis() string // host:port, its own instance
	// Reset ends the sessions of the DSN's user, and empties the database, its replica and both Redis, for the next run on the
	// same stack. What is in the archive stays.
	Reset(ctx context.Context) error
	// Serve makes program the service that StartService starts from now on; "" is the Spec's. Where rewrite is not nil, its
	// configurations pass through that.
	Serve(ctx context.Context, program string, rewrite func(config []byte) ([]byte, error)) error
	// StartService starts one process of the service and returns when it listens.
	StartService(ctx context.Context, s ServiceSpec) (Instance, error)
	// Part finds a started part by name, nil if there is none.
	Part(name Part) Instance
	Close(ctx context.Context) error
}

// A ServiceSpec is one process of the service under test.
type ServiceSpec struct {
	Name      string   // "service", "front-1"
	Roles     []string // front gate shop notifier jobs
	Config    []byte   // the whole service.Config as YAML, with addresses and keys, given on stdin: never in args or env
	CPUs      float64  // 0: no limit. Enforced by containers; local and embedded set GOMAXPROCS and say so
	MemoryMiB int      // 0: no limit. Enforced by containers; GOMEMLIMIT elsewhere
}

// An Instance is one running part.
type Instance interface {
	Public() string   // base URL of the public listener, "" for a database
	Internal() string // base URL of the internal listener
	Stop(ctx context.Context) error
	Kill() error // SIGKILL
	// Usage is what the part has used so far.
	Usage(ctx context.Context) (Usage, error)
	// Exited is closed when the part has ended for whatever reason; Err then says why ("exit status 1: last log line").
	Exited() <-chan struct{}
	Err() error
}

// Usage is CPU time used since the start and memory resident now.
type Usage struct {
	CPU time.Duration
	RSS int64
}
