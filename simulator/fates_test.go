package simulator

import (
	"context"
	"errors"
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
)

func after(d time.Duration) scenarios.Upstream {
	return scenarios.Upstream{Delay: scenarios.Delay{Kind: "constant", A: d}}
}

// troubledScenario has upstreams that err, hang and are measured, and notifies that never come.
func troubledScenario(t *testing.T) *scenarios.Scenario {
	t.Helper()
	s := smallScenario()
	s.Payments.Notify.Lost = 0.05
	measured, err := scenarios.ParseDelay("quantiles 50%=80ms 90%=200ms 99%=2s 100%=6s")
	if err != nil {
		t.Fatal(err)
	}
	s.Upstream.Query = scenarios.Upstream{Delay: measured, Errors: 0.1, Status: 500, Code: "A004", Hang: 0.05}
	s.Upstream.Create.Errors, s.Upstream.Identity.Hang = 0.02, 0.5
	return s
}

func TestFatesHoldTheirSharesAtEveryCall(t *testing.T) {
	const n = 2000
	list := newStream(3, "fates").fates(n, scenarios.Upstream{Errors: 0.1, Hang: 0.05})
	for call := range 2 * fatesAhead { // after the last they begin again
		got := map[Fate]int{}
		for _, f := range list {
			got[f.Of(call)]++
		}
		if got[Refused] != 200 || got[Hung] != 100 || got[Served] != 1700 {
			t.Errorf("call %d of %d orders: %d refused, %d hung, %d served", call, n, got[Refused], got[Hung], got[Served])
		}
	}
}

func TestAPlanWithoutTroubleSaysNothingOfIt(t *testing.T) {
	for _, o := range mustPlan(t, smallScenario(), 1).Orders {
		if o.Untold || o.CreateFates+o.QueryFates+o.RefundFates+o.UnionidFates != "" {
			t.Fatalf("%+v", o)
		}
	}
	p := mustPlan(t, troubledScenario(t), 1)
	untold := 0
	for _, o := range p.Orders {
		if o.Untold {
			untold++
			if o.Again >= 0 {
				t.Errorf("%s is never told of, and told of twice", o.Key)
			}
		}
	}
	if want := int(math.Round(0.05 * float64(len(p.Orders)))); untold != want {
		t.Errorf("%d of %d payments are never told of, wanted %d", untold, len(p.Orders), want)
	}
}

func TestDrawsFollowTheQuantiles(t *testing.T) {
	d, err := scenarios.ParseDelay("quantiles 50%=80ms 90%=200ms 99%=2s 100%=6s")
	if err != nil {
		t.Fatal(err)
	}
	const n = 100_000
	s := newStream(1, "quantiles")
	below := map[time.Duration]int{}
	limits := map[time.Duration]float64{
		40 * time.Millisecond: 0.25, 80 * time.Millisecond: 0.5, 140 * time.Millisecond: 0.7, 200 * time.Millisecond: 0.9,
		2 * time.Second: 0.99, 4 * time.Second: 0.995, 6 * time.Second: 1,
	}
	for range n {
		x := s.draw(d)
		for limit := range limits {
			if x <= limit {
				below[limit]++
			}
		}
	}
	for limit, want := range limits {
		if got := float64(below[limit]) / n; math.Abs(got-want) > 0.005 {
			t.Errorf("%.4f take at most %s, wanted %.4f", got, limit, want)
		}
	}
}

func TestAnErrorOfAChannelMeansWhatItsStatusSays(t *testing.T) {
	tests := []struct {
		name   string
		status int
		bills  int
	}{
		{"after a 5xx the order can be paid all the same", 500, 1},
		{"after a 4xx nothing was done", 400, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, _, m := openShop(t, planOf(PlanOrder{Key: "o1", Again: -1, CreateFates: "e......."}))
			r.scenario.Upstream.Create = scenarios.Upstream{Status: tt.status, Code: "A004"}
			status, answer := m.prepay("A1", "o1", 350)
			if status != tt.status || answer["code"] != "A004" {
				t.Errorf("%d %v, wanted %d A004", status, answer, tt.status)
			}
			if got := len(r.booked(runlog.ChannelPrepay)); got != tt.bills {
				t.Errorf("%d orders can be paid, wanted %d", got, tt.bills)
			}
			if status, answer := m.prepay("A1", "o1", 350); status != http.StatusOK {
				t.Errorf("the second call: %d %v", status, answer)
			}
		})
	}
}

func TestAChannelAnswersAQueryWithA004AsOftenAsTheFatesSay(t *testing.T) {
	r, cs, m := openShop(t, planOf(PlanOrder{Key: "o1", Again: -1, QueryFates: "ee......"}))
	r.scenario.Upstream.Query = scenarios.Upstream{Status: 500, Code: "A004"}
	m.prepay("A1", "o1", 350)
	if _, err := cs.pay("A1", wechatName); err != nil {
		t.Fatal(err)
	}
	for i, want := range []int{500, 500, 200} {
		if status, answer := m.call("GET", "/v3/pay/transactions/out-trade-no/A1", nil); status != want {
			t.Errorf("query %d: %d %v, wanted %d", i+1, status, answer, want)
		}
	}
}

func TestAHungCallIsCarriedOutAndNeverAnswered(t *testing.T) {
	r, cs, m := openShop(t, planOf(PlanOrder{Key: "o1", Again: -1, RefundFates: "h......."}))
	m.prepay("A1", "o1", 350)
	if _, err := cs.pay("A1", wechatName); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, _, err := m.try(ctx, "POST", "/v3/refund/domestic/refunds", refundBody("A1", "", "R1", 350, 350)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the call ended with %v", err)
	}
	if got := len(r.booked(runlog.ChannelRefunded)); got != 1 {
		t.Errorf("%d refunds, wanted 1", got)
	}
}

func TestAnUntoldPaymentIsBookedAndNothingIsSent(t *testing.T) {
	r, cs, m := openShop(t, planOf(PlanOrder{Key: "o1", Channel: wechatName, Again: -1, Untold: true}, PlanOrder{Key: "o2", Channel: wechatName, Again: -1}))
	for _, o := range []string{"1", "2"} {
		m.prepay("A"+o, "o"+o, 350)
		if _, err := cs.pay("A"+o, wechatName); err != nil {
			t.Fatal(err)
		}
	}
	await(t, "the other payment is told of", func() bool { return len(r.booked(runlog.NotifyIntent)) == 1 })
	if got := len(r.booked(runlog.ChannelPaid)); got != 2 {
		t.Errorf("%d payments, wanted 2", got)
	}
	for _, rec := range r.booked(runlog.NotifyIntent) {
		if rec.Order != "A2" {
			t.Errorf("a notify of %s", rec.Order)
		}
	}
}
