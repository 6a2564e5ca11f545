package process_test

import (
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service/process"
	"github.com/lunchrush/lunchrush/service/servicetest"
)

// startWithWeChat starts a service with a channel for each of its ways to pay.
func startWithWeChat(t *testing.T) (*servicetest.Town, *servicetest.Channel) {
	t.Helper()
	c, town := servicetest.NewConfig(t)
	wechat := servicetest.NewChannel(t)
	c.WeChat = servicetest.WeChat(t, wechat.URL)
	for i := 0; i < len(quick); i += 2 {
		if err := c.Set(quick[i], quick[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	c.Switches.Refund.After = time.Minute
	town.Run(process.Roles()...)
	return town, wechat
}

// A channel that refuses to close a way to pay has not closed it: it is asked again until it has.
func TestAFurtherWayThatCouldNotBeClosedIsNotForgotten(t *testing.T) {
	t.Parallel()
	town, wechat := startWithWeChat(t)
	town.AddMachine("m1", 5).Work()
	o := town.Buy("r1", "m1")
	if status, body := town.Do("POST", town.Public+"/v1/orders/"+o.OrderID+"/pay", map[string]string{"channel": "wechat"}); status != 200 {
		t.Fatalf("a further way to pay: %d %s", status, body)
	}
	wechat.Deny("close", http.StatusForbidden)
	town.PayAndNotify(o)
	servicetest.Eventually(t, 20*time.Second, "the channel is asked to close again", func() bool { return wechat.Calls("close") >= 2 })
	wechat.Deny("close", 0)
	servicetest.Eventually(t, 20*time.Second, "the further way is closed", func() bool {
		return town.Count(`SELECT COUNT(*) FROM further_ways`) == 0
	})
	if state := wechat.Trade(o.OrderID).State; state != "CLOSED" {
		t.Errorf("the further way is %s", state)
	}
}

// The buyer asked for a second way to pay, and paid in both; or in one, and the other stays open.
func TestAFurtherWayToPayIsClosedAndWhatWasPaidThereGoesBack(t *testing.T) {
	t.Parallel()
	for _, second := range []bool{true, false} {
		t.Run(fmt.Sprintf("paid there too, and no notification comes: %v", second), func(t *testing.T) {
			t.Parallel()
			town, wechat := startWithWeChat(t)
			machine := town.AddMachine("m1", 5)
			machine.Work()
			o := town.Buy("r1", "m1")
			var asked sync.WaitGroup
			for range 4 { // at once: one writes the way down, all may pay by it
				asked.Go(func() {
					if status, body := town.Do("POST", town.Public+"/v1/orders/"+o.OrderID+"/pay", map[string]string{"channel": "wechat"}); status != 200 {
						t.Errorf("a further way to pay: %d %s", status, body)
					}
				})
			}
			asked.Wait()
			town.PayAndNotify(o)
			if second {
				wechat.Pay(o.OrderID, "t-second", o.AmountFen)
			}
			town.AwaitState(o.OrderID, "DISPENSED", 5*time.Second)
			servicetest.Eventually(t, 10*time.Second, "the further way is closed", func() bool {
				return town.Count(`SELECT COUNT(*) FROM further_ways`) == 0
			})
			if !second {
				if state := wechat.Trade(o.OrderID).State; state != "CLOSED" {
					t.Errorf("the further way is %s", state)
				}
				return
			}
			servicetest.Eventually(t, 10*time.Second, "the second payment is back", func() bool {
				return wechat.Refunds()["r-wechat-t-second"] == o.AmountFen
			})
			if machine.Drops(o.OrderID) != 1 || len(town.Channel.Refunds()) != 0 {
				t.Errorf("%d drops, refunds of the first payment: %v", machine.Drops(o.OrderID), town.Channel.Refunds())
			}
		})
	}
}
