package process_test

import (
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service/servicetest"
)

// The documented failure callback-serial: a backlog behind one consumer that holds the table, and a refund timer that
// looks at nothing but time.
func TestASerialCallbackDispensesAndRefunds(t *testing.T) {
	sides := []struct {
		name     string
		switches []string
		fails    bool
	}{
		{"as was, some orders get goods and money", []string{"callback.workers", "1", "callback.lock", "table", "refund.guard", "none"}, true},
		{"hardened, each order gets one of the two", nil, false},
	}
	for _, side := range sides {
		t.Run(side.name, func(t *testing.T) {
			// Ten payments at 400 ms each wait for one consumer: the last is 4 s old when its turn comes.
			town := servicetest.Start(t, append([]string{
				"callback.confirm", "true", "refund.after", "2s", "command.ttl", "1s", "refund.every", "100ms", "refund.cancel_wait", "500ms",
			}, side.switches...)...)
			town.Channel.Delay(0)
			const orders = 10
			var bought []servicetest.Order
			var machines []*servicetest.Machine
			for i := range orders {
				id := "m" + strconv.Itoa(i)
				m := town.AddMachine(id, 5)
				m.Work()
				machines = append(machines, m)
				bought = append(bought, town.Buy("r"+strconv.Itoa(i), id))
			}
			town.Channel.Delay(400 * time.Millisecond)
			var paying sync.WaitGroup
			for _, o := range bought {
				paying.Go(func() { town.PayAndNotify(o) })
			}
			paying.Wait()
			for i, o := range bought {
				servicetest.Eventually(t, 20*time.Second, "order "+o.OrderID+" settled", func() bool {
					return machines[i].Drops(o.OrderID) > 0 || town.Order(o.OrderID).State == "REFUNDED"
				})
			}
			both := 0
			servicetest.Eventually(t, 10*time.Second, "backlog empty", func() bool {
				_, body := town.Do("GET", town.Internal+"/internal/backlog", nil)
				return body == `{"waiting":0,"oldest_ms":0,"pushes":0,"uploads":0}`+"\n"
			})
			for i, o := range bought {
				if machines[i].Drops(o.OrderID) > 0 && town.Channel.Trade(o.OrderID).Refunded > 0 {
					both++
				}
			}
			if (both > 0) != side.fails {
				t.Errorf("%d of %d orders were dispensed and refunded", both, orders)
			}
		})
	}
}

// While the consumer as it was holds its transaction, a new notification waits for its lock, and its answer with it.
func TestALockedQueueDelaysNotifications(t *testing.T) {
	servicetest.MariaDBOnly(t, "locks on gaps")
	for _, side := range []struct {
		name, lock string
		waits      bool
	}{{"the table is locked: the answer waits", "table", true}, {"the row is claimed: it does not", "row", false}} {
		t.Run(side.name, func(t *testing.T) {
			town := servicetest.Start(t, "callback.workers", "1", "callback.lock", side.lock, "callback.confirm", "true")
			town.AddMachine("m1", 5)
			first, second := town.Buy("r1", "m1"), town.Buy("r2", "m1")
			release := town.Channel.Hold()
			defer release()
			town.PayAndNotify(first)
			<-town.Channel.Asked() // the consumer is at the channel now
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				town.PayAndNotify(second)
			}()
			select {
			case <-answered:
				if side.waits {
					t.Error("answered while the table was locked")
				}
			case <-time.After(700 * time.Millisecond):
				if !side.waits {
					t.Error("not answered although only a row was claimed")
				}
			}
			release()
			<-answered
		})
	}
}

// The documented failure notify-duplicates: the same notification twice at the same moment.
func TestTheSameNotificationTwiceAtOnce(t *testing.T) {
	sides := []struct {
		name     string
		switches []string
		fails    bool
	}{
		{"as was, the machine dispenses twice", []string{"dedupe", "none"}, true},
		{"hardened, once", nil, false},
	}
	for _, side := range sides {
		t.Run(side.name, func(t *testing.T) {
			town := servicetest.Start(t, append([]string{"callback.confirm", "true"}, side.switches...)...)
			machine := town.AddMachine("m1", 50)
			machine.Work()
			const orders = 8
			town.Channel.Delay(100 * time.Millisecond)
			var buying sync.WaitGroup
			var mu sync.Mutex
			var ids []string
			for i := range orders {
				buying.Go(func() {
					o := town.Buy(fmt.Sprintf("r%d", i), "m1")
					trade := town.Channel.Pay(o.OrderID, "t-"+o.OrderID, o.AmountFen)
					var links sync.WaitGroup
					for range 2 {
						links.Go(func() {
							if status, body := town.Notify(trade, nil); status != 200 || body != "success" {
								t.Errorf("notify: %d %s", status, body)
							}
						})
					}
					links.Wait()
					mu.Lock()
					defer mu.Unlock()
					ids = append(ids, o.OrderID)
				})
			}
			buying.Wait()
			for _, id := range ids {
				town.AwaitState(id, "DISPENSED", 10*time.Second)
			}
			servicetest.Eventually(t, 10*time.Second, "no command waits", func() bool {
				for _, c := range town.Book()["command"] {
					if c["state"] == "QUEUED" || c["state"] == "SENT" {
						return false
					}
				}
				return true
			})
			twice := 0
			for _, id := range ids {
				if machine.Drops(id) > 1 {
					twice++
				}
			}
			if (twice > 0) != side.fails {
				t.Errorf("%d of %d orders were dispensed twice", twice, orders)
			}
		})
	}
}

