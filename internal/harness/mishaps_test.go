package harness

import (
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/simulator"
)

// Faults on single requests act on the simulator's own upstreams, as a run wires them.
func TestEveryFaultOnRequestsIsFeltOnTheUpstreams(t *testing.T) {
	samples := []string{
		"on: wechat, inject: errors, share: 30%, status: 500, code: A004",
		"on: alipay, inject: delays, share: 50%, by: 200ms",
		"on: identity, inject: fail-first, n: 5",
		"on: identity, inject: hang",
	}
	for _, k := range chaos.Kinds() {
		if k.On == chaos.OnHTTP && !strings.Contains(strings.Join(samples, "\n")+",", "inject: "+k.Name) {
			t.Errorf("no sample of %s: add one", k.Name)
		}
	}
	var lines []string
	for _, s := range samples {
		lines = append(lines, `{at: "11:10", for: 1s, `+s+"}")
	}
	sc, err := load(strings.Join(lines, "\n  - "))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := simulator.NewPlan(sc, 1)
	if err != nil {
		t.Fatal(err)
	}
	m := &runlog.Manifest{StartedAt: time.Now()}
	log, err := runlog.Create(t.TempDir(), m)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	world, err := simulator.New(simulator.Config{Scenario: sc, Plan: plan, Manifest: m, Log: log})
	if err != nil {
		t.Fatal(err)
	}
	defer world.Close()
	f, err := newFaults(sc)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	f.unsettle(world)
	for _, e := range f.entries {
		t.Run(e.ID, func(t *testing.T) { feltOnlyWhileInjected(t, e) })
	}
}
