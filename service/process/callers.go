package process

import (
	"context"

	"github.com/lunchrush/lunchrush/service"
)

// callers gives what other services ask of this process its workers: as many of their own, or, as was (callers.share pool),
// those of a role's ordinary work.
//
// What hurts: identity waits for one of front's workers, which all wait for a gate's, which all wait for identity. Each
// finishes only when another does.
func (p *process) callers() {
	s := &p.cfg.Switches
	split := s.Callers.Share == service.Split
	if p.api.Front != nil {
		if p.api.LookupPool = p.api.FrontPool; split {
			p.api.LookupPool = service.NewPool(s.Front.Workers, s.Front.QueueLen, s.Front.Deadline)
			p.workerGauges("callers", Front, p.api.LookupPool)
		}
	}
	if p.api.Front != nil && p.api.Gate != nil && s.Front.Prepay == service.ByGate {
		pools := p.api.GatePools
		if split {
			pools = p.poolsByChannel("callers", "gate-")
		}
		p.api.Front.AskGate(gated{p.api.Gate, pools})
	}
}

// gated is the gate of this process, with worker threads of its own.
type gated struct {
	gate  *service.Gate
	pools map[service.Channel]*service.Pool
}

// Prepay waits for one of the gate's workers.
func (g gated) Prepay(ctx context.Context, channel service.Channel, p service.Prepay) (url string, err error) {
	pool := g.pools[channel]
	if pool == nil {
		return "", service.ErrNoSuchChannel
	}
	err = pool.Do(ctx, service.PaidWork, func() (err error) {
		url, err = g.gate.Prepay(ctx, channel, p)
		return err
	})
	return url, err
}
