package simulator

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

const serviceBook = `{"table":"order","order_id":"1","request_id":"o000001","machine_id":"m00001","slot":3,"channel":"wechat","amount_fen":350,"paid_fen":350,"state":"DISPENSED","transaction_id":"42","created_ms":1,"paid_ms":2,"done_ms":3}
{"table":"pay_queue","order_id":"1","channel":"wechat","transaction_id":"42","status":5,"consume_status":2,"consume_count":1,"create_ms":4,"last_consume_ms":5}
{"table":"command","command_id":"c1","order_id":"1","machine_id":"m00001","slot":3,"kind":"dispense","state":"DISPENSED"}
{"table":"refund","refund_no":"r1","order_id":"1","channel":"alipay","transaction_id":"43","amount_fen":350,"state":"DONE"}
{"table":"remedy_order","order_id":"1","reason":"voided","remedy_count":2,"state":"OPEN"}
{"table":"slot","machine_id":"m00001","slot":3,"stock":9}
{"table":"call","kind":"bid","key":"r1","id":"b1","n":5,"state":"RETURNED","taken_seq":7,"returned_seq":8}
{"table":"buyer","channel":"wechat","buyer_id":"oLR_________________________o000001","unionid":"uLRo000001"}
{"table":"buyer","channel":"alipay","buyer_id":"oLR_________________________o000002","unionid":"uLRo000001"}
{"table":"of a later service","order_id":"1"}
`

