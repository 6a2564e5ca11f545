package process_test

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service/servicetest"
)

// quick are switches that let timers fire within a test.
var quick = []string{
	"refund.after", "1500ms", "command.ttl", "1s", "command.late", "0s", "refund.every", "50ms", "refund.cancel_wait", "300ms",
	"remedy.every", "100ms", "remedy.after", "300ms", "command.push_again", "300ms",
}

func start(t *testing.T, switches ...string) *servicetest.Town {
	t.Helper()
	return servicetest.Start(t, append(append([]string{}, quick...), switches...)...)
}

func TestNotificationsThatAreNotTaken(t *testing.T) {
	t.Parallel()
	town := start(t)
	town.AddMachine("m1", 5)
	o := town.Buy("r1", "m1")
	trade := servicetest.Trade{OrderID: o.OrderID, TransactionID: "t1", Fen: o.AmountFen, PaidMS: time.Now().UnixMilli()}
	wrongAmount, unknown := trade, trade
	wrongAmount.Fen = 1
	unknown.OrderID = "nosuchorder"
	forged := town.Signer.Notification(t, trade, nil)
	forged = strings.Replace(forged, "total_amount=3.50", "total_amount=3.51", 1)
	tests := []struct {
		name   string
		form   string
		status int
		reason string
	}{
		{"another amount than the order's", town.Signer.Notification(t, wrongAmount, nil), 422, "amount"},
		{"an order that is not known yet", town.Signer.Notification(t, unknown, nil), 404, "unknown"},
		{"a changed field", forged, 401, "signature"},
		{"no form at all", "%%%", 400, "malformed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if status, body := town.NotifyForm(test.form); status != test.status || body != "fail" {
				t.Errorf("answered %d %s, wanted %d fail", status, body, test.status)
			}
			servicetest.Eventually(t, 5*time.Second, "the refusal is recorded", func() bool {
				return town.Count(`SELECT COUNT(*) FROM notify_refused WHERE reason = '`+test.reason+`'`) == 1
			})
		})
	}
	if n := town.Count(`SELECT COUNT(*) FROM pay_queue`); n != 0 {
		t.Errorf("%d rows of pay_queue", n)
	}
	if state := town.Order(o.OrderID).State; state != "PAYING" {
		t.Errorf("order is %s", state)
	}
}

func TestAnOrderPaidTwiceIsDispensedOnceAndTheSecondPaymentGoesBack(t *testing.T) {
	t.Parallel()
	town := start(t, "refund.after", "1m")
	machine := town.AddMachine("m1", 5)
	machine.Work()
	o := town.Buy("r1", "m1")
	town.PayAndNotify(o)
	town.AwaitState(o.OrderID, "DISPENSED", 5*time.Second)
	second := town.Channel.Pay(o.OrderID, "t-second", o.AmountFen)
	for range 2 {
		if status, _ := town.Notify(second, nil); status != 200 {
			t.Fatalf("notify: %d", status)
		}
	}
	servicetest.Eventually(t, 5*time.Second, "the second payment is refunded", func() bool {
		return town.Channel.Refunds()["r-alipay-t-second"] == o.AmountFen
	})
	if n := len(town.Channel.Refunds()); n != 1 || machine.Drops(o.OrderID) != 1 {
		t.Errorf("%d refunds, %d drops", n, machine.Drops(o.OrderID))
	}
	if n := town.Count(`SELECT COUNT(*) FROM refunds WHERE reason = 'second-payment'`); n != 1 {
		t.Errorf("%d refunds of a second payment", n)
	}
	town.AwaitState(o.OrderID, "DISPENSED", time.Second)
}

