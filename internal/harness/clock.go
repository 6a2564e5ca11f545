package harness

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/service"
)

// clock is the clock of a process of the service.
func (p *part) clock() *chaos.Clock {
	return &chaos.Clock{
		Set: func(offset time.Duration) {
			p.mu.Lock()
			defer p.mu.Unlock()
			p.offset = offset
		},
		Now: func(ctx context.Context) (time.Time, error) {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.current().Internal()+"/healthz", nil)
			if err != nil {
				return time.Time{}, err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return time.Time{}, err
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			if err := resp.Body.Close(); err != nil {
				return time.Time{}, err
			}
			return http.ParseTime(resp.Header.Get("Date"))
		},
	}
}

// clocked is the process to start with the clock as a fault wants it.
func (p *part) clocked(spec testbed.ServiceSpec) (testbed.ServiceSpec, error) {
	p.mu.Lock()
	offset := p.offset
	p.mu.Unlock()
	if offset == 0 {
		return spec, nil
	}
	cfg, err := service.ParseConfig(spec.Config)
	if err != nil {
		return spec, fmt.Errorf("putting the clock of %s wrong: %w", p.name, err)
	}
	cfg.Clock.Offset = offset
	spec.Config, err = marshal(cfg)
	return spec, err
}
