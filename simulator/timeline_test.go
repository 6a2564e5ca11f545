package simulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// sinkFunc answers requests without a network, so that a bubble's clock can be the only one.
type sinkFunc func(*http.Request) (*http.Response, error)

func (f sinkFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func answered(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// log is what happened, by the name in the request's path.
type sendLog struct {
	mu   sync.Mutex
	left map[string][]time.Duration // guarded by mu
	came map[string][]Answer        // guarded by mu
}

func newSendLog() *sendLog {
	return &sendLog{left: map[string][]time.Duration{}, came: map[string][]Answer{}}
}

func (l *sendLog) send(name string, due time.Duration) Send {
	return Send{
		Due: due, Kind: SendCreate, Method: "POST", URL: "http://127.0.0.1/" + name, Body: []byte(name),
		Intent: func(at time.Duration) { l.mu.Lock(); defer l.mu.Unlock(); l.left[name] = append(l.left[name], at) },
		Done: func(a Answer) {
			l.mu.Lock()
			defer l.mu.Unlock()
			a.Body = []byte(string(a.Body))
			l.came[name] = append(l.came[name], a)
		},
	}
}

// bubbleTimeline is a timeline on the bubble's clock.
func bubbleTimeline(sink sinkFunc, workers int) *Timeline {
	return NewTimeline(TimelineConfig{Start: time.Now(), Workers: workers, Transport: sink, ticking: true})
}

func TestEverySendLeavesOnceWhenItIsDue(t *testing.T) {
	for _, c := range []struct {
		name        string
		apart, late time.Duration
	}{
		{"at its own moment when they are a while apart", 3 * time.Millisecond, 0},
		{"soon after it, never before, when they are many", 100 * time.Microsecond, wakeApart},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { everySendLeavesOnce(t, c.apart, c.late) })
		})
	}
}

func everySendLeavesOnce(t *testing.T, apart, late time.Duration) {
	l := newSendLog()
	start := time.Now()
	tl := bubbleTimeline(func(r *http.Request) (*http.Response, error) {
		time.Sleep(40 * time.Millisecond)
		body, err := io.ReadAll(r.Body)
		return answered(201, string(body)+"!"), err
	}, 0)
	due := map[string]time.Duration{}
	for i := range 500 {
		name := fmt.Sprint(i)
		due[name] = time.Duration((i*7919)%500) * apart // out of order
		if err := tl.Push(l.send(name, due[name])); err != nil {
			t.Fatal(err)
		}
	}
	tl.Close()
	if err := tl.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took, atMost := time.Since(start), 499*apart+late+40*time.Millisecond; took > atMost {
		t.Errorf("the last answer came after %v, the timeline ended after %v", atMost, took)
	}
	for name, want := range due {
		if got := l.left[name]; len(got) != 1 || got[0] < want || got[0] > want+late {
			t.Fatalf("send %s due at %v left at %v", name, want, got)
		}
		got := l.came[name]
		if len(got) != 1 || got[0].Status != 201 || string(got[0].Body) != name+"!" || got[0].At != got[0].Sent+40*time.Millisecond {
			t.Fatalf("send %s due at %v was answered %+v", name, want, got)
		}
	}
	if c := tl.Counts()[SendCreate]; c != (TimelineCounts{Pushed: 500, Offered: 500, Sent: 500, OK: 500}) {
		t.Errorf("counts are %+v", c)
	}
	if err := tl.Push(Send{}); !errors.Is(err, ErrTimelineOver) {
		t.Errorf("a push after the end answers %v", err)
	}
}

