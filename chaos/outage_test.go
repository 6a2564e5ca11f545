package chaos

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/simulator/balancer"
)

// newBalancer is a real balancer before one backend that answers everything.
func newBalancer(t *testing.T) *balancer.Balancer {
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
		if err := b.Close(t.Context()); err != nil {
			t.Log(err) // what was held when the test ended is cut
		}
	})
	if err := b.Ready(t.Context()); err != nil {
		t.Fatal(err)
	}
	return b
}

func openBalancer(t *testing.T) *Target {
	t.Helper()
	b := newBalancer(t)
	return &Target{Name: "balancer", Balancer: &Balancer{
		Hold:    func() error { return b.Hold() },
		HoldAll: func() error { return b.HoldAll() },
		Refuse:  func() error { return b.Refuse() },
		Heal:    func() error { return b.Heal() },
		Address: strings.TrimPrefix(b.URL("public"), "http://"),
	}}
}

func TestAnOutageOfTheBalancerIsFeltWhileItLastsAndOnlyThen(t *testing.T) {
	for _, mode := range []string{modeHold, modeRefuse} {
		t.Run(mode, func(t *testing.T) {
			feltOnlyWhileInjected(t, openBalancer(t), "outage", map[string]string{"mode": mode})
		})
	}
	t.Run("hold, abandoned requests too", func(t *testing.T) {
		feltOnlyWhileInjected(t, openBalancer(t), "outage", map[string]string{"mode": modeHold, "abandoned": abandonedForward})
	})
	for _, params := range []map[string]string{{"abandoned": "keep"}, {"mode": modeRefuse, "abandoned": abandonedForward}} {
		if _, err := New("outage", params); err == nil {
			t.Errorf("%v is taken", params)
		}
	}
	if _, err := New("outage", map[string]string{"mode": "drop"}); err == nil || !strings.Contains(err.Error(), "accepted: hold, refuse") {
		t.Errorf("mode drop: %v", err)
	}
}
