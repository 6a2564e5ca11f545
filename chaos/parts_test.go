package chaos

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// partSamples are the faults on processes, databases and Redis, as an author would write them.
var partSamples = map[string]map[string]string{
	"kill":        nil,
	"pause":       nil,
	"restart":     nil,
	"connections": {"left": "3"},
	"table-lock":  {"table": "orders"},
	"row-lock":    {"table": "orders", "rows": "2"},
	"deadlock":    {"first": "slots", "then": "orders", "every": "50ms"},
	"read-only":   nil,

	"replica-delay": {"by": "2s"},
	"flush":         nil,
	"evict":         {"limit": "2MB"},
	"stall":         {"by": "200ms", "every": "400ms"},
}

func sampleOf(t *testing.T, kind string) map[string]string {
	t.Helper()
	given, ok := partSamples[kind]
	if !ok {
		t.Fatal("no sample of this fault: add one")
	}
	return given
}

// absent skips the test, or fails it where LUNCHRUSH_REQUIRE has the word.
func absent(t *testing.T, word string, why error) {
	t.Helper()
	if slices.Contains(strings.Split(os.Getenv("LUNCHRUSH_REQUIRE"), ","), word) {
		t.Fatal(why)
	}
	t.Skip(why)
}

// stand starts a private database and two Redis.
func stand(t *testing.T) testbed.Stack {
	t.Helper()
	return standWith(t, testbed.Spec{})
}

