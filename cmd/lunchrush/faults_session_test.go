package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
)

// sixFaults overlap between 11:50:45 and 11:52:30 of the short scenario, 3 to 10 seconds after its start: on links, on
// processes, in the database and in Redis.
var sixFaults = []string{
	"at=11:50:45,for=7s,on=mysql,inject=latency,by=30ms",
	"at=11:51,for=2s,on=service,inject=kill",
	"at=11:51,for=6s,on=redis-cache,inject=stall,by=100ms,every=500ms",
	"at=11:51:15,for=4s,on=mysql,inject=row-lock,table=slots",
	"at=11:51:15,for=4s,on=redis-queue,inject=restart",
	"at=11:51:30,for=3s,on=wechat,inject=black-hole",
}

// instanceFaults overlap in the same seconds, on single processes of a topology and on the number of them. The cold instance stays cold:
// on a busy machine the first measurement may miss it, and one after fifty requests would find it warm.
var instanceFaults = []string{
	"at=11:50:45,for=4s,on=front-2,inject=kill",
	"at=11:50:45,for=4s,on=gate-1,inject=pause",
	"at=11:50:45,for=5s,on=notifier-1,inject=restart",
	"at=11:51,for=8s,on=front-1,inject=cold-start,by=80ms,requests=500",
	"at=11:51,for=8s,on=gate,inject=add",
	"at=11:51:15,for=6s,on=jobs-1,inject=clock-skew,by=-10m",
}

func faultArgs(where string, faults []string) []string {
	return faultArgsOf("short.yaml", where, faults)
}

func faultArgsOf(scenario, where string, faults []string) []string {
	args := []string{"run", scenario, "--testbed", where}
	for _, f := range faults {
		args = append(args, "--fault", f)
	}
	return args
}

// injected returns when the book of the run that goes on, which is flushed each second, has so many faults injected. It fails the
// test after a minute.
func (s *session) injected(t *testing.T, want int) {
	t.Helper()
	dir := s.runDir(t)
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for ; ; <-tick.C {
		folder, err := runlog.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for r, err := range folder.Records() {
			if err != nil {
				t.Fatal(err)
			}
			if r.Event == runlog.FaultOn {
				n++
			}
		}
		if n == want {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d faults injected after a minute, want %d\n%s", n, want, s.stderr)
		}
	}
}

// booked counts what the run's book says of its faults.
func booked(t *testing.T, dir string) (on, felt, off int, folder *runlog.Folder) {
	t.Helper()
	folder, err := runlog.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range folder.Records() {
		if err != nil {
			t.Fatal(err)
		}
		switch r.Event {
		case runlog.FaultOn:
			on++
		case runlog.FaultFelt:
			if r.OK {
				felt++
			} else {
				t.Errorf("%s was not felt: %s", r.ID, r.Note)
			}
		case runlog.FaultOff:
			off++
			if r.Note != "" {
				t.Errorf("%s: %s", r.ID, r.Note)
			}
		}
	}
	return on, felt, off, folder
}

func TestSixOverlappingFaultsAreAllFeltAndHealedAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	for _, where := range []string{testbed.Containers, testbed.Local} {
		t.Run(where, func(t *testing.T) {
			needTestbed(t, where)
			s := startSession(t, faultArgs(where, sixFaults)...)
			code := s.wait(t)
			on, felt, off, folder := booked(t, s.runDir(t))
			if on != len(sixFaults) || felt != on || off != on {
				t.Errorf("%d faults injected, %d felt, %d healed, want %d each\n%s", on, felt, off, len(sixFaults), s.stderr)
			}
			if folder.Manifest.Ended != "whole" || code == exitCannotRun {
				t.Errorf("it ended %q with exit code %d: %s\n%s", folder.Manifest.Ended, code, folder.Manifest.Error, s.stderr)
			}
			page, err := os.ReadFile(filepath.Join(s.runDir(t), "report.html"))
			if err != nil {
				t.Fatal(err)
			}
			for _, want := range []string{"mysql: latency 30ms", "service: kill", "wechat: black hole"} {
				if !strings.Contains(string(page), want) {
					t.Errorf("the report does not show %q", want)
				}
			}
			s.leftovers(t)
		})
	}
}

