//go:build !linux

package calibration

import (
	"context"
	"time"
)

// A sleeper waits by the runtime's timers: up to a millisecond late, as the target's book then says.
type sleeper struct{}

func (*sleeper) sleep(ctx context.Context, d time.Duration) { pause(ctx, d) }
func (*sleeper) close()                                     {}
