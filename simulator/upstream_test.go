package simulator

import (
	"context"
	"errors"
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
	r := newRig(t, plan, nil)
	r.dice = newDice(1)
	cs, m := r.openShop(t)
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

// quiet reports whether the channels are answering nobody: answering holds the lock for reading.
func quiet(cs *channels) bool {
	if !cs.server.open.TryLock() {
		return false
	}
	cs.server.open.Unlock()
	return true
}

// A prepay is a POST: net/http does not notice that its client has gone while its body is unread.
func TestACallThatHangsEndsWithItsClientAndIsNotCarriedOut(t *testing.T) {
	r, cs, m := openDiced(t, planOf(PlanOrder{Key: "o1", Again: -1}))
	heal := r.dice[wechatName].Add(mishap.Faults{DelayShare: 1, Delay: time.Hour})
	ctx, cancel := context.WithCancel(t.Context())
	gone := make(chan error, 1)
	go func() {
		_, _, err := m.try(ctx, "POST", "/v3/pay/transactions/native", prepayBody("A1", "o1", 350, 0))
		gone <- err
	}()
	await(t, "the call hangs", func() bool { return !quiet(cs) })
	cancel()
	if err := <-gone; !errors.Is(err, context.Canceled) {
		t.Errorf("the call ended with %v", err)
	}
	await(t, "nothing is being answered", func() bool { return quiet(cs) })
	if got := len(r.booked(runlog.ChannelPrepay)); got != 0 {
		t.Errorf("%d orders can be paid", got)
	}
	heal()
	if status, answer := m.prepay("A1", "o1", 350); status != http.StatusOK {
		t.Errorf("healed: %d %v", status, answer)
	}
}

func TestACallThatIsLateIsCarriedOutWithItsWholeBody(t *testing.T) {
	r, _, m := openDiced(t, planOf(PlanOrder{Key: "o1", Again: -1}))
	r.dice[wechatName].Add(mishap.Faults{DelayShare: 1, Delay: time.Millisecond})
	if status, answer := m.prepay("A1", "o1", 350); status != http.StatusOK {
		t.Errorf("%d %v", status, answer)
	}
	if status, _ := m.call("POST", "/v3/pay/transactions/native", make([]byte, maxBodyBytes+1)); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a body that is too long: %d", status)
	}
}

// A body that is too long to be read before the wait hides the client's departure; the server's own end ends the call.
func TestClosingTheChannelsEndsACallThatHangs(t *testing.T) {
	r, cs, m := openDiced(t, planOf(PlanOrder{Key: "o1", Again: -1}))
	r.dice[wechatName].Add(mishap.Faults{DelayShare: 1, Delay: time.Hour})
	for _, body := range []any{prepayBody("A1", "o1", 350, 0), make([]byte, 2*maxBodyBytes)} {
		go func() { _, _, _ = m.try(t.Context(), "POST", "/v3/pay/transactions/native", body) }()
	}
	await(t, "the calls hang", func() bool { return !quiet(cs) })
	closed := make(chan error, 1)
	go func() { closed <- cs.Close() }()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the channels are still open after 10 s")
	}
}
