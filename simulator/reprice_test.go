package simulator

import (
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
)

// Whoever looks just after the service has taken a price is told it before the operator has the answer.
func TestANewPriceIsRightFromTheMomentItIsSent(t *testing.T) {
	var sent Send
	st := &stage{
		scenario: &scenarios.Scenario{}, prices: newPrices(),
		push: func(s Send) error { sent = s; return nil }, book: func(runlog.Record) {},
		after: func(time.Duration, func()) { t.Error("it hangs on another clock than the send") },
	}
	st.prices.set("m00001", 2, 390, 0)
	p := &reprice{caller{st: st}}
	p.call(&PlanCall{Subject: "m00001/2", Fen: 450}, time.Second)
	if st.prices.was("m00001", 2, 450, time.Second) {
		t.Error("it is right before it was sent")
	}
	sent.Intent(time.Second)
	if !st.prices.was("m00001", 2, 450, time.Second) || !st.prices.was("m00001", 2, 390, time.Second) {
		t.Error("one of the two prices is wrong while the service may tell either")
	}
	sent.Done(Answer{Status: 204, At: 2 * time.Second})
	if st.prices.was("m00001", 2, 390, 3*time.Second) {
		t.Error("the old price is right after the answer")
	}
}