func TestTheServiceBookIsCopied(t *testing.T) {
	var got []runlog.Record
	whole, err := parseBook(strings.NewReader(serviceBook+`{"table":"end","orders":1,"buyers":2}`+"\n"), func(l *bookLine) {
		if r, ok := l.record(); ok {
			got = append(got, r)
		}
	})
	if err != nil || !whole {
		t.Fatalf("whole %v, %v", whole, err)
	}
	want := []runlog.Record{
		{Event: runlog.ServiceOrder, Key: "o000001", Order: "1", Machine: "m00001", Slot: 3, Channel: "wechat", Fen: 350, Paid: 350, Txn: "42", Note: "DISPENSED", CreatedMS: 1, PaidMS: 2, DoneMS: 3},
		{Event: runlog.ServiceQueue, Order: "1", Channel: "wechat", Txn: "42", Status: 2, N: 1, Note: "5", CreatedMS: 4, DoneMS: 5},
		{Event: runlog.ServiceCommand, Order: "1", Machine: "m00001", Slot: 3, ID: "c1", Note: "dispense DISPENSED"},
		{Event: runlog.ServiceRefund, Order: "1", Channel: "alipay", Txn: "43", Fen: 350, ID: "r1", Note: "DONE"},
		{Event: runlog.ServiceRemedy, Order: "1", N: 2, Note: "voided OPEN"},
		{Event: runlog.ServiceSlot, Machine: "m00001", Slot: 3, Fen: 9},
		{Event: runlog.ServiceCall, Channel: "bid", Key: "r1", ID: "b1", N: 5, Note: "RETURNED", TakenSeq: 7, ReturnedSeq: 8},
		{Event: runlog.ServiceBuyer, Key: "o000001", Channel: "wechat", ID: "uLRo000001", OK: true},
		{Event: runlog.ServiceBuyer, Key: "o000002", Channel: "alipay", ID: "uLRo000001"},
		{Event: runlog.ServiceEnd, N: 1, OK: true},
	}
	if !slices.EqualFunc(got, want, func(a, b runlog.Record) bool { return reflect.DeepEqual(a, b) }) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestABookThatIsNotWholeIsNotTakenForOne(t *testing.T) {
	for name, c := range map[string]struct{ text, err string }{
		"it breaks off":                {serviceBook, ""},
		"it is empty":                  {"", ""},
		"it lacks an order":            {serviceBook + `{"table":"end","orders":2}`, "has 1 orders and says 2"},
		"it lacks a buyer":             {serviceBook + `{"table":"end","orders":1,"buyers":3}`, "has 2 buyers and says 3"},
		"it breaks off within a line":  {serviceBook + `{"table":"en`, "line 11: unexpected end of JSON input"},
		"it goes on after its end":     {`{"table":"end","orders":0}` + "\n" + serviceBook, "goes on after its end"},
		"it is an error page, in HTML": {"<html>", "line 1: invalid character"},
	} {
		t.Run(name, func(t *testing.T) {
			whole, err := parseBook(strings.NewReader(c.text), func(*bookLine) {})
			if whole || (c.err == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("whole %v, %v; want an error with %q", whole, err, c.err)
			}
		})
	}
}

func FuzzServiceBook(f *testing.F) {
	f.Add(serviceBook + `{"table":"end","orders":1}` + "\n")
	f.Fuzz(func(t *testing.T, text string) {
		orders, said := 0, -1
		whole, err := parseBook(strings.NewReader(text), func(l *bookLine) {
			switch l.Table {
			case "order":
				orders++
			case "end":
				said = l.Orders
			}
			if r, ok := l.record(); ok && r.Event == "" {
				t.Errorf("table %q makes a record without an event", l.Table)
			}
		})
		if err == nil && whole != (said == orders) {
			t.Errorf("whole %v, of %d orders where the end says %d", whole, orders, said)
		}
	})
}

// told is what a service without worker gauges tells.
func told(goroutines, dbInUse int) serviceMetrics {
	return serviceMetrics{goroutines, dbInUse, [2]pool{{-1, -1, 0}, {-1, -1, 0}}, noCounters, unknownBinds}
}

func TestParseMetrics(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want serviceMetrics
	}{
		"nothing":          {"", told(-1, -1)},
		"what there is":    {"# HELP go_goroutines x\n# TYPE go_goroutines gauge\ngo_goroutines 42\ngo_sql_in_use_connections{db_name=\"a\"} 3\n", told(42, 3)},
		"the reference's":  {"lunchrush_db_connections_in_use 4\nlunchrush_db_connections_open 9\n", told(-1, 4)},
		"pools add up":     {"go_sql_in_use_connections{db_name=\"a b\"} 3\ngo_sql_in_use_connections{db_name=\"b\"} 0\ngo_sql_in_use_connections 2 1700000000\n", told(-1, 5)},
		"a longer name":    {"go_goroutines_total 7\n", told(-1, -1)},
		"large":            {"go_goroutines 1.2e+04\n", told(12000, -1)},
		"nonsense":         {"go_goroutines many\ngo_goroutines \ngo_goroutines{ 3\n", told(-1, -1)},
		"not even a space": {"go_goroutines", told(-1, -1)},
		"workers": {
			"lunchrush_workers_limit{pool=\"all\",role=\"front\"} 64\nlunchrush_workers_busy{pool=\"a\",role=\"gate\"} 3\n" +
				"lunchrush_workers_busy{pool=\"b\",role=\"gate\"} 4\nlunchrush_workers_waiting{role=\"gate\"} 9\n",
			serviceMetrics{-1, -1, [2]pool{{-1, -1, 64}, {7, 9, 0}}, noCounters, unknownBinds},
		},
		"counters": {
			"lunchrush_db_errors_total{number=\"1062\"} 3\nlunchrush_db_errors_total{number=\"1213\"} 4\nlunchrush_db_errors_total{number=\"1040\"} 0\n" +
				"lunchrush_price_reads_total 12\n",
			serviceMetrics{-1, -1, [2]pool{{-1, -1, 0}, {-1, -1, 0}}, [...]int{0, -1, 4, -1, -1, 12}, unknownBinds},
		},
		"binds": {
			"lunchrush_binds_total{outcome=\"failed\"} 3\nlunchrush_binds_total{outcome=\"dropped\"} 2\n" +
				"lunchrush_binds_total{outcome=\"bound\"} 90\nlunchrush_binds_waiting 7\n",
			serviceMetrics{-1, -1, [2]pool{{-1, -1, 0}, {-1, -1, 0}}, noCounters, binds{5, 7}},
		},
		"workers of no column": {"lunchrush_workers_busy{role=\"consumer\"} 3\nlunchrush_workers_busy 4\nlunchrush_workers_busy{role=\"front\"\n", told(-1, -1)},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := parseMetrics(strings.NewReader(c.text))
			if err != nil || got != c.want {
				t.Errorf("got %+v, %v; want %+v", got, err, c.want)
			}
		})
	}
}

func FuzzParseMetrics(f *testing.F) {
	f.Add("go_goroutines{a=\"b\"} 42\n")
	f.Fuzz(func(t *testing.T, text string) {
		if m, err := parseMetrics(strings.NewReader(text)); err == nil && (m.goroutines < -1 || m.dbInUse < -1) {
			t.Errorf("got %+v", m)
		}
	})
}
