package simulator

import (
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
)

// A playground is a world with its run folder.
type playground struct {
	*World
	dir string
	m   *runlog.Manifest
	log *runlog.Writer
}

func newPlayground(t *testing.T, s *scenarios.Scenario, change func(*Config)) *playground {
	t.Helper()
	plan := mustPlan(t, s, 3)
	g := &playground{dir: filepath.Join(t.TempDir(), "run"), m: &runlog.Manifest{Scenario: s.Name, StartedAt: time.Now(), RefundAfterNS: int64(time.Minute)}}
	var err error
	if g.log, err = runlog.Create(g.dir, g.m); err != nil {
		t.Fatal(err)
	}
	cfg := Config{Scenario: s, Plan: plan, Manifest: g.m, Log: g.log}
	if change != nil {
		change(&cfg)
	}
	if g.World, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(g.Close(), g.log.Close()); err != nil {
			t.Error(err)
		}
	})
	return g
}

// records reads the books back.
func (g *playground) records(t *testing.T) map[runlog.Event][]runlog.Record {
	t.Helper()
	if err := g.log.Flush(); err != nil {
		t.Fatal(err)
	}
	f, err := runlog.Open(g.dir)
	if err != nil {
		t.Fatal(err)
	}
	byEvent := map[runlog.Event][]runlog.Record{}
	for r, err := range f.Records() {
		if err != nil {
			t.Fatal(err)
		}
		byEvent[r.Event] = append(byEvent[r.Event], r)
	}
	return byEvent
}

