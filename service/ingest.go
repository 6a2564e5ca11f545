package service

import (
	"context"
	"errors"
	"sync"
	"time"
)

// An UploadRecord is one record that a caller uploads. Its id is the caller's own, and the same in every upload of it.
type UploadRecord struct {
	ID      string `json:"record_id"`
	Content string `json:"content,omitempty"`
}

// An UploadBatch is what a caller uploads at once. The same BatchID again is the same batch: the first one counts.
type UploadBatch struct {
	Caller    string
	BatchID   string
	Records   []UploadRecord
	State     UploadState
	Attempts  int // claims so far, the fencing token of the present one
	NextMS    int64
	CreatedMS int64
}

// UploadState is where a stored batch stands. Every move is a compare-and-set in the database.
type UploadState string

// The states of a batch.
const (
	UploadWaiting UploadState = "WAITING"
	UploadClaimed UploadState = "CLAIMED" // until its lease ends
	UploadDone    UploadState = "DONE"    // each of its records has had its effect
)

// ErrBacklogged is the refusal of a batch while too many wait: to be sent again later.
var ErrBacklogged = errors.New("too many batches wait")

// ErrUnknownBatch is a question about a batch that was never taken.
var ErrUnknownBatch = errors.New("unknown batch")

// A Voided is a record that an upgrade voided, so that its caller must upload it again.
type Voided struct {
	Caller   string `json:"caller"`
	RecordID string `json:"record_id"`
}

// Uploads keeps what callers upload.
type Uploads interface {
	// PutVoided writes voided records, and others of no caller that comes, so that there are fill in all; 0 asks for none and
	// leaves those that there are. What was uploaded is voided again.
	PutVoided(ctx context.Context, list []Voided, fill int) error
	// PutBatch stores a batch that waits. ErrDuplicate when it is there already.
	PutBatch(ctx context.Context, b UploadBatch) error
	// Batch is a batch without its records. ErrNotFound.
	Batch(ctx context.Context, caller, batchID string) (UploadBatch, error)
	// OpenBatches counts the batches that are not done.
	OpenBatches(ctx context.Context) (int, error)
	// DueBatches lists batches that may be claimed, with their records.
	DueBatches(ctx context.Context, now time.Time, limit int) ([]UploadBatch, error)
	// ClaimBatch takes b until the lease ends and counts the attempt in it; ExtendBatch moves that end on. Not moved: it is
	// another's, or done.
	ClaimBatch(ctx context.Context, b *UploadBatch, now time.Time, lease time.Duration) (moved bool, err error)
	ExtendBatch(ctx context.Context, b *UploadBatch, until time.Time) (moved bool, err error)
	// ReleaseBatch gives back a claimed batch, due at next; FinishBatch ends it.
	ReleaseBatch(ctx context.Context, b UploadBatch, next time.Time) (moved bool, err error)
	FinishBatch(ctx context.Context, b UploadBatch, now time.Time) (moved bool, err error)
	// StoreUpload is one record's effect, in one transaction: it is written, its voided predecessor is replaced, and its
	// caller's total goes up. fresh is false when it had happened before; nothing happens then.
	StoreUpload(ctx context.Context, caller, batchID string, r UploadRecord, now time.Time) (fresh bool, err error)
	// UploadAtOnce is the whole batch in one transaction, each record looked up without an index. See [Ingest.Take].
	UploadAtOnce(ctx context.Context, b UploadBatch, now time.Time) error
}

// Ingest takes uploads.
type Ingest struct{ Parts }

// NewIngest makes the taker of uploads.
func NewIngest(p Parts) *Ingest { return &Ingest{p} }

// Take takes a batch: hardened it is stored under its key, and DONE comes later; how many may wait is bounded. ErrBacklogged
// when too many do; a batch that is stored already is not refused.
func (in *Ingest) Take(ctx context.Context, b UploadBatch) (UploadState, error) {
	if in.Profile.Ingest.Mode == Sync {
		return in.takeAtOnce(ctx, b)
	}
	before, err := in.Store.Batch(ctx, b.Caller, b.BatchID)
	if err == nil {
		in.Metrics.Uploads.WithLabelValues("known").Inc()
		return before.State, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return "", err
	}
	open, err := in.Store.OpenBatches(ctx)
	if err != nil {
		return "", err
	}
	if open >= in.Profile.Ingest.Backlog { // who asks at the same moment passes too: the bound is not sharp, and need not be
		in.Metrics.Uploads.WithLabelValues("refused").Inc()
		return "", ErrBacklogged
	}
	now := in.Now().UnixMilli()
	b.State, b.NextMS, b.CreatedMS = UploadWaiting, now, now
	if err := in.Store.PutBatch(ctx, b); err != nil && !errors.Is(err, ErrDuplicate) {
		return "", err
	}
	in.Metrics.Uploads.WithLabelValues("taken").Inc()
	return UploadWaiting, nil
}

