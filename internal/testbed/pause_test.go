package testbed

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/moby/moby/client"
)

func TestPausingAContainer(t *testing.T) {
	const noFreeze = "Cannot pause container 1: OCI runtime pause failed: unable to freeze: unknown"
	for _, c := range []struct {
		name    string
		refuses int32 // how many times the engine refuses
		why     string
		asked   int32
		fails   bool
	}{
		{"is asked for once when the engine does it", 0, "", 1, false},
		{"is asked for again when new threads were faster than the engine", 2, noFreeze, 3, false},
		{"is not asked for again when the engine has another reason", 1, "No such container: 1", 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			var asked atomic.Int32
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/containers/1/pause") {
					t.Errorf("%s %s", r.Method, r.URL.Path)
				}
				w.Header().Set("Content-Type", "application/json")
				if asked.Add(1) > c.refuses {
					w.WriteHeader(http.StatusNoContent)
					return
				}
				w.WriteHeader(http.StatusInternalServerError)
				_, _ = w.Write([]byte(`{"message": "` + c.why + `"}`))
			}))
			defer server.Close()
			cli, err := client.New(client.WithHost("tcp://"+server.Listener.Addr().String()), client.WithAPIVersion("1.44"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = cli.Close() }()
			b := &box{part: PartMySQL, engine: &engine{Client: cli}, id: "1"}
			switch err := b.Pause(t.Context()); {
			case !c.fails && err != nil:
				t.Error(err)
			case c.fails && (err == nil || !strings.Contains(err.Error(), c.why)):
				t.Errorf("got %v, want an error that says %q", err, c.why)
			}
			if n := asked.Load(); n != c.asked {
				t.Errorf("asked %d times, want %d", n, c.asked)
			}
		})
	}
}
