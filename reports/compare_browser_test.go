package reports

import (
	"bytes"
	"fmt"
	"image/png"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/lunchrush/lunchrush/internal/chromium"
)

// The pages of several runs, each at a desk and in a hand, in the light and in the dark: they must fit, show the drawing for
// their width, keep their own policy, and unfold.
func TestThePagesOfSeveralRunsInABrowser(t *testing.T) {
	ctx := chromium.Start(t)
	dir := t.TempDir()
	hostile := recordedComparison(t)
	hostile.Differs = append(hostile.Differs, Difference{"averyveryverylongswitchwithoutanybreak.in_it", "<img src=x onerror=console.error(1)>", "averyveryverylongvaluewithoutanybreakinitwhatsoever"})
	hostile.Warnings = append(hostile.Warnings, "averyveryverylongwarningwithoutanybreakinitwhatsoeverthatgoesonandon")
	one, err := Compare(groupOf(t, recorded(t, "*-1516*-as-was"), false), groupOf(t, recorded(t, "*-1516*-hardened"), false), false)
	if err != nil {
		t.Fatal(err)
	}
	pages := map[string]string{"compare": compared(t, recordedComparison(t)), "one-each": compared(t, one), "hostile": compared(t, hostile), "history": pastPageOf(t, eventful(t))}
	screens := []screen{desk, hand, narrow}
	for name, page := range pages {
		path := filepath.Join(dir, name+".html")
		if err := os.WriteFile(path, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, screen := range screens {
			t.Run(fmt.Sprintf("%s at %d in the %s", name, screen.width, screen.scheme), func(t *testing.T) {
				tab := onScreen(ctx, t, path, screen)
				shot, err := chromedp.Run(tab, chromedp.CaptureScreenshot())
				if err != nil {
					t.Fatal(err)
				}
				seen := looked[sight](tab, t, lookAtRuns)
				if seen.ScrollWidth > seen.InnerWidth || seen.InnerWidth != int(screen.width) {
					t.Errorf("the page is %d wide in a window of %d", seen.ScrollWidth, seen.InnerWidth)
				}
				if want := map[bool]int{true: 0, false: 1}[name == "history"]; seen.Overlays != want {
					t.Errorf("%d charts over time are to be seen, want the %d for this width", seen.Overlays, want)
				}
				if seen.Apart == 0 {
					t.Error("lines or marks that must differ have the same colour, or are not there")
				}
				if seen.Details == 0 || seen.Opened != seen.Details {
					t.Errorf("%d of %d details open", seen.Opened, seen.Details)
				}
				if seen.Images != 0 {
					t.Errorf("the page has %d images: text of a run became markup", seen.Images)
				}
				if seen.Overlaps != 0 {
					t.Errorf("%d cells of a table stand on their neighbours", seen.Overlaps)
				}
				if want := map[string]string{"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}[screen.scheme]; seen.Background != want {
					t.Errorf("the page is %s in the %s, want %s", seen.Background, screen.scheme, want)
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

// A sight is what lookAtRuns sees.
type sight struct {
	ScrollWidth, InnerWidth                            int
	Overlays, Apart, Details, Opened, Images, Overlaps int
	Background                                         string
}

// lookAtRuns unfolds everything and measures the page.
const lookAtRuns = `(() => {
  const shown = e => getComputedStyle(e).display !== "none";
  const stroke = selector => { const e = document.querySelector(selector); return e && getComputedStyle(e).stroke; };
  const apart = (x, y) => x && y && x !== "none" && y !== "none" && x !== y ? 1 : 0;
  const seen = {
    Background: getComputedStyle(document.body).backgroundColor,
    Overlays: [...document.querySelectorAll("svg.overlay")].filter(shown).length,
    Apart: apart(stroke("svg .line.a"), stroke("svg .line.b")) + apart(stroke("svg.trend .mark.pass"), stroke("svg.trend .mark.fail")),
    Images: document.images.length,
  };
  const details = [...document.querySelectorAll("details")];
  for (const d of details) if (!d.open) d.querySelector("summary").click();
  seen.Details = details.length;
  seen.Opened = details.filter(d => d.open && d.getBoundingClientRect().height > d.querySelector("summary").getBoundingClientRect().height).length;
  seen.Overlaps = 0;
  for (const row of document.querySelectorAll("table.measures tr")) {
    const cells = [...row.cells].filter(shown).map(c => { const r = document.createRange(); r.selectNodeContents(c); return r.getBoundingClientRect(); });
    for (let i = 1; i < cells.length; i++) if (cells[i].width && cells[i].left < cells[i - 1].right - 1) seen.Overlaps++;
  }
  seen.ScrollWidth = document.documentElement.scrollWidth;
  seen.InnerWidth = innerWidth;
  return seen;
})()`
