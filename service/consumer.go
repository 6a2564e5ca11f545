package service

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"
)

// Consumer handles the rows of pay_queue, by callback.workers at once.
type Consumer struct {
	Parts
	front CallbackTaker
	rows  chan QueueRow
	wake  chan struct{}
	busy  atomic.Int64

	mu   sync.Mutex
	held map[int64]struct{} // rows in rows or with a worker, so that none is fetched twice; guarded by mu
}

// NewConsumer makes a consumer; [Consumer.Run] runs it.
func NewConsumer(p Parts, front CallbackTaker) *Consumer {
	return &Consumer{
		Parts: p, front: front, held: make(map[int64]struct{}),
		rows: make(chan QueueRow, p.Profile.Callback.Batch), wake: make(chan struct{}, 1),
	}
}

// Busy is how many workers handle a row now.
func (c *Consumer) Busy() int { return int(c.busy.Load()) }

// Offer hands over a row that was just stored. When there is no room it stays where it is, and is fetched later.
func (c *Consumer) Offer(row QueueRow) {
	if c.Profile.Callback.Lock == LockRow && c.hold(row.ID) {
		select {
		case c.rows <- row:
			return
		default:
			c.drop(row.ID)
		}
	}
	select {
	case c.wake <- struct{}{}:
	default:
	}
}

func (c *Consumer) hold(id int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.held[id]; ok {
		return false
	}
	c.held[id] = struct{}{}
	return true
}

func (c *Consumer) drop(id int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, id)
}

// Run consumes until ctx ends; rows that were begun are finished.
func (c *Consumer) Run(ctx context.Context) {
	if c.Profile.Callback.Lock == LockTable {
		c.runLocked(ctx)
		return
	}
	var workers sync.WaitGroup
	for range c.Profile.Callback.Workers {
		workers.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case row := <-c.rows:
					c.consume(ctx, row)
				}
			}
		})
	}
	c.fetch(ctx)
	workers.Wait()
}

// fetch looks for rows that were not handed over: those of other processes, of a dead one, and those to be tried again.
func (c *Consumer) fetch(ctx context.Context) {
	tick := time.NewTicker(c.Profile.Callback.Poll)
	defer tick.Stop()
	for more := false; ; {
		if !more {
			select {
			case <-tick.C:
			case <-c.wake:
			case <-ctx.Done():
			}
		}
		if ctx.Err() != nil {
			return
		}
		due, err := c.Store.DueRows(ctx, c.Now(), c.Profile.Callback.Batch)
		if err != nil && ctx.Err() == nil {
			c.Log.Warn("fetching pay_queue", "error", err)
		}
		fresh := 0
		for _, row := range due {
			if !c.hold(row.ID) {
				continue
			}
			select {
			case c.rows <- row:
				fresh++
			case <-ctx.Done():
				return
			}
		}
		// A full batch with new rows in it: a backlog, of which there is more. Full of rows that the workers have: wait.
		more = fresh > 0 && len(due) >= c.Profile.Callback.Batch
	}
}

// consume claims a row and attempts it.
func (c *Consumer) consume(ctx context.Context, row QueueRow) {
	c.busy.Add(1)
	defer c.busy.Add(-1)
	defer c.drop(row.ID)
	ctx, cancel := detached(ctx, c.Profile.Callback.Lease)
	defer cancel()
	moved, err := c.Store.Claim(ctx, &row, c.Now(), c.Profile.Callback.Lease)
	if err != nil {
		c.Log.Warn("claiming a row of pay_queue", "row", row.ID, "error", err)
	}
	if moved {
		_ = c.Attempt(ctx, row) // the row keeps the error's consequence
	}
}

// Attempt handles a row that is claimed, and writes how that ended.
func (c *Consumer) Attempt(ctx context.Context, row QueueRow) error {
	result, failure := c.front.PayCallback(ctx, row.ID)
	if failure == nil && result.Finished {
		c.Metrics.Rows.WithLabelValues(result.Result).Inc()
		return nil
	}
	ctx, cancel := detached(ctx, 10*time.Second)
	defer cancel()
	verdict := c.verdict(row, failure)
	var err error
	switch {
	case verdict.Finished:
		c.Metrics.Rows.WithLabelValues(result.Result).Inc()
		_, err = c.Store.Finish(ctx, row, c.Now())
	case verdict.Void:
		c.Metrics.Rows.WithLabelValues("void").Inc()
		_, err = c.Store.Void(ctx, row, c.Now(), verdict.Remedy)
	default:
		outcome := "retry"
		if errors.Is(failure, ErrNotPayable) {
			outcome = "not-payable"
		}
		c.Metrics.Rows.WithLabelValues(outcome).Inc()
		_, err = c.Store.Retry(ctx, row, c.Now(), verdict.Next)
	}
	if err != nil {
		// The lease ends, and the row is taken again.
		c.Log.Warn("ending an attempt on pay_queue", "row", row.ID, "error", err)
	}
	return errors.Join(failure, err)
}

// verdict decides what becomes of a row after an attempt. row.ConsumeCount counts it already.
func (c *Consumer) verdict(row QueueRow, failure error) Verdict {
	if failure == nil {
		return Verdict{Finished: true}
	}
	ladder := c.Profile.Queue.Ladder
	if row.ConsumeCount > len(ladder) {
		c.Log.Error("pay_queue row is void", "row", row.ID, "order", row.Payment.OrderID, "error", failure)
		return Verdict{Void: true, Remedy: c.Profile.Queue.Void == VoidRemedy}
	}
	c.Log.Warn("pay_queue row is tried again", "row", row.ID, "order", row.Payment.OrderID, "attempt", row.ConsumeCount, "error", failure)
	return Verdict{Next: c.Now().Add(ladder[max(row.ConsumeCount-1, 0)])}
}

// runLocked is the consumer as it was: one after the other, each inside the transaction that locks the table.
func (c *Consumer) runLocked(ctx context.Context) {
	tick := time.NewTicker(c.Profile.Callback.Poll)
	defer tick.Stop()
	for ctx.Err() == nil {
		work, cancel := detached(ctx, 2*time.Minute)
		found, err := c.Store.ConsumeLocked(work, c.Now(), func(row QueueRow) Verdict {
			c.busy.Store(1)
			defer c.busy.Store(0)
			result, failure := c.front.PayCallback(work, row.ID)
			verdict := c.verdict(row, failure)
			if verdict.Finished {
				c.Metrics.Rows.WithLabelValues(result.Result).Inc()
			}
			return verdict
		})
		cancel()
		if err != nil {
			c.Log.Warn("consuming pay_queue under its lock", "error", err)
		}
		if found && err == nil {
			continue
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		case <-c.wake:
		}
	}
}