func TestPlayAgainstAServiceThatDoesItRight(t *testing.T) {
	s := smallScenario()
	s.Payments.Probes = 0 // the paper service checks no signature
	begun := make(chan time.Duration, 1)
	g := newPlayground(t, s, func(c *Config) {
		c.Begun = func(ctx context.Context, from time.Duration) { begun <- from; <-ctx.Done() }
		c.ServiceUsage = func(context.Context) (time.Duration, int64, error) { return time.Second, 1 << 20, nil }
	})
	g.watch.scrape = time.Minute // a busy machine is no unknown
	service := newPaperService(t, g.ServiceSettings())
	defer service.close()
	out, err := g.Play(t.Context(), service.target())
	if err != nil {
		t.Fatal(err)
	}
	n := g.cfg.Plan.Header.Orders
	if !out.Drained || !out.Collected || out.Losses != 0 || out.Paid < n/2 {
		t.Errorf("of %d orders the outcome is %+v", n, out)
	}
	for order, a := range g.ledger.orders {
		if a.lost() {
			t.Errorf("order %s is lost: %+v", order, *a)
		}
	}
	if sum := g.ledger.totals(); sum.Open != 0 || sum.Dropped+sum.Refunds != sum.Paid {
		t.Errorf("the ledger says %+v", sum)
	}
	if from := <-begun; int64(from) != g.m.PlayFromNS || from <= 0 {
		t.Errorf("begun at %v, the manifest says %v", from, time.Duration(g.m.PlayFromNS))
	}

	m := g.m
	if m.Planned[SendCreate] != n || m.Sent[SendCreate] != n || len(m.Unsent) != 0 {
		t.Errorf("planned %v, sent %v, unsent %v", m.Planned, m.Sent, m.Unsent)
	}
	if m.PlanSHA256 != g.cfg.Plan.SHA256() || m.PlayForNS != int64(s.Length()) || m.DeadlineNS != m.PlayFromNS+m.PlayForNS+int64(s.Drain) ||
		m.DrainedAtNS <= m.PlayFromNS+m.PlayForNS || m.DrainedAtNS > m.DeadlineNS {
		t.Errorf("the manifest is %+v", m)
	}
	if m.Generator.CPUNS <= 0 || m.Generator.WallNS < m.PlayForNS || m.Generator.Workers != DefaultWorkers || m.Generator.ServiceRSS != 1<<20 {
		t.Errorf("the generator's cost is %+v", m.Generator)
	}

	books := g.records(t)
	var phases []string
	for _, r := range books[runlog.Phase] {
		phases = append(phases, r.Note)
	}
	if got := strings.Join(phases, " "); got != "provision play drain collect end" {
		t.Errorf("phases were %s", got)
	}
	kinds := map[string]int{}
	for _, o := range g.cfg.Plan.Orders {
		kinds[o.Buyer]++
	}
	if got := len(books[runlog.BuyerIntent]); got != n {
		t.Errorf("%d intents of %d", got, n)
	}
	for _, r := range books[runlog.BuyerIntent] {
		if r.Due < m.PlayFromNS || r.At < r.Due {
			t.Fatalf("an order due at %d left at %d", r.Due, r.At)
		}
	}
	again := 0
	for _, r := range books[runlog.BuyerPayAgain] {
		if r.OK {
			again++
		}
	}
	if again != kinds[BuyerTwice] {
		t.Errorf("%d of %d buyers got a second way to pay", again, kinds[BuyerTwice])
	}
	// Late buyers pay at the last moment or are turned away; nobody else is.
	if got, low, high := len(books[runlog.ChannelPaid]), n-kinds[BuyerAbandons]-kinds[BuyerLate]+kinds[BuyerTwice], n-kinds[BuyerAbandons]+kinds[BuyerTwice]; got < low || got > high {
		t.Errorf("%d payments, want %d to %d", got, low, high)
	}
	if got := len(books[runlog.BuyerGone]); got < kinds[BuyerAbandons] || got > kinds[BuyerAbandons]+kinds[BuyerLate] {
		t.Errorf("%d buyers went without paying: %+v", got, books[runlog.BuyerGone])
	}
	if got := len(books[runlog.ServiceOrder]); got != n || len(books[runlog.ServiceEnd]) != 1 {
		t.Errorf("%d of %d orders were copied from the service's book", got, n)
	}
	if got := len(books[runlog.Stock]); got != s.Fleet.Machines*s.Fleet.Slots {
		t.Errorf("the stock of %d slots was booked", got)
	}

	folder, err := runlog.Open(g.dir)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := folder.Samples()
	if err != nil {
		t.Fatal(err)
	}
	sent, creates, paid, dropped, refunds := 0, 0, 0, 0, 0
	for _, r := range rows {
		sent, creates, paid, dropped, refunds = sent+r.Sent, creates+r.Creates, paid+r.Paid, dropped+r.Dropped, refunds+r.Refunds
		if r.Backlog != 0 || r.Goroutines != 7 || r.DBInUse != -1 || r.ServiceRSS != 1<<20 {
			t.Errorf("a row is %+v", r)
		}
	}
	total := 0
	for _, k := range m.Sent {
		total += k
	}
	if sent != total || creates != n || paid != out.Paid || dropped != out.Dropped || refunds != out.Refunded || len(rows) < 2 {
		t.Errorf("%d rows add up to %d sends, %d creates, %d paid, %d dropped, %d refunds", len(rows), sent, creates, paid, dropped, refunds)
	}
	g.readFiles(t, total)

	if p, later := g.Progress(), g.Progress(); p.Phase != PhaseEnd || p.Paid != out.Paid || p.Elapsed <= 0 || p.Elapsed != later.Elapsed || p.Total != s.Length() {
		t.Errorf("progress is %+v", p)
	}
}

// readFiles reads what other programs read of the folder: the plan, results.bin and latency.hlog.
// Goods that fall after their refund are a loss, and nobody waits for them: the run must.
func TestAPriceThatIsNotTheLabelsIsBookedWithTheLabels(t *testing.T) {
	for _, dearer := range []int64{0, 7} {
		s := smallScenario()
		s.Payments.Probes = 0
		g := newPlayground(t, s, nil)
		service := newPaperService(t, g.ServiceSettings())
		service.dearer = dearer
		_, err := g.Play(t.Context(), service.target())
		service.close()
		if err != nil {
			t.Fatal(err)
		}
		wrong := 0
		for _, r := range g.records(t)[runlog.BuyerAnswer] {
			if r.Paid != 0 {
				wrong++
			}
			if r.Paid != 0 && r.Fen-r.Paid != dearer {
				t.Fatalf("told %d fen, and the label is booked as %d; %d more were asked for", r.Fen, r.Paid, dearer)
			}
		}
		if n := g.cfg.Plan.Header.Orders; dearer == 0 && wrong > 0 || dearer > 0 && wrong != n {
			t.Errorf("%d of %d answers with a wrong price, at %d fen more", wrong, n, dearer)
		}
	}
}