func standWith(t *testing.T, spec testbed.Spec) testbed.Stack {
	t.Helper()
	choice, err := testbed.Choose(t.Context(), testbed.Local, nil)
	if err != nil {
		absent(t, "mariadb", err)
	}
	spec.RunID, spec.LogDir, spec.MaxConnections = "chaos-test", t.TempDir(), 40
	stack, err := testbed.Start(t.Context(), choice, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return stack
}

func openDatabase(t *testing.T, stack testbed.Stack) *Database {
	t.Helper()
	open := func(dsn string) *sql.DB {
		db, err := sql.Open("mysql", dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	d := &Database{Admin: open(stack.(testbed.Administrator).AdminDSN()), User: open(stack.DSN())}
	for _, q := range []string{
		"CREATE TABLE orders (id INT PRIMARY KEY, state INT)", "CREATE TABLE slots (id INT PRIMARY KEY, stock INT)",
		"INSERT INTO orders VALUES (1, 0), (2, 0), (3, 0)", "INSERT INTO slots VALUES (1, 9), (2, 9), (3, 9)",
	} {
		if _, err := d.User.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func openReplication(t *testing.T, stack testbed.Stack) *Replication {
	t.Helper()
	open := func(dsn string) *sql.DB {
		db, err := sql.Open("mysql", dsn)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { db.Close() })
		return db
	}
	return &Replication{
		Primary: open(stack.(testbed.Administrator).AdminDSN()), Replica: open(stack.(testbed.Replicator).ReplicaAdminDSN()),
	}
}

func TestEveryFaultOnADatabaseOrARedisIsFeltWhileItLastsAndOnlyThen(t *testing.T) {
	stack := standWith(t, testbed.Spec{Replica: true})
	targets := map[Surface]*Target{
		OnReplica:  {Name: "mysql-replica", Replication: openReplication(t, stack)},
		OnDatabase: {Name: "mysql", Database: openDatabase(t, stack)},
		OnRedis:    {Name: "redis-cache", Redis: stack.CacheRedis},
	}
	for _, k := range Kinds() {
		target := targets[k.On]
		if target == nil {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			feltOnlyWhileInjected(t, target, k.Name, sampleOf(t, k.Name))
		})
	}
}

// What the service meets is what the account of the fault says: the number of the error, not only a delay.
func TestDatabaseFaultsAreMetWithTheEnginesOwnErrors(t *testing.T) {
	stack := stand(t)
	db := openDatabase(t, stack)
	target := &Target{Name: "mysql", Database: db}
	db.User.SetMaxIdleConns(0)
	db.Admin.SetConnMaxIdleTime(time.Second)
	write := func(ctx context.Context) error {
		_, err := db.User.ExecContext(ctx, "UPDATE orders SET state = state + 1 WHERE id = 1")
		return err
	}
	tests := []struct {
		name, inject string
		given        map[string]string
		do           func(ctx context.Context) error
		want         uint16
	}{
		{"no connection is left", "connections", nil, func(ctx context.Context) error {
			waitUntil(ctx, time.Now().Add(3*time.Second)) // what the pool keeps is closed by then
			return write(ctx)
		}, 1040},
		{"the primary is read-only", "read-only", nil, write, 1290},
		{"the row is locked", "row-lock", map[string]string{"table": "orders"}, func(ctx context.Context) error {
			conn, err := session(ctx, db.User, "SET SESSION innodb_lock_wait_timeout = 1")
			if err != nil {
				return err
			}
			defer hangUp(conn)
			return execute(ctx, conn, "UPDATE orders SET state = state + 1 WHERE id = 1")
		}, 1205},
		{
			"two transactions cross", "deadlock",
			map[string]string{"first": "slots", "then": "orders", "every": "10ms"},
			func(ctx context.Context) error {
				for ctx.Err() == nil {
					conn, err := session(ctx, db.User, "START TRANSACTION", "UPDATE orders SET state = state + 1 WHERE id = 1")
					if err == nil {
						waitUntil(ctx, time.Now().Add(10*time.Millisecond))
						err = execute(ctx, conn, "UPDATE slots SET stock = stock - 1 WHERE id = 1", "COMMIT")
						hangUp(conn)
					}
					if err != nil {
						return err
					}
				}
				return ctx.Err()
			}, 1213,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := write(ctx); err != nil {
				t.Fatalf("before: %v", err)
			}
			fault, err := New(tt.inject, tt.given)
			if err != nil {
				t.Fatal(err)
			}
			heal, err := fault.Inject(ctx, target)
			if err != nil {
				t.Fatal(err)
			}
			err = tt.do(ctx)
			if healErr := heal(ctx); healErr != nil {
				t.Fatal(healErr)
			}
			if !numbered(err, tt.want) {
				t.Errorf("during: %v, want error %d", err, tt.want)
			}
			soon(t, func() error { return write(ctx) })
		})
	}
	var left int
	err := db.Admin.QueryRowContext(t.Context(),
		"SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = ?", weightSchema).Scan(&left)
	if err != nil || left != 0 {
		t.Errorf("%d schemas of the fault's own are left (%v)", left, err)
	}
}

// soon fails the test if do keeps failing for seconds.
func soon(t *testing.T, do func() error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for {
		err := do()
		if err == nil {
			return
		}
		if !waitUntil(ctx, time.Now().Add(10*time.Millisecond)) {
			t.Fatal(err)
		}
	}
}

// A child is a redis-server of the test's own as a Process.
type child struct {
	t    *testing.T
	port string

	mu    sync.Mutex // guards what follows
	cmd   *exec.Cmd
	since time.Time
	ended chan struct{}
}

func startChild(t *testing.T) *child {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err != nil {
		absent(t, "redis", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(l.Addr().String())
	l.Close()
	c := &child{t: t, port: port}
	if err := c.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Kill(context.Background()) })
	return c
}

func (c *child) addr() string { return net.JoinHostPort("127.0.0.1", c.port) }

func (c *child) signal(s syscall.Signal) chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.cmd.Process.Signal(s)
	return c.ended
}

func (c *child) Kill(context.Context) error { <-c.signal(syscall.SIGKILL); return nil }
func (c *child) Stop(context.Context) error { <-c.signal(syscall.SIGTERM); return nil }

func (c *child) Pause(context.Context) error  { c.signal(syscall.SIGSTOP); return nil }
func (c *child) Resume(context.Context) error { c.signal(syscall.SIGCONT); return nil }

func (c *child) Start(ctx context.Context) error {
	if _, ok := c.Running(); ok {
		return nil
	}
	cmd := exec.Command("redis-server", "--port", c.port, "--bind", "127.0.0.1", "--save", "", "--dir", c.t.TempDir())
	if err := cmd.Start(); err != nil {
		return err
	}
	c.mu.Lock()
	ended := make(chan struct{})
	c.cmd, c.since, c.ended = cmd, time.Now(), ended
	c.mu.Unlock()
	go func() { cmd.Wait(); close(ended) }()
	for c.Ping(ctx) != nil {
		select {
		case <-ended:
			return errors.New("redis-server ended: " + cmd.ProcessState.String())
		default:
			if !waitUntil(ctx, time.Now().Add(5*time.Millisecond)) {
				return ctx.Err()
			}
		}
	}
	return nil
}

func (c *child) Running() (time.Time, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil {
		return time.Time{}, false
	}
	select {
	case <-c.ended:
		return time.Time{}, false
	default:
		return c.since, true
	}
}

func (c *child) Ping(ctx context.Context) error { return PingRedis(ctx, c.addr(), 0) }

func TestEveryFaultOnAProcessIsFeltWhileItLastsAndOnlyThen(t *testing.T) {
	for _, k := range Kinds() {
		if k.On != OnProcess {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			c := startChild(t)
			target := &Target{Name: "redis-cache", Process: c}
			feltOnlyWhileInjected(t, target, k.Name, sampleOf(t, k.Name))
			if err := c.Ping(t.Context()); err != nil {
				t.Errorf("it does not answer after all: %v", err)
			}
		})
	}
}

