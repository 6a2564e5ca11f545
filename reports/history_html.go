package reports

import (
	"bytes"
	"cmp"
	"fmt"
	"html/template"
	"io"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/lunchrush/lunchrush/reports/svg"
)

// HistoryFile is the page that `lunchrush history` writes into a folder of runs.
const HistoryFile = "history.html"

// historyRuns bounds what a page lists and draws of a track: the newest.
const historyRuns = 200

var historyPage = template.Must(template.New("history.html.tmpl").Funcs(template.FuncMap{
	"count":     func(n int) string { return count(int64(n)) },
	"several":   several,
	"lower":     strings.ToLower,
	"breakable": breakable,
	"when":      when,
}).ParseFS(assets, "templates/history.html.tmpl"))

// WriteHistoryPage writes the page of a history to path in one step.
func WriteHistoryPage(path string, h *History) error {
	return writePage(path, func(w io.Writer, dir string) error { return HistoryHTML(w, h, dir) })
}

// HistoryHTML writes the page of a history: one file that needs no network. It is to lie in the folder dir, from which its
// links to the runs' reports go out.
func HistoryHTML(w io.Writer, h *History, dir string) error {
	style, err := stylesOf("templates/report.css", "templates/compare.css", "templates/history.css")
	if err != nil {
		return err
	}
	p := &pastPage{History: h, style: style}
	for i := range h.Tracks {
		p.Sections = append(p.Sections, newPastTrack(&h.Tracks[i], i, dir))
	}
	var b bytes.Buffer
	if err := historyPage.Execute(&b, p); err != nil {
		return fmt.Errorf("drawing the history: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

type (
	// A pastPage is what the template of a history draws from.
	pastPage struct {
		*History
		style
		Sections []*pastTrack
	}
	// A pastTrack is a section of it.
	pastTrack struct {
		*Track
		ID       string
		Strip    template.HTML
		Moved    []pastChart // whose last runs differ
		Key      []pastChart // that the scenario names, or that a report begins with
		Rest     []pastChart
		Constant []string // "loss.total 0"
		Listed   []pastRun
		Older    int // runs that are neither drawn nor listed
	}
	pastChart struct {
		*Trend
		Drawn template.HTML
	}
	pastRun struct {
		*Past
		Link string
	}
)

// keyMeasures are what one looks at first where nothing changed.
var keyMeasures = []string{"loss.total", "notify.p99", "create.p99", "pay_to_dispense.p99", "goodput.ratio", "backlog.max", "amplification", "recovery_time"}

func newPastTrack(t *Track, at int, dir string) *pastTrack {
	older := max(0, len(t.Runs)-historyRuns)
	t = t.newest(historyRuns)
	s := &pastTrack{Track: t, Older: older, ID: "track-" + strconv.Itoa(at+1), Strip: template.HTML(drawStrip(t, at))}
	for i := range t.Trends {
		trend := &t.Trends[i]
		values := trend.known()
		chart := pastChart{Trend: trend}
		switch {
		case trend.Unit == "word", len(values) == 0:
			continue
		case trend.Says == Same && oneValue(values, nil):
			s.Constant = append(s.Constant, trend.Name+" "+value(trend.Unit, values[0]))
			continue
		}
		chart.Drawn = template.HTML(drawTrend(t, trend, fmt.Sprintf("%s-%d", s.ID, i)))
		switch {
		case trend.Says != Same:
			s.Moved = append(s.Moved, chart)
		case trend.Named || slices.Contains(keyMeasures, trend.Name):
			s.Key = append(s.Key, chart)
		default:
			s.Rest = append(s.Rest, chart)
		}
	}
	rank := map[string]int{Worsened: 0, Improved: 1, Changed: 2}
	slices.SortStableFunc(s.Moved, func(x, y pastChart) int { return cmp.Compare(rank[x.Says], rank[y.Says]) })
	for i := range slices.Backward(t.Runs) {
		s.Listed = append(s.Listed, pastRun{&t.Runs[i], linkTo(dir, t.Runs[i].Dir)})
	}
	return s
}

// newest is the track without all but its last runs: what was found of all of them stays.
func (t *Track) newest(n int) *Track {
	cut := *t
	if left := len(t.Runs) - n; left > 0 {
		cut.Runs = t.Runs[left:]
		cut.Trends = slices.Clone(t.Trends)
		for i := range cut.Trends {
			cut.Trends[i].Points = t.Trends[i].Points[left:]
		}
	}
	return &cut
}

// known are the values of the runs that know the measure.
func (t *Trend) known() []float64 {
	var values []float64
	for _, m := range t.Points {
		if m.Known {
			values = append(values, m.Value)
		}
	}
	return values
}

// Name is the track's.
func (s *pastTrack) Name() string { return s.name() }

// Says is what its last runs show.
func (s *pastTrack) Says() string { return s.says() }

// Remarks are what else changed meanwhile.
func (s *pastTrack) Remarks() []string { return s.remarks() }

// Since is the first run's start, Until the last one's.
func (s *pastTrack) Since() string { return when(s.Runs[0].Run.StartedAt) }

// Until is when the newest run began.
func (s *pastTrack) Until() string { return when(s.Runs[len(s.Runs)-1].Run.StartedAt) }

// Counts are the verdicts: "11 PASS, 1 FAIL".
func (s *pastTrack) Counts() string {
	var parts []string
	for _, outcome := range []string{Pass, Fail, Inconclusive, ""} {
		n, name := s.verdicts()[outcome], outcome
		if name == "" {
			name = "without a verdict"
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, name))
		}
	}
	return strings.Join(parts, ", ")
}

// Tone is the colour of what the last runs show.
func (s *pastTrack) Tone() string {
	for _, says := range []string{Worsened, Improved} {
		if slices.ContainsFunc(s.Trends, func(t Trend) bool { return t.Says == says }) {
			return map[string]string{Worsened: "fail", Improved: "pass"}[says]
		}
	}
	return ""
}

// Latest is the newest figure that a run knows.
func (c pastChart) Latest() string {
	for _, m := range slices.Backward(c.Points) {
		if m.Known {
			return unbroken(value(m.Unit, m.Value))
		}
	}
	return "-"
}

// Change is what the chart shows of its last runs, "470 ms → 610 ms, +29.8% worse, p=0.004 n=6+4"; "" for no change.
func (c pastChart) Change() string {
	if c.Says == Same {
		return ""
	}
	return fmt.Sprintf("%s → %s, %s %s, %s", unbroken(c.A.text(c.Unit)), unbroken(c.B.text(c.Unit)),
		strings.Replace(c.change(), "-", "−", 1), c.Says, strings.Trim(c.evidence(), "()"))
}

// Tone is the colour of that.
func (c pastChart) Tone() string {
	return map[string]string{Improved: "pass", Worsened: "fail", Changed: "unsure"}[c.Says]
}

// Clock is when the run began.
func (r pastRun) Clock() string { return when(r.Run.StartedAt) }

// ID is the run's folder name.
func (r pastRun) ID() string { return filepath.Base(r.Dir) }

// Loss is what it lost, in yuan; "" for nothing.
func (r pastRun) Loss() string {
	if r.Verdict.LossFen == 0 {
		return ""
	}
	return yuan(r.Verdict.LossFen) + " yuan lost"
}

// New is what changed since the run before: "another plan, other settings".
func (r pastRun) New() string {
	var words []string
	for _, what := range r.Changed {
		words = append(words, newWords[what])
	}
	return strings.Join(words, ", ")
}

// breakable lets a browser break a name of parts at its parts.
func breakable(name string) template.HTML {
	escaped := template.HTMLEscapeString(name)
	return template.HTML(strings.NewReplacer(".", ".<wbr>", "_", "_<wbr>").Replace(escaped))
}

// marks of a run by its outcome, drawn around x, y: a dot passed, a cross failed, a diamond is in doubt.
func drawMark(d *svg.Drawing, p *Past, x, y float64) {
	const r = 3.2
	switch {
	case p.Verdict.Outcome == Fail:
		d.Line("mark fail", x-r, y-r, x+r, y+r)
		d.Line("mark fail", x-r, y+r, x+r, y-r)
	case p.Doubt != "":
		d.Path("mark doubt", []svg.Point{{X: x, Y: y - r}, {X: x + r, Y: y}, {X: x, Y: y + r}, {X: x - r, Y: y}, {X: x, Y: y - r}})
	default:
		d.Path("mark pass", []svg.Point{{X: x, Y: y}})
	}
}

// drawStrip is the verdicts of a track's newest runs in a row.
func drawStrip(t *Track, at int) string {
	runs := t.Runs[max(0, len(t.Runs)-30):]
	d := &svg.Drawing{Width: 30*10 + 4, Height: 12}
	var words []string
	for i := range runs {
		drawMark(d, &runs[i], 6+10*float64(i), 6)
		words = append(words, orDash(strings.ToLower(runs[i].Verdict.Outcome)))
	}
	return d.Markup("strip-"+strconv.Itoa(at+1), "strip-of-runs", "Verdicts, the newest last", strings.Join(words, ", "))
}

// drawTrend is one measure over the runs, evenly spaced: a mark for each run, a line through those that prove something, rules
// where the machine, the plan, the settings or the program are not as before, and where the last runs differ from those before
// the medians of both.
func drawTrend(t *Track, trend *Trend, id string) string {
	const width, height, left, right, top, foot = 340.0, 120.0, 56.0, 10.0, 8.0, 18.0
	d := &svg.Drawing{Width: width, Height: height}
	values := trend.known()
	low, high := slices.Min(values), slices.Max(values)
	n := len(t.Runs)
	p := svg.Plot{
		Drawing: d,
		X:       svg.Scale{Min: -0.5, Max: float64(n) - 0.5, From: left, To: width - right},
		Y:       svg.Scale{Min: min(0, low), Max: high, From: height - foot, To: top},
	}
	// Zero is in the picture unless all values lie close together far from it: then their movement would not be seen.
	if low > 0.7*high && low > 0 {
		p.Y.Min = low - (high-low)*0.25
	}
	if high <= p.Y.Min {
		p.Y.Max = p.Y.Min + 1
	}
	p.Y.Max += (p.Y.Max - p.Y.Min) * 0.06
	p.YAxis("", p.Y.Ticks(3), func(v float64) string { return tick(trend.Unit, v) })
	for i := range t.Runs {
		if len(t.Runs[i].Changed) > 0 && i > 0 {
			class := "changed program"
			if t.Runs[i].Changed[0] != "program" {
				class = "changed around"
			}
			p.Mark(class, float64(i)-0.5)
		}
	}
	line := make([]svg.Point, n)
	for i, m := range trend.Points {
		line[i] = svg.Point{X: float64(i), Y: math.NaN()}
		if m.Known && t.Runs[i].Doubt == "" {
			line[i].Y = m.Value
		}
	}
	p.Curve("line trend", slices.DeleteFunc(line, func(at svg.Point) bool { return math.IsNaN(at.Y) }))
	if trend.Says != Same && trend.A.Median != nil && trend.B.Median != nil {
		split := t.split()
		tone := pastChart{Trend: trend}.Tone()
		d.Line("level before", p.X.At(-0.5), p.Y.At(*trend.A.Median), p.X.At(split), p.Y.At(*trend.A.Median))
		d.Line("level "+tone, p.X.At(split), p.Y.At(*trend.B.Median), p.X.To, p.Y.At(*trend.B.Median))
	}
	for i, m := range trend.Points {
		if m.Known {
			drawMark(d, &t.Runs[i], p.X.At(float64(i)), p.Y.At(m.Value))
		}
	}
	p.Level("axis", p.Y.Min)
	d.Text("tick", svg.Start, left, height-4, day(&t.Runs[0]))
	if n > 1 {
		d.Text("tick", svg.End, width-right, height-4, day(&t.Runs[n-1]))
	}
	summary := fmt.Sprintf("%s over %s: from %s to %s.", trend.Name, several(len(values), "run", "runs"), value(trend.Unit, low), value(trend.Unit, high))
	if change := (pastChart{Trend: trend}).Change(); change != "" {
		summary += fmt.Sprintf(" The last %d against those before: %s.", t.Last, change)
	}
	return d.Markup(id, "trend", trend.Name, summary)
}

// split is where the last runs begin, on the charts' X axis.
func (t *Track) split() float64 {
	newest := &t.Runs[len(t.Runs)-1].Run
	left := t.Last
	for i := len(t.Runs) - 1; i >= 0; i-- {
		if t.Runs[i].Doubt == "" && sameMachine(&t.Runs[i].Run, newest) {
			if left--; left == 0 {
				return float64(i) - 0.5
			}
		}
	}
	return -0.5
}

func day(p *Past) string {
	if p.Run.StartedAt.IsZero() {
		return "-"
	}
	return p.Run.StartedAt.UTC().Format("2006-01-02")
}

// tick labels a value of a unit on an axis.
func tick(unit string, v float64) string {
	sign := ""
	if v < 0 {
		sign, v = "−", -v
	}
	switch unit {
	case "ns":
		return sign + shortSpan(v)
	case "share":
		return sign + shortNumber(100*v) + " %"
	case "fen":
		return sign + shortNumber(v/100)
	case "bytes":
		return sign + shortNumber(v/(1<<20)) + " MiB"
	}
	return sign + shortNumber(v)
}
