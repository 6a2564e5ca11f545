package testbed

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// ownCache gives the test ledgers of its own: other packages' tests start testbeds at the same time, and sweep.
func ownCache(t *testing.T) {
	t.Helper()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	t.Setenv("HOME", t.TempDir())
	t.Setenv("DOCKER_HOST", "tcp://192.0.2.1:1") // no look at containers
}

func sleeper(t *testing.T) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return cmd
}

// abandon leaves the ledger as a killed harness does: there, and not locked.
func abandonLedger(t *testing.T, entries ...entry) {
	t.Helper()
	l, err := openLedger("killed")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if err := l.add(e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.file.WriteString(`{"process":"half a li`); err != nil {
		t.Fatal(err)
	}
	if err := l.file.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCleanRemovesWhatAKilledHarnessLeft(t *testing.T) {
	ownCache(t)
	child := sleeper(t)
	born, err := startOf(child.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), folderPrefix+"123")
	if err := os.MkdirAll(filepath.Join(folder, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	abandonLedger(t, entry{Process: "mysql", PID: child.Process.Pid, Started: born}, entry{Folder: folder})

	s, err := Clean(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(s.Processes) != 1 || !strings.HasPrefix(s.Processes[0], "mysql (pid ") || len(s.Folders) != 1 || s.Folders[0] != folder {
		t.Errorf("swept %+v", s)
	}
	if err := child.Wait(); err == nil {
		t.Error("the child ended by itself")
	}
	if _, err := os.Stat(folder); err == nil {
		t.Error("the folder is still there")
	}
	if s, err := Clean(t.Context()); err != nil || len(s.Processes)+len(s.Folders) != 0 {
		t.Errorf("the second sweep found %+v, %v", s, err)
	}
}

func TestCleanLeavesAlone(t *testing.T) {
	ownCache(t)

	t.Run("a process that was given the pid of ours", func(t *testing.T) {
		child := sleeper(t)
		abandonLedger(t, entry{Process: "mysql", PID: child.Process.Pid, Started: "1@another boot"})
		if s, err := Clean(t.Context()); err != nil || len(s.Processes) != 0 {
			t.Errorf("swept %+v, %v", s, err)
		}
		if _, err := startOf(child.Process.Pid); err != nil {
			t.Error("a stranger was killed")
		}
	})

	t.Run("a folder that is not lunchrush's", func(t *testing.T) {
		folder := t.TempDir()
		abandonLedger(t, entry{Folder: folder})
		if s, err := Clean(t.Context()); err != nil || len(s.Folders) != 0 || len(s.Notes) == 0 {
			t.Errorf("swept %+v, %v", s, err)
		}
		if _, err := os.Stat(folder); err != nil {
			t.Error("a stranger's folder was removed")
		}
	})

	t.Run("a stack whose harness is alive", func(t *testing.T) {
		child := sleeper(t)
		born, err := startOf(child.Process.Pid)
		if err != nil {
			t.Fatal(err)
		}
		l, err := openLedger("alive")
		if err != nil {
			t.Fatal(err)
		}
		if err := l.add(entry{Process: "mysql", PID: child.Process.Pid, Started: born}); err != nil {
			t.Fatal(err)
		}
		if s, err := Clean(t.Context()); err != nil || s.Running != 1 || len(s.Processes) != 0 {
			t.Errorf("swept %+v, %v", s, err)
		}
		if err := l.close(); err != nil {
			t.Fatal(err)
		}
		if s, err := Clean(t.Context()); err != nil || s.Running != 0 {
			t.Errorf("after its close: %+v, %v", s, err)
		}
	})
}
