package reports

import (
	"math"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// spreadOf is a run with these shares.
func spreadOf(shares ...runlog.Share) *evidence {
	return &evidence{run: &runlog.Manifest{Balance: shares}}
}

func readGauge(t *testing.T, name string, e *evidence) (float64, int) {
	t.Helper()
	for _, g := range shareGauges() {
		if g.Name == name {
			return g.read(e)
		}
	}
	t.Fatalf("there is no measure %s", name)
	return 0, 0
}

func TestSharesAreMeasuredByWhatWouldHaveBeenFair(t *testing.T) {
	even := spreadOf(
		runlog.Share{Listener: "public", Instance: "front-1", Weight: 1, Requests: 520, Fair: 500, Of: 1000},
		runlog.Share{Listener: "public", Instance: "front-2", Weight: 1, Requests: 480, Fair: 500, Of: 1000},
	)
	stale := spreadOf(
		runlog.Share{Listener: "public", Instance: "front-1", Weight: 1, Requests: 750, Fair: 600, Of: 1500},
		runlog.Share{Listener: "public", Instance: "front-2", Weight: 1, Requests: 750, Fair: 600, Of: 1500},
		runlog.Share{Listener: "public", Instance: "front-3", Weight: 1, Added: true, Fair: 300, Of: 900},
	)
	few := spreadOf(
		runlog.Share{Listener: "public", Instance: "front-1", Weight: 1, Requests: 80, Fair: 99, Of: 198},
		runlog.Share{Listener: "public", Instance: "front-2", Weight: 1, Requests: 118, Fair: 99, Of: 198},
	)
	resting := spreadOf(
		runlog.Share{Listener: "public", Instance: "front-1", Weight: 1, Requests: 500, Fair: 500, Of: 500},
		runlog.Share{Listener: "public", Instance: "front-2", Of: 500},
	)
	tests := []struct {
		name, measure string
		e             *evidence
		want          float64 // NaN: unknown
		samples       int
	}{
		{"the least share", "share.min", even, 0.96, 500},
		{"the greatest difference", "share.skew", even, 0.04, 500},
		{"no instance was added", "share.added", even, math.NaN(), 0},
		{"an added one that got nothing", "share.added", stale, 0, 300},
		{"and what that makes of the spread", "share.skew", stale, 1, 300},
		{"too few requests to tell", "share.min", few, math.NaN(), 99},
		{"an instance of no weight is due nothing", "share.min", resting, 1, 500},
		{"no balancer", "share.min", spreadOf(), math.NaN(), 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, n := readGauge(t, tt.measure, tt.e)
			if n != tt.samples || !(math.Abs(got-tt.want) < 1e-9 || math.IsNaN(got) && math.IsNaN(tt.want)) {
				t.Errorf("got %v of %d, want %v of %d", got, n, tt.want, tt.samples)
			}
		})
	}
}

func TestTheColdestInstanceCounts(t *testing.T) {
	e := &evidence{run: &runlog.Manifest{Cold: []runlog.ColdSpell{{Answered: 400, P99NS: 2e9}, {Answered: 299, P99NS: 3e9}}}}
	if got, n := readGauge(t, "cold.p99", e); got != 3e9 || n != 299 {
		t.Errorf("got %v of %d", got, n)
	}
	e.run.Cold[0].Answered = 298
	if got, n := readGauge(t, "cold.p99", e); !math.IsNaN(got) || n != 298 {
		t.Errorf("with too few answers: %v of %d", got, n)
	}
}

func TestTheReportsShowWhoGotWhat(t *testing.T) {
	a := passedRun()
	a.Run.Balance = []runlog.Share{
		{Listener: "public", Instance: "front-1", Weight: 1, Of: 1000, Requests: 700, Fair: 500, P99NS: 12e6},
		{Listener: "public", Instance: "front-2<script>", Weight: 1, Added: true, Of: 1000, Requests: 300, Fair: 500},
		{Listener: "polls", Instance: "notifier-1", Weight: 1, Of: 10, Requests: 10, Fair: 10},
	}
	a.Run.Cold = []runlog.ColdSpell{{Instance: "front-1", Requests: 9, Answered: 9, P99NS: 3e9, MaxNS: 4e9, LongestNS: 2e9}}
	var text, page strings.Builder
	if err := WriteText(&text, a, false); err != nil {
		t.Fatal(err)
	}
	if err := HTML(&page, a); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"front-1", "70.0 %", "50.0 %", "added", "longest wait for a core 2.00 s"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the text does not say %q:\n%s", want, &text)
		}
	}
	for _, want := range []string{`<h2 id="balancer-h">`, "70.0\u00a0%", `<rect class="got" width="70"`, `<rect class="due" x="50"`, `class="odd"`, "front-2&lt;script&gt;", "was started cold"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page does not have %q", want)
		}
	}
	if strings.Contains(page.String(), "notifier-1") || strings.Contains(text.String(), "notifier-1") {
		t.Error("an instance that is alone is in the table: it has everything, always")
	}
}
