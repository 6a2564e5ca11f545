package simulator

import (
	"context"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

func contextFor(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithTimeout(t.Context(), d)
}

func TestLedger(t *testing.T) {
	const (
		paid   = runlog.ChannelPaid
		back   = runlog.ChannelRefunded
		drop   = runlog.MachineDropped
		second = int64(time.Second)
	)
	type event struct {
		e  runlog.Event
		at int64
	}
	for _, c := range []struct {
		name   string
		events []event
		want   ledgerSum
	}{
		{"a paid order is open", []event{{paid, 0}}, ledgerSum{Paid: 1, Open: 1}},
		{"goods settle it", []event{{paid, 0}, {drop, second}}, ledgerSum{Paid: 1, Dropped: 1, InTime: 1}},
		{"goods after the deadline are no goodput", []event{{paid, 0}, {drop, 91 * second}}, ledgerSum{Paid: 1, Dropped: 1}},
		{"money back settles it", []event{{paid, 0}, {back, second}}, ledgerSum{Paid: 1, Refunds: 1}},
		{"goods and money back are a loss", []event{{paid, 0}, {back, second}, {drop, 2 * second}}, ledgerSum{Paid: 1, Dropped: 1, InTime: 1, Refunds: 1, Losses: 1}},
		{"the same the other way round", []event{{paid, 0}, {drop, second}, {back, 2 * second}}, ledgerSum{Paid: 1, Dropped: 1, InTime: 1, Refunds: 1, Losses: 1}},
		{"two drops are a loss", []event{{paid, 0}, {drop, second}, {drop, 2 * second}}, ledgerSum{Paid: 1, Dropped: 2, InTime: 1, Losses: 1}},
		{"two refunds of one payment are a loss", []event{{paid, 0}, {back, second}, {back, second}}, ledgerSum{Paid: 1, Refunds: 2, Losses: 1}},
		{"paid twice, goods: one payment is still owed", []event{{paid, 0}, {paid, second}, {drop, second}}, ledgerSum{Paid: 2, Dropped: 1, InTime: 1, Open: 1}},
		{"paid twice, goods, one back", []event{{paid, 0}, {drop, second}, {paid, second}, {back, 3 * second}}, ledgerSum{Paid: 2, Dropped: 1, InTime: 1, Refunds: 1}},
		{"paid twice, both back", []event{{paid, 0}, {paid, second}, {back, 3 * second}, {back, 3 * second}}, ledgerSum{Paid: 2, Refunds: 2}},
		{"goods for nothing", []event{{drop, second}}, ledgerSum{Dropped: 1, Losses: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(90*time.Second, 1)
			for _, e := range c.events {
				l.note(&runlog.Record{At: e.at, Event: e.e, Order: "1"})
				l.note(&runlog.Record{At: e.at, Event: runlog.NotifyAnswer, Order: "1"})
			}
			if got := l.totals(); got != c.want {
				t.Errorf("got  %+v\nwant %+v", got, c.want)
			}
		})
	}
}
