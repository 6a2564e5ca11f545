package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"sync/atomic"
	"time"
)

// sink serves until stdin ends: every POST is read and answered 200 with an empty body, as a service takes a WeChat
// notification. Its first line is its address, its last the count of what it received.
func sink(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var received atomic.Int64
	s := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return
		}
		received.Add(1)
		w.WriteHeader(http.StatusOK)
	})}
	fmt.Fprintf(stdout, "http://%s/notify/wechat\n", ln.Addr())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ln) }()
	go func() {
		_, _ = io.Copy(io.Discard, stdin) // its end is the news, however it comes
		_ = s.Close()
	}()
	select {
	case err = <-served:
	case <-ctx.Done():
		_ = s.Close()
		err = <-served
	}
	if !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return json.NewEncoder(stdout).Encode(received.Load())
}

// A sinkProcess is a sink that runs.
type sinkProcess struct {
	url    string
	cmd    *exec.Cmd
	stdin  io.Closer
	stdout *bufio.Reader
}

func startSink(ctx context.Context) (*sinkProcess, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.CommandContext(ctx, self, "sink")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	p := &sinkProcess{cmd: cmd, stdin: in, stdout: bufio.NewReader(out)}
	if _, err := fmt.Fscanln(p.stdout, &p.url); err != nil {
		_ = cmd.Process.Kill()
		return nil, errors.Join(fmt.Errorf("starting the sink: %w", err), cmd.Wait())
	}
	return p, nil
}

// stop ends the sink and returns how much it received.
func (p *sinkProcess) stop() (received int, err error) {
	_ = p.stdin.Close()
	_, err = fmt.Fscanln(p.stdout, &received)
	return received, errors.Join(err, p.cmd.Wait())
}
