package reports

import (
	"bytes"
	"encoding/xml"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the golden files instead of comparing with them")

// golden compares got with testdata/name.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update makes it)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s differs; go test -update takes the new one:\n%s", path, diff)
	}
}

func TestMarkdownGoldens(t *testing.T) {
	for _, sample := range sampleRuns {
		t.Run(sample.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := Markdown(&b, sample.run()); err != nil {
				t.Fatal(err)
			}
			golden(t, "summary-"+sample.name+".md", b.Bytes())
		})
	}
}

func TestMarkdownKeepsATableATable(t *testing.T) {
	a := failedRun()
	a.Invariants[1].Name, a.Invariants[1].Got = "a | b\nc", "`x` <y>"
	var b bytes.Buffer
	if err := Markdown(&b, a); err != nil {
		t.Fatal(err)
	}
	if want := "| invariant: a \\| b c | failed | == 0 | \\`x\\` &lt;y&gt; (first at 11:21:07) |\n"; !strings.Contains(b.String(), want) {
		t.Errorf("%q is not in\n%s", want, b.String())
	}
}

func TestJUnitGoldens(t *testing.T) {
	for _, sample := range sampleRuns {
		t.Run(sample.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := JUnit(&b, sample.run()); err != nil {
				t.Fatal(err)
			}
			golden(t, "junit-"+sample.name+".xml", b.Bytes())
		})
	}
}

func TestJUnitReadsBack(t *testing.T) {
	tests := []struct {
		name                    string
		run                     *Analysis
		tests, failures, errors int
	}{
		{"a passed run is green", passedRun(), 9, 0, 0},
		{"missed invariants and expectations are failures, unmeasured ones errors", failedRun(), 10, 1 + 2 + 2, 1},
		{"an inconclusive run is an error, and so is the missed certificate", doubtfulRun(), 9, 0, 2},
		{"a run without invariants or expectations is not green", killedRun(), 2, 0, 2},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := JUnit(&b, test.run); err != nil {
				t.Fatal(err)
			}
			var file junitSuites
			if err := xml.Unmarshal(b.Bytes(), &file); err != nil {
				t.Fatal(err)
			}
			if file.Tests != test.tests || file.Failures != test.failures || file.Errors != test.errors {
				t.Errorf("tests %d, failures %d, errors %d; want %d, %d, %d", file.Tests, file.Failures, file.Errors, test.tests, test.failures, test.errors)
			}
			var tests, failures, errors int
			for _, s := range file.Suites {
				if s.Tests != len(s.Cases) {
					t.Errorf("suite %s says %d tests and has %d", s.Name, s.Tests, len(s.Cases))
				}
				for _, c := range s.Cases {
					tests++
					if c.Failure != nil {
						failures++
					}
					if c.Error != nil {
						errors++
					}
				}
			}
			if tests != test.tests || failures != test.failures || errors != test.errors {
				t.Errorf("the cases are %d, %d failures, %d errors", tests, failures, errors)
			}
		})
	}
}

func TestJUnitOfAFailureSaysWantAndGot(t *testing.T) {
	var b bytes.Buffer
	if err := JUnit(&b, failedRun()); err != nil {
		t.Fatal(err)
	}
	var file junitSuites
	if err := xml.Unmarshal(b.Bytes(), &file); err != nil {
		t.Fatal(err)
	}
	got := file.Suites[2].Cases[1].Failure
	if got == nil || got.Message != "want == 0, got 60" || got.Text != "first at 11:21:07" {
		t.Errorf("got %+v", got)
	}
}

func TestWriteFiles(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // the second time over the first
		if err := WriteFiles(dir, failedRun()); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		if info, err := e.Info(); err != nil || info.Size() == 0 || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: %v, %v", e.Name(), info, err)
		}
	}
	for _, want := range []string{"report.html", "junit.xml", "summary.md"} {
		if !strings.Contains(strings.Join(names, " "), want) {
			t.Errorf("%s is not there: %v", want, names)
		}
	}
	if strings.Contains(strings.Join(names, " "), "part") {
		t.Errorf("a part was left behind: %v", names)
	}
}

func TestWriteFilesNamesTheFileThatItCannotWrite(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "junit.xml"), 0o755); err != nil {
		t.Fatal(err)
	}
	err := WriteFiles(dir, passedRun())
	if err == nil || !strings.Contains(err.Error(), "junit.xml") {
		t.Errorf("got %v, want an error that names junit.xml", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "summary.md")); err != nil {
		t.Errorf("the file after the broken one is missing: %v", err)
	}
}

func TestAWriterThatFailsIsAnError(t *testing.T) {
	for name, write := range map[string]func(io.Writer, *Analysis) error{"html": HTML, "junit": JUnit, "markdown": Markdown} {
		if err := write(brokenWriter{}, passedRun()); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }
