package reports

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"strings"
)

//go:embed templates
var assets embed.FS

var reportPage = template.Must(template.New("report.html.tmpl").Funcs(template.FuncMap{
	"yuan":       yuan,
	"span":       func(ns int64) string { return unbroken(span(ns)) },
	"seconds":    func(ns int64) string { return unbroken(seconds(ns)) },
	"count":      func(n int) string { return count(int64(n)) },
	"count64":    count,
	"several":    several,
	"rankChecks": rankChecks,
	"bytes":      bytesOf,
	"lower":      strings.ToLower,
	"tenths":     func(share float64) string { return unbroken(tenths(share)) },
	"kinds":      kindsOf,
	"coldP99":    coldP99,
	"histories":  func(h SlotHistories) string { return h.sentence() },
	"bid":        bidSentence,
}).ParseFS(assets, "templates/report.html.tmpl"))

// HTML writes the report that people read: one file that needs no network, no font and no script of others.
//
// Everything that comes out of the books is escaped, and the page's policy forbids every script and style but its own, so
// an order id that is markup stays text. The charts are drawn here; without JavaScript only the read-out is missing.
func HTML(w io.Writer, a *Analysis) error {
	p, err := newPage(a)
	if err != nil {
		return err
	}
	var b bytes.Buffer // a half-written page is worse than none
	if err := reportPage.Execute(&b, p); err != nil {
		return fmt.Errorf("drawing the report: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// detailLimit is how many bad orders a page unfolds: more are no help to a reader, and make the page slow on a phone.
const detailLimit = 200

// firstOrders of them stand in the open; the rest is one fold, so that money and checks are not twenty screens below.
const firstOrders = 20

// FirstOrders is how many bad orders are listed before the fold.
func (p *page) FirstOrders() int { return firstOrders }

// A page is what the template draws from: the analysis, and what only a page needs.
type page struct {
	*Analysis
	CSS         template.CSS
	JS          template.JS
	Policy      string
	Bound       string
	BadCount    int // of all bad classes
	LossCount   int // of those that cost money or goods
	Figures     []keyFigure
	Wide        template.HTML
	Narrow      template.HTML
	Readout     readout
	Rows        []tableRow
	Percentiles []template.HTML
	Classes     []classRow
	Details     []detail
	Left        int // bad orders that the page does not unfold
	Difference  int64
	Spread      []shareRow // of listeners with several instances
	Queue       []queueFact
	Switches    []setting
	Sends       []sendRow
	Repeat      string
	Typed       string
	Cut         string
}

// A keyFigure is one number of the first screen.
type keyFigure struct {
	Name, Value, Note string
	Bad               bool
}

// A classRow is one class of orders in the loss table.
type classRow struct {
	Class Class
	Bad   bool
	Says  string
	Count int
	Fen   string // "" when the list of bad orders does not hold them all
}

// A detail is one bad order with the times a reader thinks in.
type detail struct {
	BadOrder
	Clock string
	Lines []line
}

type line struct{ At, Clock, Who, What string }

type queueFact struct {
	Name  string
	SQL   string
	Count int
	Bad   bool
}

type setting struct{ Name, Value string }

// A sendRow is one kind of send: how many were planned, sent, and not sent in time.
type sendRow struct {
	Kind                  string
	Planned, Sent, Unsent int
}

func newPage(a *Analysis) (*page, error) {
	css, err := assets.ReadFile("templates/report.css")
	if err != nil {
		return nil, err
	}
	js, err := assets.ReadFile("templates/report.js")
	if err != nil {
		return nil, err
	}
	t := newTimeline(a)
	p := &page{
		Analysis: a,
		CSS:      template.CSS(css),
		JS:       template.JS(js),
		Policy: fmt.Sprintf("default-src 'none'; style-src '%s'; script-src '%s'; base-uri 'none'; form-action 'none'",
			fence(css), fence(js)),
		BadCount:   badOrders(&a.Audit),
		LossCount:  lostOrders(&a.Audit),
		Figures:    keyFigures(a),
		Wide:       template.HTML(t.draw("timeline-wide", "timeline wide", 1080)),
		Narrow:     template.HTML(t.draw("timeline-narrow", "timeline narrow", 400)),
		Readout:    t.readout(),
		Rows:       t.table(),
		Classes:    classRows(&a.Audit),
		Difference: a.Audit.PaidFen - a.Audit.DispensedFen - a.Audit.RefundedFen - a.Audit.OpenFen,
		Spread:     spreadRows(&a.Run),
		Queue:      queueFacts(&a.Audit.Queue),
		Switches:   switches(a.Run.ServiceCfg),
		Sends:      sendRows(a),
		Repeat:     repeatLine(&a.Run),
		Typed:      shellLine(a.Run.CommandLine),
		Cut:        cutShort(a),
	}
	if a.Verdict.Outcome == Pass && !strings.Contains(a.Verdict.Headline, a.Audit.UpperBound) {
		p.Bound = a.Audit.UpperBound // under a FAIL of another kind "0 lost" would read as a comfort
	}
	for _, l := range a.Latency {
		if drawn := drawPercentiles(l); drawn != "" {
			p.Percentiles = append(p.Percentiles, template.HTML(drawn))
		}
	}
	shown := a.Audit.Bad[:min(len(a.Audit.Bad), detailLimit)]
	for _, b := range shown {
		d := detail{BadOrder: b, Clock: t.clock.at(b.AtNS)}
		for _, e := range b.Events {
			d.Lines = append(d.Lines, line{seconds(e.AtNS), t.clock.at(e.AtNS), e.Who, e.What})
		}
		p.Details = append(p.Details, d)
	}
	p.Left = max(p.BadCount-len(shown), 0)
	return p, nil
}

// fence is the hash by which a page's policy knows its own script or style.
func fence(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func keyFigures(a *Analysis) []keyFigure {
	bad, open := badOrders(&a.Audit), a.Audit.Classes[Indeterminate]
	lost := keyFigure{Name: "went wrong", Value: count(int64(bad - open)), Note: "of " + count(int64(a.Audit.Orders)) + " orders", Bad: bad > open}
	if open > 0 {
		lost.Note += "; of " + count(int64(open)) + " the books cannot tell"
	}
	money := keyFigure{Name: "money lost", Value: yuan(a.Verdict.LossFen), Note: "yuan, of " + yuan(a.Audit.PaidFen) + " paid", Bad: a.Verdict.LossFen != 0}
	right := a.Audit.Orders - bad
	var ends []string
	for _, end := range []struct {
		class Class
		says  string
	}{{OKDispensed, "got goods"}, {OKRefunded, "their money back"}, {Recovered, "made good later"}, {OKUnpaid, "never paid"}} {
		if n := a.Audit.Classes[end.class]; n > 0 {
			ends = append(ends, count(int64(n))+" "+end.says)
		}
	}
	goods := keyFigure{Name: "went right", Value: count(int64(right)), Note: strings.Join(ends, ", ")}

	drop := keyFigure{Name: "paid to goods p99", Value: span(a.Audit.PayToDrop.P99), Note: whyNone(a.Audit.PayToDrop, 99)}
	if drop.Note == "" {
		drop.Note = "median " + span(a.Audit.PayToDrop.P50)
	}
	out := []keyFigure{lost, money, goods, drop}
	for _, kind := range []string{"notify", "create"} {
		f := keyFigure{Name: kind + " p99", Value: "-", Note: "not in the books"}
		for _, l := range a.Latency {
			if l.Kind == kind {
				f.Value, f.Note = span(l.Response.P99), whyNone(l.Response, 99)
				if f.Note == "" {
					f.Note = "median " + span(l.Response.P50)
				}
			}
		}
		out = append(out, f)
	}
	backlog := keyFigure{Name: "highest backlog", Value: "-", Note: "not in the books"}
	rows, age := -1, 0.0
	for _, s := range a.Timeline {
		rows, age = max(rows, s.Backlog), max(age, s.BacklogAge)
	}
	if len(a.Timeline) > 0 && rows >= 0 {
		backlog.Value, backlog.Note = count(int64(rows)), "rows; oldest waited "+unbroken(span(ns(age, 1e9)))
	}
	held := 0
	for _, c := range a.Certificate {
		if c.Status == "pass" {
			held++
		}
	}
	load := keyFigure{
		Name: "load certificate", Value: fmt.Sprintf("%d of %d", held, len(a.Certificate)), Note: "the load was what was planned",
		Bad: held < len(a.Certificate) || held == 0,
	}
	if load.Bad {
		load.Note = "the load is not proven"
	}
	out = append(out, backlog, load)
	for i := range out {
		out[i].Value = unbroken(out[i].Value)
	}
	return out
}

// shareOf is the quantile of a percentile as templates name it: 99 and 999 are 0.99 and 0.999.
func shareOf(percentile int) float64 {
	if percentile >= 100 {
		return float64(percentile) / 1000
	}
	return float64(percentile) / 100
}

// whyNone says why a percentile of q is not there; "" when it is.
func whyNone(q Quantiles, percentile int) string {
	switch {
	case q.at(percentile) >= 0 && q.N > 0:
		return ""
	case q.N == 0:
		return "no samples"
	default:
		return fmt.Sprintf("%s samples, %s needed", count(q.N), count(quantileSamples(shareOf(percentile))))
	}
}

// samplesNeeded is what each percentile needs, in words.
const samplesNeeded = "a one-sided 95 % bound needs 5 for p50, 29 for p90, 299 for p99, 2,995 for p99.9"

// SamplesNeeded is that for the page.
func (p *page) SamplesNeeded() string { return samplesNeeded }

// told is a percentile in a sentence: its value, or that there is none and why.
func (q Quantiles) told(percentile int) string {
	if why := whyNone(q, percentile); why != "" {
		return "unknown (" + why + ")"
	}
	return span(q.at(percentile))
}

// A cell is one percentile as the latency table shows it; Why is the reason for a "-".
type cell struct{ Cell, Why string }

// Cells are the percentiles of the latency table: p50, p90, p99, p99.9.
func (q Quantiles) Cells() []cell {
	cells := make([]cell, 0, 4)
	for _, p := range []int{50, 90, 99, 999} {
		c := cell{Cell: "-", Why: whyNone(q, p)}
		if c.Why == "" {
			c.Cell = span(q.at(p))
		}
		cells = append(cells, c)
	}
	return cells
}

// at is the percentile 50, 90, 99 or 999 (p99.9).
func (q Quantiles) at(percentile int) int64 {
	switch percentile {
	case 50:
		return q.P50
	case 90:
		return q.P90
	case 99:
		return q.P99
	default:
		return q.P999
	}
}

// Longest is the longest sample.
func (q Quantiles) Longest() string {
	if q.N == 0 {
		return "-"
	}
	return span(q.Max)
}

func classRows(a *Audit) []classRow {
	fen, listed := map[Class]int64{}, map[Class]int{}
	for _, b := range a.Bad {
		fen[b.Class] += b.Fen
		listed[b.Class]++
	}
	rows := make([]classRow, 0, len(classes))
	for _, c := range classes {
		row := classRow{Class: c, Bad: c.Bad(), Says: meanings[c], Count: a.Classes[c]}
		if c.Loss() && row.Count > 0 && listed[c] == row.Count {
			row.Fen = yuan(fen[c])
		}
		rows = append(rows, row)
	}
	return rows
}

func queueFacts(q *QueueFacts) []queueFact {
	return []queueFact{
		{"rows", "select count(*) from pay_queue", q.Rows, false},
		{"waiting", "... where consume_status <> 2", q.Waiting, q.Waiting > 0},
		{"voided", "... where status = 4", q.Voided, q.Voided > 0},
		{"later than 60 s", "... where consume_status = 2 and timestampdiff(second, create_time, last_consume_time) > 60", q.LaterThan60, q.LaterThan60 > 0},
		{"remedies", "select count(*) from remedy_order", q.Remedies, false},
	}
}

func switches(config map[string]any) []setting {
	var out []setting
	for _, name := range slices.Sorted(maps.Keys(config)) {
		value, ok := config[name].(string)
		if !ok {
			text, err := json.Marshal(config[name])
			if err != nil {
				text = fmt.Append(nil, config[name])
			}
			value = string(text)
		}
		out = append(out, setting{name, value})
	}
	return out
}

func sendRows(a *Analysis) []sendRow {
	kinds := slices.Collect(maps.Keys(a.Run.Sent))
	for _, more := range []map[string]int{a.Run.Planned, a.Run.Unsent} {
		kinds = slices.AppendSeq(kinds, maps.Keys(more))
	}
	slices.Sort(kinds)
	var rows []sendRow
	for _, kind := range slices.Compact(kinds) {
		planned, known := a.Run.Planned[kind]
		if !known {
			planned = -1
		}
		rows = append(rows, sendRow{kind, planned, a.Run.Sent[kind], a.Run.Unsent[kind]})
	}
	return rows
}

// cutShort says that a run did not come to its own end; "" when it did.
func cutShort(a *Analysis) string {
	switch a.Run.Ended {
	case "whole":
		return ""
	case "":
		return "The run was killed before its end. What follows is judged from what its books hold."
	case "interrupted":
		return "The run was interrupted before its end. What follows is judged from what its books hold."
	default:
		return "The run ended with an error: " + cmp.Or(a.Run.Error, a.Run.Ended)
	}
}

// rankChecks puts what failed first and what is unknown next, otherwise in their order.
func rankChecks(checks []Check) []Check {
	rank := map[string]int{"fail": 0, "unknown": 1, "pass": 2}
	return slices.SortedStableFunc(slices.Values(checks), func(x, y Check) int {
		return cmp.Compare(rank[x.Status], rank[y.Status])
	})
}

// bytesOf writes a size in MiB or GiB.
func bytesOf(n int64) string {
	if n >= 1<<30 {
		return digits(float64(n)/(1<<30)) + " GiB"
	}
	return digits(float64(n)/(1<<20)) + " MiB"
}

// Began is when the run started, "" when the manifest does not say.
func (p *page) Began() string {
	if p.Run.StartedAt.IsZero() {
		return ""
	}
	return p.Run.StartedAt.UTC().Format("2006-01-02 15:04:05 UTC")
}

// Lasted is how long the run took by the wall clock.
func (p *page) Lasted() string {
	if p.Run.Finished.IsZero() || p.Run.StartedAt.IsZero() {
		return ""
	}
	return span(int64(p.Run.Finished.Sub(p.Run.StartedAt)))
}

// ExitMeaning is what the exit code stands for.
func (p *page) ExitMeaning() string {
	switch p.Verdict.ExitCode {
	case 0:
		return "everything held"
	case 99:
		return "an expectation was missed"
	case 98:
		return "an invariant was violated: money or data"
	case 97:
		return "inconclusive: the run proves nothing"
	default:
		return "see lunchrush --help"
	}
}

// SinceRun is the first bad moment on the run's clock, "" when there is none.
func (p *page) SinceRun() string {
	if p.Verdict.Since < 0 || p.Verdict.Outcome == Pass {
		return ""
	}
	return unbroken(seconds(int64(p.Verdict.Since)))
}

// unbroken keeps a figure and its unit on one line.
func unbroken(s string) string { return strings.ReplaceAll(s, " ", "\u00a0") }

// SinceClock is the same on the scenario's clock.
func (p *page) SinceClock() string {
	if p.SinceRun() == "" {
		return ""
	}
	return cmp.Or(p.Verdict.SinceTime, clockOf(&p.Run).at(int64(p.Verdict.Since)))
}

// Cores is CPU time as a mean number of cores busy while the run lasted.
func (p *page) Cores(cpu int64) string {
	if p.Run.Generator.WallNS <= 0 {
		return "-"
	}
	return digits(float64(max(cpu, 0)) / float64(p.Run.Generator.WallNS))
}
