package tidy

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// The Makefile takes the scenario's name as if it were a goal. These are the ways in which that could go wrong.
func TestMakefileTakesTheNameOfAScenario(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make on PATH")
	}
	tests := []struct {
		name string
		args string
		want string // the command, or what make says
	}{
		{"the name as a goal", "scenario peak-lunch", "bin/lunchrush run 'peak-lunch'"},
		{"the name as a variable", "scenario NAME=peak-lunch", "bin/lunchrush run 'peak-lunch'"},
		{"a file: make drops its ./", "scenario ./my-peak.yaml", "bin/lunchrush run 'my-peak.yaml'"},
		{"a file that is there", "scenario scenarios/peak-lunch.yaml", "bin/lunchrush run 'scenarios/peak-lunch.yaml'"},
		{
			"every variable", "scenario peak-lunch TESTBED=local SEED=7 SPEED=1 MACHINES=10 PROFILE=as-was",
			"bin/lunchrush run 'peak-lunch' --testbed 'local' --seed '7' --speed '1' --machines '10' --profile 'as-was'",
		},
		{"prove", "prove callback-serial SEED=3", "bin/lunchrush prove 'callback-serial' --seed '3'"},
		{"plan takes no testbed", "plan peak-night TESTBED=local", "bin/lunchrush plan 'peak-night'"},
		{"no name", "scenario", `make scenario wants the name of a scenario, as in "make scenario peak-lunch"; "make list" shows them.  Stop.`},
		{"two names", "scenario peak-lunch peak-night", `make scenario takes one scenario; what is "peak-night"? Values are given as in SEED=7 (make help).  Stop.`},
		{"a name as a goal and as a variable", "scenario peak-lunch NAME=peak-night", `make scenario takes one scenario; what is "peak-lunch"? Values are given as in SEED=7 (make help).  Stop.`},
		{"a target where the name should be", "scenario clean", "make scenario wants the name of a scenario, and clean is a target; run it by itself.  Stop."},
		{"a scenario without its verb", "peak-lunch", "No rule to make target 'peak-lunch'.  Stop."},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "make", append([]string{"-n", "-C", "../.."}, strings.Fields(tt.args)...)...)
			// What this test was started by must not speak for it, least of all a make.
			cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "NAME=the-name-of-this-computer"}
			out, _ := cmd.CombinedOutput()
			got := strings.Join(strings.Fields(string(out)), " ")
			want := strings.Join(strings.Fields(tt.want), " ")
			if !strings.Contains(got+" ", want+" ") {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestMakeHelpListsEveryTarget(t *testing.T) {
	if _, err := exec.LookPath("make"); err != nil {
		t.Skip("there is no make on PATH")
	}
	tree, err := ReadTree("../..")
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), "make", "-C", "../..", "help").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range tree.Files {
		if f.Path != "Makefile" {
			continue
		}
		for _, l := range f.lines() {
			target, ok := strings.CutPrefix(l, ".PHONY: ")
			if ok && !strings.HasPrefix(target, "$") && !strings.Contains(string(out), "\n  "+target+" ") {
				t.Errorf("make help does not list %s", target)
			}
		}
	}
}
