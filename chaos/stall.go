package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"
)

// stall makes a Redis stop for a moment, every so often (CLIENT PAUSE): one thread serves everybody, and somebody runs
// KEYS * or deletes a set of millions on it. Between the moments it is as fast as ever, so averages look fine.
type stall struct {
	by, every time.Duration
}

var stallKind = Kind{
	Name:    "stall",
	On:      OnRedis,
	What:    "it stops for a moment every so often: KEYS * on the one thread that serves everybody",
	Params:  map[string]string{"by": "200ms", "every": "1s"},
	Example: `{at: "11:56", for: 30s, on: redis-cache, inject: stall, by: 200ms, every: 1s}`,
	make: func(p params) (Fault, error) {
		by, err := p.duration("by", 10*time.Millisecond, stallMax)
		if err != nil {
			return nil, err
		}
		every, err := p.duration("every", 10*time.Millisecond, time.Minute)
		if err != nil {
			return nil, err
		}
		if every < by {
			return nil, mistake("every", "%s is less than by, %s: it would never serve anybody; down does that", every, by)
		}
		return stall{by: by, every: every}, nil
	},
}

// stallMax is the longest moment; heals may have to wait for its end.
const stallMax = 10 * time.Second

func (f stall) String() string { return fmt.Sprintf("stall %s every %s", f.by, f.every) }

func (f stall) Inject(ctx context.Context, t *Target) (func(context.Context) error, error) {
	c := openRedis(t)
	if err := f.once(ctx, c); err != nil { // a Redis that cannot do this says so now
		return nil, errors.Join(err, c.Close())
	}
	loop, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() { _ = c.Close() }()
		for waitUntil(loop, time.Now().Add(f.every)) {
			_ = f.once(loop, c) // it may be down at times, by another fault
		}
	}()
	return func(ctx context.Context) error {
		stop()
		<-done
		c := openRedis(t)
		// It is carried out when the moment that may be going on is over, and ends none that was asked for since.
		return errors.Join(unlessGone(c.Do(ctx, "CLIENT", "UNPAUSE").Err()), c.Close())
	}, nil
}

func (f stall) once(ctx context.Context, c *redis.Client) error {
	return c.Do(ctx, "CLIENT", "PAUSE", f.by.Milliseconds(), "ALL").Err()
}

// Felt pings for two rounds and takes the longest wait.
func (f stall) Felt(ctx context.Context, t *Target) (Evidence, error) {
	longest, pings := time.Duration(0), 0
	for until := time.Now().Add(2*f.every + f.by); time.Now().Before(until) && longest < f.by/2; {
		began := time.Now()
		if err := pingOnce(ctx, PingRedis, t.Redis(), 0, 2*f.by+2*time.Second); err != nil {
			return Evidence{}, err
		}
		longest = max(longest, time.Since(began))
		pings++
		if !waitUntil(ctx, time.Now().Add(f.by/10)) {
			break
		}
	}
	return Evidence{
		Felt: longest >= f.by/2,
		Text: fmt.Sprintf("the longest of %d pings waited %s, wanted up to %s", pings, longest.Round(time.Millisecond), f.by),
	}, nil
}
