package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
)

// scripts are the shell lines of a workflow, wherever they stand in it, by the keys that hold them.
func scripts(node any, key string) []string {
	var lines []string
	switch v := node.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			lines = append(lines, scripts(v[k], k)...)
		}
	case []any:
		for _, item := range v {
			lines = append(lines, scripts(item, key)...)
		}
	case string:
		if slices.Contains([]string{"run", "script", "before_script"}, key) {
			lines = append(lines, strings.Split(v, "\n")...)
		}
	}
	return lines
}

func readWorkflow(t *testing.T, name string) (text string, parsed map[string]any) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "..", "deploy", "ci", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(raw, &parsed); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return string(raw), parsed
}

// at walks into a parsed file: keys, and indices of lists.
func at(t *testing.T, node any, path ...any) any {
	t.Helper()
	for _, step := range path {
		switch s := step.(type) {
		case string:
			m, ok := node.(map[string]any)
			if !ok || m[s] == nil {
				t.Fatalf("there is no %v in %v", path, node)
			}
			node = m[s]
		case int:
			l, ok := node.([]any)
			if !ok || len(l) <= s {
				t.Fatalf("there is no %v in %v", path, node)
			}
			node = l[s]
		}
	}
	return node
}

var (
	callOfLunchrush = regexp.MustCompile(`(?:^|\s)bin/lunchrush ([^|&;]*)`)
	callOfMake      = regexp.MustCompile(`^\s*make ([a-z-]+)`)
	installs        = regexp.MustCompile(`apt-get install (.*)`)
)

// A workflow that calls what is not there is found by whoever copies it, on their first pull request.
func TestTheWorkflowsCallWhatThereIs(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join("..", "..", "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	packages, err := os.ReadFile(filepath.Join("..", "..", "make", "packages.sh"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"github.yml", "gitlab.yml"} {
		t.Run(name, func(t *testing.T) {
			_, parsed := readWorkflow(t, name)
			lines := scripts(parsed, "")
			gates, targets, installed := 0, 0, 0
			for _, line := range lines {
				for _, m := range callOfLunchrush.FindAllStringSubmatch(line, -1) {
					gates++
					checkCall(t, strings.Fields(m[1]))
				}
				for _, m := range callOfMake.FindAllStringSubmatch(line, -1) {
					targets++
					if !regexp.MustCompile(`(?m)^` + m[1] + `:`).Match(makefile) {
						t.Errorf("%q: the Makefile has no target %s", line, m[1])
					}
				}
				for _, m := range installs.FindAllStringSubmatch(line, -1) {
					for _, p := range strings.Fields(m[1]) {
						if strings.HasPrefix(p, "-") || p == "make" {
							continue
						}
						installed++
						if !strings.Contains(string(packages), " "+p+`"`) {
							t.Errorf("%q: make/packages.sh knows no package %s", line, p)
						}
					}
				}
			}
			if gates != 1 || targets == 0 || installed != 3 {
				t.Errorf("%d calls of lunchrush, %d of make, %d packages in\n%s", gates, targets, installed, strings.Join(lines, "\n"))
			}
		})
	}
}

// checkCall parses a command line as the program would, and looks at what it names.
func checkCall(t *testing.T, args []string) {
	t.Helper()
	root := newRoot(newTerminal(strings.NewReader(""), io.Discard, io.Discard))
	c, rest, err := root.Find(args)
	if err != nil || c == root {
		t.Fatalf("%q: no such command: %v", args, err)
	}
	if err := c.ParseFlags(rest); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	if err := c.ValidateArgs(c.Flags().Args()); err != nil {
		t.Fatalf("%q: %v", args, err)
	}
	if _, err := scenarios.Find(c.Flags().Arg(0), harness.Known()); err != nil {
		t.Errorf("%q: %v", args, err)
	}
	if out := c.Flags().Lookup("out").Value.String(); out != "gate" {
		t.Errorf("%q: the gate's files go to %q, and are looked for in gate", args, out)
	}
}

func TestTheGitHubWorkflow(t *testing.T) {
	text, parsed := readWorkflow(t, "github.yml")
	on, ok := parsed["on"].(map[string]any)
	if !ok || !slices.Contains(slices.Collect(maps.Keys(on)), "pull_request") {
		t.Errorf("it is not started by pull requests: %v", parsed["on"])
	}
	if got := at(t, parsed, "permissions", "contents"); got != "read" {
		t.Errorf("it may %v the contents", got)
	}
	steps := at(t, parsed, "jobs", "gate", "steps").([]any)
	pinned := regexp.MustCompile(`^[\w-]+/[\w-]+@v\d+$`)
	for _, step := range steps {
		if uses, ok := step.(map[string]any)["uses"].(string); ok && !pinned.MatchString(uses) {
			t.Errorf("%s is not pinned to a version", uses)
		}
		if run, ok := step.(map[string]any)["run"].(string); ok && strings.Contains(run, "${{") {
			t.Errorf("what a pull request names is put into a script: %s", run)
		}
	}
	if got := at(t, parsed, "jobs", "gate", "steps", 0, "with", "fetch-depth"); got != 0 {
		t.Errorf("the base's commit is not fetched: fetch-depth is %v", got)
	}
	if !strings.Contains(text, "output-file-path: gate/"+reports.GateBenchmarkFile) || !strings.Contains(text, "tool: customSmallerIsBetter") {
		t.Error("it does not say how the history is drawn")
	}
}

