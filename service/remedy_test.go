package service_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// unpaidStore holds orders that wait for their payment.
type unpaidStore struct {
	jobStore
	mu       sync.Mutex // guards what follows
	unpaid   map[string]*service.Order
	ways     []service.FurtherWay
	remedies []service.RemedyOrder
	closed   []string
	found    []service.Channel // payments that were put into pay_queue
	stuck    bool              // no order can be claimed
	looks    int               // of all orders
}

func (s *unpaidStore) DueOrders(_ context.Context, channel service.Channel, states []service.State, now time.Time, limit int) (due []service.Order, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.unpaid {
		if o.Channel == channel && states[0] == service.Created && o.NextMS <= now.UnixMilli() && len(due) < limit {
			due = append(due, *o)
		}
	}
	return due, nil
}

func (s *unpaidStore) Postpone(_ context.Context, o service.Order, next time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.looks++; s.stuck {
		return false, errors.New("read-only")
	}
	s.unpaid[o.ID].NextMS = next.UnixMilli()
	return true, nil
}

func (s *unpaidStore) Order(_ context.Context, orderID string) (service.Order, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return *s.unpaid[orderID], nil
}

func (s *unpaidStore) CloseOrder(_ context.Context, orderID string, _ time.Time, _ ...service.State) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = append(s.closed, orderID)
	return true, nil
}

func (s *unpaidStore) Enqueue(_ context.Context, p service.Payment, _ bool, _ time.Time, _ time.Duration) (service.QueueRow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = append(s.found, p.Channel)
	return service.QueueRow{}, nil
}

func (s *unpaidStore) RaiseRemedy(context.Context, service.Payment, string, bool, time.Time) error {
	return nil
}

func (s *unpaidStore) DueFurtherWays(_ context.Context, channel service.Channel, _ time.Time, limit int) (due []service.FurtherWay, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, w := range s.ways {
		if w.Channel == channel && w.NextMS == 0 && len(due) < limit {
			due = append(due, w)
		}
	}
	return due, nil
}

func (s *unpaidStore) ClaimFurtherWay(_ context.Context, w service.FurtherWay, next time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.ways, w)
	if i >= 0 {
		s.ways[i].NextMS = next.UnixMilli()
	}
	return i >= 0, nil
}

func (s *unpaidStore) FurtherWayDone(context.Context, service.FurtherWay) error { return nil }

func (s *unpaidStore) DueRemedies(_ context.Context, channel service.Channel, now time.Time, limit int) (due []service.RemedyOrder, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.remedies {
		if r.Channel == channel && r.State != "DONE" && r.NextMS <= now.UnixMilli() && len(due) < limit {
			due = append(due, r)
		}
	}
	return due, nil
}

func (s *unpaidStore) ClaimRemedy(_ context.Context, r *service.RemedyOrder, _, next time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.Index(s.remedies, *r)
	if i >= 0 {
		r.Count, r.NextMS = r.Count+1, next.UnixMilli()
		s.remedies[i] = *r
	}
	return i >= 0, nil
}

func (s *unpaidStore) RemedyDone(_ context.Context, r service.RemedyOrder, _ time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.remedies[slices.Index(s.remedies, r)].State = "DONE"
	return nil
}

func (s *unpaidStore) Settle(_ context.Context, p service.Payment, _ service.Command, _ time.Time, _ int64) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found = append(s.found, p.Channel)
	return true, nil
}

// sick is a channel that is reached and can not answer.
type sick struct{ service.PayChannel }

func (sick) Query(context.Context, string) (service.ChannelState, error) {
	return service.ChannelState{}, errors.New("bad gateway")
}

func (sick) Close(context.Context, string) error { return errors.New("bad gateway") }

// paidBy is a channel by which every order was paid.
type paidBy struct {
	service.PayChannel
	name service.Channel
}

func (c paidBy) Query(_ context.Context, orderID string) (service.ChannelState, error) {
	return service.ChannelState{State: service.TradeSuccess, Payment: service.Payment{Channel: c.name, OrderID: orderID, TransactionID: "t", Fen: 350}}, nil
}

func (paidBy) Close(context.Context, string) error { return service.ErrAlreadyPaid }

// unpaidBy is a channel by which no order was paid.
type unpaidBy struct {
	service.PayChannel
	asked *sync.Map // by order: when first
}

func (c unpaidBy) Query(_ context.Context, orderID string) (service.ChannelState, error) {
	c.asked.LoadOrStore(orderID, time.Now())
	return service.ChannelState{State: service.TradeNotPaid}, nil
}

func (unpaidBy) Close(context.Context, string) error { return nil }

func (hung) Query(ctx context.Context, _ string) (service.ChannelState, error) {
	<-ctx.Done()
	return service.ChannelState{}, ctx.Err()
}

func (hung) Close(ctx context.Context, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

// runUnpaid runs the jobs for so long.
func runUnpaid(t *testing.T, store *unpaidStore, channels map[service.Channel]service.PayChannel, last time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), last)
	defer cancel()
	service.NewJobs(service.Parts{
		Profile: service.Default().Switches, Store: store, Pushes: noPushes{}, Channels: channels,
		Metrics: service.NewMetrics(), Log: slog.New(slog.DiscardHandler), Now: time.Now,
	}, nil).Run(ctx)
}

