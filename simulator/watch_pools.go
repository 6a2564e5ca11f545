package simulator

import (
	"strings"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A pool is what is known of a role's worker threads: how many are busy, what waits for one, and how many there are.
type pool struct{ busy, waiting, limit int }

// pooledRoles are the roles whose workers a row has columns for.
var pooledRoles = [...]string{"front", "gate"}

// metricWorkers begins the names of a role's pool: lunchrush_workers_busy{role="front"}.
const metricWorkers = "lunchrush_workers_"

// worker is the figure that a line about workers adds to, nil when a row has no column for it.
func (m *serviceMetrics) worker(line string) *int {
	name, labels, ok := strings.Cut(line[len(metricWorkers):], "{")
	labels, _, whole := strings.Cut(labels, "}")
	if !ok || !whole {
		return nil
	}
	for i, role := range pooledRoles {
		if !strings.Contains(","+labels, `,role="`+role+`"`) {
			continue
		}
		switch p := &m.workers[i]; name {
		case "busy":
			return &p.busy
		case "waiting":
			return &p.waiting
		case "limit":
			return &p.limit
		}
	}
	return nil
}

// fill writes the service's pools into a row.
func (m *serviceMetrics) fill(s *runlog.Sample) {
	front, gate := m.workers[0], m.workers[1]
	s.FrontBusy, s.FrontWaiting, s.FrontLimit = front.busy, front.waiting, front.limit
	s.GateBusy, s.GateWaiting, s.GateLimit = gate.busy, gate.waiting, gate.limit
}

// unknownPools is a row before anyone was asked.
func unknownPools(s *runlog.Sample) {
	s.FrontBusy, s.FrontWaiting, s.GateBusy, s.GateWaiting, s.IdentityBusy, s.IdentityWaiting = -1, -1, -1, -1, -1, -1
}
