package reports

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// badLimit is how many bad orders an Audit tells in full.
const badLimit = 1000

// An audit goes through the books once and keeps about 200 bytes for each order. A second pass, only when there are bad
// orders, collects their timelines.
type audit struct {
	run    *runlog.Manifest
	ids    arena
	orders *index    // by the service's order id
	keys   *index    // by the plan's key
	facts  [][]order // by order number, in chunks
	ofKey  []uint32  // by key number: order number + 1
	asks   []slotAsk // by key number
	more   []ledger  // see order.more
	slots  map[slot]*stock
	last   int64 // At of the last record

	lastID     string // see number
	lastNumber uint32

	end    ending
	served int // the service's order rows
	ended  int // what service.end says, -1 when it never came

	queue     QueueFacts
	tally     tally
	faults    faultBook
	answersOf channelAnswers
	calls     callBook
	bids      bidBook
	messages  messageBook
	uploads   uploadBook
	payToDrop *hdrhistogram.Histogram
	took      map[string]*hdrhistogram.Histogram // service times by kind, for a run without latency.hlog
	taken     int64                              // At of the first probe that was taken, -1 none
	takenKind string
	truncated bool
	track     *tracker        // nil: the run had no fault
	firstAt   map[Class]int64 // when the first order of each bad class went wrong
}

// A tally counts what is not an order's own.
type tally struct {
	payments, refunds       int
	refundsDenied           int
	paidUnknown             int   // see the measure of that name
	recoveryMax             int64 // ns, likewise
	creates                 int   // sends
	notifies, duplicates    int   // sends, and those of them that the plan asked for as duplicates
	answers, failures       map[string]int
	probes, probesTaken     int
	probesAnswered          int
	slotsCompared           int // with the service's stock
	slotsUntold             int // their stock is not in the service's book
	probeKinds              map[string]int
	goodputOf, goodput      int
	meant                   int // planned orders that are meant to end with goods
	pushesLost, pushes      int // dispense commands that their machine never received, and all of them
	doubleByTwo             int // double dispenses by two commands, not by one that was started twice
	refundFirst, goodsFirst int // dispensed and refunded: which came first
	doubleNotified          int // double dispenses with more than one notify
	payers, bound           int // orders that were paid, and those of them whose buyer the service has bound
	buyersTold              bool
	lateBeyondRefund        int // dispensed and refunded: goods fell after the refund deadline
}

type slot struct {
	machine string
	n       int
}

// A stock is one slot's pieces.
type stock struct {
	start, left, reserved, dropped int
	unsure                         int      // pieces of orders whose money is on its way back: returned already, or with the money
	asks                           []uint32 // of its pieces, by key number
	unasked                        bool     // the service has an order of it of which it does not tell the key
	started, told                  bool     // the harness's and the service's figure are there
}

const orderChunk = 4096

func newAudit(run *runlog.Manifest) *audit {
	a := &audit{
		run:       run,
		slots:     make(map[slot]*stock),
		faults:    make(faultBook),
		answersOf: make(channelAnswers),
		calls:     make(callBook),
		payToDrop: newHistogram(),
		took:      make(map[string]*hdrhistogram.Histogram),
		firstAt:   make(map[Class]int64),
		ended:     -1,
		taken:     -1,
	}
	a.tally.answers = make(map[string]int)
	a.tally.failures = make(map[string]int)
	a.tally.probeKinds = make(map[string]int)
	a.orders, a.keys = newIndex(&a.ids), newIndex(&a.ids)
	a.track = newTracker(a)
	return a
}

// order is the facts of the order with that id.
func (a *audit) order(id string) *order {
	return a.at(a.number(id))
}

// number is the number of the order with that id. Records of one order often come together: the last one is remembered.
func (a *audit) number(id string) uint32 {
	if id == a.lastID && a.lastID != "" {
		return a.lastNumber
	}
	n, fresh := a.orders.number(id)
	if fresh && int(n)%orderChunk == 0 {
		a.facts = append(a.facts, make([]order, orderChunk))
	}
	a.lastID, a.lastNumber = id, n
	return n
}

func (a *audit) at(n uint32) *order { return &a.facts[n/orderChunk][n%orderChunk] }

