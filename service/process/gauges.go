package process

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lunchrush/lunchrush/service"
)

// gauges registers what is read when it is scraped.
func (p *process) gauges() {
	m := p.metrics
	backlog := p.backlogReader()
	m.Gauge("backlog_rows", "Unfinished rows of pay_queue.", nil, func() float64 { return float64(backlog().Waiting) })
	m.Gauge("backlog_oldest_seconds", "Age of the oldest unfinished row of pay_queue.", nil, func() float64 { return float64(backlog().OldestMS) / 1000 })
	m.Gauge("pushes_queued", "Commands that no machine has fetched yet.", nil, func() float64 { return float64(backlog().Pushes) })
	m.Gauge("db_connections_in_use", "Database connections in use.", nil, func() float64 { return float64(p.store.Stats().InUse) })
	m.Gauge("db_connections_open", "Database connections open.", nil, func() float64 { return float64(p.store.Stats().OpenConnections) })
	m.Gauge("db_wait_seconds_total", "Time that statements waited for a connection.", nil, func() float64 { return p.store.Stats().WaitDuration.Seconds() })
	p.workerGauges(Front, "all", p.api.FrontPool)
	p.workerGauges("bid", "all", p.api.BidPool)
	if p.api.CallbackPool != p.api.FrontPool {
		p.workerGauges("callback", "all", p.api.CallbackPool)
	}
	if gate := p.api.Gate; gate != nil {
		m.Gauge("binds_waiting", "Buyers who are yet to be looked up.", nil, func() float64 { return float64(gate.Binding()) })
		m.Gauge("workers_busy", busyHelp, prometheus.Labels{"role": "consumer", "pool": "all"}, func() float64 { return float64(gate.Busy()) })
	}
}

const busyHelp = "Workers of a role that are busy."

// workerGauges tell how many workers a role's pools have, how many are busy, and what waits for one.
func (p *process) workerGauges(role, name string, pool *service.Pool) {
	if pool == nil {
		return
	}
	labels := prometheus.Labels{"role": role, "pool": name}
	m := p.metrics
	m.Gauge("workers_limit", "Workers of a role.", labels, func() float64 { return float64(pool.Limit()) })
	m.Gauge("workers_busy", busyHelp, labels, func() float64 { busy, _ := pool.Load(); return float64(busy) })
	m.Gauge("workers_waiting", "Requests that wait for a worker.", labels, func() float64 { _, waiting := pool.Load(); return float64(waiting) })
}

// backlogReader reads the backlog once for all gauges of a scrape. When it can not be read the last one stands.
func (p *process) backlogReader() func() service.Backlog {
	var mu sync.Mutex
	var last service.Backlog
	var read time.Time
	return func() service.Backlog {
		mu.Lock()
		defer mu.Unlock()
		if time.Since(read) < 500*time.Millisecond {
			return last
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		read = time.Now()
		if b, err := p.store.Backlog(ctx, p.cfg.Clock.Now()); err == nil {
			last = b
		}
		return last
	}
}
