package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/reports"
)

func TestTheSlowerServiceIsTheSourceAsItIsNowWithItsHandlersHeldBack(t *testing.T) {
	p := &programs{dir: t.TempDir()}
	overlay, err := p.overlay(t.Context(), 1.3)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(overlay)
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Replace map[string]string }
	if err := json.Unmarshal(text, &list); err != nil || len(list.Replace) != 1 {
		t.Fatalf("%s: %v", text, err)
	}
	for source, file := range list.Replace {
		before, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		after, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		was := strings.Split(string(before), "\n")
		var more []string
		for line := range strings.SplitSeq(string(after), "\n") {
			if len(was) > 0 && line == was[0] {
				was = was[1:]
			} else {
				more = append(more, strings.TrimSpace(line))
			}
		}
		want := []string{`"github.com/lunchrush/lunchrush/bench/gate/held"`, "for i := range servers {", "servers[i].Handler = held.Back(1.3, servers[i].Handler)", "}"}
		if len(was) != 0 || !slices.Equal(more, want) {
			t.Errorf("added %q, left out %q", more, was)
		}
	}
	if out, err := exec.CommandContext(t.Context(), "go", "vet", "-overlay", overlay, module+"/service/process").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

func TestASourceThatServesInAnotherWayIsNotMadeSlower(t *testing.T) {
	if _, err := slowed("package process\n\nimport (\n)\n", 1.3); err == nil || !strings.Contains(err.Error(), "is there 0 times, wanted once") {
		t.Errorf("%v", err)
	}
}

// pairs are made-up pairs whose head is so many times slower.
func pairs(n int, times float64) []reports.GatePair {
	chance := rand.New(rand.NewPCG(1, 1))
	var list []reports.GatePair
	for i := range n {
		run := func(times float64) reports.GateRun {
			return reports.GateRun{Machine: harness.Fingerprint(), Values: map[string]reports.GateValue{
				"create.p50": {Value: 82e6 * times * (1 + 0.02*chance.NormFloat64()), Samples: 480}, "goodput": {Value: 1, Samples: 480},
			}}
		}
		list = append(list, reports.GatePair{Number: i + 1, First: reports.SideBase, Base: run(1), Head: run(times)})
	}
	return list
}

func keep(t *testing.T, dir string, g *reports.Gate) {
	t.Helper()
	g.Schema, g.Scenario, g.WarmUps, g.Repeated, g.Notes = reports.GateSchema, "gate-lunch", []reports.GateRun{}, []reports.GatePair{}, []string{}
	g.Judge()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := reports.WriteGate(dir, g); err != nil {
		t.Fatal(err)
	}
}

func TestWhatCannotBePlayedIsRefusedBeforeAnythingIsBuilt(t *testing.T) {
	for _, wrong := range []string{"-slower=0.9", "-slower=0", "-slower=-1", "-slower=NaN", "-slower=Inf", "-slower=1e9", "-gates=-1", "-slower-gates=-2", "-abreast=0", "-pairs=7", "-pairs=4"} {
		dir := t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		cancel() // what is taken all the same goes no farther
		err := run(ctx, []string{"-dir", dir, wrong}, io.Discard, io.Discard)
		if err == nil || !strings.Contains(err.Error(), "-slower from 1 to 100") {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

func TestTheTablesTellPlayedFromResampled(t *testing.T) {
	o := options{dir: t.TempDir(), scenario: "gate-lunch", resampled: 50, seed: 1, rules: reports.DefaultGateRules()}
	o.kinds = []kind{{"same", "one build", 1, 3}, {"slower", "+30 % to answer", 1.3, 2}}
	whole := func(times float64) *reports.Gate {
		return &reports.Gate{Rules: o.rules, Machine: harness.Fingerprint(), Ended: "whole", Pairs: pairs(10, times)}
	}
	for n := 1; n <= 2; n++ {
		keep(t, o.folder(o.kinds[0], n), whole(1))
		keep(t, o.folder(o.kinds[1], n), whole(1.3))
	}
	cut := whole(1)
	cut.Ended = "interrupted"
	keep(t, o.folder(o.kinds[0], 3), cut) // is to be played again
	var out bytes.Buffer
	if err := tell(o, &out); err != nil {
		t.Fatal(err)
	}
	text := strings.Join(strings.Fields(out.String()), " ")
	for _, want := range []string{
		"live: gates that were played", "one build 2 2 0 0 0 alarms 0.0 % [at most 5 %: 2 of 40]: as wanted",
		"+30 % to answer 2 0 2 2 0 caught 100.0 % [at least 85 %]: as wanted",
		"they were not played", "one build 50 50 0", "+30 % to answer 50 0 50 50",
		"noise of one build, by 20 pairs",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
}

func TestWhatIsWantedIsHeldAgainstTheFigures(t *testing.T) {
	same, slower := kind{slower: 1}, kind{slower: 1.3}
	tests := []struct {
		kind
		count
		want string
	}{
		{same, count{gates: 40, failed: 2}, "alarms 5.0 % [at most 5 %: 2 of 40]: as wanted"},
		{same, count{gates: 40, failed: 3}, "alarms 7.5 % [at most 5 %: 2 of 40]: not as wanted"},
		{slower, count{gates: 40, failed: 40, early: 34}, "caught 85.0 % [at least 85 %]: as wanted"},
		{slower, count{gates: 40, failed: 40, early: 33}, "caught 82.5 % [at least 85 %]: not as wanted"},
		{slower, count{}, "caught 0.0 % [at least 85 %]: nothing played"},
	}
	for _, tt := range tests {
		if got := wanted(tt.kind, tt.count); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestAGateOfAnotherMachineIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "gate")
	g := &reports.Gate{Rules: reports.DefaultGateRules(), Machine: harness.Fingerprint(), Ended: "whole", Pairs: pairs(10, 1)}
	g.Machine.Cores++
	keep(t, dir, g)
	if _, _, err := recorded(dir); err == nil || !strings.Contains(err.Error(), "another machine, cores: ") {
		t.Errorf("%v", err)
	}
	dir = filepath.Join(t.TempDir(), "gate")
	g.Machine = harness.Fingerprint().Rounded()
	g.Machine.Memory -= 5 << 20 // of another kernel
	keep(t, dir, g)
	if _, played, err := recorded(dir); !played || err != nil {
		t.Errorf("the same machine with another kernel: %v, %v", played, err)
	}
	if _, played, err := recorded(t.TempDir()); played || err != nil {
		t.Errorf("an empty folder: %v, %v", played, err)
	}
}