// A service that is told to end finishes what it has begun.
func TestDrainFinishesRowsThatWereBegun(t *testing.T) {
	town := servicetest.Start(t, "callback.confirm", "true")
	town.AddMachine("m1", 5)
	o := town.Buy("r1", "m1")
	release := town.Channel.Hold()
	defer release()
	town.PayAndNotify(o)
	<-town.Channel.Asked()
	ended := make(chan error, 1)
	go func() { ended <- town.Stop() }()
	servicetest.Eventually(t, 5*time.Second, "draining", func() bool {
		status, _ := town.Do("GET", town.Internal+"/readyz", nil)
		return status == 503
	})
	select {
	case err := <-ended:
		t.Fatalf("ended before the row was finished: %v", err)
	default:
	}
	release()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	town.Restart()
	if q := town.Book()["pay_queue"][0]; q["consume_status"] != 2.0 {
		t.Errorf("row after the drain: %v", q)
	}
	if state := town.Order(o.OrderID).State; state != "DISPENSING" {
		t.Errorf("order after the drain: %s", state)
	}
}

// With notify.ack after-processing the channel's answer waits for the whole handling.
func TestWhenANotificationIsAnswered(t *testing.T) {
	for _, side := range []struct {
		name, ack string
		waits     bool
	}{{"as was, after its handling", "after-processing", true}, {"hardened, when it is stored", "on-persist", false}} {
		t.Run(side.name, func(t *testing.T) {
			town := servicetest.Start(t, "notify.ack", side.ack, "callback.confirm", "true")
			town.AddMachine("m1", 5).Work()
			o := town.Buy("r1", "m1")
			release := town.Channel.Hold()
			defer release()
			answered := make(chan struct{})
			go func() {
				defer close(answered)
				town.PayAndNotify(o)
			}()
			<-town.Channel.Asked()
			select {
			case <-answered:
				if side.waits {
					t.Error("answered before it was handled")
				}
			case <-time.After(700 * time.Millisecond):
				if !side.waits {
					t.Error("not answered although it is stored")
				}
			}
			release()
			<-answered
			town.AwaitState(o.OrderID, "DISPENSED", 5*time.Second)
		})
	}
}

// Two payments of one order are looked at in the same moment, before either has moved it: the compare-and-set lets one of
// them have the goods, and the other goes back.
func TestTwoPaymentsAtTheSameMomentGetGoodsOnceAndMoneyOnce(t *testing.T) {
	town := servicetest.Start(t, "callback.confirm", "true", "refund.after", "1m")
	machine := town.AddMachine("m1", 5)
	machine.Work()
	o := town.Buy("r1", "m1")
	release := town.Channel.Hold()
	first := town.PayAndNotify(o)
	<-town.Channel.Asked()
	second := first
	second.TransactionID = "t-second"
	if status, body := town.Notify(second, nil); status != 200 {
		t.Fatalf("%d %s", status, body)
	}
	<-town.Channel.Asked() // both have looked at the order, and wait for the channel
	release()
	town.AwaitState(o.OrderID, "DISPENSED", 10*time.Second)
	servicetest.Eventually(t, 10*time.Second, "the other payment is back", func() bool { return len(town.Channel.Refunds()) == 1 })
	if n := machine.Drops(o.OrderID); n != 1 {
		t.Errorf("dropped %d times", n)
	}
}

// A payment that is handled long after it was made goes back: nobody stands at the machine any more.
func TestAPaymentHandledTooLateGoesBack(t *testing.T) {
	town := servicetest.Start(t, "callback.confirm", "true", "dispense.max_age", "1s", "refund.after", "1m")
	machine := town.AddMachine("m1", 5)
	machine.Work()
	o := town.Buy("r1", "m1")
	release := town.Channel.Hold()
	paid := town.PayAndNotify(o)
	<-town.Channel.Asked()
	servicetest.Eventually(t, 5*time.Second, "the payment is too old", func() bool { return time.Now().UnixMilli()-paid.PaidMS > 1200 })
	release()
	town.AwaitState(o.OrderID, "REFUNDED", 10*time.Second)
	if n := machine.Drops(o.OrderID); n != 0 {
		t.Errorf("dropped %d times", n)
	}
}
