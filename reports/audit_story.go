package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// storyMoments bounds one order's timeline: a storm of notifies would fill the page.
const storyMoments = 200

// A story is a bad order while its timeline is collected.
type story struct {
	order   *BadOrder
	waiting map[string]int // a send without its answer yet -> its moment
	dropped int            // moments beyond storyMoments
}

// stories tells of the first badLimit of wrong what everyone's book says, in a second pass over the books.
func (a *audit) stories(f *runlog.Folder, wrong []bad) ([]BadOrder, error) {
	wrong = wrong[:min(len(wrong), badLimit)]
	told := make([]BadOrder, len(wrong))
	if len(wrong) == 0 {
		return told, nil
	}
	byOrder := make(map[string]*story, len(wrong))
	byKey := make(map[string]*story, len(wrong))
	clock := clockOf(a.run)
	for i, w := range wrong {
		o := a.at(w.n)
		told[i] = BadOrder{
			Class: w.class, Order: a.orders.text(w.n), Fen: w.price, AtNS: w.at, Why: why(o, a.ledgerOf(o), w, clock), Events: []Moment{},
		}
		s := &story{order: &told[i], waiting: make(map[string]int)}
		byOrder[told[i].Order] = s
		if o.key > 0 {
			told[i].Key = a.keys.text(o.key - 1)
			byKey[told[i].Key] = s
		}
	}
	concerned := func(order, key string) bool { return byOrder[order] != nil || byKey[key] != nil }
	for r, err := range f.Select(concerned) {
		if err != nil {
			return nil, fmt.Errorf("reading the books again: %w", err)
		}
		s := byOrder[r.Order]
		if s == nil || r.Order == "" {
			if s = byKey[r.Key]; s == nil || r.Key == "" {
				continue
			}
		}
		s.add(&r, a.run)
	}
	for i := range told {
		s := byOrder[told[i].Order]
		for _, at := range s.waiting {
			told[i].Events[at].What += ", no answer is booked"
		}
		slices.SortStableFunc(told[i].Events, func(x, y Moment) int { return cmp.Compare(x.AtNS, y.AtNS) })
		if s.dropped > 0 {
			last := told[i].Events[len(told[i].Events)-1]
			told[i].Events = append(told[i].Events, Moment{last.AtNS, "report", fmt.Sprintf("%d more moments are left out", s.dropped)})
		}
	}
	return told, nil
}

// why says in one line what is wrong with an order.
func why(o *order, l *ledger, w bad, clock wallClock) string {
	at := func(ns int64) string {
		if s := clock.at(ns); s != "" {
			return s
		}
		return seconds(ns)
	}
	state := states[o.state]
	switch {
	case o.flags&serviceKnows == 0:
		state = "no such order"
	case state == "":
		state = "a state of its own"
	}
	backAt := o.first.refundedAt
	if l != nil {
		for _, p := range l.more {
			backAt = max(backAt, p.refundedAt)
		}
		backAt = max(backAt, l.orphanAt)
	}
	switch w.class {
	case DoubleDispense:
		return fmt.Sprintf("goods fell %d times, at %s and at %s, on %d %s; notified %d %s", o.drops, at(o.droppedAt), at(o.againAt),
			o.commands, plural(int(o.commands), "command"), o.notifies, plural(int(o.notifies), "time"))
	case UnpaidDispense:
		return fmt.Sprintf("goods fell at %s and nobody ever paid", at(o.droppedAt))
	case DispensedAndRefunded:
		return fmt.Sprintf("goods fell at %s, money back at %s", at(o.droppedAt), at(backAt))
	case DoubleRefund:
		return fmt.Sprintf("paid %s yuan, and more than that went back, last at %s", yuan(o.first.fen), at(backAt))
	case AckedLost:
		p := o.unheard(l)
		return fmt.Sprintf("paid at %s, notify answered with success at %s, and the service does not know the payment", at(p.at), at(p.ackedAt))
	case Lost:
		if o.payments > 1 {
			return fmt.Sprintf("paid %d times, first at %s; goods fell %d times, and not all the rest went back", o.payments, at(o.first.at), o.drops)
		}
		return fmt.Sprintf("paid at %s; neither goods nor money since; the service says %s", at(o.first.at), state)
	case AmountMismatch:
		if o.flags&amountDiffers != 0 {
			return fmt.Sprintf("paid %s yuan at %s for goods of %s yuan, and the service's tables hold another amount", yuan(o.first.fen), at(o.first.at), yuan(o.price(l)))
		}
		return fmt.Sprintf("paid %s yuan at %s for goods of %s yuan", yuan(o.first.fen), at(o.first.at), yuan(o.price(l)))
	case Stuck:
		return fmt.Sprintf("money and goods are right, but the service says %s", state)
	case Indeterminate:
		if last, what := o.droppedAt, "goods fell"; w.open == 0 {
			if backAt > last {
				last, what = backAt, "money went back"
			}
			return fmt.Sprintf("%s at %s, and the service, which says %s, may not have heard of it when the run ended", what, at(last), state)
		}
		return fmt.Sprintf("paid at %s and still open when the run ended, with time left for goods or refund", at(o.first.at))
	case OKDispensed, OKRefunded, OKUnpaid, Recovered:
	}
	return ""
}

