package simulator

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
)

// browsing is the small scenario with buyers who look.
func browsing() *scenarios.Scenario {
	s := smallScenario()
	s.Browse = scenarios.Browse{PerMachineHour: 720, Hot: 0.5, HotSlots: 3, Unknown: 0.2, Timeout: time.Second}
	return s
}

func TestAPlanWithoutCallsIsWhatItWas(t *testing.T) {
	with, without := mustPlan(t, browsing(), 7), mustPlan(t, smallScenario(), 7)
	var text bytes.Buffer
	if _, err := without.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text.String(), "call") {
		t.Error("a plan without calls speaks of calls")
	}
	if diff := cmp.Diff(without.Orders, with.Orders) + cmp.Diff(without.Probes, with.Probes); diff != "" {
		t.Errorf("calls beside the orders changed them (-without +with):\n%s", diff)
	}
	if len(with.Calls) == 0 || with.Header.Calls != len(with.Calls) || with.SHA256() == without.SHA256() {
		t.Errorf("the plan has %d calls, its header says %d", len(with.Calls), with.Header.Calls)
	}
}

func TestCallsArePartOfTheWrittenPlanAndItsShards(t *testing.T) {
	p := mustPlan(t, browsing(), 7)
	var text bytes.Buffer
	if _, err := p.WriteTo(&text); err != nil {
		t.Fatal(err)
	}
	read, err := ReadPlan(bytes.NewReader(text.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(p, read); diff != "" {
		t.Errorf("read is not written:\n%s", diff)
	}
	if n := p.sends()[SendBrowse]; n != len(p.Calls) {
		t.Errorf("%d of %d calls are planned sends", n, len(p.Calls))
	}
	lines := bytes.SplitAfter(text.Bytes(), []byte("\n"))
	for name, broken := range map[string][]byte{
		"a call is missing":   bytes.Join(lines[:len(lines)-2], nil),
		"a call is too many":  append(slices.Clone(text.Bytes()), lines[len(lines)-2]...),
		"a call without kind": append(bytes.Join(lines[:len(lines)-2], nil), []byte(`{"call":"x","due_ns":1}`)...),
	} {
		if _, err := ReadPlan(bytes.NewReader(broken)); err == nil {
			t.Errorf("%s: the plan is read", name)
		}
	}

	var together []PlanCall
	for i := range 3 {
		shard := p.Shard(i, 3)
		if shard.Header.Calls != len(shard.Calls) || len(shard.Calls) == 0 {
			t.Errorf("shard %d has %d calls, its header says %d", i, len(shard.Calls), shard.Header.Calls)
		}
		together = append(together, shard.Calls...)
	}
	slices.SortFunc(together, func(a, b PlanCall) int { return strings.Compare(a.Call, b.Call) })
	whole := slices.SortedFunc(slices.Values(p.Calls), func(a, b PlanCall) int { return strings.Compare(a.Call, b.Call) })
	if diff := cmp.Diff(whole, together); diff != "" {
		t.Errorf("the shards together are not the plan:\n%s", diff)
	}
}

func TestLooksGoWhereTheScenarioSays(t *testing.T) {
	s := browsing()
	s.Fleet.Slots = 40
	p := mustPlan(t, s, 11)
	times, unknown := map[string]int{}, 0
	for _, c := range p.Calls {
		times[c.Subject]++
		if c.Note != unknownSlot {
			continue
		}
		unknown++
		_, slot, _ := strings.Cut(c.Subject, "/")
		if n, _ := strconv.Atoi(slot); n <= s.Fleet.Slots {
			t.Errorf("%s exists", c.Subject)
		}
		if times[c.Subject] > 1 {
			t.Errorf("%s is asked for twice", c.Subject)
		}
	}
	n := len(p.Calls)
	if want := n / 5; unknown < want-1 || unknown > want+1 {
		t.Errorf("%d of %d looks are at nothing, want 20 %%", unknown, n)
	}
	most := slices.SortedFunc(func(yield func(int) bool) {
		for _, k := range times {
			if !yield(k) {
				return
			}
		}
	}, func(a, b int) int { return b - a })
	if hot := most[0] + most[1] + most[2]; hot < n*45/100 || hot > n*60/100 {
		t.Errorf("the three hottest slots got %d of %d looks, want about half", hot, n)
	}
}

func TestLooksArePlayedAndHeldAgainstTheLabels(t *testing.T) {
	s := browsing()
	s.Payments.Probes = 0
	g := newPlayground(t, s, nil)
	paper := newPaperService(t, g.ServiceSettings())
	defer paper.close()
	looks := 0
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.URL.Path, "/slots/") {
			paper.server.Config.Handler.ServeHTTP(w, r)
			return
		}
		paper.mu.Lock()
		defer paper.mu.Unlock()
		words := strings.Split(r.URL.Path, "/")
		fen, known := paper.prices[words[3]+words[5]]
		if known {
			if looks++; looks == 5 {
				fen++ // one buyer is told another price
			}
		} else {
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"code":"UNKNOWN_SLOT"}`))
			return
		}
		_, _ = w.Write([]byte(`{"price_fen":` + strconv.FormatInt(fen, 10) + `}`))
	}))
	defer front.Close()
	out, err := g.Play(t.Context(), Target{Public: front.URL, Internal: paper.server.URL})
	if err != nil || !out.Drained {
		t.Fatalf("outcome %+v, error %v", out, err)
	}
	n := len(g.cfg.Plan.Calls)
	books := g.records(t)
	if len(books[runlog.CallIntent]) != n || len(books[runlog.CallAnswer]) != n || g.m.Sent[SendBrowse] != n {
		t.Errorf("of %d calls %d were booked, %d answers, %d sent", n, len(books[runlog.CallIntent]), len(books[runlog.CallAnswer]), g.m.Sent[SendBrowse])
	}
	wrong := 0
	for _, r := range books[runlog.CallAnswer] {
		if !r.OK {
			wrong++
			if r.Note != wrongPrice || r.Status != http.StatusOK {
				t.Errorf("a look was answered %d %s", r.Status, r.Note)
			}
		}
	}
	if wrong != 1 {
		t.Errorf("%d looks were told a wrong price, want 1", wrong)
	}
	if c := g.timeline.Counts()[SendBrowse]; c.OK != n || c.Failed != 0 {
		t.Errorf("the timeline counts %+v, want every look answered as it should be, 404 too", c)
	}
}

func TestAPriceIsTrueWhileItIsOnTheLabelAndUntilItsAnswerCame(t *testing.T) {
	p := newPrices()
	p.set("m1", 1, 300, 0)
	p.set("m1", 1, 350, 10*time.Second)
	p.announce("m1", 1, 400)
	tests := []struct {
		name string
		fen  int64
		at   time.Duration
		want bool
	}{
		{"the first price before the change", 300, 5 * time.Second, true},
		{"the second price, asked for before the change and read after it", 350, 5 * time.Second, true},
		{"the first price after the change is stale", 300, 11 * time.Second, false},
		{"the second price after the change", 350, 11 * time.Second, true},
		{"a price that never was", 301, 5 * time.Second, false},
		{"an announced price", 400, 20 * time.Second, true},
		{"the price before it, while nobody confirmed it", 350, 20 * time.Second, true},
	}
	for _, tt := range tests {
		if got := p.was("m1", 1, tt.fen, tt.at); got != tt.want {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
}

func TestAConfirmedPriceIsTheOnlyOne(t *testing.T) {
	p := newPrices()
	p.set("m1", 1, 300, 0)
	p.announce("m1", 1, 400)
	p.settle("m1", 1, 10*time.Second)
	if !p.was("m1", 1, 300, 9*time.Second) || p.was("m1", 1, 300, 11*time.Second) || !p.was("m1", 1, 400, 11*time.Second) {
		t.Error("the old price is right until the new one is confirmed, and wrong after it")
	}
}

func TestAnOperatorChangesPricesThatAreLookedAt(t *testing.T) {
	s := browsing()
	s.Reprice = scenarios.Reprice{Every: 100 * time.Millisecond}
	p := mustPlan(t, s, 7)
	looked, fresh := map[string]int{}, map[string]int64{}
	for _, c := range p.Calls {
		if c.Kind == SendBrowse {
			looked[c.Subject]++
		}
	}
	for _, c := range p.Calls {
		if c.Kind != SendReprice {
			continue
		}
		if looked[c.Subject] < 2 {
			t.Errorf("nobody looks at %s", c.Subject)
		}
		if c.Fen <= s.Fleet.PriceFen[1] || fresh[c.Subject] == c.Fen {
			t.Errorf("%s gets the price %d, which it had", c.Subject, c.Fen)
		}
		fresh[c.Subject] = c.Fen
	}
	if len(fresh) != s.Browse.HotSlots {
		t.Errorf("%d slots get new prices, want the %d hot ones", len(fresh), s.Browse.HotSlots)
	}
}
