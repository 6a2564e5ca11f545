package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/reports"
)

// Whether the machine is quick enough to tell is not this test's question: exit code 97 will do, a wrong figure will not.
func TestACalibrationNeedsNoTestbedAndFindsNoFigureWrong(t *testing.T) {
	t.Parallel()
	s := startSession(t, "calibrate", "time-outs", "--json")
	if code := s.wait(t); code != exitPass && code != exitInconclusive {
		t.Fatalf("exit code %d\n%s\n%s", code, s.stdout.String(), s.stderr)
	}
	var c reports.Calibration
	if err := json.Unmarshal(s.stdout.Bytes(), &c); err != nil {
		t.Fatalf("%v\n%s", err, s.stdout.String())
	}
	if len(c.Exercises) != 1 || c.Exercises[0].Sends != 500 || len(c.Exercises[0].Figures) != 12 || c.Outcome == reports.Fail {
		t.Errorf("%+v", c)
	}
	found, err := filepath.Glob(filepath.Join(s.dir, "reports", "runs", "*-calibration", reports.CalibrationFile))
	if err != nil || len(found) != 1 {
		t.Fatalf("the folder has %v, %v", found, err)
	}
	if text, err := os.ReadFile(found[0]); err != nil || strings.TrimSpace(string(text)) != strings.TrimSpace(s.stdout.String()) {
		t.Errorf("what is printed is not what is in the folder: %v", err)
	}
	s.leftovers(t)
}

func TestACalibrationIsInterrupted(t *testing.T) {
	t.Parallel()
	s := startSession(t, "calibrate", "--json")
	s.stderr.waitFor(t, `^constant: 30 s`)
	if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if code := s.wait(t); code != exitInterrupted {
		t.Fatalf("exit code %d\n%s\n%s", code, s.stdout.String(), s.stderr)
	}
	var c reports.Calibration
	if err := json.Unmarshal(s.stdout.Bytes(), &c); err != nil || len(c.Exercises) != 0 || len(c.NotPlayed) != 5 || c.Outcome != reports.Inconclusive {
		t.Errorf("%v: %s", err, s.stdout.String())
	}
	if found, err := filepath.Glob(filepath.Join(s.dir, "reports", "runs", "*-calibration", reports.CalibrationFile)); err != nil || len(found) != 1 {
		t.Errorf("the folder has %v, %v", found, err)
	}
	s.leftovers(t)
}
