package scenarios

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// repeating is knownHere with a kind that has an every of its own.
func repeating() Known {
	known := knownFaults()
	known.Faults = map[string][]string{"outage": {}, "restart": {"every"}}
	return known
}

const aMinute = `name: x
title: A small one
source: ours
clock: {from: "11:00", to: "11:01"}
fleet: {machines: 100}
demand: {per_machine_hour: 60}
expect: {loss.total: "== 0"}
`

func TestAFaultIsRepeatedAsItsLineSays(t *testing.T) {
	at := func(seconds ...int) (list []time.Duration) {
		for _, s := range seconds {
			list = append(list, time.Duration(s)*time.Second)
		}
		return list
	}
	tests := []struct {
		name, fault string
		want        []time.Duration
		own         string // the kind's own every
	}{
		{"once without every", `inject: outage`, at(10), ""},
		{"so many times", `inject: outage, every: 5s, times: 3`, at(10, 15, 20), ""},
		{"until before a time", `inject: outage, every: 5s, until: "11:00:25"`, at(10, 15, 20), ""},
		{"whichever comes first", `inject: outage, every: 5s, times: 2, until: "11:00:25"`, at(10, 15), ""},
		{"to the clock's end with neither", `inject: outage, every: 20s`, at(10, 30, 50), ""},
		{"a kind with an every of its own keeps it", `inject: restart, every: 5s`, at(10), "5s"},
		{"unless the whole fault is meant", `inject: restart, every: 5s, times: 2`, at(10, 15), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, err := Load("x.yaml", []byte(aMinute+`faults: [{at: "11:00:10", for: 1s, on: mysql, `+tt.fault+"}]\n"), repeating())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, s.Occurrences(s.Faults[0])); d != "" {
				t.Error(d)
			}
			if own := s.Faults[0].Params["every"]; own != tt.own {
				t.Errorf("the kind's own every is %q, want %q", own, tt.own)
			}
		})
	}
}

func TestRepetitionsThatCannotBeAreRefused(t *testing.T) {
	tests := []struct{ name, fault, want string }{
		{"the next would come before the end of the one before", `every: 1s, times: 2`, "faults[0].every: 1s is not longer than for, 1s"},
		{"times without every", `times: 2`, "faults[0].every: is missing, although times is 2"},
		{"until without every", `until: "11:00:30"`, "faults[0].every: is missing, although there is until"},
		{"more than fit", `every: 30s, times: 3`, "faults[0].times: the last of 3 begins after the clock's end"},
		{"until before at", `every: 5s, until: "11:00:05"`, "faults[0].until: 11:00:05 is not between at, 11:00:10"},
		{"until after the end", `every: 5s, until: "11:02"`, "faults[0].until: 11:02 is not between at, 11:00:10"},
		{"more often than anybody needs", `every: 5s, times: 1001`, "1001 is not between 1 and 1000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Load("x.yaml", []byte(aMinute+`faults: [{at: "11:00:10", for: 1s, on: mysql, inject: outage, `+tt.fault+"}]\n"), repeating())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s in it", err, tt.want)
			}
		})
	}
}

func TestAFlagRepeatsAFaultToo(t *testing.T) {
	f, err := ParseFault("at=11:00:10,for=1s,on=mysql,inject=outage,every=5s,times=3", repeating())
	if err != nil {
		t.Fatal(err)
	}
	if f.Every != 5*time.Second || f.Times != 3 {
		t.Errorf("got %+v", f)
	}
}
