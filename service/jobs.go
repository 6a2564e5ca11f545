package service

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
)

// Jobs are the scheduled ones: what money needs although nobody asks for it. Any number of processes may run them:
// each look at a row is claimed by compare-and-set.
type Jobs struct {
	Parts
	waker Waker
	// settle carries out a payment that remedy found; it is front's.
	settle func(ctx context.Context, p Payment) error
}

// NewJobs makes the jobs. Waker may be nil.
func NewJobs(p Parts, waker Waker) *Jobs {
	f := NewFront(p, nil, waker)
	return &Jobs{Parts: p, waker: waker, settle: func(ctx context.Context, payment Payment) error {
		_, err := f.settle(ctx, payment, 0)
		return err
	}}
}

// jobLimit bounds the rows that one run of a job, or of one of its lanes, looks at.
const jobLimit = 200

// jobWorkers bounds the rows that a job, or one of its lanes, handles at once: each is a call to a channel, most of which is waiting.
const jobWorkers = 8

type job struct {
	name    string
	channel Channel // whose lane it is; empty: it has no lanes
	every   time.Duration
	run     func(ctx context.Context) error
	long    bool // it is not broken off after runTimeout
}

// lanes are a job that asks channels, once for each: its own loop, its own rows of the table and its own workers. A channel that
// hangs holds up no other's money, neither within a run nor between two.
func (j *Jobs) lanes(name string, every time.Duration, run func(ctx context.Context, channel Channel) error) []job {
	var list []job
	for _, c := range slices.Sorted(maps.Keys(j.Channels)) {
		list = append(list, job{name: name, channel: c, every: every, run: func(ctx context.Context) error { return run(ctx, c) }})
	}
	return list
}

func (j *Jobs) list() []job {
	s := &j.Profile
	refunds := j.refundOverdue
	if s.Refund.Guard == None {
		refunds = j.refundUnchecked
	}
	list := slices.Concat(
		j.lanes("refund-retry", s.Refund.Every, j.retryRefunds),
		j.lanes("refund-timer", s.Refund.Every, refunds),
		j.lanes("unpaid", s.Remedy.Every, j.lookAtUnpaid),
	)
	if s.Remedy.Mode == On {
		list = slices.Concat(list, j.lanes("remedy", s.Remedy.Every, j.workRemedies), j.lanes("further-ways", s.Remedy.Every, j.closeFurtherWays))
	}
	list = append(list, job{name: "return-shares", every: s.Bid.ReturnEvery, run: j.returnShares})
	if s.Ingest.Mode == Durable {
		list = append(list, job{name: "ingest", every: s.Ingest.Every, run: j.ingest, long: true})
	}
	if s.Command.PushAgain > 0 {
		list = append(list, job{name: "push-again", every: min(s.Command.PushAgain, 2*time.Second), run: j.pushAgain})
	}
	if s.Queue.Archive > 0 {
		list = append(list, job{name: "archive", every: 15 * time.Second, run: j.archive})
	}
	return list
}

// The bounds on a run of a job, so that one that hangs is seen, and on one row of it: less than a process has to drain.
const (
	runTimeout = time.Minute
	rowTimeout = 15 * time.Second
)

// Run runs every job at its interval until ctx ends; rows that were begun are finished, and no more are begun.
func (j *Jobs) Run(ctx context.Context) {
	var jobs sync.WaitGroup
	for _, job := range j.list() {
		jobs.Go(func() {
			tick := time.NewTicker(job.every)
			defer tick.Stop()
			for {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
				}
				work, cancel := ctx, func() {}
				if !job.long {
					work, cancel = context.WithTimeout(ctx, runTimeout)
				}
				err := job.run(work)
				cancel()
				if ctx.Err() != nil {
					return // told to end: what failed then was only broken off
				}
				outcome := "ok"
				if err != nil {
					outcome = "failed"
					j.Log.Warn("job", "job", job.name, "channel", job.channel, "error", err)
				}
				j.Metrics.Jobs.WithLabelValues(job.name, outcome).Inc()
			}
		})
	}
	jobs.Wait()
}

// each runs work over list, jobWorkers at once, and joins what went wrong. When ctx ends it begins no more; what it had
// begun is finished. A row that was not begun is claimed by nobody, and due again.
func each[T any](ctx context.Context, list []T, work func(context.Context, T) error) error {
	var mu sync.Mutex
	var problems []error
	var workers sync.WaitGroup
	next := make(chan T)
	for range min(jobWorkers, len(list)) {
		workers.Go(func() {
			for v := range next {
				row, cancel := detached(ctx, rowTimeout)
				err := work(row, v)
				cancel()
				if err != nil {
					mu.Lock()
					problems = append(problems, err)
					mu.Unlock()
				}
			}
		})
	}
feed:
	for _, v := range list {
		select {
		case next <- v:
		case <-ctx.Done():
			break feed
		}
	}
	close(next)
	workers.Wait()
	return errors.Join(problems...)
}

// pushAgain pushes commands that nobody fetched: the queue may have lost them, or the machine is away.
func (j *Jobs) pushAgain(ctx context.Context) error {
	now := j.Now()
	list, err := j.Store.UnfetchedCommands(ctx, now.Add(-j.Profile.Command.PushAgain), now, jobLimit)
	return errors.Join(err, each(ctx, list, func(ctx context.Context, c Command) error {
		j.push(ctx, j.waker, c)
		return nil
	}))
}

// archive moves finished rows out of the consumers' way.
func (j *Jobs) archive(ctx context.Context) error {
	for {
		n, err := j.Store.Archive(ctx, j.Now().Add(-j.Profile.Queue.Archive), 500)
		if err != nil || n < 500 {
			return err
		}
	}
}
