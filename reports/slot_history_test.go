package reports

import (
	"fmt"
	"testing"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

func TestTheHistoryOfASlotIsChecked(t *testing.T) {
	const soldOut = " 409" // what the story's teller answers with; the code is added below
	tests := []struct {
		name        string
		start, left int64
		story       string
		want        SlotHistories
	}{
		{
			"the last piece is sold, and who comes later is told so", 1, 0,
			"20 asks o1\n21 answered o1 201\n22 asks o2\n23 answered o2" + soldOut + "\n120 says o1 DISPENSED",
			SlotHistories{Slots: 1, SoldOut: 1},
		},
		{
			"two ask for the last piece at once, and the first to ask is told that there is none", 1, 0,
			"20 asks o1\n21 asks o2\n22 answered o2 201\n23 answered o1" + soldOut + "\n120 says o2 DISPENSED",
			SlotHistories{Slots: 1, SoldOut: 1},
		},
		{
			"sold out before anybody asked", 1, 0,
			"20 asks o2\n21 answered o2" + soldOut + "\n22 asks o1\n23 answered o1 201\n120 says o1 DISPENSED",
			SlotHistories{Slots: 1, SoldOut: 1, Illegal: 1},
		},
		{
			"what a closed order gave back is sold again", 1, 0,
			"20 asks o1\n21 answered o1 201\n22 asks o2\n23 answered o2" + soldOut + "\n30 asks o3\n31 answered o3 201\n120 says o1 CLOSED\n120 says o3 DISPENSED",
			SlotHistories{Slots: 1, SoldOut: 1},
		},
		{
			"the last piece is sold twice", 1, 0,
			"20 asks o1\n21 answered o1 201\n22 asks o2\n23 answered o2 201\n120 says o1 DISPENSED\n120 says o2 DISPENSED",
			SlotHistories{Slots: 1, Illegal: 1},
		},
		{
			"nobody was answered, and the service has one of the two orders", 2, 1,
			"20 asks o1\n21 asks o2\n120 says o2 PAYING",
			SlotHistories{Slots: 1},
		},
		{
			"a piece is missing at the end", 2, 0,
			"20 asks o1\n21 answered o1 201\n120 says o1 DISPENSED",
			SlotHistories{Slots: 1, Illegal: 1},
		},
		{
			"money went back although goods fell: the piece is gone", 2, 1,
			"20 asks o1\n21 answered o1 201\n22 prepay o1 350\n23 paid o1 350\n24 drops o1\n25 refunded o1 350\n120 says o1 REFUNDED",
			SlotHistories{Slots: 1},
		},
		{
			"an order that only the service knows has taken a piece, some time", 1, 0,
			"20 asks o2\n21 answered o2" + soldOut + "\n120 says o1 DISPENSED",
			SlotHistories{Slots: 1, SoldOut: 1},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := wholeRun(t)
			b.add(runlog.Record{Event: runlog.Stock, Machine: "m1", Slot: 1, Fen: tt.start})
			b.tell(tt.story)
			for i := range b.records {
				if r := &b.records[i]; r.Status == 409 {
					r.Note = "SOLD_OUT"
				}
			}
			b.add(runlog.Record{At: 120 * second, Event: runlog.ServiceSlot, Machine: "m1", Slot: 1, Fen: tt.left})
			b.end()
			if got := b.analyse().Audit.Histories; got != tt.want {
				t.Errorf("%+v, wanted %+v", got, tt.want)
			}
		})
	}
}

func TestASlotThatCannotBeCheckedIsNotCalledLegal(t *testing.T) {
	for name, spoil := range map[string]func(*books){
		"the service's book is not whole": func(b *books) {
			b.add(runlog.Record{At: 121 * second, Event: runlog.ServiceOrder, Order: "o9", Key: "ko9", Machine: "m1", Slot: 1, Note: "CLOSED"}) // not counted
		},
		"an order has no key": func(b *books) {
			for i := range b.records {
				if r := &b.records[i]; r.Event == runlog.ServiceOrder {
					r.Key = ""
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := wholeRun(t)
			b.add(runlog.Record{Event: runlog.Stock, Machine: "m1", Slot: 1, Fen: 1})
			b.tell("20 asks o1\n21 answered o1 201\n120 says o1 DISPENSED")
			b.add(runlog.Record{At: 120 * second, Event: runlog.ServiceSlot, Machine: "m1", Slot: 1, Fen: 0})
			b.end()
			spoil(b)
			a := b.analyse()
			if got := a.Audit.Histories; got != (SlotHistories{Slots: 1, NotChecked: 1}) {
				t.Errorf("%+v", got)
			}
			if m := byName(a.Measures)["stock.illegal"]; m.Known {
				t.Errorf("it is measured: %+v", m)
			}
		})
	}
}

// A slot as busy as one gets: everyone wants it, a third of the pieces come back.
func TestABusySlotIsCheckedInTime(t *testing.T) {
	b := wholeRun(t)
	b.add(runlog.Record{Event: runlog.Stock, Machine: "m1", Slot: 1, Fen: 20})
	left := 20
	for i := range 200 {
		at, o := 10+float64(i)/10, fmt.Sprint("o", i)
		b.tell(fmt.Sprintf("%.2f asks %s\n", at, o))
		switch {
		case left == 0:
			b.tell(fmt.Sprintf("%.2f answered %s 409\n", at+0.05, o))
			b.records[len(b.records)-1].Note = "SOLD_OUT"
		case i%3 == 0: // and comes back some time later
			b.tell(fmt.Sprintf("%.2f answered %s 201\n120 says %s CLOSED\n", at+0.05, o, o))
		default:
			b.tell(fmt.Sprintf("%.2f answered %s 201\n120 says %s DISPENSED\n", at+0.05, o, o))
			left--
		}
	}
	b.add(runlog.Record{At: 120 * second, Event: runlog.ServiceSlot, Machine: "m1", Slot: 1, Fen: 0})
	b.end()
	if got := b.analyse().Audit.Histories; got != (SlotHistories{Slots: 1, SoldOut: 1}) {
		t.Errorf("%+v", got)
	}
}
