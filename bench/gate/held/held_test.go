package held_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/bench/gate/held"
)

func TestAnswersToPostsAreHeldBackInProportion(t *testing.T) {
	service := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(100 * time.Millisecond)
		switch r.URL.Path {
		case "/status":
			w.WriteHeader(http.StatusCreated)
		case "/body":
			_, _ = io.WriteString(w, "one, ")
			time.Sleep(50 * time.Millisecond) // is not held back: the client has the first of it
			_, _ = io.WriteString(w, "two")
		}
	})
	for _, c := range []struct {
		name, method, path string
		times              float64
		want               time.Duration
		status             int
		body               string
	}{
		{"a status", "POST", "/status", 1.3, 130 * time.Millisecond, http.StatusCreated, ""},
		{"a body, at its first part", "POST", "/body", 2, 250 * time.Millisecond, http.StatusOK, "one, two"},
		{"nothing said", "POST", "/silent", 1.5, 150 * time.Millisecond, http.StatusOK, ""},
		{"a poll not", "GET", "/status", 1.3, 100 * time.Millisecond, http.StatusCreated, ""},
		{"nothing when it is as fast", "POST", "/status", 1, 100 * time.Millisecond, http.StatusCreated, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				w := httptest.NewRecorder()
				held.Back(c.times, service).ServeHTTP(w, httptest.NewRequest(c.method, c.path, nil))
				if took := time.Since(began); took != c.want {
					t.Errorf("it took %v, wanted %v", took, c.want)
				}
				if w.Code != c.status || w.Body.String() != c.body {
					t.Errorf("%d %q, wanted %d %q", w.Code, w.Body, c.status, c.body)
				}
			})
		})
	}
}
