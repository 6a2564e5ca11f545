package live

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	hdr "github.com/HdrHistogram/hdrhistogram-go"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/simulator"
)

// A fakeRun is a run that the test leads by the hand. Its faults are on at once, and felt.
type fakeRun struct {
	mu       sync.Mutex
	m        runlog.Manifest
	phase    string
	now      time.Duration
	faults   []reports.LiveFault
	paused   bool
	only     bool
	injected []url.Values
	refuse   error
}

func newFakeRun() *fakeRun {
	return &fakeRun{
		m: runlog.Manifest{
			ID: "20261120-115600-peak-lunch-hardened", Scenario: "peak-lunch", Title: "The lunch peak", Profile: "hardened", Testbed: "local", Seed: 7,
			Speed: 90, ClockFrom: "10:30", ClockTo: "13:00", PlayFromNS: 1e9, PlayForNS: 100e9, Machine: runlog.Fingerprint{Cores: 2},
		},
		phase: simulator.PhasePlay, now: time.Second,
	}
}

func (f *fakeRun) Manifest() runlog.Manifest {
	f.mu.Lock()
	defer f.mu.Unlock()
	m := f.m
	m.Pauses, m.Faults = slices.Clone(m.Pauses), slices.Clone(m.Faults)
	if n := len(m.Pauses); n > 0 && m.Pauses[n-1].ToNS == 0 {
		m.Pauses[n-1].ToNS = int64(f.now)
	}
	return m
}

func (f *fakeRun) Demand() []reports.DemandPoint {
	d := reports.NewDemand(100 * time.Second)
	for i := range 1000 {
		d.Add(time.Duration(i) * 100 * time.Millisecond)
	}
	m := f.Manifest()
	return d.Points(&m)
}

func (f *fakeRun) Faults() []reports.LiveFault {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.faults)
}

func (f *fakeRun) Progress() simulator.Progress {
	f.mu.Lock()
	defer f.mu.Unlock()
	return simulator.Progress{Phase: f.phase, Elapsed: f.now - time.Second, Total: 100 * time.Second}
}

func (f *fakeRun) Now() time.Duration {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.now
}

func (f *fakeRun) Paused() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.paused
}

func (f *fakeRun) WatchedOnly() bool { return f.only }

func (f *fakeRun) Offers() []harness.Offer {
	if f.only {
		return nil
	}
	var offers []harness.Offer
	for _, k := range chaos.Kinds() {
		if sites := map[chaos.Surface][]string{chaos.OnLink: {"mysql", "redis-cache"}, chaos.OnDatabase: {"mysql"}}[k.On]; sites != nil {
			offers = append(offers, harness.Offer{Kind: k, Sites: sites})
		}
	}
	return offers
}

func (f *fakeRun) Pause() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.paused {
		return simulator.ErrPaused
	}
	f.paused = true
	f.m.Pauses = append(f.m.Pauses, runlog.Pause{FromNS: int64(f.now)})
	return nil
}

func (f *fakeRun) Resume() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.paused {
		return simulator.ErrNotPaused
	}
	f.paused = false
	f.m.Pauses[len(f.m.Pauses)-1].ToNS = int64(f.now)
	return nil
}

func (f *fakeRun) Inject(on, inject string, params map[string]string, long time.Duration) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.refuse != nil {
		return "", f.refuse
	}
	made, err := chaos.New(inject, params)
	if err != nil {
		return "", err
	}
	asked := url.Values{"on": {on}, "inject": {inject}, "for": {long.String()}}
	for name, value := range params {
		asked.Set("p."+name, value)
	}
	f.injected = append(f.injected, asked)
	id := "by hand 1: " + made.String() + " on " + on
	plan := runlog.FaultPlan{ID: id, What: made.String(), On: on, FromNS: int64(f.now), ForNS: int64(long), ByHand: true}
	f.m.Faults = append(f.m.Faults, plan)
	f.faults = append(f.faults, reports.LiveFault{ForNS: plan.ForNS, Fault: reports.Fault{
		ID: id, What: plan.What, On: on, FromNS: plan.FromNS, Injected: true, Felt: true, Evidence: "203ms added", ByHand: true,
	}})
	return id, nil
}

func (f *fakeRun) Heal(id string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i := range f.faults {
		if f.faults[i].ID == id {
			f.faults[i].ToNS, f.faults[i].Healed = int64(f.now), true
		}
	}
	return nil
}

// second is the next second of the run: 20 orders, of which so many take long.
func (f *fakeRun) second(change func(*simulator.Second)) simulator.Second {
	f.mu.Lock()
	f.now += time.Second
	n := int(f.now / time.Second)
	f.mu.Unlock()
	s := simulator.Second{
		Sample: runlog.Sample{
			AtNS: int64(f.now), Phase: simulator.PhasePlay, Offered: 80, Sent: 79, OK: 78, Failed: 1, Creates: 20, Paid: 19, Dropped: 18, Refunds: 1,
			CreateP50MS: 12, CreateP99MS: 40, NotifyP50MS: 8, NotifyP99MS: 30, LatenessP99: 0.4, InFlight: 3, Backlog: n, BacklogAge: 0.5,
			ServiceCPU: 0.8, ServiceRSS: 64 << 20, HarnessCPU: 0.2, Goroutines: 60, DBInUse: 4, Open: 5,
			FrontBusy: 12, FrontLimit: 64, GateBusy: 3, GateLimit: 32, IdentityBusy: -1, IdentityWaiting: -1,
		},
		Kinds: map[string]simulator.TimelineCounts{
			simulator.SendCreate: {Offered: 20 * n, Sent: 20 * n, OK: 19 * n, Failed: n, Silent: n / 2},
			simulator.SendNotify: {Offered: 25 * n, Sent: 25 * n, OK: 25 * n},
		},
		Times: map[string]*hdr.Histogram{},
	}
	for _, kind := range slices.Sorted(maps.Keys(s.Kinds)) {
		response, late := newTimes(), newTimes()
		for i := range 20 {
			_ = response.RecordValue(int64(10+i) * int64(time.Millisecond))
			_ = late.RecordValue(int64(200 * time.Microsecond))
		}
		s.Times[kind+"."+simulator.TimeResponse], s.Times[kind+"."+simulator.TimeLateness] = response, late
	}
	if change != nil {
		change(&s)
	}
	return s
}

// open opens a page that ends with the test.
func open(t *testing.T, cfg Config) *Page {
	t.Helper()
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	p, err := Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		p.end() // nobody is waited for
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	})
	return p
}

// origin is the page's.
func (p *Page) origin() string { return strings.TrimSuffix(p.URL(), "/") }

// post sends a form as the page's own would be.
func (p *Page) post(t *testing.T, path string, form url.Values, change func(*http.Request)) (status int, text string) {
	t.Helper()
	if form == nil {
		form = url.Values{}
	}
	if !form.Has("act") {
		form.Set("act", p.act)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.origin()+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", p.origin())
	if change != nil {
		change(r)
	}
	return answerOf(t, r)
}

func (p *Page) get(t *testing.T, path string, change func(*http.Request)) (status int, text string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.origin()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	return answerOf(t, r)
}

func answerOf(t *testing.T, r *http.Request) (status int, text string) {
	t.Helper()
	client := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}
