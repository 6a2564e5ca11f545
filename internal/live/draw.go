package live

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/simulator"
)

var (
	//go:embed assets/page.html.tmpl
	pageText string
	//go:embed assets/live.css
	liveCSS string
	//go:embed assets/live.js
	liveJS string
)

var pages = template.Must(template.New("page").Funcs(template.FuncMap{
	"seconds": func(ns int64) string { return secondsOf(ns) },
	"lower":   strings.ToLower,
}).Parse(pageText))

// The parts of the page that change, each a template and an element of that id.
var parts = []string{"head", "figures", "faults", "hand", "inject", "past"}

// A view is how wide the browser is: the chart is drawn for it.
type view string

const (
	wide   view = "wide"
	narrow view = "narrow"
)

func viewOf(r *http.Request) view {
	if r.URL.Query().Get("view") == string(narrow) {
		return narrow
	}
	return wide
}

// A drawn is the page's changing parts as they were at one turn.
type drawn struct {
	turn      uint64
	fragments map[string]string
	over      bool
	report    bool

	charted time.Duration // the moment of the run that the chart shows
	changes string        // of faults and pauses, which the chart shows at once
	run     Run
}

// draw returns the parts of the page as they are now. Whoever asks first draws for all.
func (p *Page) draw(v view) drawn {
	p.drawing.Lock()
	defer p.drawing.Unlock()
	s := p.snapshot()
	before := p.drawn[string(v)]
	if before.turn == s.turn && before.fragments != nil {
		return before
	}
	f := factsOf(&s)
	d := drawn{turn: s.turn, fragments: map[string]string{}, over: s.over, report: s.report != "", run: s.run}
	for _, name := range parts {
		d.fragments[name] = execute(name, f)
	}
	d.fragments["chart"] = ""
	if s.run != nil {
		d.chart(&s, f, v, &before)
	}
	p.drawn[string(v)] = d
	return d
}

// chartSteps is how many times a chart is drawn anew over a whole run: a step is then less than two units of its width.
const chartSteps = 600

// chart draws the timeline, or takes the one before where a new one would look the same.
func (d *drawn) chart(s *snapshot, f *facts, v view, before *drawn) {
	now := s.run.Now()
	changes := f.Changes
	every := time.Duration(f.Run.PlayForNS) / chartSteps
	if before.run == s.run && before.changes == changes && now-before.charted < every {
		d.fragments["chart"], d.charted, d.changes = before.fragments["chart"], before.charted, changes
		return
	}
	g := reports.Glance{Run: f.Run, Samples: s.samples, Demand: s.run.Demand(), Faults: f.Faults, NowNS: int64(now)}
	width := map[view]float64{wide: 1080, narrow: 400}[v]
	d.fragments["chart"] = g.Timeline("timeline", "timeline", width)
	d.charted, d.changes = now, changes
}

func execute(name string, f *facts) string {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, f); err != nil {
		return "<p>this part of the page could not be drawn: " + template.HTMLEscapeString(err.Error()) + "</p>"
	}
	return b.String()
}

// facts are what the templates draw from.
type facts struct {
	Run     runlog.Manifest
	Running bool
	Says    string // what is going on without a run
	Word    string // the state in a word, and its class
	Class   string
	Clock   string
	Elapsed string
	Total   string
	Part    int // of 100, of the play
	ByHand  string
	Trouble string
	Figures []figure
	Faults  []reports.LiveFault
	Rows    []faultRow
	Changes string // differs when a fault or a pause does
	Past    []judged
	Over    bool
	Report  bool

	Only, Paused, CanPause, CanStop bool
	Act                             string
	Limit                           string
	Surfaces                        []surface
}

// A figure is one tile.
type figure struct {
	ID, Name, Value, Note string
	Bad                   bool
}

type faultRow struct {
	reports.LiveFault
	State, Says, Class string
	From, To           string
	Healable           bool
}

// A surface is the faults of one kind of part, for the form.
type surface struct {
	Name   string
	Offers []offer
}

type offer struct {
	harness.Offer
	First  bool
	Params []param
}

type param struct{ Name, Value string }

// perSecond is over how many of the last seconds a rate is taken.
const perSecond = 5

