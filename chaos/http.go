package chaos

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"math"
	"net/http"
	"strings"
	"sync"
	"time"
)

// An HTTP is a server whose requests can go wrong one by one, whatever connection they come on.
type HTTP struct {
	// URL is where a request may be sent that is known to nobody and so stands in no book: anything below it.
	URL string
	// Let makes requests go wrong until stop, on top of what other faults do to them.
	Let func(m Mishap) (stop func(), err error)
}

// A Mishap is what happens to requests. Shares are of all of them; zero is nothing.
type Mishap struct {
	FailFirst  int           // of each kind of request, so many fail from now on
	FailShare  float64       // of the others
	Status     int           // of a failure's answer
	Code       string        // of that answer; "": the server's own
	DelayShare float64       // of those that do not fail
	Delay      time.Duration // before such a request is looked at
	Jitter     time.Duration // added or taken away, evenly
}

// forever is a delay that no client waits for.
const forever = time.Hour

// let is the whole injection of a fault that is a mishap.
func (h *HTTP) let(m Mishap) (func(context.Context) error, error) {
	stop, err := h.Let(m)
	if err != nil {
		return nil, err
	}
	return func(context.Context) error { stop(); return nil }, nil
}

// A reply is how a probe was answered.
type reply struct {
	status int // 0: not at all
	code   string
	took   time.Duration
}

// The probes' bounds.
const (
	probesMax  = 2000
	probeLanes = 32 // on their way at once
	hits       = 10 // expected of a share: none at all is then one chance in 22,000
)

// probesFor is how many requests show a share.
func probesFor(share float64) int { return min(probesMax, int(math.Ceil(hits/share))) }

// probe sends n requests, lanes at once, each given so much time. Every probe of one call is of one kind, that nothing else is.
func (h *HTTP) probe(ctx context.Context, n, lanes int, patience time.Duration) []reply {
	transport := &http.Transport{MaxIdleConnsPerHost: lanes, MaxConnsPerHost: lanes}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	target := strings.TrimRight(h.URL, "/") + "/probe-" + strings.ToLower(rand.Text()[:12])
	replies := make([]reply, n)
	next := make(chan int)
	var all sync.WaitGroup
	for range min(lanes, n) {
		all.Go(func() {
			for i := range next {
				replies[i] = ask(ctx, client, target, patience)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	all.Wait()
	return replies
}

func ask(ctx context.Context, client *http.Client, target string, patience time.Duration) (e reply) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	began := time.Now()
	defer func() { e.took = time.Since(began) }()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, target, nil)
	if err != nil {
		return e
	}
	resp, err := client.Do(req)
	if err != nil {
		return e
	}
	defer resp.Body.Close()
	var no struct{ Code string }
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return e
	}
	_ = json.Unmarshal(text, &no) // without a code it is another's answer
	e.status, e.code = resp.StatusCode, no.Code
	return e
}

// count is how many of the replies are so.
func count(replies []reply, so func(reply) bool) (n int) {
	for _, e := range replies {
		if so(e) {
			n++
		}
	}
	return n
}
