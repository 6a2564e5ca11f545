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
	return a.untilEnd(r)
}

// tied is a request of the front's as its workers see it: it ends with its client.
//
// As was (front.deadline none): what hurts: a thread that serves a request does not look whether its client is still there, so
// those who gave up while they waited are worked on all the same, in their turn, and those who still wait then are served when
// they have gone too.
func (a *api) tied(r *http.Request) (*http.Request, context.CancelFunc) {
	if !a.Unattended {
		return r, func() {}
	}
	ctx, cancel := a.untilEnd(r)
	return r.WithContext(ctx), cancel
}

// untilEnd is a context of r's that ends with the process and not with r's client.
func (a *api) untilEnd(r *http.Request) (context.Context, context.CancelFunc) {
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
