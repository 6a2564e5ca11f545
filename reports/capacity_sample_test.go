package reports

import (
	"math"
	"math/rand/v2"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// sampleCapacity is a search of a service on two shared cores that are full at about 240 orders a second.
func sampleCapacity() *Capacity {
	c := &Capacity{
		Schema: CapacitySchema, Scenario: "six-hundred-devices", Title: "The lunch peak of 600 machines on one server", Source: "a vending operator's account, 2019",
		Seed: 1, StartedAt: time.Date(2026, 11, 20, 11, 56, 0, 0, time.UTC), FinishedAt: time.Date(2026, 11, 20, 12, 10, 12, 0, time.UTC),
		Ended: EndedWhole, Testbed: "local", Engine: "MariaDB 10.11.14, Redis 7.0.15", Lunchrush: "v1.0.0",
		CommandLine: []string{"lunchrush", "capacity", "six-hundred-devices"},
		Machine:     runlog.Fingerprint{CPU: "Some Processor", Cores: 2, Memory: 4 << 30, OS: "linux/amd64", Go: "go1.26"},
		Stated: StatedService{
			CPUs: 2, MemoryMiB: 4096, Instances: 1, Processes: 1, Deployed: "one process",
			Held: "service, databases and harness share all 2 processors; the harness goes first", Settings: []string{"refund.after: 30s"},
		},
		Load: CapacityLoad{
			Machines: 600, PerMachineHour: 120, PeakAt: "11:05", Arrivals: "poisson", LeftOut: []string{},
			Expect: []string{"create.p99 < 1s", "loss.total == 0", "notify.p99 < 1s", "pay_to_dispense.p99 < 10s"},
		},
		Method: CapacityMethod{
			Growth: 1.5, Resolution: 0.03, Majority: 3, ConfirmNeed: 4, ConfirmOf: 5, WarmUpNS: 5e9, MeasureNS: 18e9, BudgetNS: 900e9, Expected: 23,
			GaveUp: []string{"length: trials of 5s + 18s in place of 10s + 30s, for 23 of them to fit into 15m0s"}, Ceiling: 18500, CeilingWhy: "files",
		},
		Outage: OutageAsk{ForNS: 60e9, DrainNS: 300e9, Retries: -1},
		Trials: []CapacityTrial{}, Warnings: []string{},
	}
	chance := rand.New(rand.NewPCG(1, 2))
	for _, t := range []struct {
		step     string
		machines []int
	}{
		{"ramp", []int{600, 900, 1350, 2025, 3038, 4556, 6834, 10251, 10251}},
		{"bisect", []int{8370, 8370, 7563, 7563, 7189, 7189, 7374, 7374, 7374}},
		{"confirm", []int{7189, 7189, 7189, 7189}},
	} {
		for _, m := range t.machines {
			c.Trials = append(c.Trials, sampleTrial(len(c.Trials)+1, t.step, m, chance))
		}
	}
	c.Conclude()
	return c
}

// sampleTrial is a trial of that service.
func sampleTrial(n int, step string, machines int, chance *rand.Rand) CapacityTrial {
	const full = 244.0 // orders/s
	offered := float64(machines) / 30 * (1 + 0.01*chance.NormFloat64())
	rho := float64(machines) / 30 / full
	carried, wait, outcome, why := offered, 0.09/(1-min(rho, 0.985)*0.75), TrialPassed, ""
	if rho >= 1 {
		carried, wait = full*0.97, 0.77
		outcome, why = TrialFailed, "create.p99: 1.84 s, wanted < 1s"
	}
	total := min(2, 2*rho)
	slope := levelBacklog(Measure{Value: offered - carried, Samples: 18, Known: true}, offered)
	return CapacityTrial{
		N: n, Step: step, Machines: machines, Folder: "trials/some-run", TookNS: 36e9, Planned: float64(machines) / 30, Offered: offered, Goodput: carried,
		Outcome: outcome, Why: why, Checks: []Check{{Name: checkNoLoss, Want: "all invariants hold", Got: "they do", Samples: int(offered * 23), Status: passed}, slope},
		CreateP99NS: int64(2.4 * wait * 1e9), NotifyP99NS: int64(0.3 * wait * 1e9), DropP99NS: int64((2 + wait) * 1e9), LatenessP99NS: 1.1e6, Amplification: 1.01,
		Little: Little{L: carried * wait, Rate: 4 * carried, WaitNS: wait / 4 * 1e9, Product: carried * wait * 1.01, Off: 0.01},
		Evidence: Evidence{
			Seconds: 17, Cores: 2, ServiceCores: 0.43 * total, DatabaseCores: 0.17 * total, RedisCores: 0.03 * total, HarnessCores: 0.33 * total,
			OtherCores: 0.01, IdleCores: math.Max(0.02, 2-0.98*total), IOWaitCores: 0.01, Throttled: 0, ServiceThrottled: -1,
			PressureCPU: 0.3 * total, PressureIO: 0.001, PressureMemory: 0, ServiceRSS: 300 << 20, OpenFiles: machines + 60, MaxFiles: 20000,
			DBRunning: 2 * rho, DBConnected: 21, DBConnections: 151, DBLockWaiters: 0.02, DBLockWaits: 1, DBSyncs: 900, DBQueries: 20 * carried,
			PoolInUse: 6 * rho, PoolLimit: 20, PoolWaiters: 0.1,
			Workers: []WorkerLoad{{Name: "consumer", Limit: 8, Busy: 4 * rho}, {Name: "front", Limit: 64, Busy: min(64, 40*rho*rho), Waiting: max(0, 100*(rho-1))}},
		},
	}
}