// The same request is sent twice. The channel takes the one try and refuses the other: the order can be paid, and stays open.
func TestARefusedTryClosesNothingThatAnotherMadePayable(t *testing.T) {
	t.Parallel()
	town := start(t)
	town.AddMachine("m1", 5)
	try := func() (int, string) {
		return town.Do("POST", town.Public+"/v1/orders", map[string]any{
			"request_id": "r1", "machine_id": "m1", "slot": 1, "channel": "alipay", "buyer_id": "b",
		})
	}
	release := town.Channel.HoldPrepays()
	t.Cleanup(release)
	var tries sync.WaitGroup
	statuses := make([]int, 2)
	for i, denied := range []int{0, http.StatusForbidden} {
		town.Channel.Deny("prepay", denied)
		tries.Go(func() { statuses[i], _ = try() })
		servicetest.Eventually(t, 5*time.Second, "the try is at the channel", func() bool { return town.Channel.Calls("prepay") == i+1 })
	}
	release()
	tries.Wait()
	if statuses[0] != http.StatusCreated || statuses[1] < 500 {
		t.Errorf("the tries were answered %v", statuses)
	}
	if n := town.Count(`SELECT COUNT(*) FROM orders WHERE state = 'PAYING'`); n != 1 || town.Stock("m1") != 4 {
		t.Errorf("%d orders can be paid, %d pieces are left; wanted 1 and 4", n, town.Stock("m1"))
	}
}

func TestAPartialRefundNotificationDispensesNothing(t *testing.T) {
	t.Parallel()
	town := start(t, "refund.after", "1m")
	machine := town.AddMachine("m1", 5)
	machine.Work()
	o := town.Buy("r1", "m1")
	trade := town.PayAndNotify(o)
	town.AwaitState(o.OrderID, "DISPENSED", 5*time.Second)
	status, body := town.Notify(trade, map[string]string{"refund_fee": "1.00", "out_biz_no": "b1", "gmt_refund": "2026-01-01 00:00:00"})
	if status != 200 || body != "success" {
		t.Errorf("answered %d %s", status, body)
	}
	if rows := len(town.Book()["pay_queue"]); rows != 1 || machine.Drops(o.OrderID) != 1 {
		t.Errorf("%d rows, %d drops", rows, machine.Drops(o.OrderID))
	}
}

func TestAnUnpaidOrderIsClosedAndAPaymentForItGoesBack(t *testing.T) {
	t.Parallel()
	town := start(t, "pay.window", "1s")
	town.AddMachine("m1", 1)
	o := town.Buy("r1", "m1")
	if status, body := town.Do("POST", town.Public+"/v1/orders", map[string]any{
		"request_id": "r2", "machine_id": "m1", "slot": 1, "channel": "alipay", "buyer_id": "b",
	}); status != 409 || !strings.Contains(body, "SOLD_OUT") {
		t.Errorf("the last piece sold twice: %d %s", status, body)
	}
	town.AwaitState(o.OrderID, "CLOSED", 10*time.Second)
	if s := town.Channel.Trade(o.OrderID).State; s != "CLOSED" {
		t.Errorf("at the channel: %s", s)
	}
	if n := town.Stock("m1"); n != 1 {
		t.Errorf("stock %d", n)
	}
	town.PayAndNotify(o)
	town.AwaitState(o.OrderID, "REFUNDED", 5*time.Second)
	if n := town.Stock("m1"); n != 1 {
		t.Errorf("stock given back twice: %d", n)
	}
	if r := town.Channel.Refunds(); len(r) != 1 {
		t.Errorf("refunds: %v", r)
	}
}

func TestAPaymentNobodyToldOfIsFoundByRemedy(t *testing.T) {
	t.Parallel()
	town := start(t, "refund.after", "1m")
	machine := town.AddMachine("m1", 5)
	machine.Work()
	o := town.Buy("r1", "m1")
	town.Channel.Pay(o.OrderID, "t1", o.AmountFen)
	town.AwaitState(o.OrderID, "DISPENSED", 10*time.Second)
	if r := town.Book()["remedy_order"]; len(r) != 1 || r[0]["reason"] != "notify-missing" || r[0]["state"] != "DONE" {
		t.Errorf("remedy orders: %v", r)
	}
}

func TestAVoidRow(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name, void, remedy, state string
	}{
		{"raises a remedy order and is dispensed", "remedy", "on", "DISPENSED"},
		{"as was, is forgotten", "silent", "off", "PAYING"},
	} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			town := start(t, "callback.confirm", "true", "queue.ladder", "50ms 50ms", "queue.void", side.void, "remedy", side.remedy,
				"remedy.after", "1m", "callback.poll", "20ms", "refund.after", "1m")
			town.AddMachine("m1", 5).Work()
			o := town.Buy("r1", "m1")
			town.Channel.Deny("query", 500)
			town.PayAndNotify(o)
			servicetest.Eventually(t, 5*time.Second, "the row is void", func() bool {
				q := town.Book()["pay_queue"]
				return len(q) == 1 && q[0]["status"] == 4.0 && q[0]["consume_status"] == 2.0 && q[0]["consume_count"] == 3.0
			})
			if state := town.Order(o.OrderID).State; state != "PAYING" {
				t.Errorf("order is %s", state)
			}
			town.Channel.Deny("query", 0)
			town.AwaitState(o.OrderID, side.state, 10*time.Second)
			if r := town.Book()["remedy_order"]; (len(r) == 1) != (side.void == "remedy") {
				t.Errorf("remedy orders: %v", r)
			}
		})
	}
}

