package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// A tally is what the backend has seen of the paths below /held/ .
type tally struct {
	Distinct int   `json:"distinct"`
	Repeated int   `json:"repeated"`
	LastNS   int64 `json:"last_ns"` // Unix time of the last one's arrival
}

// serveBackend answers everything at once until its standard input ends. It writes its base URL to its output first.
func serveBackend(stdin io.Reader, stdout io.Writer) error {
	l, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	var (
		mu   sync.Mutex
		sum  tally
		seen = map[string]bool{}
	)
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		now := time.Now().UnixNano()
		mu.Lock()
		defer mu.Unlock()
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/tally":
			_ = json.NewEncoder(w).Encode(sum)
			return
		case !strings.HasPrefix(r.URL.Path, "/held/"):
		case seen[r.URL.Path]:
			sum.Repeated++
		default:
			seen[r.URL.Path] = true
			sum.Distinct++
			sum.LastNS = max(sum.LastNS, now)
		}
		_, _ = io.WriteString(w, `{"order_id":"20170804115600000001","state":"PAYING"}`)
	})}
	if _, err := fmt.Fprintf(stdout, "http://%s\n", l.Addr()); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, stdin)
		_ = server.Close()
	}()
	if err := server.Serve(l); err != http.ErrServerClosed {
		return err
	}
	return nil
}

// A backend is the process that does.
type backend struct {
	url   string
	cmd   *exec.Cmd
	stdin io.Closer
}

func startBackend(ctx context.Context) (*backend, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	b := &backend{cmd: exec.CommandContext(ctx, self, "backend")}
	b.cmd.Stderr = os.Stderr
	if b.stdin, err = b.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := b.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := b.cmd.Start(); err != nil {
		return nil, err
	}
	first, err := bufio.NewReader(out).ReadString('\n')
	b.url = strings.TrimSpace(first)
	return b, err
}

func (b *backend) close() error {
	_ = b.stdin.Close()
	return b.cmd.Wait()
}

func (b *backend) tally(ctx context.Context) (sum tally, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.url+"/tally", nil)
	if err != nil {
		return sum, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return sum, err
	}
	defer res.Body.Close()
	return sum, json.NewDecoder(res.Body).Decode(&sum)
}
