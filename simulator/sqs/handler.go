package sqs

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"
)

// maxBody bounds a request: ten messages of a standard queue are 256 KiB together.
const maxBody = 256 << 10

// Handler serves the queue: POST /send, /receive, /delete and /visibility.
func (q *Queue) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /send", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Messages []string `json:"messages"`
		}
		if !read(w, r, &in) {
			return
		}
		ids, err := q.Send(in.Messages...)
		if err != nil {
			refuse(w, http.StatusBadRequest, "BAD_BATCH", err)
			return
		}
		answer(w, map[string][]string{"ids": ids})
	})
	mux.HandleFunc("POST /receive", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Max          int   `json:"max"`
			WaitMS       int64 `json:"wait_ms"`
			VisibilityMS int64 `json:"visibility_ms"`
		}
		if !read(w, r, &in) {
			return
		}
		got, err := q.Receive(r.Context(), in.Max, milliseconds(in.WaitMS), milliseconds(in.VisibilityMS))
		switch {
		case errors.Is(err, ErrOverLimit):
			refuse(w, http.StatusForbidden, "OVER_LIMIT", err)
		case err != nil: // the consumer has gone
		default:
			if got == nil {
				got = []Message{}
			}
			answer(w, map[string][]Message{"messages": got})
		}
	})
	mux.HandleFunc("POST /delete", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Receipt string `json:"receipt"`
		}
		if read(w, r, &in) {
			q.Delete(in.Receipt) // a stale receipt is no error, and no effect
			w.WriteHeader(http.StatusNoContent)
		}
	})
	mux.HandleFunc("POST /visibility", func(w http.ResponseWriter, r *http.Request) {
		var in struct {
			Receipt      string `json:"receipt"`
			VisibilityMS int64  `json:"visibility_ms"`
		}
		if !read(w, r, &in) {
			return
		}
		if err := q.ChangeVisibility(in.Receipt, milliseconds(in.VisibilityMS)); err != nil {
			refuse(w, http.StatusBadRequest, "NOT_IN_FLIGHT", err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// milliseconds is n ms, no more than a day: a larger figure would overflow, and means the same.
func milliseconds(n int64) time.Duration {
	return time.Duration(min(max(n, 0), 86_400_000)) * time.Millisecond
}

func read(w http.ResponseWriter, r *http.Request, into any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into); err != nil {
		refuse(w, http.StatusBadRequest, "BAD_REQUEST", errors.New("body is not the JSON that this request takes"))
		return false
	}
	return true
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v) // the caller is gone when this fails
}

func refuse(w http.ResponseWriter, status int, code string, err error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(map[string]string{"code": code, "message": err.Error()})
}
