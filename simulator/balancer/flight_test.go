package balancer

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestRequestArrivesAsItWasSent(t *testing.T) {
	got := make(chan *http.Request, 1)
	in := newInstance(t, "a", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		got <- r
		w.Header().Set("Connection", "X-Private")
		w.Header().Set("X-Private", "hop")
		w.Header().Set("Keep-Alive", "timeout=5")
		w.Header().Set("X-Public", "end to end")
		w.WriteHeader(http.StatusTeapot)
		fmt.Fprint(w, "answer")
	})
	b := start(t, one(in.backend(1)))
	conn := line(t, b.URL("public"))
	target := "/v1/machines/m%2F1/commands?wait=25s&last=a;b&odd=%zz"
	fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: shop.example\r\nAuthorization: LR-HMAC x\r\nX-Forwarded-For: 10.1.2.3\r\n"+
		"X-Hop: 1\r\nConnection: X-Hop, Upgrade\r\nUpgrade: websocket\r\nTe: gzip\r\nProxy-Authorization: secret\r\nKeep-Alive: 3\r\nContent-Length: 4\r\n\r\nbody", target)
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(res.Body)
	if res.StatusCode != http.StatusTeapot || string(answer) != "answer" {
		t.Errorf("answered %d %q", res.StatusCode, answer)
	}
	for name, want := range map[string]string{"X-Public": "end to end", "X-Private": "", "Keep-Alive": "", "Connection": ""} {
		if have := res.Header.Get(name); have != want {
			t.Errorf("the answer has %s %q, wanted %q", name, have, want)
		}
	}
	r := <-got
	body, _ := io.ReadAll(r.Body)
	if r.RequestURI != target || r.Host != "shop.example" || string(body) != "body" || r.ContentLength != 4 {
		t.Errorf("arrived as %s %s %s %q", r.Method, r.Host, r.RequestURI, body)
	}
	for name, want := range map[string]string{
		"Authorization": "LR-HMAC x", "X-Forwarded-For": "10.1.2.3, 127.0.0.1", "X-Forwarded-Host": "shop.example",
		"X-Hop": "", "Connection": "", "Upgrade": "", "Te": "", "Proxy-Authorization": "", "Keep-Alive": "",
		"Accept-Encoding": "", "User-Agent": "",
	} {
		if have := r.Header.Get(name); have != want {
			t.Errorf("it arrived with %s %q, wanted %q", name, have, want)
		}
	}
}

// The machines' signatures cover the request target as it stands on the wire.
func TestRequestTargetIsKeptToTheByte(t *testing.T) {
	in := newInstance(t, "a", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.RequestURI) })
	b := start(t, one(in.backend(1)))
	rapid.Check(t, func(rt *rapid.T) {
		target := "/" + rapid.StringMatching(`([a-zA-Z0-9._~!$&'()*+,;=:@/-]|%[0-9A-Fa-f]{2}){0,30}(\?([a-zA-Z0-9._~!$&'()*+,;=:@/?|^-]|%[0-9A-Fa-f]{2}|%){0,30})?`).Draw(rt, "target")
		conn, err := net.Dial("tcp", strings.TrimPrefix(b.URL("public"), "http://"))
		if err != nil {
			rt.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", target)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			rt.Fatal(err)
		}
		defer res.Body.Close()
		if got, _ := io.ReadAll(res.Body); string(got) != target {
			rt.Fatalf("%q arrived as %q", target, got)
		}
	})
}

func TestLongPollIsCarriedAndItsClientsDepartureFelt(t *testing.T) {
	polling, command, left := make(chan struct{}, 1), make(chan string), make(chan struct{})
	in := newInstance(t, "a", func(w http.ResponseWriter, r *http.Request) {
		polling <- struct{}{}
		select {
		case c := <-command:
			fmt.Fprint(w, c)
		case <-r.Context().Done():
			close(left)
		}
	})
	b := start(t, one(in.backend(1)))
	client := newClient(t)
	answer := make(chan string)
	go func() {
		_, text, err := ask(client, "GET", b.URL("public")+"/v1/machines/m1/commands?wait=25s", "")
		answer <- fmt.Sprint(text, err)
	}()
	<-polling
	command <- "dispense"
	if got := <-answer; got != "dispense<nil>" {
		t.Errorf("got %s", got)
	}
	ctx, leave := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, "GET", b.URL("public"), nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-polling
		leave()
	}()
	if res, err := client.Do(req); err == nil {
		res.Body.Close()
		t.Error("answered although it left")
	}
	select {
	case <-left:
	case <-time.After(10 * time.Second):
		t.Fatal("the backend has not learnt of it in 10 s")
	}
	until(t, "it is counted", func() bool { return count(b).Abandoned == 1 && count(b).Open == 0 })
}

