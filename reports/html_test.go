package reports

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

var sampleRuns = []struct {
	name string
	run  func() *Analysis
}{
	{"passed", passedRun},
	{"failed", failedRun},
	{"doubtful", doubtfulRun},
	{"killed", killedRun},
}

func rendered(t testing.TB, a *Analysis) string {
	t.Helper()
	var b bytes.Buffer
	if err := HTML(&b, a); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// plainText is what a reader sees of markup: no tags, one space between words.
func plainText(markup string) string {
	text := regexp.MustCompile(`(?s)<(script|style|svg)\b.*?</(script|style|svg)>`).ReplaceAllString(markup, " ")
	text = regexp.MustCompile(`<[^>]*>`).ReplaceAllString(text, " ")
	text = strings.NewReplacer("&#39;", "'", "&amp;", "&", "&lt;", "<", "&gt;", ">", "&#34;", `"`, "\u00a0", " ", "&#43;", "+").Replace(text)
	return strings.Join(strings.Fields(text), " ")
}

func TestTheFirstScreenAnswersWhatAnEngineerAsks(t *testing.T) {
	tests := []struct {
		name      string
		run       *Analysis
		want      []string
		wantNever []string
	}{
		{"a failed run says what was lost, how much money, since when, and the likely reason", failedRun(), []string{
			"FAIL 60 orders (210.00 yuan) dispensed and refunded, since 11:21:07", "Lost 60 orders, 210.00 yuan",
			"Since 11:21:07 on the scenario's clock, 37.3 s into the run", "Likely callbacks waited in pay_queue",
			"went wrong 60 of 412 orders", "money lost 210.00 yuan, of 1,393.00 paid", "2 warnings",
		}, []string{"0 lost of"}},
		{"a passed run says how sure its zero is", passedRun(), []string{
			"PASS 0 lost of 412 orders", "at most 0.73% with 95% confidence", "went wrong 0 of 412 orders", "notify p99 19.0 ms median 4.00 ms",
		}, []string{"Since", "Likely"}},
		{"a doubtful run says why it proves nothing", doubtfulRun(), []string{
			"INCONCLUSIVE the load was late", "Likely the generator shared its 2 cores", "load certificate 2 of 3 the load is not proven",
		}, []string{"Since"}},
		{"a killed run says that it was cut short, and shows no figure that is not in its books", killedRun(), []string{
			"INCONCLUSIVE the run was cut short", "The run was killed before its end.", "notify p99 - not in the books", "paid to goods p99 - no samples",
			"went wrong 0 of 130 orders; of 3 the books cannot tell", "money lost 0.00",
		}, []string{"Lost 3"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			page := rendered(t, test.run)
			from, to := strings.Index(page, "<header>"), strings.Index(page, "<main>")
			if from < 0 || to < from {
				t.Fatal("the page has no header before its main part")
			}
			first := plainText(page[from:to])
			for _, want := range test.want {
				if !strings.Contains(first, want) {
					t.Errorf("%q is not there", want)
				}
			}
			for _, never := range test.wantNever {
				if strings.Contains(first, never) {
					t.Errorf("%q is there", never)
				}
			}
			if t.Failed() {
				t.Log(first)
			}
		})
	}
}

// A label is a name that someone gave to the run: a mutant, a trial, a gate's side.
func TestTheCommandThatRepeatsARunNamesItsSideUnlessThatIsALabel(t *testing.T) {
	m := &runlog.Manifest{Scenario: "inflight-limit", Profile: "sleep", Seed: 7}
	if got, want := repeatLine(m), "lunchrush run inflight-limit --seed 7 --profile sleep"; got != want {
		t.Errorf("%s, wanted %s", got, want)
	}
	m.Profile, m.Labelled = "trial-07", true
	if got, want := repeatLine(m), "lunchrush run inflight-limit --seed 7"; got != want {
		t.Errorf("%s, wanted %s", got, want)
	}
}

func TestTheReportHoldsEachPart(t *testing.T) {
	text := plainText(rendered(t, failedRun()))
	for _, want := range []string{
		"dispensed-and-refunded ✗", "✗ failed dispensed-and-refunded first at 11:21:07 == 0 60 n=412", "? unknown pay_to_dispense.p999",
		"paid by buyers 1,393.00", "= given away twice -210.00", "where status = 4", "later than 60 s 77", "where consume_status <> 2",
		"containers: no engine answers at unix:///var/run/docker.sock", "MariaDB 10.11.14, Redis 7.0.15", "callback.workers: 1", "refund.guard: none",
		"AMD EPYC 7B13, 2 cores, 8.00 GiB, linux/amd64, go1.26.0", "9f2c41d0a5b36e7788c1f04b2d6a93e5170cbb84fe2936ad50e1c7f8a2b4d690",
		"lunchrush run callback-serial --seed 7 --profile as-was --speed 90 --machines 600 --testbed local",
		"The drain was not complete by its deadline", "Totals are 1/90 of the real day's", "✓ felt mysql: latency 200ms±50ms 40.0 s to 60.0 s 203ms added to a round trip, wanted 200ms±50ms",
		"LR20261120000090", "refunded 3.50 yuan", "Signature of the documented failure",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not there", want)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}

func TestHostileTextStaysText(t *testing.T) {
	const evil = `"'></script></svg></style><script>alert(1)</script><img src=x onerror=alert(2)>{{.}}` + "\u2028\x00"
	a := failedRun()
	a.Verdict.Headline, a.Verdict.Likely, a.Verdict.SinceTime = evil, evil, evil
	a.Run.Scenario, a.Run.Title, a.Run.Source, a.Run.Profile, a.Run.Testbed, a.Run.Engine, a.Run.Error, a.Run.ID = evil, evil, evil, evil, evil, evil, evil, evil
	a.Run.Ended, a.Run.TestbedWhy, a.Run.Notes, a.Warnings = "error", []string{evil}, []string{evil}, []string{evil}
	a.Run.CommandLine, a.Run.ServiceCfg = []string{evil}, map[string]any{evil: evil, "nested": map[string]any{evil: evil}}
	a.Run.Sent = map[string]int{evil: 1}
	a.Run.Faults[0].What, a.Run.Faults[0].On, a.Run.Faults[0].ID = evil, evil, evil
	a.Faults[0].What, a.Faults[0].On, a.Faults[0].ID, a.Faults[0].Evidence, a.Faults[0].Note = evil, evil, evil, evil, evil
	a.Invariants[0] = Check{Name: evil, Want: evil, Got: evil, Status: evil, Note: evil}
	a.Latency[0].Kind = evil
	a.Audit.UpperBound = evil
	for i := range a.Timeline {
		a.Timeline[i].Phase = evil
	}
	b := &a.Audit.Bad[0]
	b.Class, b.Key, b.Order, b.Machine, b.Channel, b.Why = evil, evil, evil, evil, evil, evil
	b.Events[0] = Moment{Who: evil, What: evil}

	page := rendered(t, a)
	for _, bad := range []string{"<img", "<script>alert", "onerror=alert(2)>"} {
		if at := strings.Index(page, bad); at >= 0 {
			t.Errorf("%q came through: ...%.120q", bad, page[max(0, at-60):])
		}
	}
	if n := strings.Count(page, "<script"); n != 2 {
		t.Errorf("the page has %d scripts, want its data and its own", n)
	}
	if n := strings.Count(page, "</script"); n != 2 {
		t.Errorf("%d scripts are closed, want 2", n)
	}

	var summary, junit bytes.Buffer
	if err := Markdown(&summary, a); err != nil {
		t.Fatal(err)
	}
	outside := summary.String()[:strings.LastIndex(summary.String(), "\n\n```")] // the fenced command is code, not markup
	if strings.ContainsRune(summary.String(), 0) {
		t.Error("a NUL came through into the summary")
	}
	if strings.ContainsAny(outside, "<>") {
		t.Errorf("markup came through into the summary:\n%s", outside)
	}
	if err := JUnit(&junit, a); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(junit.String(), "<img") || strings.Contains(junit.String(), "\x00") {
		t.Error("markup came through into junit.xml")
	}
}

func TestTheReportNeedsNoNetwork(t *testing.T) {
	for _, sample := range sampleRuns {
		page := rendered(t, sample.run())
		page = strings.ReplaceAll(page, `"http://www.w3.org/2000/svg"`, "")
		for _, bad := range []string{` src=`, `url(`, `@import`, `<link`, `"http://`, `"https://`, `"//`} {
			if strings.Contains(page, bad) {
				t.Errorf("%s: the page holds %q", sample.name, bad)
			}
		}
	}
}

func TestIDsAreUniqueAndReferencesLeadSomewhere(t *testing.T) {
	for _, sample := range sampleRuns {
		page := rendered(t, sample.run())
		seen := map[string]bool{}
		for _, match := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
			if seen[match[1]] {
				t.Errorf("%s: id %q twice", sample.name, match[1])
			}
			seen[match[1]] = true
		}
		for _, match := range regexp.MustCompile(` (?:href="#|aria-labelledby=")([^"]*)"`).FindAllStringSubmatch(page, -1) {
			for _, id := range strings.Fields(match[1]) {
				if !seen[id] {
					t.Errorf("%s: nothing has the id %q", sample.name, id)
				}
			}
		}
	}
}

func TestAnEmptyAnalysisIsStillAReport(t *testing.T) {
	for name, a := range map[string]*Analysis{
		"nothing at all":        {Verdict: Verdict{Outcome: Inconclusive, Headline: "no record", Since: -1}},
		"one sample":            {Timeline: []runlog.Sample{{AtNS: 1e9, Phase: "play", Backlog: -1, CreateP50MS: -1, CreateP99MS: -1, NotifyP50MS: -1, NotifyP99MS: -1}}},
		"a moment at the start": {Verdict: Verdict{Outcome: Fail, Since: 0}, Timeline: []runlog.Sample{{AtNS: 1e9, Backlog: 1}}},
		"figures out of reason": {Timeline: []runlog.Sample{{AtNS: 1, BacklogAge: math.Inf(1), CreateP99MS: math.NaN(), ServiceCPU: math.NaN()}, {AtNS: math.MaxInt64 / 2, Backlog: math.MaxInt32}}},
	} {
		page := rendered(t, a)
		if !strings.Contains(page, "</html>") {
			t.Errorf("%s: the page has no end", name)
		}
		if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") {
			t.Errorf("%s: NaN or Inf came through", name)
		}
	}
}

func TestTheSameAnalysisIsTheSamePage(t *testing.T) {
	first, second := rendered(t, failedRun()), rendered(t, failedRun())
	if first != second {
		t.Error("two pages of one analysis differ")
	}
}

func TestALongRunStaysASmallPage(t *testing.T) {
	page := rendered(t, halfHourRun())
	if len(page) > 1_500_000 {
		t.Errorf("the report of a 30-minute run with 1,000 bad orders has %d bytes, want at most 1.5 MB", len(page))
	}
	if n := strings.Count(page, "<details"); n != detailLimit+2 {
		t.Errorf("%d orders and tables unfold, want %d orders, the fold of those after the first and the timeline's table", n, detailLimit)
	}
	if want := "1,200 more bad orders are not unfolded here"; !strings.Contains(page, want) {
		t.Errorf("the page does not say %q", want)
	}
	for _, match := range regexp.MustCompile(` d="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		if n := strings.Count(match[1], "L") + strings.Count(match[1], "M"); n > 2200 {
			t.Errorf("a line has %d points, more than a screen has pixels", n)
		}
	}
}

func BenchmarkHTMLOfThirtyMinutes(b *testing.B) {
	a := halfHourRun()
	for b.Loop() {
		if err := HTML(io.Discard, a); err != nil {
			b.Fatal(err)
		}
	}
}

func TestYuanIsExact(t *testing.T) {
	for fen, want := range map[int64]string{
		0: "0.00", 5: "0.05", 14350: "143.50", -7: "-0.07", 123456789: "1,234,567.89", math.MaxInt64: "92,233,720,368,547,758.07", math.MinInt64: "-92,233,720,368,547,758.08",
	} {
		if got := yuan(fen); got != want {
			t.Errorf("yuan(%d) = %q, want %q", fen, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		fen := rapid.Int64().Draw(t, "fen")
		back, err := strconv.ParseInt(strings.NewReplacer(",", "", ".", "").Replace(yuan(fen)), 10, 64)
		if err != nil || back != fen {
			t.Fatalf("yuan(%d) = %q reads back as %d, %v", fen, yuan(fen), back, err)
		}
	})
}

func TestSpan(t *testing.T) {
	for ns, want := range map[int64]string{
		-1: "-", 0: "0", 420: "420 ns", 60_000: "60.0 µs", 212_345_678: "212 ms", 2_100_000: "2.10 ms", 999_700_000: "1.00 s", 34_140_000_000: "34.1 s",
		99_990_000_000: "100 s", 125e9: "2 min 05 s",
	} {
		if got := span(ns); got != want {
			t.Errorf("span(%d) = %q, want %q", ns, got, want)
		}
	}
}

func TestTheScenarioClock(t *testing.T) {
	tests := []struct {
		name  string
		from  string
		speed float64
		at    time.Duration
		want  string
	}{
		{"at the play's beginning it is the scenario's beginning", "10:30", 90, 0, "10:30:00"},
		{"a second of the run is as many of the day as the speed says", "10:30", 90, 34 * time.Second, "11:21:00"},
		{"midnight is passed", "20:30", 120, 110 * time.Second, "00:10:00"},
		{"after the play the clock stands and the drain is counted in real seconds", "10:30", 90, 131 * time.Second, "13:30:00 +11s"},
		{"in real time the day goes on after the play", "10:30", 1, 131 * time.Second, "10:32:11"},
		{"before the play there is no such time", "10:30", 90, -time.Second, ""},
		{"without a clock there is none", "", 90, time.Second, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := clockOf(&runlog.Manifest{ClockFrom: test.from, Speed: test.speed, PlayFromNS: 5e9, PlayForNS: 120e9})
			if got := c.at(5e9 + int64(test.at)); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestShellLineReadsBackAsItWas(t *testing.T) {
	got := shellLine([]string{"lunchrush", "run", "it's here", "", "--seed=7", "$(id)"})
	if want := `lunchrush run 'it'\''s here' '' --seed=7 '$(id)'`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestEveryClassHasAMeaning(t *testing.T) {
	for _, c := range classes {
		if meanings[c] == "" {
			t.Errorf("%s means nothing to a reader", c)
		}
	}
	if len(meanings) != len(classes) {
		t.Errorf("%d classes, %d meanings", len(classes), len(meanings))
	}
}

func TestRatesAddUpToTheOrders(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := &Analysis{Run: runlog.Manifest{PlayFromNS: 2e9, PlayForNS: 60e9}}
		orders := 0
		for s := range rapid.IntRange(1, 900).Draw(t, "seconds") {
			n := rapid.IntRange(0, 9).Draw(t, "orders")
			orders += n
			a.Timeline = append(a.Timeline, runlog.Sample{AtNS: 2e9 + int64(s+1)*1e9, Phase: "play", Creates: n})
		}
		steps := newTimeline(a).rates(func(s *runlog.Sample) int { return s.Creates })
		sum := 0.0
		for i := 0; i+1 < len(steps); i += 2 {
			sum += steps[i].Y * (steps[i+1].X - steps[i].X) / 1e9
		}
		if math.Abs(sum-float64(orders)) > 1e-6*float64(orders)+1e-9 {
			t.Fatalf("%d steps hold %v orders, want %d", len(steps)/2, sum, orders)
		}
	})
}

func TestTooFewSamplesAreADashWithItsReason(t *testing.T) {
	q := Quantiles{N: 120, P50: 4e6, P90: 9e6, P99: -1, P999: -1, Max: 2e7}
	var got []string
	for _, c := range q.Cells() {
		got = append(got, fmt.Sprintf("%s|%s", c.Cell, c.Why))
	}
	want := []string{"4.00 ms|", "9.00 ms|", "-|120 samples, 299 needed", "-|120 samples, 2,995 needed"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
