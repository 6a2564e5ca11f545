package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// repository is a git repository with two good commits, "one" and "two", and one that does not compile, "broken". Its working
// tree has a change that is in none of them.
func repository(t *testing.T) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		if os.Getenv("LUNCHRUSH_REQUIRE") != "" {
			t.Fatal(err)
		}
		t.Skip("no git on PATH: no revision was built")
	}
	dir := t.TempDir()
	t.Setenv("TMPDIR", t.TempDir()) // what is left behind is seen
	t.Setenv("GIT_CONFIG_GLOBAL", "/dev/null")
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("git", args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "GIT_AUTHOR_NAME=a", "GIT_AUTHOR_EMAIL=a@b", "GIT_COMMITTER_NAME=a", "GIT_COMMITTER_EMAIL=a@b")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("git %q: %v\n%s", args, err, out)
		}
	}
	write := func(name, text string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	says := func(word string) string { return "package main\n\nfunc main() { println(\"" + word + "\") }\n" }
	run("init", "--quiet")
	write("go.mod", "module example.test/service\n\ngo 1.26\n")
	for _, edition := range []struct{ tag, text string }{
		{"one", says("one")}, {"two", says("two")}, {"broken", "package main\n\nfunc main() { nonsense }\n"},
	} {
		write("cmd/lunchrush/main.go", edition.text)
		run("add", ".")
		run("commit", "--quiet", "-m", edition.tag)
		run("tag", edition.tag)
	}
	write("cmd/lunchrush/main.go", says("uncommitted"))
	return dir
}

// traces are what a build has left: working trees that git lists besides the repository itself, and temporary files.
func traces(t *testing.T, dir string) []string {
	t.Helper()
	list, err := git(context.Background(), dir, "worktree", "list", "--porcelain")
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for line := range strings.Lines(list) {
		if tree, ok := strings.CutPrefix(strings.TrimSpace(line), "worktree "); ok && filepath.Base(tree) == "tree" {
			left = append(left, tree)
		}
	}
	files, err := os.ReadDir(os.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		left = append(left, f.Name())
	}
	return left
}

func TestARevisionIsBuiltAsItWasCommitted(t *testing.T) {
	dir := repository(t)
	for _, ref := range []string{"one", "two", "HEAD~1"} {
		r, err := BuildRevision(t.Context(), filepath.Join(dir, "cmd"), ref, "./cmd/lunchrush")
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(r.Program).CombinedOutput()
		want := map[string]string{"one": "one\n", "two": "two\n", "HEAD~1": "two\n"}[ref]
		if err != nil || string(out) != want || len(r.Commit) != 40 {
			t.Errorf("%s says %q, want %q: %v", ref, out, want, err)
		}
		if left := traces(t, dir); len(left) != 1 {
			t.Errorf("with %s built there are %q, want the program's folder alone", ref, left)
		}
		if err := r.Remove(); err != nil {
			t.Error(err)
		}
		if left := traces(t, dir); len(left) != 0 {
			t.Errorf("%s leaves %q", ref, left)
		}
	}
}

func TestARevisionThatCannotBeBuiltLeavesNothing(t *testing.T) {
	dir := repository(t)
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	tests := []struct {
		name     string
		ctx      context.Context
		ref, pkg string
		is       error
		says     string
	}{
		{"no such revision", t.Context(), "thirteen", "./cmd/lunchrush", ErrNoRevision, "thirteen"},
		{"an option is no revision", t.Context(), "--all", "./cmd/lunchrush", ErrNoRevision, "--all"},
		{"it does not compile", t.Context(), "broken", "./cmd/lunchrush", nil, "undefined: nonsense"},
		{"no such package", t.Context(), "one", "./cmd/other", nil, "building ./cmd/other of one"},
		{"interrupted", canceled, "one", "./cmd/lunchrush", context.Canceled, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := BuildRevision(tt.ctx, dir, tt.ref, tt.pkg)
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("%+v, %v; want %q", r, err, tt.says)
			}
			if left := traces(t, dir); len(left) != 0 {
				t.Errorf("left behind: %q", left)
			}
		})
	}
}

// stuckGo puts a go command before the real one that says when it began, and its process id, and then does nothing for long.
func stuckGo(t *testing.T) (began string) {
	t.Helper()
	bin := t.TempDir()
	began = filepath.Join(bin, "began")
	stuck := "#!/bin/sh\necho $$ > \"" + began + ".new\" && mv \"" + began + ".new\" \"" + began + "\"\nexec sleep 600\n"
	if err := os.WriteFile(filepath.Join(bin, "go"), []byte(stuck), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	return began
}

// killedGate is set in the environment of a process that builds a revision of this repository until it is killed.
const killedGate = "LUNCHRUSH_TEST_KILLED_GATE"

func TestWhatAKilledGateLeavesIsGoneWithTheNextOne(t *testing.T) {
	if dir := os.Getenv(killedGate); dir != "" {
		_, err := BuildRevision(t.Context(), dir, "one", "./cmd/lunchrush")
		t.Fatal(err)
	}
	dir := repository(t)
	path := os.Getenv("PATH")
	began := stuckGo(t)
	gate := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	gate.Env = append(os.Environ(), killedGate+"="+dir)
	if err := gate.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- gate.Wait() }()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	var builder int
	for builder == 0 {
		select {
		case err := <-ended:
			t.Fatalf("it ended before it was killed: %v", err)
		case <-tick.C:
			text, _ := os.ReadFile(began)
			builder, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		}
	}
	if err := gate.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	<-ended
	if left := traces(t, dir); len(left) != 2 {
		t.Fatalf("a killed gate leaves its working tree, in its folder and in git's list, not %q", left)
	}
	if runtime.GOOS == "linux" { // elsewhere nothing ends a build with its gate
		goesOn := func() bool {
			line, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", builder))
			return len(line) > 0 // a zombie, which init has yet to reap, has none
		}
		for deadline := time.Now().Add(10 * time.Second); goesOn(); <-tick.C {
			if time.Now().After(deadline) {
				t.Error("the build goes on without its gate")
				_ = syscall.Kill(builder, syscall.SIGKILL)
				break
			}
		}
	}
	t.Setenv("PATH", path)
	r, err := BuildRevision(t.Context(), dir, "two", "./cmd/lunchrush")
	if err != nil {
		t.Fatal(err)
	}
	if left := traces(t, dir); len(left) != 1 {
		t.Errorf("there are %q, want the new program's folder alone", left)
	}
	if err := r.Remove(); err != nil {
		t.Error(err)
	}
	if left := traces(t, dir); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}

// An interrupt in the middle of a build is harder than one before it: git has listed the working tree by then.
func TestAnInterruptedBuildLeavesNothing(t *testing.T) {
	dir := repository(t)
	started := stuckGo(t)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := BuildRevision(ctx, dir, "one", "./cmd/lunchrush")
		ended <- err
	}()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for began := false; !began; {
		select {
		case err := <-ended:
			t.Fatalf("it ended before it was interrupted: %v", err)
		case <-tick.C:
			_, err := os.Stat(started)
			began = err == nil
		}
	}
	if left := traces(t, dir); len(left) < 2 {
		t.Fatalf("the working tree is not there while it is built in: %q", left)
	}
	cancel()
	if err := <-ended; err == nil {
		t.Error("an interrupted build is one that went well")
	}
	if left := traces(t, dir); len(left) != 0 {
		t.Errorf("left behind: %q", left)
	}
}
