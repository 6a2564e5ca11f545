package simulator

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/simulator/paysign"
)

const (
	// signAhead is how long before a notification is due its signature may be made. What is signed is the due moment,
	// so the signature is fresh at the send however early it was made; the bound is there because a step further off
	// is likely never to be sent. Two minutes hold 70,000 signatures of one core.
	signAhead = 2 * time.Minute

	// pushAhead is how long before a step of the ladder is due it goes on the timeline, from which nothing can be taken
	// back when another send of it is answered first. It covers the agenda's lateness on a busy machine.
	pushAhead = 150 * time.Millisecond

	// presignSlack is how far a payment may be from the moment that its notice was signed for. The notice then still goes
	// by that moment, so that a late agenda does not make the plan's delays longer; beyond it the notice is made anew.
	presignSlack = time.Second

	// signAgain is the pause after the signing queue was full.
	signAgain = 50 * time.Millisecond
)

// A notice is the notification of one payment through all its sends: the first, its planned duplicate, and the ladder's.
// Its id and its time of creation stay; each send is signed anew.
type notice struct {
	c       *channel
	key     string
	payment paysign.Payment
	id      string
	created time.Time
	planned time.Duration // the moment of the payment, as signed

	mu       sync.Mutex // guards what follows
	released bool       // the money has moved: signed sends may go
	ready    []signedSend
	sends    int // made so far
	climbed  int // steps of the ladder used up
	taken    bool
}

// The sends of a notice.
type sendKind int

const (
	firstSend sendKind = iota
	duplicateSend
	ladderSend
)

// A signedSend is one send of a notice, ready to go.
type signedSend struct {
	due    time.Duration
	kind   sendKind
	header http.Header
	body   []byte
}

// newNotice begins the notice of a payment at a moment: its first send and its planned duplicate are signed. Callers
// hold the channel's mu.
func (c *channel) newNotice(b *bill, at time.Duration) *notice {
	n := &notice{
		c: c, key: b.key, created: c.st.wall(at), planned: at,
		payment: paysign.Payment{OrderID: b.order, TransactionID: b.txn, BuyerID: openid(b.key), Attach: b.key, Fen: b.fen, PaidAt: c.st.wall(at)},
		id:      "EV-" + c.name + "-" + b.txn,
	}
	b.notice = n
	var delay time.Duration
	again := time.Duration(-1)
	if b.plan != nil {
		delay, again = b.plan.Notify, b.plan.Again
		if b.plan.Untold && b.plan.Channel == c.name {
			return n // lost on its way: nothing is ever sent
		}
	}
	n.sign(at+delay, firstSend)
	if again >= 0 {
		n.sign(at+delay+again, duplicateSend)
	}
	return n
}

// presign begins the notice of a payment that will happen about at.
func (c *channel) presign(order string, at time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b := c.bills[order]; b != nil && b.notice == nil && !b.closed {
		c.newNotice(b, at)
	}
}

// release lets the notice go: the payment has happened.
func (n *notice) release() {
	n.mu.Lock()
	ready := n.ready
	n.released, n.ready = true, nil
	n.mu.Unlock()
	// Signing is done on several cores: the order of readiness means nothing.
	slices.SortFunc(ready, func(a, b signedSend) int { return cmp.Or(cmp.Compare(a.due, b.due), cmp.Compare(a.kind, b.kind)) })
	for _, s := range ready {
		n.hold(s)
	}
}

// sign has a send signed, not earlier than signAhead before it is due.
func (n *notice) sign(due time.Duration, kind sendKind) {
	n.c.when(due-signAhead, func() { n.submit(due, kind) })
}

