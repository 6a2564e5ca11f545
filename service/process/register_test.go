package process_test

import (
	"context"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/process"
	"github.com/lunchrush/lunchrush/service/servicetest"
	"github.com/lunchrush/lunchrush/simulator/balancer"
)

// A clone of a living server, its host name and hosts file included, is found at its own address; as was, it says the old
// server's, and thinks that all is well.
func TestACloneOfALivingServerIsFoundAtItsOwnAddress(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("servers of this test have loopback addresses of their own, which Linux gives")
	}
	for _, tt := range []struct{ address, host, identity string }{
		{service.Self, "127.0.3.2", "front-1.127-0-3-2-"},
		{service.HostsFile, "127.0.3.1", "front-1"},
	} {
		t.Run(tt.address, func(t *testing.T) {
			var mu sync.Mutex
			var members []balancer.Member
			r, err := balancer.NewRegistry(func(m balancer.Member, _ bool) error {
				mu.Lock()
				defer mu.Unlock()
				members = append(members, m)
				return nil
			}, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = r.Close() })
			_, town := servicetest.NewConfig(t)
			town.Config.Switches.Registry.Address = tt.address
			town.Config.Registry = service.RegistryAccess{URL: r.URL(), Identity: "front-1", Hosts: "127.0.3.1 front-1\n"}
			clone := town.Sibling()
			town.Config.Listen = service.Listen{Public: "127.0.3.1:0", Internal: "127.0.3.1:0"}
			clone.Config.Listen = service.Listen{Public: "127.0.3.2:0", Internal: "127.0.3.2:0"}
			town.Run(process.Roles()...)
			clone.Run(process.Roles()...)
			var last balancer.Member
			servicetest.Eventually(t, 10*time.Second, "two announcements", func() bool {
				mu.Lock()
				defer mu.Unlock()
				if len(members) < 2 {
					return false
				}
				last = members[1]
				return true
			})
			if !strings.HasPrefix(last.Public, tt.host+":") || !strings.HasPrefix(last.Identity, tt.identity) {
				t.Errorf("the clone is known as %+v, want %s... at %s", last, tt.identity, tt.host)
			}
		})
	}
}

// A server that the registry has not taken gets no traffic from anywhere: it says that it is not ready.
func TestAServerThatNobodyKnowsIsNotReady(t *testing.T) {
	c, town := servicetest.NewConfig(t)
	c.Registry = service.RegistryAccess{URL: "http://127.0.0.1:1", Identity: "front-1"}
	town.Listen(context.Background(), process.Roles()...)
	servicetest.Eventually(t, 20*time.Second, "nothing else missing", func() bool {
		_, body := town.Do("GET", town.Internal+"/readyz", nil)
		return strings.Contains(body, "registry: ") && !strings.Contains(body, "mysql") && !strings.Contains(body, "migrations")
	})
	if status, _ := town.Do("GET", town.Internal+"/readyz", nil); status != 503 {
		t.Errorf("readyz: %d", status)
	}
}
