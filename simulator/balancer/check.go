package balancer

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"
)

// watch asks a backend whether it is ready until it is removed.
func (p *pool) watch(ctx context.Context, b *backend) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for {
		select {
		case <-pause.C:
		case <-ctx.Done():
			return
		}
		one, cancel := context.WithTimeout(ctx, p.check.Timeout)
		err := p.probe(one, b.checkURL)
		cancel()
		if ctx.Err() != nil {
			return
		}
		p.note(b, err)
		pause.Reset(p.check.Interval)
	}
}

// note counts a check and moves the backend in or out.
func (p *pool) note(b *backend, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fresh := b.fresh
	if err == nil {
		b.passes, b.failures, b.fresh = b.passes+1, 0, false
	} else {
		b.passes, b.failures = 0, b.failures+1
	}
	switch {
	case !b.in && err == nil && (fresh || b.passes >= p.check.Rise):
		p.enter(b)
		p.logger.Info("backend in", "pool", p.name, "backend", b.name)
	case b.in && b.failures >= p.check.Fall:
		p.leave(b)
		p.logger.Info("backend out", "pool", p.name, "backend", b.name, "reason", err)
	}
}

// newProbe makes the health check: a connection of its own each time, for one that is kept may outlive its listener.
func newProbe() func(ctx context.Context, url string) error {
	client := &http.Client{
		Transport: &http.Transport{DialContext: dialLoopback, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
	}
	return func(ctx context.Context, url string) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		res, err := client.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		body, _ := io.ReadAll(io.LimitReader(res.Body, 256))
		if res.StatusCode != http.StatusOK {
			return fmt.Errorf("answered %d %s", res.StatusCode, body)
		}
		return nil
	}
}
