package simulator

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/internal/stats"
)

const (
	watchEvery    = time.Second
	intervalEvery = 10 * time.Second
	scrapeTimeout = 800 * time.Millisecond // less than watchEvery: a dead service must not cost a row
)

// A watch writes a row of metrics.csv each second, and an interval of the latency log every ten. A service that does not
// answer leaves unknowns (-1) in the row, never a gap in the rows.
type watch struct {
	w      *World
	scrape time.Duration // how long the service may think about one row's questions; tests change it before run
	err    error         // the first of writing; read after run
	census *census       // of a service of several processes; used by run only

	// Of the row before, for differences. Used by run only.
	at      time.Duration
	counts  TimelineCounts
	crowded float64
	sum     ledgerSum
	cpu     time.Duration
	service time.Duration
	logged  time.Duration
	warmed  bool // the warm-up is over and its latencies are gone

	meter meter // of the service

	mu   sync.Mutex
	last runlog.Sample // guarded by mu
	rows int           // guarded by mu
}

func newWatch(w *World) *watch {
	return &watch{w: w, scrape: scrapeTimeout, census: newCensus(), meter: meter{ask: w.cfg.ServiceUsage}}
}

// run watches until ctx ends, and once more then. The row that is being asked for when ctx ends is finished: it would
// have unknowns otherwise that are none.
func (o *watch) run(ctx context.Context, client *http.Client, target Target) {
	o.at = o.w.Now()
	o.logged = o.at
	o.crowded = o.w.timeline.Crowded()
	o.cpu, _ = ownUsage()
	asking := context.WithoutCancel(ctx)
	o.service = o.used(asking)
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			o.row(asking, client, target, false)
		case <-ctx.Done():
			o.row(asking, client, target, true)
			return
		}
	}
}

// row writes one row.
func (o *watch) row(ctx context.Context, client *http.Client, target Target, last bool) {
	now := o.w.Now()
	seconds := (now - o.at).Seconds()
	o.w.mu.Lock()
	s := runlog.Sample{AtNS: int64(now), Phase: o.w.phase}
	warm := o.w.warm
	o.w.mu.Unlock()
	if warm > 0 && !o.warmed && o.at >= warm {
		o.warmed = true
		o.w.latency.Discard(o.at)
		o.logged = o.at
	}

	var counts TimelineCounts
	kinds := o.w.timeline.Counts()
	for _, c := range kinds {
		counts.Offered += c.Offered
		counts.Sent += c.Sent
		counts.OK += c.OK
		counts.Failed += c.Failed
	}
	sum := o.w.ledger.totals()
	s.Offered, s.Sent = counts.Offered-o.counts.Offered, counts.Sent-o.counts.Sent
	s.OK, s.Failed = counts.OK-o.counts.OK, counts.Failed-o.counts.Failed
	s.InFlight = o.w.timeline.InFlight()
	crowded := o.w.timeline.Crowded()
	if seconds > 0 {
		s.InFlightMean = max(0, crowded-o.crowded) / seconds
	}
	o.crowded = crowded
	s.Creates, s.Paid = sum.Creates-o.sum.Creates, sum.Paid-o.sum.Paid
	s.Dropped, s.Refunds = sum.InTime-o.sum.InTime, sum.Refunds-o.sum.Refunds
	s.Open, s.LossSoFar = sum.Open, sum.Losses
	cpu, _ := ownUsage()
	s.HarnessCPU = (cpu - o.cpu).Seconds() / seconds
	o.counts, o.sum, o.cpu = counts, sum, cpu

	times, err := o.w.latency.Second()
	o.keep(err)
	s.CreateP50MS, s.CreateP99MS = quantileMS(times[SendCreate+"."+TimeResponse], 0.5), quantileMS(times[SendCreate+"."+TimeResponse], 0.99)
	s.NotifyP50MS, s.NotifyP99MS = quantileMS(times[SendNotify+"."+TimeResponse], 0.5), quantileMS(times[SendNotify+"."+TimeResponse], 0.99)
	s.LatenessP99 = o.lateness(times)
	if (last || now-o.logged >= intervalEvery) && (warm == 0 || o.warmed) {
		o.keep(o.w.latency.Interval(now))
		o.logged = now
		if !last {
			o.keep(o.flush())
		}
	}
	o.ask(ctx, client, target, &s, seconds, last)
	o.at = now

	o.keep(o.w.cfg.Log.Sample(s))
	if o.w.cfg.Sampled != nil {
		o.w.cfg.Sampled(Second{Sample: s, Kinds: kinds, Times: times})
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.last = s
	o.rows++
}

func (o *watch) keep(err error) {
	if o.err == nil {
		o.err = err
	}
}

// flush hands what the latency log buffers to the system, so that a killed run has its intervals.
func (o *watch) flush() error {
	if f, ok := o.w.latencyFile.(interface{ Flush() error }); ok {
		return f.Flush()
	}
	return nil
}

// lateness is the p99 over all kinds, in ms.
func (o *watch) lateness(times map[string]*hdr.Histogram) float64 {
	all := map[string]*hdr.Histogram{}
	for tag, h := range times {
		if strings.HasSuffix(tag, "."+TimeLateness) {
			o.keep(merge(all, TimeLateness, h))
		}
	}
	return quantileMS(all[TimeLateness], 0.99)
}

// quantileMS is a percentile in ms, -1 of nothing.
func quantileMS(h *hdr.Histogram, q float64) float64 {
	if h == nil || h.TotalCount() == 0 {
		return -1
	}
	return float64(stats.Quantile(h, q)) / 1e6
}

// ask asks the service and the system how the service is. All questions are asked side by side.
func (o *watch) ask(ctx context.Context, client *http.Client, target Target, s *runlog.Sample, seconds float64, last bool) {
	ctx, cancel := context.WithTimeout(ctx, o.scrape)
	defer cancel()
	s.Backlog, s.BacklogAge, s.Goroutines, s.DBInUse = -1, -1, -1, -1
	unknownPools(s)
	(&serviceMetrics{counted: noCounters}).count(s)
	if o.w.identity != nil {
		id := o.w.identity.load()
		s.IdentityBusy, s.IdentityWaiting, s.IdentityLimit = id.busy, id.waiting, id.limit
	}
	unknownBinds.fill(s)
	var all sync.WaitGroup
	all.Go(func() {
		if b, err := askBacklog(ctx, client, target.Internal); err == nil {
			s.Backlog, s.BacklogAge = b.Waiting, float64(b.OldestMS)/1e3
		}
	})
	all.Go(func() {
		if m, ok := o.metrics(ctx, client, target, last); ok {
			s.Goroutines, s.DBInUse = m.goroutines, m.dbInUse
			m.fill(s)
			m.count(s)
			m.binds.fill(s)
		}
	})
	s.ServiceCPU, s.ServiceRSS = -1, -1
	all.Go(func() {
		used, err := o.meter.read(ctx)
		if err != nil {
			return
		}
		s.ServiceRSS = used.rss
		if !used.anew {
			s.ServiceCPU = (used.cpu - o.service).Seconds() / seconds
		}
		o.service = used.cpu
	})
	all.Wait()
}

// metrics are those of the whole service, not ok when nobody answers. A single process is taken at its word.
func (o *watch) metrics(ctx context.Context, client *http.Client, target Target, last bool) (m serviceMetrics, ok bool) {
	if target.Instances == nil {
		m, err := askMetrics(ctx, client, target.Internal)
		return m, err == nil
	}
	asked := target.Instances()
	told := askInstances(ctx, client, asked)
	return o.census.take(asked, told, last), len(told) > 0
}

// cost fills in what was used so far.
func (o *watch) cost(g *runlog.GeneratorCost) {
	_, g.MaxRSS = ownUsage()
	g.ServiceRSS = o.meter.mostResident()
}

// used is the service's processor time up to now; 0 when it is not known.
func (o *watch) used(ctx context.Context) time.Duration {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), o.scrape)
	defer cancel()
	used, _ := o.meter.read(ctx)
	return used.cpu
}

