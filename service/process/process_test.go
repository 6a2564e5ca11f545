package process_test

import (
	"os"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service/servicetest"
)

func TestMain(m *testing.M) { os.Exit(servicetest.Main(m)) }

func TestAnOrderThatIsPaidIsDispensed(t *testing.T) {
	town := servicetest.Start(t)
	machine := town.AddMachine("m1", 5)
	machine.Work()

	order := town.Buy("r1", "m1")
	if order.State != "PAYING" || order.AmountFen != 350 || order.PayURL == "" {
		t.Fatalf("order: %+v", order)
	}
	town.PayAndNotify(order)
	town.AwaitState(order.OrderID, "DISPENSED", 5*time.Second)
	if n := machine.Drops(order.OrderID); n != 1 {
		t.Errorf("fell %d times", n)
	}
	if stock := town.Stock("m1"); stock != 4 {
		t.Errorf("stock %d, wanted 4", stock)
	}
	book := town.Book()
	if len(book["order"]) != 1 || len(book["pay_queue"]) != 1 || len(book["command"]) != 1 || len(book["refund"]) != 0 {
		t.Errorf("book: %v", book)
	}
	if q := book["pay_queue"][0]; q["status"] != 5.0 || q["consume_status"] != 2.0 || q["consume_count"] != 1.0 {
		t.Errorf("pay_queue row: %v", q)
	}
}
