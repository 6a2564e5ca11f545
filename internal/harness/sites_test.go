package harness

import (
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
		s, err := load(strings.Replace(k.Example, "11:56", "11:10", 1))
		if err != nil {
			t.Errorf("%s: %v", k.Name, err)
			continue
		}
		if k.On == chaos.OnBalancer {
			s.Topology.Front, s.Topology.Gate = 2, 1 // one process has none before it
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
			`x.yaml:9:32: faults[0].on: there is no "mysqll"; hold can be on mysql, redis-cache`,
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
			"x.yaml:9:68: faults[0].every: 1s is less than by, 2s",
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

func TestFaultsThatWouldUndoEachOtherAreRefused(t *testing.T) {
	tests := []struct {
		name, one, two string
		want           string // "" for none
	}{
		{"the same twice", `on: mysql, inject: read-only`, `on: mysql, inject: read-only`, "act on mysql at the same time"},
		{"two on one process", `on: service, inject: kill`, `on: service, inject: pause`, "act on service at the same time"},
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
