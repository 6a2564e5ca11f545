package simulator

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/simulator/paysign"
)

// probeAhead is how long before it is due a probe chooses the order that it pretends to be about, and is signed.
const probeAhead = 500 * time.Millisecond

// probe sends one notification that must be refused. It pretends to be about an order that nobody has paid, so that a
// service which takes it is found out by the goods that fall.
func (cs *channels) probe(p PlanProbe, due time.Duration) {
	c := cs.named(p.Channel)
	if c == nil {
		cs.st.logger.Error("a probe of no channel", "channel", p.Channel)
		return
	}
	c.when(due-probeAhead, func() { c.submitProbe(paysign.Bad(p.Kind), due) })
}

func (c *channel) submitProbe(kind paysign.Bad, due time.Duration) {
	at := c.st.wall(due)
	c.mu.Lock()
	id := c.number("EV-probe-" + c.name + "-")
	pay := paysign.Payment{
		OrderID: fmt.Sprintf("probe%d", c.count), TransactionID: c.number("42probe"), Attach: "probe", Fen: 100, PaidAt: at,
	}
	if b := c.last; b != nil {
		pay.OrderID, pay.Attach, pay.Fen = b.order, b.key, b.fen
	}
	c.mu.Unlock()
	pay.BuyerID = openid(pay.Attach)

	err := c.owner.signer.Submit(paysign.Job{
		Due:  at,
		Make: func(now time.Time) (http.Header, []byte, error) { return c.signer.SignBad(kind, pay, id, at, now) },
		Done: func(h http.Header, body []byte, err error) {
			if err == nil {
				c.pushProbe(string(kind), id, pay.OrderID, due, h, body)
			} else if !errors.Is(err, paysign.ErrClosed) {
				c.st.logger.Error("making a probe", "kind", kind, "err", err)
			}
		},
	})
	if errors.Is(err, paysign.ErrFull) {
		c.st.after(c.st.now()+signAgain, func() { c.submitProbe(kind, due) })
	}
}

func (c *channel) pushProbe(kind, id, order string, due time.Duration, h http.Header, body []byte) {
	record := runlog.Record{Order: order, Channel: c.name, ID: id, Note: kind}
	// After the timeline's end there is nobody left to probe.
	_ = c.st.push(Send{
		Due: due, Kind: SendProbe, Method: http.MethodPost, URL: c.gate, Header: h, Body: body, Timeout: c.timeout,
		Intent: func(at time.Duration) {
			r := record
			r.At, r.Event, r.Due = int64(at), runlog.ProbeIntent, int64(due)
			c.st.book(r)
		},
		Done: func(a Answer) {
			r := record
			r.At, r.Event, r.Status, r.Took = int64(a.At), runlog.ProbeAnswer, a.Status, int64(a.At-a.Sent)
			r.OK = a.Status >= 400 && a.Status < 500
			c.st.book(r)
		},
	})
}
