package simulator

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// rawServer answers every request with the bytes given, on connections that it closes when last says so.
func rawServer(t *testing.T, answer string, last func(request int) bool) (address string, dialled *atomic.Int64) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	dialled = new(atomic.Int64)
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			dialled.Add(1)
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for n := 1; ; n++ {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					_, _ = io.WriteString(conn, answer)
					if last(n) {
						return
					}
				}
			}()
		}
	}()
	return ln.Addr().String(), dialled
}

func notLast(int) bool { return false }

func post(ctx context.Context, t *testing.T, w *wire, address string) (status int, body string, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+address+"/x?y=z", strings.NewReader("hello"))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := w.RoundTrip(req)
	if err != nil {
		return 0, "", err
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text), resp.Body.Close()
}

func TestWireSendsWhatItIsGiven(t *testing.T) {
	var got *http.Request
	var body []byte
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		got = r
		body, _ = io.ReadAll(r.Body)
	}))
	defer s.Close()
	w := newWire(1)
	defer w.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+"/v1/a%2Fb?c=d", strings.NewReader(`{"e":1}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = http.Header{"Authorization": {"LR-HMAC m1:1:00"}, "Content-Type": {"application/json"}, "User-Agent": {"Mozilla/4.0"}}
	if _, err := w.RoundTrip(req); err != nil {
		t.Fatal(err)
	}
	if got.Method != "POST" || got.RequestURI != "/v1/a%2Fb?c=d" || string(body) != `{"e":1}` || got.ContentLength != 7 ||
		got.Host != strings.TrimPrefix(s.URL, "http://") || got.UserAgent() != "Mozilla/4.0" ||
		got.Header.Get("Authorization") != "LR-HMAC m1:1:00" || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("arrived as %s %s with %v and %q", got.Method, got.RequestURI, got.Header, body)
	}
}

func TestWireReadsAnswers(t *testing.T) {
	long := strings.Repeat("x", maxAnswer)
	tests := []struct {
		name   string
		answer string
		status int
		body   string // "": an error when status is 0
		kept   bool   // the connection carries the next request
	}{
		{"with a length", "HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\nok", 201, "ok", true},
		{"empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", true},
		{"no content", "HTTP/1.1 204 No Content\r\n\r\n", 204, "", true},
		{"in chunks", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\no\r\n1\r\nk\r\n0\r\n\r\n", 200, "ok", true},
		{"said to be the last", "HTTP/1.1 503 x\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", 503, "no", false},
		{"as long as allowed", "HTTP/1.1 200 OK\r\nContent-Length: 65536\r\n\r\n" + long, 200, long, true},
		{"longer", "HTTP/1.1 200 OK\r\nContent-Length: 65538\r\n\r\n" + long + "xx", 200, long + "x", false},
		{"more than was asked for", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\n\r\n", 200, "ok", false},
		{"not HTTP", "SSH-2.0-OpenSSH\r\n\r\n", 0, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			address, dialled := rawServer(t, tt.answer, notLast)
			w := newWire(1)
			defer w.CloseIdleConnections()
			for range 3 {
				status, body, err := post(t.Context(), t, w, address)
				if status != tt.status || body != tt.body || (err != nil) != (tt.status == 0) {
					t.Fatalf("got %d, %d bytes, %v", status, len(body), err)
				}
			}
			want := int64(3)
			if tt.kept {
				want = 1
			}
			if n := dialled.Load(); n != want {
				t.Errorf("three requests took %d connections, want %d", n, want)
			}
		})
	}
}

// A server that restarts closes connections without a word. The next request must not be lost to one of them.
func TestWireDoesNotUseAConnectionThatWasClosed(t *testing.T) {
	address, dialled := rawServer(t, "HTTP/1.1 204 No Content\r\n\r\n", func(n int) bool { return n == 2 })
	w := newWire(4)
	defer w.CloseIdleConnections()
	for i := range 10 {
		if i > 0 && i%2 == 0 {
			// The close is on its way after every second answer.
			idle := w.idle[address]
			for deadline := time.Now().Add(5 * time.Second); open(idle[len(idle)-1].Conn); {
				if time.Now().After(deadline) {
					t.Fatal("the server's close does not arrive")
				}
			}
		}
		if status, _, err := post(t.Context(), t, w, address); status != 204 {
			t.Fatalf("request %d: %d, %v", i, status, err)
		}
	}
	if n := dialled.Load(); n != 5 {
		t.Errorf("%d connections, want 5", n)
	}
}

func TestWireEndsWithItsContext(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	address := silent.Addr().String()
	w := newWire(1)

	timed, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, _, err := post(timed, t, w, address); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("timed out with %v", err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	go func() {
		conn, err := silent.Accept() // of the request that timed out
		if err == nil {
			defer conn.Close()
			conn, err = silent.Accept()
		}
		if err == nil {
			defer conn.Close()
			_, _ = conn.Read(make([]byte, 1)) // the request is under way
		}
		cancel()
	}()
	if _, _, err := post(cancelled, t, w, address); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled with %v", err)
	}
	if _, _, err := post(cancelled, t, w, address); !errors.Is(err, context.Canceled) {
		t.Errorf("begun after the end: %v", err)
	}
	if n := len(w.idle[address]); n > 0 {
		t.Errorf("%d connections that owe an answer were kept", n)
	}
}

func TestWireKeepsNoMoreThanAsked(t *testing.T) {
	release, held := make(chan struct{}), make(chan struct{}, 8)
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		held <- struct{}{}
		<-release
	}))
	defer s.Close()
	w := newWire(3)
	address := strings.TrimPrefix(s.URL, "http://")
	done := make(chan error)
	for range 8 {
		go func() {
			_, _, err := post(context.Background(), t, w, address)
			done <- err
		}()
	}
	for range 8 {
		<-held
	}
	close(release)
	for range 8 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if n := len(w.idle[address]); n != 3 {
		t.Errorf("%d kept, want 3", n)
	}
	w.CloseIdleConnections()
	if len(w.idle) != 0 {
		t.Error("still kept after closing")
	}
}

func TestWireDialsLoopbackOnly(t *testing.T) {
	for _, address := range []string{"192.0.2.1:80", "example.com:80", "localhost:80", "0.0.0.0:80"} {
		if _, _, err := post(t.Context(), t, newWire(1), address); err == nil || !strings.Contains(err.Error(), "not a loopback address") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func BenchmarkRoundTrip(b *testing.B) {
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
	defer s.Close()
	for name, rt := range map[string]http.RoundTripper{"wire": newWire(1), "http.Transport": loopbackTransport(1)} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			before, _ := ownUsage()
			for b.Loop() {
				req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, s.URL+"/", strings.NewReader(string(benchBody)))
				if err != nil {
					b.Fatal(err)
				}
				resp, err := rt.RoundTrip(req)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
			}
			after, _ := ownUsage()
			b.ReportMetric(float64(after-before)/1e3/float64(b.N), "µs-cpu/op")
		})
	}
}
