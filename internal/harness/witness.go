package harness

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"syscall"
	"time"

	_ "github.com/go-sql-driver/mysql" // the databases that are asked
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/service"
)

// A witness looks at a trial from outside, once a second: what the parts use of the machine, what the database is busy
// with, and what the service says of its pools. It costs a connection to the database and a scrape of the service.
type witness struct {
	stack      testbed.Stack
	services   []testbed.Part
	cfg        *service.Config // of the service: limits that it does not export
	processors []int           // of this process, before it was held to some
	client     *http.Client
	db         *sql.DB

	stop context.CancelFunc
	done sync.WaitGroup
	seen []sight // by run; read after close
}

// A sight is one look. Counters are since their start; what could not be had is absent, never 0.
type sight struct {
	at       time.Time
	parts    map[testbed.Part]testbed.Usage
	harness  time.Duration
	host     hostTimes
	hostErr  error
	pressure map[string]time.Duration // "cpu some"
	quota    float64
	waited   time.Duration // by the harness's control group
	groupErr error
	status   map[string]float64      // of the database
	metrics  map[string]float64      // of the service's processes together: "lunchrush_workers_busy front all"
	held     map[testbed.Part]uint64 // throttled periods
}

const (
	lookEvery   = time.Second
	lookTimeout = 800 * time.Millisecond
	countsEvery = 5 // looks between questions to a container engine for its counts, which takes it a second
)

// newWitness begins to look. Close must be called.
func newWitness(ctx context.Context, stack testbed.Stack, services []testbed.Part, cfg *service.Config, processors []int) (*witness, error) {
	db, err := sql.Open("mysql", stack.DSN())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	ctx, stop := context.WithCancel(ctx)
	w := &witness{stack: stack, services: services, cfg: cfg, processors: processors, client: &http.Client{}, db: db, stop: stop}
	w.done.Go(func() {
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		for n := 0; ; n++ {
			w.seen = append(w.seen, w.look(ctx, n))
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return w, nil
}

func (w *witness) close() error {
	w.stop()
	w.done.Wait()
	w.client.CloseIdleConnections()
	return w.db.Close()
}

// groundParts are the databases.
var groundParts = []testbed.Part{testbed.PartMySQL, testbed.PartReplica, testbed.PartCache, testbed.PartQueue}

func (w *witness) look(ctx context.Context, n int) sight {
	ctx, cancel := context.WithTimeout(ctx, lookTimeout)
	defer cancel()
	s := sight{at: time.Now(), parts: map[testbed.Part]testbed.Usage{}, pressure: map[string]time.Duration{}, held: map[testbed.Part]uint64{}}
	var mu sync.Mutex // guards parts and held
	var all sync.WaitGroup
	for _, name := range append(append([]testbed.Part{}, groundParts...), w.services...) {
		part := w.stack.Part(name)
		if part == nil {
			continue
		}
		all.Go(func() {
			if u, err := part.Usage(ctx); err == nil {
				mu.Lock()
				s.parts[name] = u
				mu.Unlock()
			}
		})
	}
	all.Go(func() { s.status = w.askDatabase(ctx) })
	all.Go(func() { s.metrics = w.askService(ctx) })
	var own syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &own) == nil {
		s.harness = time.Duration(own.Utime.Nano() + own.Stime.Nano())
	}
	s.host, s.hostErr = thisKernel.times(w.processors)
	for _, p := range [][2]string{{"cpu", "some"}, {"io", "full"}, {"memory", "full"}} {
		if d, err := thisKernel.pressure(p[0], p[1]); err == nil {
			s.pressure[p[0]+" "+p[1]] = d
		}
	}
	s.quota, s.waited, s.groupErr = thisKernel.group()
	all.Wait()
	if n%countsEvery == 0 {
		w.askEngine(ctx, &s)
	}
	return s
}

// askEngine counts what containers had to wait for.
func (w *witness) askEngine(ctx context.Context, s *sight) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Second)
	defer cancel()
	for _, name := range w.services {
		if l, ok := w.stack.Part(name).(testbed.Limiter); ok {
			if c, err := l.Counts(ctx); err == nil {
				s.held[name] = c.Throttled
			}
		}
	}
}

// statusQuery asks for the database's counters that a look has. MariaDB has not counted the syncs of its log since 10.8.
const statusQuery = `SHOW GLOBAL STATUS WHERE Variable_name IN ('Threads_running', 'Threads_connected', 'Questions',
	'Innodb_row_lock_time', 'Innodb_row_lock_waits', 'Innodb_os_log_fsyncs')`

func (w *witness) askDatabase(ctx context.Context) map[string]float64 {
	rows, err := w.db.QueryContext(ctx, statusQuery)
	if err != nil {
		return nil
	}
	defer func() { _ = rows.Close() }()
	found := map[string]float64{}
	for rows.Next() {
		var name, text string
		if rows.Scan(&name, &text) != nil {
			return nil
		}
		if v, err := strconv.ParseFloat(text, 64); err == nil {
			found[name] = v
		}
	}
	if rows.Err() != nil {
		return nil
	}
	return found
}

// maxConnections asks the database how many connections it takes, also when ctx is done; -1: it does not say.
func (w *witness) maxConnections(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lookTimeout)
	defer cancel()
	var name string
	var n int
	if w.db.QueryRowContext(ctx, "SHOW GLOBAL VARIABLES LIKE 'max_connections'").Scan(&name, &n) != nil {
		return -1
	}
	return n
}

// askService scrapes all processes of the service and adds up what they say. Gauges of one process alone would be those of
// an accident; a process that does not answer leaves all unknown.
func (w *witness) askService(ctx context.Context) map[string]float64 {
	sum := map[string]float64{}
	for _, name := range w.services {
		part := w.stack.Part(name)
		if part == nil {
			return nil
		}
		families, err := w.scrape(ctx, part.Internal()+"/metrics")
		if err != nil {
			return nil
		}
		for _, f := range families {
			switch name := f.GetName(); name {
			case "lunchrush_workers_busy", "lunchrush_workers_waiting", "lunchrush_workers_limit",
				"lunchrush_db_connections_in_use", "lunchrush_db_wait_seconds_total", "process_open_fds", "process_max_fds":
				for _, m := range f.GetMetric() {
					key := name
					for _, l := range m.GetLabel() {
						if l.GetValue() != "all" {
							key += " " + l.GetName() + "=" + l.GetValue()
						}
					}
					sum[key] += m.GetGauge().GetValue() + m.GetCounter().GetValue() + m.GetUntyped().GetValue()
				}
			}
		}
	}
	return sum
}

func (w *witness) scrape(ctx context.Context, url string) (map[string]*dto.MetricFamily, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	resp, err := w.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", url, resp.Status)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(resp.Body)
}

var errUnseen = errors.New("nothing was seen of the measured time: it was shorter than two looks")

// evidence is what was seen between two moments.
func (w *witness) evidence(from, to time.Time) (reports.Evidence, error) {
	var window []sight
	for _, s := range w.seen {
		if !s.at.Before(from) && !s.at.After(to) {
			window = append(window, s)
		}
	}
	if len(window) < 2 {
		return unseen(), errUnseen
	}
	e := testify(window, w.services, w.cfg)
	e.Cores = len(w.processors)
	return e, nil
}
