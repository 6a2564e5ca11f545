package harness

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/simulator"
)

// faults are a scenario's faults with the targets that they break. Only what is to be broken gets a proxy or a connection
// of ours: everything else stays as it is, and costs nothing. Close must be called.
type faults struct {
	board   *chaos.Switchboard
	entries []chaos.Entry
	plans   []runlog.FaultPlan
	targets map[string]*chaos.Target
	wants   map[string][]chaos.Surface // what the faults on a site need of it
	closers []func() error
	parts   []*part

	bystanders []bystander
}

// newFaults understands the scenario's faults; nothing is opened yet.
func newFaults(sc *scenarios.Scenario) (*faults, error) {
	f := &faults{
		board: chaos.NewSwitchboard(), targets: make(map[string]*chaos.Target), wants: make(map[string][]chaos.Surface),
	}
	for i, fault := range sc.Faults {
		if field, err := checkFault(&sc.Topology, fault.On, fault.Inject, fault.Params); err != nil {
			return nil, fmt.Errorf("faults[%d].%s: %w", i, field, err)
		}
		target := f.targets[fault.On]
		if target == nil {
			target = &chaos.Target{Name: fault.On}
			f.targets[fault.On] = target
		}
		f.wants[fault.On] = append(f.wants[fault.On], chaos.SurfaceOf(fault.Inject))
		if err := f.expand(i, fault, target, sc.Occurrences(fault)); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// expand puts a fault on the timeline each time that it begins.
func (f *faults) expand(i int, fault scenarios.Fault, target *chaos.Target, starts []time.Duration) error {
	for n, at := range starts {
		made, err := chaos.New(fault.Inject, fault.Params)
		if err != nil {
			return fmt.Errorf("faults[%d].%w", i, err)
		}
		id := fmt.Sprintf("%d %s on %s", i+1, made, fault.On)
		if len(starts) > 1 {
			id += fmt.Sprintf(" (%d of %d)", n+1, len(starts))
		}
		entry := chaos.Entry{ID: id, Kind: fault.Inject, Fault: made, Target: target, At: at, For: fault.For}
		for _, other := range f.entries {
			if chaos.Clash(entry, other) {
				return fmt.Errorf("faults[%d]: %s and %s act on %s at the same time: each would undo the other", i, id, other.ID, fault.On)
			}
		}
		f.entries = append(f.entries, entry)
		f.plans = append(f.plans, runlog.FaultPlan{
			ID: id, What: made.String(), On: fault.On, FromNS: int64(at), ForNS: int64(fault.For),
		})
	}
	return nil
}

// Close ends every link and connection.
func (f *faults) Close() error {
	var failed []error
	for _, c := range slices.Backward(f.closers) {
		failed = append(failed, c())
	}
	return errors.Join(append(failed, f.board.Close())...)
}

func (f *faults) wanted(site string, any ...chaos.Surface) bool {
	return slices.ContainsFunc(f.wants[site], func(s chaos.Surface) bool { return slices.Contains(any, s) })
}

// open puts a proxy on a link if it is to be broken, or if the part behind it may come back elsewhere, and returns where
// to dial now.
func (f *faults) open(site, addr string, ping chaos.Ping) (string, error) {
	if !f.wanted(site, chaos.OnLink, chaos.OnProcess, chaos.OnContainer, chaos.OnClock) {
		return addr, nil
	}
	link, err := f.board.Open(site, addr, ping)
	if err != nil {
		return "", err
	}
	f.targets[site].Link = link
	return link.Addr(), nil
}

// reroute sends the service's own links through the proxies of those that are to be broken.
func (f *faults) reroute(cfg *service.Config) error {
	dsn, err := mysql.ParseDSN(string(cfg.MySQL.DSN))
	if err != nil {
		return fmt.Errorf("reading the database's address: %w", err)
	}
	if dsn.Addr, err = f.open(siteMySQL, dsn.Addr, chaos.PingGreeting); err != nil {
		return err
	}
	cfg.MySQL.DSN = service.Secret(dsn.FormatDSN())
	if err := f.rerouteReplica(cfg); err != nil {
		return err
	}
	if cfg.Redis.Cache, err = f.open(siteRedisCache, cfg.Redis.Cache, chaos.PingRedis); err != nil {
		return err
	}
	if cfg.Redis.Queue, err = f.open(siteRedisQueue, cfg.Redis.Queue, chaos.PingRedis); err != nil {
		return err
	}
	for _, upstream := range []struct {
		site string
		url  *string
	}{{siteWeChat, &cfg.WeChat.BaseURL}, {siteAlipay, &cfg.Alipay.BaseURL}, {siteIdentity, &cfg.Identity.URL}} {
		if *upstream.url, err = f.openURL(upstream.site, *upstream.url); err != nil {
			return err
		}
	}
	return nil
}

// openURL is open for a base URL.
func (f *faults) openURL(site, base string) (string, error) {
	if !f.wanted(site, chaos.OnLink, chaos.OnProcess, chaos.OnContainer, chaos.OnClock) {
		return base, nil
	}
	u, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	if u.Host, err = f.open(site, u.Host, chaos.PingHTTP); err != nil {
		return "", err
	}
	return u.String(), nil
}

// grip takes hold of the stack's parts that are to be broken, and watches the others.
func (f *faults) grip(stack testbed.Stack) error {
	for _, e := range f.entries {
		if err := unable(stack, e.Target.Name, e.Kind); err != nil {
			return err
		}
	}
	for site, target := range f.targets {
		name := stackPart(site)
		if f.wanted(site, chaos.OnProcess, chaos.OnContainer) && name != "" {
			p, err := groundPart(stack, site, target.Link)
			if err != nil {
				return err
			}
			target.Process, target.Container = p, p
			f.parts = append(f.parts, p)
		}
		if f.wanted(site, chaos.OnReplica) {
			r, err := openReplication(stack)
			if err != nil {
				return err
			}
			target.Replication = r
			f.closers = append(f.closers, r.Primary.Close, r.Replica.Close)
		}
		if f.wanted(site, chaos.OnRedis) {
			target.Redis = stack.CacheRedis
			if site == siteRedisQueue {
				target.Redis = stack.QueueRedis
			}
		}
		if f.wanted(site, chaos.OnDatabase) {
			db, err := openDatabase(stack)
			if err != nil {
				return err
			}
			target.Database = db
			f.closers = append(f.closers, db.Admin.Close, db.User.Close)
		}
	}
	f.attend(stack)
	return nil
}

// openDatabase opens the fault's own ways into the database, beside any link.
func openDatabase(stack testbed.Stack) (*chaos.Database, error) {
	lender, ok := stack.(testbed.Administrator)
	if !ok {
		return nil, fmt.Errorf("the %s testbed lends nobody its administrator", stack.Name())
	}
	admin, err := sql.Open("mysql", lender.AdminDSN())
	if err != nil {
		return nil, fmt.Errorf("the administrator's connection: %w", err)
	}
	user, err := sql.Open("mysql", stack.DSN())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("the user's connection: %w", err), admin.Close())
	}
	for _, db := range []*sql.DB{admin, user} {
		db.SetMaxIdleConns(1) // kept ones would count among those that the service may have
		db.SetConnMaxIdleTime(time.Second)
	}
	return &chaos.Database{Admin: admin, User: user}, nil
}

