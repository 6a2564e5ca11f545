package process_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service/process"
	"github.com/lunchrush/lunchrush/service/servicetest"
)

// The documented failure shared-proxy, within the gate: Alipay does not answer, and WeChat's notifications wait for the
// workers that wait for it.
func TestASlowChannelAndTheOthersNotifications(t *testing.T) {
	sides := []struct {
		name, share string
		waits       bool
	}{
		{"as was, Alipay has every worker", "pool", true},
		{"hardened, WeChat has its own", "split", false},
	}
	for _, side := range sides {
		t.Run(side.name, func(t *testing.T) {
			cfg, town := servicetest.NewConfig(t)
			cfg.WeChat = servicetest.WeChat(t, town.Channel.URL)
			for key, value := range map[string]string{"channels.share": side.share, "gate.workers": "2", "notify.confirm": "true"} {
				if err := cfg.Set(key, value); err != nil {
					t.Fatal(err)
				}
			}
			town.Run(process.Roles()...)
			town.AddMachine("m1", 5)
			var trades []servicetest.Trade
			for _, request := range []string{"r1", "r2"} {
				o := town.Buy(request, "m1")
				trades = append(trades, town.Channel.Pay(o.OrderID, "t-"+request, o.AmountFen))
			}
			release := town.Channel.Hold()
			defer release()
			var paying sync.WaitGroup
			for _, trade := range trades {
				paying.Go(func() {
					if status, _ := town.Notify(trade, nil); status != 200 {
						t.Errorf("alipay's notification in the end: %d", status)
					}
				})
			}
			servicetest.Eventually(t, 5*time.Second, "Alipay has all that it can have", func() bool {
				if side.waits {
					return town.Metric(`lunchrush_workers_busy{pool="all",role="gate"}`) == 2
				}
				return town.Metric(`lunchrush_workers_busy{pool="alipay",role="gate"}`) == 1 &&
					town.Metric(`lunchrush_workers_waiting{pool="alipay",role="gate"}`) == 1
			})
			// Nobody can sign for WeChat here; that its notification is refused takes a worker all the same.
			ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
			defer cancel()
			r, err := http.NewRequestWithContext(ctx, http.MethodPost, town.Public+"/notify/wechat", strings.NewReader(`{}`))
			if err != nil {
				t.Fatal(err)
			}
			answer, err := http.DefaultClient.Do(r)
			if err == nil {
				answer.Body.Close()
			}
			if waited := err != nil; waited != side.waits {
				t.Errorf("WeChat's notification waited: %v", waited)
			}
			release()
			paying.Wait()
		})
	}
}