func TestFaultsOnInstancesOfATopologyAreFeltAndHealedAndNothingIsLeft(t *testing.T) {
	t.Parallel()
	for _, where := range []string{testbed.Containers, testbed.Local} {
		t.Run(where, func(t *testing.T) {
			needTestbed(t, where)
			s := startSession(t, faultArgsOf("many.yaml", where, instanceFaults)...)
			code := s.wait(t)
			on, felt, off, folder := booked(t, s.runDir(t))
			if on != len(instanceFaults) || felt != on || off != on {
				t.Errorf("%d faults injected, %d felt, %d healed, want %d each\n%s", on, felt, off, len(instanceFaults), s.stderr)
			}
			if folder.Manifest.Ended != "whole" || code == exitCannotRun {
				t.Errorf("it ended %q with exit code %d: %s\n%s", folder.Manifest.Ended, code, folder.Manifest.Error, s.stderr)
			}
			s.leftovers(t)
		})
	}
}

func TestInterruptHealsEveryFault(t *testing.T) {
	t.Parallel()
	needTestbed(t, testbed.Local)
	for scenario, faults := range map[string][]string{"short.yaml": sixFaults, "many.yaml": instanceFaults} {
		t.Run(scenario, func(t *testing.T) {
			long := make([]string, len(faults))
			for i, f := range faults {
				before, after, _ := strings.Cut(f, ",for=")
				_, after, _ = strings.Cut(after, ",")
				long[i] = before + ",for=60s," + after
			}
			// At this speed the last fault is due at 18 s, and the plan is over at 60.
			s := startSession(t, append(faultArgsOf(scenario, testbed.Local, long), "--speed", "5")...)
			s.stderr.waitFor(t, `^play `)
			s.injected(t, len(long))
			s.cmd.Process.Signal(os.Interrupt)
			if code := s.wait(t); code != exitInterrupted {
				t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, s.stderr)
			}
			on, _, off, _ := booked(t, s.runDir(t))
			if on != len(long) || off != on {
				t.Errorf("%d faults injected, %d healed, want %d", on, off, len(long))
			}
			s.leftovers(t)
		})
	}
}

// Two tables without rows cannot be locked in the wrong order: the fault is injected and nobody notices.
func TestAFaultThatIsNotFeltMakesTheRunInconclusive(t *testing.T) {
	t.Parallel()
	needTestbed(t, testbed.Local)
	s := startSession(t, faultArgs(testbed.Local, []string{
		"at=11:51,for=8s,on=mysql,inject=deadlock,first=notify_refused,then=remedy_order",
	})...)
	if code := s.wait(t); code != exitInconclusive {
		t.Errorf("exit code %d, want %d\n%s\n%s", code, exitInconclusive, s.stdout.String(), s.stderr)
	}
	text, err := os.ReadFile(filepath.Join(s.runDir(t), "report.json"))
	if err != nil {
		t.Fatal(err)
	}
	var a reports.Analysis
	if err := json.Unmarshal(text, &a); err != nil {
		t.Fatal(err)
	}
	if a.Verdict.Outcome != reports.Inconclusive || len(a.Faults) != 1 || a.Faults[0].Felt || !a.Faults[0].Healed {
		t.Errorf("verdict %s, faults %+v", a.Verdict.Outcome, a.Faults)
	}
	if !slices.ContainsFunc(a.Certificate, func(c reports.Check) bool {
		return strings.HasPrefix(c.Name, "felt: deadlock") && c.Status == "fail" && strings.Contains(c.Got, "no error 1213")
	}) {
		t.Errorf("the certificate does not say why: %+v", a.Certificate)
	}
	s.leftovers(t)
}