func TestWhatAMachineReports(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		outcome string
		state   string
		stock   int
		refunds int
	}{
		{"nothing fell: the money goes back", "failed", "REFUNDED", 5, 1},
		{"too late to start: the money goes back", "expired", "REFUNDED", 5, 1},
		{"it fell", "dispensed", "DISPENSED", 4, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			town := start(t, "refund.after", "1m")
			machine := town.AddMachine("m1", 5)
			o := town.Buy("r1", "m1")
			town.PayAndNotify(o)
			c, found := machine.Poll(t.Context(), 5*time.Second)
			if !found || c.OrderID != o.OrderID || c.Kind != "dispense" || c.TTLMS != 1000 || c.Slot != 1 {
				t.Fatalf("command: %+v", c)
			}
			for range 3 { // a report may be repeated
				if status, body := machine.Report(c, test.outcome); status != 200 {
					t.Fatalf("report: %d %s", status, body)
				}
			}
			town.AwaitState(o.OrderID, test.state, 5*time.Second)
			if n := town.Stock("m1"); n != test.stock {
				t.Errorf("stock %d, wanted %d", n, test.stock)
			}
			if n := len(town.Channel.Refunds()); n != test.refunds {
				t.Errorf("%d refunds", n)
			}
		})
	}
}

func TestTheRefundTimer(t *testing.T) {
	t.Parallel()
	t.Run("takes back a command that no machine fetched", func(t *testing.T) {
		t.Parallel()
		town := start(t)
		machine := town.AddMachine("m1", 5)
		o := town.Buy("r1", "m1")
		town.PayAndNotify(o)
		town.AwaitState(o.OrderID, "REFUNDED", 10*time.Second)
		if c, found := machine.Poll(t.Context(), 500*time.Millisecond); found {
			t.Errorf("the machine was given %+v after the refund", c)
		}
		if n := town.Stock("m1"); n != 5 {
			t.Errorf("stock %d", n)
		}
	})
	t.Run("cancels a command that was given, and believes the answer", func(t *testing.T) {
		t.Parallel()
		town := start(t, "refund.cancel_wait", "1m")
		machine := town.AddMachine("m1", 5)
		o := town.Buy("r1", "m1")
		town.PayAndNotify(o)
		if _, found := machine.Poll(t.Context(), 5*time.Second); !found {
			t.Fatal("no command")
		}
		c, found := machine.Poll(t.Context(), 5*time.Second)
		for found && c.Kind == "dispense" { // told again, since it did not say that it has it
			c, found = machine.Poll(t.Context(), 5*time.Second)
		}
		if !found || c.Kind != "cancel" || c.OrderID != o.OrderID {
			t.Fatalf("no cancel: %+v", c)
		}
		if n := len(town.Channel.Refunds()); n != 0 {
			t.Error("refunded before the machine answered")
		}
		machine.Report(c, "cancelled")
		town.AwaitState(o.OrderID, "REFUNDED", 5*time.Second)
	})
	t.Run("a machine that had dispensed says so to the cancel", func(t *testing.T) {
		t.Parallel()
		town := start(t, "refund.cancel_wait", "1m")
		machine := town.AddMachine("m1", 5)
		o := town.Buy("r1", "m1")
		town.PayAndNotify(o)
		c, _ := machine.Poll(t.Context(), 5*time.Second)
		machine.Drop(c)
		if c, _ = machine.Poll(t.Context(), 10*time.Second); c.Kind != "cancel" {
			t.Fatalf("no cancel: %+v", c)
		}
		machine.Report(c, "dispensed")
		town.AwaitState(o.OrderID, "DISPENSED", 5*time.Second)
		if n := len(town.Channel.Refunds()); n != 0 {
			t.Errorf("%d refunds", n)
		}
	})
	t.Run("a silent machine: money back once it can not start, and a late success is not paid twice", func(t *testing.T) {
		t.Parallel()
		town := start(t)
		machine := town.AddMachine("m1", 5)
		o := town.Buy("r1", "m1")
		town.PayAndNotify(o)
		c, _ := machine.Poll(t.Context(), 5*time.Second)
		town.AwaitState(o.OrderID, "REFUNDED", 15*time.Second)
		if n := town.Stock("m1"); n != 5 {
			t.Errorf("stock %d", n)
		}
		for range 2 {
			if status, body := machine.Report(c, "dispensed"); status != 200 || !strings.Contains(body, "REFUNDED") {
				t.Errorf("late report: %d %s", status, body)
			}
		}
		if n := town.Stock("m1"); n != 4 {
			t.Errorf("stock after the late drop %d", n)
		}
		if n := len(town.Channel.Refunds()); n != 1 {
			t.Errorf("%d refunds", n)
		}
	})
	t.Run("a refund is tried with the same number until the channel confirms", func(t *testing.T) {
		t.Parallel()
		town := start(t)
		town.AddMachine("m1", 5)
		o := town.Buy("r1", "m1")
		town.Channel.Deny("refund", 500)
		town.PayAndNotify(o)
		servicetest.Eventually(t, 10*time.Second, "tried", func() bool { return town.Channel.Calls("refund") >= 1 })
		town.Channel.Deny("refund", 0)
		town.AwaitState(o.OrderID, "REFUNDED", 10*time.Second)
		if r := town.Channel.Refunds(); len(r) != 1 || r["r-alipay-t-"+o.OrderID] != o.AmountFen {
			t.Errorf("refunds: %v", r)
		}
	})
}

