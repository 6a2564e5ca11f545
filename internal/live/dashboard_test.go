package live

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/metricsql"
	dto "github.com/prometheus/client_model/go"
)

const dashboardFile = "../../deploy/grafana/lunchrush.json"

// A dashboard is what the test needs of Grafana's format.
type dashboard struct {
	Panels []struct {
		Title   string `json:"title"`
		Targets []struct {
			Expr     string `json:"expr"`
			Legend   string `json:"legendFormat"`
			Interval string `json:"interval"`
		} `json:"targets"`
		GridPos struct{ X, Y, W, H int } `json:"gridPos"`
	} `json:"panels"`
	Annotations struct {
		List []struct{ Name, Expr, TitleFormat string } `json:"list"`
	} `json:"annotations"`
	Templating struct {
		List []struct {
			Name  string `json:"name"`
			Query any    `json:"query"`
		} `json:"list"`
	} `json:"templating"`
}

func readDashboard(t *testing.T) dashboard {
	t.Helper()
	text, err := os.ReadFile(dashboardFile)
	if err != nil {
		t.Fatal(err)
	}
	var d dashboard
	if err := json.Unmarshal(text, &d); err != nil {
		t.Fatal(err)
	}
	return d
}

// promqlFunctions are those of Prometheus that a query may use: the parser knows MetricsQL, which has more.
var promqlFunctions = []string{"rate", "increase", "histogram_quantile", "sum", "max", "min", "avg"}

// A query is what a parsed expression asks for.
type query struct {
	metrics []map[string]string // labels with the values they must have, "" for any; __name__ is the metric
	grouped []string            // labels that it sums by
	unknown []string            // functions that Prometheus does not have
}

func parseQuery(t *testing.T, expr string) (q query) {
	t.Helper()
	// Grafana fills these in before it asks.
	expr = strings.NewReplacer("$__rate_interval", "1m", "$harness", ".*").Replace(expr)
	if strings.Contains(expr, "$") {
		t.Errorf("%s: a variable that nobody fills in", expr)
	}
	parsed, err := metricsql.Parse(expr)
	if err != nil {
		t.Fatalf("%s: %v", expr, err)
	}
	metricsql.VisitAll(parsed, func(e metricsql.Expr) {
		switch e := e.(type) {
		case *metricsql.MetricExpr:
			for _, filters := range e.LabelFilterss {
				asked := map[string]string{}
				for _, f := range filters {
					value := f.Value
					if f.IsRegexp || f.IsNegative {
						value = ""
					}
					asked[f.Label] = value
				}
				q.metrics = append(q.metrics, asked)
			}
		case *metricsql.FuncExpr:
			if !slices.Contains(promqlFunctions, e.Name) {
				q.unknown = append(q.unknown, e.Name)
			}
		case *metricsql.AggrFuncExpr:
			q.grouped = append(q.grouped, e.Modifier.Args...)
			if !slices.Contains(promqlFunctions, e.Name) {
				q.unknown = append(q.unknown, e.Name)
			}
		}
	})
	return q
}

// series has, of each metric as a Prometheus stores it, the labels with their values.
func seriesOf(families map[string]*dto.MetricFamily) map[string]map[string][]string {
	all := map[string]map[string][]string{}
	for name, f := range families {
		names := []string{name}
		if f.GetType() == dto.MetricType_HISTOGRAM {
			names = []string{name + "_bucket", name + "_count", name + "_sum"}
		}
		for _, stored := range names {
			labels := map[string][]string{"instance": nil, "job": nil} // Prometheus's own
			if strings.HasSuffix(stored, "_bucket") {
				labels["le"] = nil
			}
			for _, m := range f.GetMetric() {
				for _, l := range m.GetLabel() {
					labels[l.GetName()] = append(labels[l.GetName()], l.GetValue())
				}
			}
			all[stored] = labels
		}
	}
	return all
}

// wrong says what a query asks for that there is not.
func (q *query) wrong(series map[string]map[string][]string) (found []string) {
	for _, f := range q.unknown {
		found = append(found, "no function of Prometheus: "+f)
	}
	for _, asked := range q.metrics {
		name := asked["__name__"]
		labels, ok := series[name]
		if !ok {
			found = append(found, "no metric "+name)
			continue
		}
		for label, value := range asked {
			values, ok := labels[label]
			switch {
			case label == "__name__":
			case !ok:
				found = append(found, name+" has no label "+label)
			case value != "" && values != nil && !slices.Contains(values, value):
				found = append(found, name+" has no "+label+"="+value)
			}
		}
		for _, label := range q.grouped {
			if _, ok := labels[label]; !ok {
				found = append(found, name+" has no label "+label)
			}
		}
	}
	if len(q.metrics) == 0 {
		found = append(found, "asks for nothing")
	}
	return found
}

