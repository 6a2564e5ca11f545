package harness

import "github.com/lunchrush/lunchrush/service"

// gatePools are the names of the balancer's pools of connections to the gates, WeChat's first: one for each channel, so that
// the one's slowness does not take the other's connections; or, as was (channels.share pool), one for both.
func (t *town) gatePools() []string {
	if t.cfg.Switches.Channels.Share == service.Shared {
		return []string{"gate"}
	}
	return []string{"gate-wechat", "gate-alipay"}
}

// gateConnections bounds each of those pools, together as many as the scenario says; 0 does not.
func (t *town) gateConnections() int {
	n := len(t.gatePools())
	return (t.topology.GateConnections + n - 1) / n
}
