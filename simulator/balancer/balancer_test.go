package balancer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestConfigMistakesAreAllSaidAtOnce(t *testing.T) {
	tests := []struct {
		name string
		c    Config
		want []string
	}{
		{"nothing", Config{}, []string{"there is no listener"}},
		{"a listener without its pool", Config{Listeners: []Listener{{Name: "wechat"}}}, []string{"listener wechat: there is no pool wechat"}},
		{"another machine", one(Backend{Name: "a", URL: "http://192.0.2.1:80"}), []string{"backend a: 192.0.2.1:80 is not a loopback address"}},
		{"a name, which could mean another machine", one(Backend{Name: "a", URL: "http://localhost:80"}), []string{"localhost:80 is not a loopback address"}},
		{"a readiness elsewhere", one(Backend{Name: "a", URL: "http://127.0.0.1:80", CheckURL: "http://192.0.2.1:80/readyz"}), []string{"192.0.2.1:80 is not a loopback address"}},
		{"a path", one(Backend{Name: "a", URL: "http://127.0.0.1:80/x"}), []string{"is not a base URL"}},
		{"no port", one(Backend{Name: "a", URL: "http://127.0.0.1"}), []string{"has no port"}},
		{"several", Config{
			Listeners: []Listener{{Name: "p"}, {Name: "p"}},
			Pools:     []Pool{{Name: "p", MaxConns: -1, Backends: []Backend{{Name: "a", URL: "http://127.0.0.1:1", Weight: -1}}}, {Name: "p"}},
			SlowStart: SlowStart{Min: 2}, AnswerTimeout: 0,
		}, []string{"listener p is there twice", "pool p is there twice", "weight -1", "-1 connections", "least share"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.c)
			if err == nil {
				t.Fatal("taken")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
		})
	}
}

func TestBackendsComeAndGoUnderTraffic(t *testing.T) {
	ready := func(bad *atomic.Bool) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/readyz" && bad.Load() {
				w.WriteHeader(503)
			}
		}
	}
	var aBad, bBad atomic.Bool
	a, bb := newInstance(t, "a", ready(&aBad)), newInstance(t, "b", ready(&bBad))
	with := func(i *instance) Backend {
		return Backend{Name: i.name, URL: i.URL, CheckURL: i.URL + "/readyz", Weight: 1}
	}
	c := one(with(a))
	c.Check = Check{Interval: 5 * time.Millisecond, Rise: 2, Fall: 2}
	b := start(t, c)
	if err := b.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	client := newClient(t)
	both := func() bool { // of ten requests each had some
		x, y := a.times()["GET /"], bb.times()["GET /"]
		for range 10 {
			if status, _ := get(t, client, b.URL("public")); status != 200 {
				t.Errorf("answered %d", status)
			}
		}
		return a.times()["GET /"] > x && bb.times()["GET /"] > y
	}
	if both() {
		t.Error("b has traffic before it was added")
	}
	if err := b.Put("public", with(bb)); err != nil {
		t.Fatal(err)
	}
	if err := b.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !both() {
		t.Error("b has no traffic after it was added")
	}
	bBad.Store(true)
	until(t, "b is out", func() bool { return !b.Shares()[1].In })
	if both() {
		t.Error("b has traffic while it is not ready")
	}
	short, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if err := b.Ready(short); err == nil || !strings.Contains(err.Error(), "[b]") {
		t.Errorf("Ready said %v", err)
	}
	bBad.Store(false)
	until(t, "b is back", func() bool { return b.Shares()[1].In })
	if !both() {
		t.Error("b has no traffic although it is back")
	}
	// The instance comes back on other ports under its name.
	moved := newInstance(t, "b", nil)
	if err := b.Put("public", with(moved)); err != nil {
		t.Fatal(err)
	}
	if err := b.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	if both() || moved.times()["GET /"] == 0 {
		t.Error("b has traffic at its old address, or none at its new one")
	}
	if err := b.Remove("public", "b"); err != nil {
		t.Fatal(err)
	}
	before := moved.times()["GET /"]
	both()
	if moved.times()["GET /"] != before {
		t.Error("b has traffic after it was removed")
	}
	if s := b.Shares(); len(s) != 2 || s[1].Requests == 0 || s[1].In {
		t.Errorf("what b had is forgotten: %+v", s)
	}
}

