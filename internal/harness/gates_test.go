package harness

import (
	"slices"
	"testing"

	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/service"
)

func TestTheBalancersConnectionsToTheGates(t *testing.T) {
	for _, tt := range []struct {
		name, share       string
		connections, each int
		pools             []string
	}{
		{"as was, one pool for both channels", service.Shared, 24, 24, []string{"gate"}},
		{"a pool for each, together as many", service.Split, 24, 12, []string{"gate-wechat", "gate-alipay"}},
		{"no limit", service.Split, 0, 0, []string{"gate-wechat", "gate-alipay"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := service.Default()
			cfg.Switches.Channels.Share = tt.share
			town := &town{cfg: cfg, topology: scenarios.Topology{GateConnections: tt.connections}}
			if got := town.gatePools(); !slices.Equal(got, tt.pools) || town.gateConnections() != tt.each {
				t.Errorf("pools %v of %d connections, want %v of %d", got, town.gateConnections(), tt.pools, tt.each)
			}
		})
	}
}
