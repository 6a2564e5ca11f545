package reports

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/lunchrush/lunchrush/internal/chromium"
)

func TestTheReportInABrowser(t *testing.T) {
	ctx := chromium.Start(t)
	dir := t.TempDir()
	hostile := failedRun()
	hostile.Audit.Bad[0].Order = `<img src=x onerror="console.error('out')">`
	hostile.Verdict.Likely = strings.Repeat("averylongwordwithoutanybreak", 12)
	hostile.Invariants[1].Name = strings.Repeat("x", 300)
	runs := map[string]*Analysis{
		"passed": passedRun(), "failed": failedRun(), "doubtful": doubtfulRun(), "killed": killedRun(), "half-hour": halfHourRun(), "hostile": hostile,
	}
	screens := []screen{desk, hand, narrow}

	for name, run := range runs {
		path := filepath.Join(dir, name+".html")
		if err := os.WriteFile(path, []byte(rendered(t, run)), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, screen := range screens {
			t.Run(fmt.Sprintf("%s at %d in the %s", name, screen.width, screen.scheme), func(t *testing.T) {
				tab := onScreen(ctx, t, path, screen)
				shot, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
				if err != nil {
					t.Fatal(err)
				}
				page := looked[look](tab, t, lookAtPage)
				if page.ScrollWidth > page.InnerWidth || page.InnerWidth != int(screen.width) {
					t.Errorf("the page is %d wide in a window of %d", page.ScrollWidth, page.InnerWidth)
				}
				if page.Verdict != run.Verdict.Outcome || page.VerdictTop < 0 || page.VerdictBottom > float64(screen.height) {
					t.Errorf("the verdict %q stands at %v to %v, the first screen ends at %d", page.Verdict, page.VerdictTop, page.VerdictBottom, screen.height)
				}
				if page.FiguresTop > float64(screen.height) && name != "hostile" {
					t.Errorf("the key figures begin at %v, below the first screen", page.FiguresTop)
				}
				if page.Charts != 1 {
					t.Errorf("%d timelines are to be seen, want the one for this width", page.Charts)
				}
				if page.Details != page.Opened || page.Details == 0 {
					t.Errorf("%d of %d details open", page.Opened, page.Details)
				}
				if !strings.Contains(page.Readout, "backlog") {
					t.Errorf("the read-out under the pointer is %q", page.Readout)
				}
				if page.Images != 0 {
					t.Errorf("the page has %d images: text of the books became markup", page.Images)
				}
				if want := map[string]string{"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}[screen.scheme]; page.Background != want {
					t.Errorf("the page is %s in the %s, want %s", page.Background, screen.scheme, want)
				}
				if picture, err := png.Decode(bytes.NewReader(shot)); err != nil {
					t.Errorf("the screenshot: %v", err)
				} else if colours := coloursIn(picture); colours < 10 {
					t.Errorf("the screenshot has %d colours: it is empty", colours)
				}
			})
		}
	}
}

// A look is what lookAtPage sees.
type look struct {
	ScrollWidth, InnerWidth               int
	VerdictTop, VerdictBottom, FiguresTop float64
	Verdict, Background, Readout          string
	Charts, Details, Opened, Images       int
}

// lookAtPage measures the page, then unfolds everything and moves the pointer over the chart. The width is measured again
// with everything unfolded.
const lookAtPage = `(() => {
  const verdict = document.querySelector(".verdict"), box = verdict.getBoundingClientRect();
  const shown = [...document.querySelectorAll("svg.timeline")].filter(c => getComputedStyle(c).display !== "none");
  const chart = shown[0].getBoundingClientRect();
  shown[0].dispatchEvent(new PointerEvent("pointermove", {clientX: chart.left + chart.width / 2, clientY: chart.top + 50, bubbles: true}));
  const seen = {
    VerdictTop: box.top, VerdictBottom: box.bottom, Verdict: verdict.textContent,
    FiguresTop: document.querySelector(".figures").getBoundingClientRect().top,
    Background: getComputedStyle(document.body).backgroundColor,
    Charts: shown.length, Readout: document.getElementById("readout").textContent, Images: document.images.length,
  };
  const details = [...document.querySelectorAll("details")];
  for (const d of details) if (!d.open) d.querySelector("summary").click();
  seen.Details = details.length;
  seen.Opened = details.filter(d => d.open && d.getBoundingClientRect().height > d.querySelector("summary").getBoundingClientRect().height).length;
  seen.ScrollWidth = document.documentElement.scrollWidth;
  seen.InnerWidth = innerWidth;
  return seen;
})()`

func coloursIn(picture image.Image) int {
	seen := map[color.Color]bool{}
	bounds := picture.Bounds()
	for y := bounds.Min.Y; y < bounds.Max.Y; y += 3 {
		for x := bounds.Min.X; x < bounds.Max.X; x += 3 {
			seen[picture.At(x, y)] = true
		}
	}
	return len(seen)
}
