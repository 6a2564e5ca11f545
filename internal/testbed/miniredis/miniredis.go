// Package miniredis is one Redis of the embedded testbed: the whole of a child process. It is a package of its own so that
// what only needs to be such a process does not carry a container engine's client.
package miniredis

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// Command is the hidden command of lunchrush that calls [Run].
const Command = "embedded-redis"

// Run prints one line, {"msg":"listening","redis":"127.0.0.1:41004"}, and serves until stdin is closed or ctx is done.
func Run(ctx context.Context, stdin io.Reader, stdout io.Writer) error {
	m := miniredis.NewMiniRedis()
	if err := m.StartAddr("127.0.0.1:0"); err != nil {
		return fmt.Errorf("miniredis: %w", err)
	}
	defer m.Close()
	if err := json.NewEncoder(stdout).Encode(map[string]string{"msg": "listening", "redis": m.Addr()}); err != nil {
		return fmt.Errorf("miniredis: %w", err)
	}
	closed := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, stdin) // any end of stdin means that the harness is gone
		close(closed)
	}()
	// Keys of miniredis never expire by themselves: it is made for tests that turn the clock.
	const step = 20 * time.Millisecond
	tick := time.NewTicker(step)
	defer tick.Stop()
	last := time.Now()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-closed:
			return nil
		case now := <-tick.C:
			m.FastForward(now.Sub(last))
			last = now
		}
	}
}
