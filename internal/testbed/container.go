package testbed

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// A box is a part in a container.
type box struct {
	part   Part
	engine *engine
	id     string
	log    string // path

	public, internal string // of a service

	exited chan struct{}
	copied chan struct{} // closed when its output has been written down

	mu   sync.Mutex // guards what follows
	err  error
	last Usage // the newest that was read: the engine forgets it with the container's end
}

func newBox(e *engine, part Part, id, logDir string) *box {
	return &box{
		part: part, engine: e, id: id, log: filepath.Join(logDir, string(part)+".log"),
		exited: make(chan struct{}), copied: make(chan struct{}),
	}
}

// keepLog writes output to the log. If first is not nil it is given the first line of stdout.
func (b *box) keepLog(output io.ReadCloser, first chan<- []byte) error {
	file, err := os.OpenFile(b.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return errors.Join(err, output.Close())
	}
	go func() {
		defer close(b.copied)
		defer func() { _ = output.Close() }()
		defer func() { _ = file.Close() }()
		var stdout io.Writer = file
		if first != nil {
			r, w := io.Pipe()
			stdout = w
			read := make(chan struct{})
			go func() {
				defer close(read)
				defer close(first)
				lines := bufio.NewReader(r)
				if line, _ := lines.ReadBytes('\n'); len(line) > 0 {
					first <- bytes.TrimSpace(line)
				}
				_, _ = io.Copy(file, lines)
				_, _ = io.Copy(io.Discard, r) // a full disk must not stop the service
			}()
			defer func() { _ = w.Close(); <-read }()
		}
		_, _ = stdcopy.StdCopy(stdout, file, output)
	}()
	return nil
}

// await closes exited when the container has ended.
func (b *box) await() {
	go func() {
		defer close(b.exited)
		ctx := context.Background() // for as long as the container lives
		wait := b.engine.ContainerWait(ctx, b.id, client.ContainerWaitOptions{Condition: container.WaitConditionNotRunning})
		var err error
		select {
		case end := <-wait.Result:
			select {
			case <-b.copied:
			case <-time.After(2 * time.Second):
			}
			err = b.ending(ctx, int(end.StatusCode))
		case err = <-wait.Error:
			if cerrdefs.IsNotFound(err) {
				err = nil // removed
				break
			}
			err = fmt.Errorf("%s: lost sight of its container: %w", b.part, err)
		}
		b.mu.Lock()
		b.err = err
		b.mu.Unlock()
	}()
}

// ending is the error for an exit status.
func (b *box) ending(ctx context.Context, status int) error {
	if status == 0 {
		return nil
	}
	why := fmt.Errorf("exit status %d", status)
	if status > 128 {
		why = fmt.Errorf("killed by signal %d", status-128)
	}
	if r, err := b.engine.ContainerInspect(ctx, b.id, client.ContainerInspectOptions{}); err == nil && r.Container.State != nil &&
		r.Container.State.OOMKilled {
		why = fmt.Errorf("%w, limit %d MiB", ErrOutOfMemory, r.Container.HostConfig.Memory>>20)
	}
	return fmt.Errorf("%s ended: %w%s; see %s", b.part, why, lastWords(b.log), b.log)
}

func (b *box) Public() string          { return b.public }
func (b *box) Internal() string        { return b.internal }
func (b *box) Exited() <-chan struct{} { return b.exited }

func (b *box) Err() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.err
}

// ID is the container's.
func (b *box) ID() string { return b.id }

func (b *box) Stop(ctx context.Context) error {
	killed := false
	if !b.gone() {
		_, _ = b.Usage(ctx) // the last chance
		_ = b.Resume(ctx)   // a paused container does not see SIGTERM; one that is not paused refuses, and that is fine
		var err error
		if killed, err = b.stop(ctx); err != nil {
			return fmt.Errorf("%s: %w", b.part, err)
		}
		// The caller's time may be over; the container must go all the same.
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), 2*engineLimit)
		defer cancel()
		select {
		case <-b.exited:
		case <-ctx.Done():
			return fmt.Errorf("%s: the engine does not say that its container has ended", b.part)
		}
	}
	if _, err := b.engine.ContainerRemove(ctx, b.id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true}); err != nil &&
		!cerrdefs.IsNotFound(err) {
		return fmt.Errorf("%s: %w", b.part, err)
	}
	if killed {
		return &Killed{Part: string(b.part), Log: b.log}
	}
	return nil
}

// stop asks the container's process to end, and reports whether it had to be killed: after stopGrace, or when ctx is done.
func (b *box) stop(ctx context.Context) (killed bool, err error) {
	told := endTurn(ctx)
	_, err = b.engine.ContainerKill(ctx, b.id, client.ContainerKillOptions{Signal: "SIGTERM"})
	told()
	if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) && ctx.Err() == nil {
		return false, err
	}
	late := time.NewTimer(stopGrace)
	defer late.Stop()
	select {
	case <-b.exited:
		return false, nil
	case <-late.C:
	case <-ctx.Done():
	}
	return true, b.Kill()
}

func (b *box) gone() bool {
	select {
	case <-b.exited:
		return true
	default:
		return false
	}
}

func (b *box) Kill() error {
	if b.gone() {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), engineLimit)
	defer cancel()
	_, _ = b.Usage(ctx)
	_, err := b.engine.ContainerKill(ctx, b.id, client.ContainerKillOptions{Signal: "SIGKILL"})
	if err != nil && !cerrdefs.IsNotFound(err) && !cerrdefs.IsConflict(err) { // a conflict: it is not running
		return fmt.Errorf("%s: %w", b.part, err)
	}
	return nil
}

// Pause freezes the container's processes: its sockets stay open and nothing answers.
//
// Version 1 of control groups freezes one process after the other, and the engine gives up after a third of a second of
// processes and threads that are begun meanwhile, as a database at its peak does. Its container runs on then, and the engine's
// authors leave it to the caller to try again (opencontainers/runc#4388).
func (b *box) Pause(ctx context.Context) error {
	const limit, between = 5 * time.Second, 50 * time.Millisecond
	var refused error
	err := poll(ctx, limit, between, func() error {
		_, err := b.engine.ContainerPause(ctx, b.id, client.ContainerPauseOptions{})
		if err != nil && strings.Contains(err.Error(), "unable to freeze") {
			return err
		}
		refused = err
		return nil
	})
	return cmp.Or(err, refused)
}

// Resume undoes Pause.
func (b *box) Resume(ctx context.Context) error {
	_, err := b.engine.ContainerUnpause(ctx, b.id, client.ContainerUnpauseOptions{})
	return err
}

// Usage asks the container's control group. After the end it is what was read last.
func (b *box) Usage(ctx context.Context) (Usage, error) {
	if b.gone() {
		b.mu.Lock()
		defer b.mu.Unlock()
		return Usage{CPU: b.last.CPU}, nil
	}
	stats, err := b.stats(ctx)
	if err != nil {
		return Usage{}, err
	}
	memory := stats.MemoryStats.Stats
	u := Usage{
		CPU: time.Duration(stats.CPUStats.CPUUsage.TotalUsage),
		// The first version of control groups calls it rss, the second anon; mapped files are beside it in both.
		RSS: int64(memory["rss"] + memory["anon"] + memory["file_mapped"] + memory["mapped_file"]),
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if u.CPU < b.last.CPU { // it ended while we asked, and the engine answers with zeros
		return Usage{CPU: b.last.CPU}, nil
	}
	b.last = u
	return u, nil
}
