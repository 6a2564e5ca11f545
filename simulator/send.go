package simulator

import (
	"net/http"
	"time"
)

// The kinds of send, each with its own histograms and counts.
const (
	SendCreate    = "create"
	SendPay       = "pay" // a further way to pay the same order
	SendNotify    = "notify"
	SendResult    = "result"
	SendHeartbeat = "heartbeat"
	SendProbe     = "probe"
)

// A Send is one request to the service with the moment it is due. It is pushed to a [Timeline] before that moment; Due
// is since the run's start.
type Send struct {
	Due    time.Duration
	Kind   string
	Method string
	URL    string
	Header http.Header
	Body   []byte

	// Wants is the HTTP status that the right answer has, when that is none of 2xx: 404 for what does not exist. 0: any 2xx.
	Wants int

	// Timeout is how long an answer is waited for, from the send; 0 means 30 s.
	Timeout time.Duration

	// Intent, when set, is called on the sending goroutine just before the request leaves, once. It books the intent.
	Intent func(sentAt time.Duration)

	// Done is called once with what came back, on the sending goroutine; it must not block. It books the answer and
	// may push further sends (a retry, a result).
	Done func(Answer)
}

// An Answer is what came back for a [Send].
type Answer struct {
	Due, Sent, At time.Duration // since the run's start; response time is At-Due, service time At-Sent, lateness Sent-Due
	Status        int           // 0: no answer (time-out, reset, refused): indeterminate
	Body          []byte        // at most 64 KiB; valid during Done only
	Err           error
}
