package process_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/process"
	"github.com/lunchrush/lunchrush/service/servicetest"
)

// A link is a way to a database that can be cut: what is open is closed, and what is dialed is closed at once.
type link struct {
	listener net.Listener
	target   string
	down     atomic.Bool

	mu    sync.Mutex
	conns map[net.Conn]bool // guarded by mu
}

func newLink(t *testing.T, target string) *link {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &link{listener: listener, target: target, conns: make(map[net.Conn]bool)}
	t.Cleanup(func() { _ = listener.Close(); l.cut() })
	go func() {
		for {
			in, err := listener.Accept()
			if err != nil {
				return
			}
			go l.carry(in)
		}
	}()
	return l
}

func (l *link) carry(in net.Conn) {
	defer in.Close()
	if l.down.Load() {
		return
	}
	out, err := net.Dial("tcp", l.target)
	if err != nil {
		return
	}
	defer out.Close()
	l.mu.Lock()
	l.conns[in] = true
	l.mu.Unlock()
	done := make(chan struct{})
	go func() { _, _ = io.Copy(out, in); _ = out.Close(); close(done) }()
	_, _ = io.Copy(in, out)
	_ = in.Close()
	<-done
	l.mu.Lock()
	delete(l.conns, in)
	l.mu.Unlock()
}

func (l *link) cut() {
	l.down.Store(true)
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Close()
	}
}

// What a database or Redis that goes away in the midst of traffic costs: time. When it is back the service recovers by
// itself, and each payment ends in goods or money back, once.
func TestOutagesInTheMidstOfTraffic(t *testing.T) {
	for _, out := range []string{"mysql", "redis queue", "redis cache"} { // a report that meets the outage is made good by the cancel's answer
		t.Run(out, func(t *testing.T) {
			t.Parallel()
			c, town := servicetest.NewConfig(t)
			for i := 0; i < len(quick); i += 2 {
				if err := c.Set(quick[i], quick[i+1]); err != nil {
					t.Fatal(err)
				}
			}
			c.Switches.Refund.After = 4 * time.Second
			c.Switches.Callback.Lease = 3 * time.Second
			c.Switches.Queue.Ladder = []time.Duration{500 * time.Millisecond, time.Second, 2 * time.Second, 2 * time.Second, 2 * time.Second}
			var cut, heal func()
			switch out {
			case "mysql":
				head, rest, _ := strings.Cut(string(c.MySQL.DSN), "(")
				target, database, _ := strings.Cut(rest, ")")
				way := newLink(t, target)
				c.MySQL.DSN = service.Secret(head + "(" + way.listener.Addr().String() + ")" + database)
				cut, heal = way.cut, func() { way.down.Store(false) }
			case "redis queue":
				cut, heal = town.Queue.Stop, town.Queue.Start
			case "redis cache":
				cut, heal = town.Cache.Stop, town.Cache.Start
			}
			town.Run(process.Roles()...)
			const machines = 4
			var dropping []*servicetest.Machine
			for i := range machines {
				m := town.AddMachine(fmt.Sprintf("m%d", i), 500)
				m.Work()
				dropping = append(dropping, m)
			}
			var mu sync.Mutex
			paid := make(map[string]int) // order: machine
			var tries atomic.Int64
			tried := func(n int64, what string) { // that much traffic passes
				before := tries.Load()
				servicetest.Eventually(t, 30*time.Second, what, func() bool { return tries.Load() >= before+n })
			}
			stop := make(chan struct{})
			var buyers sync.WaitGroup
			for i := range machines {
				buyers.Go(func() {
					for n := 0; ; n++ {
						select {
						case <-stop:
							return
						case <-time.After(50 * time.Millisecond):
						}
						tries.Add(1)
						o, ok := town.TryBuy(fmt.Sprintf("r%d-%d", i, n), dropping[i].ID)
						if !ok {
							continue
						}
						trade := town.Channel.Pay(o.OrderID, "t-"+o.OrderID, o.AmountFen)
						mu.Lock()
						paid[o.OrderID] = i
						mu.Unlock()
						town.Notify(trade, nil) // refused while the database is away: remedy finds it
					}
				})
			}
			tried(40, "traffic before the outage")
			cut()
			tried(100, "traffic during the outage")
			want := 503
			if out != "mysql" { // it works without
				want = 200
			}
			if status, body := town.Do("GET", town.Internal+"/readyz", nil); status != want || !strings.Contains(body, out) {
				t.Errorf("readyz during the outage: %d %s, wanted %d", status, body, want)
			}
			heal()
			tried(40, "traffic after the outage")
			close(stop)
			buyers.Wait()
			servicetest.Eventually(t, 10*time.Second, "ready again", func() bool {
				status, _ := town.Do("GET", town.Internal+"/readyz", nil)
				return status == 200
			})
			if len(paid) < 10 {
				t.Errorf("%d orders paid: no traffic", len(paid))
			}
			for id, i := range paid {
				servicetest.Eventually(t, 40*time.Second, "order "+id+" is settled", func() bool {
					state := town.Order(id).State
					return state == "DISPENSED" || state == "REFUNDED"
				})
				drops, back := dropping[i].Drops(id), town.Channel.Trade(id).Refunded
				if (drops == 1) == (back == 350) || drops > 1 || back > 350 {
					t.Errorf("order %s: %d drops, %d fen back", id, drops, back)
				}
			}
		})
	}
}
