package reports

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/internal/chromium"
)

func TestTheCapacityReportInABrowser(t *testing.T) {
	ctx := chromium.Start(t)
	dir := t.TempDir()
	hostile := sampleCapacity()
	hostile.Engine = `<img src=x onerror="console.error('out')">`
	hostile.Trials[8].Why = strings.Repeat("averylongwordwithoutanybreak", 12)
	hostile.Conclude()
	empty := sampleCapacity()
	empty.Trials, empty.Ended = []CapacityTrial{}, EndedInterrupted
	empty.Conclude()
	for name, c := range map[string]*Capacity{"answered": sampleCapacity(), "hostile": hostile, "empty": empty} {
		var b bytes.Buffer
		if err := CapacityHTML(&b, c); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name+".html")
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		for _, screen := range []screen{desk, hand} {
			t.Run(fmt.Sprintf("%s at %d in the %s", name, screen.width, screen.scheme), func(t *testing.T) {
				tab := onScreen(ctx, t, path, screen)
				page := looked[capacityLook](tab, t, lookAtCapacity)
				if page.ScrollWidth > int(screen.width) {
					t.Errorf("the page is %d wide in a window of %d", page.ScrollWidth, screen.width)
				}
				if page.Verdict != c.Verdict() || page.VerdictBottom > float64(screen.height) {
					t.Errorf("the verdict %q ends at %v", page.Verdict, page.VerdictBottom)
				}
				if want := 3 * min(1, len(c.Trials)); page.Plots != want || page.Marks < 2*len(c.Trials) || page.Images != 0 {
					t.Errorf("%d plots with %d marks of %d trials, %d images", page.Plots, page.Marks, len(c.Trials), page.Images)
				}
				if page.Hidden > 0 {
					t.Errorf("%d marks have no colour", page.Hidden)
				}
			})
		}
	}
}

type capacityLook struct {
	ScrollWidth, Plots, Marks, Images, Hidden int
	VerdictBottom                             float64
	Verdict                                   string
}

const lookAtCapacity = `(() => {
  const verdict = document.querySelector(".verdict");
  const marks = [...document.querySelectorAll(".trial")];
  return {
    ScrollWidth: document.documentElement.scrollWidth, Images: document.images.length,
    Plots: [...document.querySelectorAll("svg.capacity")].filter(p => p.getBoundingClientRect().width > 200).length, Marks: marks.length,
    Hidden: marks.filter(m => getComputedStyle(m).fill === "none" && getComputedStyle(m).stroke === "none").length,
    Verdict: verdict.textContent, VerdictBottom: verdict.getBoundingClientRect().bottom,
  };
})()`
