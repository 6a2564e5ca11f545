package harness

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// gitLimit bounds the removal of a working tree, which must happen although the gate was interrupted.
const gitLimit = 30 * time.Second

// A Revision is a program built from a git revision, in a folder of its own.
type Revision struct {
	Commit  string // in full
	Program string // the executable; it stays until Remove

	folder *testbed.Folder
}

// ErrNoRevision is for a name that git does not know.
var ErrNoRevision = errors.New("no such git revision")

// BuildRevision checks ref out of the repository at dir into a temporary working tree, builds the package pkg there ("./cmd/lunchrush")
// and removes the working tree again, whatever happens. The program is static, so that it can be the service in a container too.
// Remove must be called when it is no longer wanted.
func BuildRevision(ctx context.Context, dir, ref, pkg string) (_ *Revision, err error) {
	commit, err := git(ctx, dir, "rev-parse", "--verify", "--quiet", "--end-of-options", ref+"^{commit}")
	if err != nil {
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		return nil, fmt.Errorf("%s: %w", ref, ErrNoRevision)
	}
	root, err := git(ctx, dir, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	// The working tree of a gate that was killed, and then its place in git's list. What cannot be swept is in nobody's way.
	_, _ = testbed.Clean(ctx)
	if _, err := git(ctx, root, "worktree", "prune"); err != nil {
		return nil, err
	}
	folder, err := testbed.NewFolder("revision")
	if err != nil {
		return nil, err
	}
	r := &Revision{Commit: commit, Program: filepath.Join(folder.Path, "service"), folder: folder}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Remove())
		}
	}()
	tree := filepath.Join(folder.Path, "tree")
	// Removed before the program is used: a working tree that is forgotten would stay in the repository's list.
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), gitLimit)
		defer cancel()
		if _, removeErr := git(clean, root, "worktree", "remove", "--force", tree); removeErr != nil {
			_ = os.RemoveAll(tree)
			_, removeErr = git(clean, root, "worktree", "prune") // what is gone need not be listed
			err = errors.Join(err, removeErr)
		}
	}()
	if _, err := git(ctx, root, "worktree", "add", "--detach", "--quiet", tree, commit); err != nil {
		return nil, err
	}
	build := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", r.Program, pkg)
	build.Dir = tree
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOWORK=off")
	if _, err := output(build); err != nil {
		return nil, fmt.Errorf("building %s of %s: %w", pkg, ref, err)
	}
	return r, nil
}

// Remove removes the program.
func (r *Revision) Remove() error { return r.folder.Remove() }

// git runs a git command in dir and returns what it says.
func git(ctx context.Context, dir string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	text, err := output(cmd)
	if err != nil {
		return "", fmt.Errorf("git %s: %w", args[0], err)
	}
	return text, nil
}

// output runs a command to its end and returns its stdout. A canceled context ends it with all that it has started. The error
// holds the last lines of its stderr.
func output(cmd *exec.Cmd) (string, error) {
	cmd.WaitDelay = 10 * time.Second
	var stdout, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := testbed.RunTied(cmd, syscall.SIGTERM); err != nil {
		lines := strings.Split(strings.TrimSpace(stderr.String()), "\n")
		if last := strings.Join(lines[max(0, len(lines)-20):], "\n"); last != "" {
			err = fmt.Errorf("%w\n%s", err, last)
		}
		return "", err
	}
	return strings.TrimSpace(stdout.String()), nil
}
