package reports

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A history is what really happened to one order, lawful or not, as plain lists.
type history struct {
	id       string
	paid     []transaction
	orphans  []int64 // refunds of nothing
	drops    int
	row      bool // in the service's orders
	state    string
	row0     int // which payment the row names, -1 none
	rowFen   int64
	remedied bool
}

type transaction struct {
	fen     int64
	refunds []int64
	acked   bool
	queued  bool // the service's queue has it
}

const historyPrice = 350

func drawHistory(t *rapid.T, id string) history {
	h := history{id: id, row0: -1}
	// Most orders are simple, as in life; the others do what they like.
	wild := rapid.Bool().Draw(t, "wild")
	if !wild {
		if rapid.Bool().Draw(t, "pays") {
			h.paid = []transaction{{fen: historyPrice, acked: true, queued: true}}
			h.row0, h.rowFen = 0, historyPrice
			if rapid.Bool().Draw(t, "dispensed") {
				h.drops, h.state = 1, "DISPENSED"
			} else {
				h.paid[0].refunds, h.state = []int64{historyPrice}, "REFUNDED"
			}
		} else {
			h.state = "CLOSED"
		}
		h.row = true
		h.remedied = rapid.IntRange(0, 9).Draw(t, "remedied") == 0
		return h
	}
	fen := rapid.SampledFrom([]int64{historyPrice, historyPrice, historyPrice, 100})
	back := rapid.SampledFrom([]int64{historyPrice, historyPrice, 100, 175})
	for range rapid.SampledFrom([]int{0, 1, 1, 1, 2, 3}).Draw(t, "payments") {
		h.paid = append(h.paid, transaction{
			fen: fen.Draw(t, "fen"), refunds: rapid.SliceOfN(back, 0, 2).Draw(t, "refunds"),
			acked: rapid.Bool().Draw(t, "acked"), queued: rapid.Bool().Draw(t, "queued"),
		})
	}
	if rapid.IntRange(0, 19).Draw(t, "orphan") == 0 {
		h.orphans = []int64{back.Draw(t, "orphan fen")}
	}
	h.drops = rapid.SampledFrom([]int{0, 0, 1, 1, 2, 3}).Draw(t, "drops")
	h.row = rapid.IntRange(0, 4).Draw(t, "row") > 0
	h.state = rapid.SampledFrom(append([]string{"DISPENSED", "REFUNDED"}, states[1:]...)).Draw(t, "state")
	if len(h.paid) > 0 && rapid.Bool().Draw(t, "row knows") {
		h.row0 = rapid.IntRange(0, len(h.paid)-1).Draw(t, "row's payment")
		h.rowFen = rapid.SampledFrom([]int64{h.paid[h.row0].fen, h.paid[h.row0].fen, 99}).Draw(t, "row fen")
	}
	h.remedied = rapid.Bool().Draw(t, "remedied")
	return h
}

func sum(n []int64) (s int64) {
	for _, v := range n {
		s += v
	}
	return s
}

