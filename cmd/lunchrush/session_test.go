package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/internal/testbed"
)

// sessionTestbed is where the sessions below run. They are about the command, not about the testbed: local starts fastest.
const sessionTestbed = testbed.Local

// required names what LUNCHRUSH_REQUIRE asks for where a testbed is wanted.
var required = map[string]string{testbed.Containers: "containers", testbed.Local: "mariadb", testbed.Embedded: "embedded"}

// needTestbed skips the test where the testbed cannot be had, or fails it when LUNCHRUSH_REQUIRE asks for it.
func needTestbed(t *testing.T, name string) {
	t.Helper()
	probe := exec.Command(buildBinary(t), "testbed", "check", name) // the test's own executable is no service
	out, err := probe.CombinedOutput()
	if err == nil && name == testbed.Embedded && !testbed.EngineBuilt() {
		out, err = []byte("the engine is not built, which takes minutes: make embedded"), errors.ErrUnsupported
	}
	switch {
	case err == nil:
	case slices.Contains(strings.Split(os.Getenv("LUNCHRUSH_REQUIRE"), ","), required[name]):
		t.Fatalf("%s", out)
	default:
		t.Skipf("%s", out)
	}
}

// shortScenario plays 20 seconds with every behaviour in it.
const shortScenario = `name: short
title: Twenty seconds of everything
source: a test of the command line
clock: {from: "11:50", to: "11:55", speed: 15}
fleet: {machines: 20, slots: 5}
demand: {per_machine_hour: 1440}
buyers: {abandon: 3%, twice: 2%}
payments: {wechat: 70%, alipay: 30%, think: 500ms, probes: 2%, notify: {delay: 100ms, duplicates: 5%}}
machines: {dispense: 300ms, fail: 2%}
service: {refund.after: 10s, command.ttl: 5s, pay.window: 8s}
expect: {loss.total: "== 0"}
`

// A session is the real program in a process of its own.
type session struct {
	cmd    *exec.Cmd
	dir    string
	stdout bytes.Buffer
	stderr *watched
}

// watched collects what is written and lets a test wait for a line.
type watched struct {
	mu      sync.Mutex
	text    bytes.Buffer
	changed chan struct{}
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case w.changed <- struct{}{}:
	default:
	}
	return w.text.Write(p)
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

// waitFor returns when a line matches, and fails the test after three minutes: some sessions play for most of one before they tell anything.
func (w *watched) waitFor(t *testing.T, pattern string) {
	t.Helper()
	re := regexp.MustCompile("(?m)" + pattern)
	deadline := time.After(3 * time.Minute)
	for !re.MatchString(w.String()) {
		select {
		case <-w.changed:
		case <-deadline:
			t.Fatalf("no line like %q after three minutes:\n%s", pattern, w.String())
		}
	}
}

func startSession(t *testing.T, args ...string) *session {
	t.Helper()
	return startProgram(t, append([]string{buildBinary(t)}, args...)...)
}

// startProgram is a session of a program that runs lunchrush in its own place.
func startProgram(t *testing.T, argv ...string) *session {
	t.Helper()
	dir, err := os.MkdirTemp("", "lr-") //nolint:usetesting // short: a Unix socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	s := &session{dir: dir, stderr: &watched{changed: make(chan struct{}, 1)}}
	if err := os.Mkdir(s.temp(), 0o755); err != nil {
		t.Fatal(err)
	}
	many := strings.Replace(shortScenario, "name: short", "name: many", 1) +
		"topology: {front: 2, gate: 2, shop: 1, notifier: 2, jobs: 2}\n"
	for name, text := range map[string]string{"short.yaml": shortScenario, "many.yaml": many, "twice.yaml": twiceScenario} {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s.cmd = exec.Command(argv[0], argv[1:]...)
	s.cmd.Dir = s.dir
	s.cmd.Env = append(os.Environ(), "TMPDIR="+s.temp())
	s.cmd.Stdout, s.cmd.Stderr = &s.stdout, io.Writer(s.stderr)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if s.cmd.ProcessState == nil {
			s.cmd.Process.Kill()
			s.cmd.Wait()
		}
	})
	return s
}

// temp is where the session and its children put their temporary files; it also marks them as this session's.
func (s *session) temp() string { return filepath.Join(s.dir, "tmp") }

// wait returns the exit code.
func (s *session) wait(t *testing.T) int {
	t.Helper()
	timer := time.AfterFunc(2*time.Minute, func() { s.cmd.Process.Signal(syscall.SIGQUIT) })
	defer timer.Stop()
	err := s.cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return s.cmd.ProcessState.ExitCode()
}

