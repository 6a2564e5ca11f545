package reports

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// limitMachine is the name of the limit that service, databases and harness run into together.
const limitMachine = "CPU of this machine"

// Undetermined is the name of a limit that no evidence shows.
const Undetermined = "undetermined"

// Shares of a limit from which on it counts as full. Ours.
const (
	fullProcessors = 0.90
	fullDisk       = 0.50 // of the time everybody waited for it
	fullLocks      = 0.50 // of the connections in use waited for a row
	fullPool       = 0.90
	fullCount      = 0.95 // connections, files, memory
)

// othersShare is how much of the machine others must have to be the likely reason of a load that was late. Ours.
const othersShare = 0.10

// coresTold is the least that is told of by name: less is 0.00 in writing.
const coresTold = 0.005

// disturbed reports whether others had so much of the machine that they may be the reason of anything: those on it, and those for whom
// the host of a virtual machine took its processors away. What is not known counts as nothing.
func (e *Evidence) disturbed() bool {
	return max(0, e.OtherCores)+max(0, e.StealCores) > othersShare*float64(e.Cores)
}

// disturbance says how much of the machine others had: "others used 0.40 cores and the host of this virtual machine took 0.30".
func (e *Evidence) disturbance() string {
	var parts []string
	unit := " cores"
	for _, by := range []struct {
		who   string
		cores float64
	}{{"others used", e.OtherCores}, {"the host of this virtual machine took", e.StealCores}} {
		if by.cores >= coresTold {
			parts = append(parts, by.who+" "+coresText(by.cores)+unit)
			unit = ""
		}
	}
	return strings.Join(parts, " and ")
}

// A limit is something that a service can run into: how much of it is used, in words too. Used below 0 is not known.
type limit struct {
	name string
	full float64
	read func(c *Capacity, e *Evidence) (used float64, says string)
}

// limitsInDepth are all limits, each before those that fill up because of it: a worker waits while it holds its thread, so what
// it waits for is named first. Of several that are full, the first is the one that binds.
var limitsInDepth = []limit{
	{"CPU of the service", fullProcessors, func(c *Capacity, e *Evidence) (float64, string) {
		if c.Stated.CPUs <= 0 || e.ServiceCores < 0 {
			return -1, ""
		}
		total := c.Stated.CPUs * float64(max(1, c.Stated.Processes))
		return e.ServiceCores / total, fmt.Sprintf("%.2f of its %g", e.ServiceCores, total)
	}},
	{limitMachine, fullProcessors, func(_ *Capacity, e *Evidence) (float64, string) {
		if e.IdleCores < 0 || e.Cores == 0 {
			return -1, ""
		}
		free := min(float64(e.Cores), e.IdleCores+max(0, e.IOWaitCores))
		return 1 - free/float64(e.Cores), fmt.Sprintf("of %d cores: service %s, database %s, Redis %s, harness %s, others %s, stolen %s",
			e.Cores, coresText(e.ServiceCores), coresText(e.DatabaseCores), coresText(e.RedisCores), coresText(e.HarnessCores), coresText(e.OtherCores), coresText(e.StealCores))
	}},
	{"CPU quota of the control group", fullProcessors, func(c *Capacity, e *Evidence) (float64, string) {
		if e.QuotaCores <= 0 || e.HarnessCores < 0 {
			return -1, ""
		}
		used := e.HarnessCores
		if c.Testbed != "containers" { // those have groups of their own
			used += max(0, e.ServiceCores) + max(0, e.DatabaseCores) + max(0, e.RedisCores)
		}
		return used / e.QuotaCores, fmt.Sprintf("%.2f of %.2f cores; it was held back %s of the time", used, e.QuotaCores, shareText(e.Throttled))
	}},
	{"disk", fullDisk, func(_ *Capacity, e *Evidence) (float64, string) {
		says := fmt.Sprintf("everybody waited for it %s of the time", shareText(e.PressureIO))
		if e.DBSyncs >= 0 {
			says += fmt.Sprintf("; the database's log was synced %s times a second", count(int64(e.DBSyncs+0.5)))
		}
		return e.PressureIO, says
	}},
	{"row locks", fullLocks, func(_ *Capacity, e *Evidence) (float64, string) {
		if e.DBLockWaiters < 0 || e.PoolInUse < 0 {
			return -1, ""
		}
		return e.DBLockWaiters / max(1, e.PoolInUse), fmt.Sprintf("%.1f statements waited for a row, of %.1f connections in use", e.DBLockWaiters, e.PoolInUse)
	}},
	{"connections of the database", fullCount, func(_ *Capacity, e *Evidence) (float64, string) {
		if e.DBConnected < 0 || e.DBConnections <= 0 {
			return -1, ""
		}
		return float64(e.DBConnected) / float64(e.DBConnections), fmt.Sprintf("%d of %d", e.DBConnected, e.DBConnections)
	}},
	{"connection pool of the service", fullPool, func(_ *Capacity, e *Evidence) (float64, string) {
		if e.PoolInUse < 0 || e.PoolLimit <= 0 {
			return -1, ""
		}
		return e.PoolInUse / float64(e.PoolLimit), fmt.Sprintf("%.1f of %d in use, %.1f statements waited for one", e.PoolInUse, e.PoolLimit, max(0, e.PoolWaiters))
	}},
	{"memory of the service", fullCount, func(c *Capacity, e *Evidence) (float64, string) {
		if c.Stated.MemoryMiB <= 0 || e.ServiceRSS < 0 {
			return -1, ""
		}
		total := float64(c.Stated.MemoryMiB<<20) * float64(max(1, c.Stated.Processes))
		return float64(e.ServiceRSS) / total, fmt.Sprintf("%s of %s", bytesOf(e.ServiceRSS), bytesOf(int64(total)))
	}},
	{"open files of the service", fullCount, func(_ *Capacity, e *Evidence) (float64, string) {
		if e.OpenFiles < 0 || e.MaxFiles <= 0 {
			return -1, ""
		}
		return float64(e.OpenFiles) / float64(e.MaxFiles), fmt.Sprintf("%s of %s, one for each machine that waits for a command", count(int64(e.OpenFiles)), count(int64(e.MaxFiles)))
	}},
}

// limitsOf are all limits of a trial in that order, with the threads behind the others.
func (c *Capacity) limitsOf(e *Evidence) []LimitUsed {
	var all []LimitUsed
	for _, l := range limitsInDepth {
		if used, says := l.read(c, e); used >= 0 {
			all = append(all, LimitUsed{Name: l.name, Used: used, Below: -1, Full: used >= l.full, Says: says})
		}
	}
	for _, w := range e.Workers {
		if w.Limit <= 0 {
			continue
		}
		used := w.Busy / float64(w.Limit)
		all = append(all, LimitUsed{
			Name: "threads of " + w.Name, Used: used, Below: -1, Full: used >= fullPool,
			Says: fmt.Sprintf("%.1f of %d busy, %.1f requests waited for one", w.Busy, w.Limit, w.Waiting),
		})
	}
	return all
}

// binding names the limit that the service ran into at the least load that it did not carry.
func (c *Capacity) binding() Binding {
	b := Binding{Name: Undetermined, Limits: []LimitUsed{}}
	above := c.least(c.Answer.AboveMachines, TrialFailed)
	if above == nil {
		above = c.least(c.Answer.AboveMachines, TrialInvalid)
	}
	if above == nil {
		b.Says = "no load was refused, so none was run into"
		return b
	}
	b.Limits = c.limitsOf(&above.Evidence)
	if below := c.least(c.Answer.Machines, TrialPassed); below != nil {
		for _, l := range c.limitsOf(&below.Evidence) {
			if i := slices.IndexFunc(b.Limits, func(x LimitUsed) bool { return x.Name == l.Name }); i >= 0 {
				b.Limits[i].Below = l.Used
			}
		}
	}
	// Full ones first, in depth; the others by how near they are.
	slices.SortStableFunc(b.Limits, func(x, y LimitUsed) int {
		switch {
		case x.Full != y.Full && x.Full:
			return -1
		case x.Full != y.Full:
			return 1
		case x.Full:
			return 0
		}
		return cmp.Compare(y.Used, x.Used)
	})
	var full []LimitUsed
	for _, l := range b.Limits {
		if l.Full {
			full = append(full, l)
		}
	}
	switch {
	case above.Outcome == TrialInvalid && above.Evidence.disturbed():
		b.Name = "others on this machine"
		b.Says = fmt.Sprintf("%s, of %d in all; the load could not be offered to the service alone: %s", above.Evidence.disturbance(), above.Evidence.Cores, above.Why)
	case above.Outcome == TrialInvalid:
		b.Name, b.Says = "the harness", "it could not offer the load: "+above.Why
		if len(full) > 0 {
			b.Says += "; full: " + full[0].Name + " (" + full[0].Says + ")"
		}
	case len(full) == 0:
		b.Says = "nothing that was measured is full"
		if len(b.Limits) > 0 {
			b.Says += fmt.Sprintf("; the nearest is %s at %s (%s)", b.Limits[0].Name, percent(b.Limits[0].Used), b.Limits[0].Says)
		}
	default:
		b.Name, b.Says = full[0].Name, full[0].Says
		for i, l := range full[1:] {
			if i == 0 {
				b.Says += "; also full: "
			} else {
				b.Says += ", "
			}
			b.Says += l.Name
		}
	}
	return b
}

// least is the trial of a load with that outcome whose evidence stands for it: the one in the middle by the service's share of
// the processors, so that neither the luckiest nor the unluckiest speaks for the load.
func (c *Capacity) least(machines int, outcome string) *CapacityTrial {
	var all []*CapacityTrial
	for _, t := range c.at(machines) {
		if t.Outcome == outcome {
			all = append(all, t)
		}
	}
	if len(all) == 0 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b *CapacityTrial) int { return cmp.Compare(a.Evidence.ServiceCores, b.Evidence.ServiceCores) })
	return all[(len(all)-1)/2]
}

func coresText(v float64) string {
	if v < 0 {
		return "?"
	}
	return fmt.Sprintf("%.2f", v)
}

// shareText writes a share of a time or of a limit; less than a thousandth is none.
func shareText(v float64) string {
	switch {
	case v < 0:
		return "?"
	case v < 0.001:
		return "0 %"
	}
	return percent(v)
}