// progress fills in what the last row tells.
func (o *watch) progress(p *Progress) {
	o.mu.Lock()
	defer o.mu.Unlock()
	p.Backlog = -1
	if o.rows == 0 {
		return
	}
	p.OfferedRate, p.SentRate, p.Backlog = float64(o.last.Offered), float64(o.last.Sent), o.last.Backlog
	p.P99 = time.Duration(max(0, o.last.CreateP99MS) * 1e6)
}

// serviceMetrics are the few of the service's metrics that a row has; -1 is unknown.
type serviceMetrics struct {
	goroutines, dbInUse int
	workers             [len(pooledRoles)]pool
	counted             [len(counters)]int
	binds               binds
}

// The names by which client_golang exports them; the reference service counts its connections itself.
const (
	metricGoroutines = "go_goroutines"
	metricDBInUse    = "go_sql_in_use_connections"
	metricOwnDBInUse = "lunchrush_db_connections_in_use"
)

func askMetrics(ctx context.Context, client *http.Client, internal string) (serviceMetrics, error) {
	resp, err := get(ctx, client, internal+"/metrics")
	if err != nil {
		return serviceMetrics{}, err
	}
	defer resp.Body.Close()
	m, err := parseMetrics(io.LimitReader(resp.Body, 4<<20))
	m.binds.begin()
	return m, err
}

// unknownMetrics are those of a service that has told nothing.
func unknownMetrics() serviceMetrics {
	m := serviceMetrics{goroutines: -1, dbInUse: -1, counted: noCounters, binds: unknownBinds}
	for i := range m.workers {
		m.workers[i] = pool{-1, -1, 0}
	}
	return m
}

// parseMetrics reads Prometheus text. Samples of one name, one for each pool, are added up.
func parseMetrics(r io.Reader) (serviceMetrics, error) {
	m := unknownMetrics()
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		var into *int
		switch {
		case strings.HasPrefix(line, metricWorkers):
			if into = m.worker(line); into == nil {
				continue
			}
			line = line[strings.IndexByte(line, '{'):]
		case strings.HasPrefix(line, metricBinds):
			if into, line = m.binds.line(line); into == nil {
				continue
			}
		case strings.HasPrefix(line, metricGoroutines):
			into = &m.goroutines
			line = line[len(metricGoroutines):]
		case strings.HasPrefix(line, metricDBInUse):
			into = &m.dbInUse
			line = line[len(metricDBInUse):]
		case strings.HasPrefix(line, metricOwnDBInUse):
			into = &m.dbInUse
			line = line[len(metricOwnDBInUse):]
		default:
			if into, line = m.counter(line); into == nil {
				continue
			}
		}
		if strings.HasPrefix(line, "{") {
			_, line, _ = strings.Cut(line, "}")
		}
		words := strings.Fields(line)
		if !strings.HasPrefix(line, " ") || len(words) == 0 {
			continue // a longer name, or half a line
		}
		if value, err := strconv.ParseFloat(words[0], 64); err == nil && value >= 0 && value < 1e9 {
			*into = max(0, *into) + int(value)
		}
	}
	return m, lines.Err()
}
