package chaos

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/simulator/balancer"
)

// warmOver is a real balancer's warm-up of one backend.
func warmOver(t *testing.T) *Warmth {
	t.Helper()
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }))
	t.Cleanup(backend.Close)
	b, err := balancer.New(balancer.Config{
		Listeners: []balancer.Listener{{Name: "public"}},
		Pools:     []balancer.Pool{{Name: "public", Backends: []balancer.Backend{{Name: "one", URL: backend.URL, Weight: 1}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &Warmth{
		Chill: func(by time.Duration, requests, cores int) error {
			return b.Chill("one", balancer.Cold{Cost: by, Requests: requests, Lanes: cores})
		},
		Warm: func() { b.Warm("one") },
		Ask: func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, b.URL("public"), nil)
			if err != nil {
				return err
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			return res.Body.Close()
		},
	}
}

func TestAColdStartIsFeltWhileItLastsAndOnlyThen(t *testing.T) {
	target := &Target{Name: "front-1", Process: startChild(t), Warmth: warmOver(t)}
	feltOnlyWhileInjected(t, target, "cold-start", map[string]string{"by": "300ms"})
}

func TestAColdStartThatCannotStartIsNotInjected(t *testing.T) {
	c := startChild(t)
	warmth := warmOver(t)
	warmth.Chill = func(time.Duration, int, int) error { return errors.New("nothing comes over the balancer") }
	fault, err := New("cold-start", map[string]string{"by": "300ms"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := fault.Inject(t.Context(), &Target{Name: "jobs-1", Process: c, Warmth: warmth}); err == nil {
		t.Error("it says that it was injected")
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("it does not run any more: %v", err)
	}
}

func TestAnAddedInstanceIsFeltWhileItLastsAndOnlyThen(t *testing.T) {
	var added *child
	var clones []bool
	target := &Target{Name: "front", Role: &Role{
		Add: func(_ context.Context, cloned bool) (Process, error) {
			added = startChild(t)
			clones = append(clones, cloned)
			return added, nil
		},
		Remove: func(ctx context.Context) error { return added.Stop(ctx) },
	}}
	feltOnlyWhileInjected(t, target, "add", map[string]string{"image": "clone"})
	if _, ok := added.Running(); ok {
		t.Error("its heal left it running")
	}
	if len(clones) != 2 || !clones[0] {
		t.Errorf("added as clones: %v", clones)
	}
}
