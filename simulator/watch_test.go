package simulator

import (
	"context"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// watchedWorld is a world that plays, with nothing in it but what a watch looks at. Its run's folder is dir.
func watchedWorld(t *testing.T) (w *World, log *runlog.Writer, dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "run")
	start := time.Now()
	log, err := runlog.Create(dir, &runlog.Manifest{Scenario: "x", StartedAt: start})
	if err != nil {
		t.Fatal(err)
	}
	latency, err := NewLatency(start, io.Discard)
	if err != nil {
		t.Fatal(err)
	}
	w = &World{
		cfg: Config{Log: log}, start: start, phase: PhasePlay, latency: latency, ledger: newLedger(time.Minute, 1),
		timeline: NewTimeline(TimelineConfig{Start: start, Workers: 1, Latency: latency}),
	}
	return w, log, dir
}

func TestTheWatchWritesARowASecondWhateverTheServiceDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log, dir := watchedWorld(t)
		// Three seconds it answers, three it takes questions and says nothing, then it refuses; at the end it answers again.
		service := roundTrip(func(r *http.Request) (*http.Response, error) {
			switch at := w.Now(); {
			case at < 4*time.Second || at >= 10*time.Second:
				body := `{"waiting":4,"oldest_ms":1500}`
				if r.URL.Path == "/metrics" {
					body = "go_goroutines 7\ngo_sql_in_use_connections{db=\"a\"} 2\nlunchrush_binds_waiting 3\n" // and no look-up has failed
				}
				return &http.Response{StatusCode: 200, Request: r, Body: io.NopCloser(strings.NewReader(body))}, nil
			case at < 7*time.Second:
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return nil, errors.New("connection refused")
		})
		ctx, cancel := context.WithCancel(t.Context())
		watched := make(chan struct{})
		watcher := newWatch(w)
		go func() {
			defer close(watched)
			watcher.run(ctx, &http.Client{Transport: service}, Target{Internal: "http://service"})
		}()
		time.Sleep(10*time.Second + 500*time.Millisecond)
		cancel()
		<-watched
		if err := errors.Join(watcher.err, log.Close()); err != nil {
			t.Fatal(err)
		}

		folder, err := runlog.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := folder.Samples()
		if err != nil {
			t.Fatal(err)
		}
		if len(rows) != 11 {
			t.Fatalf("%d rows of ten seconds and an end", len(rows))
		}
		for i, r := range rows {
			due := time.Duration(i+1) * time.Second
			if i == 10 {
				due = 10*time.Second + 500*time.Millisecond
			}
			if time.Duration(r.AtNS) != due {
				t.Errorf("row %d is of %v, want %v", i, time.Duration(r.AtNS), due)
			}
			backlog, age, goroutines, inUse, waiting, failed := 4, 1.5, 7, 2, 3, 0
			if due >= 4*time.Second && due < 10*time.Second {
				backlog, age, goroutines, inUse, waiting, failed = -1, -1, -1, -1, -1, -1
			}
			if r.Backlog != backlog || r.BacklogAge != age || r.Goroutines != goroutines || r.DBInUse != inUse || r.ServiceRSS != -1 ||
				r.BindsWaiting != waiting || r.BindsFailed != failed {
				t.Errorf("at %v the row is %+v", due, r)
			}
		}
	})
}
