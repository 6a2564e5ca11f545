package process_test

import (
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service/servicetest"
)

// startWithDeadIdentity starts a service whose look-ups are taken and never answered. asked counts them.
func startWithDeadIdentity(t *testing.T, switches ...string) (town *servicetest.Town, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	dead := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(func() { dead.CloseClientConnections(); dead.Close() })
	c, town := servicetest.NewConfig(t)
	c.Identity.URL = dead.URL
	for i := 0; i < len(switches); i += 2 {
		if err := c.Set(switches[i], switches[i+1]); err != nil {
			t.Fatal(err)
		}
	}
	town.Run("front", "gate", "shop", "notifier", "jobs")
	return town, asked
}

// The documented failure unionid-down: the look-up takes the gate's threads, or only those that it may have.
func TestADeadIdentityServiceAndTheGatesThreads(t *testing.T) {
	t.Parallel()
	// Eight threads, eight notifies whose look-ups hang, and a ninth notify.
	common := []string{"gate.workers", "8", "identity.timeout", "3s"}
	sides := []struct {
		name          string
		switches      []string
		before, after int64 // look-ups when the ninth comes, and when it has been answered
	}{
		{"as was, it waits for one of them, and then for its own", []string{"identity.mode", "inline", "identity.pool", "none", "identity.breaker", "off"}, 8, 9},
		{"a bulkhead leaves it a thread", []string{"identity.mode", "inline", "identity.breaker", "off"}, 6, 6},
		{"hardened, none is taken", []string{"identity.mode", "async"}, 4, 4},
	}
	for _, side := range sides {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			town, asked := startWithDeadIdentity(t, append(append([]string{}, common...), side.switches...)...)
			town.AddMachine("m1", 50)
			var orders []servicetest.Order
			for i := range 9 {
				orders = append(orders, town.Buy("r"+strconv.Itoa(i), "m1"))
			}
			var sending sync.WaitGroup
			defer sending.Wait()
			for _, o := range orders[:8] {
				sending.Go(func() { town.PayAndNotify(o) })
			}
			servicetest.Eventually(t, 10*time.Second, "the look-ups hang", func() bool { return asked.Load() >= side.before })
			town.PayAndNotify(orders[8])
			if got := asked.Load(); got != side.after {
				t.Errorf("%d look-ups when the ninth was answered, wanted %d", got, side.after)
			}
		})
	}
}

// Beside it, the breaker: what has failed five times is not asked by the sixth.
func TestABreakerSparesTheDeadAndTheAsking(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name, breaker string
		asked         int64
	}{{"as was, each of them asks", "off", 8}, {"hardened, five do", "on", 5}} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			town, asked := startWithDeadIdentity(t, "identity.mode", "inline", "identity.timeout", "50ms", "identity.breaker", side.breaker)
			town.AddMachine("m1", 50)
			for i := range 8 {
				town.PayAndNotify(town.Buy("r"+strconv.Itoa(i), "m1"))
			}
			// A slow test machine may see a trial after two seconds: one more.
			if got := asked.Load(); got < side.asked || got > side.asked+1 || side.breaker == "off" && got != 8 {
				t.Errorf("%d look-ups, wanted %d", got, side.asked)
			}
		})
	}
}

// failedPrepays counts the payments that a channel did not make. It is counted before their thread is free again.
const failedPrepays = `lunchrush_upstream_seconds_count{operation="prepay",outcome="failed",upstream="alipay"}`

