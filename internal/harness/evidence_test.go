package harness

import (
	"errors"
	"math"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/service"
)

// looksAt are looks a second apart at a service that uses a core, on two cores of which others use half a one.
func looksAt(n int) []sight {
	var list []sight
	from := time.Date(2026, 11, 20, 11, 56, 0, 0, time.UTC)
	for i := range n {
		at := time.Duration(i) * time.Second
		part := func(share float64, rss int64) testbed.Usage {
			return testbed.Usage{CPU: time.Duration(share * float64(at)), RSS: rss}
		}
		var held map[testbed.Part]uint64
		if i%5 == 2 { // as seldom as it is asked
			held = map[testbed.Part]uint64{"service": uint64(2 * i)}
		}
		list = append(list, sight{
			at: from.Add(at), held: held,
			parts: map[testbed.Part]testbed.Usage{
				"service": part(1, int64(i)<<20), testbed.PartMySQL: part(0.2, 1), testbed.PartCache: part(0.03, 1), testbed.PartQueue: part(0.02, 1),
			},
			harness:  at / 10,
			host:     hostTimes{busy: time.Duration(1.85 * float64(at)), idle: at / 10, iowait: at / 20},
			pressure: map[string]time.Duration{"cpu some": at / 2},
			quota:    1.5, waited: at / 4,
			status: map[string]float64{
				"Threads_running": 4, "Threads_connected": float64(20 + i%3), "Questions": float64(2000 * i), "Innodb_row_lock_time": float64(500 * i),
				"Innodb_row_lock_waits": float64(10 * i), "Innodb_os_log_fsyncs": float64(90 * i),
			},
			metrics: map[string]float64{
				"lunchrush_db_connections_in_use": 12, "lunchrush_db_wait_seconds_total": 3 * float64(i), "process_open_fds": float64(600 + i), "process_max_fds": 20000,
				"lunchrush_workers_busy role=front": 32, "lunchrush_workers_waiting role=front": 7, "lunchrush_workers_limit role=front": 64,
				"lunchrush_workers_busy role=consumer": 3, "lunchrush_workers_busy pool=wechat role=gate": 1, "lunchrush_workers_limit pool=wechat role=gate": 16,
			},
		})
	}
	return list
}

func near(a, b float64) bool { return math.Abs(a-b) < 1e-6 }

func TestEvidenceIsTheMeanBetweenFirstAndLastLook(t *testing.T) {
	w := &witness{services: []testbed.Part{"service"}, cfg: service.Default(), processors: []int{0, 1}, seen: looksAt(30)}
	from := w.seen[0].at
	e, err := w.evidence(from.Add(4500*time.Millisecond), from.Add(25*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		name      string
		got, want float64
	}{
		{"seconds", e.Seconds, 20},
		{"cores", float64(e.Cores), 2},
		{"service", e.ServiceCores, 1},
		{"database", e.DatabaseCores, 0.2},
		{"redis", e.RedisCores, 0.05},
		{"harness", e.HarnessCores, 0.1},
		{"others", e.OtherCores, 1.85 - 1 - 0.2 - 0.05 - 0.1},
		{"idle", e.IdleCores, 0.1},
		{"iowait", e.IOWaitCores, 0.05},
		{"pressure", e.PressureCPU, 0.5},
		{"pressure that is not told", e.PressureIO, -1},
		{"quota", e.QuotaCores, 1.5},
		{"throttled", e.Throttled, 0.25},
		{"the service's container, throttled", float64(e.ServiceThrottled), 2 * (22 - 7)},
		{"rss", float64(e.ServiceRSS), 25 << 20},
		{"running", e.DBRunning, 3},
		{"connected", float64(e.DBConnected), 22},
		{"lock waiters", e.DBLockWaiters, 0.5},
		{"syncs", e.DBSyncs, 90},
		{"queries", e.DBQueries, 2000},
		{"pool", e.PoolInUse, 12},
		{"pool's limit", float64(e.PoolLimit), 20},
		{"pool's waiters", e.PoolWaiters, 3},
		{"files", float64(e.OpenFiles), 625},
	} {
		if !near(f.got, f.want) {
			t.Errorf("%s: %v, want %v", f.name, f.got, f.want)
		}
	}
	want := []reports.WorkerLoad{{Name: "consumer", Limit: 8, Busy: 3}, {Name: "front", Limit: 64, Busy: 32, Waiting: 7}, {Name: "gate wechat", Limit: 16, Busy: 1}}
	if len(e.Workers) != len(want) {
		t.Fatalf("%+v", e.Workers)
	}
	for i := range want {
		if e.Workers[i] != want[i] {
			t.Errorf("%+v, want %+v", e.Workers[i], want[i])
		}
	}
}

// A database that is overloaded does not answer every look: what it counted between two answers is no mean over the rest.
func TestARateIsOverTheTimeBetweenTheAnswersThatThereWere(t *testing.T) {
	seen := looksAt(31)
	for i := range seen {
		if i < 8 || i > 20 || i == 15 {
			seen[i].status, seen[i].metrics = nil, nil
		}
	}
	w := &witness{services: []testbed.Part{"service"}, cfg: service.Default(), seen: seen}
	e, err := w.evidence(seen[0].at, seen[30].at)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []struct {
		name      string
		got, want float64
	}{
		{"seconds", e.Seconds, 30},
		{"service", e.ServiceCores, 1},
		{"lock waiters", e.DBLockWaiters, 0.5},
		{"lock waits", e.DBLockWaits, 10},
		{"syncs", e.DBSyncs, 90},
		{"queries", e.DBQueries, 2000},
		{"pool's waiters", e.PoolWaiters, 3},
	} {
		if !near(f.got, f.want) {
			t.Errorf("%s: %v, want %v", f.name, f.got, f.want)
		}
	}
}

func TestWhatCouldNotBeSeenIsNotKnownRatherThanZero(t *testing.T) {
	seen := looksAt(10)
	for i := range seen {
		seen[i].status, seen[i].metrics, seen[i].hostErr, seen[i].groupErr = nil, nil, errUnseen, errUnseen
		delete(seen[i].parts, testbed.PartMySQL)
	}
	w := &witness{services: []testbed.Part{"service"}, cfg: service.Default(), seen: seen}
	e, err := w.evidence(seen[0].at, seen[9].at)
	if err != nil {
		t.Fatal(err)
	}
	for name, v := range map[string]float64{
		"database": e.DatabaseCores, "others": e.OtherCores, "idle": e.IdleCores, "throttled": e.Throttled, "running": e.DBRunning, "pool": e.PoolInUse,
		"files": float64(e.OpenFiles), "connections": float64(e.DBConnected),
	} {
		if v != -1 {
			t.Errorf("%s: %v", name, v)
		}
	}
	if _, err := w.evidence(seen[9].at, seen[9].at.Add(time.Minute)); !errors.Is(err, errUnseen) {
		t.Errorf("one look: %v", err)
	}
}
