package testbed

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/txtar"
)

// engineSources is the module embedded/tidb as an archive: a module cannot embed the files of another one, and an
// installed lunchrush has no checkout beside it. A test keeps the two the same; `go test ./internal/testbed -update` after
// a change there.
//
//go:embed tidb.txtar
var engineSources []byte

// engineFolder is where the engine of exactly these sources is kept.
func engineFolder() (string, error) {
	cache, err := cacheFolder()
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(engineSources)
	return filepath.Join(cache, "embedded", hex.EncodeToString(sum[:8])), nil
}

// EngineBuilt reports whether the embedded database engine is in the cache, ready to be started.
func EngineBuilt() bool {
	dir, err := engineFolder()
	if err != nil {
		return false
	}
	_, err = os.Stat(filepath.Join(dir, "tidb"))
	return err == nil
}

func requireGo() error {
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("its engine is not built yet, and there is no go command to build it with")
	}
	return nil
}

// BuildEngine returns the executable of the embedded database engine, and builds it if it is not in the cache: once for
// each version of its sources, about 5 minutes of two cores, 300 MB of modules and 2 GB of memory. notice is told before.
func BuildEngine(ctx context.Context, notice func(string)) (string, error) {
	dir, err := engineFolder()
	if err != nil {
		return "", err
	}
	final := filepath.Join(dir, "tidb")
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if err := requireGo(); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	unlock, err := lock(ctx, filepath.Join(dir, "lock"), func() {
		notice("another process is building the embedded database engine; waiting for it")
	})
	if err != nil {
		return "", fmt.Errorf("embedded database engine: %w", err)
	}
	defer unlock()
	if _, err := os.Stat(final); err == nil {
		return final, nil // built while we waited
	}
	notice("building the embedded database engine, once, about 5 minutes")
	begun := time.Now()
	if err := compile(ctx, dir, final); err != nil {
		return "", fmt.Errorf("building the embedded database engine: %w", err)
	}
	notice(fmt.Sprintf("built the embedded database engine in %v", time.Since(begun).Round(time.Second)))
	return final, nil
}

func compile(ctx context.Context, dir, final string) error {
	source := filepath.Join(dir, "source")
	if err := os.MkdirAll(source, 0o700); err != nil {
		return err
	}
	for _, f := range txtar.Parse(engineSources).Files {
		if err := os.WriteFile(filepath.Join(source, filepath.Base(f.Name)), f.Data, 0o600); err != nil {
			return err
		}
	}
	logPath := filepath.Join(dir, "build.log")
	log, err := os.Create(logPath)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	// In the module's own folder: its replace does not count anywhere else.
	cmd := exec.CommandContext(ctx, "go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", final+".new", ".")
	cmd.Dir = source
	cmd.Env = append(os.Environ(), "GOWORK=off")
	cmd.Stdout, cmd.Stderr = log, log
	if err := RunTied(cmd, syscall.SIGKILL); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return fmt.Errorf("go build: %w%s; see %s", err, lastWords(logPath), logPath)
	}
	return os.Rename(final+".new", final)
}

// lock takes a file's lock; waiting is called once if somebody else holds it.
func lock(ctx context.Context, path string, waiting func()) (unlock func(), err error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	said := false
	for {
		err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = file.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, errors.Join(err, file.Close())
		}
		if !said {
			waiting()
			said = true
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(context.Cause(ctx), file.Close())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
