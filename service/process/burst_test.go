package process_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service/servicetest"
)

// order asks for an order on behalf of a client who leaves when ctx ends.
func order(ctx context.Context, town *servicetest.Town, request string) {
	body := fmt.Sprintf(`{"request_id":%q,"machine_id":"m1","slot":1,"channel":"alipay","buyer_id":"b"}`, request)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, town.Public+"/v1/orders", strings.NewReader(body))
	if err != nil {
		return
	}
	if answer, err := http.DefaultClient.Do(r); err == nil {
		_ = answer.Body.Close()
	}
}

const waitingAtFront = `lunchrush_workers_waiting{pool="all",role="front"}`

// The documented failure slb-burst: the front works on requests that piled up, whose clients have gone.
func TestRequestsWhoseClientsHaveGone(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name, queue, deadline string
		made                  int
	}{
		{"as was, all of them are worked on", "unbounded", "none", 6},
		{"hardened, they are dropped", "bounded", "2s", 1},
	} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			town := start(t, "front.workers", "1", "front.queue", side.queue, "front.deadline", side.deadline)
			town.AddMachine("m1", 50)
			release := town.Channel.HoldPrepays()
			t.Cleanup(release)
			done := make(chan struct{})
			go func() { defer close(done); order(context.Background(), town, "first") }()
			servicetest.Eventually(t, 5*time.Second, "the worker is busy", func() bool { return town.Channel.Calls("prepay") == 1 })
			ctx, leave := context.WithCancel(t.Context())
			for i := range 5 {
				go order(ctx, town, fmt.Sprintf("r%d", i))
			}
			servicetest.Eventually(t, 5*time.Second, "the others wait", func() bool { return town.Metric(waitingAtFront) == 5 })
			leave()
			if side.made == 1 {
				servicetest.Eventually(t, 5*time.Second, "nobody waits any more", func() bool { return town.Metric(waitingAtFront) == 0 })
			}
			release()
			<-done
			servicetest.Eventually(t, 5*time.Second, "the line is worked off", func() bool { return town.Metric(waitingAtFront) == 0 })
			town.Buy("last", "m1") // the only worker is free: whatever was before has ended
			if got := town.Channel.Calls("prepay") - 1; got != side.made {
				t.Errorf("%d orders were made, want %d", got, side.made)
			}
		})
	}
}

// The documented failure slb-burst: the callback of a payment stands behind the new orders.
func TestACallbackAmongNewOrders(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name, admission string
		first           bool
	}{{"as was, it waits behind all that came before it", "none", false}, {"hardened, it is the next", "paid-first", true}} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			town := start(t, "front.workers", "1", "front.queue", "unbounded", "front.deadline", "none", "admission", side.admission, "callback.threads", "front", "refund.after", "1m", "remedy.after", "1m")
			town.AddMachine("m1", 50)
			paid := town.Buy("paid", "m1")
			release := town.Channel.HoldPrepays()
			t.Cleanup(release)
			for i := range 5 {
				go order(context.Background(), town, fmt.Sprintf("r%d", i))
			}
			servicetest.Eventually(t, 5*time.Second, "one is at the channel, four wait", func() bool {
				return town.Channel.Calls("prepay") == 2 && town.Metric(waitingAtFront) == 4
			})
			town.PayAndNotify(paid)
			servicetest.Eventually(t, 5*time.Second, "the callback waits too", func() bool { return town.Metric(waitingAtFront) == 5 })
			town.Channel.Delay(500 * time.Millisecond) // each of the four: the callback can be seen to come between them
			release()
			servicetest.Eventually(t, 10*time.Second, "the callback is handled", func() bool { // asking the front would stand in line
				return town.Count(`SELECT COUNT(*) FROM commands`) == 1
			})
			before := town.Channel.Calls("prepay") - 2 // of the four
			if first := before <= 1; first != side.first {
				t.Errorf("the callback was handled after %d of the four orders that had come before it", before)
			}
			servicetest.Eventually(t, 10*time.Second, "the line is worked off", func() bool { return town.Channel.Calls("prepay") == 6 })
		})
	}
}