func TestTheDrainWaitsForMotorsThatTurn(t *testing.T) {
	s := smallScenario()
	s.Payments.Probes, s.Buyers = 0, scenarios.Buyers{}
	s.Machines = scenarios.Machines{Dispense: scenarios.Delay{Kind: "constant", A: 3 * time.Second}}
	g := newPlayground(t, s, nil)
	service := newPaperService(t, g.ServiceSettings())
	service.hasty = true
	defer service.close()
	out, err := g.Play(t.Context(), service.target())
	if err != nil || !out.Drained {
		t.Fatalf("%+v, %v", out, err)
	}
	r := g.records(t)
	told, fell := len(r[runlog.MachineCommand]), len(r[runlog.MachineDropped])
	if told < g.cfg.Plan.Header.Orders/2 || fell != told {
		t.Errorf("%d commands, and goods fell %d times", told, fell)
	}
}

func (g *playground) readFiles(t *testing.T, sends int) {
	t.Helper()
	f, err := os.Open(filepath.Join(g.dir, runlog.PlanFile))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	dec, err := zstd.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	defer dec.Close()
	if plan, err := ReadPlan(dec); err != nil || plan.SHA256() != g.m.PlanSHA256 {
		t.Errorf("the plan in the folder is not the one that was played: %v", err)
	}

	results, err := os.Open(filepath.Join(g.dir, runlog.ResultsFile))
	if err != nil {
		t.Fatal(err)
	}
	defer results.Close()
	decode := vegeta.NewDecoder(results)
	byKind := map[string]int{}
	for {
		var r vegeta.Result
		if err := decode(&r); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		byKind[r.Attack]++
	}
	if !maps.Equal(byKind, g.m.Sent) {
		t.Errorf("results.bin has %v, sent were %v", byKind, g.m.Sent)
	}
	text, err := os.ReadFile(filepath.Join(g.dir, runlog.LatencyFile))
	if err != nil {
		t.Fatal(err)
	}
	for kind := range g.m.Sent {
		if !strings.Contains(string(text), "Tag="+kind+".response,") {
			t.Errorf("latency.hlog lacks %s", kind)
		}
	}
}

// noGoroutinesSince waits until everything that was started after before was counted has ended.
func noGoroutinesSince(t *testing.T, before int) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
		if time.Now().After(deadline) {
			stacks := make([]byte, 1<<18)
			t.Fatalf("goroutines were left running:\n%s", stacks[:runtime.Stack(stacks, true)])
		}
	}
}

func TestPlayIsInterruptedInEachPhase(t *testing.T) {
	for _, phase := range []string{PhaseProvision, PhasePlay, PhaseDrain, PhaseCollect} {
		t.Run(phase, func(t *testing.T) {
			t.Parallel()
			s := smallScenario()
			s.Payments.Probes = 0
			s.Clock.Speed = 3600 // one second
			g := newPlayground(t, s, nil)
			service := newPaperService(t, g.ServiceSettings())
			defer service.close()
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			why := errors.New("ctrl-c")
			stall := make(chan struct{})
			// The service stands still in the phase to be interrupted, and the run is cancelled there.
			front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				now := g.Progress().Phase
				halt := now == phase && (phase == PhaseProvision && r.URL.Path == "/internal/machines" ||
					phase == PhasePlay && r.URL.Path == "/v1/orders" || phase == PhaseDrain && r.URL.Path == "/internal/backlog" ||
					phase == PhaseCollect && r.URL.Path == "/internal/book")
				if !halt {
					service.server.Config.Handler.ServeHTTP(w, r)
					return
				}
				cancel(why)
				select {
				case <-stall:
				case <-r.Context().Done():
				}
			}))
			defer front.Close()
			defer close(stall)
			_, err := g.Play(ctx, Target{Public: front.URL, Internal: front.URL})
			if phase == PhaseCollect {
				if err != nil && !errors.Is(err, context.Canceled) {
					t.Errorf("got %v", err)
				}
			} else if !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
				t.Errorf("got %v, want context.Canceled and its cause", err)
			}
			at := time.Duration(g.records(t)[runlog.Phase][len(g.records(t)[runlog.Phase])-1].At)
			if late := at - time.Duration(g.m.PlayFromNS); phase == PhasePlay && late > 20*time.Second {
				t.Errorf("the run ended %v after its beginning", late)
			}
			if got := g.Progress().Phase; got != PhaseEnd {
				t.Errorf("the run ends in phase %s", got)
			}
			if phase == PhasePlay {
				if len(g.records(t)[runlog.ServiceEnd]) != 1 {
					t.Error("the service's book was not collected although the service lives")
				}
				if g.m.Sent[SendCreate] == 0 {
					t.Errorf("sent %v", g.m.Sent)
				}
			}
			if phase == PhaseCollect && len(g.m.Notes) == 0 {
				t.Error("no note says that the service's book is missing")
			}
		})
	}
}