// oracle gives a history its class by asking each rule of [classes] by itself, slowly.
func (h *history) oracle(over, whole bool) Class {
	kept := make([]int64, len(h.paid)) // of each payment
	stayed, tooMuch, keptFen, unknownAcked := 0, len(h.orphans) > 0, int64(0), false
	for i, p := range h.paid {
		kept[i] = p.fen - sum(p.refunds)
		if kept[i] < 0 {
			tooMuch = true
		}
		if kept[i] > 0 {
			stayed++
			keptFen += kept[i]
			knows := p.queued || h.row && h.row0 == i
			if p.acked && !knows {
				unknownAcked = true
			}
		}
	}
	excess := stayed > h.drops // more money than goods
	agrees := false
	switch {
	case len(h.paid) == 0:
		agrees = !h.row || slices.Contains([]string{"CREATED", "PAYING", "CLOSED"}, h.state)
	case h.drops == 1:
		agrees = h.row && h.state == "DISPENSED"
	default:
		agrees = h.row && (h.state == "REFUNDED" || h.state == "CLOSED")
	}
	rules := []struct {
		class Class
		is    bool
	}{
		{DoubleDispense, h.drops > 1},
		{UnpaidDispense, h.drops == 1 && len(h.paid) == 0},
		{DispensedAndRefunded, h.drops == 1 && stayed == 0},
		{DoubleRefund, tooMuch},
		{AckedLost, excess && over && whole && unknownAcked},
		{Lost, excess && over},
		{Indeterminate, excess}, // cut short: the order of these two rules is the same thing
		{AmountMismatch, h.drops == 1 && keptFen != historyPrice || whole && h.row && h.row0 >= 0 && h.rowFen != h.paid[max(h.row0, 0)].fen},
		{Stuck, over && whole && !agrees},
		{OKUnpaid, len(h.paid) == 0},
		{Recovered, h.remedied},
		{OKDispensed, h.drops == 1},
		{OKRefunded, true},
	}
	for _, r := range rules {
		if r.is {
			return r.class
		}
	}
	panic("the last rule always holds")
}

// enter writes a history into the audit's books; the records of the service come last, if they come.
func (h *history) enter(book func(runlog.Record), whole bool) {
	key := "k" + h.id
	book(runlog.Record{At: 1e9, Event: runlog.BuyerIntent, Key: key})
	book(runlog.Record{At: 2e9, Event: runlog.ChannelPrepay, Key: key, Order: h.id, Fen: historyPrice})
	for i, p := range h.paid {
		txn := fmt.Sprint(h.id, "-", i)
		book(runlog.Record{At: 3e9, Event: runlog.ChannelPaid, Order: h.id, ID: txn, Fen: p.fen})
		book(runlog.Record{At: 3e9, Event: runlog.NotifyIntent, Order: h.id, Txn: txn, N: 1})
		book(runlog.Record{At: 3e9, Event: runlog.NotifyAnswer, Order: h.id, Txn: txn, N: 1, OK: p.acked})
	}
	for i := range h.drops {
		book(runlog.Record{At: 4e9, Event: runlog.MachineDropped, Order: h.id, Machine: "m", Slot: 1, ID: fmt.Sprint(i)})
	}
	for i, p := range h.paid {
		for j, fen := range p.refunds {
			book(runlog.Record{At: 5e9, Event: runlog.ChannelRefunded, Order: h.id, Txn: fmt.Sprint(h.id, "-", i), ID: fmt.Sprint(h.id, i, j), Fen: fen})
		}
	}
	for j, fen := range h.orphans {
		book(runlog.Record{At: 5e9, Event: runlog.ChannelRefunded, Order: h.id, Txn: "nobody's", ID: fmt.Sprint(h.id, "x", j), Fen: fen})
	}
	if !whole {
		return
	}
	for i, p := range h.paid {
		if p.queued {
			book(runlog.Record{At: 6e9, Event: runlog.ServiceQueue, Order: h.id, Txn: fmt.Sprint(h.id, "-", i), Status: 2})
		}
	}
	if h.row {
		r := runlog.Record{At: 6e9, Event: runlog.ServiceOrder, Key: key, Order: h.id, Fen: historyPrice, Note: h.state}
		if h.row0 >= 0 {
			r.Txn, r.Paid = fmt.Sprint(h.id, "-", h.row0), h.rowFen
		}
		book(r)
	}
	if h.remedied {
		book(runlog.Record{At: 6e9, Event: runlog.ServiceRemedy, Order: h.id})
	}
}

