package harness

import (
	"slices"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/service"
)

// unseen is evidence of nothing.
func unseen() reports.Evidence {
	return reports.Evidence{
		ServiceCores: -1, DatabaseCores: -1, RedisCores: -1, HarnessCores: -1, OtherCores: -1, IdleCores: -1, StealCores: -1, IOWaitCores: -1,
		Throttled: -1, ServiceThrottled: -1, PressureCPU: -1, PressureIO: -1, PressureMemory: -1,
		ServiceRSS: -1, OpenFiles: -1, MaxFiles: -1, DBRunning: -1, DBConnected: -1, DBConnections: -1, DBLockWaiters: -1, DBLockWaits: -1,
		DBSyncs: -1, DBQueries: -1, PoolInUse: -1, PoolLimit: -1, PoolWaiters: -1, Workers: []reports.WorkerLoad{},
	}
}

// testify turns looks, two at least, into means over the time between the first and the last.
func testify(window []sight, services []testbed.Part, cfg *service.Config) reports.Evidence {
	first, last := &window[0], &window[len(window)-1]
	seconds := last.at.Sub(first.at).Seconds()
	e := unseen()
	e.Seconds = seconds
	used := func(parts ...testbed.Part) float64 {
		sum := 0.0
		for _, p := range parts {
			a, ok1 := first.parts[p]
			b, ok2 := last.parts[p]
			if !ok1 || !ok2 {
				return -1
			}
			sum += max(0, (b.CPU - a.CPU).Seconds())
		}
		return sum / seconds
	}
	e.ServiceCores, e.RedisCores = used(services...), used(testbed.PartCache, testbed.PartQueue)
	e.DatabaseCores = used(testbed.PartMySQL)
	if _, ok := first.parts[testbed.PartReplica]; ok {
		e.DatabaseCores = used(testbed.PartMySQL, testbed.PartReplica)
	}
	e.HarnessCores = max(0, (last.harness-first.harness).Seconds()/seconds)
	for _, s := range window {
		sum := int64(0)
		for _, p := range services {
			sum += s.parts[p].RSS
		}
		e.ServiceRSS = max(e.ServiceRSS, sum)
	}
	theMachine(&e, first, last, seconds)
	theDatabase(&e, window)
	theService(&e, window, services, cfg)
	e.ServiceThrottled = throttled(window)
	return e
}

// throttled is how many periods the services' containers were held back in, -1 when it was not looked at twice: not every look does.
func throttled(window []sight) int64 {
	looks := slices.DeleteFunc(slices.Clone(window), func(s sight) bool { return len(s.held) == 0 })
	sum := int64(-1)
	if len(looks) < 2 {
		return sum
	}
	for name, b := range looks[len(looks)-1].held {
		if a, ok := looks[0].held[name]; ok {
			sum = max(sum, 0) + int64(b-a)
		}
	}
	return sum
}

func theMachine(e *reports.Evidence, first, last *sight, seconds float64) {
	if first.hostErr == nil && last.hostErr == nil {
		e.IdleCores = (last.host.idle - first.host.idle).Seconds() / seconds
		e.IOWaitCores = (last.host.iowait - first.host.iowait).Seconds() / seconds
		e.StealCores = (last.host.steal - first.host.steal).Seconds() / seconds
		if e.ServiceCores >= 0 && e.DatabaseCores >= 0 && e.RedisCores >= 0 {
			ours := e.ServiceCores + e.DatabaseCores + e.RedisCores + e.HarnessCores
			e.OtherCores = max(0, (last.host.busy-first.host.busy).Seconds()/seconds-ours)
		}
	}
	share := func(name string) float64 {
		a, ok1 := first.pressure[name]
		b, ok2 := last.pressure[name]
		if !ok1 || !ok2 {
			return -1
		}
		return max(0, (b-a).Seconds()/seconds)
	}
	e.PressureCPU, e.PressureIO, e.PressureMemory = share("cpu some"), share("io full"), share("memory full")
	if first.groupErr == nil && last.groupErr == nil {
		e.QuotaCores, e.Throttled = last.quota, max(0, (last.waited-first.waited).Seconds()/seconds)
	}
}

