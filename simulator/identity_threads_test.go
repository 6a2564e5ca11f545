package simulator

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
)

func TestAnUpstreamsThreads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		two := newThreads(2)
		first, ok := two.take(t.Context())
		if _, second := two.take(t.Context()); !ok || !second {
			t.Fatal("two threads do not take two")
		}
		third := make(chan bool, 1)
		go func() { _, ok := two.take(t.Context()); third <- ok }()
		gone, hangUp := context.WithCancel(t.Context())
		fourth := make(chan bool, 1)
		go func() { _, ok := two.take(gone); fourth <- ok }()
		synctest.Wait()
		if got := two.load(); got != (pool{2, 2, 2}) {
			t.Errorf("two busy, two waiting: %+v", got)
		}
		hangUp()
		if <-fourth {
			t.Error("who has gone got a thread")
		}
		first()
		if !<-third {
			t.Error("who waited did not get the thread that came free")
		}
		if got := two.load(); got != (pool{2, 0, 2}) {
			t.Errorf("two busy, none waiting: %+v", got)
		}
	})
	var none *threads
	if _, ok := none.take(t.Context()); !ok {
		t.Error("no limit is a limit")
	}
}

func TestIdentityAsksFront(t *testing.T) {
	status := http.StatusOK
	path := ""
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		path = r.URL.Path
		w.WriteHeader(status)
	}))
	defer front.Close()
	a := newAsker()
	defer a.end()
	if err := a.ask("wechat", "o1"); err == nil {
		t.Error("asked before anyone said where front is")
	}
	a.begin(front.URL)
	for _, tt := range []struct {
		name   string
		status int
		fails  bool
	}{{"front knows the buyer", 200, false}, {"front does not, which is an answer too", 404, false}, {"front has no worker", 503, true}} {
		status = tt.status
		if err := a.ask("wechat", "o1"); (err != nil) != tt.fails {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if path != "/internal/buyers/wechat/o1" {
		t.Errorf("asked for %s", path)
	}
	a.end()
	if err := a.ask("wechat", "o1"); err == nil {
		t.Error("asked after the end")
	}
}
