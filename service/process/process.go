package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/httpapi"
	"github.com/lunchrush/lunchrush/service/msgqueue"
	"github.com/lunchrush/lunchrush/service/mysqlstore"
	"github.com/lunchrush/lunchrush/service/rediscache"
)

// The roles.
const (
	Front    = "front"
	Gate     = "gate"
	Shop     = "shop"
	Notifier = "notifier"
	Jobs     = "jobs"
)

// Roles lists the roles that a process may have.
func Roles() []string { return []string{Front, Gate, Shop, Notifier, Jobs} }

// The bounds on clients and on the end.
const (
	readHeaderTimeout = 5 * time.Second
	readTimeout       = 15 * time.Second
	writeTimeout      = 75 * time.Second // the longest poll, and what writing its answer may take
	idleTimeout       = 2 * time.Minute
	maxHeaderBytes    = 16 << 10
	drainTimeout      = 20 * time.Second // for what runs; a second less than Kubernetes' default would leave
	readyTimeout      = 2 * time.Second
	degradedTimeout   = 300 * time.Millisecond // a Redis that hangs must not make the answer late
	startTimeout      = 30 * time.Second
)

// Serve runs a process with the roles until ctx ends, and drains it then. When it listens it writes one line of JSON with
// both addresses to stdout. Its log goes to stderr, as JSON. The error of a process that was told to end is nil.
func Serve(ctx context.Context, cfg *service.Config, roles []string, stdout, stderr io.Writer) error {
	if err := checkRoles(cfg, roles); err != nil {
		return err
	}
	log := slog.New(slog.NewJSONHandler(stderr, nil)).With("roles", roles)
	p, err := newProcess(cfg, roles, log)
	if err != nil {
		return err
	}
	defer p.close()
	return p.run(ctx, stdout)
}

func checkRoles(cfg *service.Config, roles []string) error {
	problems := []error{cfg.Validate()}
	if len(roles) == 0 {
		problems = append(problems, errors.New("no role"))
	}
	has := func(role string) bool { return slices.Contains(roles, role) }
	for _, role := range roles {
		if !slices.Contains(Roles(), role) {
			problems = append(problems, fmt.Errorf("no role %q; there are %v", role, Roles()))
		}
	}
	if has(Gate) && !has(Front) && len(cfg.Peers.Front) == 0 {
		problems = append(problems, errors.New("role gate without front in this process: peers.front must say where it is"))
	}
	if has(Front) && !has(Gate) && cfg.Switches.Front.Prepay == service.ByGate {
		problems = append(problems, errors.New("role front without gate in this process: front.prepay gate asks the gate of the same process"))
	}
	if has(Front) && !has(Shop) && len(cfg.Peers.Shop) == 0 {
		problems = append(problems, errors.New("role front without shop in this process: peers.shop must say where it is"))
	}
	return errors.Join(problems...)
}

// A process is the roles with what they stand on.
type process struct {
	cfg     *service.Config
	log     *slog.Logger
	store   *mysqlstore.Store
	replica *mysqlstore.Store // nil: reads go to store
	cache   *rediscache.Cache
	pushes  *rediscache.PushQueue
	intake  *service.Intake // nil: nothing is taken in
	metrics *service.Metrics
	api     *httpapi.API
	jobs    *service.Jobs
	member  *registration

	mu       sync.Mutex
	migrated error     // why the tables are not there yet; guarded by mu
	asked    time.Time // when somebody last asked whether it is ready; guarded by mu
}

var errNotMigrated = errors.New("not done yet")

func newProcess(cfg *service.Config, roles []string, log *slog.Logger) (*process, error) {
	s := cfg.Switches
	store, err := mysqlstore.New(cfg.MySQL.DSN, s.DB)
	if err != nil {
		return nil, err
	}
	store.VoidedIn = cfg.MySQL.Archive
	p := &process{
		cfg: cfg, log: log, store: store, metrics: service.NewMetrics(), migrated: errNotMigrated,
		cache: rediscache.NewCache(cfg.Redis.Cache), pushes: rediscache.NewPushQueue(cfg.QueueAddress()),
		member: newRegistration(cfg, roles),
	}
	store.Errors = func(number uint16) { p.metrics.Errors.WithLabelValues(strconv.Itoa(int(number))).Inc() }
	var reader service.OrderReader
	if s.Reads == service.Replica {
		if p.replica, err = mysqlstore.New(cfg.MySQL.ReplicaDSN, s.DB); err != nil {
			p.close()
			return nil, err
		}
		p.replica.Errors, reader = store.Errors, p.replica
	}
	out, err := newUpstreams(cfg)
	if err != nil {
		p.close()
		return nil, err
	}
	parts := service.Parts{
		Profile: s, Store: store, Reader: reader, Cache: p.cache, Pushes: p.pushes, Locks: p.pushes.Locks(), Identity: out.identity,
		Channels: service.GuardOrders(out.channels, &s),
		Metrics:  p.metrics, Log: log, Now: cfg.Clock.Now,
	}
	has := func(role string) bool { return slices.Contains(roles, role) }
	p.api = &httpapi.API{
		Shop: service.NewCatalog(parts), Verifiers: out.verifiers, Store: store, Metrics: p.metrics, Log: log, Now: parts.Now,
		TTL: s.Command.TTL, Ready: p.ready, Degraded: p.degraded, Unchecked: s.Ready == service.None, Announced: p.member.announced,
	}
	p.wire(parts, out.risk, has)
	p.callers()
	p.gauges()
	return p, nil
}

