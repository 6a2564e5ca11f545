package scenarios

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// A Balancer is what a scenario asks of the load balancer before a topology of several processes.
type Balancer struct {
	SlowStart time.Duration  // how long an instance that has just come in rises from a tenth of its weight to all of it; 0: at once
	Check     time.Duration  // from one health check of an instance to the next; three failures take it out, two passes let it in
	Redial    bool           // a request whose instance can not be dialled goes to the next one; without, it is answered 502
	Weights   map[string]int // of instances by name; 1 for those that are not there, 0 for no requests
}

// slbPrefix begins the switches of the balancer; those without it are the service's.
const slbPrefix = "slb."

// A BalancerSwitch is a setting of the balancer that service and as-was can set, as they set the service's switches.
type BalancerSwitch struct {
	Key, Default, Doc string
}

// BalancerSwitches lists them.
func BalancerSwitches() []BalancerSwitch {
	b := defaultBalancer()
	return []BalancerSwitch{
		{"slb.slow_start", duration(b.SlowStart), "how long an instance that has just come in rises from a tenth of its weight to all of it; off: at once"},
		{"slb.check", duration(b.Check), "from one health check of an instance to the next"},
	}
}

// Figures of ours: ten seconds of slow start; two seconds between checks is HAProxy's default.
func defaultBalancer() Balancer {
	return Balancer{SlowStart: 10 * time.Second, Check: 2 * time.Second, Redial: true}
}

// Set sets one of [BalancerSwitches].
func (b *Balancer) Set(key, text string) error {
	low, into := time.Duration(0), &b.SlowStart
	switch key {
	case "slb.slow_start":
		if text == "off" || text == "none" {
			text = "0s"
		}
	case "slb.check":
		low, into = checkMin, &b.Check
	default:
		var keys []string
		for _, s := range BalancerSwitches() {
			keys = append(keys, s.Key)
		}
		return complain(maybe(key, keys), "the balancer has no such switch")
	}
	d, err := parseDuration(text)
	if err != nil {
		return err
	}
	if d < low || d > checkMax {
		return complain("", "%s is not between %s and %s", text, duration(low), duration(checkMax))
	}
	*into = d
	return nil
}

const (
	checkMin = 50 * time.Millisecond
	checkMax = time.Hour
)

// BalancerOf is the balancer of the hardened or the as-was side: topology.balancer, and the slb switches on top.
func (s *Scenario) BalancerOf(asWas bool) (Balancer, error) {
	b := s.Topology.Balancer
	sides := []map[string]string{s.Service}
	if asWas {
		sides = append(sides, s.AsWas)
	}
	for _, switches := range sides {
		for _, key := range slices.Sorted(maps.Keys(switches)) {
			if !ForBalancer(key) {
				continue
			}
			if err := b.Set(key, switches[key]); err != nil {
				return b, fmt.Errorf("%s: %w", key, err)
			}
		}
	}
	return b, nil
}

// ForBalancer reports whether a switch is the balancer's rather than the service's.
func ForBalancer(key string) bool { return strings.HasPrefix(key, slbPrefix) }

func balancerFields(b *Balancer) []field {
	return []field{
		{"slow_start", false, "How long an instance that has just come in rises from a tenth of its weight to all of it. 0s: at once.", period(&b.SlowStart, 0, checkMax)},
		{"check", false, "From one health check of an instance to the next; three failures take it out, two passes let it in.", period(&b.Check, checkMin, checkMax)},
		{"redial", false, "`no`: a request whose instance can not be dialled is answered 502, as a balancer of the fourth layer would; otherwise the next instance gets it.", yesNo(&b.Redial)},
		{"weights", false, "Weights of instances; the others have 1. 0 is no requests.", weights(&b.Weights)},
	}
}

// weights is a mapping of instances to whole numbers.
func weights(dst *map[string]int) value {
	const wants = "a mapping of instances to weights, such as {front-2: 3}"
	return value{
		wants: wants,
		schema: object{
			"type": "object", "propertyNames": pattern(`(front|gate|notifier)-[1-9][0-9]*`),
			"additionalProperties": object{"type": "integer", "minimum": 0, "maximum": weightMax},
		},
		text: func() string {
			lines := map[string]string{}
			for name, w := range *dst {
				lines[name] = strconv.Itoa(w)
			}
			return pairs(lines)
		},
		read: func(r *reader, n *yaml.Node, path string) {
			r.mapping(n, path, nil, func(k, v *yaml.Node, at string) bool {
				if !namePattern.MatchString(k.Value) {
					return false
				}
				var w int
				numberOf(&w, 0, weightMax).read(r, v, at)
				if *dst == nil {
					*dst = map[string]int{}
				}
				(*dst)[k.Value] = w
				return true
			})
		},
	}
}

const weightMax = 1000

// checkBalancer finds settings of a balancer that is not there, and weights of instances that are not.
func (s *Scenario) checkBalancer(add adder) {
	t := s.Topology
	several := t.Front+t.Gate+t.Shop+t.Notifier+t.Jobs > 0
	for _, block := range []struct {
		path     string
		switches map[string]string
	}{{"service", s.Service}, {"as-was", s.AsWas}} {
		for _, key := range slices.Sorted(maps.Keys(block.switches)) {
			if ForBalancer(key) && !several {
				add(block.path+"."+key, "give a topology of several", "there is no balancer: the service is one process")
			}
		}
	}
	var known []string
	for _, role := range []struct {
		name string
		n    int
	}{{"front", t.Front}, {"gate", t.Gate}, {"notifier", t.Notifier}} {
		for i := range role.n {
			known = append(known, fmt.Sprintf("%s-%d", role.name, i+1))
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t.Balancer.Weights)) {
		if !slices.Contains(known, name) {
			add("topology.balancer.weights."+name, maybe(name, known), "the balancer sends to no such instance")
		}
	}
}