func TestAStalledServiceDoesNotDelayTheNextSend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSendLog()
		tl := bubbleTimeline(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done() // for good
			return nil, r.Context().Err()
		}, 0)
		for i := range 100 {
			if err := tl.Push(l.send(fmt.Sprint(i), time.Duration(i)*10*time.Millisecond)); err != nil {
				t.Fatal(err)
			}
		}
		tl.Close()
		if err := tl.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		for name, at := range l.left {
			a := l.came[name][0]
			if at[0] != a.Due {
				t.Errorf("send %s due at %v left at %v", name, a.Due, at[0])
			}
			if a.Status != 0 || !errors.Is(a.Err, context.DeadlineExceeded) || a.At != a.Due+DefaultTimeout {
				t.Errorf("send %s without an answer came back as %+v", name, a)
			}
		}
		if len(l.left) != 100 || tl.Bound() != 0 {
			t.Errorf("%d sends left, %d of them late for want of a worker", len(l.left), tl.Bound())
		}
	})
}

func TestTheBoundOfWorkersDelaysAndTells(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSendLog()
		tl := bubbleTimeline(func(*http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return answered(200, ""), nil
		}, 4)
		for i := range 8 {
			if err := tl.Push(l.send(fmt.Sprint(i), 0)); err != nil {
				t.Fatal(err)
			}
		}
		tl.Close()
		if err := tl.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		late := 0
		for _, at := range l.left {
			if at[0] == time.Second {
				late++
			}
		}
		if late != 4 || tl.Bound() == 0 {
			t.Errorf("of 8 sends at once with 4 workers %d left a second late, %d were counted", late, tl.Bound())
		}
	})
}

func TestRetriesPushedFromAnAnswerAreSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sends := 0
		tl := bubbleTimeline(func(*http.Request) (*http.Response, error) {
			if sends++; sends < 4 {
				return answered(503, ""), nil
			}
			return answered(200, ""), nil
		}, 0)
		var at []time.Duration
		var notify Send
		notify = Send{Kind: SendNotify, Method: "POST", URL: "http://127.0.0.1/", Done: func(a Answer) {
			at = append(at, a.Sent)
			if a.Status != 200 {
				notify.Due = a.At + 15*time.Second
				if err := tl.Push(notify); err != nil {
					t.Error(err)
				}
			}
		}}
		notify.Due = time.Second
		if err := tl.Push(notify); err != nil {
			t.Fatal(err)
		}
		tl.Close() // no more planned sends: the ladder still goes to its end
		if err := tl.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(at) != "[1s 16s 31s 46s]" {
			t.Errorf("sent at %v", at)
		}
		if c := tl.Counts()[SendNotify]; c.OK != 1 || c.Failed != 3 {
			t.Errorf("counts are %+v", c)
		}
	})
}

func TestAPushEarlierThanTheHeadWakesThePacer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSendLog()
		tl := bubbleTimeline(func(*http.Request) (*http.Response, error) { return answered(200, ""), nil }, 0)
		if err := tl.Push(l.send("later", time.Hour)); err != nil {
			t.Fatal(err)
		}
		go func() {
			time.Sleep(time.Minute)
			for _, s := range []Send{l.send("soon", 2*time.Minute), l.send("now", 0)} {
				if err := tl.Push(s); err != nil {
					t.Error(err)
				}
			}
			tl.Close()
		}()
		if err := tl.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(l.left["now"], l.left["soon"], l.left["later"]); got != "[1m0s] [2m0s] [1h0m0s]" {
			t.Errorf("left at %s", got)
		}
	})
}

