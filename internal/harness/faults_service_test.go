package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/simulator"
)

// A deployment is the service as a scenario deploys it, with sample faults on its processes and on what stands around them.
type deployment struct {
	name, topology string
	faults, limits []string // limits: those that need containers
}

var deployments = []deployment{
	{
		name: "one process",
		faults: []string{
			"on: service, inject: latency, by: 100ms",
			"on: service, inject: pause",
			"on: service, inject: kill",
			"on: service, inject: restart",
			"on: service, inject: clock-skew, by: 10m",
			"on: wechat, inject: errors, share: 30%, status: 500",
			"on: alipay, inject: delays, share: 30%, by: 400ms",
			"on: wechat, inject: fail-first, n: 5",
			"on: identity, inject: hang",
			"on: alipay, inject: black-hole",
		},
		limits: []string{
			"on: service, inject: limit-cpu, cpus: 0.02",
			"on: service, inject: limit-memory, limit: 400MB",
		},
	},
	{
		name:     "many processes",
		topology: "topology: {front: 2, gate: 2, notifier: 1}",
		faults: []string{
			"on: front-1, inject: pause",
			"on: front-2, inject: kill",
			"on: gate-1, inject: restart",
			"on: notifier-1, inject: kill",
			"on: front-1, inject: cold-start, by: 200ms, requests: 50",
			"on: gate-2, inject: cold-start, by: 200ms, requests: 50",
			"on: jobs-1, inject: clock-skew, by: -10m",
			"on: front-2, inject: clock-skew, by: 1h",
			"on: gate, inject: add",
			"on: front, inject: add, image: clone",
			"on: balancer, inject: outage, mode: refuse",
			"on: balancer, inject: outage, mode: hold",
			"on: balancer, inject: errors, share: 30%, status: 502",
			"on: balancer, inject: delays, share: 30%, by: 400ms",
		},
		limits: []string{
			"on: front-1, inject: limit-cpu, cpus: 0.02",
			"on: gate-1, inject: limit-memory, limit: 400MB",
		},
	},
}

// deploy starts the service for faults on it, as a run does.
func deploy(t *testing.T, stage *Stage, d deployment) *faults {
	t.Helper()
	injected := d.faults
	if stage.Choice.Name == testbed.Containers {
		injected = slices.Concat(d.faults, d.limits)
	}
	sc, err := load(timeline(injected) + "\n" + d.topology)
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Scenario: sc, Side: Hardened, Seed: 1, RunsDir: t.TempDir()}
	plan, err := o.plan()
	if err != nil {
		t.Fatal(err)
	}
	m := newManifest(o, plan, stage)
	log, err := runlog.Create(t.TempDir(), m)
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFaults(sc)
	if err != nil {
		t.Fatal(err)
	}
	world, err := simulator.New(simulator.Config{Scenario: sc, Plan: plan, Log: log, Manifest: m})
	if err != nil {
		t.Fatal(err)
	}
	f.unsettle(world)
	cfg, err := serviceConfig(sc, Hardened, stage.stack, world.ServiceSettings())
	if err != nil {
		t.Fatal(err)
	}
	if err := f.reroute(cfg); err != nil {
		t.Fatal(err)
	}
	var served deployed
	target, err := stage.serve(t.Context(), sc, Hardened, cfg, f, &served)
	if err != nil {
		t.Fatal(err)
	}
	switch many := several(sc.Topology); {
	case many != (target.Instances != nil):
		t.Errorf("the watch is told of the processes: %v; there are several: %v", target.Instances != nil, many)
	case many && len(target.Instances()) != processes(sc.Topology):
		t.Errorf("the watch asks %v; there are %d processes", target.Instances(), processes(sc.Topology))
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
		defer cancel()
		if err := errors.Join(served.end(ctx), world.Close(), f.Close(), log.Close()); err != nil {
			t.Error(err)
		}
	})
	return f
}

// timeline puts faults on a scenario's timeline, one after the other.
func timeline(faults []string) string {
	var lines []string
	for i, fault := range faults {
		lines = append(lines, fmt.Sprintf(`{at: "11:%02d", for: 1ms, %s}`, i, fault))
	}
	return strings.Join(lines, "\n  - ")
}

// openStage opens a stage for the length of a test.
func openStage(t *testing.T, choice testbed.Choice) *Stage {
	t.Helper()
	stage, err := Open(t.Context(), Ground{Choice: choice, RunsDir: t.TempDir(), Binary: buildStatic(t)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stage.Close(); err != nil {
			t.Error(err)
		}
	})
	return stage
}

func TestEveryFaultOnTheServiceIsFeltOnTheTestbedsWhileItLastsAndOnlyThen(t *testing.T) {
	for _, where := range []struct{ name, word string }{{testbed.Containers, "containers"}, {testbed.Local, "mariadb"}} {
		t.Run(where.name, func(t *testing.T) {
			choice := need(t, where.name, where.word)
			stage := openStage(t, choice)
			for _, d := range deployments {
				t.Run(d.name, func(t *testing.T) {
					f := deploy(t, stage, d)
					for _, e := range f.entries {
						t.Run(strings.ReplaceAll(e.ID, "/", " a "), func(t *testing.T) { feltOnlyWhileInjected(t, e) })
					}
					dead, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
					defer stop()
					if err := f.died(dead); err != nil {
						t.Errorf("what a fault ended counts as a death that nobody ordered: %v", err)
					}
				})
			}
		})
	}
}
