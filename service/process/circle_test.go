package process_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service/process"
	"github.com/lunchrush/lunchrush/service/servicetest"
)

// The documented failure circular-wait, with one worker in each pool: identity waits for front, front for the gate, the gate
// for identity. Either cure opens the circle.
func TestThreeThatWaitForEachOther(t *testing.T) {
	sides := []struct {
		name, mode, share string
		stuck             bool
	}{
		{"as was, none of them gets a worker", "inline", "pool", true},
		{"hardened, the gate does not wait for identity", "async", "pool", false},
		{"hardened, what others ask has workers of its own", "inline", "split", false},
	}
	for _, side := range sides {
		t.Run(side.name, func(t *testing.T) {
			cfg, town := servicetest.NewConfig(t)
			arrived, let := make(chan struct{}), make(chan struct{})
			answered := make(chan bool, 10) // whether front answered identity
			asking := &http.Client{Timeout: time.Second}
			identity := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				q := r.URL.Query()
				arrived <- struct{}{}
				<-let
				answer, err := asking.Get(town.Internal + "/internal/buyers/" + q.Get("channel") + "/" + q.Get("openid"))
				if err == nil {
					answer.Body.Close()
				}
				answered <- err == nil && answer.StatusCode == http.StatusNotFound
				_, _ = w.Write([]byte(`{"unionid":"u1"}`))
			}))
			defer identity.Close()
			cfg.Identity.URL = identity.URL
			for key, value := range map[string]string{
				"identity.mode": side.mode, "callers.share": side.share, "identity.timeout": "3s",
				"front.prepay": "gate", "front.workers": "1", "gate.workers": "1", "front.deadline": "none",
			} {
				if err := cfg.Set(key, value); err != nil {
					t.Fatal(err)
				}
			}
			town.Run(process.Roles()...)
			town.AddMachine("m1", 5)
			paid := town.Buy("r1", "m1")
			trade := town.Channel.Pay(paid.OrderID, "t1", paid.AmountFen)

			var waiting sync.WaitGroup
			waiting.Go(func() { town.Notify(trade, nil) })
			<-arrived // the gate's worker waits for identity, as was
			second := make(chan struct{})
			waiting.Go(func() {
				defer close(second)
				town.TryBuy("r2", "m1")
			})
			servicetest.Eventually(t, 5*time.Second, "the second order waits for the gate, or is made", func() bool {
				select {
				case <-second:
					return true
				default:
					return town.Metric(`lunchrush_workers_waiting{pool="all",role="gate"}`) == 1
				}
			})
			close(let)
			if got := <-answered; got == side.stuck {
				t.Errorf("front answered identity: %v", got)
			}
			waiting.Wait() // a time-out opens the circle in the end
		})
	}
}

// A front has the gate make payments only when that is the same process: nobody else could be asked.
func TestFrontAsksTheGateOfItsProcess(t *testing.T) {
	cfg, _ := servicetest.NewConfig(t)
	if err := cfg.Set("front.prepay", "gate"); err != nil {
		t.Fatal(err)
	}
	err := process.Serve(t.Context(), cfg, []string{process.Front, process.Shop}, nil, nil)
	if err == nil || !strings.Contains(err.Error(), "front.prepay") {
		t.Errorf("got %v", err)
	}
}
