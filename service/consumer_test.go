package service_test

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// rowStore holds one row of pay_queue.
type rowStore struct {
	service.Store

	mu     sync.Mutex // guards what follows
	row    service.QueueRow
	ended  string
	remedy bool
}

func (s *rowStore) DueRows(_ context.Context, now time.Time, _ int) ([]service.QueueRow, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended != "" || now.UnixMilli() < s.row.NextMS {
		return nil, nil
	}
	return []service.QueueRow{s.row}, nil
}

func (s *rowStore) Claim(_ context.Context, row *service.QueueRow, now time.Time, lease time.Duration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	row.ConsumeCount++
	s.row.ConsumeCount, s.row.NextMS = row.ConsumeCount, now.Add(lease).UnixMilli()
	return true, nil
}

func (s *rowStore) Finish(context.Context, service.QueueRow, time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = "finished"
	return true, nil
}

func (s *rowStore) Retry(_ context.Context, _ service.QueueRow, _, next time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.row.NextMS = next.UnixMilli()
	return true, nil
}

func (s *rowStore) Void(_ context.Context, _ service.QueueRow, _ time.Time, remedy bool) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended, s.remedy = "void", remedy
	return true, nil
}

// attempts is a front that fails until the attempt that succeeds.
type attempts struct {
	began    time.Time
	succeeds int
	at       []time.Duration
}

func (a *attempts) PayCallback(context.Context, int64) (service.CallbackResult, error) {
	a.at = append(a.at, time.Since(a.began))
	if len(a.at) == a.succeeds {
		return service.CallbackResult{Result: service.ResultDuplicate}, nil
	}
	return service.CallbackResult{}, errors.New("not now")
}

// The documented ladder, in virtual time: 10 s, 1 min, 5 min, 15 min, 60 min, 2 h, 5 h, 10 h, then void.
func TestTheLadder(t *testing.T) {
	steps := []time.Duration{
		0, 10 * time.Second, time.Minute, 5 * time.Minute, 15 * time.Minute, time.Hour, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour,
	}
	tests := []struct {
		name     string
		void     string
		succeeds int
		tries    int
		ended    string
		remedy   bool
	}{
		{"a row that never succeeds is void after eight, and raises a remedy order", service.VoidRemedy, 0, 9, "void", true},
		{"as was, it is void and forgotten", service.VoidSilent, 0, 9, "void", false},
		{"a row that succeeds at last is finished", service.VoidRemedy, 9, 9, "finished", false},
		{"a row that succeeds at the third", service.VoidRemedy, 3, 3, "finished", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				profile := service.Default().Switches
				profile.Queue.Void = test.void
				profile.Callback.Poll = time.Second
				store := &rowStore{row: service.QueueRow{ID: 1}}
				front := &attempts{began: time.Now(), succeeds: test.succeeds}
				c := service.NewConsumer(service.Parts{
					Profile: profile, Store: store, Metrics: service.NewMetrics(), Log: slog.New(slog.DiscardHandler), Now: time.Now,
				}, front)
				ctx, cancel := context.WithTimeout(t.Context(), 20*time.Hour)
				defer cancel()
				c.Offer(store.row)
				c.Run(ctx)
				if store.ended != test.ended || store.remedy != test.remedy || len(front.at) != test.tries {
					t.Fatalf("ended %q after %d tries, remedy %v", store.ended, len(front.at), store.remedy)
				}
				// Each wait by itself is the documented one, and what it takes until the next look at the table.
				before := time.Duration(0)
				for i, at := range front.at {
					if wait := at - before; wait < steps[i] || wait > steps[i]+profile.Callback.Poll {
						t.Errorf("wait %d was %s, wanted %s", i, wait, steps[i])
					}
					before = at
				}
				if store.row.ConsumeCount != test.tries {
					t.Errorf("consume_count %d after %d tries", store.row.ConsumeCount, test.tries)
				}
			})
		})
	}
}
