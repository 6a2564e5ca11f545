package testbed

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
)

// ErrOutOfMemory is in the error of a part that its memory limit has ended.
var ErrOutOfMemory = errors.New("killed: out of memory")

// A Limiter is an [Instance] whose limits can be read and changed while it runs: a part in a container. The other testbeds
// have none, they hold nothing to a limit.
type Limiter interface {
	Limits(ctx context.Context) (Limits, error)
	// Counts takes a second on some engines.
	Counts(ctx context.Context) (Counts, error)
	// SetCPUs holds it to so many cores of time; 0 is no limit.
	SetCPUs(ctx context.Context, cpus float64) error
	// SetMemory holds it to so many bytes, rounded down to whole pages, with no swap beside them; 0 is no limit.
	SetMemory(ctx context.Context, bytes int64) error
}

// Limits are what a part is held to.
type Limits struct {
	CPUs   float64 // cores of time; 0: no limit
	Memory int64   // bytes; 0: no limit
}

// Counts are what the kernel says of a part's control group.
type Counts struct {
	Throttled uint64 // periods in which it had used up its CPU time and had to wait, so far
	Ceiling   int64  // bytes: its memory limit; without one, what the machine has
	Used      int64  // bytes that it holds now and that could not be dropped: without the pages of files
}

const (
	cfsPeriod = 100_000 // microseconds; the kernel's own default
	pageSize  = 4096    // bytes

	// unlimited is what the kernel shows as the limit of a control group that has none, in its first version; in the second
	// it reads "max". The engine takes 0 for "leave it as it is", and -1 for a mistake.
	unlimited = math.MaxInt64 / pageSize * pageSize
)

// Limits implements Limiter, out of the engine's book.
func (b *box) Limits(ctx context.Context) (Limits, error) {
	held, err := b.resources(ctx)
	if err != nil {
		return Limits{}, err
	}
	l := Limits{CPUs: float64(held.NanoCPUs) / 1e9, Memory: held.Memory}
	if l.CPUs == 0 && held.CPUQuota > 0 {
		l.CPUs = float64(held.CPUQuota) / cfsPeriod
	}
	if l.Memory >= unlimited {
		l.Memory = 0
	}
	return l, nil
}

// Counts implements Limiter.
func (b *box) Counts(ctx context.Context) (Counts, error) {
	stats, err := b.stats(ctx)
	if err != nil {
		return Counts{}, err
	}
	memory := stats.MemoryStats.Stats
	return Counts{
		Throttled: stats.CPUStats.ThrottlingData.ThrottledPeriods,
		Ceiling:   int64(min(stats.MemoryStats.Limit, math.MaxInt64)),
		Used:      int64(memory["rss"] + memory["anon"]), // as the two versions of control groups call it
	}, nil
}

func (b *box) resources(ctx context.Context) (container.Resources, error) {
	r, err := b.engine.ContainerInspect(ctx, b.id, client.ContainerInspectOptions{})
	if err != nil {
		return container.Resources{}, fmt.Errorf("%s: limits: %w", b.part, err)
	}
	if r.Container.HostConfig == nil {
		return container.Resources{}, fmt.Errorf("%s: limits: the engine does not say them", b.part)
	}
	return r.Container.HostConfig.Resources, nil
}

// stats is what the control group has counted.
func (b *box) stats(ctx context.Context) (stats container.StatsResponse, err error) {
	r, err := b.engine.ContainerStats(ctx, b.id, client.ContainerStatsOptions{})
	if err != nil {
		return stats, fmt.Errorf("%s: usage: %w", b.part, err)
	}
	defer func() { _ = r.Body.Close() }()
	if err := json.NewDecoder(r.Body).Decode(&stats); err != nil {
		return stats, fmt.Errorf("%s: usage: %w", b.part, err)
	}
	return stats, nil
}

// SetCPUs implements Limiter. A container keeps to one of the engine's two ways to say the same: the one it began with.
func (b *box) SetCPUs(ctx context.Context, cpus float64) error {
	held, err := b.resources(ctx)
	switch {
	case cerrdefs.IsNotFound(err):
		return nil // it has ended and was removed: nothing holds it any more
	case err != nil:
		return err
	case held.NanoCPUs > 0 && cpus > 0:
		return b.update(ctx, container.Resources{NanoCPUs: int64(math.Round(cpus * 1e9))})
	case held.NanoCPUs > 0:
		return fmt.Errorf("%s: it began with a limit of its CPU time, and the engine cannot take it away", b.part)
	case cpus > 0:
		return b.update(ctx, container.Resources{CPUPeriod: cfsPeriod, CPUQuota: int64(math.Round(cpus * cfsPeriod))})
	default:
		return b.update(ctx, container.Resources{CPUQuota: -1})
	}
}

// SetMemory implements Limiter.
func (b *box) SetMemory(ctx context.Context, bytes int64) error {
	if bytes > 0 {
		bytes = bytes / pageSize * pageSize
		return b.update(ctx, container.Resources{Memory: bytes, MemorySwap: bytes})
	}
	// Both at once first: the kernel takes no memory limit above that of memory and swap. Then swap goes free as well.
	if err := b.update(ctx, container.Resources{Memory: unlimited, MemorySwap: unlimited}); err != nil {
		return err
	}
	return b.update(ctx, container.Resources{MemorySwap: -1})
}

func (b *box) update(ctx context.Context, r container.Resources) error {
	_, err := b.engine.ContainerUpdate(ctx, b.id, client.ContainerUpdateOptions{Resources: &r})
	if err != nil && !cerrdefs.IsNotFound(err) {
		return fmt.Errorf("%s: setting its limits: %w", b.part, err)
	}
	return nil
}