// groundPart is a database or a Redis as faults see it.
func groundPart(stack testbed.Stack, site string, link *chaos.Link) (*part, error) {
	name := stackPart(site)
	again, ok := stack.(testbed.Restarter)
	i := stack.Part(name)
	if !ok || i == nil {
		return nil, fmt.Errorf("the %s testbed cannot start %s again", stack.Name(), site)
	}
	ping := chaos.PingRedis
	if site == siteMySQL {
		ping = chaos.PingGreeting
	}
	return newPart(&part{
		name: site, ping: ping,
		addr: func(testbed.Instance) string { return link.Upstream() },
		halt: func(ctx context.Context, _ testbed.Instance) error { return again.Halt(ctx, name) },
		start: func(ctx context.Context) (testbed.Instance, error) {
			i, addr, err := again.Restart(ctx, name)
			if err != nil {
				return nil, err
			}
			return i, link.Move(addr)
		},
	}, i), nil
}

// servicePart is the service as faults see it. When it may be started again, internal is moved with it: the harness reads
// the service's own book there.
func (f *faults) servicePart(stack testbed.Stack, spec testbed.ServiceSpec, i testbed.Instance, internal *chaos.Link) *part {
	var p *part
	p = newPart(&part{
		name: siteService, ping: chaos.PingHTTP,
		addr: func(i testbed.Instance) string { return host(i.Public()) },
		halt: func(ctx context.Context, i testbed.Instance) error { return i.Stop(ctx) },
		start: func(ctx context.Context) (testbed.Instance, error) {
			spec, err := p.clocked(spec)
			if err != nil {
				return nil, err
			}
			i, err := stack.StartService(ctx, spec)
			if err != nil {
				return nil, err
			}
			return i, errors.Join(f.targets[siteService].Link.Move(host(i.Public())), internal.Move(host(i.Internal())))
		},
	}, i)
	f.parts = append(f.parts, p)
	return p
}

