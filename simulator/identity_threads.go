package simulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"
	"time"
)

// threads are the worker threads of an upstream. What finds none free waits in turn.
type threads struct {
	slots   chan struct{} // one token for each busy thread
	waiting atomic.Int64
}

func newThreads(n int) *threads { return &threads{slots: make(chan struct{}, n)} }

// take waits for a thread; false when ctx ended first. Of nil threads there is always one more.
func (t *threads) take(ctx context.Context) (release func(), ok bool) {
	if t == nil {
		return func() {}, true
	}
	t.waiting.Add(1)
	defer t.waiting.Add(-1)
	select {
	case t.slots <- struct{}{}: // senders wait in the order of their coming
		return func() { <-t.slots }, true
	case <-ctx.Done():
		return nil, false
	}
}

func (t *threads) load() pool {
	return pool{busy: len(t.slots), waiting: int(t.waiting.Load()), limit: cap(t.slots)}
}

// askTimeout is how long a thread of the identity upstream waits for front. Ours: longer than front waits for anything.
const askTimeout = 30 * time.Second

// An asker asks front who a buyer is, over front's internal listener.
type asker struct {
	client *http.Client
	ctx    context.Context // ends with the upstream
	stop   context.CancelFunc

	mu   sync.Mutex
	base string // guarded by mu; "" before begin
}

func newAsker() *asker {
	ctx, stop := context.WithCancel(context.Background())
	return &asker{client: &http.Client{Transport: loopbackTransport(64), Timeout: askTimeout}, ctx: ctx, stop: stop}
}

func (a *asker) begin(frontURL string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.base = frontURL
}

func (a *asker) end() {
	a.stop()
	a.client.CloseIdleConnections()
}

var errNoFront = errors.New("nobody said where front is")

// ask returns when front has answered. That front does not know the buyer is an answer too.
func (a *asker) ask(channel, openid string) error {
	a.mu.Lock()
	base := a.base
	a.mu.Unlock()
	if base == "" {
		return errNoFront
	}
	r, err := http.NewRequestWithContext(a.ctx, http.MethodGet, base+"/internal/buyers/"+url.PathEscape(channel)+"/"+url.PathEscape(openid), nil)
	if err != nil {
		return err
	}
	resp, err := a.client.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxBodyBytes))
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound {
		return fmt.Errorf("front answered %d", resp.StatusCode)
	}
	return nil
}