// The documented failure acquirer-timeouts, its threads: a sick channel's orders take all of front's, or half of them.
func TestASickAcquirerAndFrontsThreads(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name, pool string
		waits      bool
	}{{"as was, everyone waits for it", "none", true}, {"hardened, the other half serves", "bounded", false}} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			town := start(t, "acquirer.pool", side.pool, "front.workers", "4", "front.deadline", "none", "acquirer.timeout", "3s")
			town.AddMachine("m1", 50)
			o := town.Buy("r0", "m1")
			town.Channel.Delay(4 * time.Second)
			var ordering sync.WaitGroup
			defer ordering.Wait()
			before := town.Channel.Calls("prepay")
			for i := range 4 {
				ordering.Go(func() { town.TryBuy("r"+strconv.Itoa(i+1), "m1") })
			}
			held := map[bool]int{true: 4, false: 2}[side.waits]
			servicetest.Eventually(t, 5*time.Second, "the sick channel has them", func() bool { return town.Channel.Calls("prepay")-before >= held })
			if !side.waits {
				servicetest.Eventually(t, 5*time.Second, "the others are turned away", func() bool { return town.Metric(failedPrepays) == 2 })
			}
			town.Order(o.OrderID) // any question to front
			if got := town.Metric(failedPrepays); side.waits && got < 1 || !side.waits && got != 2 {
				t.Errorf("%v of 4 orders had ended when a question was answered", got)
			}
			if got := town.Channel.Calls("prepay") - before; got != held {
				t.Errorf("the sick channel had %d threads, wanted %d", got, held)
			}
		})
	}
}

// Its queue: a callback waits for a thread that a buyer's slow channel keeps, or it does not.
func TestACallbackAndABuyersSlowChannel(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name, threads string
		waits         bool
	}{{"as was, it waits", "front", true}, {"hardened, it has threads of its own", "own", false}} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			town := start(t, "callback.threads", side.threads, "front.workers", "1", "front.deadline", "none", "acquirer.timeout", "3s", "refund.after", "1m")
			machine := town.AddMachine("m1", 50)
			o := town.Buy("r0", "m1")
			town.Channel.Delay(4 * time.Second)
			before := town.Channel.Calls("prepay")
			var ordering sync.WaitGroup
			defer ordering.Wait()
			ordering.Go(func() { town.TryBuy("r1", "m1") })
			servicetest.Eventually(t, 5*time.Second, "the slow channel has the thread", func() bool { return town.Channel.Calls("prepay") > before })
			town.PayAndNotify(o)
			if _, found := machine.Poll(t.Context(), 10*time.Second); !found {
				t.Fatal("no command")
			}
			if ended := town.Metric(failedPrepays) >= 1; ended != side.waits {
				t.Errorf("the order had ended when the command came: %v", ended)
			}
		})
	}
}

// And its end: what the channel would not confirm is lost, or made good when it answers again.
func TestWhatTheAcquirerWouldNotConfirm(t *testing.T) {
	t.Parallel()
	for _, side := range []struct {
		name     string
		switches []string
		state    string
	}{
		{"as was, it stays unpaid here", []string{"remedy", "off", "queue.void", "silent"}, "PAYING"},
		{"hardened, it is remedied", nil, "DISPENSING"},
	} {
		t.Run(side.name, func(t *testing.T) {
			t.Parallel()
			town := start(t, append([]string{
				"callback.confirm", "true", "queue.ladder", "50ms 50ms", "refund.after", "1m", "remedy.after", "1m",
			}, side.switches...)...)
			town.AddMachine("m1", 5)
			o := town.Buy("r1", "m1")
			town.Channel.Deny("query", 500)
			town.PayAndNotify(o)
			servicetest.Eventually(t, 10*time.Second, "the row is void", func() bool {
				return town.Count(`SELECT COUNT(*) FROM pay_queue WHERE status = 4`) == 1
			})
			town.Channel.Deny("query", 0)
			if side.state != "PAYING" {
				town.AwaitState(o.OrderID, side.state, 20*time.Second)
				return
			}
			// When a later order has gone its whole way, the jobs have had their turn.
			later := town.Buy("r2", "m1")
			town.PayAndNotify(later)
			town.AwaitState(later.OrderID, "DISPENSING", 10*time.Second)
			if got := town.Order(o.OrderID).State; got != side.state {
				t.Errorf("it is %s", got)
			}
		})
	}
}
