package harness

import (
	"errors"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/testbed"
)

// What a scenario's fault can be on. The links are those from the service to that part, but for the service's own, on
// which buyers, channels and machines reach it.
const (
	siteMySQL      = "mysql"
	siteRedisCache = "redis-cache"
	siteRedisQueue = "redis-queue"
	siteWeChat     = "wechat"
	siteAlipay     = "alipay"
	siteIdentity   = "identity"
	siteService    = "service"
	siteBalancer   = "balancer" // of a topology of several processes
)

// Sites are what a fault's on: accepts, and the surfaces that each offers.
func Sites() []chaos.Site {
	return []chaos.Site{
		{Name: siteMySQL, Offers: []chaos.Surface{chaos.OnLink, chaos.OnProcess, chaos.OnDatabase}},
		{Name: siteRedisCache, Offers: []chaos.Surface{chaos.OnLink, chaos.OnProcess, chaos.OnRedis}},
		{Name: siteRedisQueue, Offers: []chaos.Surface{chaos.OnLink, chaos.OnProcess, chaos.OnRedis}},
		{Name: siteWeChat, Offers: []chaos.Surface{chaos.OnLink}},
		{Name: siteAlipay, Offers: []chaos.Surface{chaos.OnLink}},
		{Name: siteIdentity, Offers: []chaos.Surface{chaos.OnLink}},
		{Name: siteService, Offers: []chaos.Surface{chaos.OnLink, chaos.OnProcess}},
		{Name: siteBalancer, Offers: []chaos.Surface{chaos.OnBalancer}},
	}
}

// stackPart is the testbed's name of a site, "" for what it does not run.
func stackPart(site string) testbed.Part {
	return map[string]testbed.Part{
		siteMySQL: testbed.PartMySQL, siteRedisCache: testbed.PartCache, siteRedisQueue: testbed.PartQueue,
	}[site]
}

// checkFault is [scenarios.Known]'s CheckFault.
func checkFault(on, inject string, params map[string]string) (field string, err error) {
	return FieldOf(chaos.Check(Sites(), on, inject, params))
}

// FieldOf takes apart what is wrong with a fault, nil included, the way that [scenarios.Known]'s CheckFault wants it.
func FieldOf(err error) (field string, what error) {
	var m *chaos.Mistake
	if errors.As(err, &m) {
		return m.Field, errors.New(m.What)
	}
	return "inject", err
}