// Two channels that share a pool's few connections wait for each other; with pools of their own they do not.
func TestChannelsShareConnectionsOnlyWhenToldTo(t *testing.T) {
	for _, shared := range []bool{false, true} {
		t.Run(fmt.Sprintf("shared %v", shared), func(t *testing.T) {
			release := make(chan struct{})
			in := newInstance(t, "gate", func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/alipay" {
					<-release
				}
			})
			pool := func(name string) Pool {
				return Pool{Name: name, MaxConns: 2, Backends: []Backend{in.backend(1)}}
			}
			c := Config{Listeners: []Listener{{Name: "wechat"}, {Name: "alipay"}}, Pools: []Pool{pool("wechat"), pool("alipay")}}
			if shared {
				c.Listeners = []Listener{{Name: "wechat", Pool: "all"}, {Name: "alipay", Pool: "all"}}
				c.Pools = []Pool{pool("all")}
			}
			b := start(t, c)
			client := newClient(t)
			ended := make(chan error, 3)
			for range 2 {
				go func() { _, _, err := ask(client, "POST", b.URL("alipay")+"/alipay", "x"); ended <- err }()
			}
			until(t, "both are with the gate", func() bool { return in.times()["POST /alipay"] == 2 })
			wechat := make(chan error, 1)
			go func() { _, _, err := ask(client, "POST", b.URL("wechat")+"/wechat", "x"); wechat <- err }()
			if shared {
				until(t, "it waits", func() bool { return count(b).WaitedConns == 1 })
				if in.times()["POST /wechat"] != 0 {
					t.Error("it went over the bound")
				}
				close(release)
			}
			if err := <-wechat; err != nil {
				t.Error(err)
			}
			if !shared {
				close(release)
			}
			for range 2 {
				if err := <-ended; err != nil {
					t.Error(err)
				}
			}
		})
	}
}

func TestNothingIsLeftAfterClose(t *testing.T) {
	waiting := make(chan struct{}, 1)
	in := newInstance(t, "a", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			_, _ = io.Copy(io.Discard, r.Body) // only then can it notice that its client leaves
			waiting <- struct{}{}
			<-r.Context().Done()
		}
	})
	be := in.backend(1)
	be.CheckURL = in.URL + "/readyz"
	for _, state := range []Outage{Up, Holding, Refusing} {
		t.Run(string(state), func(t *testing.T) {
			c := one(be)
			c.Check.Interval = time.Millisecond
			b, err := New(c)
			if err != nil {
				t.Fatal(err)
			}
			if err := b.Ready(t.Context()); err != nil {
				t.Fatal(err)
			}
			client := &http.Client{Transport: &http.Transport{}}
			for range 5 {
				get(t, client, b.URL("public"))
			}
			idle := line(t, b.URL("public")) // a connection on which nothing was ever said
			ended := make(chan error, 1)
			wait := func(path string) {
				go func() { _, _, err := ask(client, "POST", b.URL("public")+path, "x"); ended <- err }()
			}
			switch state {
			case Holding:
				err = b.Hold()
				wait("/held")
				until(t, "it is held", func() bool { return count(b).Held == 1 })
			case Refusing:
				err = b.Refuse()
				ended <- errors.New("there is none")
			case Up:
				wait("/slow")
				<-waiting
			}
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := b.Close(ctx); (err != nil) != (state == Up) {
				t.Errorf("closing said %v", err)
			}
			if err := <-ended; err == nil {
				t.Error("what was cut is answered")
			}
			if err := b.Close(t.Context()); err != nil {
				t.Errorf("closing again said %v", err)
			}
			for _, err := range []error{b.Heal(), b.Put("public", be), b.SetFaults(Faults{})} {
				if !errors.Is(err, ErrClosed) {
					t.Errorf("a closed balancer said %v", err)
				}
			}
			idle.Close()
			client.CloseIdleConnections()
			in.CloseClientConnections()
			until(t, "no goroutine is left:\n"+goroutines(), func() bool {
				return !strings.Contains(goroutines(), "balancer.(*door)") && !strings.Contains(goroutines(), "balancer.(*pool)") &&
					strings.Count(goroutines(), "net/http.") <= 2 // the backend's own listener, in two frames of one
			})
		})
	}
}

func TestCloseLetsRequestsEnd(t *testing.T) {
	waiting, release := make(chan struct{}), make(chan struct{})
	in := newInstance(t, "a", func(w http.ResponseWriter, r *http.Request) {
		close(waiting)
		<-release
		fmt.Fprint(w, "whole")
	})
	b, err := New(one(in.backend(1)))
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(t)
	answer := make(chan string, 1)
	go func() { _, text, err := ask(client, "POST", b.URL("public"), "x"); answer <- fmt.Sprint(text, err) }()
	<-waiting
	closed := make(chan error, 1)
	go func() { closed <- b.Close(t.Context()) }()
	until(t, "the listener is closed", func() bool {
		_, _, err := ask(&http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: time.Second}, "GET", b.URL("public"), "")
		return err != nil
	})
	close(release)
	if got := <-answer; got != "whole<nil>" {
		t.Errorf("got %s", got)
	}
	if err := <-closed; err != nil {
		t.Errorf("closing said %v", err)
	}
}