// runDir is the folder of the session's only run.
func (s *session) runDir(t *testing.T) string {
	t.Helper()
	runs, err := filepath.Glob(filepath.Join(s.dir, "reports", "runs", "[0-9]*")) // a killed run leaves its parts' logs beside it
	if err != nil || len(runs) != 1 {
		t.Fatalf("want one run folder, got %v (%v)\n%s", runs, err, s.stderr)
	}
	return runs[0]
}

// built is the program as users have it: static, so that it can be the service in a container too.
var built = sync.OnceValues(func() (string, error) {
	bin := filepath.Join(binaryDir, "lunchrush")
	build := exec.Command("go", "build", "-o", bin, ".")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		return "", errors.New(string(out))
	}
	return bin, nil
})

func buildBinary(t *testing.T) string {
	t.Helper()
	bin, err := built()
	if err != nil {
		t.Fatal(err)
	}
	return bin
}

func TestAWholeRunPassesOnEveryTestbedAndLeavesItsReportAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, where := range []string{testbed.Containers, testbed.Local, testbed.Embedded} {
		t.Run(where, func(t *testing.T) {
			needTestbed(t, where)
			s := startSession(t, "run", "short.yaml", "--testbed", where)
			code := s.wait(t)
			dir := s.runDir(t)
			if code != exitPass && (code != exitInconclusive || !onlyLate(t, dir)) {
				t.Fatalf("exit code %d\n%s\n%s", code, s.stdout.String(), s.stderr)
			}
			for _, name := range []string{
				"run.json", "plan.jsonl.zst", "books.jsonl.zst", "metrics.csv", "latency.hlog",
				"results.bin", "report.html", "report.json", "junit.xml", "summary.md",
			} {
				if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
					t.Errorf("%s: %v", name, err)
				}
			}
			othersRead(t, dir)
			if first, _, _ := strings.Cut(s.stderr.String(), "\n"); !strings.HasPrefix(first, "testbed: "+where) {
				t.Errorf("the first line must name the testbed: %q", first)
			}
			if !strings.Contains(s.stdout.String(), "report.html") {
				t.Errorf("stdout does not say where the report is:\n%s", s.stdout.String())
			}
			s.leftovers(t)
		})
	}
}

func TestARunAgainstManyProcessesBehindTheBalancerTellsTheirShares(t *testing.T) {
	t.Parallel()
	needTestbed(t, sessionTestbed)
	s := startSession(t, "run", "many.yaml", "--testbed", sessionTestbed)
	code := s.wait(t)
	dir := s.runDir(t)
	if code != exitPass && (code != exitInconclusive || !onlyLate(t, dir)) {
		t.Fatalf("exit code %d\n%s\n%s", code, s.stdout.String(), s.stderr)
	}
	for _, want := range []string{
		`public +front-1 +\d+ +(49|50|51)\.\d % +50\.0 %`,
		`front-2 +\d+ +(49|50|51)\.\d % +50\.0 %`,
		`wechat +gate-1 +\d+ +\d+\.\d % +50\.0 %`,
	} {
		if !regexp.MustCompile(want).MatchString(s.stdout.String()) {
			t.Errorf("no line like %q:\n%s", want, s.stdout.String())
		}
	}
	s.leftovers(t)
}

func TestAKeptPlanIsReplayedWhateverTheSeed(t *testing.T) {
	t.Parallel()
	needTestbed(t, sessionTestbed)
	plan := startSession(t, "plan", "short.yaml", "--speed", "60", "--seed", "7", "--out", "kept.jsonl")
	if code := plan.wait(t); code != exitPass {
		t.Fatalf("plan: exit code %d\n%s", code, plan.stderr)
	}
	s := startSession(t, "run", "short.yaml", "--speed", "60", "--seed", "9", "--testbed", sessionTestbed,
		"--plan", filepath.Join(plan.dir, "kept.jsonl"))
	code := s.wait(t)
	dir := s.runDir(t)
	if code != exitPass && (code != exitInconclusive || !onlyLate(t, dir)) {
		t.Fatalf("exit code %d\n%s\n%s", code, s.stdout.String(), s.stderr)
	}
	folder, err := runlog.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if m := folder.Manifest; m.Seed != 7 || !strings.Contains(plan.stdout.String(), "seed 7, sha256 "+m.PlanSHA256) {
		t.Errorf("the run has seed %d and plan %s, wanted\n%s", m.Seed, m.PlanSHA256, plan.stdout.String())
	}
}