func TestACommandWhoseAnswerWasLostIsGivenAgain(t *testing.T) {
	t.Parallel()
	town := start(t, "refund.after", "1m")
	machine := town.AddMachine("m1", 5)
	o := town.Buy("r1", "m1")
	town.PayAndNotify(o)
	first, found := machine.Poll(t.Context(), 5*time.Second)
	if !found {
		t.Fatal("no command")
	}
	// The machine polls with its old last id: it never saw the command.
	again, found := machine.Poll(t.Context(), 5*time.Second)
	if !found || again.CommandID != first.CommandID {
		t.Fatalf("given again: %+v", again)
	}
	machine.Drop(again)
	if c, found := machine.Poll(t.Context(), 300*time.Millisecond); found {
		t.Errorf("given %+v although the machine has it", c)
	}
}

func TestAHeartbeatRecoversALostResult(t *testing.T) {
	t.Parallel()
	town := start(t, "refund.after", "1m")
	machine := town.AddMachine("m1", 5)
	o := town.Buy("r1", "m1")
	town.PayAndNotify(o)
	c, _ := machine.Poll(t.Context(), 5*time.Second)
	body := `{"last_command_id":"` + c.CommandID + `","last_order_id":"` + o.OrderID + `","state":"IDLE","last_outcome":"dispensed"}`
	if status, text := machine.Request(t.Context(), "POST", "/v1/machines/m1/heartbeats", []byte(body)); status != 200 {
		t.Fatalf("heartbeat: %d %s", status, text)
	}
	if state := town.Order(o.OrderID).State; state != "DISPENSED" {
		t.Errorf("order is %s", state)
	}
}

func TestPushesSurviveTheQueueRedis(t *testing.T) {
	t.Parallel()
	town := start(t, "refund.after", "1m")
	machine := town.AddMachine("m1", 5)
	machine.Work()
	town.Queue.Stop()
	o := town.Buy("r1", "m1")
	town.PayAndNotify(o)
	town.AwaitState(o.OrderID, "DISPENSED", 20*time.Second)
	if status, body := town.Do("GET", town.Internal+"/readyz", nil); status != 200 || !strings.Contains(body, `"degraded":["redis queue`) {
		t.Errorf("readyz: %d %s", status, body)
	}
	town.Queue.Start()
	o = town.Buy("r2", "m1")
	town.PayAndNotify(o)
	town.AwaitState(o.OrderID, "DISPENSED", 20*time.Second)
}

