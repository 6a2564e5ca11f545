package testbed

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// labelStack is on every container and network: the path of the ledger of the stack that started it.
const labelStack = "io.github.lunchrush.ledger"

// A ledger lists what one stack has started, so that another process can clean up after a harness that was killed. The
// harness holds a lock on it; the kernel lets go of the lock whatever kills the harness.
type ledger struct {
	id   string
	path string

	mu   sync.Mutex // guards file
	file *os.File
}

// An entry is a line of a ledger.
type entry struct {
	Process string `json:"process,omitempty"` // its part's name
	PID     int    `json:"pid,omitempty"`
	Started string `json:"started,omitempty"` // see startOf
	Folder  string `json:"folder,omitempty"`
}

// ledgerFolder is where this user's ledgers are kept.
func ledgerFolder() (string, error) {
	cache, err := cacheFolder()
	if err != nil {
		return "", err
	}
	dir := filepath.Join(cache, "started")
	return dir, os.MkdirAll(dir, 0o700)
}

// cacheFolder is lunchrush's folder below the user's cache folder, or below the temp folder for a user without a home.
func cacheFolder() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		base = filepath.Join(os.TempDir(), "cache-"+strconv.Itoa(os.Getuid()))
	}
	dir := filepath.Join(base, "lunchrush")
	return dir, os.MkdirAll(dir, 0o700)
}

func openLedger(runID string) (*ledger, error) {
	dir, err := ledgerFolder()
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	id := runID + "-" + randomHex(4)
	path := filepath.Join(dir, id+".jsonl")
	// A ledger gets its final name only once it is locked: a sweep in between would take it for an abandoned one.
	file, err := os.OpenFile(path+".new", os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", errors.Join(err, file.Close(), os.Remove(path+".new")))
	}
	return &ledger{id: id, path: path, file: file}, nil
}

func (l *ledger) add(e entry) error {
	line, err := json.Marshal(e)
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	return nil
}

// close forgets the ledger; everything in it is gone by then.
func (l *ledger) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return errors.Join(os.Remove(l.path), l.file.Close())
}

// A Sweep is what [Clean] found of earlier runs and removed.
type Sweep struct {
	Processes  []string // "mysql (pid 4711)"
	Containers []string // "lunchrush-peak-lunch-1f0e-mysql"
	Folders    []string
	Running    int      // stacks whose harness is alive; they were left alone
	Notes      []string // what could not be looked at or removed, and why
}

// Empty reports whether nothing was removed and nothing is worth saying.
func (s Sweep) Empty() bool {
	return len(s.Processes)+len(s.Containers)+len(s.Folders)+len(s.Notes) == 0
}

// Clean removes what earlier runs left because they were killed: child processes, temp folders, containers.
// Stacks whose harness is still alive are left alone. Its error joins what could not be removed.
func Clean(ctx context.Context) (Sweep, error) {
	var s Sweep
	dir, err := ledgerFolder()
	if err != nil {
		return s, err
	}
	return s, errors.Join(s.sweepLedgers(ctx, dir), s.sweepContainers(ctx, dir))
}

func (s *Sweep) sweepLedgers(ctx context.Context, dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.jsonl"))
	if err != nil {
		return err
	}
	var failed []error
	for _, name := range names {
		failed = append(failed, s.sweepLedger(ctx, name))
	}
	return errors.Join(failed...)
}

func (s *Sweep) sweepLedger(ctx context.Context, name string) error {
	file, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // its harness has just closed it
	}
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }()
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			s.Running++
			return nil
		}
		return fmt.Errorf("%s: %w", name, err)
	}
	var failed []error
	lines := bufio.NewScanner(file)
	var folders []string
	for lines.Scan() {
		var e entry
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue // the last line of a harness that was killed while it wrote
		}
		switch {
		case e.PID > 0:
			killed, err := killIfSame(ctx, e.PID, e.Started)
			if err != nil {
				failed = append(failed, fmt.Errorf("%s (pid %d): %w", e.Process, e.PID, err))
			} else if killed {
				s.Processes = append(s.Processes, fmt.Sprintf("%s (pid %d)", e.Process, e.PID))
			}
		case e.Folder != "":
			folders = append(folders, e.Folder)
		}
	}
	for _, folder := range folders {
		// A ledger is a file that anybody may have edited: only folders that this package makes are removed.
		if !strings.HasPrefix(filepath.Base(folder), folderPrefix) || !filepath.IsAbs(folder) {
			s.Notes = append(s.Notes, fmt.Sprintf("%s: not a folder of lunchrush, left alone", folder))
			continue
		}
		if _, err := os.Stat(folder); err != nil {
			continue
		}
		if err := os.RemoveAll(folder); err != nil {
			failed = append(failed, err)
			continue
		}
		s.Folders = append(s.Folders, folder)
	}
	if err := errors.Join(failed...); err != nil {
		return err // the ledger stays, for the next sweep
	}
	return os.Remove(name)
}

// killIfSame kills the process only if it is still the one that was recorded.
func killIfSame(ctx context.Context, pid int, started string) (bool, error) {
	process, err := os.FindProcess(pid)
	if err != nil {
		return false, nil
	}
	defer func() { _ = process.Release() }()
	// On Linux the handle above is bound to the process itself, so after this look the pid cannot change its owner.
	if now, err := startOf(pid); err != nil || now != started {
		return false, nil
	}
	if err := process.Kill(); err != nil {
		if errors.Is(err, os.ErrProcessDone) {
			return false, nil
		}
		return false, err
	}
	err = poll(ctx, 5*time.Second, 10*time.Millisecond, func() error {
		if now, err := startOf(pid); err == nil && now == started {
			return errors.New("still there after SIGKILL")
		}
		return nil
	})
	return err == nil, err
}

// poll calls ready until it returns nil, and returns its last error when the time is over or ctx is done.
func poll(ctx context.Context, limit, pause time.Duration, ready func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		err := ready()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return err
		case <-tick.C:
		}
	}
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return hex.EncodeToString(b)
}