// wire makes the roles and connects each to its neighbours, in this process or in others.
func (p *process) wire(parts service.Parts, risk service.Risk, has func(role string) bool) {
	s, peers := &p.cfg.Switches, p.cfg.Peers
	var waker service.Waker
	if has(Notifier) {
		p.api.Notifier = service.NewNotifier(parts)
		p.api.Desk = p.api.Notifier
		waker = p.api.Notifier
	} else if len(peers.Notifier) > 0 {
		waker = httpapi.NewPeer(peers.Notifier, time.Second)
	}
	var callbacks service.CallbackTaker
	if has(Front) {
		queueLen := s.Front.QueueLen
		if s.Front.Queue == service.Unbounded {
			queueLen = -1
		}
		p.api.FrontPool = service.NewPool(s.Front.Workers, queueLen, s.Front.Deadline)
		if s.Admit == service.None {
			p.api.FrontPool.Alike()
		}
		p.api.Unattended = s.Front.Deadline == 0
		var shop service.Shop = p.api.Shop
		if !has(Shop) {
			shop = httpapi.NewPeer(peers.Shop, 2*time.Second)
		}
		p.api.Front = service.NewFront(parts, shop, waker)
		if p.api.Desk == nil {
			p.api.Desk = service.NewNotifier(parts)
		}
		p.api.Bids = service.NewBids(parts, risk)
		p.api.BidPool = service.NewPool(s.Bid.Workers, s.Bid.Workers, s.Front.Deadline)
		p.api.Uploads = service.NewIngest(parts)
		p.api.CallbackPool = p.api.FrontPool
		if s.Callback.Threads == service.Own {
			p.api.CallbackPool = service.NewPool(s.Front.Workers, queueLen, s.Front.Deadline)
		}
		callbacks = pooled{p.api.Front, p.api.CallbackPool, p.metrics}
	}
	if has(Gate) {
		if callbacks == nil {
			callbacks = httpapi.NewPeer(peers.Front, s.Callback.Lease)
		}
		p.api.Gate = service.NewGate(parts, callbacks)
		p.api.GatePools = p.gatePools()
	}
	if has(Jobs) {
		p.jobs = service.NewJobs(parts, waker)
		if in := p.cfg.Intake; in.QueueURL != "" {
			p.intake = service.NewIntake(parts, msgqueue.NewQueue(in.QueueURL), msgqueue.NewMetering(in.MeteringURL))
		}
	}
}

// pooled is the front of this process, with the worker threads that handle callbacks.
type pooled struct {
	front   *service.Front
	pool    *service.Pool
	metrics *service.Metrics
}

// PayCallback waits for one of front's workers.
func (p pooled) PayCallback(ctx context.Context, queueID int64) (result service.CallbackResult, err error) {
	err = p.pool.Do(ctx, service.PaidWork, func() (err error) {
		result, err = p.front.PayCallback(ctx, queueID)
		return err
	})
	if errors.Is(err, service.ErrOverloaded) {
		p.metrics.Shed.WithLabelValues("paid").Inc()
	}
	return result, err
}

func (p *process) run(ctx context.Context, stdout io.Writer) error {
	public, internal, err := p.listen(ctx)
	if err != nil {
		return err
	}
	servers := []*http.Server{p.server(), p.server()}
	servers[0].Handler, servers[1].Handler = p.api.Handlers()
	failed := make(chan error, len(servers))
	for i, l := range []net.Listener{public, internal} {
		go func() {
			if err := servers[i].Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- err
			}
		}()
	}
	line, err := json.Marshal(struct {
		Msg      string `json:"msg"`
		Public   string `json:"public"`
		Internal string `json:"internal"`
	}{"listening", public.Addr().String(), internal.Addr().String()})
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(stdout, "%s\n", line); err != nil {
		return err
	}
	p.log.Info("listening", "public", public.Addr().String(), "internal", internal.Addr().String(), "differs", p.cfg)

	work, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	done := p.start(work)
	go p.member.run(ctx, p, public.Addr().String(), internal.Addr().String())
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	if p.cfg.Switches.Stop.Mode == service.Abrupt {
		return errors.Join(err, p.drop(servers))
	}
	return errors.Join(err, p.drain(servers, stop, done))
}

