package testbed

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// stopGrace is how long a part may take to end after SIGTERM before it is killed. mariadbd needs about 0.2 s.
const stopGrace = 10 * time.Second

// A command is a child process to be.
type command struct {
	part      Part
	path      string
	args      []string
	env       []string // added to the harness's own
	stdin     []byte   // given whole, then closed, unless holdStdin
	holdStdin bool     // stdin stays open until the part is stopped: the child ends when it is closed
	announces bool     // its first line on stdout is wanted, see process.announced
	logDir    string
	place     place
}

// A process is a child process. It dies with the harness (Linux), is reaped as soon as it ends, and its output is kept.
type process struct {
	command
	cmd     *exec.Cmd
	log     string // path
	hold    io.Closer
	started time.Time
	lines   chan []byte // the first line of stdout, closed at its end

	public, internal string // of a service

	exited chan struct{}
	mu     sync.Mutex // guards err, stopping
	err    error
}

// start starts the child. The caller sees to it that it is listening.
func (c command) start(l *ledger) (*process, error) {
	logPath := filepath.Join(c.logDir, string(c.part)+".log")
	logFile, err := os.OpenFile(logPath, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() { _ = logFile.Close() }() // the child has its own

	cmd := exec.Command(c.path, c.args...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stderr = logFile
	cmd.SysProcAttr = childAttributes()
	p := &process{command: c, cmd: cmd, log: logPath, exited: make(chan struct{}), lines: make(chan []byte, 1)}

	// Plain pipes rather than exec's copying goroutines: Wait must not wait for a grandchild that still holds stdout.
	var childEnds []*os.File
	defer func() {
		for _, f := range childEnds {
			_ = f.Close()
		}
	}()
	var stdin, stdout *os.File
	if c.holdStdin || c.stdin != nil {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, err
		}
		cmd.Stdin, stdin = r, w
		childEnds = append(childEnds, r)
	}
	cmd.Stdout = logFile
	if c.announces {
		r, w, err := os.Pipe()
		if err != nil {
			return nil, errors.Join(err, closeIf(stdin))
		}
		cmd.Stdout, stdout = w, r
		childEnds = append(childEnds, w)
	}

	begun := make(chan error, 1)
	go p.run(begun)
	if err := <-begun; err != nil {
		return nil, fmt.Errorf("%s: %w", c.part, errors.Join(err, closeIf(stdin), closeIf(stdout)))
	}
	if stdin != nil {
		if c.holdStdin {
			p.hold = stdin
		} else {
			go func() {
				_, _ = stdin.Write(c.stdin) // a child that does not read its stdin says so by not listening
				_ = stdin.Close()
			}()
		}
	}
	if stdout != nil {
		go p.read(stdout)
	}
	pid := cmd.Process.Pid
	born, err := startOf(pid)
	if err != nil {
		return p, nil // it has ended already; the caller finds out from exited
	}
	if err := l.add(entry{Process: string(c.part), PID: pid, Started: born}); err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

func closeIf(f *os.File) error {
	if f == nil {
		return nil
	}
	return f.Close()
}

// run starts the child and waits for it, on one thread. The kernel sends the parent-death signal when the thread that
// made the child ends, not the process: Go ends idle threads and those of finished locked goroutines, so this goroutine
// keeps its thread for as long as the child lives.
func (p *process) run(begun chan<- error) {
	runtime.LockOSThread()
	if p.place.anywhere() {
		defer runtime.UnlockOSThread() // else the thread ends with this goroutine: nobody else may run in the child's place
	}
	p.started = time.Now()
	err := p.place.take()
	if err == nil {
		err = begin(p.cmd)
	}
	if err == nil {
		if err = p.place.wall(p.cmd.Process.Pid); err != nil {
			err = errors.Join(err, p.cmd.Process.Kill(), p.cmd.Wait())
		}
	}
	begun <- err
	if err != nil {
		return
	}
	err = p.cmd.Wait()
	p.mu.Lock()
	if err != nil {
		p.err = fmt.Errorf("%s ended: %w%s; see %s", p.part, err, lastWords(p.log), p.log)
	}
	p.mu.Unlock()
	close(p.exited)
}

// read passes on the first line of stdout and keeps the rest in the log.
func (p *process) read(stdout io.ReadCloser) {
	defer func() { _ = stdout.Close() }()
	defer close(p.lines)
	r := bufio.NewReader(stdout)
	line, err := r.ReadBytes('\n')
	if err != nil && len(line) == 0 {
		return
	}
	p.lines <- bytes.TrimSpace(line)
	log, err := os.OpenFile(p.log, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		_, _ = io.Copy(io.Discard, r)
		return
	}
	defer func() { _ = log.Close() }()
	_, _ = io.Copy(log, r)
}

// announced waits for the first line on stdout.
func (p *process) announced(ctx context.Context) ([]byte, error) {
	select {
	case line, ok := <-p.lines:
		if ok {
			return line, nil
		}
		// Its stdout is closed, so it is ending; give it a moment to say with what status.
		select {
		case <-p.exited:
			return nil, p.ended()
		case <-time.After(2 * time.Second):
			return nil, fmt.Errorf("%s closed its stdout without having said that it listens; see %s", p.part, p.log)
		}
	case <-ctx.Done():
		return nil, fmt.Errorf("%s does not say that it listens: %w%s; see %s", p.part, context.Cause(ctx), lastWords(p.log), p.log)
	}
}

// ended is the error for a part that ended when it should have come up.
func (p *process) ended() error {
	if err := p.Err(); err != nil {
		return err
	}
	return fmt.Errorf("%s ended: exit status 0%s; see %s", p.part, lastWords(p.log), p.log)
}

func (p *process) Public() string          { return p.public }
func (p *process) Internal() string        { return p.internal }
func (p *process) Exited() <-chan struct{} { return p.exited }

func (p *process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// PID is the child's process id.
func (p *process) PID() int { return p.cmd.Process.Pid }

func (p *process) Stop(ctx context.Context) error {
	select {
	case <-p.exited:
		p.release()
		return nil
	default:
	}
	_ = p.cmd.Process.Signal(syscall.SIGCONT) // a paused process does not see SIGTERM
	if p.hold != nil {
		_ = p.hold.Close() // how such a part is asked to end; a signal would make it look killed
	} else {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	late := time.NewTimer(stopGrace)
	defer late.Stop()
	select {
	case <-p.exited:
		p.release()
		return nil
	case <-late.C:
	case <-ctx.Done():
	}
	if err := p.Kill(); err != nil {
		return err
	}
	<-p.exited
	return &Killed{Part: string(p.part), Log: p.log}
}

// release lets go of what the harness holds for a process that has ended.
func (p *process) release() {
	if p.hold != nil {
		_ = p.hold.Close()
	}
}

func (p *process) Kill() error {
	err := p.cmd.Process.Kill()
	if errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Pause stops the process in its tracks (SIGSTOP): its sockets stay open and nothing answers. It returns when every thread
// stands still; until then one of them might still answer.
func (p *process) Pause(ctx context.Context) error {
	if err := p.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		return fmt.Errorf("%s: %w", p.part, err)
	}
	return poll(ctx, time.Second, time.Millisecond, func() error { return standsStill(p.PID()) })
}

// Resume undoes Pause.
func (p *process) Resume(context.Context) error { return p.cmd.Process.Signal(syscall.SIGCONT) }

func (p *process) Usage(ctx context.Context) (Usage, error) {
	select {
	case <-p.exited:
		state := p.cmd.ProcessState
		return Usage{CPU: state.UserTime() + state.SystemTime()}, nil
	default:
	}
	u, err := usageOf(ctx, p.PID())
	if err != nil {
		return Usage{}, fmt.Errorf("%s: usage: %w", p.part, err)
	}
	return u, nil
}

// lastWords is the last line of a log, for an error message: `: [ERROR] Can't start server`.
func lastWords(path string) string {
	const tail = 4096
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer func() { _ = f.Close() }()
	if size, err := f.Seek(0, io.SeekEnd); err == nil {
		_, _ = f.Seek(max(0, size-tail), io.SeekStart)
	}
	data, err := io.ReadAll(io.LimitReader(f, tail))
	if err != nil {
		return ""
	}
	lines := slices.DeleteFunc(strings.Split(string(data), "\n"), func(s string) bool { return strings.TrimSpace(s) == "" })
	if len(lines) == 0 {
		return ""
	}
	// The line that names the mistake beats the farewell after it.
	last := lines[len(lines)-1]
	for _, line := range slices.Backward(lines) {
		if (strings.Contains(line, "[ERROR]") || strings.HasPrefix(line, "ERROR:")) && !strings.Contains(line, "Aborting") {
			last = line
			break
		}
	}
	return ": " + strings.TrimSpace(last)
}

// RunTied runs a command to its end. When its context is canceled, it and all that it has started get the signal end; when
// this process is killed, the kernel kills it too (Linux).
func RunTied(cmd *exec.Cmd, end syscall.Signal) error {
	cmd.SysProcAttr = childAttributes()
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, end) }
	runtime.LockOSThread() // as in process.run
	defer runtime.UnlockOSThread()
	return cmd.Run()
}
