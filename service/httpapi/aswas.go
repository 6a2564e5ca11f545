package httpapi

import (
	"context"
	"net/http"
)

// attended is how long a notification waits for a worker: as long as its channel does.
//
// As was (notify.ack after-processing): a thread pool's queue does not see that the channel has hung up. What hurts: a
// worker's next turn is that of the oldest request, which nobody waits for any more, while the new ones grow old. What
// waits when the process ends goes with it.
func (a *api) attended(r *http.Request) (context.Context, context.CancelFunc) {
	if !a.Gate.AnswersLate() {
		return r.Context(), func() {}
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	go func() {
		select {
		case <-a.ending:
			cancel()
		case <-ctx.Done():
		}
	}()
	return ctx, cancel
}
