package reports

import (
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// fine is one order that went as it should, with everything it leaves in the books.
const fine = `
	20 asks o1
	20.1 prepay o1 350
	20.1 answered o1 201
	22 paid o1 350
	22.3 notify o1
	22.3 acked o1
	22.5 command o1
	24 drops o1
	120 says o1 DISPENSED 350 to1
	120 queued o1
`

func TestEveryOrderGetsTheClassThatItsBooksSay(t *testing.T) {
	tests := []struct {
		name   string
		story  string
		cut    bool  // the run was interrupted
		full   bool  // the drain took all its time, to 170 s
		settle int64 // s, when it is not the refund deadline
		blind  bool  // the service's book is missing
		want   Class
		loss   int64
		open   int64
	}{
		{name: "paid and dispensed", story: fine, want: OKDispensed},
		{name: "paid and dispensed, with the service killed before it could tell", story: strings.Split(fine, "120")[0], blind: true, want: OKDispensed},
		{
			name: "charged another price than the label's, and everyone in the service is of one mind", want: AmountMismatch, loss: 20,
			story: strings.Replace(fine, "answered o1 201", "answered o1 201 350 370", 1),
		},
		{
			name: "told that it costs nothing, and charged", want: AmountMismatch, loss: 20,
			story: strings.Replace(fine, "answered o1 201", "answered o1 201 0 370", 1),
		},
		{
			name: "charged another price than the buyer was told", want: AmountMismatch, loss: 30,
			story: strings.Replace(fine, "answered o1 201", "answered o1 201 320", 1),
		},
		{
			name: "told another price than the label's, and all went back", want: OKRefunded,
			story: "20 prepay o1 350\n20.1 answered o1 201 350 370\n22 paid o1 350\n25 refunded o1 350\n120 says o1 REFUNDED 350 to1",
		},
		{name: "a buyer who leaves", story: "20 asks o1\n20 prepay o1 350\n20 answered o1 201\n120 says o1 CLOSED", want: OKUnpaid},
		{name: "a buyer who leaves, and the window is still open at the end", story: "20 prepay o1 350\n120 says o1 PAYING", want: OKUnpaid},
		{name: "an order that was asked for and never made", story: "20 asks o1\n21 answered o1 503", want: OKUnpaid},
		{name: "an order whose answer never came", story: "20 asks o1\n51 answered o1 0", want: OKUnpaid},
		{
			name: "nothing fell and the money went back", want: OKRefunded,
			story: "20 prepay o1 350\n22 paid o1 350\n23 command o1\n24 jams o1\n25 refunded o1 350\n120 says o1 REFUNDED 350 to1",
		},
		{
			name: "paid after the window, refunded", want: OKRefunded,
			story: "20 prepay o1 350\n80 paid o1 350\n85 refunded o1 350\n120 says o1 CLOSED 350 to1",
		},
		{
			name: "paid twice, dispensed, the second payment refunded", want: OKDispensed,
			story: fine + "23 paid o1 350 t2\n26 refunded o1 350 r2 t2",
		},
		{
			name: "paid twice, dispensed, the first payment refunded", want: OKDispensed,
			story: fine + "23 paid o1 350 t2\n26 refunded o1 350 r1",
		},
		{
			name: "paid twice and both kept", want: Lost, loss: 350, open: 350,
			story: fine + "23 paid o1 350 t2",
		},
		{
			name: "paid twice, dispensed, both refunded", want: DispensedAndRefunded, loss: 350,
			story: fine + "23 paid o1 350 t2\n26 refunded o1 350 r2 t2\n27 refunded o1 350 r1",
		},
		{
			name: "paid twice, nothing fell, one refunded", want: Lost, loss: 350, open: 350,
			story: "22 paid o1 350\n23 paid o1 350 t2\n26 refunded o1 350 r2 t2\n120 says o1 REFUNDED 350 to1",
		},
		{
			name: "paid twice, one refunded twice, the other never", want: DoubleRefund, loss: 700,
			story: "22 paid o1 350\n23 paid o1 350 t2\n26 refunded o1 350 r1\n27 refunded o1 350 r2\n120 says o1 REFUNDED 350 to1",
		},
		{
			name: "the payment reached the service and nothing followed", want: Lost, loss: 350, open: 350,
			story: "22 paid o1 350\n22.3 notify o1\n22.3 acked o1\n120 says o1 PAID 350 to1\n120 queued o1 0 1",
		},
		{
			name: "the notify was never taken", want: Lost, loss: 350, open: 350,
			story: "22 paid o1 350\n22.3 notify o1\n22.4 refused o1\n120 says o1 PAYING",
		},
		{
			name: "the notify was taken and the service does not know", want: AckedLost, loss: 350, open: 350,
			story: "22 paid o1 350\n22.3 notify o1\n22.4 acked o1\n120 says o1 PAYING",
		},
		{
			name: "the notify was taken, and only a queue row remembers", want: Lost, loss: 350, open: 350,
			story: "22 paid o1 350\n22.3 notify o1\n22.4 acked o1\n120 says o1 PAYING\n120 queued o1 2 4",
		},
		{
			name: "the notify was taken, and the service died before it could tell", blind: true, want: Lost, loss: 350, open: 350,
			story: "22 paid o1 350\n22.3 notify o1\n22.4 acked o1",
		},
		{
			name: "paid shortly before the run was cut short", cut: true, want: Indeterminate, open: 350,
			story: "22 paid o1 350\n22.3 notify o1\n22.4 acked o1",
		},
		{
			name: "paid in time, and open at the run's deadline", full: true, want: Lost, loss: 350, open: 350,
			story: "139.9 paid o1 350\n171 says o1 PAID 350 to1",
		},
		{
			name: "paid so late that the refund was not due by the run's deadline", full: true, want: Indeterminate, open: 350,
			story: "140.1 paid o1 350\n171 says o1 PAID 350 to1",
		},
		{
			name: "paid so late that its machine could still be waited for at the run's deadline", full: true, settle: 45, want: Indeterminate, open: 350,
			story: "20 prepay o1 350\n130 paid o1 350\n170 says o1 DISPENSING 350 to1",
		},
		{
			name: "paid so late that its machine was waited for, and the refund is under way at the run's deadline", full: true, settle: 45, want: Indeterminate, open: 350,
			story: "20 prepay o1 350\n130 paid o1 350\n170 says o1 REFUNDING 350 to1",
		},
		{
			name: "a refund that has been under way for long, however long its machine was waited for", full: true, settle: 45, want: Lost, loss: 350, open: 350,
			story: "20 prepay o1 350\n114 paid o1 350\n170 says o1 REFUNDING 350 to1",
		},
		{
			name: "paid so late that a machine could be waited for, and the service does not know it", full: true, settle: 45, want: Lost, loss: 350, open: 350,
			story: "20 prepay o1 350\n130 paid o1 350\n170 says o1 PAYING",
		},
		{
			name: "dispensed so late that the service had not heard of it by the run's deadline", full: true, want: Indeterminate,
			story: "20 prepay o1 350\n120 paid o1 350\n169 drops o1\n170 says o1 DISPENSING 350 to1",
		},
		{
			name: "dispensed in time, and the service still waits at the run's deadline", full: true, want: Stuck,
			story: "20 prepay o1 350\n155 paid o1 350\n159 drops o1\n170 says o1 DISPENSING 350 to1",
		},
		{name: "dispensed before the run was cut short", cut: true, want: OKDispensed, story: "22 paid o1 350\n24 drops o1\n25 says o1 DISPENSING 350 to1"},
		{
			name: "dispensed and refunded before the run was cut short", cut: true, want: DispensedAndRefunded, loss: 350,
			story: "22 paid o1 350\n24 drops o1\n25 refunded o1 350",
		},
		{name: "goods, then the money back", want: DispensedAndRefunded, loss: 350, story: fine + "52 refunded o1 350"},
		{
			name: "money back, then the goods", want: DispensedAndRefunded, loss: 350,
			story: "22 paid o1 350\n52 refunded o1 350\n53 drops o1\n120 says o1 REFUNDED 350 to1",
		},
		{name: "the same command twice", want: DoubleDispense, loss: 350, story: fine + "25 drops o1"},
		{name: "two commands, and the money back too", want: DoubleDispense, loss: 700, story: fine + "25 drops o1 c2\n52 refunded o1 350"},
		{name: "goods fell twice and nobody paid", want: DoubleDispense, loss: 700, story: "24 drops o1\n25 drops o1\n120 says o1 DISPENSED"},
		{name: "goods fell and nobody paid", want: UnpaidDispense, loss: 350, story: "20 prepay o1 350\n24 drops o1\n120 says o1 DISPENSED"},
		{
			name: "two refunds of one payment", want: DoubleRefund, loss: 350,
			story: "22 paid o1 350\n24 jams o1\n25 refunded o1 350 r1\n26 refunded o1 350 r2\n120 says o1 REFUNDED 350 to1",
		},
		{name: "a refund of what was never paid", want: DoubleRefund, loss: 350, story: "25 refunded o1 350\n120 says o1 REFUNDED"},
		{
			name: "a refund of half", want: Lost, loss: 175, open: 175,
			story: "22 paid o1 350\n25 refunded o1 175\n120 says o1 REFUNDED 350 to1",
		},
		{name: "goods, and half the money back", want: AmountMismatch, loss: 175, story: fine + "25 refunded o1 175"},
		{
			name: "goods for less than their price", want: AmountMismatch, loss: 349,
			story: "20 prepay o1 350\n22 paid o1 1\n24 drops o1\n120 says o1 DISPENSED 1 to1 350",
		},
		{
			name: "the service wrote another amount than was paid", want: AmountMismatch,
			story: "20 prepay o1 350\n22 paid o1 350\n24 drops o1\n120 says o1 DISPENSED 300 to1",
		},
		{
			name: "another amount was paid and given back", want: OKRefunded,
			story: "20 prepay o1 350\n22 paid o1 1\n24 refunded o1 1\n120 says o1 REFUNDED 1 to1",
		},
		{name: "dispensed, and the service still waits", want: Stuck, story: strings.Replace(fine, "DISPENSED", "DISPENSING", 1)},
		{name: "dispensed, and the service says refunded", want: Stuck, story: strings.Replace(fine, "DISPENSED", "REFUNDED", 1)},
		{name: "dispensed, and the service says something unheard of", want: Stuck, story: strings.Replace(fine, "DISPENSED", "MELTED", 1)},
		{name: "refunded, and the service has no such order", want: Stuck, story: "22 paid o1 350\n25 refunded o1 350"},
		{name: "never paid, and the service says paid", want: Stuck, story: "20 prepay o1 350\n120 says o1 PAID 350 tx"},
		{name: "dispensed after remedy", want: Recovered, story: fine + "120 remedied o1"},
		{name: "refunded after remedy", want: Recovered, story: "22 paid o1 350\n90 refunded o1 350\n120 says o1 REFUNDED 350 to1\n120 remedied o1"},
		{name: "lost in spite of remedy", want: Lost, loss: 350, open: 350, story: "22 paid o1 350\n120 says o1 PAID 350 to1\n120 remedied o1"},
		{name: "unpaid, and remedy looked at it", want: OKUnpaid, story: "20 prepay o1 350\n120 says o1 CLOSED\n120 remedied o1"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := wholeRun(t)
			b.tell(tt.story)
			if tt.cut {
				b.manifest.Ended, b.manifest.DrainedAtNS = "interrupted", 0
			}
			b.manifest.SettleNS = tt.settle * second
			if tt.full {
				b.manifest.DrainedAtNS = 0
			}
			if !tt.blind {
				b.end()
			}
			a := b.analyse()
			if a.Audit.Orders != 1 || a.Audit.Classes[tt.want] != 1 {
				t.Fatalf("%d orders: %v, want one %s", a.Audit.Orders, a.Audit.Classes, tt.want)
			}
			if a.Audit.LossFen != tt.loss || a.Audit.OpenFen != tt.open {
				t.Errorf("loss %d fen, open %d fen; want %d and %d", a.Audit.LossFen, a.Audit.OpenFen, tt.loss, tt.open)
			}
			if tt.want.Bad() != (len(a.Audit.Bad) == 1) {
				t.Errorf("bad orders %+v", a.Audit.Bad)
			}
			if tt.want.Bad() && tt.want != Indeterminate && a.Verdict.ExitCode != ExitViolated || tt.want == Indeterminate && a.Verdict.ExitCode != ExitInconclusive {
				t.Errorf("exit code %d", a.Verdict.ExitCode)
			}
			validate(t, a)
		})
	}
}

