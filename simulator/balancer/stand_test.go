package balancer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// An instance is a backend of the tests: it answers with its name, and counts what it was asked.
type instance struct {
	*httptest.Server
	name string

	mu    sync.Mutex
	asked map[string]int // by method and request target; guarded by mu
}

func newInstance(t *testing.T, name string, handler http.HandlerFunc) *instance {
	t.Helper()
	i := &instance{name: name, asked: map[string]int{}}
	if handler == nil {
		handler = func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name) }
	}
	i.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		i.mu.Lock()
		i.asked[r.Method+" "+r.RequestURI]++
		i.mu.Unlock()
		handler(w, r)
	}))
	t.Cleanup(i.Close)
	return i
}

func (i *instance) backend(weight int) Backend {
	return Backend{Name: i.name, URL: i.URL, Weight: weight}
}

// times are how often each request was asked.
func (i *instance) times() map[string]int {
	i.mu.Lock()
	defer i.mu.Unlock()
	times := map[string]int{}
	for k, n := range i.asked {
		times[k] = n
	}
	return times
}

// one is a balancer with one listener, "public", before these backends.
func one(backends ...Backend) Config {
	return Config{Listeners: []Listener{{Name: "public"}}, Pools: []Pool{{Name: "public", Backends: backends}}, Seed: 1}
}

func start(t *testing.T, c Config) *Balancer {
	t.Helper()
	b, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := b.Close(ctx); err != nil {
			t.Errorf("closing: %v", err)
		}
	})
	return b
}

// A client has connections of its own, closed at the end of the test.
func newClient(t *testing.T) *http.Client {
	t.Helper()
	tr := &http.Transport{MaxIdleConnsPerHost: 100}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 20 * time.Second}
}

func ask(client *http.Client, method, url, body string) (status int, answer string, err error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	res, err := client.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res.StatusCode, string(text), err
}

func get(t *testing.T, client *http.Client, url string) (status int, answer string) {
	t.Helper()
	status, answer, err := ask(client, http.MethodGet, url, "")
	if err != nil {
		t.Fatal(err)
	}
	return status, answer
}

// until polls for what must become true.
func until(t *testing.T, what string, so func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if await(ctx, so) != nil {
		t.Fatalf("not in 10 s: %s", what)
	}
}

// count is that of the listener "public".
func count(b *Balancer) Count { return b.Counts()[0] }

// goroutines are those that this package or an HTTP connection keep running, with the tests' own left out.
func goroutines() string {
	buf := make([]byte, 1<<20)
	buf = buf[:runtime.Stack(buf, true)]
	var ours []string
	for _, g := range bytes.Split(buf, []byte("\n\n")) {
		if s := string(g); strings.Contains(s, "net/http.") || strings.Contains(s, "balancer.(*") {
			ours = append(ours, s)
		}
	}
	return strings.Join(ours, "\n\n")
}

// line is a raw connection to a base URL.
func line(t *testing.T, base string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}
