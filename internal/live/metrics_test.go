package live

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	dto "github.com/prometheus/client_model/go"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/simulator"
)

// measured is a page in the middle of a run that has everything: a fault of the plan, one by hand, and a run before it.
func measured(t *testing.T) (*Page, *fakeRun) {
	t.Helper()
	p := open(t, Config{})
	p.Judged(&reports.Analysis{Verdict: reports.Verdict{Outcome: reports.Fail}}, "", nil)
	run := newFakeRun()
	run.faults = []reports.LiveFault{
		{Fault: reports.Fault{ID: "1", On: "mysql", What: "hold", Injected: true}, ForNS: 60e9},
		{Fault: reports.Fault{ID: "2", On: "mysql", What: "down", Injected: true, ByHand: true}, ForNS: 60e9},
		{Fault: reports.Fault{ID: "3", On: "mysql", What: "hold", Injected: true, ToNS: 5}, ForNS: 60e9},
	}
	p.Begin(run)
	for range 3 {
		p.Second(run.second(nil))
	}
	return p, run
}

// gathered are the page's metrics by name.
func gathered(t *testing.T, p *Page) map[string]*dto.MetricFamily {
	t.Helper()
	families, err := p.registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]*dto.MetricFamily{}
	for _, f := range families {
		byName[f.GetName()] = f
	}
	return byName
}

func TestTheMetricsAreAsPrometheusWantsThem(t *testing.T) {
	p, _ := measured(t)
	var names []string
	for name := range gathered(t, p) {
		if strings.HasPrefix(name, "lunchrush_") {
			names = append(names, name)
		}
	}
	if len(names) < 25 {
		t.Fatalf("only %d metrics: %v", len(names), names)
	}
	problems, err := testutil.GatherAndLint(p.registry(), names...)
	if err != nil {
		t.Fatal(err)
	}
	for _, problem := range problems {
		t.Errorf("%s: %s", problem.Metric, problem.Text)
	}
}

func TestTheMetricsSayWhatTheRunDoes(t *testing.T) {
	p, run := measured(t)
	run.phase = simulator.PhaseDrain
	status, text := p.get(t, "/metrics", nil)
	if status != http.StatusOK {
		t.Fatal(status)
	}
	for _, line := range []string{
		`lunchrush_runs_judged_total{outcome="FAIL"} 1`,
		`lunchrush_runs_judged_total{outcome="PASS"} 0`,
		`lunchrush_run_info{run="20261120-115600-peak-lunch-hardened",scenario="peak-lunch",side="hardened",testbed="local"} 1`,
		`lunchrush_run_phase{phase="drain"} 1`,
		`lunchrush_run_phase{phase="play"} 0`,
		`lunchrush_run_paused 0`,
		`lunchrush_run_elapsed_seconds 3`,
		`lunchrush_run_plan_length_seconds 100`,
		`lunchrush_run_sends_offered_total{kind="create"} 80`,
		`lunchrush_run_sends_total{kind="notify"} 100`,
		`lunchrush_run_sends_answered_total{kind="create",outcome="ok"} 76`,
		`lunchrush_run_sends_answered_total{kind="create",outcome="failed"} 2`,
		`lunchrush_run_sends_answered_total{kind="create",outcome="none"} 2`,
		`lunchrush_run_sends_in_flight 3`,
		`lunchrush_run_response_seconds_bucket{kind="create",le="0.01"} 0`,
		`lunchrush_run_response_seconds_bucket{kind="create",le="0.05"} 60`,
		`lunchrush_run_response_seconds_bucket{kind="create",le="+Inf"} 60`,
		`lunchrush_run_response_seconds_count{kind="create"} 60`,
		`lunchrush_run_lateness_seconds_count 120`,
		`lunchrush_run_lateness_seconds_bucket{le="0.0001"} 0`,
		`lunchrush_run_lateness_seconds_bucket{le="0.00025"} 120`,
		`lunchrush_run_orders_total 60`,
		`lunchrush_run_payments_total 57`,
		`lunchrush_run_goods_in_time_total 54`,
		`lunchrush_run_refunds_total 3`,
		`lunchrush_run_orders_open 5`,
		`lunchrush_run_orders_in_doubt 0`,
		`lunchrush_run_backlog_rows 4`,
		`lunchrush_run_backlog_oldest_age_seconds 0.5`,
		`lunchrush_run_faults_active{by="plan",on="mysql"} 1`,
		`lunchrush_run_faults_active{by="hand",on="mysql"} 1`,
		`lunchrush_run_pool_busy{pool="front"} 12`,
		`lunchrush_run_pool_limit{pool="gate"} 32`,
		`lunchrush_run_db_connections_in_use 4`,
		`lunchrush_run_cpu_cores{of="service"} 0.8`,
		`lunchrush_run_service_memory_bytes 6.7108864e+07`,
	} {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("no %s", line)
		}
	}
	for _, absent := range []string{`pool="identity"`, "order_id", "127.0.0.1"} {
		if strings.Contains(text, absent) {
			t.Errorf("there is %s", absent)
		}
	}
}

