package service_test

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// An uploadStore has batches of ten records, each of which takes a second.
type uploadStore struct {
	jobStore
	mu        sync.Mutex
	batches   map[string]*service.UploadBatch
	stored    map[string]int
	working   int
	most      int
	extended  int
	takenOver string // a batch that another claims after its third record
}

func (s *uploadStore) DueBatches(_ context.Context, now time.Time, limit int) (due []service.UploadBatch, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.batches {
		if len(due) < limit && b.State != service.UploadDone && b.NextMS <= now.UnixMilli() {
			due = append(due, *b)
		}
	}
	return due, nil
}

// move is a compare-and-set on the fencing token.
func (s *uploadStore) move(b service.UploadBatch, state service.UploadState, next time.Time) bool {
	now := s.batches[b.BatchID]
	if now.Attempts != b.Attempts || now.State == service.UploadDone {
		return false
	}
	now.State, now.NextMS = state, next.UnixMilli()
	return true
}

func (s *uploadStore) ClaimBatch(_ context.Context, b *service.UploadBatch, now time.Time, lease time.Duration) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.move(*b, service.UploadClaimed, now.Add(lease)) {
		return false, nil
	}
	s.batches[b.BatchID].Attempts++
	b.Attempts++
	s.working++
	s.most = max(s.most, s.working)
	return true, nil
}

func (s *uploadStore) ExtendBatch(_ context.Context, b *service.UploadBatch, until time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.extended++
	ours := s.move(*b, service.UploadClaimed, until)
	if !ours {
		s.working--
	}
	return ours, nil
}

func (s *uploadStore) end(b service.UploadBatch, state service.UploadState, next time.Time) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.working--
	return s.move(b, state, next), nil
}

func (s *uploadStore) ReleaseBatch(_ context.Context, b service.UploadBatch, next time.Time) (bool, error) {
	return s.end(b, service.UploadWaiting, next)
}

func (s *uploadStore) FinishBatch(_ context.Context, b service.UploadBatch, now time.Time) (bool, error) {
	return s.end(b, service.UploadDone, now)
}

func (s *uploadStore) StoreUpload(_ context.Context, _, batchID string, r service.UploadRecord, _ time.Time) (bool, error) {
	time.Sleep(time.Second)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stored[r.ID]++
	if b := s.batches[batchID]; s.takenOver == batchID && r.ID == batchID+"-3" && b.Attempts == 1 {
		b.Attempts, b.NextMS = 2, time.Now().Add(time.Hour).UnixMilli()
	}
	return s.stored[r.ID] == 1, nil
}

// put leaves a batch with so many records.
func (s *uploadStore) put(id string, records int) {
	b := &service.UploadBatch{Caller: "c", BatchID: id, State: service.UploadWaiting}
	for k := range records {
		b.Records = append(b.Records, service.UploadRecord{ID: fmt.Sprintf("%s-%d", id, k+1)})
	}
	s.batches[id] = b
}

func newUploadStore() *uploadStore {
	return &uploadStore{batches: make(map[string]*service.UploadBatch), stored: make(map[string]int)}
}

// ingest runs the jobs for so long on six batches, with two workers and a lease of four seconds.
func ingest(t *testing.T, takenOver string, lasts time.Duration) *uploadStore {
	t.Helper()
	s := newUploadStore()
	s.takenOver = takenOver
	for i := range 6 {
		s.put(fmt.Sprintf("b%d", i), 10)
	}
	s.ingest(t, lasts)
	return s
}

// ingest runs the jobs for so long, with two workers and a lease of four seconds.
func (s *uploadStore) ingest(t *testing.T, lasts time.Duration) {
	t.Helper()
	p := service.Default().Switches
	p.Ingest.Workers, p.Ingest.Lease = 2, 4*time.Second
	parts := service.Parts{Profile: p, Store: s, Metrics: service.NewMetrics(), Log: slog.New(slog.DiscardHandler), Now: time.Now}
	ctx, cancel := context.WithTimeout(t.Context(), lasts)
	defer cancel()
	service.NewJobs(parts, nil).Run(ctx)
}

func TestShortBatchesDoNotWaitForALongOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newUploadStore()
		s.put("long", 100)
		for i := range 10 {
			s.put(fmt.Sprintf("short%d", i), 1)
		}
		time.AfterFunc(20*time.Second, func() { // while the long one is under way
			s.mu.Lock()
			defer s.mu.Unlock()
			s.put("later", 1)
		})
		s.ingest(t, 30*time.Second)
		for id, b := range s.batches {
			if id != "long" && b.State != service.UploadDone {
				t.Errorf("%s is %s, although a worker was free", id, b.State)
			}
		}
		if s.most != 2 {
			t.Errorf("%d batches were worked on at once, want 2", s.most)
		}
	})
}

func TestABoundedNumberOfWorkersWorksOnBatchesAndKeepsTheirLeases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := ingest(t, "", time.Minute)
		if s.most != 2 {
			t.Errorf("%d batches were worked on at once, want 2", s.most)
		}
		for id, b := range s.batches {
			if b.State != service.UploadDone || b.Attempts != 1 {
				t.Errorf("%s is %s after %d attempts: a lease of 4 s must not end in 10 s of work", id, b.State, b.Attempts)
			}
		}
		if len(s.stored) != 60 || s.extended == 0 {
			t.Errorf("%d records are stored, leases were moved on %d times", len(s.stored), s.extended)
		}
	})
}

func TestAWorkerThatIsToldToEndGivesItsBatchBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := ingest(t, "", 5*time.Second)
		waiting := 0
		for id, b := range s.batches {
			if b.State == service.UploadWaiting {
				waiting++
			} else {
				t.Errorf("%s is %s", id, b.State)
			}
		}
		if waiting != 6 || s.working != 0 || len(s.stored) == 0 {
			t.Errorf("%d wait, %d are worked on, %d records are stored", waiting, s.working, len(s.stored))
		}
	})
}

func TestAWorkerThatHasLostItsLeaseStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := ingest(t, "b3", time.Minute)
		n := 0
		for k := range 10 {
			n += s.stored[fmt.Sprintf("b3-%d", k+1)]
		}
		if b := s.batches["b3"]; n >= 10 || b.State != service.UploadClaimed || b.Attempts != 2 {
			t.Errorf("it stored %d records of a batch that became another's, which is %s", n, b.State)
		}
	})
}

// slowUploads is a database that stores a record in 10 ms, and has one batch.
type slowUploads struct {
	jobStore
	batch    service.UploadBatch
	claimed  atomic.Bool
	finished atomic.Bool
	released atomic.Int32
}

func (s *slowUploads) DueBatches(context.Context, time.Time, int) ([]service.UploadBatch, error) {
	if s.claimed.Load() {
		return nil, nil
	}
	return []service.UploadBatch{s.batch}, nil
}

func (s *slowUploads) ClaimBatch(context.Context, *service.UploadBatch, time.Time, time.Duration) (bool, error) {
	return s.claimed.CompareAndSwap(false, true), nil
}

func (s *slowUploads) ExtendBatch(context.Context, *service.UploadBatch, time.Time) (bool, error) {
	return true, nil
}

func (s *slowUploads) StoreUpload(context.Context, string, string, service.UploadRecord, time.Time) (bool, error) {
	time.Sleep(10 * time.Millisecond)
	return true, nil
}

func (s *slowUploads) FinishBatch(context.Context, service.UploadBatch, time.Time) (bool, error) {
	s.finished.Store(true)
	return true, nil
}

func (s *slowUploads) ReleaseBatch(context.Context, service.UploadBatch, time.Time) (bool, error) {
	s.released.Add(1)
	return true, nil
}

// A batch of 10,000 records takes longer than a run of any other job may: it is not broken off and begun again.
func TestALongBatchIsWorkedOnToItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &slowUploads{batch: service.UploadBatch{Caller: "c", BatchID: "b", Records: make([]service.UploadRecord, 10_000)}}
		ctx, cancel := context.WithTimeout(t.Context(), 150*time.Second)
		defer cancel()
		jobsOn(store).Run(ctx)
		if !store.finished.Load() || store.released.Load() != 0 {
			t.Errorf("finished %v, broken off %d times", store.finished.Load(), store.released.Load())
		}
	})
}
