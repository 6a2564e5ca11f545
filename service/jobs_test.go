package service_test

import (
	"context"
	"log/slog"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// jobStore holds refunds that are due, or an order whose command its machine has.
type jobStore struct {
	service.Store
	refunds []service.RefundRow
	orders  []service.Order
	command service.Command
	lost    int // compare-and-sets of CancelSent that another wins

	claimed   atomic.Int32
	mu        sync.Mutex // guards what follows, orders, command and lost: several jobs look
	cancelled time.Time
	refunded  time.Time
}

func (s *jobStore) DueRefunds(_ context.Context, channel service.Channel, _ time.Time, limit int) (due []service.RefundRow, err error) {
	for _, r := range s.refunds {
		if r.Channel == channel && len(due) < limit {
			due = append(due, r)
		}
	}
	return due, nil
}

func (s *jobStore) ClaimRefund(context.Context, *service.RefundRow, time.Time) (bool, error) {
	s.claimed.Add(1)
	return true, nil
}

func (s *jobStore) Clock(context.Context) (time.Time, error) { return time.Now(), nil }

func (s *jobStore) DueOrders(_ context.Context, _ service.Channel, states []service.State, now time.Time, _ int) (due []service.Order, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, o := range s.orders {
		if states[0] == service.Dispensing && o.NextMS <= now.UnixMilli() {
			due = append(due, o)
		}
	}
	return due, nil
}

func (s *jobStore) Postpone(_ context.Context, o service.Order, next time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.orders[0].NextMS != o.NextMS {
		return false, nil
	}
	s.orders[0].NextMS = next.UnixMilli()
	return true, nil
}

func (s *jobStore) DispenseCommand(context.Context, string) (service.Command, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.command.ID == "" {
		return service.Command{}, service.ErrNotFound
	}
	return s.command, nil
}

func (s *jobStore) CancelSent(_ context.Context, c, _ service.Command, _ time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.lost--; s.lost >= 0 || c.SentMS != s.command.SentMS {
		s.command.SentMS = time.Now().UnixMilli() // given again
		return false, nil
	}
	s.command.State, s.cancelled = service.Cancelling, time.Now()
	return true, nil
}

func (s *jobStore) NotDispensed(_ context.Context, c service.Command, _ service.CommandState, _ service.RefundRow, _ time.Time) (service.State, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.OrderID != s.orders[0].ID {
		return "", service.ErrNotFound
	}
	s.orders, s.refunded = nil, time.Now()
	return service.Refunding, nil
}

func (s *jobStore) EndCommand(context.Context, string, service.CommandState, time.Time) error {
	return nil
}

func (s *jobStore) UnfetchedCommands(context.Context, time.Time, time.Time, int) ([]service.Command, error) {
	return nil, nil
}

func (s *jobStore) DueRemedies(context.Context, service.Channel, time.Time, int) ([]service.RemedyOrder, error) {
	return nil, nil
}

func (s *jobStore) DueFurtherWays(context.Context, service.Channel, time.Time, int) ([]service.FurtherWay, error) {
	return nil, nil
}

func (s *jobStore) HeldShares(context.Context, time.Time, int) ([]service.Share, error) {
	return nil, nil
}

func (s *jobStore) DueBatches(context.Context, time.Time, int) ([]service.UploadBatch, error) {
	return nil, nil
}

func (s *jobStore) Archive(context.Context, time.Time, int) (int, error) { return 0, nil }

// hung is a channel that answers nothing.
type hung struct{ service.PayChannel }

func (hung) Refund(ctx context.Context, _ service.Refund) error {
	<-ctx.Done()
	return ctx.Err()
}

// noPushes takes pushes and forgets them.
type noPushes struct{ service.PushQueue }

func (noPushes) Push(context.Context, service.Command) error { return nil }

func jobsOn(store service.Store) *service.Jobs { return jobsAhead(store, 0) }

// jobsAhead are jobs of a process whose clock is so much ahead.
func jobsAhead(store service.Store, by time.Duration) *service.Jobs {
	return service.NewJobs(service.Parts{
		Profile: service.Default().Switches, Store: store, Pushes: noPushes{}, Channels: map[service.Channel]service.PayChannel{service.WeChat: hung{}},
		Metrics: service.NewMetrics(), Log: slog.New(slog.DiscardHandler), Now: service.HostClock{Offset: by}.Now,
	}, nil)
}

// A channel that hangs, and a process that is told to end with hundreds of refunds before it: the few that were begun are
// finished, and the process ends within its time to drain.
func TestJobsEndWhileAChannelHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &jobStore{}
		for i := range 200 {
			store.refunds = append(store.refunds, service.RefundRow{Refund: service.Refund{RefundNo: strconv.Itoa(i)}, Channel: service.WeChat})
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			jobsOn(store).Run(ctx)
		}()
		time.Sleep(1500 * time.Millisecond) // the first run is at its first refunds
		told := time.Now()
		cancel()
		<-ended
		if took := time.Since(told); took > 15*time.Second {
			t.Errorf("ended %s after it was told to", took)
		}
		if n := store.claimed.Load(); n == 0 || n > 16 {
			t.Errorf("%d refunds were begun", n)
		}
	})
}

// A machine keeps asking, and is given its command again between the timer's look and its move: the cancel comes with
// the timer's next runs. Then it is silent: the money goes back when nothing can fall any more.
func TestWhenASilentMachinesOrderIsRefunded(t *testing.T) {
	tests := []struct {
		name             string
		sent             time.Duration // after the payment
		lost             int
		ahead            time.Duration // the clock of the jobs' process
		cancel, refunded time.Duration // at least, after the payment
	}{
		{"a command sent at once", 0, 0, 0, 90 * time.Second, 100 * time.Second},
		{"one that was given again during three looks", 0, 3, 0, 93 * time.Second, 143 * time.Second},
		{"one sent just before the timer: ttl 20 s, and 30 s under way and falling", 89 * time.Second, 0, 0, 90 * time.Second, 140 * time.Second},
		{"the same by a clock that is ten minutes ahead", 89 * time.Second, 0, 10 * time.Minute, 90 * time.Second, 140 * time.Second},
		{"the same by a clock that is ten minutes behind", 89 * time.Second, 0, -10 * time.Minute, 90 * time.Second, 140 * time.Second},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				paid := time.Now()
				store := &jobStore{
					lost:    test.lost,
					orders:  []service.Order{{ID: "o", State: service.Dispensing, Channel: service.WeChat, NextMS: paid.Add(90 * time.Second).UnixMilli()}},
					command: service.Command{ID: "c-o", State: service.Sent, Kind: service.Dispense, OrderID: "o", SentMS: paid.Add(test.sent).UnixMilli()},
				}
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
				defer cancel()
				jobsAhead(store, test.ahead).Run(ctx)
				for _, moment := range []struct {
					what string
					at   time.Time
					want time.Duration
				}{{"cancelled", store.cancelled, test.cancel}, {"refunded", store.refunded, test.refunded}} {
					if at := moment.at.Sub(paid); at < moment.want || at > moment.want+3*time.Second {
						t.Errorf("%s after %s, wanted %s", moment.what, at, moment.want)
					}
				}
			})
		})
	}
}

// With dedupe none the payment and its command are two writes: a process that dies between them leaves an order that is paid
// and has no command. It gets its money back.
func TestAPaidOrderWithoutACommandIsRefunded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &jobStore{orders: []service.Order{{ID: "o", State: service.Dispensing, Channel: service.WeChat}}}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		jobsOn(store).Run(ctx)
		if store.refunded.IsZero() {
			t.Error("not refunded")
		}
	})
}
