package harness

import (
	"slices"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/scenarios"
)

// quiet is a scenario without faults.
const quiet = `name: x
title: A small one
source: ours
clock: {from: "11:00", to: "12:00", speed: 60}
fleet: {machines: 10}
demand: {per_machine_hour: 6}
expect: {loss.total: "== 0"}
`

func load(fault string) (*scenarios.Scenario, error) {
	return scenarios.Load("x.yaml", []byte(quiet+"faults:\n  - "+fault+"\n"), Known())
}

func TestTheExampleOfEveryFaultLoads(t *testing.T) {
	for _, k := range chaos.Kinds() {
		fault := strings.Replace(k.Example, "11:56", "11:10", 1)
		if slices.Contains([]chaos.Surface{chaos.OnBalancer, chaos.OnInstance, chaos.OnRole}, k.On) {
			fault += "\ntopology: {front: 2, gate: 1}" // one process has none before it
		}
		if strings.Contains(k.Example, "mysql-replica") {
			fault += "\nneeds: [replica]"
		}
		s, err := load(fault)
		if err != nil {
			t.Errorf("%s: %v", k.Name, err)
			continue
		}
		if err := Check(s); err != nil {
			t.Errorf("%s: %v", k.Name, err)
		}
	}
}

func TestAFaultThatCannotBeIsRefusedWithItsPlace(t *testing.T) {
	tests := []struct{ name, fault, want string }{
		{
			"no such target", `{at: "11:10", for: 5s, on: mysqll, inject: hold}`,
			`x.yaml:9:32: faults[0].on: there is no "mysqll"; hold can be on mysql, mysql-replica, redis-cache`,
		},
		{
			"a target that does not offer it", `{at: "11:10", for: 5s, on: wechat, inject: kill}`,
			"x.yaml:9:32: faults[0].on: kill acts on a process, which wechat is not; it can be on mysql, redis-cache, redis-queue, service",
		},
		{
			"a value that cannot be", `{at: "11:10", for: 5s, on: mysql, inject: latency, by: soon}`,
			`x.yaml:9:56: faults[0].by: "soon" is no duration like 200ms`,
		},
		{
			"a value out of bounds", `{at: "11:10", for: 5s, on: mysql, inject: bandwidth, rate: 9MB/s}`,
			"x.yaml:9:58: faults[0].rate: 9MB/s is not between 1kB/s and 1MB/s",
		},
		{
			"a parameter that is missing", `{at: "11:10", for: 5s, on: mysql, inject: table-lock}`,
			"x.yaml:9:5: faults[0].table: table-lock needs it; for example",
		},
		{
			"a name that is no table's", `{at: "11:10", for: 5s, on: mysql, inject: table-lock, table: "x; drop table y"}`,
			`"x; drop table y" is no name of a table`,
		},
		{
			"both parameters out of their bounds together", `{at: "11:10", for: 5s, on: redis-cache, inject: stall, by: 2s, every: 1s}`,
			"x.yaml:9:75: faults[0].every: 1s is less than by, 2s",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := load(tt.fault)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s in it", err, tt.want)
			}
		})
	}
}

func TestAFaultIsOnAnInstanceOfTheTopology(t *testing.T) {
	const several = "\ntopology: {front: 2, gate: 1}"
	tests := []struct{ name, fault, want string }{
		{"one that is there", `{at: "11:10", for: 5s, on: front-2, inject: kill}` + several, ""},
		{"one of a role that was not named", `{at: "11:10", for: 5s, on: jobs-1, inject: restart, every: 2s}` + several, ""},
		{"one too many", `{at: "11:10", for: 5s, on: front-3, inject: kill}` + several, `x.yaml:9:32: faults[0].on: there is no "front-3"; kill can be on mysql`},
		{"the service, of which there are several", `{at: "11:10", for: 5s, on: service, inject: kill}` + several, "here there are instances, such as front-1"},
		{"an instance, of which there is one", `{at: "11:10", for: 5s, on: front-1, inject: kill}`, "there is no front-1: the service is one process here"},
		{"a balancer, of which there is none", `{at: "11:10", for: 5s, on: balancer, inject: outage}`, "there is no balancer: the service is one process here"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := load(tt.fault)
			if err == nil {
				err = Check(s)
			}
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got  %v\nwant %q in it", err, tt.want)
			}
		})
	}
	// A flag is read before its scenario's topology is known; the check of both together knows it.
	f, err := scenarios.ParseFault("at=11:10,for=5s,on=gate-7,inject=kill", Known())
	if err != nil {
		t.Fatal(err)
	}
	s, err := scenarios.Load("x.yaml", []byte(quiet+strings.TrimPrefix(several, "\n")+"\n"), Known())
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddFault(f); err != nil {
		t.Fatal(err)
	}
	if err := Check(s); err == nil || !strings.Contains(err.Error(), `there is no "gate-7"`) {
		t.Errorf("got %v", err)
	}
}

func TestARepeatedFaultIsOnTheTimelineEachTime(t *testing.T) {
	s, err := load(`{at: "11:10", for: 2s, on: mysql, inject: hold, every: 5s, times: 3}`)
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFaults(s)
	if err != nil {
		t.Fatal(err)
	}
	if len(f.entries) != 3 || f.entries[2].ID != "1 hold on mysql (3 of 3)" || f.entries[2].At-f.entries[0].At != 10e9 {
		t.Errorf("entries %+v", f.entries)
	}
	more, err := scenarios.ParseFault("at=11:13,for=1s,on=mysql,inject=hold", Known()) // 3 s later: while it is over
	if err != nil {
		t.Fatal(err)
	}
	if err := s.AddFault(more); err != nil {
		t.Fatal(err)
	}
	if err := Check(s); err != nil {
		t.Errorf("between two repetitions: %v", err)
	}
	s.Faults[1].At += scenarios.TimeOfDay(90 * 1e9) // 1.5 s of the run later: it lasts into the second
	if err := Check(s); err == nil || !strings.Contains(err.Error(), "act on mysql at the same time") {
		t.Errorf("into a repetition: %v", err)
	}
}

func TestFaultsThatWouldUndoEachOtherAreRefused(t *testing.T) {
	tests := []struct {
		name, one, two string
		want           string // "" for none
	}{
		{"the same twice", `on: mysql, inject: read-only`, `on: mysql, inject: read-only`, "act on mysql at the same time"},
		{"two on one process", `on: service, inject: kill`, `on: service, inject: pause`, "act on service at the same time"},
		{"one whose heal starts the part that the other has ended", `on: mysql, inject: limit-memory, limit: 600MB`, `on: mysql, inject: kill`, "act on mysql at the same time"},
		{"two kinds on one link", `on: mysql, inject: hold`, `on: mysql, inject: down`, ""},
		{"the same on two parts", `on: mysql, inject: pause`, `on: service, inject: pause`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := load(`{at: "11:10", for: 20s, ` + tt.one + "}\n  - {at: \"11:20\", for: 20s, " + tt.two + "}")
			if err != nil {
				t.Fatal(err)
			}
			err = Check(s)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			s.Faults[1].At = s.Faults[0].At + scenarios.TimeOfDay(20*60*1e9+1) // 20 s of the run at speed 60
			if err := Check(s); err != nil {
				t.Errorf("one after the other: %v", err)
			}
		})
	}
}
