package harness

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/service"
)

// samples are faults on the parts that every testbed runs, each for a second of a scenario at speed 60.
var samples = []string{
	"on: mysql-replica, inject: replica-delay, by: 2s",
	"on: mysql, inject: latency, by: 100ms",
	"on: redis-cache, inject: bandwidth, rate: 20kB/s",
	"on: mysql, inject: slicer",
	"on: redis-queue, inject: slow-close, by: 200ms",
	"on: mysql, inject: hold",
	"on: redis-cache, inject: black-hole",
	"on: mysql, inject: reset",
	"on: redis-queue, inject: down",
	"on: mysql, inject: pause",
	"on: redis-cache, inject: pause",
	"on: redis-queue, inject: kill",
	"on: mysql, inject: kill",
	"on: mysql, inject: restart",
	"on: redis-cache, inject: restart",
	"on: mysql, inject: connections, left: 2",
	"on: mysql, inject: table-lock, table: orders",
	"on: mysql, inject: row-lock, table: orders",
	"on: mysql, inject: deadlock, first: slots, then: orders, every: 50ms",
	"on: mysql, inject: read-only",
	"on: redis-cache, inject: flush",
	"on: redis-queue, inject: evict",
	"on: redis-cache, inject: stall, every: 400ms",
}

// limits are faults that need containers.
var limits = []string{
	"on: mysql, inject: limit-cpu, cpus: 0.05",
	"on: redis-cache, inject: limit-cpu, cpus: 0.05",
	"on: mysql, inject: limit-memory, limit: 600MB",
	"on: redis-queue, inject: limit-memory, limit: 32MB",
}

func TestTheSamplesHaveEveryFault(t *testing.T) {
	all := slices.Concat(samples, limits)
	for _, d := range deployments {
		all = slices.Concat(all, d.faults, d.limits)
	}
	for _, k := range chaos.Kinds() {
		if !slices.ContainsFunc(all, func(s string) bool {
			return strings.HasSuffix(s+",", "inject: "+k.Name+",") || strings.Contains(s, "inject: "+k.Name+",")
		}) {
			t.Errorf("no sample of %s: add one", k.Name)
		}
	}
}

// need skips the test where the testbed is absent, or fails it where LUNCHRUSH_REQUIRE has the word.
func need(t *testing.T, name, word string) testbed.Choice {
	t.Helper()
	choice, err := testbed.Choose(t.Context(), name, nil)
	if err != nil {
		if slices.Contains(strings.Split(os.Getenv("LUNCHRUSH_REQUIRE"), ","), word) {
			t.Fatal(err)
		}
		t.Skip(err)
	}
	return choice
}

// rig starts a stack with the sample faults on it, as a run would.
func rig(t *testing.T, choice testbed.Choice) (testbed.Stack, *faults) {
	t.Helper()
	injected := samples
	if choice.Name == testbed.Containers {
		injected = slices.Concat(samples, limits)
	}
	sc, err := load(timeline(injected))
	if err != nil {
		t.Fatal(err)
	}
	f, err := newFaults(sc)
	if err != nil {
		t.Fatal(err)
	}
	spec := testbed.Spec{RunID: "harness-test", LogDir: t.TempDir(), MaxConnections: 40, Replica: true}
	if choice.Name == testbed.Containers {
		spec.Binary = buildStatic(t) // it is not run here, but the testbed makes its image
	}
	stack, err := testbed.Start(t.Context(), choice, spec)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	cfg := service.Default()
	cfg.MySQL = service.MySQL{DSN: service.Secret(stack.DSN()), ReplicaDSN: service.Secret(stack.ReplicaDSN())}
	cfg.Redis = service.Redis{Cache: stack.CacheRedis(), Queue: stack.QueueRedis()}
	if err := f.reroute(cfg); err != nil {
		t.Fatal(err)
	}
	if err := f.grip(stack); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	for _, q := range []string{
		"CREATE TABLE orders (id INT PRIMARY KEY)", "CREATE TABLE slots (id INT PRIMARY KEY)",
		"INSERT INTO orders VALUES (1), (2), (3)", "INSERT INTO slots VALUES (1), (2), (3)",
	} {
		if _, err := f.targets[siteMySQL].Database.User.ExecContext(t.Context(), q); err != nil {
			t.Fatal(err)
		}
	}
	return stack, f
}

func TestEveryFaultIsFeltOnTheTestbedsWhileItLastsAndOnlyThen(t *testing.T) {
	for _, where := range []struct{ name, word string }{{testbed.Containers, "containers"}, {testbed.Local, "mariadb"}} {
		t.Run(where.name, func(t *testing.T) {
			_, f := rig(t, need(t, where.name, where.word))
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
}

// feltOnlyWhileInjected injects a fault and heals it after its context has been canceled.
func feltOnlyWhileInjected(t *testing.T, e chaos.Entry) {
	felt := func(when string, want bool) {
		t.Helper()
		patient, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			evidence, err := e.Fault.Felt(t.Context(), e.Target)
			if err == nil && evidence.Felt == want {
				t.Logf("%s: %s", when, evidence.Text)
				return
			}
			if want || patient.Err() != nil {
				t.Fatalf("%s: felt is %v: %s (%v)", when, evidence.Felt, evidence.Text, err)
			}
			<-tick.C // an engine needs a moment to notice a hang-up
		}
	}
	felt("before", false)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heal, err := e.Fault.Inject(ctx, e.Target)
	if err != nil {
		t.Fatal(err)
	}
	felt("during", true)
	cancel()
	if err := heal(context.WithoutCancel(ctx)); err != nil {
		t.Fatal(err)
	}
	felt("healed after cancel", false)
	if e.Target.Link != nil && e.Target.Process != nil {
		if _, ok := e.Target.Process.Running(); !ok {
			t.Error("its process does not run after all")
		}
		pinging, stop := context.WithTimeout(t.Context(), 5*time.Second)
		defer stop()
		ping := chaos.PingRedis
		if e.Target.Name == siteMySQL {
			ping = chaos.PingGreeting
		}
		if err := ping(pinging, e.Target.Link.Addr(), 0); err != nil {
			t.Errorf("it does not answer through its link after all: %v", err)
		}
	}
}

func TestADeathThatNobodyOrderedIsNoticed(t *testing.T) {
	stack, f := rig(t, need(t, testbed.Local, "mariadb"))
	if err := stack.Part(testbed.PartCache).Kill(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := f.died(ctx); err == nil || !strings.Contains(err.Error(), "redis-cache died") {
		t.Errorf("got %v", err)
	}
}
