package httpapi

import (
	"context"
	"net/http"
)

// attended is how long a notification waits for a worker, and how long it is worked on: as long as its channel waits.
//
// As was (notify.ack after-processing): a thread pool's queue does not see that the channel has hung up. What hurts: a
// worker's next turn is that of the oldest request, which nobody waits for any more, while the new ones grow old. What
// waits when the process ends goes with it.
func (a *api) attended(r *http.Request) (waiting, working context.Context, done context.CancelFunc) {
	if !a.Gate.AnswersLate() {
		return r.Context(), r.Context(), func() {}
	}
	return a.untied(r)
}

// tied is attended for a request of the front's: it ends with its client.
//
// As was (front.deadline none): what hurts: a thread that serves a request does not look whether its client is still there, so
// those who gave up while they waited are worked on all the same, in their turn, and those who still wait then are served when
// they have gone too.
func (a *api) tied(r *http.Request) (waiting, working context.Context, done context.CancelFunc) {
	if !a.Unattended {
		return r.Context(), r.Context(), func() {}
	}
	return a.untied(r)
}

// untied is a request that does not end with its client. What waits for a worker ends with the process; what was begun is
// finished.
func (a *api) untied(r *http.Request) (waiting, working context.Context, done context.CancelFunc) {
	working = context.WithoutCancel(r.Context())
	waiting, done = context.WithCancel(working)
	go func() {
		select {
		case <-a.ending:
			done()
		case <-waiting.Done():
		}
	}()
	return waiting, working, done
}
