package process

import (
	"maps"
	"slices"

	"github.com/lunchrush/lunchrush/service"
)

// gatePools are the workers of a gate's notifications.
func (p *process) gatePools() map[service.Channel]*service.Pool { return p.poolsByChannel(Gate, "") }

// poolsByChannel divides gate.workers and gate.queue_len among the channels, so that one that is slow can take its own part
// and no more; or, as was (channels.share pool), gives all of them the same. role and prefix name its gauges.
//
// What hurts: a worker that waits for Alipay is not there for WeChat Pay. When Alipay takes four seconds instead of a tenth, it
// takes every worker, and WeChat's notifications wait in line behind Alipay's.
func (p *process) poolsByChannel(role, prefix string) map[service.Channel]*service.Pool {
	s := &p.cfg.Switches
	channels := slices.Sorted(maps.Keys(p.api.Verifiers))
	pools := make(map[service.Channel]*service.Pool, len(channels))
	if s.Channels.Share == service.Shared || len(channels) < 2 {
		pool := service.NewPool(s.Gate.Workers, s.Gate.QueueLen, 0)
		for _, c := range channels {
			pools[c] = pool
		}
		p.workerGauges(role, prefix+"all", pool)
		return pools
	}
	part := func(n int) int { return (n + len(channels) - 1) / len(channels) }
	for _, c := range channels {
		pools[c] = service.NewPool(part(s.Gate.Workers), part(s.Gate.QueueLen), 0)
		p.workerGauges(role, prefix+string(c), pools[c])
	}
	return pools
}