func (p *process) listen(ctx context.Context) (public, internal net.Listener, err error) {
	var c net.ListenConfig
	if public, err = c.Listen(ctx, "tcp", p.cfg.Listen.Public); err != nil {
		return nil, nil, fmt.Errorf("listen.public: %w", err)
	}
	if internal, err = c.Listen(ctx, "tcp", p.cfg.Listen.Internal); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("listen.internal: %w", err), public.Close())
	}
	return public, internal, nil
}

func (p *process) server() *http.Server {
	return &http.Server{
		ReadHeaderTimeout: readHeaderTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelDebug),
	}
}

// start migrates and then runs the roles' own work. The channel is closed when all of it has ended.
func (p *process) start(ctx context.Context) <-chan struct{} {
	done := make(chan struct{})
	go func() {
		defer close(done)
		if !p.migrate(ctx) {
			return
		}
		var roles sync.WaitGroup
		if p.api.Gate != nil {
			roles.Go(func() { p.api.Gate.Run(ctx) })
		}
		if p.api.Notifier != nil {
			roles.Go(func() { p.api.Notifier.Run(ctx) })
		}
		if p.jobs != nil {
			roles.Go(func() { p.jobs.Run(ctx) })
		}
		if p.intake != nil {
			roles.Go(func() { p.intake.Run(ctx) })
		}
		roles.Wait()
	}()
	return done
}

// migrate tries until the tables are there, or ctx ends. A database that comes later than the service is no reason to
// die: readiness says what is missing.
func (p *process) migrate(ctx context.Context) bool {
	for attempt := 1; ; attempt++ {
		try, cancel := context.WithTimeout(ctx, startTimeout)
		err := p.store.Migrate(try)
		cancel()
		p.mu.Lock()
		p.migrated = err
		p.mu.Unlock()
		if err == nil {
			return true
		}
		p.log.Warn("creating tables", "attempt", attempt, "error", err)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(min(5*time.Second, time.Duration(attempt)*200*time.Millisecond)):
		}
	}
}

// ready tells why the process should get no traffic.
func (p *process) ready(r *http.Request) (reasons []string) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	p.mu.Lock()
	p.asked = time.Now()
	if p.migrated != nil {
		reasons = append(reasons, "migrations: "+p.migrated.Error())
	}
	p.mu.Unlock()
	if reason := p.member.reason(); reason != "" {
		reasons = append(reasons, reason)
	}
	if err := p.store.Ping(ctx); err != nil {
		reasons = append(reasons, "mysql: "+err.Error())
	}
	return reasons
}

// degraded tells what the process works without, though slower: nothing is in a Redis only.
func (p *process) degraded(r *http.Request) (reasons []string) {
	ctx, cancel := context.WithTimeout(r.Context(), degradedTimeout)
	defer cancel()
	var cache, queue error
	var asked sync.WaitGroup
	asked.Go(func() { cache = p.cache.Ping(ctx) })
	asked.Go(func() { queue = p.pushes.Ping(ctx) })
	asked.Wait()
	if cache != nil {
		reasons = append(reasons, "redis cache: "+cache.Error())
	}
	if queue != nil {
		reasons = append(reasons, "redis queue: "+queue.Error())
	}
	return reasons
}

// drain finishes what runs. The balancer sees readiness fail, and polls are answered at once; then the public listener
// closes and its requests end, then the roles take nothing new and their rows end, then the internal listener closes, where
// readiness is asked.
func (p *process) drain(servers []*http.Server, stop context.CancelFunc, done <-chan struct{}) error {
	p.log.Info("draining")
	p.linger()
	p.api.Drain()
	ctx, cancel := context.WithTimeout(context.Background(), drainTimeout)
	defer cancel()
	err := servers[0].Shutdown(ctx)
	stop()
	select {
	case <-done:
	case <-ctx.Done():
		err = errors.Join(err, errors.New("work was still running when the time to drain was over"))
	}
	err = errors.Join(err, servers[1].Shutdown(ctx))
	if err != nil {
		for _, s := range servers {
			_ = s.Close() // nobody waits for them any more
		}
		p.log.Error("not drained", "error", err)
	}
	p.log.Info("ended")
	return err
}

func (p *process) close() {
	closers := []io.Closer{p.store, p.cache, p.pushes}
	if p.replica != nil {
		closers = append(closers, p.replica)
	}
	for _, c := range closers {
		if err := c.Close(); err != nil {
			p.log.Debug("closing", "error", err)
		}
	}
}
