package service

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// Metrics are what a process counts. No label holds an id: the number of series does not grow with the traffic.
type Metrics struct {
	Registry *prometheus.Registry

	Moves                  *prometheus.CounterVec   // order state reached
	Notifies               *prometheus.CounterVec   // channel, outcome
	Rows                   *prometheus.CounterVec   // how an attempt on a pay_queue row ended
	Commands               *prometheus.CounterVec   // kind, event
	Refunds                *prometheus.CounterVec   // reason, event
	Remedies               *prometheus.CounterVec   // reason, event
	Shed                   *prometheus.CounterVec   // work turned away
	Cache                  *prometheus.CounterVec   // outcome
	PriceLooks, PriceReads prometheus.Counter       // prices asked for; questions about prices to the database
	Binds                  *prometheus.CounterVec   // outcome
	Shares                 *prometheus.CounterVec   // outcome
	Errors                 *prometheus.CounterVec   // MySQL's error number
	Requests               *prometheus.HistogramVec // route, status
	Calls                  *prometheus.HistogramVec // upstream operation, outcome
	Jobs                   *prometheus.CounterVec   // job, outcome
	Messages               *prometheus.CounterVec   // outcome of a receive that failed, or of a message
	Uploads                *prometheus.CounterVec   // what became of a batch that came
	UploadRecords          *prometheus.CounterVec   // outcome
	Polls                  prometheus.Gauge         // machines that wait
	Recorded               prometheus.Counter       // refused notifications that could not be written down
}

// NewMetrics makes and registers the metrics.
func NewMetrics() *Metrics {
	r := prometheus.NewRegistry()
	r.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "lunchrush", Name: name, Help: help}, labels)
		r.MustRegister(c)
		return c
	}
	histogram := func(name, help string, labels ...string) *prometheus.HistogramVec {
		h := prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "lunchrush", Name: name, Help: help,
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60},
		}, labels)
		r.MustRegister(h)
		return h
	}
	m := &Metrics{
		Registry:      r,
		Moves:         counter("order_moves_total", "Orders that reached a state, by this process.", "to"),
		Notifies:      counter("notifies_total", "Payment notifications by what became of them.", "channel", "outcome"),
		Rows:          counter("queue_attempts_total", "Attempts on rows of pay_queue by how they ended.", "outcome"),
		Commands:      counter("commands_total", "Commands by what happened to them.", "kind", "event"),
		Refunds:       counter("refunds_total", "Refunds by reason and what happened.", "reason", "event"),
		Remedies:      counter("remedies_total", "Remedy orders by reason and what happened.", "reason", "event"),
		Shed:          counter("shed_total", "Requests turned away since no worker was free.", "class"),
		Cache:         counter("cache_total", "Look-ups of a price by outcome.", "outcome"),
		Shares:        counter("bid_shares_total", "Shares of bids by what became of them.", "outcome"),
		PriceLooks:    prometheus.NewCounter(prometheus.CounterOpts{Namespace: "lunchrush", Name: "price_looks_total", Help: "Prices that shop was asked for."}),
		PriceReads:    prometheus.NewCounter(prometheus.CounterOpts{Namespace: "lunchrush", Name: "price_reads_total", Help: "Questions about prices that shop asked the database."}),
		Binds:         counter("binds_total", "Unionid look-ups by outcome.", "outcome"),
		Errors:        counter("db_errors_total", "MySQL errors by number.", "number"),
		Requests:      histogram("http_request_seconds", "Requests by route and status. A machine's poll counts until it is answered.", "route", "status"),
		Calls:         histogram("upstream_seconds", "Calls to payment channels and the identity service.", "upstream", "operation", "outcome"),
		Jobs:          counter("job_runs_total", "Runs of scheduled jobs by outcome.", "job", "outcome"),
		Messages:      counter("messages_total", "Messages of machines by what became of them, and receives that failed.", "outcome"),
		Uploads:       counter("uploads_total", "Batches of records that came, by what became of them.", "outcome"),
		UploadRecords: counter("upload_records_total", "Records of batches that were worked on, by outcome.", "outcome"),
		Polls:         prometheus.NewGauge(prometheus.GaugeOpts{Namespace: "lunchrush", Name: "polls_waiting", Help: "Machines whose poll waits for a command."}),
		Recorded:      prometheus.NewCounter(prometheus.CounterOpts{Namespace: "lunchrush", Name: "refusals_unrecorded_total", Help: "Refused notifications that could not be written down."}),
	}
	r.MustRegister(m.PriceLooks, m.PriceReads, m.Polls, m.Recorded)
	// What has not happened is told as 0: it is not the same as a service that does not count.
	for _, number := range []string{"1040", "1205", "1213"} {
		m.Errors.WithLabelValues(number)
	}
	m.Rows.WithLabelValues("not-payable")
	return m
}

// Gauge registers a gauge that is read when it is scraped.
func (m *Metrics) Gauge(name, help string, labels prometheus.Labels, read func() float64) {
	m.Registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "lunchrush", Name: name, Help: help, ConstLabels: labels}, read))
}