func TestABadOrderTellsItsStory(t *testing.T) {
	b := wholeRun(t)
	b.tell(fine)
	b.tell(`
		30 asks o2
		30.2 prepay o2 350
		30.2 answered o2 201
		32 paid o2 350
		32.3 notify o2 1
		32.3 acked o2 1
		40 notify o2 1 duplicate
		62 refunded o2 350
		70 command o2
		71.5 drops o2
		120 says o2 REFUNDED 350 to2
	`)
	b.end()
	a := b.analyse()
	if len(a.Audit.Bad) != 1 {
		t.Fatalf("%+v", a.Audit.Bad)
	}
	o := a.Audit.Bad[0]
	if o.Order != "o2" || o.Key != "ko2" || o.Machine != "m1" || o.Slot != 1 || o.Channel != "wechat" || o.Fen != 350 || o.AtNS != 71.5e9 {
		t.Errorf("%+v", o)
	}
	if want := "goods fell at 11:01:02, money back at 11:00:52"; o.Why != want {
		t.Errorf("why %q, want %q", o.Why, want)
	}
	var told []string
	for _, m := range o.Events {
		told = append(told, m.Who+": "+m.What)
	}
	want := []string{
		"buyer: asks for slot 1 of m1, to pay by wechat, answered 201",
		"channel: wechat: can be paid, 3.50 yuan",
		"channel: wechat: PAID 3.50 yuan, transaction to2",
		"channel: notify sent (1st), answered 200 after 12.0 ms",
		"channel: notify sent (1st, duplicate), no answer is booked",
		"channel: wechat: REFUNDED 3.50 yuan, refund ro2",
		"machine: gets command co2: dispense",
		"machine: GOODS FALL, command co2",
		"service: order is REFUNDED at the end",
	}
	if got := strings.Join(told, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("told\n%s\nwant\n%s", got, strings.Join(want, "\n"))
	}
}