var inLegend = regexp.MustCompile(`\{\{\s*(\w+)\s*\}\}`)

func TestEveryQueryOfTheDashboardAsksForWhatThereIs(t *testing.T) {
	p, _ := measured(t)
	series := seriesOf(gathered(t, p))
	d := readDashboard(t)
	asked := map[string]bool{}
	check := func(where, expr, legend string) {
		q := parseQuery(t, expr)
		for _, wrong := range q.wrong(series) {
			t.Errorf("%s: %s: %s", where, expr, wrong)
		}
		for _, m := range q.metrics {
			asked[m["__name__"]] = true
			for _, label := range inLegend.FindAllStringSubmatch(legend, -1) {
				if _, ok := series[m["__name__"]][label[1]]; !ok {
					t.Errorf("%s: the legend %q wants a label that %s has not", where, legend, m["__name__"])
				}
				if len(q.grouped) > 0 && !slices.Contains(q.grouped, label[1]) {
					t.Errorf("%s: the legend %q wants a label that was summed away", where, legend)
				}
			}
		}
	}
	queries := 0
	for _, panel := range d.Panels {
		for _, target := range panel.Targets {
			check(panel.Title, target.Expr, target.Legend)
			queries++
		}
	}
	for _, a := range d.Annotations.List {
		check(a.Name, a.Expr, a.TitleFormat)
	}
	if queries < 25 || len(d.Annotations.List) == 0 {
		t.Errorf("%d queries were checked", queries)
	}
	for name := range series {
		bare := strings.TrimSuffix(strings.TrimSuffix(name, "_sum"), "_count")
		if strings.HasPrefix(name, "lunchrush_") && !asked[name] && !asked[bare+"_bucket"] {
			t.Errorf("%s is on no panel", name)
		}
	}
	for _, v := range d.Templating.List {
		if v.Name == "harness" {
			text, _ := json.Marshal(v.Query)
			if !strings.Contains(string(text), "lunchrush_run_info, instance") {
				t.Errorf("the list of harnesses asks for %s", text)
			}
		}
	}
}

func TestAQueryForWhatThereIsNotIsFound(t *testing.T) {
	p, _ := measured(t)
	series := seriesOf(gathered(t, p))
	tests := []struct{ name, expr, want string }{
		{"a metric that was renamed", "rate(lunchrush_run_order_total[1m])", "no metric lunchrush_run_order_total"},
		{"a histogram without its bucket", "lunchrush_run_response_seconds", "no metric lunchrush_run_response_seconds"},
		{"a label that is none", `lunchrush_run_pool_busy{role="front"}`, "has no label role"},
		{"a value that never comes", `lunchrush_run_sends_answered_total{outcome="error"}`, "has no outcome=error"},
		{"a sum by a label that is none", "sum by (machine) (lunchrush_run_sends_total)", "has no label machine"},
		{"a function of another program", "median_over_time(lunchrush_run_sends_in_flight[1m])", "no function of Prometheus: median_over_time"},
		{"nothing", "1 + 1", "asks for nothing"},
		{"what there is", `sum by (kind) (rate(lunchrush_run_sends_answered_total{outcome="ok",job="x"}[1m]))`, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			q := parseQuery(t, tt.expr)
			got := strings.Join(q.wrong(series), "; ")
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// Grafana takes $__rate_interval as four times a query's interval at least, and without one as four times the data source's, which
// is 15 s unless somebody sets it: a collapse of 20 s would be smeared over a minute.
func TestEveryQueryOfTheDashboardLooksAsOftenAsPrometheusScrapes(t *testing.T) {
	text, err := os.ReadFile("../../deploy/grafana/prometheus.yaml")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`scrape_interval: (\S+)`).FindSubmatch(text)
	if found == nil {
		t.Fatal("prometheus.yaml does not say how often it scrapes")
	}
	for _, panel := range readDashboard(t).Panels {
		for _, target := range panel.Targets {
			if target.Interval != string(found[1]) {
				t.Errorf("%s: the interval of %s is %q, Prometheus scrapes each %s", panel.Title, target.Expr, target.Interval, found[1])
			}
		}
	}
}

func TestThePanelsDoNotOverlap(t *testing.T) {
	taken := map[[2]int]string{}
	for _, p := range readDashboard(t).Panels {
		for x := p.GridPos.X; x < p.GridPos.X+p.GridPos.W; x++ {
			for y := p.GridPos.Y; y < p.GridPos.Y+p.GridPos.H; y++ {
				if other := taken[[2]int{x, y}]; other != "" || x > 23 {
					t.Fatalf("%s lies on %s, or beside the grid", p.Title, other)
				}
				taken[[2]int{x, y}] = p.Title
			}
		}
	}
}