func TestPlayLeavesNothingRunning(t *testing.T) {
	s := smallScenario()
	s.Payments.Probes = 0
	s.Clock.Speed = 3600
	before := runtime.NumGoroutine()
	t.Run("play", func(t *testing.T) {
		g := newPlayground(t, s, nil)
		service := newPaperService(t, g.ServiceSettings())
		defer service.close()
		ctx, cancel := context.WithTimeout(t.Context(), 1500*time.Millisecond)
		defer cancel()
		if _, err := g.Play(ctx, service.target()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		http.DefaultClient.CloseIdleConnections()
	})
	noGoroutinesSince(t, before)
}

func TestPlayAgainstAServiceThatIsDead(t *testing.T) {
	dead := httptest.NewServer(nil)
	base := dead.URL
	dead.Close()
	g := newPlayground(t, smallScenario(), nil)
	_, err := g.Play(t.Context(), Target{Public: base, Internal: base})
	if err == nil || !strings.Contains(err.Error(), "telling the service of the machines") {
		t.Errorf("got %v", err)
	}
	if g.records(t)[runlog.BuyerIntent] != nil {
		t.Error("orders were sent all the same")
	}
}

func TestAServiceThatDiesInThePlayLeavesUnknownsNotGaps(t *testing.T) {
	s := smallScenario()
	s.Payments.Probes = 0
	s.Drain = 3 * time.Second
	g := newPlayground(t, s, nil)
	service := newPaperService(t, g.ServiceSettings())
	defer service.close()
	g.cfg.Begun = func(_ context.Context, from time.Duration) {
		g.agenda.after(from+3*time.Second, func() {
			service.mu.Lock()
			service.status = http.StatusServiceUnavailable
			service.mu.Unlock()
		})
	}
	out, err := g.Play(t.Context(), service.target())
	if err == nil || !strings.Contains(err.Error(), "collecting the service's own book") {
		t.Errorf("got %v", err)
	}
	if out.Drained || out.Collected || g.m.DrainedAtNS != 0 {
		t.Errorf("the outcome is %+v", out)
	}
	folder, err := runlog.Open(g.dir)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := folder.Samples()
	if err != nil {
		t.Fatal(err)
	}
	unknown, failed := 0, 0
	for _, r := range rows {
		if r.Backlog == -1 {
			unknown++
		}
		failed += r.Failed
	}
	if unknown == 0 || rows[len(rows)-1].Backlog != -1 || failed == 0 || g.m.Sent[SendCreate] != g.cfg.Plan.Header.Orders {
		t.Errorf("of %d rows %d do not know the backlog; %d sends failed; sent were %v", len(rows), unknown, failed, g.m.Sent)
	}
}

func TestOnlyLoopbackIsATarget(t *testing.T) {
	ok := "http://127.0.0.1:8080"
	for base, want := range map[string]string{
		ok: "", "http://[::1]:8080": "",
		"http://10.0.0.1:80": "not a loopback address", "http://example.com:80": "not a loopback address", "http://localhost:80": "not a loopback address",
		"https://127.0.0.1:80": "not a base URL", "127.0.0.1:80": "target", "": "not a base URL", "http://127.0.0.1:80/v1": "not a base URL", "http://127.0.0.1": "missing port",
	} {
		for i, name := range []string{"public", "polls", "wechat", "alipay", "internal"} {
			parts := []string{ok, ok, ok, ok, ok}
			parts[i] = base
			err := Target{Public: parts[0], Polls: parts[1], WeChat: parts[2], Alipay: parts[3], Internal: parts[4]}.Validate()
			if base == "" && 0 < i && i < 4 {
				if err != nil { // it is the public address then
					t.Errorf("%s %q: %v", name, base, err)
				}
				continue
			}
			if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), name)) {
				t.Errorf("%s %q: %v", name, base, err)
			}
		}
	}
}
