package simulator

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
)

// uploading is the small scenario with callers who upload.
func uploading() *scenarios.Scenario {
	s := smallScenario()
	s.Payments.Probes = 0
	s.Uploads = scenarios.Uploads{
		Callers: 5, Records: 10, Batch: 4, Voided: 500, At: s.Clock.From, Over: time.Second, Timeout: 200 * time.Millisecond, Again: 100 * time.Millisecond,
	}
	return s
}

func TestCallersComeEvenlyWithAllTheirRecords(t *testing.T) {
	p := mustPlan(t, uploading(), 3)
	records := map[string]int{}
	for i, c := range p.Calls {
		if want := time.Duration(2*(i/3)+1) * 100 * time.Millisecond; c.Kind != SendUpload || c.Due != want {
			t.Errorf("batch %d is %+v, want it at %s", i, c, want)
		}
		records[c.Subject] += c.N
	}
	if len(p.Calls) != 15 || len(records) != 5 || records["c00005"] != 10 {
		t.Errorf("%d batches, %v", len(p.Calls), records)
	}
}

// An uploadService takes a batch when it comes for the second time: before that it says later, fails, or does not answer.
type uploadService struct {
	mu     sync.Mutex
	voided int
	fill   int
	came   map[string]int
	bodies map[string]string // of the first send
	other  map[string]int    // sends of a batch that were not as its first
}

func (u *uploadService) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var q struct {
		BatchID string            `json:"batch_id"`
		Records []json.RawMessage `json:"records"`
		Fill    int               `json:"fill"`
	}
	if err := json.NewDecoder(r.Body).Decode(&q); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	u.mu.Lock()
	if r.URL.Path == "/internal/voided" {
		u.voided, u.fill = u.voided+len(q.Records), q.Fill
		u.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
		return
	}
	u.came[q.BatchID]++
	n, body := u.came[q.BatchID], fmt.Sprintf("%s", q.Records)
	if n == 1 {
		u.bodies[q.BatchID] = body
	} else if body != u.bodies[q.BatchID] {
		u.other[q.BatchID]++
	}
	kind := len(u.came) % 3
	u.mu.Unlock()
	switch {
	case n > 1:
		w.WriteHeader(http.StatusAccepted)
		_ = json.NewEncoder(w).Encode(map[string]string{"batch_id": q.BatchID, "state": "WAITING"})
	case kind == 0:
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"code":"BACKLOG"}`))
	case kind == 1:
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"code":"UNAVAILABLE"}`))
	default:
		<-r.Context().Done()
	}
}

func TestABatchIsSentAgainUntilItIsTaken(t *testing.T) {
	g := newPlayground(t, uploading(), nil)
	paper := newPaperService(t, g.ServiceSettings())
	defer paper.close()
	base, err := url.Parse(paper.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	service := &uploadService{came: map[string]int{}, bodies: map[string]string{}, other: map[string]int{}}
	mux := http.NewServeMux()
	mux.Handle("/", httputil.NewSingleHostReverseProxy(base))
	mux.Handle("POST /v1/uploads", service)
	mux.Handle("POST /internal/voided", service)
	server := httptest.NewServer(mux)
	defer server.Close()
	out, err := g.Play(t.Context(), Target{Public: server.URL, Internal: server.URL})
	if err != nil || !out.Drained {
		t.Fatalf("outcome %+v, error %v", out, err)
	}
	if service.voided != 50 || service.fill != 500 {
		t.Errorf("%d records were voided among %d, want 50 among 500", service.voided, service.fill)
	}
	for i := range 15 {
		batch := fmt.Sprintf("upload%06d", i+1)
		if service.came[batch] != 2 || service.other[batch] != 0 {
			t.Errorf("%s came %d times, %d of them with other records; want 2 alike", batch, service.came[batch], service.other[batch])
		}
	}
	taken, later := 0, 0
	for _, r := range g.records(t)[runlog.CallAnswer] {
		switch {
		case r.OK && r.N > 0:
			taken++
		case r.OK && r.Status == http.StatusTooManyRequests && r.Note == "BACKLOG":
			later++
		}
	}
	if taken != 15 || later != 5 {
		t.Errorf("%d answers say taken, and %d later; want 15 and 5", taken, later)
	}
}
