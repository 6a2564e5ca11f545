package harness

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/scenarios"
)

// What a scenario's fault can be on. The links are those from the service to that part, but for the service's own, on
// which buyers, channels and machines reach it.
const (
	siteMySQL      = "mysql"
	siteReplica    = "mysql-replica" // where needs: [replica]
	siteRedisCache = "redis-cache"
	siteRedisQueue = "redis-queue"
	siteWeChat     = "wechat"
	siteAlipay     = "alipay"
	siteIdentity   = "identity"
	siteService    = "service"  // one process with every role
	siteBalancer   = "balancer" // of a topology of several processes
)

// instanceSite is the name of one process of a topology: a role and its number, from 1.
var instanceSite = regexp.MustCompile(`^(front|gate|shop|notifier|jobs)-([1-9][0-9]{0,2})$`)

// What single processes of a topology offer.
var instanceOffers = []chaos.Surface{chaos.OnProcess, chaos.OnContainer, chaos.OnClock, chaos.OnInstance}

// behindBalancer are the roles whose instances the balancer sends to: one more of them can be added while a run goes on.
var behindBalancer = []string{"front", "gate", "notifier"}

// ground are the sites that every run has.
func ground() []chaos.Site {
	return []chaos.Site{
		{Name: siteMySQL, Offers: []chaos.Surface{chaos.OnLink, chaos.OnProcess, chaos.OnContainer, chaos.OnDatabase}},
		{Name: siteReplica, Offers: []chaos.Surface{chaos.OnLink, chaos.OnReplica}},
		{Name: siteRedisCache, Offers: []chaos.Surface{chaos.OnLink, chaos.OnProcess, chaos.OnContainer, chaos.OnRedis}},
		{Name: siteRedisQueue, Offers: []chaos.Surface{chaos.OnLink, chaos.OnProcess, chaos.OnContainer, chaos.OnRedis}},
		{Name: siteWeChat, Offers: []chaos.Surface{chaos.OnLink, chaos.OnHTTP}},
		{Name: siteAlipay, Offers: []chaos.Surface{chaos.OnLink, chaos.OnHTTP}},
		{Name: siteIdentity, Offers: []chaos.Surface{chaos.OnLink, chaos.OnHTTP}},
	}
}

var (
	serviceSite  = chaos.Site{Name: siteService, Offers: []chaos.Surface{chaos.OnLink, chaos.OnProcess, chaos.OnContainer, chaos.OnClock}}
	balancerSite = chaos.Site{Name: siteBalancer, Offers: []chaos.Surface{chaos.OnBalancer, chaos.OnHTTP}}
)

// Sites are what a fault's on: accepts in one topology or another, and the surfaces that each offers. One instance stands
// for all: front-1.
func Sites() []chaos.Site {
	sites := append(ground(), serviceSite, chaos.Site{Name: "front-1", Offers: instanceOffers}, balancerSite)
	return append(sites, roleSites()...)
}

// sitesOf are the sites of one topology.
func sitesOf(t scenarios.Topology) []chaos.Site {
	if !several(t) {
		return append(ground(), serviceSite)
	}
	sites := ground()
	for _, role := range rolesInOrder {
		for i := range count(t, role) {
			sites = append(sites, chaos.Site{Name: instanceName(role, i+1), Offers: instanceOffers})
		}
	}
	return append(append(sites, balancerSite), roleSites()...)
}

func roleSites() []chaos.Site {
	var sites []chaos.Site
	for _, role := range behindBalancer {
		sites = append(sites, chaos.Site{Name: role, Offers: []chaos.Surface{chaos.OnRole}})
	}
	return sites
}

func instanceName(role string, number int) string { return fmt.Sprintf("%s-%d", role, number) }

// stackPart is the testbed's name of a site, "" for what it does not run.
func stackPart(site string) testbed.Part {
	return map[string]testbed.Part{
		siteMySQL: testbed.PartMySQL, siteRedisCache: testbed.PartCache, siteRedisQueue: testbed.PartQueue,
	}[site]
}

// checkFault is [scenarios.Known]'s CheckFault. A fault that comes on top of a scenario is looked at before the topology
// is known: any instance's name will do then, and [Check] looks again.
func checkFault(t *scenarios.Topology, on, inject string, params map[string]string) (field string, err error) {
	sites := Sites()
	switch {
	case t != nil:
		sites = sitesOf(*t)
	case instanceSite.MatchString(on) && !slices.ContainsFunc(sites, func(s chaos.Site) bool { return s.Name == on }):
		sites = append(sites, chaos.Site{Name: on, Offers: instanceOffers})
	}
	field, err = FieldOf(chaos.Check(sites, on, inject, params))
	if field != "on" || t == nil {
		return field, err
	}
	switch {
	case on == siteService && several(*t):
		return field, errors.New("service is for a topology of one process; here there are instances, such as front-1")
	case !several(*t) && (on == siteBalancer || slices.Contains(behindBalancer, on) || instanceSite.MatchString(on)):
		return field, fmt.Errorf("there is no %s: the service is one process here; give a topology of several", on)
	}
	return field, err
}

// FieldOf takes apart what is wrong with a fault, nil included, the way that [scenarios.Known]'s CheckFault wants it.
func FieldOf(err error) (field string, what error) {
	var m *chaos.Mistake
	if errors.As(err, &m) {
		return m.Field, errors.New(m.What)
	}
	return "inject", err
}
