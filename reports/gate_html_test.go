package reports

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/internal/chromium"
)

func gateHTML(t *testing.T, g *Gate) string {
	t.Helper()
	var b bytes.Buffer
	if err := GateHTML(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestThePageOfAGateLinksItsRunsAndEscapesWhatIsGiven(t *testing.T) {
	g := failedGate()
	g.Pairs[0].Base.Folder = `a "run" & more`
	g.Head.Name = `<script>alert(1)</script>`
	g.Head.Set = map[string]string{"x": `<img src=x>`}
	g.Judge()
	page := gateHTML(t, g)
	if strings.Contains(page, "<script") || strings.Contains(page, "<img") {
		t.Error("what a caller typed became markup")
	}
	if want := `href="./a%20%22run%22%20&amp;%20more/report.html"`; !strings.Contains(page, want) {
		t.Errorf("no link %s", want)
	}
	if n := len(regexp.MustCompile(`<svg [^>]*class="pairs"`).FindAllString(page, -1)); n != len(g.Measures) {
		t.Errorf("%d pictures of pairs, want %d", n, len(g.Measures))
	}
	if strings.Contains(page, "NaN") || strings.Contains(page, "Inf") {
		t.Error("what is no number is on the page")
	}
}

func TestTheScaleOfMargins(t *testing.T) {
	less := GateMeasure{Better: "less", Margin: 0.1, Change: GateChange{Low: 0, Median: 0.1, High: 0.21}}
	if low, mid, high := less.inMargins(); low != 0 || mid < 0.999 || mid > 1.001 || high < 1.99 || high > 2.01 {
		t.Errorf("%v %v %v", low, mid, high)
	}
	more := GateMeasure{Better: "more", Margin: 0.5, Change: GateChange{Low: -0.5, Median: 0, High: 1}}
	if low, mid, high := more.inMargins(); low > -0.999 || mid != 0 || high < 0.999 || high > 1.001 {
		t.Errorf("of what is better the more there is: %v %v %v", low, mid, high)
	}
}

func TestTheGateInABrowser(t *testing.T) {
	ctx := chromium.Start(t)
	dir := t.TempDir()
	hostile := failedGate()
	hostile.Head.Name = strings.Repeat("averylongnamewithoutanybreak", 12)
	open := usual
	open.recovery, open.open = 30, true
	base := usual
	base.recovery = 4
	gates := map[string]*Gate{
		"passed": gateOf(usual, usual, 10, 0.01, 1), "failed": failedGate(), "doubtful": doubtfulGate(), "hostile": hostile,
		"never back": gateOf(base, open, 10, 0.01, 1), "empty": gateOf(usual, usual, 0, 0.01, 1),
	}
	for name, g := range gates {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-")+".html")
		if err := os.WriteFile(path, []byte(gateHTML(t, g)), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, screen := range []screen{desk, hand} {
			t.Run(fmt.Sprintf("%s at %d in the %s", name, screen.width, screen.scheme), func(t *testing.T) {
				tab := onScreen(ctx, t, path, screen)
				page := looked[gateLook](tab, t, lookAtGate)
				if page.ScrollWidth > page.InnerWidth || page.InnerWidth != int(screen.width) {
					t.Errorf("the page is %d wide in a window of %d", page.ScrollWidth, page.InnerWidth)
				}
				if page.Verdict != g.Verdict.Outcome || page.VerdictBottom > float64(screen.height) {
					t.Errorf("the verdict %q ends at %v, the first screen at %d", page.Verdict, page.VerdictBottom, screen.height)
				}
				want := 1
				if len(g.Measures) == 0 {
					want = 0
				}
				if page.Intervals != want || page.Dots != want*len(g.Measures) {
					t.Errorf("%d pictures of intervals are to be seen with %d dots, want %d with a dot for each of %d measures", page.Intervals, page.Dots, want, len(g.Measures))
				}
				if page.Cut != "" {
					t.Errorf("the label %q reaches out of its picture", page.Cut)
				}
			})
		}
	}
}

// A gateLook is what lookAtGate sees.
type gateLook struct {
	ScrollWidth, InnerWidth, Intervals, Dots int
	VerdictBottom                            float64
	Verdict, Cut                             string
}

const lookAtGate = `(() => {
  const verdict = document.querySelector(".verdict");
  const shown = [...document.querySelectorAll("svg.intervals")].filter(c => getComputedStyle(c).display !== "none");
  let cut = "";
  for (const picture of [...shown, ...document.querySelectorAll("svg.pairs")]) {
    const box = picture.getBoundingClientRect();
    for (const label of picture.querySelectorAll("text")) {
      const at = label.getBoundingClientRect();
      if (at.left < box.left - 1 || at.right > box.right + 1) cut = label.textContent;
    }
  }
  return {
    ScrollWidth: document.documentElement.scrollWidth, InnerWidth: innerWidth, Verdict: verdict.textContent,
    VerdictBottom: verdict.getBoundingClientRect().bottom, Cut: cut,
    Intervals: shown.length, Dots: shown.length ? shown[0].querySelectorAll(".dot").length : 0,
  };
})()`