// paidLate is a payment whose refund is not due before the run's deadline.
const paidLate = "20 prepay o1 350\n160 paid o1 350\n"

func TestStockIsComparedSlotBySlot(t *testing.T) {
	tests := []struct {
		name              string
		start, left       int64
		story             string
		oversold, missing int
	}{
		{name: "one fell and one is gone", start: 10, left: 9, story: fine},
		{name: "one fell and the service counts none", start: 10, left: 10, story: fine, oversold: 1},
		{name: "one fell and the service counts two", start: 10, left: 8, story: fine, missing: 1},
		{name: "a piece is reserved for an open order", start: 10, left: 9, story: "20 prepay o1 350\n120 says o1 PAYING"},
		{name: "a closed order gave its piece back", start: 10, left: 10, story: "20 prepay o1 350\n120 says o1 CLOSED"},
		{name: "a closed order kept its piece", start: 10, left: 9, story: "20 prepay o1 350\n120 says o1 CLOSED", missing: 1},
		{name: "two fell for one order", start: 10, left: 9, story: fine + "25 drops o1", oversold: 1},
		{name: "money goes back with the piece that is held", start: 10, left: 9, story: paidLate + "170 says o1 REFUNDING 350 to1"},
		{name: "money goes back and the piece came back before, with the order's close", start: 10, left: 10, story: paidLate + "170 says o1 REFUNDING 350 to1"},
		{name: "money goes back and two pieces came back", start: 10, left: 11, story: paidLate + "170 says o1 REFUNDING 350 to1", oversold: 1},
		{name: "money goes back and two pieces are gone", start: 10, left: 8, story: paidLate + "170 says o1 REFUNDING 350 to1", missing: 1},
		{name: "a sold-out slot", start: 1, left: 0, story: fine},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := wholeRun(t)
			if strings.HasPrefix(tt.story, paidLate) {
				b.manifest.DrainedAtNS = 0
			}
			b.add(runlog.Record{Event: runlog.Stock, Machine: "m1", Slot: 1, Fen: tt.start})
			b.tell(tt.story)
			b.add(runlog.Record{At: 170 * second, Event: runlog.ServiceSlot, Machine: "m1", Slot: 1, Fen: tt.left})
			b.end()
			a := b.analyse()
			if a.Audit.Oversold != tt.oversold || a.Audit.Undersold != tt.missing {
				t.Errorf("oversold %d, undersold %d; want %d and %d", a.Audit.Oversold, a.Audit.Undersold, tt.oversold, tt.missing)
			}
			if violated := a.Verdict.ExitCode == ExitViolated; violated != (tt.oversold+tt.missing > 0) {
				t.Errorf("exit code %d: %s", a.Verdict.ExitCode, a.Verdict.Headline)
			}
		})
	}
}

