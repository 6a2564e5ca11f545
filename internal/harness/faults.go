package harness

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/simulator"
)

// The links that a scenario's fault can be on. Each is the link from the service to that part, but for linkService, on
// which buyers, channels and machines reach the service.
const (
	linkMySQL      = "mysql"
	linkRedisCache = "redis-cache"
	linkRedisQueue = "redis-queue"
	linkWeChat     = "wechat"
	linkAlipay     = "alipay"
	linkIdentity   = "identity"
	linkService    = "service"
)

// Links are the names that a fault's on: accepts.
func Links() []string {
	return []string{linkMySQL, linkRedisCache, linkRedisQueue, linkWeChat, linkAlipay, linkIdentity, linkService}
}

// faults are a scenario's faults with the links they break. Only links that are to be broken run through a proxy: the
// others stay as they are, and cost nothing.
type faults struct {
	board   *chaos.Switchboard
	entries []chaos.Entry
	plans   []runlog.FaultPlan
	named   map[string][]int // link name -> its entries
}

// newFaults understands the scenario's faults; nothing is opened yet.
func newFaults(sc *scenarios.Scenario) (*faults, error) {
	f := &faults{board: chaos.NewSwitchboard(), named: make(map[string][]int)}
	for i, fault := range sc.Faults {
		if !slices.Contains(Links(), fault.On) {
			return nil, fmt.Errorf("faults[%d].on: no such link: %q; there are %s", i, fault.On, strings.Join(Links(), ", "))
		}
		made, err := chaos.New(fault.Inject, fault.Params)
		if err != nil {
			return nil, fmt.Errorf("faults[%d].%w", i, err)
		}
		id := fmt.Sprintf("%d %s on %s", i+1, made, fault.On)
		at := sc.At(fault.At)
		f.named[fault.On] = append(f.named[fault.On], len(f.entries))
		f.entries = append(f.entries, chaos.Entry{ID: id, Fault: made, At: at, For: fault.For})
		f.plans = append(f.plans, runlog.FaultPlan{
			ID: id, What: made.String(), On: fault.On, FromNS: int64(at), ForNS: int64(fault.For),
		})
	}
	return f, nil
}

// open puts a proxy on a link if it is to be broken, and returns where to dial now.
func (f *faults) open(name, addr string, ping chaos.Ping) (string, error) {
	broken := f.named[name]
	if len(broken) == 0 {
		return addr, nil
	}
	link, err := f.board.Open(name, addr, ping)
	if err != nil {
		return "", err
	}
	for _, i := range broken {
		f.entries[i].Link = link
	}
	return link.Addr(), nil
}

// reroute sends the service's own links through the proxies of those that are to be broken.
func (f *faults) reroute(cfg *service.Config) error {
	dsn, err := mysql.ParseDSN(string(cfg.MySQL.DSN))
	if err != nil {
		return fmt.Errorf("reading the database's address: %w", err)
	}
	if dsn.Addr, err = f.open(linkMySQL, dsn.Addr, chaos.PingGreeting); err != nil {
		return err
	}
	cfg.MySQL.DSN = service.Secret(dsn.FormatDSN())
	if cfg.Redis.Cache, err = f.open(linkRedisCache, cfg.Redis.Cache, chaos.PingRedis); err != nil {
		return err
	}
	if cfg.Redis.Queue, err = f.open(linkRedisQueue, cfg.Redis.Queue, chaos.PingRedis); err != nil {
		return err
	}
	for _, upstream := range []struct {
		link string
		url  *string
	}{{linkWeChat, &cfg.WeChat.BaseURL}, {linkAlipay, &cfg.Alipay.BaseURL}, {linkIdentity, &cfg.Identity.URL}} {
		if *upstream.url, err = f.openURL(upstream.link, *upstream.url); err != nil {
			return err
		}
	}
	return nil
}

// openURL is open for a base URL.
func (f *faults) openURL(name, base string) (string, error) {
	if len(f.named[name]) == 0 {
		return base, nil
	}
	u, err := url.Parse(base)
	if err != nil {
		return "", err
	}
	if u.Host, err = f.open(name, u.Host, chaos.PingHTTP); err != nil {
		return "", err
	}
	return u.String(), nil
}

// play injects and heals the faults of a plan whose zero is at from, a moment of the run, and books each step.
func (f *faults) play(ctx context.Context, world *simulator.World, from time.Duration, log *runlog.Writer) error {
	wait := time.NewTimer(from - world.Now())
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-ctx.Done():
		return nil
	}
	return chaos.Play(ctx, f.entries, &chronicler{world: world, log: log})
}

// A chronicler books what happens to the faults.
type chronicler struct {
	world *simulator.World
	log   *runlog.Writer
}

func (c *chronicler) book(r runlog.Record) {
	r.At = int64(c.world.Now())
	c.log.Book(r)
}

// Injected implements chaos.Witness.
func (c *chronicler) Injected(e chaos.Entry) {
	c.book(runlog.Record{Event: runlog.FaultOn, ID: e.ID, Note: e.Fault.String()})
}

// Felt implements chaos.Witness.
func (c *chronicler) Felt(e chaos.Entry, evidence chaos.Evidence) {
	c.book(runlog.Record{Event: runlog.FaultFelt, ID: e.ID, OK: evidence.Felt, Note: evidence.Text})
}

// Healed implements chaos.Witness.
func (c *chronicler) Healed(e chaos.Entry, err error) {
	note := ""
	if err != nil {
		note = "not healed: " + err.Error()
	}
	c.book(runlog.Record{Event: runlog.FaultOff, ID: e.ID, Note: note})
}
