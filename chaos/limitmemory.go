package chaos

import (
	"context"
	"errors"
	"fmt"
)

// limitMemory takes memory from a part's container while it runs: a limit that was set for last year's data. Pages of files
// are dropped and read again; a part that needs more than the limit is ended by the kernel, and nobody starts it again
// before the fault is healed.
type limitMemory struct{ bytes int64 }

// pageBytes is what limits are rounded down to.
const pageBytes = 4096

var limitMemoryKind = Kind{
	Name:    "limit-memory",
	On:      OnContainer,
	What:    "less memory for its container: it is ended by the kernel when it needs more (out of memory)",
	Params:  map[string]string{"limit": ""},
	Example: `{at: "11:56", for: 60s, on: redis-cache, inject: limit-memory, limit: 32MB}`,
	make: func(p params) (Fault, error) {
		bytes, err := p.bytes("limit", "", 8_000_000, 64_000_000_000) // an engine takes 6 MiB at least
		if err != nil {
			return nil, err
		}
		return limitMemory{bytes}, nil
	},
}

func (f limitMemory) String() string { return "limit of " + size(f.bytes) + " of memory" }

// allowed writes an amount of memory.
func allowed(bytes int64) string {
	return fmt.Sprintf("%.1fMB", float64(bytes)/1e6)
}

// Inject implements Fault.
func (f limitMemory) Inject(ctx context.Context, t *Target) (func(context.Context) error, error) {
	before, err := t.Container.Limits(ctx)
	if err != nil {
		return nil, err
	}
	counted, err := t.Container.Counts(ctx)
	switch {
	case err != nil:
		return nil, err
	case before.Memory != 0 && before.Memory <= f.bytes:
		return nil, fmt.Errorf("%s may have no more than %s as it is", t.Name, allowed(before.Memory))
	case counted.Used >= f.bytes:
		return nil, fmt.Errorf("%s holds %s already: %s would end it at once, which kill does", t.Name, allowed(counted.Used), f)
	}
	heal := func(ctx context.Context) error {
		return restored(ctx, t, errors.Join(t.Container.SetMemory(ctx, before.Memory), t.Process.Start(ctx)), func(now Limits) error {
			after, err := t.Container.Counts(ctx)
			if err == nil && (now.Memory != before.Memory || after.Ceiling != counted.Ceiling) {
				err = fmt.Errorf("%s is left with %s, it had %s", t.Name, allowed(after.Ceiling), allowed(counted.Ceiling))
			}
			return err
		})
	}
	if err := t.Container.SetMemory(ctx, f.bytes); err != nil {
		return nil, errors.Join(err, heal(context.WithoutCancel(ctx)))
	}
	return heal, nil
}

// Felt wants the limit from the kernel, not from the engine's book.
func (f limitMemory) Felt(ctx context.Context, t *Target) (Evidence, error) {
	if _, ok := t.Process.Running(); !ok {
		return Evidence{Text: t.Name + " does not run"}, nil
	}
	now, err := t.Container.Counts(ctx)
	if err != nil {
		return Evidence{}, err
	}
	return Evidence{
		Felt: now.Ceiling == f.bytes/pageBytes*pageBytes,
		Text: fmt.Sprintf("the kernel lets it have %s, it holds %s", allowed(now.Ceiling), allowed(now.Used)),
	}, nil
}