// keyed notes that key was asked for, and by which order if that is known.
func (a *audit) keyed(key, id string) {
	if key == "" {
		return
	}
	var n uint32
	if id != "" {
		if n = a.number(id); a.at(n).key != 0 {
			return
		}
	}
	k, fresh := a.keys.number(key)
	if fresh {
		a.ofKey = append(a.ofKey, 0)
	}
	if id == "" {
		return
	}
	if a.ofKey[k] == 0 {
		a.ofKey[k] = n + 1
	}
	a.at(n).key = k + 1
}

// ledger is the order's ledger, made when it has none.
func (a *audit) ledger(o *order) *ledger {
	if o.more == 0 {
		a.more = append(a.more, ledger{})
		o.more = uint32(len(a.more))
	}
	return &a.more[o.more-1]
}

func (a *audit) ledgerOf(o *order) *ledger {
	if o.more == 0 {
		return nil
	}
	return &a.more[o.more-1]
}

// payment finds an order's payment; a record that names no transaction means the first.
func (a *audit) payment(o *order, txn string) *payment {
	if o.payments == 0 {
		return nil
	}
	if txn == "" || a.ids.is(o.first.txn, txn) {
		return &o.first
	}
	if l := a.ledgerOf(o); l != nil {
		for i := range l.more {
			if a.ids.is(l.more[i].txn, txn) {
				return &l.more[i]
			}
		}
	}
	return nil
}

func bump(n *uint16) {
	if *n < math.MaxUint16 {
		*n++
	}
}

// take enters one record.
func (a *audit) take(r *runlog.Record) {
	a.last = max(a.last, r.At)
	switch r.Event {
	case runlog.BuyerIntent:
		a.tally.creates++
		a.keyed(r.Key, r.Order)
		a.ask(r, r.At)
	case runlog.BuyerAnswer:
		a.keyed(r.Key, r.Order)
		a.told(r)
		a.priced(r)
		a.answer("create", r, r.Status/100 == 2 || r.Status == 409)
	case runlog.BuyerPayAgain, runlog.BuyerGone:
		a.keyed(r.Key, r.Order)

	case runlog.ChannelPrepay:
		a.keyed(r.Key, r.Order)
		if o := a.order(r.Order); o.prepaid == 0 {
			o.prepaid = r.Fen
		}
	case runlog.ChannelPaid:
		a.keyed(r.Key, r.Order)
		a.paid(r)
	case runlog.ChannelRefunded:
		a.refunded(r)
	case runlog.NotifyIntent:
		a.tally.notifies++
		if r.Note == "duplicate" {
			a.tally.duplicates++
		}
		if r.Order != "" {
			bump(&a.order(r.Order).notifies)
		}
	case runlog.NotifyAnswer:
		a.answer("notify", r, r.OK)
		if a.run.WarmUpNS == 0 || r.At-r.Took >= a.run.PlayFromNS+a.run.WarmUpNS {
			a.answersOf.take(r, a.run.Load.NotifyTimeoutNS)
		}
		if r.OK && r.Order != "" {
			if p := a.payment(a.order(r.Order), r.Txn); p != nil && p.ackedAt == 0 {
				p.ackedAt = max(r.At, 1)
			}
		}
	case runlog.ProbeIntent:
		a.tally.probes++
		if _, known := a.tally.probeKinds[r.Note]; known {
			a.tally.probeKinds[r.Note]++
		} else {
			a.tally.probeKinds[strings.Clone(r.Note)] = 1
		}
	case runlog.ProbeAnswer:
		a.answer("probe", r, r.OK)
		if r.Status != 0 {
			a.tally.probesAnswered++
		}
		if !r.OK && r.Status/100 == 2 {
			a.tally.probesTaken++
			if a.taken < 0 {
				a.taken, a.takenKind = r.At, strings.Clone(r.Note)
			}
		}

	case runlog.CallIntent, runlog.CallAnswer, runlog.ServiceCall:
		a.calls.take(r)
		a.bids.take(r)
		if r.Channel == "message" {
			a.messages.take(r, a.run)
		}
		if r.Channel == "upload" {
			a.uploads.take(r)
		}
		if r.Event == runlog.CallAnswer {
			a.answer(a.calls.of(r.Channel).Kind, r, r.OK)
		}

	case runlog.QueueSecond:
		a.messages.take(r, a.run)

	case runlog.MachineCommand:
		if r.Note != "cancel" {
			bump(&a.order(r.Order).commands)
		}
	case runlog.MachineDropped:
		a.dropped(r)
	case runlog.MachineJammed:
		a.order(r.Order).flags |= jammed
	case runlog.ResultAnswer:
		a.answer("result", r, r.Status == 200)
	case runlog.HeartbeatFailure:
		a.tally.failures["heartbeat"]++

	case runlog.ServiceOrder, runlog.ServiceQueue, runlog.ServiceRefund, runlog.ServiceRemedy, runlog.ServiceSlot, runlog.ServiceBuyer,
		runlog.ServiceEnd:
		a.service(r)
	case runlog.ServiceCommand:
		// The service's book comes last: what a machine was to receive it has received by then, or never will.
		if strings.HasPrefix(r.Note, "dispense ") {
			a.tally.pushes++
			if a.order(r.Order).commands == 0 {
				a.tally.pushesLost++
			}
		}

	case runlog.Stock:
		s := a.slot(r)
		s.start, s.started = int(r.Fen), true
	case runlog.FaultOn, runlog.FaultFelt, runlog.FaultOff:
		a.faults.take(r)
	case runlog.ChannelRefusal:
		a.tally.refundsDenied++
	case runlog.ChannelClosed, runlog.ChannelQueried, runlog.NotifyGivenUp, runlog.MachineRefused,
		runlog.ResultIntent, runlog.Phase:
		// These are for the timelines.
	}
}