func TestOrders(t *testing.T) {
	t.Parallel()
	town := start(t)
	town.AddMachine("m1", 5)
	post := func(request, machine string, slot int, channel string) (int, string) {
		return town.Do("POST", town.Public+"/v1/orders", map[string]any{
			"request_id": request, "machine_id": machine, "slot": slot, "channel": channel, "buyer_id": "b",
		})
	}
	tests := []struct {
		name    string
		request string
		machine string
		slot    int
		channel string
		status  int
		code    string
	}{
		{"a new order", "r1", "m1", 1, "alipay", 201, "PAYING"},
		{"the same request again is the same order", "r1", "m1", 1, "alipay", 200, "PAYING"},
		{"no such machine", "r2", "mx", 1, "alipay", 404, "UNKNOWN_MACHINE"},
		{"no such machine, from the cache", "r2", "mx", 1, "alipay", 404, "UNKNOWN_MACHINE"},
		{"no such slot", "r3", "m1", 9, "alipay", 404, "UNKNOWN_SLOT"},
		{"no such channel", "r4", "m1", 1, "cash", 400, "UNKNOWN_CHANNEL"},
		{"an id with a space", "r 5", "m1", 1, "alipay", 400, "BAD_REQUEST"},
		{"no request id", "", "m1", 1, "alipay", 400, "BAD_REQUEST"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if status, body := post(test.request, test.machine, test.slot, test.channel); status != test.status || !strings.Contains(body, test.code) {
				t.Errorf("%d %s, wanted %d %s", status, body, test.status, test.code)
			}
		})
	}
	if n := town.Stock("m1"); n != 4 {
		t.Errorf("stock %d", n)
	}
	t.Run("the request that took the last piece again is the same order", func(t *testing.T) {
		town.AddMachine("m2", 1)
		if status, body := post("r9", "m2", 1, "alipay"); status != 201 {
			t.Fatalf("%d %s", status, body)
		}
		if status, body := post("r9", "m2", 1, "alipay"); status != 200 || !strings.Contains(body, "PAYING") {
			t.Errorf("%d %s", status, body)
		}
		if status, body := post("r10", "m2", 1, "alipay"); status != 409 || !strings.Contains(body, "SOLD_OUT") {
			t.Errorf("another request: %d %s", status, body)
		}
	})
	t.Run("a channel that refuses: 502, and the stock is given back", func(t *testing.T) {
		town.Channel.Deny("prepay", 400)
		if status, body := post("r6", "m1", 1, "alipay"); status != 502 || !strings.Contains(body, "CHANNEL_FAILED") {
			t.Errorf("%d %s", status, body)
		}
		if n := town.Stock("m1"); n != 4 {
			t.Errorf("stock %d", n)
		}
	})
	t.Run("a body that is too large", func(t *testing.T) {
		if status, _ := town.Do("POST", town.Public+"/v1/orders", map[string]string{"request_id": strings.Repeat("x", 70_000)}); status != 413 {
			t.Errorf("%d", status)
		}
	})
	t.Run("an unknown order", func(t *testing.T) {
		for _, id := range []string{"nope", "%ff", "%27%20or%201=1"} {
			if status, body := town.Do("GET", town.Public+"/v1/orders/"+id, nil); status != 404 {
				t.Errorf("%s: %d %s", id, status, body)
			}
			if status, body := town.Do("POST", town.Public+"/v1/orders/"+id+"/pay", map[string]string{"channel": "alipay"}); status != 404 {
				t.Errorf("paying %s: %d %s", id, status, body)
			}
		}
	})
}

func TestABuyerLooksAtAPrice(t *testing.T) {
	t.Parallel()
	town := start(t)
	town.AddMachine("m1", 5)
	tests := []struct {
		name   string
		path   string
		status int
		says   string
	}{
		{"a slot", "m1/slots/1", 200, `"price_fen":`},
		{"the same again, from the cache", "m1/slots/1", 200, `"price_fen":`},
		{"a slot that the machine has not", "m1/slots/99", 404, "UNKNOWN_SLOT"},
		{"a machine that does not exist", "m9/slots/1", 404, "UNKNOWN_MACHINE"},
		{"a slot that is no number", "m1/slots/first", 404, "UNKNOWN_SLOT"},
		{"a slot below zero", "m1/slots/-1", 404, "UNKNOWN_SLOT"},
		{"what is no id", "m%201/slots/1", 404, "UNKNOWN_MACHINE"},
	}
	for _, tt := range tests {
		if status, body := town.Do("GET", town.Public+"/v1/machines/"+tt.path, nil); status != tt.status || !strings.Contains(body, tt.says) {
			t.Errorf("%s: %d %s, want %d %s", tt.name, status, body, tt.status, tt.says)
		}
	}
}