// onlyLate reports whether a run was inconclusive for nothing but late sends: the tests may share the machine, which no
// assertion may depend on. Everything else about the run must be as it should.
func onlyLate(t *testing.T, dir string) bool {
	t.Helper()
	a, err := harness.Judge(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range slices.Concat(a.Certificate, a.Invariants, a.Expect) {
		if c.Status != "pass" && !strings.HasPrefix(c.Name, "lateness p99") { // of all sends, or of a kind
			t.Logf("%s: %s, want %s", c.Name, c.Got, c.Want)
			return false
		}
	}
	return true
}

func TestAnInterruptedRunStopsEverythingAndStillReports(t *testing.T) {
	t.Parallel()
	needTestbed(t, sessionTestbed)
	tests := []struct {
		name, after string
		folder      bool // a run folder is there by then
	}{
		{"while the testbed starts", `^testbed: `, false},
		{"while the service starts", `^scenario: `, true},
		{"while the plan plays", `^play `, true},
		{"while the books are drained", `^drain `, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startSession(t, "run", "short.yaml", "--testbed", sessionTestbed)
			s.stderr.waitFor(t, tt.after)
			s.cmd.Process.Signal(os.Interrupt)
			if code := s.wait(t); code != exitInterrupted {
				t.Fatalf("exit code %d, want %d\n%s\n%s", code, exitInterrupted, s.stdout.String(), s.stderr)
			}
			if tt.folder {
				dir := s.runDir(t)
				if _, err := os.Stat(filepath.Join(dir, "report.html")); err != nil {
					t.Errorf("no partial report: %v", err)
				}
				folder, err := runlog.Open(dir)
				if err != nil {
					t.Fatal(err)
				}
				if folder.Manifest.Ended != "interrupted" {
					t.Errorf("run.json says it ended %q", folder.Manifest.Ended)
				}
			}
			s.leftovers(t)
		})
	}
}

// nohup, and a shell that starts a job in the background, have signals ignored by what they start.
func TestARunGoesOnWhenASignalComesThatItWasToldToIgnore(t *testing.T) {
	t.Parallel()
	needTestbed(t, sessionTestbed)
	s := startProgram(t, "/bin/sh", "-c", `trap "" HUP INT; exec "$0" "$@"`,
		buildBinary(t), "run", "short.yaml", "--speed", "60", "--testbed", sessionTestbed)
	s.stderr.waitFor(t, `^play `)
	s.cmd.Process.Signal(syscall.SIGHUP)
	s.cmd.Process.Signal(os.Interrupt)
	code := s.wait(t)
	if dir := s.runDir(t); code != exitPass && (code != exitInconclusive || !onlyLate(t, dir)) {
		t.Errorf("exit code %d\n%s\n%s", code, s.stdout.String(), s.stderr)
	}
	s.leftovers(t)
}

func TestTheReportOfAKilledRunIsRebuiltFromItsFolder(t *testing.T) {
	t.Parallel()
	needTestbed(t, sessionTestbed)
	s := startSession(t, "run", "short.yaml", "--testbed", sessionTestbed)
	s.stderr.waitFor(t, `^play .* paid [1-9]`)
	s.cmd.Process.Kill()
	s.wait(t)
	report := exec.Command(buildBinary(t), "report", "last")
	report.Dir = s.dir
	out, err := report.CombinedOutput()
	if code := report.ProcessState.ExitCode(); code != exitInconclusive {
		t.Fatalf("exit code %d, want %d (inconclusive): %v\n%s", code, exitInconclusive, err, out)
	}
	if _, err := os.Stat(filepath.Join(s.runDir(t), "report.html")); err != nil {
		t.Error(err)
	}
	clean := exec.Command(buildBinary(t), "testbed", "clean")
	clean.Env = s.cmd.Env
	if out, err := clean.CombinedOutput(); err != nil {
		t.Errorf("testbed clean: %v\n%s", err, out)
	}
	s.leftovers(t)
}

// leftovers fails the test when a process or a temporary file of the session is still there a few seconds after its end.
func (s *session) leftovers(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(5 * time.Second)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		left := s.processes()
		if len(left) == 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Errorf("still running:\n%s", strings.Join(left, "\n"))
			break
		}
		<-tick.C
	}
	files, err := os.ReadDir(s.temp())
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Errorf("left in the temporary folder: %s", file.Name())
	}
}

// processes lists what runs with the session's temporary folder in its environment: its children, and theirs.
func (s *session) processes() []string {
	var found []string
	files, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, file := range files {
		env, err := os.ReadFile(file)
		if err != nil || !strings.Contains("\x00"+string(env), "\x00TMPDIR="+s.temp()+"\x00") {
			continue
		}
		args, _ := os.ReadFile(filepath.Join(filepath.Dir(file), "cmdline"))
		if len(args) == 0 { // a zombie, which init has yet to reap
			continue
		}
		found = append(found, filepath.Dir(file)+" "+strings.ReplaceAll(string(args), "\x00", " "))
	}
	return found
}