func factsOf(s *snapshot) *facts {
	f := &facts{
		Says: s.says, Past: s.past, Over: s.over, Report: s.report != "", Only: s.only, CanStop: s.stop && !s.over, Act: s.act,
		Word: "waiting", Class: "unsure", Limit: fmt.Sprintf("%d minutes", simulator.PauseLimit/time.Minute),
	}
	if s.run == nil {
		if s.over {
			f.Word = "over"
		}
		return f
	}
	f.Running = true
	f.Run = s.run.Manifest()
	f.Only = f.Only || s.run.WatchedOnly()
	f.Paused = s.run.Paused()
	f.Faults = s.run.Faults()
	p := s.run.Progress()
	f.Word, f.Class = p.Phase, "unsure"
	switch {
	case s.over:
		f.Word = "over"
	case p.Phase == "":
		f.Word = "starting"
	case p.Phase == simulator.PhaseEnd:
		f.Word = "judging"
	case f.Paused:
		f.Word, f.Class = "held", "fail"
	case p.Phase == simulator.PhasePlay:
		f.Word, f.Class = "playing", "pass"
	}
	f.CanPause = p.Phase == simulator.PhasePlay && !s.over
	f.Elapsed, f.Total = clockText(p.Elapsed), clockText(p.Total)
	if p.Total > 0 {
		f.Part = int(min(100, 100*p.Elapsed/p.Total))
	}
	f.Clock = reports.Clock(&f.Run, int64(s.run.Now()))
	if f.Run.Touched() {
		f.ByHand = reports.ByHand(&f.Run)
	}
	if s.trouble != nil {
		f.Trouble = s.trouble.Error()
	}
	f.Figures = figuresOf(s, f)
	f.rows(p.Phase)
	f.Surfaces = surfacesOf(s.offers)
	return f
}

// rows are the faults for the table, and what changes the chart.
func (f *facts) rows(phase string) {
	var changes strings.Builder
	fmt.Fprint(&changes, phase, len(f.Run.Pauses), f.Paused)
	for _, one := range f.Faults {
		r := faultRow{LiveFault: one, State: one.State(), Says: one.Says(), From: secondsOf(one.FromNS), To: "…"}
		r.Class = map[string]string{
			reports.FaultPlanned: "zero", reports.FaultOn: "unknown", reports.FaultHealed: "pass", reports.FaultFailed: "fail",
		}[r.State]
		switch {
		case one.ToNS > 0:
			r.To = secondsOf(one.ToNS)
		case one.ForNS > 0:
			r.To = secondsOf(one.FromNS + one.ForNS)
		}
		if clock := reports.Clock(&f.Run, one.FromNS); clock != "" {
			r.From = clock + ", " + r.From
		}
		r.Healable = one.ByHand && r.State != reports.FaultHealed && r.State != reports.FaultFailed && !f.Over
		f.Rows = append(f.Rows, r)
		fmt.Fprint(&changes, one.ID, r.State, r.Says)
	}
	f.Changes = changes.String()
}

// figuresOf are the tiles.
func figuresOf(s *snapshot, f *facts) []figure {
	last, ok := runlog.Sample{Backlog: -1}, false
	if n := len(s.samples); n > 0 {
		last, ok = s.samples[n-1], true
	}
	recent := s.samples[max(0, len(s.samples)-perSecond):]
	rate := func(count func(*runlog.Sample) int) string {
		if len(recent) == 0 {
			return "-"
		}
		sum := 0
		for i := range recent {
			sum += count(&recent[i])
		}
		return fmt.Sprintf("%.1f/s", float64(sum)/float64(len(recent)))
	}
	orders := figure{ID: "orders", Name: "orders asked for", Value: rate(func(s *runlog.Sample) int { return s.Creates }), Note: "no second is over yet"}
	if ok {
		orders.Note = fmt.Sprintf("all sends: %s due, %s sent, %s in flight",
			rate(func(s *runlog.Sample) int { return s.Offered }), rate(func(s *runlog.Sample) int { return s.Sent }), countOf(int64(last.InFlight)))
	}
	good := figure{
		ID: "goodput", Name: "goodput", Value: rate(func(s *runlog.Sample) int { return s.Dropped }),
		Note: "goods within the refund deadline; refunds " + rate(func(s *runlog.Sample) int { return s.Refunds }),
	}
	timed := func(id, name string, q quantile) figure {
		return figure{ID: id, Name: name + " " + q.Name, Value: spanOf(q.NS), Note: q.Note}
	}
	backlog := figure{ID: "backlog", Name: "backlog", Value: "-", Note: "the service does not say"}
	if ok && last.Backlog >= 0 {
		backlog.Value, backlog.Note = countOf(int64(last.Backlog)), "rows wait; the oldest "+spanOf(int64(last.BacklogAge*1e9))
	}
	silent := 0
	for _, k := range s.kinds {
		silent += k.Silent
	}
	open := figure{
		ID: "open", Name: "indeterminate so far", Value: countOf(int64(last.Open)), Bad: last.LossSoFar > 0,
		Note: fmt.Sprintf("paid orders with neither goods nor money; %s sends never answered; %s in doubt. Judged after the run",
			countOf(int64(silent)), countOf(int64(last.LossSoFar))),
	}
	return []figure{
		orders, good, timed("create", "create", s.create), timed("notify", "notify", s.notify), backlog, open, poolFigure(&last, ok),
		{
			ID: "lateness", Name: "lateness " + s.lateness.Name, Value: spanOf(s.lateness.NS),
			Note: fmt.Sprintf("what the harness adds; CPU: harness %s, service %s of %d cores", coresOf(last.HarnessCPU, ok), coresOf(last.ServiceCPU, ok), f.Run.Machine.Cores),
		},
	}
}