// add enters one record of the order's.
func (s *story) add(r *runlog.Record, run *runlog.Manifest) {
	o := s.order
	if o.Machine == "" && r.Machine != "" {
		o.Machine, o.Slot = strings.Clone(r.Machine), r.Slot
	}
	if o.Channel == "" && r.Channel != "" {
		o.Channel = strings.Clone(r.Channel)
	}
	if o.Key == "" && r.Key != "" {
		o.Key = strings.Clone(r.Key)
	}
	say := func(at int64, who, format string, args ...any) {
		if len(o.Events) >= storyMoments {
			s.dropped++
			return
		}
		o.Events = append(o.Events, Moment{at, who, fmt.Sprintf(format, args...)})
	}
	// An answer completes the moment of its send.
	sent := func(key, who, format string, args ...any) {
		if len(o.Events) < storyMoments {
			s.waiting[key] = len(o.Events)
		}
		say(r.At, who, format, args...)
	}
	answered := func(key, who, fallback string) {
		text := ", answered " + fmt.Sprint(r.Status)
		if r.Status == 0 {
			text = ", no answer"
		}
		if r.Took > 0 {
			text += " after " + span(r.Took)
		}
		if r.Event == runlog.BuyerAnswer {
			text += bracket(r.Note)
			if r.Paid > 0 {
				text += fmt.Sprintf(": %s yuan, and the label says %s", yuan(r.Fen), yuan(r.Paid))
			}
		}
		if at, ok := s.waiting[key]; ok {
			delete(s.waiting, key)
			o.Events[at].What += text
			return
		}
		say(r.At, who, "%s%s", fallback, text)
	}
	money := yuan(r.Fen) + " yuan"
	// The service's times are whole milliseconds, cut off: the end of one is after what caused it.
	during := func(ms int64) int64 { return unixMS(run, ms+1) - 1 }

	switch r.Event {
	case runlog.BuyerIntent:
		sent("create", "buyer", "asks for slot %d of %s, to pay by %s", r.Slot, r.Machine, r.Channel)
	case runlog.BuyerAnswer:
		answered("create", "buyer", "order")
	case runlog.BuyerPayAgain:
		if r.Note == "intent" {
			sent("again", "buyer", "asks to pay by %s as well", r.Channel)
			return
		}
		answered("again", "buyer", "asks to pay by "+r.Channel+" as well")
	case runlog.BuyerGone:
		say(r.At, "buyer", "leaves without paying")
	case runlog.ChannelPrepay:
		say(r.At, "channel", "%s: can be paid, %s", r.Channel, money)
	case runlog.ChannelPaid:
		say(r.At, "channel", "%s: PAID %s, transaction %s", r.Channel, money, r.ID)
	case runlog.ChannelClosed:
		say(r.At, "channel", "%s: closed by the service", r.Channel)
	case runlog.ChannelQueried:
		say(r.At, "channel", "%s: asked by the service, says %s", r.Channel, r.Note)
	case runlog.ChannelRefunded:
		say(r.At, "channel", "%s: REFUNDED %s, refund %s", r.Channel, money, r.ID)
	case runlog.ChannelRefusal:
		say(r.At, "channel", "%s: refund %s of %s denied: %s", r.Channel, r.ID, money, r.Note)
	case runlog.NotifyIntent:
		kind := ordinal(r.N)
		if r.Note != "" {
			kind += ", " + r.Note
		}
		sent(fmt.Sprint("notify", r.ID, r.N, r.Note), "channel", "notify sent (%s)", kind)
	case runlog.NotifyAnswer:
		answered(fmt.Sprint("notify", r.ID, r.N, r.Note), "channel", "notify ("+ordinal(r.N)+")")
	case runlog.NotifyGivenUp:
		say(r.At, "channel", "gives up notifying after %d sends", r.N)
	case runlog.MachineCommand:
		kind := r.Note
		if kind == "" {
			kind = "dispense"
		}
		say(r.At, "machine", "gets command %s: %s", r.ID, kind)
	case runlog.MachineDropped:
		say(r.At, "machine", "GOODS FALL, command %s", r.ID)
	case runlog.MachineJammed:
		say(r.At, "machine", "nothing falls, command %s%s", r.ID, bracket(r.Note))
	case runlog.MachineRefused:
		say(r.At, "machine", "does not start command %s%s", r.ID, bracket(r.Note))
	case runlog.ResultIntent:
		sent("result"+r.ID, "machine", "reports %s", r.Note)
	case runlog.ResultAnswer:
		answered("result"+r.ID, "machine", "report of "+r.Note)
	case runlog.ServiceOrder:
		if r.CreatedMS > 0 {
			say(during(r.CreatedMS), "service", "order written, %s", money)
		}
		if r.PaidMS > 0 {
			say(during(r.PaidMS), "service", "payment recorded, %s yuan, transaction %s", yuan(r.Paid), r.Txn)
		}
		if r.DoneMS > 0 {
			say(during(r.DoneMS), "service", "order %s", r.Note)
		} else {
			say(r.At, "service", "order is %s at the end", r.Note)
		}
	case runlog.ServiceQueue:
		if r.CreatedMS > 0 {
			say(during(r.CreatedMS), "service", "notify put into pay_queue")
		}
		at := r.At
		if r.DoneMS > 0 {
			at = during(r.DoneMS)
		}
		say(at, "service", "pay_queue row tried %d %s, consume_status %d, status %s", r.N, plural(r.N, "time"), r.Status, r.Note)
	case runlog.ServiceCommand:
		say(r.At, "service", "command %s at the end: %s", r.ID, r.Note)
	case runlog.ServiceRefund:
		say(r.At, "service", "refund %s of %s at the end: %s", r.ID, money, r.Note)
	case runlog.ServiceRemedy:
		say(r.At, "service", "remedy order at the end: %s, tried %d %s", r.Note, r.N, plural(r.N, "time"))
	case runlog.ProbeIntent, runlog.ProbeAnswer, runlog.HeartbeatFailure, runlog.ServiceSlot, runlog.ServiceBuyer, runlog.ServiceEnd, runlog.Stock, runlog.Phase,
		runlog.FaultOn, runlog.FaultFelt, runlog.FaultOff:
		// Not an order's.
	}
}

func bracket(note string) string {
	if note == "" {
		return ""
	}
	return " (" + note + ")"
}

// ordinal writes 1st, 2nd, 3rd, 11th.
func ordinal(n int) string {
	end := "th"
	if n%100 < 11 || n%100 > 13 {
		switch n % 10 {
		case 1:
			end = "st"
		case 2:
			end = "nd"
		case 3:
			end = "rd"
		}
	}
	return fmt.Sprint(n, end)
}
