package harness

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// readyTimeout bounds how long a service that listens may take until it says that it is ready: it makes its tables first.
const readyTimeout = 30 * time.Second

// waitReady returns when the instance says so itself at /readyz. The error repeats its reasons.
func waitReady(ctx context.Context, instance testbed.Instance) error {
	limited, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	reasons := "no answer"
	for {
		ready, said := askReady(limited, instance.Internal()+"/readyz")
		if ready {
			return nil
		}
		if said != "" {
			reasons = said
		}
		select {
		case <-tick.C:
		case <-instance.Exited():
			return fmt.Errorf("the service died before it was ready: %w", instance.Err())
		case <-limited.Done():
			if ctx.Err() != nil {
				return ctx.Err()
			}
			return fmt.Errorf("the service was not ready after %s: %s", readyTimeout, reasons)
		}
	}
}

func askReady(ctx context.Context, url string) (ready bool, said string) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err.Error()
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, ""
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if err != nil {
		return false, ""
	}
	return resp.StatusCode == http.StatusOK, string(bytes.TrimSpace(text))
}