// poolFigure is the pool that is fullest, with the others beside it.
func poolFigure(last *runlog.Sample, ok bool) figure {
	f := figure{ID: "pools", Name: "busy workers", Value: "-", Note: "no pool tells"}
	if !ok {
		return f
	}
	share := -1.0
	var all []string
	waiting := 0
	for _, p := range poolsOf(last) {
		if p.limit <= 0 || p.busy < 0 {
			continue
		}
		text := fmt.Sprintf("%s %d of %d", p.name, p.busy, p.limit)
		if of := float64(p.busy) / float64(p.limit); of > share {
			share, f.Value = of, fmt.Sprintf("%d of %d", p.busy, p.limit)
			f.Name = "busy workers, " + p.name
		}
		waiting += max(0, p.waiting)
		all = append(all, text)
	}
	if len(all) > 0 {
		f.Note = strings.Join(all, ", ") + fmt.Sprintf("; %d wait", waiting)
		f.Bad = share >= 1
	}
	return f
}

func coresOf(v float64, ok bool) string {
	if !ok || v < 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", v)
}

// surfacesOf sorts the offers for the form. A fault on a link is what most will look for: the list is as `lunchrush faults` has it.
func surfacesOf(offers []harness.Offer) []surface {
	var list []surface
	for i, o := range offers {
		if len(list) == 0 || list[len(list)-1].Name != string(o.On) {
			list = append(list, surface{Name: string(o.On)})
		}
		one := offer{Offer: o, First: i == 0}
		for _, name := range slices.SortedFunc(maps.Keys(o.Params), givenFirst(o.Kind)) {
			one.Params = append(one.Params, param{Name: name, Value: o.Params[name]})
		}
		at := &list[len(list)-1]
		at.Offers = append(at.Offers, one)
	}
	return list
}

// givenFirst puts the parameters that must be given before those that have a default.
func givenFirst(k chaos.Kind) func(a, b string) int {
	return func(a, b string) int {
		if given := oneIf(k.Params[a] != "") - oneIf(k.Params[b] != ""); given != 0 {
			return int(given)
		}
		return strings.Compare(a, b)
	}
}

// page is the whole page as it is now.
func (p *Page) page(w http.ResponseWriter, r *http.Request) {
	d := p.draw(viewOf(r))
	whole := make(map[string]template.HTML, len(d.fragments))
	for id, text := range d.fragments {
		whole[id] = template.HTML(text) // drawn by this package's templates, and by reports/svg, which escape
	}
	p.write(w, "page", http.StatusOK, whole)
}

// askToken is the form for the token.
func (p *Page) askToken(w http.ResponseWriter, wrong string) {
	p.write(w, "enter", http.StatusUnauthorized, wrong)
}

func (p *Page) write(w http.ResponseWriter, name string, status int, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		http.Error(w, "the page could not be drawn: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // to a browser that may be gone
}

func spanOf(ns int64) string { return strings.ReplaceAll(reports.Span(ns), " ", "\u00a0") }

func countOf(n int64) string { return reports.Count(n) }

func secondsOf(ns int64) string { return fmt.Sprintf("%.1f s", float64(ns)/1e9) }

func clockText(d time.Duration) string {
	s := int(d.Round(time.Second) / time.Second)
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}