func TestAProcessKilledForGoodStaysAway(t *testing.T) {
	c := startChild(t)
	fault, err := New("kill", map[string]string{"restart": "no"})
	if err != nil {
		t.Fatal(err)
	}
	heal, err := fault.Inject(t.Context(), &Target{Name: "redis", Process: c})
	if err != nil {
		t.Fatal(err)
	}
	if err := heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, ok := c.Running(); ok {
		t.Error("its heal started it again")
	}
}

func TestARestartEverySoOftenRestartsAgain(t *testing.T) {
	c := startChild(t)
	fault, err := New("restart", map[string]string{"every": "1s"})
	if err != nil {
		t.Fatal(err)
	}
	first, _ := c.Running()
	heal, err := fault.Inject(t.Context(), &Target{Name: "redis", Process: c})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[time.Time]bool{first: true}
	soon(t, func() error {
		if since, ok := c.Running(); ok {
			seen[since] = true
		}
		if len(seen) < 3 {
			return fmt.Errorf("%d processes, want 3", len(seen))
		}
		return nil
	})
	if err := heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("it does not answer after its heal: %v", err)
	}
}

// A part that comes back elsewhere is found through the same address as before.
func TestALinkFollowsAPartThatMoves(t *testing.T) {
	one, two := startChild(t), startChild(t)
	board := NewSwitchboard()
	defer board.Close()
	link, err := board.Open("redis", one.addr(), PingRedis)
	if err != nil {
		t.Fatal(err)
	}
	target := &Target{Name: "redis", Link: link}
	slow := latency{by: 100 * time.Millisecond, direction: "answers"}
	heal, err := slow.Inject(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	addr := link.Addr()
	one.Kill(t.Context())
	if err := pingOnce(t.Context(), PingRedis, addr, 0, time.Second); err == nil {
		t.Error("somebody answers for the dead")
	}
	if err := link.Move(two.addr()); err != nil {
		t.Fatal(err)
	}
	if link.Addr() != addr {
		t.Errorf("the link itself has moved from %s to %s", addr, link.Addr())
	}
	if e, err := slow.Felt(t.Context(), target); err != nil || !e.Felt {
		t.Errorf("the fault on the link was lost in the move: %v %v", e, err)
	}
	if err := heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := pingOnce(t.Context(), PingRedis, addr, 0, time.Second); err != nil {
		t.Error(err)
	}
	if err := link.Move("192.0.2.1:80"); err == nil {
		t.Error("it moved away from loopback")
	}
}

// The probes must work on the real protocols: a database that does not read a heavy handshake would make every
// measurement of bandwidth wrong.
func TestLinkFaultsAreFeltOnARealDatabase(t *testing.T) {
	stack := stand(t)
	c := stack.DSN()
	_, rest, _ := strings.Cut(c, "@tcp(")
	addr, _, _ := strings.Cut(rest, ")")
	speech, err := Listen(t.Context(), addr)
	if err != nil || speech.Name != "mysql" {
		t.Fatalf("it speaks %q (%v), want mysql", speech.Name, err)
	}
	if speech, err := Listen(t.Context(), stack.CacheRedis()); err != nil || speech.Name != "redis" {
		t.Errorf("it speaks %q (%v), want redis", speech.Name, err)
	}
	for name, given := range linkSamples {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			board := NewSwitchboard()
			t.Cleanup(func() { board.Close() })
			link, err := board.Open("mysql", addr, PingGreeting)
			if err != nil {
				t.Fatal(err)
			}
			feltOnlyWhileInjected(t, &Target{Name: "mysql", Link: link}, name, given)
		})
	}
}

// A database greets first: who only waits for that never sends what comes late.
func TestRequestsToADatabaseThatComeLateAreFelt(t *testing.T) {
	dsn, err := mysql.ParseDSN(stand(t).DSN())
	if err != nil {
		t.Fatal(err)
	}
	board := NewSwitchboard()
	defer board.Close()
	link, err := board.Open("mysql", dsn.Addr, PingGreeting)
	if err != nil {
		t.Fatal(err)
	}
	feltOnlyWhileInjected(t, &Target{Name: "mysql", Link: link}, "latency", map[string]string{"by": "150ms", "direction": "requests"})
}
