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
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// The programs that gates are played with.
type programs struct {
	dir       string
	lunchrush string
	behind    map[float64]string // the same behind a proxy, by how many times as long it takes to answer
}

// build builds lunchrush, and for each kind a program that is it behind the proxy: a testbed starts one program, with its own
// arguments.
func build(ctx context.Context, kinds []kind) (_ *programs, err error) {
	dir, err := os.MkdirTemp("", "lunchrush-gates-")
	if err != nil {
		return nil, err
	}
	p := &programs{dir: dir, lunchrush: filepath.Join(dir, "lunchrush"), behind: map[float64]string{}}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.remove())
		}
	}()
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", p.lunchrush, "github.com/lunchrush/lunchrush/cmd/lunchrush")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building lunchrush: %w: %s", err, strings.TrimSpace(string(out)))
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for _, k := range append([]kind{{slower: 1}}, kinds...) {
		script := fmt.Sprintf("#!/bin/sh\nexec '%s' through %g '%s' \"$@\"\n", quoted(self), k.slower, quoted(p.lunchrush))
		path := filepath.Join(dir, fmt.Sprintf("times-%g", k.slower))
		if err := os.WriteFile(path, []byte(script), 0o755); err != nil {
			return nil, err
		}
		p.behind[k.slower] = path
	}
	return p, nil
}

// quoted is text within a shell's single quotes.
func quoted(text string) string { return strings.ReplaceAll(text, "'", `'\''`) }

func (p *programs) remove() error { return os.RemoveAll(p.dir) }

// A listening line is what a service says first; see docs/PROTOCOL.md.
type listening struct {
	Msg      string `json:"msg"`
	Public   string `json:"public"`
	Internal string `json:"internal"`
}

// through serves a program's service through a proxy that holds answers back: args are how many times as long an answer takes,
// the program, and its arguments. It is to a testbed what the program itself would be: it is fed the config, says where it
// listens, and ends with SIGTERM.
func through(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	if len(args) < 2 {
		return errors.New("through wants how many times as long, a program, and its arguments")
	}
	times, err := strconv.ParseFloat(args[0], 64)
	if err != nil || times < 1 {
		return fmt.Errorf("through: %q is not 1 or more", args[0])
	}
	runtime.LockOSThread() // the child dies with the thread that made it
	service := exec.CommandContext(ctx, args[1], args[2:]...)
	service.Cancel = func() error { return service.Process.Signal(syscall.SIGTERM) }
	service.SysProcAttr = childAttributes()
	service.Stdin, service.Stderr = stdin, stderr
	said, err := service.StdoutPipe()
	if err != nil {
		return err
	}
	if err := service.Start(); err != nil {
		return err
	}
	lines := bufio.NewReader(said)
	line, err := lines.ReadBytes('\n')
	if err != nil {
		return errors.Join(fmt.Errorf("the service does not say that it listens: %w", err), service.Wait())
	}
	var at listening
	if err := json.Unmarshal(line, &at); err != nil {
		return errors.Join(fmt.Errorf("the service says %q", line), service.Process.Kill(), service.Wait())
	}
	var here listening
	here.Msg = at.Msg
	for _, door := range []struct {
		to   string
		here *string
	}{{at.Public, &here.Public}, {at.Internal, &here.Internal}} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return errors.Join(err, service.Process.Kill(), service.Wait())
		}
		*door.here = l.Addr().String()
		server := &http.Server{Handler: proxy(door.to, times), ReadHeaderTimeout: time.Minute}
		go func() { _ = server.Serve(l) }() // until this process ends
	}
	if err := json.NewEncoder(stdout).Encode(here); err != nil {
		return errors.Join(err, service.Process.Kill(), service.Wait())
	}
	_, _ = io.Copy(stdout, lines)
	if err := service.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// proxy passes requests on to an address.
func proxy(to string, times float64) http.Handler {
	target := &url.URL{Scheme: "http", Host: to}
	plain := http.DefaultTransport.(*http.Transport).Clone()
	plain.Proxy, plain.MaxIdleConns, plain.MaxIdleConnsPerHost = nil, 0, 10_000
	plain.DisableCompression = true
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:     held{plain, times},
		FlushInterval: -1,
	}
}

// held holds the answer to a POST back until the request has taken so many times as long as the service took. GETs are long
// polls, whose wait is their purpose, and what the harness reads.
type held struct {
	http.RoundTripper
	times float64
}

func (h held) RoundTrip(r *http.Request) (*http.Response, error) {
	began := time.Now()
	answer, err := h.RoundTripper.RoundTrip(r)
	if err != nil || r.Method != http.MethodPost || h.times == 1 {
		return answer, err
	}
	wait := time.NewTimer(time.Duration((h.times - 1) * float64(time.Since(began))))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-r.Context().Done():
	}
	return answer, nil
}
