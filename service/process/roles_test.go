package process_test

import (
	"bytes"
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/process"
	"github.com/lunchrush/lunchrush/service/servicetest"
)

func TestRolesInProcessesOfTheirOwn(t *testing.T) {
	t.Parallel()
	_, notifier := servicetest.NewConfig(t)
	notifier.Run(process.Notifier)
	shop := notifier.Sibling()
	shop.Run(process.Shop, process.Jobs)
	front := notifier.Sibling()
	front.Config.Peers = service.Peers{Shop: service.URLs{shop.Internal}, Notifier: service.URLs{notifier.Internal}}
	front.Run(process.Front)
	gate := notifier.Sibling()
	gate.Config.Peers.Front = service.URLs{front.Internal}
	gate.Run(process.Gate)

	notifier.AddMachine("m1", 5).Work()
	o := front.Buy("r1", "m1")
	gate.PayAndNotify(o)
	front.AwaitState(o.OrderID, "DISPENSED", 10*time.Second)
	for _, other := range []struct {
		name, url string
	}{{"gate", gate.Public + "/v1/orders/" + o.OrderID}, {"notifier", notifier.Public + "/v1/orders/" + o.OrderID}} {
		if status, _ := front.Do("GET", other.url, nil); status != 404 {
			t.Errorf("%s serves orders: %d", other.name, status)
		}
	}
	if status, body := front.Do("POST", front.Public+"/v1/orders", map[string]any{
		"request_id": "r2", "machine_id": "nope", "slot": 1, "channel": "alipay", "buyer_id": "b",
	}); status != 404 || !strings.Contains(body, "UNKNOWN_MACHINE") {
		t.Errorf("unknown machine through the shop: %d %s", status, body)
	}
}

// Two whole processes on one database: their consumers and jobs meet at every row.
func TestTwoProcessesDoEverythingOnce(t *testing.T) {
	t.Parallel()
	town := start(t, "callback.poll", "20ms", "refund.after", "2s")
	other := town.Sibling()
	other.Run(process.Roles()...)
	const orders = 20
	var bought []servicetest.Order
	var machines []*servicetest.Machine
	for i := range orders {
		m := town.AddMachine("m"+strconv.Itoa(i), 5)
		if i%2 == 0 {
			m.Work() // the others are away: their orders are refunded
		}
		machines = append(machines, m)
		bought = append(bought, town.Buy("r"+strconv.Itoa(i), m.ID))
	}
	var paying sync.WaitGroup
	for i, o := range bought {
		paying.Go(func() { []*servicetest.Town{town, other}[i%2].PayAndNotify(o) })
	}
	paying.Wait()
	for i, o := range bought {
		state, drops, refunded := "DISPENSED", 1, int64(0)
		if i%2 == 1 {
			state, drops, refunded = "REFUNDED", 0, o.AmountFen
		}
		town.AwaitState(o.OrderID, state, 20*time.Second)
		if machines[i].Drops(o.OrderID) != drops || town.Channel.Trade(o.OrderID).Refunded != refunded {
			t.Errorf("order %d: fell %d times, %d fen back", i, machines[i].Drops(o.OrderID), town.Channel.Trade(o.OrderID).Refunded)
		}
		if stock := town.Stock(machines[i].ID); stock != 5-drops {
			t.Errorf("order %d: stock %d", i, stock)
		}
	}
}

func TestStartsThatAreRefused(t *testing.T) {
	t.Parallel()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	tests := []struct {
		name  string
		roles []string
		spoil func(*service.Config)
		want  string
	}{
		{"a port that is taken", process.Roles(), func(c *service.Config) { c.Listen.Public = taken.Addr().String() }, "listen.public"},
		{"a gate that knows no front", []string{process.Gate}, nil, "peers.front must say where it is"},
		{"a front that knows no shop", []string{process.Front}, nil, "peers.shop must say where it is"},
		{"a role that is none", []string{"cook"}, nil, `no role "cook"`},
		{"no role", nil, nil, "no role"},
		{"switches that do not go together", process.Roles(), func(c *service.Config) { c.Switches.Callback.Lock = service.LockTable }, "callback.lock table"},
		{"a key that can not be read", process.Roles(), func(c *service.Config) { c.Alipay.PublicKey = "no key" }, "alipay"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := service.Default()
			c.MySQL.DSN = "root@tcp(127.0.0.1:1)/x"
			c.Redis = service.Redis{Cache: "127.0.0.1:1", Queue: "127.0.0.1:2"}
			c.Alipay = service.AlipayAccess{
				BaseURL: "http://127.0.0.1:1", APIKey: "00112233445566778899aabbccddeeff", AppID: "1",
				PublicKey: servicetest.NewAlipaySigner(t).PublicKey,
			}
			c.Switches.Resolve.Mode = service.Off
			if test.spoil != nil {
				test.spoil(c)
			}
			var out, log bytes.Buffer
			err := process.Serve(t.Context(), c, test.roles, &out, &log)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, wanted %q", err, test.want)
			}
			if out.Len() > 0 {
				t.Errorf("stdout: %s", &out)
			}
		})
	}
}

// A database that is not there yet is no reason to die.
func TestReadinessSaysWhatIsMissing(t *testing.T) {
	t.Parallel()
	c, town := servicetest.NewConfig(t)
	c.MySQL.DSN = "root@tcp(127.0.0.1:1)/x"
	ctx, cancel := context.WithCancel(context.Background())
	town.Listen(ctx, process.Roles()...)
	status, body := town.Do("GET", town.Internal+"/readyz", nil)
	if status != 503 || !strings.Contains(body, "mysql: ") || !strings.Contains(body, "migrations: ") {
		t.Errorf("readyz: %d %s", status, body)
	}
	if status, _ := town.Do("GET", town.Internal+"/healthz", nil); status != 200 {
		t.Errorf("healthz: %d", status)
	}
	cancel()
	if err := town.Stop(); err != nil {
		t.Errorf("end: %v", err)
	}
}
