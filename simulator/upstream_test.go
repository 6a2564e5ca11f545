package simulator

import (
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/simulator/mishap"
)

// openDiced is openShop with dice.
func openDiced(t *testing.T, plan *Plan) (*rig, *channels, merchant) {
	t.Helper()
	r, cs, m := openShop(t, plan)
	r.dice = newDice(1)
	cs.server.http.Handler = cs.routes()
	return r, cs, m
}

func TestAFailedRequestHasNoEffectAtTheChannel(t *testing.T) {
	r, _, m := openDiced(t, planOf(PlanOrder{Key: "o1", Again: -1}))
	heal := r.dice[wechatName].Add(mishap.Faults{FailShare: 1, Status: 500, Code: "A004"})
	if status, answer := m.prepay("A1", "o1", 350); status != 500 || answer["code"] != "A004" {
		t.Errorf("%d %v, wanted 500 A004", status, answer)
	}
	if got := len(r.booked(runlog.ChannelPrepay)); got != 0 {
		t.Errorf("%d orders can be paid", got)
	}
	heal()
	if status, answer := m.prepay("A1", "o1", 350); status != http.StatusOK {
		t.Errorf("healed: %d %v", status, answer)
	}
}

func TestTheFirstFailuresAreCountedByKindOfCallNotByOrder(t *testing.T) {
	r, _, m := openDiced(t, planOf(PlanOrder{Key: "o1", Again: -1}))
	r.dice[wechatName].Add(mishap.Faults{FailFirst: 1, Status: 503})
	for i, tt := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/v3/pay/transactions/out-trade-no/A1", 503},
		{"GET", "/v3/pay/transactions/out-trade-no/A2", 404}, // another order, the same kind
		{"POST", "/v3/pay/transactions/out-trade-no/A1/close", 503},
	} {
		if status, answer := m.call(tt.method, tt.path, nil); status != tt.status {
			t.Errorf("call %d: %d %v, wanted %d", i+1, status, answer, tt.status)
		}
	}
}

func TestTheOtherChannelIsSpared(t *testing.T) {
	r, _, m := openDiced(t, planOf(PlanOrder{Key: "o1", Again: -1}))
	r.dice[alipayName].Add(mishap.Faults{DelayShare: 1, Delay: time.Hour})
	if status, answer := m.prepay("A1", "o1", 350); status != http.StatusOK {
		t.Errorf("%d %v", status, answer)
	}
}

func TestAProbeOfAnUpstreamIsAnsweredAndStandsInNoBook(t *testing.T) {
	r, _, m := openDiced(t, planOf(PlanOrder{Key: "o1", Again: -1}))
	resp, err := http.Get(m.base + "/probe-1")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusNotFound || len(r.log) != 0 {
		t.Errorf("%d, %d records", resp.StatusCode, len(r.log))
	}
}
