package simulator

import (
	"encoding/json"
	"errors"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// buyers order, think and pay as the plan says, whatever the service does to them. One who gets no answer, or is turned away
// for the moment, walks on, unless the scenario gives him more tries: then he loads the page again, which makes a new order.
// What becomes of the old one he does not know.
type buyers struct {
	st       *stage
	channels paymentChannels
	fleet    machineFleet
	public   string        // base URL
	until    time.Duration // no one pays after it, or after where pauses have moved it
	busy     atomic.Int64  // buyers between their order's send and their last act
}

var jsonHeader = http.Header{"Content-Type": {"application/json"}}

// order pushes the send of one order.
func (b *buyers) order(o *PlanOrder, due time.Duration) error {
	b.busy.Add(1)
	return b.ask(o, 1, due)
}

// ask pushes one try of a busy buyer.
func (b *buyers) ask(o *PlanOrder, try int, due time.Duration) error {
	key := tryKey(o.Key, try)
	body, err := json.Marshal(struct {
		RequestID string `json:"request_id"`
		MachineID string `json:"machine_id"`
		Slot      int    `json:"slot"`
		Channel   string `json:"channel"`
		BuyerID   string `json:"buyer_id"`
	}{key, o.Machine, o.Slot, o.Channel, openid(o.Key)})
	if err != nil {
		return err
	}
	return b.st.push(Send{
		Due: due, Kind: SendCreate, Method: http.MethodPost, URL: b.public + "/v1/orders", Header: jsonHeader, Body: body,
		Timeout: b.st.scenario.Buyers.Patience,
		Intent: func(at time.Duration) {
			b.st.book(runlog.Record{
				At: int64(at), Event: runlog.BuyerIntent, Key: key, Machine: o.Machine, Slot: o.Slot, Channel: o.Channel, Due: int64(due),
			})
		},
		Done: func(a Answer) { b.ordered(o, try, a) },
	})
}

// ordered is what a buyer does with the answer.
func (b *buyers) ordered(o *PlanOrder, try int, a Answer) {
	key := tryKey(o.Key, try)
	var got struct {
		OrderID   string `json:"order_id"`
		AmountFen int64  `json:"amount_fen"`
		ExpiresMS int64  `json:"expires_ms"`
		Code      string `json:"code"`
	}
	note := ""
	err := a.Err
	if err == nil && len(a.Body) > 0 {
		err = json.Unmarshal(a.Body, &got)
	}
	taken := a.Status == http.StatusOK || a.Status == http.StatusCreated
	switch {
	case err != nil:
		note = err.Error()
	case !taken:
		note = got.Code
	case got.OrderID == "":
		note = "no order_id in the answer"
	}
	answer := runlog.Record{
		At: int64(a.At), Event: runlog.BuyerAnswer, Key: key, Order: got.OrderID, Fen: got.AmountFen,
		Status: a.Status, OK: taken && note == "", Took: int64(a.At - a.Sent), Note: note,
	}
	if answer.OK && !b.st.prices.was(o.Machine, o.Slot, got.AmountFen, a.Sent) {
		answer.Paid = b.st.prices.label(o.Machine, o.Slot, a.Sent)
	}
	b.st.book(answer)
	if !taken || note != "" {
		if again(a.Status) && try < b.st.scenario.Buyers.Tries {
			if due := a.At + b.st.scenario.Buyers.Again; b.ask(o, try+1, due) == nil {
				return
			} // or the run is over
		}
		b.busy.Add(-1)
		return
	}
	b.st.orders.bind(got.OrderID, o.Key)
	due := a.At + o.Think
	switch o.Buyer {
	case BuyerAbandons:
		b.gone(o, got.OrderID, "abandons the order")
		return
	case BuyerLate:
		if got.ExpiresMS == 0 {
			b.gone(o, got.OrderID, "the answer does not say when the order closes")
			return
		}
		due = time.UnixMilli(got.ExpiresMS).Sub(b.st.wall(0)) - LateLead + o.Think
	case BuyerTwice:
		b.askAgain(o, got.OrderID, due)
	}
	b.payAt(o, got.OrderID, o.Channel, due)
}

// again reports whether a buyer with that answer may hope for another: none, or turned away for the moment.
func again(status int) bool {
	return status == 0 || status == http.StatusTooManyRequests || status >= 500
}

// gone is the last act of a buyer who will not pay.
func (b *buyers) gone(o *PlanOrder, order, why string) {
	b.st.book(runlog.Record{Event: runlog.BuyerGone, Key: o.Key, Order: order, Channel: o.Channel, Note: why})
	b.busy.Add(-1)
}

// payAt pays by a channel at that moment, the last act of a buyer there.
func (b *buyers) payAt(o *PlanOrder, order, channel string, due time.Duration) {
	if due > b.st.moved(b.until) {
		b.gone(o, order, "the run ends before he pays")
		return
	}
	b.channels.presign(order, channel, due)
	b.st.after(due, func() {
		switch _, err := b.channels.pay(order, channel); {
		case errors.Is(err, errClosedOrder), errors.Is(err, errPaidOrder), errors.Is(err, errUnknownOrder):
			b.gone(o, order, err.Error())
			return
		case err != nil:
			b.st.logger.Error("paying an order", "order", order, "channel", channel, "err", err)
			b.gone(o, order, err.Error())
			return
		}
		if o.Device == DeviceOffline && channel == o.Channel {
			b.fleet.offline(o.Machine, o.Offline)
		}
		b.busy.Add(-1)
	})
}

// askAgain asks for a way to pay by the other channel too, and pays there Second after the first payment.
func (b *buyers) askAgain(o *PlanOrder, order string, firstAt time.Duration) {
	other := "alipay"
	if o.Channel == other {
		other = "wechat"
	}
	b.busy.Add(1)
	err := b.st.push(Send{
		Due: b.st.now(), Kind: SendPay, Method: http.MethodPost, URL: b.public + "/v1/orders/" + order + "/pay",
		Header: jsonHeader, Body: []byte(`{"channel":"` + other + `"}`),
		Intent: func(at time.Duration) {
			b.st.book(runlog.Record{At: int64(at), Event: runlog.BuyerPayAgain, Key: o.Key, Order: order, Channel: other, Note: "intent"})
		},
		Done: func(a Answer) {
			r := runlog.Record{
				At: int64(a.At), Event: runlog.BuyerPayAgain, Key: o.Key, Order: order, Channel: other,
				Status: a.Status, OK: a.Status == http.StatusOK || a.Status == http.StatusCreated, Took: int64(a.At - a.Sent),
			}
			if a.Err != nil {
				r.Note = a.Err.Error()
			}
			b.st.book(r)
			if !r.OK {
				b.busy.Add(-1)
				return
			}
			b.payAt(o, order, other, max(a.At, firstAt+o.Second))
		},
	})
	if err != nil { // the run is over
		b.busy.Add(-1)
	}
}