// fullTimeline has five sends that are due and two workers, who wait for a service that does not answer; and one send for later.
func fullTimeline(t *testing.T, l *sendLog) *Timeline {
	t.Helper()
	tl := bubbleTimeline(func(r *http.Request) (*http.Response, error) {
		<-r.Context().Done()
		return nil, r.Context().Err()
	}, 2)
	for i := range 5 {
		if err := tl.Push(l.send(fmt.Sprint(i), 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := tl.Push(l.send("later", time.Hour)); err != nil {
		t.Fatal(err)
	}
	return tl
}

func TestCancelStopsAtOnceAndCountsWhatWasNotSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSendLog()
		tl := fullTimeline(t, l)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		from := time.Now()
		if err := tl.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled run answers %v", err)
		}
		if took := time.Since(from); took != time.Second {
			t.Errorf("stopped after %v", took)
		}
		for name, a := range l.came {
			if a[0].Status != 0 || !errors.Is(a[0].Err, context.Canceled) {
				t.Errorf("send %s came back as %+v", name, a[0])
			}
		}
		if len(l.left) != 2 || len(l.came) != 2 {
			t.Errorf("%d sends left, %d came back; want both workers'", len(l.left), len(l.came))
		}
		if c := tl.Counts()[SendCreate]; c != (TimelineCounts{Pushed: 6, Offered: 5, Sent: 2, Unsent: 3, Failed: 2, Silent: 2}) {
			t.Errorf("counts are %+v", c)
		}
		// The bubble itself fails the test if a goroutine is left.
	})
}

// The same over real connections, on the system's clock: what a bubble cannot see.
func TestWhatWasDueAndNeverLeftStaysOfferedWhenARunEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSendLog()
		tl := fullTimeline(t, l)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, tl.drop)
		time.AfterFunc(2*time.Second, cancel)
		if err := tl.Run(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled run answers %v", err)
		}
		if c := tl.Counts()[SendCreate]; c != (TimelineCounts{Pushed: 5, Offered: 5, Sent: 2, Unsent: 3, Failed: 2, Silent: 2}) {
			t.Errorf("counts are %+v", c)
		}
	})
}

// A full disk fails each of thousands of results.
func TestResultsThatCannotBeWrittenAreSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newSendLog()
		tl := NewTimeline(TimelineConfig{
			Start: time.Now(), Workers: 2, ticking: true,
			Transport: sinkFunc(func(*http.Request) (*http.Response, error) { return answered(200, ""), nil }),
			Result:    func(*vegeta.Result) error { return errors.New("no space left") },
		})
		for i := range 20 {
			if err := tl.Push(l.send(fmt.Sprint(i), 0)); err != nil {
				t.Fatal(err)
			}
		}
		tl.Close()
		if err := tl.Run(t.Context()); err == nil || strings.Count(err.Error(), "no space left") != 1 {
			t.Errorf("got %q", err)
		}
		if len(l.came) != 20 {
			t.Errorf("%d of 20 sends came back", len(l.came))
		}
	})
}

func TestAnAnswerThatNeverCameTookNoLessThanThePatience(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lat, err := NewLatency(time.Now(), nil)
		if err != nil {
			t.Fatal(err)
		}
		told := map[string]time.Duration{}
		result := func(r *vegeta.Result) error { told[r.Attack] = r.Latency; return nil }
		tl := NewTimeline(TimelineConfig{Start: time.Now(), Latency: lat, Result: result, ticking: true, Transport: sinkFunc(func(r *http.Request) (*http.Response, error) {
			switch r.URL.Path {
			case "/refused":
				time.Sleep(time.Millisecond)
				return nil, errors.New("connection refused")
			case "/silent":
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			time.Sleep(3 * time.Millisecond)
			return answered(503, "busy"), nil
		})})
		for _, kind := range []string{"refused", "silent", "busy"} {
			err := tl.Push(Send{Due: 0, Kind: kind, Method: "POST", URL: "http://127.0.0.1/" + kind, Timeout: 4 * time.Second})
			if err != nil {
				t.Fatal(err)
			}
		}
		tl.Close()
		if err := tl.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := lat.Second(); err != nil {
			t.Fatal(err)
		}
		for kind, want := range map[string]time.Duration{"refused": 4 * time.Second, "silent": 4 * time.Second, "busy": 3 * time.Millisecond} {
			for _, what := range []string{TimeService, TimeResponse} {
				got := time.Duration(lat.Total(kind, what).Max())
				if (got - want).Abs() > want/50 {
					t.Errorf("%s %s: %s, want %s", kind, what, got, want)
				}
			}
			if (told[kind] - want).Abs() > want/50 {
				t.Errorf("%s: %s in the results, want %s", kind, told[kind], want)
			}
		}
	})
}