func TestTheQueueIsCountedAsTheAccountDid(t *testing.T) {
	b := wholeRun(t)
	b.tell(fine)
	b.tell("120 queued o1 2 5 61\n120 queued o1 2 4 60\n120 queued o1 0 1 5\n120 remedied o1")
	b.end()
	got := b.analyse().Audit.Queue
	want := QueueFacts{Rows: 4, Waiting: 1, Voided: 1, LaterThan60: 1, Remedies: 1}
	if got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}

// The line beside a bad order tells of the payment, or of the thing, that it was judged by.
func TestWhatIsSaidOfABadOrderIsWhatItWasJudgedBy(t *testing.T) {
	tests := []struct {
		name, story string
		full        bool
		want        string
	}{
		{
			name:  "the second payment was acknowledged and is unknown, and the first has its goods",
			story: fine + "40 paid o1 350 t2\n41 acked o1 1 t2",
			want:  "paid at 11:00:30, notify answered with success at 11:00:31, and the service does not know the payment",
		},
		{
			name:  "the service wrote another amount than the channel took",
			story: "20 prepay o1 350\n22 paid o1 350\n24 drops o1\n120 says o1 DISPENSED 300 to1",
			want:  "paid 3.50 yuan at 11:00:12 for goods of 3.50 yuan, and the service's tables hold another amount",
		},
		{
			name: "goods of the last seconds", full: true,
			story: "20 prepay o1 350\n120 paid o1 350\n169 drops o1\n170 says o1 DISPENSING 350 to1",
			want:  "goods fell at 11:02:39, and the service, which says DISPENSING, may not have heard of it when the run ended",
		},
		{
			name: "a refund of the last seconds", full: true,
			story: "20 prepay o1 350\n130 paid o1 350\n168 refunded o1 350\n170 says o1 REFUNDING 350 to1",
			want:  "money went back at 11:02:38, and the service, which says REFUNDING, may not have heard of it when the run ended",
		},
		{
			name: "paid late", full: true, story: "150 paid o1 350\n171 says o1 PAID 350 to1",
			want: "paid at 11:02:20 and still open when the run ended, with time left for goods or refund",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := wholeRun(t)
			b.tell(tt.story)
			if tt.full {
				b.manifest.DrainedAtNS = 0
			}
			b.end()
			if bad := b.analyse().Audit.Bad; len(bad) != 1 || bad[0].Why != tt.want {
				t.Errorf("%+v\nwant %q", bad, tt.want)
			}
		})
	}
}
