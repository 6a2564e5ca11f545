package harness

import (
	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/simulator"
	"github.com/lunchrush/lunchrush/simulator/mishap"
)

// unsettle takes hold of the upstreams whose requests are to go wrong.
func (f *faults) unsettle(world *simulator.World) {
	for _, site := range []string{siteWeChat, siteAlipay, siteIdentity} {
		if !f.wanted(site, chaos.OnHTTP) {
			continue
		}
		up := world.Upstream(site)
		f.targets[site].HTTP = &chaos.HTTP{URL: up.URL, Let: func(m chaos.Mishap) (func(), error) {
			if err := mishap.Faults(m).Validate(); err != nil {
				return nil, err
			}
			return up.Dice.Add(mishap.Faults(m)), nil
		}}
	}
}

// requests are the balancer's as faults see them, one by one: of every door but the harness's own.
func (t *town) requests() *chaos.HTTP {
	return &chaos.HTTP{URL: t.balancer.URL(doorPublic), Let: func(m chaos.Mishap) (func(), error) {
		return t.balancer.AddFaults(mishap.Faults(m), doorPublic, doorPolls, doorWeChat, doorAlipay)
	}}
}