func TestOverTheLoopback(t *testing.T) {
	var mu sync.Mutex
	seen := map[string]int{}
	stall := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("X-Vegeta-Seq") != "" || r.Header.Get("X-Vegeta-Attack") != "" {
			t.Errorf("the generator's own headers reach the service: %v", r.Header)
		}
		if r.URL.Path == "/stall" {
			<-stall
		}
		mu.Lock()
		seen[string(body)]++
		mu.Unlock()
		if r.URL.Path == "/big" {
			_, _ = w.Write(make([]byte, 1<<20))
		}
	}))
	defer srv.Close()
	before := runtime.NumGoroutine()
	var results []*vegeta.Result
	lat, err := NewLatency(time.Now(), nil)
	if err != nil {
		t.Fatal(err)
	}
	tl := NewTimeline(TimelineConfig{
		Latency: lat,
		Result:  func(r *vegeta.Result) error { results = append(results, r); return nil },
	})
	early, sent, big := 0, 0, 0
	count := func(a Answer) {
		mu.Lock()
		defer mu.Unlock()
		if a.Sent < a.Due {
			early++
		}
		if sent++; sent == 1000 {
			close(stall) // only when all others are through
		}
		big = max(big, len(a.Body))
	}
	push := func(path, body string, due time.Duration) {
		if err := tl.Push(Send{Due: due, Kind: SendCreate, Method: "POST", URL: srv.URL + path, Body: []byte(body), Done: count}); err != nil {
			t.Error(err)
		}
	}
	for i := range 20 {
		push("/stall", fmt.Sprint("stall", i), 0)
	}
	push("/big", "big", 0)
	for i := range 999 {
		push("/", fmt.Sprint(i), time.Duration(i)*200*time.Microsecond)
	}
	tl.Close()
	if err := tl.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if early > 0 {
		t.Errorf("%d sends left before they were due", early)
	}
	if len(seen) != 1020 {
		t.Errorf("%d of 1020 sends reached the service", len(seen))
	}
	for body, n := range seen {
		if n != 1 {
			t.Errorf("send %q reached the service %d times", body, n)
		}
	}
	if big != maxAnswer {
		t.Errorf("of a body of 1 MiB %d bytes were read", big)
	}
	if _, err := lat.Second(); err != nil {
		t.Fatal(err)
	}
	if got := lat.Total(SendCreate, TimeResponse).TotalCount(); got != 1020 {
		t.Errorf("%d response times of 1020", got)
	}
	if len(results) != 1020 {
		t.Errorf("%d results of 1020", len(results))
	}
	for _, r := range results {
		if r.Attack != SendCreate || r.Code != 200 || !strings.HasPrefix(r.URL, srv.URL) || r.Latency <= 0 {
			t.Fatalf("a result is %+v", r)
		}
	}
	srv.Close()
	for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<16)
			t.Fatalf("goroutines were left running:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func TestNothingButLoopbackIsDialled(t *testing.T) {
	for address, allowed := range map[string]bool{
		"127.0.0.1:80": true, "127.8.8.8:80": true, "[::1]:80": true,
		"10.0.0.1:80": false, "8.8.8.8:80": false, "[::]:80": false, "example.com:80": false, "localhost:80": false, "127.0.0.1": false,
	} {
		if err := loopbackAddress(address); (err == nil) != allowed {
			t.Errorf("%s: %v", address, err)
		}
	}
	_, err := loopbackTransport(1).DialContext(t.Context(), "tcp", net.JoinHostPort("192.0.2.1", "80"))
	if err == nil || !strings.Contains(err.Error(), "not a loopback address") {
		t.Errorf("dialling out answers %v", err)
	}
}