// The price was changed while the cache could not be told: it is behind.
func TestAnOrderIsAtItsSlotsPriceWhateverTheCacheTells(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name, mode string
		fen        string
	}{{"hardened", "", `"amount_fen":777`}, {"as was", "naive", `"amount_fen":`}} {
		t.Run(side.name, func(t *testing.T) {
			var switches []string
			if side.mode != "" {
				switches = []string{"cache.mode", side.mode}
			}
			town := start(t, switches...)
			town.AddMachine("m1", 5)
			_, told := town.Do("GET", town.Public+"/v1/machines/m1/slots/1", nil)
			town.Exec("UPDATE slots SET price_fen = 777 WHERE slot = 1")
			status, body := town.Do("POST", town.Public+"/v1/orders", map[string]any{
				"request_id": "r1", "machine_id": "m1", "slot": 1, "channel": "alipay", "buyer_id": "b",
			})
			if status != 201 || !strings.Contains(body, side.fen) || side.mode != "" && strings.Contains(body, "777") {
				t.Errorf("%d %s, and the cache told %s", status, body, told)
			}
			if n := town.Count("SELECT stock FROM slots WHERE slot = 1"); n != 4 {
				t.Errorf("%d pieces are left of 5", n)
			}
		})
	}
}

func TestFrontShedsNewOrdersWhenItsQueueIsFull(t *testing.T) {
	t.Parallel()
	town := start(t, "front.workers", "1", "front.queue_len", "1", "front.deadline", "200ms")
	town.AddMachine("m1", 50)
	town.Channel.Delay(time.Second)
	statuses := make(chan int, 8)
	for i := range 8 {
		go func() {
			status, _ := town.Do("POST", town.Public+"/v1/orders", map[string]any{
				"request_id": "r" + string(rune('a'+i)), "machine_id": "m1", "slot": 1, "channel": "alipay", "buyer_id": "b",
			})
			statuses <- status
		}()
	}
	counts := make(map[int]int)
	for range 8 {
		counts[<-statuses]++
	}
	if counts[201] < 1 || counts[503] < 6 {
		t.Errorf("statuses: %v", counts)
	}
}

func TestMachinesAuthenticate(t *testing.T) {
	t.Parallel()
	town := start(t)
	town.AddMachine("m1", 5)
	other := town.AddMachine("m2", 5)
	if status, _ := town.Do("GET", town.Public+"/v1/machines/m1/commands?wait=0s", nil); status != 401 {
		t.Errorf("without a signature: %d", status)
	}
	if status, _ := other.Request(context.Background(), "GET", "/v1/machines/m1/commands?wait=0s", nil); status != 401 {
		t.Errorf("signed by another machine: %d", status)
	}
	if status, _ := other.Request(context.Background(), "GET", "/v1/machines/m2/commands?wait=0s", nil); status != 204 {
		t.Errorf("its own: %d", status)
	}
	if status, _ := other.Request(context.Background(), "POST", "/v1/machines/m2/results", []byte(`{"command_id":"none","outcome":"dispensed"}`)); status != 404 {
		t.Errorf("unknown command: %d", status)
	}
}

func TestNoSecretReachesTheLog(t *testing.T) {
	t.Parallel()
	town := start(t)
	town.AddMachine("m1", 5)
	o := town.Buy("r1", "m1")
	town.Channel.Deny("refund", 500)
	town.PayAndNotify(o)
	servicetest.Eventually(t, 10*time.Second, "something went wrong", func() bool { return town.Channel.Calls("refund") > 0 })
	if err := town.Stop(); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{string(town.Config.Alipay.APIKey), string(town.Config.MySQL.DSN), "LR-HMAC"} {
		if strings.Contains(town.Logs.String(), secret) {
			t.Errorf("the log holds %q", secret)
		}
	}
}
