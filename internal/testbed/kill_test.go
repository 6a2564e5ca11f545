package testbed_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/moby/moby/client"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// harnessVariable makes the test binary a harness that starts a testbed, says what it started, and waits to be killed.
const harnessVariable = "LUNCHRUSH_TEST_HARNESS"

// A started is what the harness says.
type started struct {
	PIDs  []int
	Addrs []string
}

func harness(name string) error {
	stack, err := testbed.Start(context.Background(), testbed.Choice{Name: name}, testbed.Spec{
		RunID: "to-be-killed", LogDir: os.Getenv("LUNCHRUSH_TEST_LOGS"), Binary: os.Getenv("LUNCHRUSH_TEST_SERVICE"),
	})
	if err != nil {
		return err
	}
	i, err := stack.StartService(context.Background(), testbed.ServiceSpec{Name: "front", Roles: []string{"front"}, Config: []byte("a: 1\n")})
	if err != nil {
		return err
	}
	said := started{Addrs: []string{stack.CacheRedis(), stack.QueueRedis(), strings.TrimPrefix(i.Public(), "http://")}}
	for _, part := range []testbed.Part{testbed.PartMySQL, testbed.PartCache, testbed.PartQueue, "front"} {
		if p, ok := stack.Part(part).(interface{ PID() int }); ok {
			said.PIDs = append(said.PIDs, p.PID())
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(said); err != nil {
		return err
	}
	select {}
}

// killedHarness starts a harness on a testbed, kills it with SIGKILL, and returns what it had started.
func killedHarness(t *testing.T, name string) started {
	t.Helper()
	service, err := fakeService()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	// Ledgers of its own, so that no other test sweeps them first; what takes long to make is lent from the real cache.
	real, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	own := t.TempDir()
	if err := os.Mkdir(filepath.Join(own, "lunchrush"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(real, "lunchrush", "embedded"), filepath.Join(own, "lunchrush", "embedded")); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_CACHE_HOME", own)
	t.Setenv("TMPDIR", t.TempDir())

	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), harnessVariable+"="+name, "LUNCHRUSH_TEST_SERVICE="+service, "LUNCHRUSH_TEST_LOGS="+t.TempDir())
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	var said started
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatalf("the harness says nothing: %v", err)
	}
	if err := json.Unmarshal(line, &said); err != nil {
		t.Fatal(err)
	}
	for _, addr := range said.Addrs {
		if !listens(addr) {
			t.Errorf("%s does not listen", addr)
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return said
}

func TestChildrenDieWithAHarnessThatIsKilled(t *testing.T) {
	for _, name := range []string{testbed.Local, testbed.Embedded} {
		t.Run(name, func(t *testing.T) {
			if name == testbed.Local {
				require(t, name, "mariadb", "redis")
			} else {
				require(t, name, "embedded")
				if !testbed.EngineBuilt() && !required("embedded") {
					t.Skip("the embedded engine is not built yet")
				}
			}
			said := killedHarness(t, name)
			if len(said.PIDs) != 4 {
				t.Fatalf("%d processes, want 4", len(said.PIDs))
			}
			for _, pid := range said.PIDs {
				eventually(t, fmt.Sprintf("process %d is gone", pid), 10*time.Second, func() bool { return gone(pid) })
			}
			// The main thread may be gone a moment before the others, and the sockets with the last of them.
			for _, addr := range said.Addrs {
				eventually(t, addr+" is closed", 10*time.Second, func() bool { return !listens(addr) })
			}
			s, err := testbed.Clean(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if len(s.Folders) != 1 || len(s.Processes) != 0 {
				t.Errorf("swept %+v, want the folder and no process", s)
			}
			if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "lunchrush-*")); left != nil {
				t.Errorf("temp folders left: %v", left)
			}
		})
	}
}

// gone reports whether a process has ended; one that its new parent has not reaped yet has.
func gone(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && strings.Contains(string(stat), ") Z ")
}

func TestContainersOfAKilledHarnessAreSwept(t *testing.T) {
	require(t, testbed.Containers, "containers")
	said := killedHarness(t, testbed.Containers)
	s, err := testbed.Clean(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Containers) != 4 {
		t.Errorf("swept %+v, want 4 containers", s)
	}
	for _, addr := range said.Addrs {
		if listens(addr) {
			t.Errorf("%s still listens", addr)
		}
	}
}

func TestContainersAreHeldToTheirLimitsAndToLoopback(t *testing.T) {
	c := require(t, testbed.Containers, "containers")
	stack := start(t, c, spec(t))
	if _, err := stack.StartService(t.Context(), testbed.ServiceSpec{
		Name: "front", Roles: []string{"front"}, Config: []byte("a: 1\n"), CPUs: 0.5, MemoryMiB: 96,
	}); err != nil {
		t.Fatal(err)
	}
	cli, err := client.New(client.FromEnv)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cli.Close() }()
	for _, part := range []testbed.Part{testbed.PartMySQL, testbed.PartCache, testbed.PartQueue, "front"} {
		id := stack.Part(part).(interface{ ID() string }).ID()
		r, err := cli.ContainerInspect(t.Context(), id, client.ContainerInspectOptions{})
		if err != nil {
			t.Fatal(err)
		}
		host := r.Container.HostConfig
		if published := len(r.Container.NetworkSettings.Ports); host.NetworkMode != "host" || published != 0 {
			t.Errorf("%s: network %s, %d ports published", part, host.NetworkMode, published)
		}
		if part != "front" {
			continue
		}
		if host.NanoCPUs != 500_000_000 || host.Memory != 96<<20 || host.MemorySwap != 96<<20 {
			t.Errorf("service: %d nanocpus, %d bytes, %d with swap", host.NanoCPUs, host.Memory, host.MemorySwap)
		}
		if !host.ReadonlyRootfs || host.Privileged || len(host.CapDrop) != 1 {
			t.Errorf("service: read-only %v, privileged %v, dropped %v", host.ReadonlyRootfs, host.Privileged, host.CapDrop)
		}
	}
	dsn, err := mysql.ParseDSN(stack.DSN())
	if err != nil {
		t.Fatal(err)
	}
	for _, addr := range []string{dsn.Addr, stack.CacheRedis(), stack.QueueRedis()} {
		if !listens(addr) {
			t.Errorf("nobody listens at %s", addr)
		}
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		// Where the port is free at another address nobody listens on every interface.
		l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.2", port))
		if err != nil {
			t.Errorf("%s: %v", addr, err)
			continue
		}
		_ = l.Close()
	}
}

