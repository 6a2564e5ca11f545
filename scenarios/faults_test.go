package scenarios

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// knownFaults refuses latency without by, and everything on "moon".
func knownFaults() Known {
	known := knownHere
	known.CheckFault = func(_ *Topology, on, inject string, params map[string]string) (string, error) {
		switch {
		case on == "moon":
			return "on", errors.New("nothing runs there")
		case inject == "latency" && params["by"] == "":
			return "by", errors.New("latency needs it")
		}
		return "", nil
	}
	return known
}

func TestParseFaultReadsAFlagAsAFileIsRead(t *testing.T) {
	got, err := ParseFault("at=11:56,for=60s, on=mysql,inject=latency,by=200ms", knownFaults())
	if err != nil {
		t.Fatal(err)
	}
	want := Fault{
		At: TimeOfDay(11*time.Hour + 56*time.Minute), For: time.Minute, On: "mysql", Inject: "latency",
		Params: map[string]string{"by": "200ms"},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestParseFaultTellsEveryMistakeWithItsPlace(t *testing.T) {
	tests := []struct{ name, text, want string }{
		{"nothing", "", `--fault:1:1: "" is not key=value`},
		{"no value", "at=11:56,for", `--fault:1:10: "for" is not key=value`},
		{
			"a bad time and a misspelt kind", "at=noon,for=60s,on=mysql,inject=latencies",
			"--fault:1:4: at: \"noon\" is not a time of day; a time of day is like \"11:56\" or \"24:30\"\n" +
				`--fault:1:33: inject: nothing can inject "latencies"; did you mean latency? accepted: latency, outage`,
		},
		{"a misspelt parameter", "at=11:56,for=60s,on=mysql,inject=latency,bye=1s", "--fault:1:42: bye: latency has no such parameter; did you mean by?"},
		{"a duration without unit", "at=11:56,for=60,on=mysql,inject=outage", "--fault:1:14: for: 60 has no unit; did you mean 60s?"},
		{"what the fault itself refuses", "at=11:56,for=60s,on=moon,inject=outage", "--fault:1:21: on: nothing runs there"},
		{"a missing parameter", "at=11:56,for=60s,on=mysql,inject=latency", "--fault:1:1: by: latency needs it"},
		{"twice the same", "at=11:56,for=60s,for=5s,on=mysql,inject=outage", "--fault:1:18: for: is given twice"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseFault(tt.text, knownFaults())
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestLoadTimelineCountsFromTheStartAndHasNoTargets(t *testing.T) {
	got, err := LoadTimeline("f.yaml", []byte("faults:\n  - {at: 5s, for: 10s, inject: latency, by: 1ms}\n"), "link", knownFaults())
	if err != nil {
		t.Fatal(err)
	}
	want := []Fault{{At: TimeOfDay(5 * time.Second), For: 10 * time.Second, On: "link", Inject: "latency", Params: map[string]string{"by": "1ms"}}}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	tests := []struct{ name, src, want string }{
		{"an empty file", "", "f.yaml:1:1: is empty; wants faults"},
		{"a target", "faults:\n  - {at: 5s, for: 10s, on: mysql, inject: outage}\n", "f.yaml:2:24: faults[0].on: outage has no such parameter"},
		{"a time of day", "faults:\n  - {at: \"11:56\", for: 10s, inject: outage}\n", "f.yaml:2:10: faults[0].at: \"11:56\" is not a duration"},
		{
			"a mistake in the second", "faults:\n  - {at: 1s, for: 1s, inject: outage}\n  - {at: 1s, for: 1s, inject: latency}\n",
			"f.yaml:3:5: faults[1].by: latency needs it",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := LoadTimeline("f.yaml", []byte(tt.src), "link", knownFaults())
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

func TestAddFaultLeavesTheScenarioAloneWhenItIsRefused(t *testing.T) {
	s, err := Load("x.yaml", []byte(good), knownFaults())
	if err != nil {
		t.Fatal(err)
	}
	late := Fault{At: TimeOfDay(23 * time.Hour), For: time.Second, On: "mysql", Inject: "outage"}
	if err := s.AddFault(late); err == nil || len(s.Faults) != 0 {
		t.Errorf("a fault outside the clock: %v, %d faults", err, len(s.Faults))
	}
	late.At = s.Clock.From
	if err := s.AddFault(late); err != nil || len(s.Faults) != 1 {
		t.Errorf("a fault within the clock: %v, %d faults", err, len(s.Faults))
	}
}

func FuzzParseFault(f *testing.F) {
	f.Add("at=11:56,for=60s,on=mysql,inject=latency,by=200ms")
	f.Add("at=24:30,for=1ms,on=x,inject=outage,mode=hold")
	f.Add("=,=,,a=b=c")
	f.Fuzz(func(t *testing.T, text string) {
		fault, err := ParseFault(text, knownFaults())
		var problems Problems
		switch {
		case err != nil && !errors.As(err, &problems):
			t.Errorf("%q: the error is no Problems: %v", text, err)
		case err == nil && (fault.On == "" || fault.Inject == "" || fault.For <= 0):
			t.Errorf("%q was taken as %+v", text, fault)
		}
	})
}
