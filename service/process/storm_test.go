package process_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service/servicetest"
)

// The documented failure notify-storm: a notification that is sent again, its channel having hung up on the first, costs
// the gate a turn of a worker and a round trip to the channel each time; hardened it costs neither.
func TestANotificationThatIsSentAgain(t *testing.T) {
	sides := []struct {
		name, ack string
		queries   int
	}{
		{"as was, each send is handled, though nobody waits for its answer any more", "after-processing", 3},
		{"hardened, the first was stored, the others find it there", "on-persist", 1},
	}
	for _, side := range sides {
		t.Run(side.name, func(t *testing.T) {
			town := servicetest.Start(t, "notify.ack", side.ack, "callback.confirm", "true", "gate.workers", "2")
			town.AddMachine("m1", 5).Work()
			o := town.Buy("r1", "m1")
			trade := town.Channel.Pay(o.OrderID, "t1", o.AmountFen)
			release := town.Channel.Hold()
			defer release()
			answered := 0
			for range 3 { // the third finds both workers at the channel as was, and waits for one
				if hangUpAfter(t, town, trade, 300*time.Millisecond) {
					answered++
				}
			}
			if late := side.ack == "after-processing"; (answered == 0) != late {
				t.Errorf("%d of 3 sends were answered while the channel held its answers", answered)
			}
			release()
			town.AwaitState(o.OrderID, "DISPENSED", 10*time.Second)
			servicetest.Eventually(t, 10*time.Second, "every send handled", func() bool { return town.Channel.Calls("query") >= side.queries })
			if status, _ := town.Notify(trade, nil); status != 200 {
				t.Errorf("one more send: %d", status)
			}
			if side.queries > 1 {
				side.queries++ // what is handled long ago is confirmed again too
			}
			if got := town.Channel.Calls("query"); got != side.queries {
				t.Errorf("the channel was asked %d times, want %d", got, side.queries)
			}
			if n := town.Count(`SELECT COUNT(*) FROM commands`); n != 1 {
				t.Errorf("%d commands for one payment", n)
			}
		})
	}
}

// hangUpAfter sends a notification as a channel that waits so long for the answer. It reports whether it was taken.
func hangUpAfter(t *testing.T, town *servicetest.Town, trade servicetest.Trade, limit time.Duration) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), limit)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, town.Public+"/notify/alipay", strings.NewReader(town.Signer.Notification(t, trade, nil)))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}