func TestTheGitLabWorkflow(t *testing.T) {
	_, parsed := readWorkflow(t, "gitlab.yml")
	if got := at(t, parsed, "gate", "artifacts", "reports", "junit"); got != "gate/"+reports.JUnitFile {
		t.Errorf("JUnit is looked for in %v", got)
	}
	if got := at(t, parsed, "gate", "artifacts", "when"); got != "always" {
		t.Errorf("the figures are kept %v", got)
	}
	if got := at(t, parsed, "gate", "allow_failure", "exit_codes", 0); got != exitInconclusive {
		t.Errorf("exit code %v is a warning, an inconclusive gate has %d", got, exitInconclusive)
	}
	if got := at(t, parsed, "gate", "variables", "GIT_DEPTH"); got != "0" {
		t.Errorf("the base's commit is not fetched: GIT_DEPTH is %v", got)
	}
}

// playScript runs lines as a CI does, with a lunchrush and a make that do nothing but end with a code, and says how they ended.
func playScript(t *testing.T, lines []string, code int) int {
	t.Helper()
	dir := t.TempDir()
	stub := func(name string, code int) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, fmt.Appendf(nil, "#!/bin/sh\nexit %d\n", code), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	stub("bin/lunchrush", code)
	stub("make", 0)
	bash := exec.CommandContext(t.Context(), "bash", "-e", "-c", strings.Join(lines, "\n"))
	bash.Dir = dir
	bash.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "BASE=main")
	var exit *exec.ExitError
	if out, err := bash.CombinedOutput(); err != nil && !errors.As(err, &exit) {
		t.Fatalf("%v\n%s", err, out)
	}
	return bash.ProcessState.ExitCode()
}

// strictLine is what stands in the line that is left out to be strict.
const strictLine = "left out"

func TestAGateFailsTheStepThatPlaysIt(t *testing.T) {
	step := gateStep(t)
	strict := slices.DeleteFunc(slices.Clone(step), func(line string) bool { return strings.Contains(line, strictLine) })
	if len(strict) != len(step)-1 {
		t.Fatalf("%d lines say that they may be %s, want 1:\n%s", len(step)-len(strict), strictLine, strings.Join(step, "\n"))
	}
	_, gitlab := readWorkflow(t, "gitlab.yml")
	var job []string
	for _, line := range at(t, gitlab, "gate", "script").([]any) {
		job = append(job, line.(string))
	}
	for _, tt := range []struct {
		name  string
		lines []string
		lax   bool // an inconclusive gate is green
	}{
		{"GitHub's, as it stands", step, true},
		{"GitHub's, to be strict", strict, false},
		{"GitLab's, whose allow_failure turns 97 into a warning", job, false},
	} {
		for _, code := range []int{0, exitRegression, exitInconclusive, exitInvariant, exitUsage, exitInterrupted, 1} {
			want := code
			if tt.lax && code == exitInconclusive {
				want = 0
			}
			if got := playScript(t, tt.lines, code); got != want {
				t.Errorf("%s: a gate that ends with %d ends the script with %d, want %d", tt.name, code, got, want)
			}
		}
	}
}

// gateStep is the script of GitHub's step that plays the gate.
func gateStep(t *testing.T) []string {
	t.Helper()
	_, github := readWorkflow(t, "github.yml")
	for _, s := range at(t, github, "jobs", "gate", "steps").([]any) {
		if run, ok := s.(map[string]any)["run"].(string); ok && strings.Contains(run, "bin/lunchrush gate") {
			return strings.Split(strings.TrimSpace(run), "\n")
		}
	}
	t.Fatal("no step plays the gate")
	return nil
}

// GitHub names no commit before the first push of a branch, and one that is gone after a push by force.
func TestAPushThatHasNoCommitBeforeItIsHeldAgainstTheOneBelow(t *testing.T) {
	dir := t.TempDir()
	git := func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), "git", append([]string{"-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false"}, args...)...)
		cmd.Dir = dir
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
		return strings.TrimSpace(string(out))
	}
	git("init", "-q")
	git("commit", "-q", "--allow-empty", "-m", "first")
	first := git("rev-parse", "HEAD")
	for _, message := range []string{"second", "third"} {
		git("commit", "-q", "--allow-empty", "-m", message)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "bin", "lunchrush"), []byte("#!/bin/sh\necho \"$@\" > called\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for base, want := range map[string]string{first: first, strings.Repeat("0", 40): "HEAD^", strings.Repeat("1", 40): "HEAD^"} {
		bash := exec.CommandContext(t.Context(), "bash", "-e", "-c", strings.Join(gateStep(t), "\n"))
		bash.Dir, bash.Env = dir, append(os.Environ(), "BASE="+base)
		if out, err := bash.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		called, err := os.ReadFile(filepath.Join(dir, "called"))
		if err != nil || !strings.Contains(string(called), "--base "+want+" ") {
			t.Errorf("the commit before is %s: %q, %v, want --base %s", base, called, err, want)
		}
	}
}