// An order may be paid by WeChat, or, as the buyer changed their mind, by Alipay. WeChat is sick; Alipay has the money, or closes
// the order, and its notification was lost.
func TestASickChannelHidesNoPaymentOfAnother(t *testing.T) {
	waiting := service.Order{ID: "o", State: service.Paying, Fen: 350, Channel: service.WeChat, PayChannels: []service.Channel{service.WeChat, service.Alipay}}
	both := []service.FurtherWay{{OrderID: "o", Channel: service.WeChat}, {OrderID: "o", Channel: service.Alipay}}
	tests := []struct {
		name  string
		store func(now time.Time) *unpaidStore
	}{
		{"while it waits for its payment", func(now time.Time) *unpaidStore {
			o := waiting
			o.ExpiresMS = now.Add(time.Hour).UnixMilli()
			return &unpaidStore{unpaid: map[string]*service.Order{"o": &o}, ways: slices.Clone(both)}
		}},
		{"when it is closed", func(time.Time) *unpaidStore {
			o := waiting
			return &unpaidStore{unpaid: map[string]*service.Order{"o": &o}}
		}},
		{"when its void row is made good", func(now time.Time) *unpaidStore {
			o := waiting
			o.NextMS = now.Add(time.Hour).UnixMilli()
			return &unpaidStore{unpaid: map[string]*service.Order{"o": &o}, remedies: []service.RemedyOrder{{OrderID: "o", Channel: service.WeChat}, {OrderID: "o", Channel: service.Alipay}}}
		}},
		{"when it was closed, and its further ways are", func(now time.Time) *unpaidStore {
			o := waiting
			o.State, o.NextMS = service.Closed, now.Add(time.Hour).UnixMilli()
			return &unpaidStore{unpaid: map[string]*service.Order{"o": &o}, ways: slices.Clone(both)}
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := test.store(time.Now())
				runUnpaid(t, store, map[service.Channel]service.PayChannel{
					service.WeChat: sick{}, service.Alipay: definitely{paidBy{name: service.Alipay}},
				}, 7*time.Second)
				if len(store.found) != 1 || store.found[0] != service.Alipay {
					t.Errorf("payments found: %v", store.found)
				}
				if len(store.closed) != 0 {
					t.Error("closed, although a channel could not close it")
				}
			})
		})
	}
}

// definitely says that an order is paid as the channels do: by a definite no.
type definitely struct{ paidBy }

func (definitely) Close(context.Context, string) error {
	return errors.Join(service.ErrAlreadyPaid, &service.ChannelError{Status: 400, Code: "ORDERPAID"})
}

// One channel closes an order, the other could not: it may still be paid there, so it is not closed here.
func TestAnOrderIsClosedWhenEveryChannelHasClosedIt(t *testing.T) {
	for _, test := range []struct {
		name   string
		alipay service.PayChannel
		closed int
	}{{"both have", unpaidBy{}, 1}, {"the second is sick", sick{}, 0}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &unpaidStore{unpaid: map[string]*service.Order{"o": {
					ID: "o", State: service.Paying, Channel: service.WeChat, PayChannels: []service.Channel{service.WeChat, service.Alipay},
				}}}
				runUnpaid(t, store, map[service.Channel]service.PayChannel{service.WeChat: unpaidBy{}, service.Alipay: test.alipay}, 7*time.Second)
				if len(store.closed) != test.closed {
					t.Errorf("closed %d times, want %d", len(store.closed), test.closed)
				}
			})
		})
	}
}

// manyUnpaid are so many orders of each channel.
func manyUnpaid(n int, channels ...service.Channel) map[string]*service.Order {
	orders := make(map[string]*service.Order)
	for _, c := range channels {
		for i := range n {
			id := string(c) + strconv.Itoa(i)
			orders[id] = &service.Order{
				ID: id, State: service.Paying, Channel: c, PayChannels: []service.Channel{c},
				CreatedMS: time.Now().UnixMilli(), ExpiresMS: time.Now().Add(time.Hour).UnixMilli(),
			}
		}
	}
	return orders
}

// Alipay takes every question and answers none: who paid by WeChat does not wait for it.
func TestAChannelThatHangsHoldsUpNoOthersOrders(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked sync.Map
		store := &unpaidStore{unpaid: manyUnpaid(90, service.WeChat, service.Alipay)}
		began := time.Now()
		runUnpaid(t, store, map[service.Channel]service.PayChannel{service.WeChat: unpaidBy{asked: &asked}, service.Alipay: hung{}}, 20*time.Second)
		n := 0
		for id, at := range asked.Range {
			if n++; at.(time.Time).Sub(began) > 6*time.Second {
				t.Errorf("%s was asked about after %s", id, at.(time.Time).Sub(began))
			}
		}
		if n != 90 {
			t.Errorf("%d of 90 orders were asked about", n)
		}
	})
}

