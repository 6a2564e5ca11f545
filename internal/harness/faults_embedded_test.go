package harness

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/service"
)

// What the embedded testbed's parts can not do is refused by name before a run begins, never weakened; what they can do is felt.
func TestFaultsOnTheEmbeddedTestbed(t *testing.T) {
	choice := need(t, testbed.Embedded, "embedded")
	if required := strings.Contains(os.Getenv("LUNCHRUSH_REQUIRE"), "embedded"); !testbed.EngineBuilt() && !required {
		t.Skip("the embedded engine is not built, which takes minutes")
	}
	stack, err := testbed.Start(t.Context(), choice, testbed.Spec{
		RunID: "harness-embedded-test", LogDir: t.TempDir(), Binary: buildStatic(t), // it is the miniredis
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := stack.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	const small = " is a miniredis on the embedded testbed, which has no memory limit and no pause: "
	tests := []struct{ fault, refused string }{
		{"on: redis-cache, inject: evict, limit: 2MB", "redis-cache" + small + "evict it on local or containers"},
		{"on: redis-queue, inject: stall", "redis-queue" + small + "stall it on local or containers"},
		{"on: mysql, inject: kill", "mysql keeps nothing on the embedded testbed when it ends: kill it on local or containers"},
		{"on: mysql, inject: restart", "mysql keeps nothing on the embedded testbed when it ends: restart it on local or containers"},
		{"on: mysql, inject: limit-cpu, cpus: 0.1", "mysql is a process on the embedded testbed, which holds nothing to a limit: limit-cpu it on containers"},
		{"on: redis-cache, inject: flush", ""},
		{"on: redis-queue, inject: kill", ""},
		{"on: mysql, inject: pause", ""},
	}
	for _, tt := range tests {
		t.Run(tt.fault, func(t *testing.T) {
			sc, err := load(`{at: "11:00", for: 1ms, ` + tt.fault + "}")
			if err != nil {
				t.Fatal(err)
			}
			f, err := newFaults(sc)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := f.Close(); err != nil {
					t.Error(err)
				}
			})
			cfg := service.Default()
			cfg.MySQL.DSN = service.Secret(stack.DSN())
			cfg.Redis = service.Redis{Cache: stack.CacheRedis(), Queue: stack.QueueRedis()}
			if err := f.reroute(cfg); err != nil {
				t.Fatal(err)
			}
			err = f.grip(stack)
			switch {
			case tt.refused == "" && err != nil:
				t.Fatal(err)
			case tt.refused == "":
				feltOnlyWhileInjected(t, f.entries[0])
			case err == nil || !strings.Contains(err.Error(), tt.refused):
				t.Errorf("got %v, want %q", err, tt.refused)
			}
		})
	}
}