// What a backend has written is with the client before it writes the rest, whether the length is known or not; and what a
// client has written is with the backend.
func TestBodiesStream(t *testing.T) {
	for _, length := range []string{"", "10"} {
		t.Run("length "+length, func(t *testing.T) {
			in := newInstance(t, "a", func(w http.ResponseWriter, r *http.Request) {
				if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
					t.Error(err)
				}
				if length != "" {
					w.Header().Set("Content-Length", length)
				}
				part := make([]byte, 5)
				for range 2 {
					if _, err := io.ReadFull(r.Body, part); err != nil {
						return
					}
					_, _ = w.Write(part)
					w.(http.Flusher).Flush()
				}
			})
			b := start(t, one(in.backend(1)))
			down, up := io.Pipe()
			req, err := http.NewRequest("POST", b.URL("public"), down)
			if err != nil {
				t.Fatal(err)
			}
			go fmt.Fprint(up, "first")
			res, err := newClient(t).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			part := make([]byte, 5)
			if _, err := io.ReadFull(res.Body, part); err != nil || string(part) != "first" {
				t.Fatalf("got %q %v", part, err)
			}
			go func() {
				fmt.Fprint(up, "secnd")
				up.Close()
			}()
			rest, err := io.ReadAll(res.Body)
			if err != nil || string(rest) != "secnd" {
				t.Fatalf("then %q %v", rest, err)
			}
		})
	}
}

func TestNobodyReadyIsAnsweredAtOnce(t *testing.T) {
	in := newInstance(t, "a", nil)
	down := in.backend(1)
	down.CheckURL = "http://127.0.0.1:1/readyz"
	for name, backends := range map[string][]Backend{"no backend": nil, "none ready": {down}, "none with a weight": {in.backend(0)}} {
		t.Run(name, func(t *testing.T) {
			b := start(t, one(backends...))
			status, answer, err := ask(newClient(t), "POST", b.URL("public"), "x")
			if status != 503 || !strings.Contains(answer, CodeNoBackend) {
				t.Errorf("%d %s %v", status, answer, err)
			}
			if c := count(b); c.NoBackend != 1 {
				t.Errorf("counted %+v", c)
			}
		})
	}
}

// gone is an address at which nobody listens.
func gone(t *testing.T) string {
	t.Helper()
	p, err := takePort()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.close)
	return "http://" + p.address
}

func TestRequestThatCouldNotBeDialledGoesToTheNext(t *testing.T) {
	in := newInstance(t, "alive", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	b := start(t, one(Backend{Name: "gone", URL: gone(t), Weight: 1}, in.backend(1)))
	client := newClient(t)
	for i := range 10 {
		body := fmt.Sprint("body ", i)
		if status, answer, err := ask(client, "POST", b.URL("public"), body); status != 200 || answer != body {
			t.Fatalf("%d: %d %q %v", i, status, answer, err)
		}
	}
	shares := b.Shares()
	if s := shares[0]; s.Backend != "gone" || s.Requests < 3 || s.Unanswered != s.Requests || s.Open != 0 {
		t.Errorf("%+v", s)
	}
	if s := shares[1]; s.Requests != 10 || s.Unanswered != 0 {
		t.Errorf("%+v", s)
	}
	if err := b.Remove("public", "alive"); err != nil {
		t.Fatal(err)
	}
	if status, answer, _ := ask(client, "POST", b.URL("public"), "x"); status != 502 || !strings.Contains(answer, CodeRefused) {
		t.Errorf("with nobody else: %d %s", status, answer)
	}
}

func TestWithoutRedialWhatCouldNotBeDialledIsAnsweredAsRefused(t *testing.T) {
	in := newInstance(t, "alive", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	cfg := one(Backend{Name: "gone", URL: gone(t), Weight: 1}, in.backend(1))
	cfg.NoRedial = true
	b := start(t, cfg)
	client := newClient(t)
	refused := 0
	for i := range 10 {
		body := fmt.Sprint("body ", i)
		switch status, answer, err := ask(client, "POST", b.URL("public"), body); {
		case status == 502 && strings.Contains(answer, CodeRefused):
			refused++
		case status != 200 || answer != body:
			t.Fatalf("%d: %d %q %v", i, status, answer, err)
		}
	}
	if refused != 5 {
		t.Errorf("%d of 10 were refused, wanted those of the one backend of two that is gone", refused)
	}
}

// breaker is a backend that reads requests and hangs up on each.
func breaker(t *testing.T, heard *atomic.Int64) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				in := bufio.NewReader(conn)
				for {
					req, err := http.ReadRequest(in)
					if err != nil {
						return
					}
					_, _ = io.Copy(io.Discard, req.Body)
					if req.URL.Path == "/warm" { // so that the next request comes on a connection that was used
						fmt.Fprint(conn, "HTTP/1.1 204 No Content\r\n\r\n")
						continue
					}
					heard.Add(1)
					return
				}
			}()
		}
	}()
	return "http://" + l.Addr().String()
}