// takeAtOnce is the upload as it was (ingest.mode sync): every record is looked up and written inside the request.
//
// What hurts: the request takes as long as its records do, and holds a connection of the pool all the while; nobody asks how
// many do so already. The health check's connection comes from the same pool: when the uploads have all of them it gets
// none, and whoever asks takes the process for dead and starts it again, with which everything that it had done so far is
// rolled back. The callers' time-outs help nobody: their threads work on, and the callers come again.
func (in *Ingest) takeAtOnce(ctx context.Context, b UploadBatch) (UploadState, error) {
	if err := in.Store.UploadAtOnce(context.WithoutCancel(ctx), b, in.Now()); err != nil {
		in.Metrics.Uploads.WithLabelValues("failed").Inc()
		return "", err
	}
	in.Metrics.Uploads.WithLabelValues("taken").Inc()
	return UploadDone, nil
}

// Batch tells where a batch stands. ErrUnknownBatch.
func (in *Ingest) Batch(ctx context.Context, caller, batchID string) (UploadBatch, error) {
	b, err := in.Store.Batch(ctx, caller, batchID)
	if errors.Is(err, ErrNotFound) {
		err = ErrUnknownBatch
	}
	return b, err
}

// ingest works off what waits, ingest.workers batches at once. A worker that is free is given the next one, also while a long one keeps
// another busy: whose batch is short does not wait for it.
func (j *Jobs) ingest(ctx context.Context) error {
	workers := j.Profile.Ingest.Workers
	var mu sync.Mutex // guards busy and problems
	busy := 0
	var problems []error
	done := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		busy--
		if err != nil {
			problems = append(problems, err)
		}
	}
	var working sync.WaitGroup
	next := make(chan UploadBatch)
	for range workers {
		working.Go(func() {
			for b := range next {
				done(j.ingestBatch(ctx, b))
			}
		})
	}
	for ctx.Err() == nil {
		list, err := j.Store.DueBatches(ctx, j.Now(), 2*workers) // their records are in memory: no more than are soon worked on
		for _, b := range list {
			mu.Lock()
			busy++
			mu.Unlock()
			select {
			case next <- b:
			case <-ctx.Done():
				done(nil)
			}
		}
		mu.Lock()
		if err != nil {
			problems = append(problems, err)
		}
		// So many that it is not one batch's fault: the next run of the job tries again.
		ended := err != nil || len(problems) > 2*workers || len(list) == 0 && busy == 0
		mu.Unlock()
		if ended {
			break
		}
		if len(list) == 0 {
			wait(ctx, j.Profile.Ingest.Every)
		}
	}
	close(next)
	working.Wait()
	return errors.Join(problems...)
}

// ingestBatch claims a batch and works on it record by record. Each record's key lets its effect happen once, so that a batch
// whose worker was killed is simply worked on again by whoever finds its lease over.
func (j *Jobs) ingestBatch(ctx context.Context, b UploadBatch) error {
	lease := j.Profile.Ingest.Lease
	claimed, err := j.Store.ClaimBatch(ctx, &b, j.Now(), lease)
	if err != nil || !claimed {
		return err
	}
	extend := j.Now().Add(lease / 2)
	for _, r := range b.Records {
		if ctx.Err() != nil {
			return j.release(ctx, b, 0)
		}
		if now := j.Now(); !now.Before(extend) {
			ours, err := j.Store.ExtendBatch(ctx, &b, now.Add(lease))
			if err != nil || !ours {
				return err
			}
			extend = now.Add(lease / 2)
		}
		record, cancel := detached(ctx, rowTimeout)
		fresh, err := j.Store.StoreUpload(record, b.Caller, b.BatchID, r, j.Now())
		cancel()
		if err != nil {
			return errors.Join(err, j.release(ctx, b, pause(b.Attempts)))
		}
		outcome := "stored"
		if !fresh {
			outcome = "known"
		}
		j.Metrics.UploadRecords.WithLabelValues(outcome).Inc()
	}
	row, cancel := detached(ctx, rowTimeout)
	defer cancel()
	_, err = j.Store.FinishBatch(row, b, j.Now())
	return err
}

func (j *Jobs) release(ctx context.Context, b UploadBatch, after time.Duration) error {
	ctx, cancel := detached(ctx, rowTimeout)
	defer cancel()
	_, err := j.Store.ReleaseBatch(ctx, b, j.Now().Add(after))
	return err
}

// Durable is ingest.mode's hardened value.
const Durable = "durable"

// IngestSwitches are those of uploads.
type IngestSwitches struct {
	Mode    string        `yaml:"mode" accepts:"durable|sync" incident:"reupload-storm" doc:"durable: a batch is stored and answered, and a job works on its records later; sync: all of it happens inside the request, in one transaction that looks each record up without an index"`
	Backlog int           `yaml:"backlog" min:"1" incident:"reupload-storm" doc:"durable: batches that may wait; more are answered 429, and their callers come again"`
	Workers int           `yaml:"workers" min:"1" incident:"reupload-storm" doc:"durable: batches that one process works on at once"`
	Lease   time.Duration `yaml:"lease" min:"1s" incident:"reupload-storm" doc:"durable: how long a claimed batch belongs to its worker, who moves that on; a batch of a dead one is taken over after it"`
	Every   time.Duration `yaml:"every" min:"10ms" incident:"reupload-storm" doc:"durable: interval of the job that works on batches"`
}
