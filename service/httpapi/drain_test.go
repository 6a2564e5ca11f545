package httpapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"

	"github.com/lunchrush/lunchrush/service"
)

// A request that outlives its client waits until the process ends, which first says that it will; what was begun is finished.
func TestDrainEndsWhatIsUntiedAndWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := &api{API: &API{Unattended: true, ending: make(chan struct{}), FrontPool: service.NewPool(1, -1, 0)}}
		client, leave := context.WithCancel(t.Context())
		ask := func(do func(ctx context.Context)) chan error {
			answered := make(chan error, 1)
			r := httptest.NewRequestWithContext(client, http.MethodPost, "/v1/orders", nil)
			go func() { answered <- a.work(r, func(ctx context.Context) error { do(ctx); return nil }) }()
			synctest.Wait()
			return answered
		}
		finish := make(chan struct{})
		first := ask(func(ctx context.Context) {
			<-finish
			if ctx.Err() != nil {
				t.Errorf("what was begun is broken off: %v", ctx.Err())
			}
		})
		second := ask(func(context.Context) { t.Error("what waited when the process ended was worked on") })
		leave()
		a.Withdraw()
		synctest.Wait()
		if len(second) != 0 {
			t.Fatalf("ended by its client or by Withdraw: %v", <-second)
		}
		a.Drain()
		a.Drain()
		if err := <-second; err == nil {
			t.Error("what waits does not end with the process")
		}
		close(finish)
		if err := <-first; err != nil {
			t.Error(err)
		}
	})
}