func TestAnExecutableThatNeedsACLibraryIsRefusedInContainers(t *testing.T) {
	c := require(t, testbed.Containers, "containers")
	s := spec(t)
	s.Binary = "/bin/sh"
	_, err := testbed.Start(t.Context(), c, s)
	if err == nil || !strings.Contains(err.Error(), "CGO_ENABLED=0") {
		t.Errorf("error %v", err)
	}
}

func TestAStartThatIsCanceledLeavesNothing(t *testing.T) {
	c := require(t, testbed.Local, "mariadb", "redis")
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("TMPDIR", t.TempDir())
	for _, after := range []time.Duration{0, 20 * time.Millisecond, 100 * time.Millisecond} {
		ctx, cancel := context.WithTimeout(t.Context(), after)
		stack, err := testbed.Start(ctx, c, spec(t))
		cancel()
		if err == nil {
			t.Logf("it was up within %v", after)
			_ = stack.Close(t.Context())
		}
		if left, _ := filepath.Glob(filepath.Join(os.TempDir(), "lunchrush-*")); left != nil {
			t.Errorf("after %v: folders left: %v", after, left)
		}
		if left, _ := filepath.Glob(filepath.Join(os.Getenv("XDG_CACHE_HOME"), "lunchrush", "started", "*")); left != nil {
			t.Errorf("after %v: ledgers left: %v", after, left)
		}
	}
}

func TestADatabaseThatDoesNotStartIsQuoted(t *testing.T) {
	c := require(t, testbed.Local, "mariadb", "redis")
	bin := t.TempDir()
	script := func(name, text string) {
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	script("mariadbd", `[ "$1" = --version ] && exit 0; echo "[ERROR] InnoDB: no space left" >&2; echo "[ERROR] Aborting" >&2; exit 1`)
	script("mariadb-install-db", "exit 0")
	s := spec(t)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	_, err := testbed.Start(t.Context(), c, s)
	if err == nil || !strings.Contains(err.Error(), "mysql ended: exit status 1: [ERROR] InnoDB: no space left; see "+s.LogDir) {
		t.Errorf("error %v", err)
	}
}

// A database that starts deletes the temporary tables that it finds, so two must not share a folder for them.
func TestDatabasesThatAreMadeAtTheSameMomentDoNotDisturbEachOther(t *testing.T) {
	c := require(t, testbed.Local, "mariadb", "redis")
	specs := make([]testbed.Spec, 8)
	for i := range specs {
		specs[i] = spec(t)
	}
	t.Setenv("XDG_CACHE_HOME", t.TempDir()) // and not before: what is built would be built anew
	var all sync.WaitGroup
	for i, s := range specs {
		all.Go(func() {
			stack, err := testbed.Start(t.Context(), c, s)
			if err != nil {
				t.Errorf("testbed %d: %v", i, err)
				return
			}
			if err := stack.Close(context.Background()); err != nil {
				t.Errorf("testbed %d: close: %v", i, err)
			}
		})
	}
	all.Wait()
}

// replaced is a program that finds itself after another has been built in its place, as go build does it.
func replaced() error {
	path, err := testbed.Self()
	if err != nil {
		return err
	}
	own, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := errors.Join(os.WriteFile(path+".new", []byte("another program"), 0o755), os.Rename(path+".new", path)); err != nil {
		return err
	}
	self, err := testbed.Self()
	if err != nil {
		return err
	}
	if program, err := os.ReadFile(self); err != nil || !bytes.Equal(program, own) {
		return fmt.Errorf("%s is another program than the one that runs (%w)", self, err)
	}
	cmd := exec.Command(self, "-test.run=^$")
	cmd.Env = append(os.Environ(), harnessVariable+"=")
	return cmd.Run()
}