func (a *audit) answer(kind string, r *runlog.Record, ok bool) {
	a.tally.answers[kind]++
	if !ok {
		a.tally.failures[kind]++
	}
	if r.Status != 0 && r.Took > 0 {
		h := a.took[kind]
		if h == nil {
			h = newHistogram()
			a.took[kind] = h
		}
		record(h, r.Took)
	}
}

func (a *audit) paid(r *runlog.Record) {
	a.tally.payments++
	o := a.order(r.Order)
	txn := r.ID
	if txn == "" {
		txn = r.Txn
	}
	p := payment{at: r.At, fen: r.Fen, txn: a.ids.put(txn)}
	if o.payments == 0 {
		o.first = p
	} else {
		l := a.ledger(o)
		l.more = append(l.more, p)
	}
	bump(&o.payments)
}

func (a *audit) refunded(r *runlog.Record) {
	a.tally.refunds++
	o := a.order(r.Order)
	if p := a.payment(o, r.Txn); p != nil {
		p.refunded += r.Fen
		p.refundedAt = r.At
		bump(&p.refunds)
		return
	}
	l := a.ledger(o)
	l.orphan += r.Fen
	l.orphanAt = r.At
}

func (a *audit) dropped(r *runlog.Record) {
	a.slot(r).dropped++
	o := a.order(r.Order)
	switch o.drops {
	case 0:
		o.droppedAt = r.At
	case 1:
		o.againAt = r.At
	}
	bump(&o.drops)
}

func (a *audit) slot(r *runlog.Record) *stock {
	s := a.slots[slot{r.Machine, r.Slot}]
	if s == nil {
		s = &stock{}
		a.slots[slot{strings.Clone(r.Machine), r.Slot}] = s
	}
	return s
}

// close fixes how the run ended, after the last record.
func (a *audit) close(truncated bool) {
	a.truncated = truncated
	a.end = ending{
		over:        a.run.DrainedAtNS > 0 || a.run.DeadlineNS > 0 && a.last >= a.run.DeadlineNS,
		at:          a.last,
		whole:       a.ended >= 0 && a.ended == a.served,
		refundAfter: a.run.RefundAfterNS,
		settle:      max(a.run.SettleNS, a.run.RefundAfterNS),
	}
	if a.run.DrainedAtNS == 0 {
		a.end.until = a.run.DeadlineNS
	}
}

// A bad is one bad order, before its story is told.
type bad struct {
	n     uint32
	class Class
	at    int64
	loss  int64
	price int64
	open  int64
}