func TestTheAuditAgreesWithASlowOneOnAnyHistories(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		over, whole := rapid.Bool().Draw(t, "over"), rapid.Bool().Draw(t, "whole")
		run := &runlog.Manifest{DeadlineNS: 10e9}
		if over {
			run.DrainedAtNS = 6e9
		}
		histories := make([]history, rapid.IntRange(1, 12).Draw(t, "orders"))
		var records []runlog.Record
		want := make(map[Class]int)
		var paid, back int64
		rows := 0
		for i := range histories {
			h := drawHistory(t, fmt.Sprint("o", i))
			if !whole {
				h.row, h.remedied = false, false
				for j := range h.paid {
					h.paid[j].queued = false
				}
			}
			histories[i] = h
			h.enter(func(r runlog.Record) { records = append(records, r) }, whole)
			want[h.oracle(over, whole)]++
			for _, p := range h.paid {
				paid += p.fen
				back += sum(p.refunds)
			}
			back += sum(h.orphans)
			if h.row {
				rows++
			}
		}
		// Orders are told at once or one after another; only the events of one order keep their order.
		if rapid.Bool().Draw(t, "interleaved") {
			slices.SortStableFunc(records, func(a, b runlog.Record) int { return int(a.At - b.At) })
		}
		a := newAudit(run)
		for i := range records {
			a.take(&records[i])
		}
		if whole {
			a.take(&runlog.Record{At: 6e9, Event: runlog.ServiceEnd, N: rows})
		}
		a.close(false)
		got, wrong := a.result()

		for _, c := range classes {
			if got.Classes[c] != want[c] {
				t.Fatalf("%s: %d, want %d\ngot  %v\nwant %v\nhistories %+v", c, got.Classes[c], want[c], got.Classes, want, histories)
			}
		}
		total, badOnes := 0, 0
		for c, n := range maps.All(got.Classes) {
			total += n
			if c.Bad() {
				badOnes += n
			}
		}
		if total != len(histories) || got.Orders != total || len(wrong) != badOnes {
			t.Fatalf("%d classed, %d orders, %d bad and %d listed, of %d", total, got.Orders, badOnes, len(wrong), len(histories))
		}
		if got.PaidFen != paid || got.RefundedFen != back {
			t.Fatalf("paid %d, want %d; refunded %d, want %d", got.PaidFen, paid, got.RefundedFen, back)
		}
		if badOnes == 0 && (got.LossFen != 0 || got.OpenFen != 0 || got.PaidFen != got.DispensedFen+got.RefundedFen) {
			t.Fatalf("all is well and the money is not: %+v", got)
		}
		if got.LossFen < 0 || got.OpenFen < 0 {
			t.Fatalf("loss %d, open %d", got.LossFen, got.OpenFen)
		}
	})
}

func TestTheIndexNumbersAsAMapWould(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var ids arena
		x := newIndex(&ids)
		want := make(map[string]uint32)
		for _, s := range rapid.SliceOfN(rapid.StringN(0, 6, -1), 0, 300).Draw(t, "ids") {
			n, fresh := x.number(s)
			old, ok := want[s]
			if fresh == ok || ok && n != old || !ok && int(n) != len(want) {
				t.Fatalf("%q: number %d, fresh %v; had %d, %v", s, n, fresh, old, ok)
			}
			want[s] = n
		}
		for s, n := range want {
			if got, ok := x.find(s); !ok || got != n || x.text(n) != s {
				t.Fatalf("%q: found %d, %v, %q; want %d", s, got, ok, x.text(n), n)
			}
		}
		if _, ok := x.find("no such id"); ok {
			t.Fatal("found what was never there")
		}
	})
}

func TestTheIndexGrowsPastOneChunk(t *testing.T) {
	var ids arena
	x := newIndex(&ids)
	for i := range 100_000 {
		if n, fresh := x.number(fmt.Sprintf("an order id of usual length %d", i)); !fresh || int(n) != i {
			t.Fatalf("%d got number %d, fresh %v", i, n, fresh)
		}
	}
	for i := range 100_000 {
		if n, ok := x.find(fmt.Sprintf("an order id of usual length %d", i)); !ok || int(n) != i {
			t.Fatalf("%d is number %d, %v", i, n, ok)
		}
	}
}
