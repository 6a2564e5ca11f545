package simulator

import (
	"context"
	"net/http"
	"sync"
	"time"
)

// An Instance is one running process of a service that has several. Started again it is another one, which counts from 0.
type Instance struct {
	Internal string    // its own base URL on the loopback, past any balancer
	Since    time.Time // when this process was started
}

// countedTotals is how many counters a row has.
const countedTotals = len(counters) + 1

// A census is what the processes of a service have counted together. /metrics is of one process alone, and a balancer answers
// for another one each time: its figures would rise and fall though nobody counted anything. Each process is therefore
// compared with itself, and what it rose by goes into a sum that never falls, whoever is killed, restarted or added.
type census struct {
	sum  [countedTotals]int              // -1 is a counter that nobody has told
	last map[Instance][countedTotals]int // what each has told; those that have ended are kept: they are few
}

func newCensus() *census {
	c := &census{last: make(map[Instance][countedTotals]int)}
	for i := range c.sum {
		c.sum[i] = -1
	}
	return c
}

// take makes one of what the instances that were asked have told. Gauges are those of the ones that told, added up.
//
// A counter is unknown while one that has counted it is silent, since what it counts meanwhile comes in one piece later: who reads
// rates spreads a rise over the rows in which nobody knew. The last row of a run has no later: it tells what is known.
func (c *census) take(asked []Instance, told map[Instance]serviceMetrics, last bool) serviceMetrics {
	all := unknownMetrics()
	var silent [countedTotals]bool
	for _, i := range asked {
		before := c.last[i]
		m, ok := told[i]
		if !ok {
			for k, n := range before {
				silent[k] = silent[k] || n > 0
			}
			continue
		}
		gauges := all.gauges()
		for k, g := range m.gauges() {
			addKnown(gauges[k], *g)
		}
		var now [countedTotals]int
		for k, n := range m.totals() {
			now[k] = max(0, *n) // a counter that it does not tell is one that it has not begun
			rise := now[k] - before[k]
			if rise < 0 { // started again by somebody who did not say so
				rise = now[k]
			}
			if *n >= 0 {
				addKnown(&c.sum[k], rise)
			}
		}
		c.last[i] = now
	}
	if len(told) == 0 {
		return all
	}
	for k, n := range all.totals() {
		if !silent[k] || last {
			*n = c.sum[k]
		}
	}
	return all
}

// addKnown adds figures of which one below 0 is unknown.
func addKnown(to *int, n int) {
	if n >= 0 {
		*to = max(0, *to) + n
	}
}

// gauges are the figures of the moment.
func (m *serviceMetrics) gauges() []*int {
	list := []*int{&m.goroutines, &m.dbInUse, &m.binds.waiting}
	for i := range m.workers {
		p := &m.workers[i]
		list = append(list, &p.busy, &p.waiting, &p.limit)
	}
	return list
}

// totals are the figures since the start of a process, countedTotals of them.
func (m *serviceMetrics) totals() []*int {
	list := []*int{&m.binds.failed}
	for i := range m.counted {
		list = append(list, &m.counted[i])
	}
	return list
}

// askInstances asks all side by side, so that one that hangs takes nothing from the others. Those that do not answer before ctx
// ends are absent.
func askInstances(ctx context.Context, client *http.Client, list []Instance) map[Instance]serviceMetrics {
	told := make(map[Instance]serviceMetrics, len(list))
	var mu sync.Mutex // guards told
	var all sync.WaitGroup
	for _, i := range list {
		all.Go(func() {
			m, err := askMetrics(ctx, client, i.Internal)
			if err != nil {
				return
			}
			mu.Lock()
			defer mu.Unlock()
			told[i] = m
		})
	}
	all.Wait()
	return told
}
