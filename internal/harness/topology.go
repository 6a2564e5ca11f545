package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/simulator"
	"github.com/lunchrush/lunchrush/simulator/balancer"
)

// deployed is the service of a run, whether it is one process or many.
type deployed interface {
	usage(ctx context.Context) (cpu time.Duration, rss int64, err error)
	Stop(ctx context.Context) error
}

// The roles in the order in which their processes are started: each after those that it calls.
var rolesInOrder = []string{"shop", "notifier", "front", "gate", "jobs"}

// count is how many processes of a role a topology asks for: at least one, once it asks for any.
func count(t scenarios.Topology, role string) int {
	return max(1, map[string]int{
		"shop": t.Shop, "notifier": t.Notifier, "front": t.Front, "gate": t.Gate, "jobs": t.Jobs,
	}[role])
}

// several reports whether the roles have processes of their own.
func several(t scenarios.Topology) bool {
	return t.Front+t.Gate+t.Shop+t.Notifier+t.Jobs > 0
}

// describe says how the service is deployed: "one process", "front 2, gate 2, shop 1, notifier 1, jobs 1".
func describe(t scenarios.Topology) string {
	if !several(t) {
		return "one process"
	}
	var parts []string
	for _, role := range rolesInOrder {
		parts = append(parts, fmt.Sprintf("%s %d", role, count(t, role)))
	}
	return strings.Join(parts, ", ")
}

// The balancer's listeners.
const (
	doorPublic   = "public"   // buyers; machines' results and heartbeats
	doorPolls    = "polls"    // machines' long polls
	doorWeChat   = "wechat"   // its notifies
	doorAlipay   = "alipay"   // its notifies
	doorInternal = "internal" // what the harness itself reads
)

// A town is the service as many processes behind a balancer.
type town struct {
	balancer *balancer.Balancer
	parts    []*part
}

// settle starts the processes of a topology, each role wired to those that it calls, and a balancer before them. What was
// started is stopped again when it fails.
func settle(ctx context.Context, stack testbed.Stack, topology scenarios.Topology, cfg *service.Config) (_ *town, _ simulator.Target, err error) {
	t := &town{}
	defer func() {
		if err != nil {
			stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
			defer cancel()
			err = errors.Join(err, t.Stop(stopCtx))
		}
	}()
	started := make(map[string][]testbed.Instance)
	for _, role := range rolesInOrder {
		own := *cfg
		own.Peers = service.Peers{
			Front: internals(started["front"]), Shop: internals(started["shop"]), Notifier: internals(started["notifier"]),
		}
		text, err := marshal(&own)
		if err != nil {
			return t, simulator.Target{}, err
		}
		for i := range count(topology, role) {
			p, err := startOne(ctx, stack, testbed.ServiceSpec{
				Name: fmt.Sprintf("%s-%d", role, i+1), Roles: []string{role}, Config: text,
				CPUs: topology.CPUs, MemoryMiB: topology.MemoryMiB,
			})
			if err != nil {
				return t, simulator.Target{}, err
			}
			t.parts = append(t.parts, p)
			started[role] = append(started[role], p.current())
		}
	}
	if t.balancer, err = balance(ctx, started); err != nil {
		return t, simulator.Target{}, err
	}
	return t, simulator.Target{
		Public: t.balancer.URL(doorPublic), Polls: t.balancer.URL(doorPolls),
		WeChat: t.balancer.URL(doorWeChat), Alipay: t.balancer.URL(doorAlipay), Internal: t.balancer.URL(doorInternal),
	}, nil
}

// startOne starts one process and waits until it is ready.
func startOne(ctx context.Context, stack testbed.Stack, spec testbed.ServiceSpec) (*part, error) {
	i, err := stack.StartService(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	if err := waitReady(ctx, i); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", spec.Name, err), i.Kill())
	}
	return newPart(&part{
		name: spec.Name, ping: chaos.PingHTTP,
		addr: func(i testbed.Instance) string { return host(i.Public()) },
		halt: func(ctx context.Context, i testbed.Instance) error { return i.Stop(ctx) },
	}, i), nil
}

