package testbed_test

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

var fakeServiceFolder string

// fakeService builds the stand-in for the service, static so that it runs in a container made from nothing.
var fakeService = sync.OnceValues(func() (string, error) {
	binary := filepath.Join(fakeServiceFolder, "service")
	cmd := exec.Command("go", "build", "-o", binary, "./testdata/service")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return binary, nil
})

func TestMain(m *testing.M) {
	switch name := os.Getenv(harnessVariable); name {
	case "":
	case "threads":
		waitWithThreads()
		return
	case "replaced":
		if err := replaced(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	default:
		if err := harness(name); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	dir, err := os.MkdirTemp("", "testbed-service-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fakeServiceFolder = dir
	code := m.Run()
	_ = os.RemoveAll(fakeServiceFolder)
	os.Exit(code)
}

// waitWithThreads is a program of several threads, which says "up" when it has them, and waits for the end of its input.
func waitWithThreads() {
	var begun sync.WaitGroup
	for range 8 {
		begun.Add(1)
		go func() {
			runtime.LockOSThread()
			begun.Done()
			select {}
		}()
	}
	begun.Wait()
	fmt.Println("up")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// require skips the test on a machine without the engine, or fails it where LUNCHRUSH_REQUIRE promises the engine.
func require(t *testing.T, testbedName string, words ...string) testbed.Choice {
	t.Helper()
	c, err := testbed.Choose(t.Context(), testbedName, nil)
	if err == nil {
		return c
	}
	for _, word := range words {
		if required(word) {
			t.Fatalf("LUNCHRUSH_REQUIRE has %s: %v", word, err)
		}
	}
	t.Skip(err)
	return c
}

func required(word string) bool {
	return slices.Contains(strings.Split(os.Getenv("LUNCHRUSH_REQUIRE"), ","), word)
}

func spec(t *testing.T) testbed.Spec {
	t.Helper()
	binary, err := fakeService()
	if err != nil {
		t.Fatal(err)
	}
	return testbed.Spec{RunID: "testbed-test", LogDir: t.TempDir(), Binary: binary, MaxConnections: 40}
}

func start(t *testing.T, c testbed.Choice, s testbed.Spec) testbed.Stack {
	t.Helper()
	begun := time.Now()
	stack, err := testbed.Start(t.Context(), c, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s up after %v: %s", stack.Name(), time.Since(begun).Round(time.Millisecond), stack.Engine())
	t.Cleanup(func() {
		if err := stack.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return stack
}

func openSQL(t *testing.T, stack testbed.Stack) *sql.DB {
	t.Helper()
	db, err := sql.Open("mysql", stack.DSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

func execute(t *testing.T, db *sql.DB, query string, args ...any) {
	t.Helper()
	if _, err := db.ExecContext(t.Context(), query, args...); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
}

func get(t *testing.T, url string) []byte {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Body.Close() }()
	body, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %s", url, r.Status, body)
	}
	return body
}

func eventually(t *testing.T, what string, limit time.Duration, ok func() bool) {
	t.Helper()
	deadline := time.After(limit)
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("not within %v: %s", limit, what)
		case <-tick.C:
		}
	}
}

func listens(addr string) bool {
	c, err := net.DialTimeout("tcp", addr, time.Second)
	if err != nil {
		return false
	}
	_ = c.Close()
	return true
}

// exercise is what every testbed must do.
func exercise(t *testing.T, c testbed.Choice) {
	s := spec(t)
	stack := start(t, c, s)
	if stack.Name() != c.Name {
		t.Errorf("name %q, want %q", stack.Name(), c.Name)
	}
	db := openSQL(t, stack)

	t.Run("the database and both Redis are there, and separate", func(t *testing.T) {
		execute(t, db, "CREATE TABLE orders (id BIGINT PRIMARY KEY, state VARCHAR(16) NOT NULL)")
		execute(t, db, "INSERT INTO orders VALUES (1, 'CREATED')")
		for i, addr := range []string{stack.CacheRedis(), stack.QueueRedis()} {
			c := redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true, Protocol: 2})
			defer func() { _ = c.Close() }()
			if n, err := c.DBSize(t.Context()).Result(); err != nil || n != 0 {
				t.Fatalf("redis %d: size %d, %v", i, n, err)
			}
			if err := c.Set(t.Context(), "key", i, 0).Err(); err != nil {
				t.Fatal(err)
			}
		}
	})

	t.Run("one of two compare-and-sets wins", func(t *testing.T) {
		for id := range 50 {
			execute(t, db, "INSERT INTO orders VALUES (?, 'CREATED')", 100+id)
			var wins [2]int64
			var wait sync.WaitGroup
			for i := range wins {
				wait.Go(func() {
					r, err := db.Exec("UPDATE orders SET state = 'PAYING' WHERE id = ? AND state = 'CREATED'", 100+id)
					if err != nil {
						t.Error(err)
						return
					}
					wins[i], _ = r.RowsAffected()
				})
			}
			wait.Wait()
			if wins[0]+wins[1] != 1 {
				t.Fatalf("order %d: %v rows changed, want one in all", id, wins)
			}
		}
	})

	t.Run("one connection more than max_connections gets error 1040", func(t *testing.T) {
		var open []*sql.Conn
		defer func() {
			for _, c := range open {
				_ = c.Close()
			}
		}()
		var err error
		for range s.MaxConnections + 5 {
			var c *sql.Conn
			if c, err = db.Conn(t.Context()); err != nil {
				break
			}
			open = append(open, c)
		}
		if err == nil || !strings.Contains(err.Error(), "1040") {
			t.Errorf("after %d connections: %v, want error 1040", len(open), err)
		}
		if most := s.MaxConnections; len(open) > most || len(open) < most-2 {
			t.Errorf("%d connections, want %d or, with the administrator's, one less", len(open), most)
		}
	})

	t.Run("reset empties everything but the archive, and ends who is still in it", func(t *testing.T) {
		if stack.Archive() == "" {
			t.Fatal("the archive has no name")
		}
		execute(t, db, "CREATE TABLE "+stack.Archive()+".seeded (id BIGINT PRIMARY KEY)")
		execute(t, db, "INSERT INTO "+stack.Archive()+".seeded VALUES (1), (2)")
		left, err := db.Conn(t.Context()) // of a process that is gone, in the midst of a transaction
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = left.Close() }()
		for _, q := range []string{"BEGIN", "UPDATE " + stack.Archive() + ".seeded SET id = 3 WHERE id = 2"} {
			if _, err := left.ExecContext(t.Context(), q); err != nil {
				t.Fatal(err)
			}
		}
		ended := make(chan error, 1)
		go func() {
			_, err := left.ExecContext(context.WithoutCancel(t.Context()), "SELECT SLEEP(90)")
			ended <- err
		}()
		begun := time.Now()
		if err := stack.Reset(t.Context()); err != nil {
			t.Fatal(err)
		}
		took := time.Since(begun)
		t.Logf("reset took %v", took.Round(time.Millisecond))
		if took > 30*time.Second { // a busy machine's; the sleep is three times as long
			t.Errorf("reset took %v: it waits for what is left of another process", took)
		}
		var tables int
		if err := db.QueryRow("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = DATABASE()").Scan(&tables); err != nil {
			t.Fatal(err)
		}
		if tables != 0 {
			t.Errorf("%d tables left", tables)
		}
		for _, addr := range []string{stack.CacheRedis(), stack.QueueRedis()} {
			c := redis.NewClient(&redis.Options{Addr: addr, DisableIdentity: true, Protocol: 2})
			defer func() { _ = c.Close() }()
			if n, err := c.DBSize(t.Context()).Result(); err != nil || n != 0 {
				t.Errorf("redis: size %d, %v", n, err)
			}
		}
		select {
		case <-ended: // MySQL ends a SLEEP without an error, and the connection with one
		case <-time.After(60 * time.Second):
			t.Fatal("a session of before the reset goes on") // and has its locks
		}
		if err := left.PingContext(t.Context()); err == nil {
			t.Error("its connection is still there")
		}
		var seeded, sum int
		if err := db.QueryRow("SELECT COUNT(*), SUM(id) FROM "+stack.Archive()+".seeded").Scan(&seeded, &sum); err != nil || seeded != 2 || sum != 3 {
			t.Errorf("the archive has %d rows of sum %d, %v; want the two that were committed", seeded, sum, err)
		}
		execute(t, db, "DROP TABLE "+stack.Archive()+".seeded")
		execute(t, db, "CREATE TABLE orders (id BIGINT PRIMARY KEY)")
	})

	t.Run("a service listens, is fed its config on stdin, uses CPU and ends", func(t *testing.T) {
		begun := time.Now()
		i, err := stack.StartService(t.Context(), testbed.ServiceSpec{
			Name: "front-1", Roles: []string{"front", "gate"}, Config: []byte("a: 1\n"), CPUs: 0.5, MemoryMiB: 128,
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("service up after %v", time.Since(begun).Round(time.Millisecond))
		if stack.Part("front-1") != i {
			t.Error("the service is not a part")
		}
		var seen struct {
			Args   []string
			Config string
			Procs  int
			Memory string
		}
		if err := json.Unmarshal(get(t, i.Public()+"/seen"), &seen); err != nil {
			t.Fatal(err)
		}
		if want := []string{"serve", "--role", "front,gate", "--config", "-"}; !slices.Equal(seen.Args, want) {
			t.Errorf("args %q, want %q", seen.Args, want)
		}
		if seen.Config != "a: 1\n" || seen.Procs != 1 || seen.Memory == "" {
			t.Errorf("config %q, GOMAXPROCS %d, GOMEMLIMIT %q", seen.Config, seen.Procs, seen.Memory)
		}
		_, dbAddr, _ := strings.Cut(stack.DSN(), "@tcp(")
		dbAddr, _, _ = strings.Cut(dbAddr, ")")
		for _, addr := range []string{dbAddr, stack.CacheRedis(), stack.QueueRedis()} {
			get(t, i.Internal()+"/reach?addr="+url.QueryEscape(addr))
		}
		before, err := i.Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		get(t, i.Public()+"/burn")
		after, err := i.Usage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if grown := after.CPU - before.CPU; grown < 50*time.Millisecond || grown > 2*time.Second {
			t.Errorf("300 ms of work cost %v CPU", grown)
		}
		if after.RSS < 500_000 || after.RSS > 128<<20 {
			t.Errorf("resident %d bytes", after.RSS)
		}
		if _, err := stack.StartService(t.Context(), testbed.ServiceSpec{Name: "front-1", Roles: []string{"front"}}); err == nil {
			t.Error("a second service of the same name was started")
		}
		if err := i.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		<-i.Exited()
		if err := i.Err(); err != nil {
			t.Errorf("a service that ended when asked to has the error %v", err)
		}
		log, err := os.ReadFile(filepath.Join(s.LogDir, "front-1.log"))
		if err != nil || !strings.Contains(string(log), "service: up") || !strings.Contains(string(log), "a second line") ||
			!strings.Contains(string(log), "service: ended") {
			t.Errorf("log %q, %v", log, err)
		}
		if u, err := i.Usage(t.Context()); err != nil || u.CPU < after.CPU {
			t.Errorf("usage after the end %+v, %v; it was %+v before", u, err, after)
		}
	})

	t.Run("a killed part says so and can be started again", func(t *testing.T) {
		spec := testbed.ServiceSpec{Name: "jobs", Roles: []string{"jobs"}, Config: []byte("a: 1\n")}
		i, err := stack.StartService(t.Context(), spec)
		if err != nil {
			t.Fatal(err)
		}
		if err := i.Kill(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-i.Exited():
		case <-time.After(10 * time.Second):
			t.Fatal("it has not ended")
		}
		if err := i.Err(); err == nil || !strings.Contains(err.Error(), "kill") {
			t.Errorf("error %v, want one that names the signal", err)
		}
		if err := i.Kill(); err != nil {
			t.Errorf("killing it again: %v", err)
		}
		if _, err := stack.StartService(t.Context(), spec); err != nil {
			t.Error(err)
		}
	})

	t.Run("a paused part answers again when it is resumed", func(t *testing.T) {
		pauser, ok := stack.Part(testbed.PartCache).(testbed.Pauser)
		if !ok {
			t.Fatal("a part cannot be paused")
		}
		if err := pauser.Pause(t.Context()); err != nil {
			t.Fatal(err)
		}
		c := redis.NewClient(&redis.Options{
			Addr: stack.CacheRedis(), DisableIdentity: true, Protocol: 2, ReadTimeout: 200 * time.Millisecond, MaxRetries: -1,
		})
		defer func() { _ = c.Close() }()
		if err := c.Ping(t.Context()).Err(); err == nil {
			t.Error("a paused Redis answered")
		}
		if err := pauser.Resume(t.Context()); err != nil {
			t.Fatal(err)
		}
		eventually(t, "Redis answers", 5*time.Second, func() bool { return c.Ping(t.Context()).Err() == nil })
	})

	t.Run("another program is the service until the first is again", func(t *testing.T) {
		other := filepath.Join(t.TempDir(), "service")
		cmd := exec.Command("go", "build", "-ldflags=-X main.edition=second", "-o", other, "./testdata/service")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		more := func(config []byte) ([]byte, error) { return append(config, "more: 2\n"...), nil }
		for _, step := range []struct {
			program, want string
			rewrite       func([]byte) ([]byte, error)
			config        string
		}{{other, "second", nil, "a: 1\n"}, {"", "first", more, "a: 1\nmore: 2\n"}, {other, "second", nil, "a: 1\n"}} {
			if err := stack.Serve(t.Context(), step.program, step.rewrite); err != nil {
				t.Fatal(err)
			}
			i, err := stack.StartService(t.Context(), testbed.ServiceSpec{Name: "edition", Roles: []string{"front"}, Config: []byte("a: 1\n")})
			if err != nil {
				t.Fatal(err)
			}
			var seen struct{ Edition, Config string }
			if err := json.Unmarshal(get(t, i.Public()+"/seen"), &seen); err != nil || seen.Edition != step.want || seen.Config != step.config {
				t.Errorf("after Serve(%q) it is the %q program with config %q, want the %q with %q: %v", step.program, seen.Edition, seen.Config, step.want, step.config, err)
			}
			if err := i.Stop(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		err := stack.Serve(t.Context(), filepath.Join(t.TempDir(), "missing"), nil)
		if err == nil {
			_, err = stack.StartService(t.Context(), testbed.ServiceSpec{Name: "edition", Roles: []string{"front"}})
		}
		if err == nil || !strings.Contains(err.Error(), "missing") {
			t.Errorf("a program that is not there: %v", err)
		}
		if err := stack.Serve(t.Context(), "", nil); err != nil {
			t.Fatal(err)
		}
	})

	t.Run("a service that never says that it listens is given up with the start's deadline", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		_, err := stack.StartService(ctx, testbed.ServiceSpec{Name: "bad", Roles: []string{"front"}, Config: []byte("mute")})
		if err == nil || !strings.Contains(err.Error(), "does not say that it listens") {
			t.Errorf("error %v", err)
		}
	})

	t.Run("a service that is deaf to SIGTERM is killed when the stop's time is over", func(t *testing.T) {
		i, err := stack.StartService(t.Context(), testbed.ServiceSpec{Name: "deaf", Roles: []string{"front"}, Config: []byte("deaf to SIGTERM")})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		if err := i.Stop(ctx); err == nil || !strings.Contains(err.Error(), "had to be killed") {
			t.Errorf("error %v", err)
		}
		select {
		case <-i.Exited():
		case <-time.After(5 * time.Second):
			t.Error("it still runs")
		}
	})

	failures := []struct{ name, config, want string }{
		{"a service that refuses its config is quoted", "refuse", "config: front.queue: no such field"},
		{"a service that says something else is quoted", "wrong line", `"hello"`},
		{"a service outside loopback is refused", "not loopback", "not a loopback address"},
	}
	for _, test := range failures {
		t.Run(test.name, func(t *testing.T) {
			_, err := stack.StartService(t.Context(), testbed.ServiceSpec{
				Name: "bad", Roles: []string{"front"}, Config: []byte(test.config),
			})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
			if i := stack.Part("bad"); i != nil {
				t.Error("it became a part")
			}
		})
	}

	t.Run("nothing is left after close", func(t *testing.T) {
		_, dbAddr, _ := strings.Cut(stack.DSN(), "@tcp(")
		dbAddr, _, _ = strings.Cut(dbAddr, ")")
		addrs := []string{dbAddr, stack.CacheRedis(), stack.QueueRedis(), strings.TrimPrefix(stack.Part("jobs").Public(), "http://")}
		for _, addr := range addrs {
			if !listens(addr) {
				t.Errorf("%s does not listen before the close", addr)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // as after Ctrl-C
		begun := time.Now()
		if err := stack.Close(ctx); err != nil {
			t.Fatal(err)
		}
		t.Logf("close took %v", time.Since(begun).Round(time.Millisecond))
		for _, addr := range addrs {
			if listens(addr) {
				t.Errorf("%s still listens", addr)
			}
		}
		for _, part := range []testbed.Part{testbed.PartMySQL, testbed.PartCache, testbed.PartQueue, "jobs"} {
			select {
			case <-stack.Part(part).Exited():
				if err := stack.Part(part).Err(); err != nil {
					t.Errorf("%s, which ended because it was asked to: %v", part, err)
				}
			default:
				t.Errorf("%s still runs", part)
			}
		}
		if err := stack.Close(ctx); err != nil {
			t.Errorf("second close: %v", err)
		}
		if _, err := stack.StartService(t.Context(), testbed.ServiceSpec{Name: "late", Roles: []string{"front"}}); err == nil {
			t.Error("a service was started on a closed testbed")
		}
	})
}

func TestLocal(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	exercise(t, require(t, testbed.Local, "mariadb", "redis"))
	if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "lunchrush-*")); left != nil {
		t.Errorf("temp folders left: %v", left)
	}
}

func TestEmbedded(t *testing.T) {
	c := require(t, testbed.Embedded, "embedded")
	if !testbed.EngineBuilt() && !required("embedded") {
		t.Skip("the embedded engine is not built yet, which takes 5 minutes: go run ./internal/testbed/prepare")
	}
	exercise(t, c)
}

func TestContainers(t *testing.T) {
	exercise(t, require(t, testbed.Containers, "containers"))
}
