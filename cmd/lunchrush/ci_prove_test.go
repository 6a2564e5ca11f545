package main

import (
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports"
)

// proofsEnv names the JUnit file of a `prove --all` that was inconclusive.
const proofsEnv = "LUNCHRUSH_PROOFS"

// This is .ci/run's question, not a test of the program: was it the machine, which was too busy to send on time, and nothing else?
func TestTheProofsAreInDoubtForLateSendsAlone(t *testing.T) {
	path := os.Getenv(proofsEnv)
	if path == "" {
		t.Skip(proofsEnv + " names no proofs: .ci/run asks about its own")
	}
	if err := lateAlone(path, filepath.Join("..", "..")); err != nil {
		t.Error(err)
	}
}

// lateAlone is nil when the proofs of a JUnit file have sides that were not shown, and all of these sent late and did nothing
// else wrong. Run folders are below root.
func lateAlone(path, root string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	type message struct {
		Type string `xml:"type,attr"`
		Text string `xml:",chardata"` // the run's folder
	}
	var file struct {
		Suites []struct {
			Name  string `xml:"name,attr"`
			Cases []struct {
				Name    string   `xml:"name,attr"`
				Failure *message `xml:"failure"`
				Error   *message `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal(text, &file); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	var wrong []error
	doubts := 0
	for _, s := range file.Suites {
		for _, c := range s.Cases {
			m := c.Error
			if m == nil {
				m = c.Failure // a failure that was seen in a run without a certificate is one
			}
			if m == nil {
				continue
			}
			doubts++
			dir := strings.TrimSpace(m.Text)
			if !filepath.IsAbs(dir) {
				dir = filepath.Join(root, dir)
			}
			if err := lateRun(dir); err != nil {
				wrong = append(wrong, fmt.Errorf("%s, %s: %s: %w", s.Name, c.Name, m.Type, err))
			}
		}
	}
	if doubts == 0 {
		return fmt.Errorf("%s: no proof is in doubt", path)
	}
	return errors.Join(wrong...)
}

// lateRun is nil when a run sent late and nothing else is wrong with it. What must fail as it was says nothing by its invariants
// and expectations.
func lateRun(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "report.json"))
	if err != nil {
		return err
	}
	var a reports.Analysis
	if err := json.Unmarshal(text, &a); err != nil {
		return fmt.Errorf("%s: %w", dir, err)
	}
	checks := a.Certificate
	if a.Run.Profile != harness.AsWas {
		checks = slices.Concat(a.Certificate, a.Invariants, a.Expect)
	}
	late := false
	for _, c := range checks {
		switch {
		case c.Status == "pass":
		case strings.HasPrefix(c.Name, "lateness p99"):
			late = true
		default:
			return fmt.Errorf("%s: %s, want %s", c.Name, c.Got, c.Want)
		}
	}
	if !late {
		return errors.New("no send was late")
	}
	return nil
}

func TestALateMachineExcusesNothingElse(t *testing.T) {
	ok := reports.Check{Name: "sent of planned", Status: "pass"}
	late := reports.Check{Name: "lateness p99", Status: "fail"}
	latePolls := reports.Check{Name: "lateness p99 of poll sends", Status: "fail"}
	bad := func(name string) reports.Check {
		return reports.Check{Name: name, Got: "this", Want: "that", Status: "fail"}
	}
	unknown := reports.Check{Name: "stock.illegal", Got: "-", Want: "== 0", Status: "unknown"}
	type side struct {
		profile                         string
		certificate, invariants, expect []reports.Check
		kind                            string // of its element; "": it was shown
	}
	tests := []struct {
		name  string
		sides []side
		want  string // of the error; "": none
	}{
		{"late sends", []side{{harness.Hardened, []reports.Check{ok, late, latePolls}, []reports.Check{ok}, []reports.Check{ok}, "error"}}, ""},
		{"a failure that a late run shows", []side{{harness.AsWas, []reports.Check{late}, []reports.Check{bad("no order lost")}, nil, "failure"}}, ""},
		{"late, and the harness was full", []side{{harness.Hardened, []reports.Check{late, bad("workers")}, nil, nil, "error"}}, "workers: this, want that"},
		{"late as it was, and a fault was not felt", []side{{harness.AsWas, []reports.Check{late, bad("felt: kill")}, nil, nil, "error"}}, "felt: kill"},
		{"late, and money is wrong", []side{{harness.Hardened, []reports.Check{late}, []reports.Check{bad("no order lost")}, nil, "failure"}}, "no order lost"},
		{"late, and a limit is missed", []side{{harness.Hardened, []reports.Check{late}, nil, []reports.Check{bad("notify.p99")}, "error"}}, "notify.p99"},
		{"late, and something is not known", []side{{harness.Hardened, []reports.Check{late}, nil, []reports.Check{unknown}, "error"}}, "stock.illegal"},
		{"one is late, another does not prove", []side{
			{harness.Hardened, []reports.Check{late}, nil, nil, "error"}, {harness.AsWas, []reports.Check{ok}, nil, nil, "failure"},
		}, "no send was late"},
		{"nothing is in doubt", []side{{harness.Hardened, []reports.Check{ok}, nil, nil, ""}}, "no proof is in doubt"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			root := t.TempDir()
			junit := `<testsuites><testsuite name="twice">`
			for i, s := range tt.sides {
				dir := fmt.Sprintf("run-%d", i)
				if err := os.Mkdir(filepath.Join(root, dir), 0o755); err != nil {
					t.Fatal(err)
				}
				text, err := json.Marshal(reports.Analysis{
					Run: runlog.Manifest{Profile: s.profile}, Certificate: s.certificate, Invariants: s.invariants, Expect: s.expect,
				})
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(root, dir, "report.json"), text, 0o644); err != nil {
					t.Fatal(err)
				}
				if s.kind != "" {
					dir = fmt.Sprintf("<%[1]s type=\"inconclusive\">%[2]s</%[1]s>", s.kind, dir)
				} else {
					dir = ""
				}
				junit += fmt.Sprintf(`<testcase name=%q>%s</testcase>`, s.profile, dir)
			}
			path := filepath.Join(root, "proofs.xml")
			if err := os.WriteFile(path, []byte(junit+`</testsuite></testsuites>`), 0o644); err != nil {
				t.Fatal(err)
			}
			err := lateAlone(path, root)
			if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// A pattern that matches no test passes.
func TestTheCheckAsksAQuestionThatThereIs(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", ".ci", "run"))
	if err != nil {
		t.Fatal(err)
	}
	if want := proofsEnv + `=$proofs_xml go test -count=1 -run '^TestTheProofsAreInDoubtForLateSendsAlone$' ./cmd/lunchrush`; !strings.Contains(string(text), want) {
		t.Errorf(".ci/run does not say %s", want)
	}
}
