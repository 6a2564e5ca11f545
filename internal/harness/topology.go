package harness

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
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
	end(ctx context.Context) error
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
	stack    testbed.Stack
	cfg      *service.Config
	topology scenarios.Topology
	hosts    *hosts
	settings scenarios.Balancer
	registry *balancer.Registry
	died     chan error // of an instance that nobody had told to end

	mu        sync.Mutex
	balancer  *balancer.Balancer   // nil until the topology stands; guarded by mu until then
	instances []*instance          // in the order in which they were started; guarded by mu
	places    map[string]*resident // by public address, also of those that are being started; guarded by mu
	spread    spread
}

// An instance is one process of a topology. It keeps its place when it is started again.
type instance struct {
	*part
	resident
}

// A resident is who lives at a place.
type resident struct {
	label, role string // "front-1", "front"
	place       place
	added       bool // while the run went on
	gone        bool // and taken away again; guarded by town.mu
}

// settle starts the processes of a topology, each role wired to those that it calls, and a balancer before them. What was
// started is stopped again when it fails.
func settle(ctx context.Context, stack testbed.Stack, topology scenarios.Topology, settings scenarios.Balancer, cfg *service.Config) (_ *town, _ simulator.Target, err error) {
	t := &town{
		stack: stack, cfg: cfg, topology: topology, settings: settings, died: make(chan error, 1), places: make(map[string]*resident),
	}
	if t.hosts, err = newHosts(); err != nil {
		return nil, simulator.Target{}, err
	}
	if t.registry, err = balancer.NewRegistry(t.join, nil); err != nil {
		return nil, simulator.Target{}, err
	}
	defer func() {
		if err != nil {
			stopCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
			defer cancel()
			err = errors.Join(err, t.end(stopCtx))
		}
	}()
	for _, role := range rolesInOrder {
		for i := range count(topology, role) {
			if _, err := t.startInstance(ctx, role, i+1, newcomer{}); err != nil {
				return t, simulator.Target{}, err
			}
		}
	}
	b, err := t.balance(ctx)
	if err != nil {
		return t, simulator.Target{}, err
	}
	t.mu.Lock()
	t.balancer = b
	t.mu.Unlock()
	t.turn()
	return t, simulator.Target{
		Public: t.balancer.URL(doorPublic), Polls: t.balancer.URL(doorPolls),
		WeChat: t.balancer.URL(doorWeChat), Alipay: t.balancer.URL(doorAlipay), Internal: t.balancer.URL(doorInternal),
		Instances: t.running,
	}, nil
}

// startInstance starts one process at a place of its own and waits until it is ready.
func (t *town) startInstance(ctx context.Context, role string, number int, how newcomer) (*instance, error) {
	at, err := t.hosts.place(role, number)
	if err != nil {
		return nil, err
	}
	i := &instance{resident: resident{label: instanceName(role, number), role: role, place: at, added: how.added}}
	t.mu.Lock()
	t.places[at.public] = &i.resident
	t.mu.Unlock()
	spec, err := t.spec(i.resident, how)
	if err != nil {
		return nil, err
	}
	started, err := t.stack.StartService(ctx, spec)
	if err != nil {
		return nil, fmt.Errorf("starting %s: %w", spec.Name, err)
	}
	if err := waitReady(ctx, started); err != nil {
		return nil, errors.Join(fmt.Errorf("starting %s: %w", spec.Name, err), started.Kill())
	}
	if got := host(started.Public()); got != at.public {
		return nil, errors.Join(fmt.Errorf("%s was told to listen at %s and listens at %s", spec.Name, at.public, got), started.Kill())
	}
	i.part = newPart(&part{
		name: spec.Name, ping: chaos.PingHTTP, died: t.died,
		addr: func(i testbed.Instance) string { return host(i.Public()) },
		halt: func(ctx context.Context, i testbed.Instance) error { return i.Stop(ctx) },
		start: func(ctx context.Context) (testbed.Instance, error) {
			// Its address is the same again; the balancer's checks let it in when it is ready.
			spec, err := i.clocked(spec)
			if err != nil {
				return nil, err
			}
			return t.stack.StartService(ctx, spec)
		},
	}, started)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.instances = append(t.instances, i)
	return i, nil
}

// spec is the process of an instance: its peers are those that were started before it.
func (t *town) spec(r resident, how newcomer) (testbed.ServiceSpec, error) {
	own := *t.cfg
	own.Listen = service.Listen{Public: r.place.public, Internal: r.place.internal}
	own.Peers = service.Peers{Front: t.internals("front"), Shop: t.internals("shop"), Notifier: t.internals("notifier")}
	own.Registry = service.RegistryAccess{URL: t.registry.URL(), Identity: r.label, Hosts: hostsFile(r)}
	if how.image != nil {
		own.Registry.Identity, own.Registry.Hosts = how.image.label, hostsFile(*how.image)
	}
	text, err := marshal(&own)
	if err != nil {
		return testbed.ServiceSpec{}, err
	}
	return testbed.ServiceSpec{
		Name: r.label, Roles: []string{r.role}, Config: text,
		CPUs: t.topology.CPUs, MemoryMiB: t.topology.MemoryMiB,
	}, nil
}

// all are the instances, those of one role when it is not "".
func (t *town) all(role string) []*instance {
	t.mu.Lock()
	defer t.mu.Unlock()
	var list []*instance
	for _, i := range t.instances {
		if role == "" || i.role == role {
			list = append(list, i)
		}
	}
	return list
}

// running are the processes that run at the moment, of every role: also one that hangs, or that is ending and still counts.
func (t *town) running() []simulator.Instance {
	list := []simulator.Instance{}
	for _, i := range t.all("") {
		if since, ok := i.Running(); ok {
			list = append(list, simulator.Instance{Internal: "http://" + i.place.internal, Since: since})
		}
	}
	return list
}

func (t *town) internals(role string) service.URLs {
	var urls service.URLs
	for _, i := range t.all(role) {
		urls = append(urls, "http://"+i.place.internal)
	}
	return urls
}

// usage is what all processes have used together.
func (t *town) usage(ctx context.Context) (cpu time.Duration, rss int64, err error) {
	for _, p := range t.all("") {
		c, r, err := p.usage(ctx)
		if err != nil {
			return 0, 0, err
		}
		cpu, rss = cpu+c, rss+r
	}
	return cpu, rss, nil
}

// outages are the balancer's as faults see them: of every door but the harness's own.
func (t *town) outages() *chaos.Balancer {
	doors := []string{doorPublic, doorPolls, doorWeChat, doorAlipay}
	return &chaos.Balancer{
		Hold:    func() error { return t.balancer.Hold(doors...) },
		HoldAll: func() error { return t.balancer.HoldAll(doors...) },
		Refuse:  func() error { return t.balancer.Refuse(doors...) },
		Heal:    func() error { return t.balancer.Heal(doors...) },
		Address: host(t.balancer.URL(doorPublic)),
	}
}

// end closes the balancer and then stops the processes side by side: each may take seconds to end in order.
func (t *town) end(ctx context.Context) error {
	var errs []error
	if t.balancer != nil {
		errs = append(errs, t.balancer.Close(ctx))
	}
	if t.registry != nil {
		errs = append(errs, t.registry.Close())
	}
	list := t.all("")
	stopped := make([]error, len(list))
	var all sync.WaitGroup
	for n, i := range list {
		all.Go(func() { stopped[n] = i.end(ctx) })
	}
	all.Wait()
	errs = append(errs, stopped...)
	return errors.Join(errs...)
}
