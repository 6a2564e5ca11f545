package reports

import (
	"math"
	"slices"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A MeasureDoc describes a measure that a scenario's expect and signature can name.
type MeasureDoc struct {
	Name string
	Unit string // "ns", "share", "", "fen", "rows/s", "cores", "bytes"
	Doc  string
}

// A gauge is one entry of the list of measures: what it is called, what it means, and how it is read.
type gauge struct {
	MeasureDoc
	read func(*evidence) (value float64, samples int)
}

// evidence is all that measures are read from.
type evidence struct {
	run      *runlog.Manifest
	audit    Audit
	tally    *tally
	whole    bool // the service's own book is whole
	latency  map[string]Latency
	lateness *hdrhistogram.Histogram
	calls    callBook
	bid      *BidAudit // nil without one
	messages messageBook
	uploads  uploadBook
	last     int64 // when the last record was booked
	samples  []runlog.Sample
	faults   []Fault
	answers  channelAnswers

	stability *Stability // nil: the run had no fault
}

// never is the value of what cannot be measured; its samples say whether there were none or too few.
var never = math.NaN()

// gauges is the list of measures, in the order in which a manual prints them.
var gauges = slices.Concat(
	[]gauge{
		{
			MeasureDoc{"loss.total", "", "orders that cost someone money or goods: lost, acked_lost, dispensed_and_refunded, double_dispense, double_refund, unpaid_dispense, amount_mismatch together"},
			func(e *evidence) (float64, int) {
				n := 0
				for c, orders := range e.audit.Classes {
					if c.Loss() {
						n += orders
					}
				}
				return float64(n), e.audit.Orders
			},
		},
		{MeasureDoc{"loss.fen", "fen", "what those orders cost, in fen"}, func(e *evidence) (float64, int) { return float64(e.audit.LossFen), e.audit.Orders }},
		classGauge("lost", Lost, "orders paid, and neither goods nor money by the deadline"),
		classGauge("acked_lost", AckedLost, "orders whose notify was answered with success and whose payment the service does not know"),
		classGauge("dispensed_and_refunded", DispensedAndRefunded, "orders whose goods fell and whose money went back"),
		classGauge("double_dispense", DoubleDispense, "orders whose goods fell twice"),
		classGauge("double_refund", DoubleRefund, "orders whose money went back twice"),
		classGauge("unpaid_dispense", UnpaidDispense, "orders whose goods fell and that nobody paid"),
		classGauge("amount_mismatch", AmountMismatch, "orders for which another amount was taken than their price"),
		classGauge("stuck", Stuck, "orders whose money is right and that the service never brought to an end"),
		classGauge("recovered", Recovered, "orders that the remedy job made good"),
		classGauge("indeterminate", Indeterminate, "orders of which the books cannot tell"),
		{
			MeasureDoc{"oversold", "", "pieces that the service believes in and that are not in the machines"},
			func(e *evidence) (float64, int) { return float64(e.audit.Oversold), e.tally.slotsCompared },
		},
		{
			MeasureDoc{"undersold", "", "pieces in the machines that the service does not believe in"},
			func(e *evidence) (float64, int) { return float64(e.audit.Undersold), e.tally.slotsCompared },
		},
		{
			MeasureDoc{"probes_taken", "", "forged, replayed, altered notifications that were not refused"},
			func(e *evidence) (float64, int) { return float64(e.audit.ProbesTaken), e.tally.probesAnswered },
		},
	},
	messageGauges,
	uploadGauges,
	latencyGauges(),
	callGauges,
	countedGauges(),
	bidGauges,
	slotGauges,
	shareGauges(),
	shopGauges,
	[]gauge{
		payToDrop("p50", func(q Quantiles) int64 { return q.P50 }),
		payToDrop("p90", func(q Quantiles) int64 { return q.P90 }),
		payToDrop("p99", func(q Quantiles) int64 { return q.P99 }),
		payToDrop("max", func(q Quantiles) int64 { return q.Max }),
		{
			MeasureDoc{"amplification", "", "notifies sent for each payment, without the duplicates that the plan asked for; 1 is none"},
			func(e *evidence) (float64, int) {
				return ratio(e.tally.notifies-e.tally.duplicates, e.audit.Payments)
			},
		},
		{MeasureDoc{"backlog.max", "", "most unfinished pay_queue rows"}, func(e *evidence) (float64, int) { return backlogMax(e.samples) }},
		{MeasureDoc{"backlog.end", "", "unfinished pay_queue rows at the end of the drain"}, func(e *evidence) (float64, int) { return backlogEnd(e.samples) }},
		{MeasureDoc{"backlog.age_max", "ns", "greatest age of the oldest unfinished pay_queue row"}, func(e *evidence) (float64, int) { return backlogAge(e.samples) }},
		{
			MeasureDoc{"backlog.slope", "rows/s", "how fast the backlog grew while the plan was played: the median of the slopes of all pairs of seconds (Theil-Sen)"},
			func(e *evidence) (float64, int) { return backlogSlope(e.samples) },
		},
		{
			MeasureDoc{"backlog.drain", "ns", "from the end of the last fault (without faults, from the backlog's peak) until the backlog was a twentieth; of a run that ended before, extrapolated from its fall until then"},
			func(e *evidence) (float64, int) { return backlogDrain(e.samples, e.faults) },
		},
		{
			MeasureDoc{"goodput.ratio", "share", "orders whose goods fell within the refund deadline of their payment, of those whose buyer paid in time and whose machine was meant to dispense at once"},
			func(e *evidence) (float64, int) { return ratio(e.tally.goodput, e.tally.goodputOf) },
		},
		{
			MeasureDoc{"goodput.offered", "share", "planned orders whose goods fell within the refund deadline of their payment, of all whose buyer meant to pay in time and whose machine was meant to dispense at once: those that were turned away are missing goods, too"},
			func(e *evidence) (float64, int) { return ratio(e.tally.goodput, e.tally.meant) },
		},
		{
			MeasureDoc{"queue.later_than_60s", "share", "pay_queue rows that have ended and were last consumed more than 60 s after their creation, in whole seconds, of all that have ended: the account's own query"},
			func(e *evidence) (float64, int) {
				return ratio(e.audit.Queue.LaterThan60, e.audit.Queue.Rows-e.audit.Queue.Waiting)
			},
		},
		{
			MeasureDoc{"queue.voided", "", "pay_queue rows that were given up"},
			func(e *evidence) (float64, int) { return ifWhole(e, float64(e.audit.Queue.Voided)) },
		},
		{
			MeasureDoc{"pushes.lost", "", "dispense commands that their machine never received, whatever became of their orders since"},
			func(e *evidence) (float64, int) {
				if !e.whole {
					return never, 0
				}
				return float64(e.tally.pushesLost), e.tally.pushes
			},
		},
		{MeasureDoc{"remedies", "", "rows of remedy_order"}, func(e *evidence) (float64, int) { return ifWhole(e, float64(e.audit.Queue.Remedies)) }},
		{MeasureDoc{"refunds", "", "refunds that the channels made"}, func(e *evidence) (float64, int) { return float64(e.tally.refunds), e.audit.Orders }},
		{
			MeasureDoc{"refunds.denied", "", "refunds that the channels denied: under another number for what had gone back, or for what nobody paid"},
			func(e *evidence) (float64, int) { return float64(e.tally.refundsDenied), e.audit.Orders },
		},
		fullGauge(workerPools[0]), fullGauge(workerPools[1]), fullGauge(workerPools[2]),
		{
			MeasureDoc{"lateness.p99", "ns", "how late the harness itself sent, all kinds of send together"},
			func(e *evidence) (float64, int) { q := quantilesOf(e.lateness); return quantile(q, q.P99) },
		},
		{
			MeasureDoc{"service.cpu", "cores", "processor cores that the service used on average while the plan was played"},
			func(e *evidence) (float64, int) {
				if e.run.Generator.WallNS <= 0 || e.run.Generator.ServiceCPU <= 0 {
					return never, 0
				}
				return float64(e.run.Generator.ServiceCPU) / float64(e.run.Generator.WallNS), 1
			},
		},
		{
			MeasureDoc{"service.rss", "bytes", "most memory that the service had resident"},
			func(e *evidence) (float64, int) {
				return float64(e.run.Generator.ServiceRSS), min(1, int(e.run.Generator.ServiceRSS))
			},
		},
	},
	stabilityGauges(),
	upstreamGauges(),
	channelGauges("wechat", "WeChat's"),
	channelGauges("alipay", "Alipay's"),
)

// Measures are all measures that an expectation or a signature can name.
func Measures() []MeasureDoc {
	docs := make([]MeasureDoc, len(gauges))
	for i, g := range gauges {
		docs[i] = g.MeasureDoc
	}
	return docs
}

// measure reads every gauge.
func measure(e *evidence) []Measure {
	measures := make([]Measure, len(gauges))
	for i, g := range gauges {
		v, n := g.read(e)
		m := Measure{Name: g.Name, Unit: g.Unit, Samples: n, Known: n > 0 && !math.IsNaN(v) && !math.IsInf(v, 0)}
		if m.Known {
			m.Value = v
		}
		for _, more := range []map[string]func(*evidence, *Measure){stabilityMore, bidMore} {
			if add := more[g.Name]; add != nil {
				add(e, &m)
			}
		}
		measures[i] = m
	}
	return measures
}

func classGauge(name string, c Class, doc string) gauge {
	return gauge{MeasureDoc{name, "", doc}, func(e *evidence) (float64, int) { return float64(e.audit.Classes[c]), e.audit.Orders }}
}

// latencyGauges are the response times and the failures of each kind of send.
func latencyGauges() []gauge {
	steps := []struct {
		name, says string
		of         func(Quantiles) int64
	}{
		{"p50", "median", func(q Quantiles) int64 { return q.P50 }},
		{"p90", "90th percentile", func(q Quantiles) int64 { return q.P90 }},
		{"p99", "99th percentile", func(q Quantiles) int64 { return q.P99 }},
		{"p999", "99.9th percentile", func(q Quantiles) int64 { return q.P999 }},
		{"max", "maximum", func(q Quantiles) int64 { return q.Max }},
	}
	// A probe is one of five hundred sends or fewer: enough to be counted, not for percentiles that a limit could stand on.
	var gs []gauge
	for _, kind := range slices.Concat(kinds[:4], callKinds) {
		for _, s := range steps {
			gs = append(gs, gauge{
				MeasureDoc{kind + "." + s.name, "ns", s.says + " of the response time of " + kind + " sends, from the moment they were due"},
				func(e *evidence) (float64, int) { q := e.latency[kind].Response; return quantile(q, s.of(q)) },
			})
		}
		gs = append(gs, gauge{
			MeasureDoc{kind + ".errors", "share", errorDocs[kind]},
			func(e *evidence) (float64, int) {
				sent := e.tally.answers[kind]
				if kind == "heartbeat" {
					sent = e.run.Sent[kind] // only failures are booked
				}
				return ratio(e.tally.failures[kind], sent)
			},
		})
	}
	return gs
}

var errorDocs = map[string]string{
	"create":    "creates answered neither 2xx nor 409 (sold out), or not at all",
	"notify":    "notifies that the channel does not count as taken, so that it sends them again",
	"result":    "results not answered 200",
	"heartbeat": "heartbeats not answered 200",
	"bid":       "purchases of a bid's share that were answered neither as they should be nor as sold out, or not at all",
	"message":   "sends of a batch of messages that the queue did not take",
	"upload":    "uploads answered neither 2xx nor 429 (to be sent again), or not at all",
	"reprice":   "changes of a price that the service did not confirm",
	"browse":    "looks at a price that were not answered with it (with 404, of a slot that does not exist), or not at all",
}

func payToDrop(name string, of func(Quantiles) int64) gauge {
	return gauge{
		MeasureDoc{"pay_to_dispense." + name, "ns", "from the payment to the fall of the goods (" + name + "), without orders whose machine the plan took offline"},
		func(e *evidence) (float64, int) { q := e.audit.PayToDrop; return quantile(q, of(q)) },
	}
}

func quantile(q Quantiles, ns int64) (float64, int) {
	if ns < 0 {
		return never, int(q.N)
	}
	return float64(ns), int(q.N)
}

func ratio(part, whole int) (float64, int) {
	if whole <= 0 {
		return never, 0
	}
	return float64(part) / float64(whole), whole
}

// ifWhole is for what only the service's own book can tell.
func ifWhole(e *evidence, v float64) (float64, int) {
	if !e.whole {
		return never, 0
	}
	return v, max(1, e.audit.Orders)
}

func backlogMax(samples []runlog.Sample) (float64, int) {
	most, n := 0, 0
	for _, s := range samples {
		if s.Backlog >= 0 {
			most, n = max(most, s.Backlog), n+1
		}
	}
	return float64(most), n
}

func backlogEnd(samples []runlog.Sample) (float64, int) {
	for _, s := range slices.Backward(samples) {
		if s.Backlog >= 0 {
			return float64(s.Backlog), 1
		}
	}
	return never, 0
}

func backlogAge(samples []runlog.Sample) (float64, int) {
	oldest, n := 0.0, 0
	for _, s := range samples {
		if s.Backlog >= 0 {
			oldest, n = max(oldest, s.BacklogAge), n+1
		}
	}
	return oldest * 1e9, n
}

// slopePoints bounds the pairs that Theil-Sen looks at: about half a million.
const slopePoints = 1000

// backlogSlope needs ten seconds of play: a slope of less is a guess.
func backlogSlope(samples []runlog.Sample) (float64, int) {
	var at, rows []float64
	for _, s := range samples {
		if s.Phase == "play" && s.Backlog >= 0 {
			at, rows = append(at, float64(s.AtNS)/1e9), append(rows, float64(s.Backlog))
		}
	}
	n := len(at)
	if n < 10 {
		return never, n
	}
	if step := (n + slopePoints - 1) / slopePoints; step > 1 {
		kept := 0
		for i := 0; i < n; i += step {
			at[kept], rows[kept] = at[i], rows[i]
			kept++
		}
		at, rows = at[:kept], rows[:kept]
	}
	return theilSen(at, rows), n
}

// theilSen is the median slope of all pairs of points; a third of them may be outliers without moving it much.
func theilSen(x, y []float64) float64 {
	slopes := make([]float64, 0, len(x)*(len(x)-1)/2)
	for i := range x {
		for j := i + 1; j < len(x); j++ {
			if d := x[j] - x[i]; d != 0 {
				slopes = append(slopes, (y[j]-y[i])/d)
			}
		}
	}
	if len(slopes) == 0 {
		return never
	}
	slices.Sort(slopes)
	mid := len(slopes) / 2
	if len(slopes)%2 == 1 {
		return slopes[mid]
	}
	return (slopes[mid-1] + slopes[mid]) / 2
}
