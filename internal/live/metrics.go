package live

import (
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/simulator"
)

// The harness's own metrics. They are about the run that goes on: with the next one they begin anew, as those of a process
// that was started again do. What is not known is not there, rather than a wrong zero. No label comes from an order, a machine
// or an address: kinds of send, names of parts and of faults are all there is.
type metrics struct {
	judged map[string]int // runs by outcome, since the page was opened

	info                                                 *prometheus.Desc
	phase, paused, elapsed, length, judgedRuns           *prometheus.Desc
	offered, sent, answered, inFlight                    *prometheus.Desc
	response, lateness                                   *prometheus.Desc
	asked, paid, goods, refunds, open, doubt             *prometheus.Desc
	backlog, oldest, busy, waiting, limit, faults, dbUse *prometheus.Desc
	cores, memory                                        *prometheus.Desc
}

func newMetrics() *metrics {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("lunchrush_run_"+name, help, labels, nil)
	}
	return &metrics{
		judged: map[string]int{},
		info:   d("info", "Which run the metrics are of. Always 1.", "scenario", "side", "testbed", "run"),
		phase:  d("phase", "1 for the phase that the run is in: provision, play, drain, collect or end.", "phase"),
		paused: d("paused", "1 while somebody holds the plan by hand."),
		elapsed: d("elapsed_seconds",
			"How long the play and the drain have lasted, pauses not counted."),
		length:     d("plan_length_seconds", "Length of the plan."),
		judgedRuns: prometheus.NewDesc("lunchrush_runs_judged_total", "Runs that were judged, by outcome.", []string{"outcome"}, nil),
		offered:    d("sends_offered_total", "Sends that fell due, by kind.", "kind"),
		sent:       d("sends_total", "Sends that left, by kind.", "kind"),
		answered:   d("sends_answered_total", "Sends by what came of them: ok (the answer that should come), failed (another), none (no answer).", "kind", "outcome"),
		inFlight:   d("sends_in_flight", "Sends that are due and not answered."),
		response:   d("response_seconds", "From the moment a send was due to its answer, by kind.", "kind"),
		lateness:   d("lateness_seconds", "From the moment a send was due to its leaving, all kinds: what the generator adds."),
		asked:      d("orders_total", "Orders that buyers asked for."),
		paid:       d("payments_total", "Payments at the channels."),
		goods:      d("goods_in_time_total", "Goods that fell within the refund deadline of their payment: goodput."),
		refunds:    d("refunds_total", "Refunds that the channels made."),
		open:       d("orders_open", "Orders that were paid, and of which neither goods nor money came back yet."),
		doubt: d("orders_in_doubt",
			"Orders of which the books hold goods and money both, or one of them twice, so far. They are judged after the run."),
		backlog: d("backlog_rows", "Rows of pay_queue that wait, as the service says."),
		oldest:  d("backlog_oldest_age_seconds", "How long the oldest of them has waited."),
		busy:    d("pool_busy", "Worker threads that are busy, by pool.", "pool"),
		waiting: d("pool_waiting", "Work that waits for a thread, by pool.", "pool"),
		limit:   d("pool_limit", "Worker threads of a pool.", "pool"),
		faults:  d("faults_active", "Faults that are on, by what they are on, and whether the plan or a hand has put them there.", "on", "by"),
		dbUse:   d("db_connections_in_use", "Database connections that the service has in use."),
		cores:   d("cpu_cores", "Cores busy in the last second, of the harness and of the service.", "of"),
		memory:  d("service_memory_bytes", "Resident memory of the service."),
	}
}

// A metricsCollector reads the page when it is asked.
type metricsCollector struct{ *Page }

// Describe implements prometheus.Collector. Which metrics there are depends on the run: the collector is unchecked.
func (metricsCollector) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (c metricsCollector) Collect(to chan<- prometheus.Metric) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.metrics
	for _, outcome := range []string{reports.Pass, reports.Fail, reports.Inconclusive} {
		to <- prometheus.MustNewConstMetric(m.judgedRuns, prometheus.CounterValue, float64(m.judged[outcome]), outcome)
	}
	if c.show == nil {
		return
	}
	m.collect(to, c.show)
}