// tellings are the figures of those looks that had an answer, and the seconds between the first and the last of these. An
// overloaded database leaves many looks without one, at the ends of the window too: its counters went up in less time.
func tellings(window []sight, of func(*sight) map[string]float64) (told []map[string]float64, seconds float64) {
	var from, to time.Time
	for i := range window {
		figures := of(&window[i])
		if figures == nil {
			continue
		}
		if told = append(told, figures); len(told) == 1 {
			from = window[i].at
		}
		to = window[i].at
	}
	return told, to.Sub(from).Seconds()
}

func theDatabase(e *reports.Evidence, window []sight) {
	told, seconds := tellings(window, func(s *sight) map[string]float64 { return s.status })
	if len(told) < 2 {
		return
	}
	first, last := told[0], told[len(told)-1]
	rate := func(name string) float64 {
		a, ok1 := first[name]
		b, ok2 := last[name]
		if !ok1 || !ok2 {
			return -1
		}
		return max(0, b-a) / seconds
	}
	e.DBQueries, e.DBLockWaits, e.DBSyncs = rate("Questions"), rate("Innodb_row_lock_waits"), rate("Innodb_os_log_fsyncs")
	if ms := rate("Innodb_row_lock_time"); ms >= 0 {
		e.DBLockWaiters = ms / 1e3 // milliseconds waited in a second, of all that waited
	}
	if mean, ok := meanOf(told, "Threads_running"); ok {
		e.DBRunning = max(0, mean-1)
	}
	for _, s := range told {
		if n, ok := s["Threads_connected"]; ok {
			e.DBConnected = max(e.DBConnected, int(n))
		}
	}
}

func theService(e *reports.Evidence, window []sight, services []testbed.Part, cfg *service.Config) {
	processes, gates := len(services), 0
	for _, s := range services {
		if strings.HasPrefix(string(s), "gate-") {
			gates++
		}
	}
	told, seconds := tellings(window, func(s *sight) map[string]float64 { return s.metrics })
	if len(told) < 2 {
		return
	}
	first, last := told[0], told[len(told)-1]
	if mean, ok := meanOf(told, "lunchrush_db_connections_in_use"); ok {
		e.PoolInUse = mean
		if cfg.Switches.DB.Pool == service.Bounded {
			e.PoolLimit = cfg.Switches.DB.MaxOpen * processes // each has a pool of its own
		}
	}
	if b, ok := last["lunchrush_db_wait_seconds_total"]; ok {
		e.PoolWaiters = max(0, b-first["lunchrush_db_wait_seconds_total"]) / seconds
	}
	if open, ok := last["process_open_fds"]; ok {
		e.OpenFiles, e.MaxFiles = int(open), int(last["process_max_fds"])
	}
	const busy = "lunchrush_workers_busy"
	for key := range last {
		labels, ok := strings.CutPrefix(key, busy)
		if !ok {
			continue
		}
		w := reports.WorkerLoad{Name: poolName(labels)}
		w.Busy, _ = meanOf(told, key)
		w.Waiting, _ = meanOf(told, "lunchrush_workers_waiting"+labels)
		w.Limit = int(last["lunchrush_workers_limit"+labels])
		if w.Name == "consumer" {
			w.Limit = cfg.Switches.Callback.Workers * max(1, gates) // which it does not export
		}
		e.Workers = append(e.Workers, w)
	}
	slices.SortFunc(e.Workers, func(a, b reports.WorkerLoad) int { return strings.Compare(a.Name, b.Name) })
}

// poolName turns " pool=wechat role=gate" into "gate wechat".
func poolName(labels string) string {
	var role, pool string
	for _, l := range strings.Fields(labels) {
		name, value, _ := strings.Cut(l, "=")
		switch name {
		case "role":
			role = value
		case "pool":
			pool = value
		}
	}
	return strings.TrimSpace(role + " " + pool)
}

// meanOf is the mean of a gauge over the looks that have it.
func meanOf(told []map[string]float64, key string) (float64, bool) {
	sum, n := 0.0, 0
	for _, m := range told {
		if v, ok := m[key]; ok {
			sum, n = sum+v, n+1
		}
	}
	if n == 0 {
		return 0, false
	}
	return sum / float64(n), true
}
