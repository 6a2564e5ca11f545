package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
)

func TestAnInterruptedSearchStopsEverythingAndWritesWhatWasMeasured(t *testing.T) {
	t.Parallel()
	needTestbed(t, sessionTestbed)
	// The shortest trial that is one, of a small fleet.
	s := startSession(t, "capacity", "short.yaml", "--testbed", sessionTestbed, "--warm-up", "1s", "--measure", "13s", "--budget", "10m")
	s.stderr.waitFor(t, `trial 1, ramp: .* machines: (pass|fail|invalid)`)
	s.stderr.waitFor(t, `trial 2, ramp: `)
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := s.wait(t); code != exitInterrupted {
		t.Fatalf("exit code %d\n%s\n%s", code, s.stdout.String(), s.stderr)
	}
	dir := s.runDir(t)
	text, err := os.ReadFile(filepath.Join(dir, reports.CapacityJSONFile))
	if err != nil {
		t.Fatal(err)
	}
	var c reports.Capacity
	if err := json.Unmarshal(text, &c); err != nil {
		t.Fatal(err)
	}
	if c.Ended != reports.EndedInterrupted || len(c.Trials) != 1 {
		t.Fatalf("ended %q after %d trials", c.Ended, len(c.Trials))
	}
	trial := c.Trials[0]
	if trial.Offered <= 0 || trial.Evidence.ServiceCores <= 0 || trial.Evidence.HarnessCores <= 0 || trial.Evidence.DatabaseCores <= 0 ||
		trial.Evidence.DBQueries <= 0 || trial.Evidence.PoolLimit != 20 || len(trial.Evidence.Workers) == 0 || trial.Little.L <= 0 {
		t.Errorf("the trial has no evidence: %+v", trial)
	}
	if _, err := os.Stat(filepath.Join(dir, trial.Folder, reports.ReportFile)); err != nil {
		t.Errorf("the trial's own report: %v", err)
	}
	for _, name := range []string{reports.CapacityHTMLFile, reports.CapacityMDFile} {
		if page, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Contains(page, []byte("Interrupted")) {
			t.Errorf("%s does not say that it is partial: %v", name, err)
		}
	}
	if !strings.Contains(s.stdout.String(), "Interrupted: what follows rests on the trials that were played to their end") {
		t.Errorf("stdout does not:\n%s", s.stdout.String())
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(reports.CapacitySchemaJSON))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("capacity.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("capacity.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := schema.Validate(got); err != nil {
		t.Error(err)
	}
	s.leftovers(t)
}

// GOMAXPROCS is a whole number: 0.5 would be measured as one, and the answer be of a machine twice as large.
func TestAPartOfAProcessorIsForContainersOnly(t *testing.T) {
	t.Parallel()
	needTestbed(t, testbed.Local)
	s := startSession(t, "capacity", "six-hundred-devices", "--testbed", testbed.Local, "--cpus", "1.5")
	if code := s.wait(t); code != exitUsage {
		t.Errorf("exit code %d", code)
	}
	for _, want := range []string{"1.5 CPUs: only a container is held to a part of one; here the service would have 2", "hint: --cpus with a whole number, or --testbed containers"} {
		if !strings.Contains(s.stderr.String(), want) {
			t.Errorf("%q is not said:\n%s", want, s.stderr)
		}
	}
}