// More orders wait than one look reads.
func TestARunLooksAtAllOrdersThatAreDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked sync.Map
		store := &unpaidStore{unpaid: manyUnpaid(900, service.WeChat)}
		runUnpaid(t, store, map[service.Channel]service.PayChannel{service.WeChat: unpaidBy{asked: &asked}}, 6*time.Second)
		if store.looks != 900 {
			t.Errorf("%d looks at 900 orders in one run", store.looks)
		}
	})
}

// Orders that can not be claimed stay due: the next run looks at them, and not this one again and again.
func TestOrdersThatCanNotBeClaimedWaitForTheNextRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &unpaidStore{unpaid: manyUnpaid(900, service.WeChat), stuck: true}
		runUnpaid(t, store, map[service.Channel]service.PayChannel{service.WeChat: unpaidBy{asked: &sync.Map{}}}, 6*time.Second)
		if store.looks != 200 {
			t.Errorf("%d looks in one run, which reads 200", store.looks)
		}
	})
}

// stateOf is a channel that says this of every order.
type stateOf struct {
	service.PayChannel
	state service.ChannelState
	err   error
	asked *[]time.Time
}

func (c stateOf) Query(context.Context, string) (service.ChannelState, error) {
	*c.asked = append(*c.asked, time.Now())
	return c.state, c.err
}

// A remedy order stands for a payment whose notification was genuine: it ends when that was handled, or is back.
func TestARemedyOrderStaysOpenUntilItsPaymentWasHandledOrIsBack(t *testing.T) {
	state := func(s service.TradeState, fen int64) service.ChannelState {
		return service.ChannelState{State: s, Payment: service.Payment{Channel: service.WeChat, OrderID: "o", TransactionID: "t", Fen: fen}}
	}
	tests := []struct {
		name    string
		state   service.ChannelState
		err     error
		done    bool
		settled int
	}{
		{"paid as ordered", state(service.TradeSuccess, 350), nil, true, 1},
		{"the money is back", state(service.TradeRefunded, 350), nil, true, 0},
		{"paid by another amount", state(service.TradeSuccess, 1), nil, false, 0},
		{"not paid", state(service.TradeNotPaid, 0), nil, false, 0},
		{"closed", state(service.TradeClosed, 0), nil, false, 0},
		{"never heard of", service.ChannelState{}, service.ErrOrderUnknown, false, 0},
		{"no answer", service.ChannelState{}, errors.New("bad gateway"), false, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var asked []time.Time
				store := &unpaidStore{
					unpaid: map[string]*service.Order{"o": {
						ID: "o", State: service.Paying, Fen: 350, Channel: service.WeChat, PayChannels: []service.Channel{service.WeChat},
						NextMS: time.Now().Add(24 * time.Hour).UnixMilli(),
					}},
					remedies: []service.RemedyOrder{{OrderID: "o", Channel: service.WeChat, State: "OPEN"}},
				}
				runUnpaid(t, store, map[service.Channel]service.PayChannel{service.WeChat: stateOf{state: test.state, err: test.err, asked: &asked}}, 10*time.Minute)
				if done := store.remedies[0].State == "DONE"; done != test.done || len(store.found) != test.settled {
					t.Errorf("done: %v, %d payments settled", done, len(store.found))
				}
				if test.done {
					if len(asked) != 1 {
						t.Errorf("asked %d times", len(asked))
					}
					return
				}
				if n := len(asked); n < 8 || n > 16 || asked[n-1].Sub(asked[n-2]) < time.Minute || asked[1].Sub(asked[0]) > 10*time.Second {
					t.Errorf("the pauses do not grow to a minute: asked %v", asked)
				}
			})
		})
	}
}

// Alipay takes every question and answers none, and has the older half of what is due: a remedy order at
// WeChat that becomes due meanwhile does not wait for the end of a run.
func TestAChannelThatHangsHoldsUpNoOthersMoneyBetweenRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		var asked []time.Time
		store := &unpaidStore{unpaid: manyUnpaid(400, service.Alipay)}
		for id, o := range store.unpaid {
			o.State, o.NextMS = service.Closed, time.Now().Add(24*time.Hour).UnixMilli()
			store.remedies = append(store.remedies, service.RemedyOrder{OrderID: id, Channel: service.Alipay})
			store.ways = append(store.ways, service.FurtherWay{OrderID: id, Channel: service.Alipay})
		}
		store.unpaid["o"] = &service.Order{ID: "o", State: service.Closed, Fen: 350, Channel: service.WeChat, NextMS: began.Add(24 * time.Hour).UnixMilli()}
		due := began.Add(12 * time.Second) // Alipay's runs are at their first rows
		store.remedies = append(store.remedies, service.RemedyOrder{OrderID: "o", Channel: service.WeChat, NextMS: due.UnixMilli()})
		wechat := stateOf{asked: &asked, state: service.ChannelState{State: service.TradeRefunded}}
		runUnpaid(t, store, map[service.Channel]service.PayChannel{service.WeChat: wechat, service.Alipay: hung{}}, 30*time.Second)
		if len(asked) != 1 || asked[0].Sub(due) > 6*time.Second {
			t.Errorf("asked %v, due %v", asked, due)
		}
	})
}
