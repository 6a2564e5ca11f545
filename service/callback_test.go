package service_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// callbackStore has one row of pay_queue, and says what was done about it.
type callbackStore struct {
	service.Store
	row   service.QueueRow
	order service.Order
	did   string
}

func (s *callbackStore) Row(context.Context, int64) (service.QueueRow, error) { return s.row, nil }

func (s *callbackStore) Order(context.Context, string) (service.Order, error) { return s.order, nil }

func (s *callbackStore) Settle(context.Context, service.Payment, service.Command, time.Time, int64) (bool, error) {
	s.did = "dispensed"
	return true, nil
}

func (s *callbackStore) PayUnchecked(context.Context, service.Payment, service.Command, time.Time) error {
	s.did = "dispensed unchecked"
	return nil
}

func (s *callbackStore) SettleByRefund(_ context.Context, _ service.Payment, _ []service.State, r service.RefundRow, _ int64, _ time.Time) (bool, error) {
	s.did = r.Reason
	return true, nil
}

// Nobody stands at the machine any more when a payment is handled late: the money goes back, whatever else is as it was. Only
// where the refund timer was first does refund.guard none overlook that.
func TestAPaymentThatIsHandledLate(t *testing.T) {
	tests := []struct {
		name          string
		dedupe, guard string
		state         service.State
		age           time.Duration
		want          string
	}{
		{"in time", service.Unique, service.GuardCAS, service.Paying, time.Second, "dispensed"},
		{"late", service.Unique, service.GuardCAS, service.Paying, time.Hour, service.BecauseTooLate},
		{"in time, with dedupe none", service.None, service.GuardCAS, service.Paying, time.Second, "dispensed unchecked"},
		{"late, with dedupe none", service.None, service.GuardCAS, service.Paying, time.Hour, service.BecauseTooLate},
		{"late, with refund.guard none", service.Unique, service.None, service.Paying, time.Hour, service.BecauseTooLate},
		{"refunded and late", service.Unique, service.GuardCAS, service.Refunded, time.Hour, ""},
		{"refunded and late, with refund.guard none", service.Unique, service.None, service.Refunded, time.Hour, "dispensed unchecked"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			profile := service.Default().Switches
			profile.Dedupe, profile.Refund.Guard = test.dedupe, test.guard
			p := service.Payment{Channel: service.WeChat, OrderID: "o1", TransactionID: "t1", Fen: 350, PaidMS: time.Now().Add(-test.age).UnixMilli()}
			store := &callbackStore{row: service.QueueRow{ID: 1, Payment: p}, order: service.Order{ID: "o1", State: test.state, Fen: 350}}
			if test.state == service.Refunded {
				store.order.Channel, store.order.TransactionID = p.Channel, p.TransactionID
			}
			front := service.NewFront(service.Parts{
				Profile: profile, Store: store, Pushes: noPushes{}, Metrics: service.NewMetrics(), Log: slog.New(slog.DiscardHandler), Now: time.Now,
			}, nil, nil)
			if _, err := front.PayCallback(t.Context(), 1); err != nil {
				t.Fatal(err)
			}
			if store.did != test.want {
				t.Errorf("%q, want %q", store.did, test.want)
			}
		})
	}
}