func (m *metrics) collect(to chan<- prometheus.Metric, s *show) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	counter := func(d *prometheus.Desc, v int, labels ...string) {
		to <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	known := func(d *prometheus.Desc, v int, labels ...string) {
		if v >= 0 {
			gauge(d, float64(v), labels...)
		}
	}
	run := s.run.Manifest()
	p := s.run.Progress()
	gauge(m.info, 1, run.Scenario, run.Profile, run.Testbed, run.ID)
	for _, phase := range []string{
		simulator.PhaseProvision, simulator.PhasePlay, simulator.PhaseDrain, simulator.PhaseCollect, simulator.PhaseEnd,
	} {
		gauge(m.phase, oneIf(p.Phase == phase), phase)
	}
	gauge(m.paused, oneIf(s.run.Paused()))
	gauge(m.elapsed, p.Elapsed.Seconds())
	gauge(m.length, time.Duration(run.PlayForNS).Seconds())

	for _, kind := range slices.Sorted(maps.Keys(s.kinds)) {
		k := s.kinds[kind]
		counter(m.offered, k.Offered, kind)
		counter(m.sent, k.Sent, kind)
		counter(m.answered, k.OK, kind, "ok")
		counter(m.answered, k.Failed-k.Silent, kind, "failed")
		counter(m.answered, k.Silent, kind, "none")
	}
	for _, kind := range slices.Sorted(maps.Keys(s.responses)) {
		to <- s.responses[kind].metric(m.response, kind)
	}
	to <- s.lateness.metric(m.lateness)
	counter(m.asked, s.sums.creates)
	counter(m.paid, s.sums.paid)
	counter(m.goods, s.sums.dropped)
	counter(m.refunds, s.sums.refunds)

	active := map[[2]string]int{}
	for _, f := range s.run.Faults() {
		by := "plan"
		if f.ByHand {
			by = "hand"
		}
		key := [2]string{f.On, by}
		active[key] += int(oneIf(f.State() == reports.FaultOn))
	}
	for key, n := range active {
		gauge(m.faults, float64(n), key[0], key[1])
	}

	last, ok := s.last()
	if !ok {
		return
	}
	known(m.inFlight, last.InFlight)
	known(m.open, last.Open)
	known(m.doubt, last.LossSoFar)
	known(m.backlog, last.Backlog)
	if last.Backlog >= 0 && last.BacklogAge >= 0 {
		gauge(m.oldest, last.BacklogAge)
	}
	known(m.dbUse, last.DBInUse)
	for _, pool := range poolsOf(&last) {
		if pool.limit > 0 {
			known(m.busy, pool.busy, pool.name)
			known(m.waiting, pool.waiting, pool.name)
			known(m.limit, pool.limit, pool.name)
		}
	}
	for of, cores := range map[string]float64{"harness": last.HarnessCPU, "service": last.ServiceCPU} {
		if cores >= 0 && !math.IsNaN(cores) {
			gauge(m.cores, cores, of)
		}
	}
	if last.ServiceRSS >= 0 {
		gauge(m.memory, float64(last.ServiceRSS))
	}
}

func oneIf(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// A pool is one bounded set of worker threads in a sample.
type pool struct {
	name                 string
	busy, waiting, limit int
}

func poolsOf(s *runlog.Sample) []pool {
	return []pool{
		{"front", s.FrontBusy, s.FrontWaiting, s.FrontLimit},
		{"gate", s.GateBusy, s.GateWaiting, s.GateLimit},
		{"identity", s.IdentityBusy, s.IdentityWaiting, s.IdentityLimit},
	}
}

// The bounds of the histograms' buckets, seconds.
var (
	responseBounds = []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	latenessBounds = []float64{.0001, .00025, .0005, .001, .0025, .005, .01, .025, .1, 1}
)

// A buckets is a Prometheus histogram that is fed from HdrHistograms, a second at a time: the sends pay nothing for it. A time
// stands in the bucket of its own equivalent range's end, so a bound is exact to 0.1 %.
type buckets struct {
	bounds []float64
	counts []uint64 // within each bound, not summed up
	n      uint64
	sum    float64
}

func newBuckets(bounds []float64) *buckets {
	return &buckets{bounds: bounds, counts: make([]uint64, len(bounds))}
}

func (b *buckets) add(h *hdr.Histogram) {
	for _, bar := range h.Distribution() {
		if bar.Count == 0 {
			continue
		}
		b.n += uint64(bar.Count)
		b.sum += float64(bar.Count) * float64(bar.From+bar.To) / 2e9
		if i, _ := slices.BinarySearch(b.bounds, float64(bar.To)/1e9); i < len(b.bounds) {
			b.counts[i] += uint64(bar.Count)
		}
	}
}

func (b *buckets) metric(d *prometheus.Desc, labels ...string) prometheus.Metric {
	within := make(map[float64]uint64, len(b.bounds))
	sum := uint64(0)
	for i, bound := range b.bounds {
		sum += b.counts[i]
		within[bound] = sum
	}
	return prometheus.MustNewConstHistogram(d, b.n, b.sum, within, labels...)
}

// addTimes feeds the histograms of a second.
func (s *show) addTimes(times map[string]*hdr.Histogram) {
	for tag, h := range times {
		if h.TotalCount() == 0 {
			continue
		}
		kind, what, _ := strings.Cut(tag, ".")
		switch what {
		case simulator.TimeResponse:
			if s.responses[kind] == nil {
				s.responses[kind] = newBuckets(responseBounds)
			}
			s.responses[kind].add(h)
		case simulator.TimeLateness:
			s.lateness.add(h)
		}
	}
}

// registry is the page's own: nothing that another package registers is told.
func (p *Page) registry() *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(metricsCollector{p}, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}
