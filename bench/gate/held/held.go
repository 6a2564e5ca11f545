// Package held makes an HTTP service slower by a share of the time that it takes. It is built into the service that
// bench/gate calls slower, and into nothing else.
package held

import (
	"net/http"
	"time"
)

// Back is the handler whose answers to POSTs are held back until the request has taken times as long as it did; times is 1 or
// more. GETs are long polls, whose wait is their purpose, and what the harness reads.
func Back(times float64, handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodPost {
			handler.ServeHTTP(w, r)
			return
		}
		a := &answer{ResponseWriter: w, request: r, began: time.Now(), more: times - 1}
		handler.ServeHTTP(a, r)
		a.hold() // of an answer that says nothing
	})
}

// An answer waits before the first of it is written.
type answer struct {
	http.ResponseWriter
	request *http.Request
	began   time.Time
	more    float64 // of the time that the handler took
	waited  bool
}

func (a *answer) hold() {
	if a.waited {
		return
	}
	a.waited = true
	wait := time.NewTimer(time.Duration(a.more * float64(time.Since(a.began))))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-a.request.Context().Done():
	}
}

// WriteHeader implements [http.ResponseWriter].
func (a *answer) WriteHeader(status int) {
	a.hold()
	a.ResponseWriter.WriteHeader(status)
}

// Write implements [http.ResponseWriter].
func (a *answer) Write(b []byte) (int, error) {
	a.hold()
	return a.ResponseWriter.Write(b)
}

// Unwrap is for [http.ResponseController].
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }
