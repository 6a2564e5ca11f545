package harness

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/simulator"
)

func newManifest(o Options, plan *simulator.Plan, s *Stage) *runlog.Manifest {
	sc := o.Scenario
	now := time.Now()
	m := &runlog.Manifest{
		Schema:      runlog.SchemaVersion,
		Scenario:    sc.Name,
		Title:       sc.Title,
		Source:      sc.Source,
		Profile:     cmp.Or(o.Label, o.Side),
		Labelled:    o.Label != "",
		Seed:        o.Seed,
		Speed:       sc.Clock.Speed,
		Machines:    sc.Fleet.Machines,
		ClockFrom:   sc.Clock.From.String(),
		ClockTo:     sc.Clock.To.String(),
		StartedAt:   now,
		PlayForNS:   int64(plan.Header.Length),
		WarmUpNS:    int64(o.WarmUp),
		PlanSHA256:  plan.SHA256(),
		Testbed:     s.Choice.Name,
		TestbedWhy:  s.Choice.Why,
		Engine:      s.stack.Engine(),
		Service:     cmp.Or(o.Binary, s.binary, "the reference service") + ": " + describe(sc.Topology),
		Machine:     fingerprint(),
		Lunchrush:   o.Version,
		CommandLine: o.Args,
		Expect:      make(map[string]string, len(sc.Expect)),
		Signature:   make(map[string]string, len(sc.Signature)),
	}
	m.Load = runlog.LoadFacts{
		CapacityPerS: sc.Demand.Capacity, NotifyTimeoutNS: int64(sc.Payments.Notify.Timeout),
		PatienceNS: int64(sc.Buyers.Patience), Tries: sc.Buyers.Tries,
	}
	if sc.Clock.Speed > 1 {
		steep, at := sc.Curve().Steepest()
		m.Load.SteepPerS, m.Load.SteepAtNS = steep, int64(at)
	}
	if sc.Kick.For > 0 {
		m.Load.KickFromNS, m.Load.KickForNS = int64(sc.At(sc.Kick.At)), int64(sc.Kick.For)
	}
	for name, c := range sc.Expect {
		m.Expect[name] = c.Text
	}
	for name, c := range sc.Signature {
		m.Signature[name] = c.Text
	}
	if sc.Clock.Speed != 1 {
		m.Notes = append(m.Notes, fmt.Sprintf(
			"the demand curve runs %g times faster: rates are the real day's, totals 1/%g of it; time-outs and ladders are real",
			sc.Clock.Speed, sc.Clock.Speed))
	}
	for _, note := range []string{sc.Messages.Note(), sc.Uploads.Note(), sc.Sale.Note()} {
		if note != "" {
			m.Notes = append(m.Notes, note)
		}
	}
	if s.Choice.Name == "embedded" {
		m.Notes = append(m.Notes, "embedded database engine: the books count, its speed is no database benchmark")
	}
	return m
}

// newRunDir makes the run's folder, named after its start. No other process can have the same one.
func newRunDir(runs string, m *runlog.Manifest) (string, error) {
	dir, err := NewFolder(runs, m.StartedAt, m.Scenario+"-"+m.Profile)
	m.ID = filepath.Base(dir)
	return dir, err
}

// fingerprint describes this machine from what Linux tells; elsewhere the fields that it lacks stay empty.
func fingerprint() runlog.Fingerprint {
	f := runlog.Fingerprint{Cores: runtime.NumCPU(), OS: runtime.GOOS + "/" + runtime.GOARCH, Go: runtime.Version()}
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				f.CPU = strings.TrimSpace(value)
				break
			}
		}
	}
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
				kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
				f.Memory = kib << 10
				break
			}
		}
	}
	return f
}