func internals(list []testbed.Instance) service.URLs {
	var urls service.URLs
	for _, i := range list {
		urls = append(urls, i.Internal())
	}
	return urls
}

// balance puts the balancer before the started processes and returns when all of them have passed their check.
func balance(ctx context.Context, started map[string][]testbed.Instance) (*balancer.Balancer, error) {
	pool := func(name, role string, url func(testbed.Instance) string) balancer.Pool {
		p := balancer.Pool{Name: name}
		for i, instance := range started[role] {
			p.Backends = append(p.Backends, balancer.Backend{
				Name: fmt.Sprintf("%s-%d", role, i+1), URL: url(instance), CheckURL: instance.Internal() + "/readyz", Weight: 1,
			})
		}
		return p
	}
	b, err := balancer.New(balancer.Config{
		Listeners: []balancer.Listener{
			{Name: doorPublic, Pool: "front"},
			{Name: doorPolls, Pool: "notifier"},
			{Name: doorWeChat, Pool: "gate-wechat"},
			{Name: doorAlipay, Pool: "gate-alipay"},
			{Name: doorInternal},
		},
		Pools: []balancer.Pool{
			pool("front", "front", testbed.Instance.Public), pool("notifier", "notifier", testbed.Instance.Public),
			// A pool for each channel: the one's slowness must not take the other's connections.
			pool("gate-wechat", "gate", testbed.Instance.Public), pool("gate-alipay", "gate", testbed.Instance.Public),
			pool(doorInternal, "front", testbed.Instance.Internal),
		},
	})
	if err != nil {
		return nil, err
	}
	readyCtx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := b.Ready(readyCtx); err != nil {
		return nil, errors.Join(fmt.Errorf("the balancer's backends: %w", err), b.Close(readyCtx))
	}
	return b, nil
}

// usage is what all processes have used together.
func (t *town) usage(ctx context.Context) (cpu time.Duration, rss int64, err error) {
	for _, p := range t.parts {
		c, r, err := p.usage(ctx)
		if err != nil {
			return 0, 0, err
		}
		cpu, rss = cpu+c, rss+r
	}
	return cpu, rss, nil
}

// shares says how the balancer spread each listener's requests: "public: front-1 50.2 %, front-2 49.8 % of 1,204".
func (t *town) shares() []string {
	var lines []string
	byDoor := make(map[string][]balancer.Share)
	for _, s := range t.balancer.Shares() {
		byDoor[s.Listener] = append(byDoor[s.Listener], s)
	}
	for _, door := range []string{doorPublic, doorPolls, doorWeChat, doorAlipay} {
		var parts []string
		var total uint64
		for _, s := range byDoor[door] {
			parts = append(parts, fmt.Sprintf("%s %.1f %%", s.Backend, 100*s.Share))
			total += s.Requests
		}
		lines = append(lines, fmt.Sprintf("%s: %s of %d requests", door, strings.Join(parts, ", "), total))
	}
	return lines
}

// outages are the balancer's as faults see them: of every door but the harness's own.
func (t *town) outages() *chaos.Balancer {
	doors := []string{doorPublic, doorPolls, doorWeChat, doorAlipay}
	return &chaos.Balancer{
		Hold:    func() error { return t.balancer.Hold(doors...) },
		Refuse:  func() error { return t.balancer.Refuse(doors...) },
		Heal:    func() error { return t.balancer.Heal(doors...) },
		Address: host(t.balancer.URL(doorPublic)),
	}
}

// Stop closes the balancer and then stops the processes, the last that was started first.
func (t *town) Stop(ctx context.Context) error {
	var errs []error
	if t.balancer != nil {
		errs = append(errs, t.balancer.Close(ctx))
	}
	for _, p := range slices.Backward(t.parts) {
		errs = append(errs, p.Stop(ctx))
	}
	return errors.Join(errs...)
}