func TestWhatIsNotKnownIsNotAMetric(t *testing.T) {
	p, run := measured(t)
	p.Second(run.second(func(s *simulator.Second) {
		s.Sample.Backlog, s.Sample.BacklogAge, s.Sample.ServiceCPU, s.Sample.ServiceRSS, s.Sample.DBInUse = -1, -1, -1, -1, -1
		s.Sample.FrontBusy, s.Sample.FrontWaiting = -1, -1
	}))
	byName := gathered(t, p)
	for _, name := range []string{
		"lunchrush_run_backlog_rows", "lunchrush_run_backlog_oldest_age_seconds", "lunchrush_run_service_memory_bytes", "lunchrush_run_db_connections_in_use",
	} {
		if byName[name] != nil {
			t.Errorf("%s is told and not known", name)
		}
	}
	for name, f := range byName {
		for _, m := range f.GetMetric() {
			if g := m.GetGauge(); g != nil && g.GetValue() < 0 && strings.HasPrefix(name, "lunchrush_") {
				t.Errorf("%s is %v", name, g.GetValue())
			}
		}
	}
}

func TestTheMetricsOfTheNextRunBeginAnew(t *testing.T) {
	p, _ := measured(t)
	next := newFakeRun()
	next.m = runlog.Manifest{ID: "2", Scenario: "burst", Profile: "as-was"}
	p.Begin(next)
	byName := gathered(t, p)
	if n := byName["lunchrush_run_orders_total"].GetMetric()[0].GetCounter().GetValue(); n != 0 {
		t.Errorf("%v orders before the first second", n)
	}
	if byName["lunchrush_run_response_seconds"] != nil {
		t.Error("times of the run before")
	}
}

// labelsMost bounds the series of one metric: kinds of send times outcomes are the most that there should be.
const labelsMost = 60

func TestThereAreFewSeries(t *testing.T) {
	p, run := measured(t)
	kinds := []string{
		simulator.SendCreate, simulator.SendPay, simulator.SendNotify, simulator.SendResult, simulator.SendHeartbeat, simulator.SendProbe, "browse", "bid", "message",
	}
	p.Second(run.second(func(s *simulator.Second) {
		for _, kind := range kinds {
			s.Kinds[kind] = simulator.TimelineCounts{}
		}
	}))
	for name, f := range gathered(t, p) {
		if n := len(f.GetMetric()); n > labelsMost {
			t.Errorf("%s has %d series", name, n)
		}
		for _, m := range f.GetMetric() {
			for _, l := range m.GetLabel() {
				if strings.HasPrefix(name, "lunchrush_") && !slices.Contains([]string{"scenario", "side", "testbed", "run", "phase", "kind", "outcome", "pool", "on", "by", "of"}, l.GetName()) {
					t.Errorf("%s has a label %s", name, l.GetName())
				}
			}
		}
	}
}
