package servicetest

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // the driver that pings
	"github.com/redis/go-redis/v9"
)

// Main runs a package's tests and then ends the database that they may have started. Call it from TestMain:
//
//	func TestMain(m *testing.M) { os.Exit(servicetest.Main(m)) }
func Main(m *testing.M) int {
	defer mariadb.stop()
	return m.Run()
}

// require skips a test that needs an engine which is not here, or fails it where LUNCHRUSH_REQUIRE names the engine.
func require(tb testing.TB, engine string, programs ...string) {
	tb.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			if slices.Contains(strings.Split(os.Getenv("LUNCHRUSH_REQUIRE"), ","), engine) {
				tb.Fatalf("LUNCHRUSH_REQUIRE wants %s: %v", engine, err)
			}
			tb.Skipf("needs %s: %v", engine, err)
		}
	}
}

// database is the one MariaDB of a test binary: it starts with the first test that asks, in 0.6 s.
type database struct {
	once    sync.Once
	err     error
	dir     string
	port    int
	command *exec.Cmd
	exited  chan struct{}
	next    atomic.Int64
}

var mariadb database

// DSN is an empty database of the test's own. LUNCHRUSH_TEST_MYSQL names a loopback port of another engine to test on,
// MySQL or TiDB, whose root has no password.
func DSN(tb testing.TB) string {
	tb.Helper()
	port := os.Getenv("LUNCHRUSH_TEST_MYSQL")
	if port == "" {
		require(tb, "mariadb", "mariadbd", "mariadb-install-db")
	}
	mariadb.once.Do(func() {
		if port == "" {
			mariadb.err = mariadb.start()
		} else {
			mariadb.port, mariadb.err = strconv.Atoi(port)
		}
	})
	if mariadb.err != nil {
		tb.Fatalf("starting mariadbd: %v", mariadb.err)
	}
	name := fmt.Sprintf("t%d_%d", os.Getpid(), mariadb.next.Add(1))
	db, err := sql.Open("mysql", mariadb.dsn(""))
	if err != nil {
		tb.Fatal(err)
	}
	defer db.Close()
	if _, err := db.ExecContext(tb.Context(), "CREATE DATABASE "+name); err != nil {
		tb.Fatal(err)
	}
	return mariadb.dsn(name)
}

// MariaDBOnly skips a test of what other engines lack: InnoDB's locks on gaps, or MariaDB's own tables.
func MariaDBOnly(tb testing.TB, why string) {
	tb.Helper()
	if os.Getenv("LUNCHRUSH_TEST_MYSQL") != "" {
		tb.Skipf("needs MariaDB: %s", why)
	}
}

func (d *database) dsn(name string) string {
	return fmt.Sprintf("root@tcp(127.0.0.1:%d)/%s", d.port, name)
}

func (d *database) start() (err error) {
	if d.dir, err = os.MkdirTemp("", "lr-mariadb-"); err != nil {
		return err
	}
	data := filepath.Join(d.dir, "data")
	// Temporary tables in a folder of its own: a MariaDB that starts deletes all that it finds, also another one's.
	tmp := "--tmpdir=" + d.dir
	install := exec.Command("mariadb-install-db", "--no-defaults", "--auth-root-authentication-method=normal", "--force", "--skip-test-db",
		"--datadir="+data, tmp, "--user="+os.Getenv("USER"))
	install.Args = slices.DeleteFunc(install.Args, func(a string) bool { return a == "--user=" })
	if out, err := install.CombinedOutput(); err != nil {
		return fmt.Errorf("mariadb-install-db: %w: %s", err, lastLines(out))
	}
	if d.port, err = freePort(); err != nil {
		return err
	}
	var log bytes.Buffer
	args := []string{
		"--no-defaults", "--datadir=" + data, tmp, "--bind-address=127.0.0.1", fmt.Sprintf("--port=%d", d.port),
		"--socket=" + filepath.Join(d.dir, "s"), "--pid-file=" + filepath.Join(d.dir, "pid"),
		"--innodb-flush-log-at-trx-commit=2", "--skip-name-resolve", "--innodb-buffer-pool-size=64M",
	}
	if os.Geteuid() == 0 {
		args = append(args, "--user=root")
	}
	d.command = exec.Command("mariadbd", args...)
	d.command.Stderr = &log
	d.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := d.command.Start(); err != nil {
		return err
	}
	d.exited = make(chan struct{})
	go func() { _ = d.command.Wait(); close(d.exited) }()
	db, err := sql.Open("mysql", d.dsn(""))
	if err != nil {
		return err
	}
	defer db.Close()
	return within(30*time.Second, func() error {
		select {
		case <-d.exited:
			return fatal{fmt.Errorf("mariadbd ended: %s", lastLines(log.Bytes()))}
		default:
			return db.Ping()
		}
	})
}

func (d *database) stop() {
	if d.command != nil && d.command.Process != nil && d.exited != nil {
		_ = d.command.Process.Kill() // its data goes next: no need to end well
		<-d.exited
	}
	if d.dir != "" {
		_ = os.RemoveAll(d.dir)
	}
}

// A Redis is a redis-server of the test's own.
type Redis struct {
	Addr    string
	tb      testing.TB
	port    int
	command *exec.Cmd
	exited  chan struct{}
}

// NewRedis starts a redis-server that keeps nothing on disk; it ends with the test.
func NewRedis(tb testing.TB) *Redis {
	tb.Helper()
	require(tb, "redis", "redis-server")
	port, err := freePort()
	if err != nil {
		tb.Fatal(err)
	}
	r := &Redis{Addr: fmt.Sprintf("127.0.0.1:%d", port), tb: tb, port: port}
	r.Start()
	tb.Cleanup(r.Stop)
	return r
}

// Start starts it, again after Stop: empty.
func (r *Redis) Start() {
	r.tb.Helper()
	r.command = exec.Command("redis-server", "--port", fmt.Sprint(r.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no",
		"--dir", os.TempDir())
	r.command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := r.command.Start(); err != nil {
		r.tb.Fatal(err)
	}
	command, exited := r.command, make(chan struct{})
	r.exited = exited
	go func() { _ = command.Wait(); close(exited) }()
	client := redis.NewClient(&redis.Options{Addr: r.Addr})
	defer client.Close()
	if err := within(10*time.Second, func() error { return client.Ping(context.Background()).Err() }); err != nil {
		r.tb.Fatalf("redis-server: %v", err)
	}
}

// Stop kills it. It may be called again.
func (r *Redis) Stop() {
	_ = r.command.Process.Kill()
	<-r.exited
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil //nolint:forcetypeassert // a TCP listener's address
}

// fatal ends within's tries.
type fatal struct{ error }

func within(limit time.Duration, try func() error) error {
	deadline := time.Now().Add(limit)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := try()
		if _, ended := err.(fatal); err == nil || ended || time.Now().After(deadline) { //nolint:errorlint // never wrapped
			return err
		}
		<-tick.C
	}
}

// Eventually waits until holds is true, and fails the test with what after limit.
func Eventually(tb testing.TB, limit time.Duration, what string, holds func() bool) {
	tb.Helper()
	err := within(limit, func() error {
		if holds() {
			return nil
		}
		return fmt.Errorf("not within %s", limit)
	})
	if err != nil {
		tb.Fatalf("%s: %v", what, err)
	}
}

func lastLines(text []byte) string {
	return string(text[max(0, len(text)-800):])
}
