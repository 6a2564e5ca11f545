package process_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lunchrush/lunchrush/service/servicetest"
)

// The documented failure refund-race: a machine that is only slow has no result when the refund is due.
func TestASlowMachineAndTheRefund(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name, guard string
		both        bool
	}{{"as was, money and goods", "none", true}, {"hardened, the machine is asked and the goods are paid for", "cas", false}} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			town := start(t, "refund.guard", side.guard, "refund.cancel_wait", "1m", "command.late", "1m")
			machine := town.AddMachine("m1", 5)
			o := town.Buy("r1", "m1")
			town.PayAndNotify(o)
			c, found := machine.Poll(t.Context(), 5*time.Second)
			if !found {
				t.Fatal("no command")
			}
			// The motor turns longer than refund.after: until the service has done what it does about that.
			cancelled := c
			if side.both {
				town.AwaitState(o.OrderID, "REFUNDED", 10*time.Second)
			} else if cancelled, found = awaitCancel(t, machine); !found {
				t.Fatal("the machine was not asked")
			}
			machine.Drop(c)
			for _, told := range []servicetest.Command{c, cancelled, c} {
				if status, body := machine.Report(told, "dispensed"); status != 200 {
					t.Fatalf("report: %d %s", status, body)
				}
			}
			// When the timer has refunded an order that was paid after all this, it has had its chance to refund this one, or again.
			town.AddMachine("m2", 5)
			after := town.Buy("r2", "m2")
			town.PayAndNotify(after)
			town.AwaitState(after.OrderID, "REFUNDED", 15*time.Second)
			back := town.Channel.Refunds()
			delete(back, "r-alipay-t-"+after.OrderID)
			if (len(back) == 1) != side.both || len(back) > 1 || machine.Drops(o.OrderID) != 1 {
				t.Errorf("refunds %v, %d drops", back, machine.Drops(o.OrderID))
			}
		})
	}
}

// awaitCancel polls until the machine is given a cancel. Its dispense command is given again meanwhile: it has not said that it
// knows it.
func awaitCancel(t *testing.T, machine *servicetest.Machine) (c servicetest.Command, found bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if c, found = machine.Poll(t.Context(), 5*time.Second); found && c.Kind == "cancel" {
			return c, true
		}
	}
	return c, false
}

// The documented failure queue-serial-batch: a row whose channel is slow holds up the rows of its batch, or it does not.
func TestOneSlowRowAndItsBatch(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name, workers string
		asked         int
	}{{"as was, one loop waits for it", "1", 1}, {"hardened, the pool's others go on", "8", 6}} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			town := start(t, "callback.confirm", "true", "callback.workers", side.workers, "callback.batch", "500", "refund.after", "1m",
				"remedy.after", "1m")
			const orders = 6
			var bought []servicetest.Order
			for i := range orders {
				id := fmt.Sprintf("m%d", i)
				town.AddMachine(id, 5)
				bought = append(bought, town.Buy("r"+id, id))
			}
			release := town.Channel.Hold()
			defer release()
			for _, o := range bought {
				town.PayAndNotify(o)
			}
			for range side.asked {
				<-town.Channel.Asked()
			}
			select {
			case <-town.Channel.Asked():
				t.Error("another row was handled beside them")
			case <-time.After(500 * time.Millisecond):
			}
			release()
			servicetest.Eventually(t, 10*time.Second, "all are handled", func() bool {
				return town.Count(`SELECT COUNT(*) FROM pay_queue WHERE status = 5 AND consume_status = 2`) == orders
			})
		})
	}
}

// The documented failure shared-redis: what empties the cache empties the queue, when both lie on one server.
func TestAFlushOfTheCacheAndTheQueuedPushes(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name   string
		queue  string
		again  string
		arrive bool
	}{
		{"as was, the push is lost", "same", "none", false},
		{"a queue of its own keeps it", "separate", "none", true},
		{"pushed again, it arrives although it was lost", "same", "300ms", true},
	} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			town := start(t, "redis.queue", side.queue, "command.push_again", side.again, "refund.after", "1m")
			machine := town.AddMachine("m1", 5)
			o := town.Buy("r1", "m1")
			town.PayAndNotify(o) // the machine is away: the push waits for it
			cache := redis.NewClient(&redis.Options{Addr: town.Cache.Addr})
			defer cache.Close()
			queue := redis.NewClient(&redis.Options{Addr: town.Queue.Addr})
			defer queue.Close()
			servicetest.Eventually(t, 5*time.Second, "the push waits", func() bool {
				return cache.Exists(t.Context(), "lr:push:m1").Val()+queue.Exists(t.Context(), "lr:push:m1").Val() == 1
			})
			if err := cache.FlushAll(t.Context()).Err(); err != nil {
				t.Fatal(err)
			}
			if _, found := machine.Poll(t.Context(), 3*time.Second); found != side.arrive {
				t.Errorf("the machine got its command: %v", found)
			}
		})
	}
}

// A poll's answer tells how long the poll had waited: the machine can tell how late the answer is.
func TestAnAnswerTellsHowLongItsPollHadWaited(t *testing.T) {
	t.Parallel()
	town := start(t, "refund.after", "1m")
	machine := town.AddMachine("m1", 5)
	o := town.Buy("r1", "m1")
	began := time.Now()
	got := make(chan servicetest.Command, 1)
	go func() {
		c, _ := machine.Poll(t.Context(), 30*time.Second)
		got <- c
	}()
	servicetest.Eventually(t, 10*time.Second, "the poll waits", func() bool { return town.Metric("lunchrush_polls_waiting") == 1 })
	waits := time.Now()
	servicetest.Eventually(t, 10*time.Second, "it has waited", func() bool { return time.Since(waits) > 200*time.Millisecond })
	least := time.Since(waits)
	town.PayAndNotify(o)
	c := <-got
	waited := time.Duration(c.WaitedMS) * time.Millisecond
	if c.OrderID != o.OrderID || waited < least-2*time.Millisecond || waited > time.Since(began) {
		t.Errorf("command %+v: wanted at least %s, at most %s", c, least, time.Since(began))
	}
	// Given again to a machine that did not get it, it was waited for anew.
	again := time.Now()
	c, found := machine.Poll(t.Context(), 5*time.Second)
	if most := time.Since(again).Milliseconds(); !found || c.OrderID != o.OrderID || c.WaitedMS > most {
		t.Errorf("given again: %+v, at most %d ms", c, most)
	}
}