// A request of which a byte was sent is never sent again: not to another backend, not on another connection.
func TestBrokenRequestIsNotRepeated(t *testing.T) {
	var heard atomic.Int64
	in := newInstance(t, "b", nil)
	b := start(t, one(Backend{Name: "a", URL: breaker(t, &heard), Weight: 1}, in.backend(0)))
	client := newClient(t)
	for i := range 20 {
		if status, _ := get(t, client, b.URL("public")+"/warm"); status != 204 {
			t.Fatalf("warming: %d", status)
		}
		if err := b.Weigh("public", "b", 1); err != nil {
			t.Fatal(err)
		}
		before, others := heard.Load(), in.times()["POST /pay"]
		status, answer, err := ask(client, "POST", b.URL("public")+"/pay", []string{"", "body"}[i%2])
		if err != nil {
			t.Fatal(err)
		}
		if n := in.times()["POST /pay"] - others; n == 1 {
			if heard.Load() != before {
				t.Fatal("both backends have it")
			}
		} else if status != 502 || !strings.Contains(answer, CodeBroken) || heard.Load() != before+1 {
			t.Fatalf("%d %s, heard %d times", status, answer, heard.Load()-before)
		}
		if err := b.Weigh("public", "b", 0); err != nil {
			t.Fatal(err)
		}
	}
	if s := b.Shares()[0]; s.Unanswered != uint64(heard.Load()) || s.Unanswered == 0 {
		t.Errorf("%+v, heard %d", s, heard.Load())
	}
}

func TestBackendThatDoesNotAnswerTimesOut(t *testing.T) {
	in := newInstance(t, "a", func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c := one(in.backend(1))
	c.AnswerTimeout = 50 * time.Millisecond
	b := start(t, c)
	if status, answer := get(t, newClient(t), b.URL("public")); status != 504 || !strings.Contains(answer, CodeTimeout) {
		t.Errorf("%d %s", status, answer)
	}
}

func TestAnswerThatBreaksOffIsBrokenOffForTheClientToo(t *testing.T) {
	in := newInstance(t, "a", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", "100")
		fmt.Fprint(w, "half")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	b := start(t, one(in.backend(1)))
	if _, answer, err := ask(newClient(t), "GET", b.URL("public"), ""); err == nil {
		t.Errorf("got %q as if it were whole", answer)
	}
	until(t, "it is counted", func() bool { return b.Shares()[0].Unanswered == 1 })
}

func TestSharesOfEachListener(t *testing.T) {
	failing := newInstance(t, "failing", func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) })
	x, y := newInstance(t, "x", nil), newInstance(t, "y", nil)
	b := start(t, Config{
		Listeners: []Listener{{Name: "public"}, {Name: "wechat", Pool: "gate"}, {Name: "alipay", Pool: "gate"}},
		Pools: []Pool{
			{Name: "public", Backends: []Backend{x.backend(3), y.backend(1)}},
			{Name: "gate", Backends: []Backend{failing.backend(1)}},
		},
	})
	client := newClient(t)
	for range 40 {
		get(t, client, b.URL("public"))
	}
	for range 5 {
		get(t, client, b.URL("wechat"))
	}
	until(t, "all have ended", func() bool { return count(b).Open == 0 && b.Counts()[1].Open == 0 })
	shares := b.Shares()
	var got []string
	for _, s := range shares {
		got = append(got, fmt.Sprintf("%s %s %d %.2f %d", s.Listener, s.Backend, s.Requests, s.Share, s.ServerErrors))
		if (s.Requests > 0) != (s.P50 > 0) || s.P50 > s.P99 || s.P99 > s.Max || s.Open != 0 || !s.In {
			t.Errorf("%+v", s)
		}
	}
	want := []string{"public x 30 0.75 0", "public y 10 0.25 0", "wechat failing 5 1.00 5", "alipay failing 0 0.00 0"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwanted %q", got, want)
	}
	if _, err := json.Marshal(shares); err != nil {
		t.Error(err)
	}
}