func (n *notice) submit(due time.Duration, kind sendKind) {
	if kind == ladderSend && n.settled() {
		return
	}
	err := n.c.owner.signer.Submit(paysign.Job{
		Due: n.c.st.wall(due),
		Make: func(now time.Time) (http.Header, []byte, error) {
			return n.c.signer.Sign(n.payment, n.id, n.created, now)
		},
		Done: func(h http.Header, body []byte, err error) {
			switch {
			case errors.Is(err, paysign.ErrClosed): // the run is over
			case err != nil:
				n.c.st.logger.Error("signing a notification", "order", n.payment.OrderID, "err", err)
			default:
				n.signed(signedSend{due, kind, h, body})
			}
		},
	})
	if errors.Is(err, paysign.ErrFull) {
		// It will leave late, and the certificate will say so.
		n.c.st.after(n.c.st.now()+signAgain, func() { n.submit(due, kind) })
	}
}

// signed takes a send from the signer: it waits for the payment, or for its due time.
func (n *notice) signed(s signedSend) {
	n.mu.Lock()
	if !n.released {
		n.ready = append(n.ready, s)
		n.mu.Unlock()
		return
	}
	n.mu.Unlock()
	n.hold(s)
}

// hold keeps a step of the ladder off the timeline until shortly before it is due. What the plan wants sent goes on it at
// once: nothing calls it back, and the drain can see it coming.
func (n *notice) hold(s signedSend) {
	if s.kind != ladderSend {
		n.push(s)
		return
	}
	n.c.when(s.due-pushAhead, func() { n.push(s) })
}

func (n *notice) settled() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.taken
}

// push puts a send on the timeline, unless the notice has been taken meanwhile or the run is over.
func (n *notice) push(s signedSend) {
	if n.c.owner.over() {
		return
	}
	n.mu.Lock()
	// A planned duplicate goes out even after a success: that is what makes it one.
	if n.taken && s.kind == ladderSend {
		n.mu.Unlock()
		return
	}
	n.sends++
	number := n.sends
	n.mu.Unlock()

	note := ""
	if s.kind == duplicateSend {
		note = "duplicate"
	}
	record := runlog.Record{Key: n.key, Order: n.payment.OrderID, Channel: n.c.name, ID: n.id, Txn: n.payment.TransactionID, N: number, Note: note}
	err := n.c.st.push(Send{
		Due: s.due, Kind: SendNotify, Method: http.MethodPost, URL: n.c.gate, Header: s.header, Body: s.body, Timeout: n.c.timeout,
		Intent: func(at time.Duration) {
			r := record
			r.At, r.Event, r.Due = int64(at), runlog.NotifyIntent, int64(s.due)
			n.c.st.book(r)
		},
		Done: func(a Answer) {
			ok := takenAs(n.c.name, a, n.c.timeout)
			r := record
			r.At, r.Event, r.Status, r.OK, r.Took = int64(a.At), runlog.NotifyAnswer, a.Status, ok, int64(a.At-a.Sent)
			n.c.st.book(r)
			n.answered(s, ok)
		},
	})
	if err != nil { // the timeline is over: so is the ladder
		return
	}
}

// answered climbs the ladder after a failure. A duplicate does not climb: the ladder is the first send's.
func (n *notice) answered(s signedSend, ok bool) {
	n.mu.Lock()
	if ok {
		n.taken = true
	}
	if n.taken || s.kind == duplicateSend {
		n.mu.Unlock()
		return
	}
	if n.climbed == len(n.c.steps) {
		sends := n.sends
		n.mu.Unlock()
		n.c.st.book(runlog.Record{
			Event: runlog.NotifyGivenUp, Key: n.key, Order: n.payment.OrderID, Channel: n.c.name,
			ID: n.id, Txn: n.payment.TransactionID, N: sends,
		})
		return
	}
	step := n.c.steps[n.climbed]
	n.climbed++
	n.mu.Unlock()
	// Steps count from the send before. A step shorter than the wait for an answer is due at once.
	n.sign(max(s.due+step, n.c.st.now()), ladderSend)
}

// when does act at a moment, at once when the moment has passed.
func (c *channel) when(at time.Duration, act func()) {
	if c.owner.over() {
		return
	}
	if at <= c.st.now() {
		act()
		return
	}
	c.st.after(at, func() {
		if !c.owner.over() {
			act()
		}
	})
}
