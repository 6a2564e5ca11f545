package process_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service/process"
	"github.com/lunchrush/lunchrush/service/servicetest"
)

// The documented failure process-recycle: what was answered for and kept in memory is gone with the process.
func TestAnAnsweredNotificationSurvivesItsProcess(t *testing.T) {
	tests := []struct {
		name     string
		switches []string
		stored   bool
	}{
		{"as was, it is gone", []string{"notify.ack", "on-receipt", "stop", "abrupt", "ready", "none"}, false},
		{"an orderly end writes what is in memory", []string{"notify.ack", "on-receipt"}, true},
		{"hardened, it was stored before the answer, and the end may be abrupt", []string{"stop", "abrupt"}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tries := 1
			if !tt.stored {
				tries = 5 // what is in memory is written every half second, and may just have been
			}
			for range tries {
				if storedAfterItsProcess(t, tt.switches) == tt.stored {
					return
				}
			}
			t.Errorf("the payment is stored: %t, want %t", !tt.stored, tt.stored)
		})
	}
}

// storedAfterItsProcess reports whether a payment that was answered for is in the database when its process has ended.
func storedAfterItsProcess(t *testing.T, switches []string) bool {
	t.Helper()
	town := servicetest.Start(t, append([]string{"remedy", "off", "queue.void", "silent"}, switches...)...)
	town.AddMachine("m1", 5)
	o := town.Buy("r1", "m1")
	town.PayAndNotify(o)
	if err := town.Stop(); err != nil {
		t.Fatal(err)
	}
	return town.Count("SELECT COUNT(*) FROM pay_queue") == 1
}

// A process that is told to end finishes the orders that it is making; as was, their buyers are left without an answer.
func TestAProcessThatIsToldToEndFinishesWhatItBegan(t *testing.T) {
	for _, tt := range []struct {
		stop string
		want int
	}{{"graceful", http.StatusCreated}, {"abrupt", 0}} {
		t.Run(tt.stop, func(t *testing.T) {
			town := servicetest.Start(t, "stop", tt.stop)
			town.AddMachine("m1", 5)
			town.Channel.Delay(300 * time.Millisecond)
			status := 0
			var buying sync.WaitGroup
			buying.Go(func() {
				status, _ = town.Do("POST", town.Public+"/v1/orders", map[string]any{
					"request_id": "r1", "machine_id": "m1", "slot": 1, "channel": "alipay", "buyer_id": "b",
				})
			})
			servicetest.Eventually(t, 10*time.Second, "the order being made", func() bool {
				return town.Count("SELECT COUNT(*) FROM orders") == 1
			})
			if err := town.Stop(); err != nil {
				t.Fatal(err)
			}
			if buying.Wait(); status != tt.want {
				t.Errorf("answered %d, want %d", status, tt.want)
			}
		})
	}
}

// Readiness goes before the listener does, so that a balancer that asks has time to send elsewhere; as was, it stays.
func TestReadinessGoesBeforeTheListenerDoes(t *testing.T) {
	for _, tt := range []struct {
		ready string
		want  int
	}{{"checked", 503}, {"none", 200}} {
		t.Run(tt.ready, func(t *testing.T) {
			_, town := servicetest.NewConfig(t)
			for _, s := range [][2]string{{"ready", tt.ready}, {"stop.linger", "2s"}} {
				if err := town.Config.Set(s[0], s[1]); err != nil {
					t.Fatal(err)
				}
			}
			ctx, stop := context.WithCancel(context.Background())
			defer stop()
			town.Listen(ctx, process.Roles()...)
			servicetest.Eventually(t, 20*time.Second, "service ready", func() bool {
				status, _ := town.Do("GET", town.Internal+"/readyz", nil)
				return status == 200
			})
			stop()
			servicetest.Eventually(t, time.Second, fmt.Sprintf("readiness %d", tt.want), func() bool {
				status, _ := town.Do("GET", town.Internal+"/readyz", nil)
				return status == tt.want
			})
			if status, _ := town.Do("GET", town.Public+"/v1/orders/none", nil); status == 0 {
				t.Error("while it lingers it serves nobody")
			}
		})
	}
}