// result judges every order. It gives the bad ones too, worst first: by class in the order of [classes], then by
// loss, then by time.
func (a *audit) result() (Audit, []bad) {
	res := Audit{
		Classes:     make(map[Class]int),
		Payments:    a.tally.payments,
		Notifies:    a.tally.notifies,
		Probes:      a.tally.probes,
		ProbesTaken: a.tally.probesTaken,
		ProbeKinds:  a.tally.probeKinds,
		Queue:       a.queue,
		Bad:         []BadOrder{},
	}
	for _, c := range classes {
		res.Classes[c] = 0
	}
	var wrong []bad
	for n := range uint32(a.orders.len()) {
		o := a.at(n)
		j := judge(o, a.ledgerOf(o), a.end)
		res.Orders++
		res.Classes[j.class]++
		res.PaidFen += j.paid
		res.RefundedFen += j.back
		res.DispensedFen += j.goods
		res.OpenFen += j.open
		res.LossFen += j.loss
		a.count(o, &j)
		if j.class.Bad() {
			if at, ok := a.firstAt[j.class]; !ok || j.at < at {
				a.firstAt[j.class] = j.at
			}
			wrong = append(wrong, bad{n, j.class, j.at, j.loss, j.price, j.open})
		}
	}
	for _, n := range a.ofKey {
		if n == 0 { // asked for and never made
			res.Orders++
			res.Classes[OKUnpaid]++
		}
	}
	for _, s := range a.slots {
		switch {
		case !a.end.whole || !s.started:
			continue
		case !s.told:
			a.tally.slotsUntold++
			continue
		}
		a.tally.slotsCompared++
		switch d := s.start - s.dropped - s.left - s.reserved; {
		case d < 0:
			res.Oversold -= d
		case d > s.unsure:
			res.Undersold += d - s.unsure
		}
	}
	res.Histories = a.histories()
	res.PayToDrop = quantilesOf(a.payToDrop)
	res.UpperBound = upperBound(res)
	slices.SortFunc(wrong, func(x, y bad) int {
		return cmp.Or(cmp.Compare(slices.Index(classes, x.class), slices.Index(classes, y.class)),
			cmp.Compare(y.loss, x.loss), cmp.Compare(x.at, y.at), cmp.Compare(x.n, y.n))
	})
	return res, wrong
}

// count adds what the measures and the likely reason need of an order.
func (a *audit) count(o *order, j *judgement) {
	a.countBuyer(o)
	if o.payments > 0 && o.drops > 0 && o.flags&(wentOffline|warmingUp) == 0 {
		record(a.payToDrop, o.droppedAt-o.first.at)
	}
	if o.payments > 0 && o.flags&canDispense != 0 && o.flags&warmingUp == 0 {
		a.tally.goodputOf++
		if o.drops > 0 && (a.end.refundAfter == 0 || o.droppedAt-o.first.at <= a.end.refundAfter) {
			a.tally.goodput++
		}
	}
	if j.stay > 0 && o.holdsUnpaid() {
		a.tally.paidUnknown++
	}
	if j.class == Recovered {
		a.tally.recoveryMax = max(a.tally.recoveryMax, max(o.droppedAt, o.first.refundedAt)-o.first.at)
	}
	switch j.class {
	case DoubleDispense:
		if o.notifies >= 2 {
			a.tally.doubleNotified++
		}
		if o.commands >= 2 {
			a.tally.doubleByTwo++
		}
	case DispensedAndRefunded:
		if o.first.refundedAt < o.droppedAt {
			a.tally.refundFirst++
		} else {
			a.tally.goodsFirst++
		}
		if wait := o.droppedAt - o.first.at; a.end.refundAfter > 0 && wait > a.end.refundAfter {
			a.tally.lateBeyondRefund++
		}
	default:
	}
}

// upperBound is the rule of three: with none lost of n, the share lost is at most 3/n with 95 % confidence. Beside orders
// that went wrong in another way it would read as a comfort, and is "".
func upperBound(a Audit) string {
	lost := a.Classes[Lost] + a.Classes[AckedLost]
	switch {
	case a.Payments == 0:
		return "no payment, so nothing is known about loss"
	case lost > 0:
		return fmt.Sprintf("%s lost of %s payments", count(int64(lost)), count(int64(a.Payments)))
	case badOrders(&a) > 0:
		return ""
	case a.Payments < 3:
		return fmt.Sprintf("0 lost of %d payments: too few to bound the share", a.Payments)
	}
	return fmt.Sprintf("0 lost of %s payments: at most %s with 95 %% confidence", count(int64(a.Payments)), percent(3/float64(a.Payments)))
}

// percent writes a share with two significant digits: "0.73 %".
func percent(share float64) string {
	p := share * 100
	if p == 0 || p >= 100 {
		return fmt.Sprintf("%.0f %%", p)
	}
	places := 1 - int(math.Floor(math.Log10(math.Abs(p))))
	return fmt.Sprintf("%.*f %%", max(0, places), p)
}

// unixMS turns the service's wall clock into a moment of the run.
func unixMS(run *runlog.Manifest, ms int64) int64 {
	return int64(time.UnixMilli(ms).Sub(run.StartedAt))
}
