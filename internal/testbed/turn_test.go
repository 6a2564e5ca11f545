package testbed

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/client"
)

func TestContainersAreToldToEndOneAfterTheOther(t *testing.T) {
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	var mu sync.Mutex
	var begun, done []time.Time
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if !strings.HasSuffix(r.URL.Path, "/kill") || r.URL.Query().Get("signal") != "SIGTERM" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		begun = append(begun, time.Now())
		w.WriteHeader(http.StatusNoContent)
		done = append(done, time.Now())
	}))
	defer server.Close()
	cli, err := client.New(client.WithHost("tcp://"+server.Listener.Addr().String()), client.WithAPIVersion("1.44"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cli.Close() }()

	const containers = 3
	ended := make(chan struct{})
	close(ended)
	var all sync.WaitGroup
	for range containers {
		all.Go(func() {
			b := &box{part: "service-1", engine: &engine{Client: cli}, id: "1", exited: ended}
			if killed, err := b.stop(t.Context()); killed || err != nil {
				t.Errorf("killed %v, error %v", killed, err)
			}
		})
	}
	all.Wait()
	if len(begun) != containers {
		t.Fatalf("told %d times, want %d", len(begun), containers)
	}
	for n := 1; n < containers; n++ {
		if apart := begun[n].Sub(done[n-1]); apart < endApart {
			t.Errorf("told %v after the one before, want at least %v", apart, endApart)
		}
	}
}