// face puts the proxies in front of a started service and returns where to reach it now.
func (f *faults) face(stack testbed.Stack, spec testbed.ServiceSpec, i testbed.Instance) (p *part, t simulator.Target, err error) {
	public, err := f.openURL(siteService, i.Public())
	if err != nil {
		return nil, t, err
	}
	t = simulator.Target{Public: public, Internal: i.Internal()}
	if !f.wanted(siteService, chaos.OnProcess, chaos.OnContainer, chaos.OnClock) {
		return f.servicePart(stack, spec, i, nil), t, nil
	}
	internal, err := f.board.Open("service-internal", host(i.Internal()), chaos.PingHTTP)
	if err != nil {
		return nil, t, err
	}
	t.Internal = "http://" + internal.Addr()
	p = f.servicePart(stack, spec, i, internal)
	target := f.targets[siteService]
	target.Process, target.Container, target.Clock = p, p, p.clock()
	return p, t, nil
}

// host is the address in a base URL; what the testbed hands out is one.
func host(base string) string {
	u, err := url.Parse(base)
	if err != nil {
		return base
	}
	return u.Host
}

// seize takes hold of a topology's processes and of its balancer.
func (f *faults) seize(t *town) error {
	for _, i := range t.all("") {
		f.parts = append(f.parts, i.part)
	}
	for site, target := range f.targets {
		switch {
		case site == siteBalancer:
			target.Balancer, target.HTTP = t.outages(), t.requests()
		case instanceSite.MatchString(site):
			list := t.all("")
			at := slices.IndexFunc(list, func(i *instance) bool { return i.label == site })
			if at < 0 {
				return fmt.Errorf("there is no %s", site)
			}
			p := list[at].part
			target.Process, target.Container, target.Clock, target.Warmth = p, p, p.clock(), t.warmth(list[at])
		case slices.Contains(behindBalancer, site):
			target.Role = t.role(site)
		}
	}
	return nil
}

// died returns the first part's death that no fault has ordered.
func (f *faults) died(ctx context.Context) error {
	deaths := make(chan error, len(f.parts)+len(f.bystanders))
	for _, b := range f.bystanders {
		go func() {
			if err := b.death(ctx); err != nil {
				deaths <- err
			}
		}()
	}
	for _, p := range f.parts {
		go func() {
			select {
			case err := <-p.died:
				deaths <- err
			case <-ctx.Done():
			}
		}()
	}
	select {
	case err := <-deaths:
		return err
	case <-ctx.Done():
		return nil
	}
}

// play injects and heals the faults at their moments of the plan, and books each step.
func (f *faults) play(ctx context.Context, c *chronicler) error {
	return chaos.PlayBy(ctx, f.entries, c.world.Await, c)
}

// A chronicler books what happens to the faults, and remembers it for those who watch.
type chronicler struct {
	world *simulator.World
	log   *runlog.Writer
	seen  *faultBoard
}

func (c *chronicler) book(r runlog.Record) {
	r.At = int64(c.world.Now())
	c.log.Book(r)
}

// Injected implements chaos.Witness.
func (c *chronicler) Injected(e chaos.Entry) {
	c.book(runlog.Record{Event: runlog.FaultOn, ID: e.ID, Note: e.Fault.String()})
	c.seen.on(e.ID, c.world.Now())
}

// Felt implements chaos.Witness.
func (c *chronicler) Felt(e chaos.Entry, evidence chaos.Evidence) {
	c.book(runlog.Record{Event: runlog.FaultFelt, ID: e.ID, OK: evidence.Felt, Note: evidence.Text})
	c.seen.felt(e.ID, evidence)
}

// Healed implements chaos.Witness.
func (c *chronicler) Healed(e chaos.Entry, err error) {
	note := ""
	if err != nil {
		note = "not healed: " + err.Error()
	}
	c.book(runlog.Record{Event: runlog.FaultOff, ID: e.ID, Note: note})
	c.seen.off(e.ID, c.world.Now(), note)
}
