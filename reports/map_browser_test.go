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

// A mapLook is what lookAtMap sees: one map for this width, its texts inside their cells, and nothing that makes the page
// scroll sideways.
type mapLook struct {
	ScrollWidth, InnerWidth, Charts, Cells, Spilt, Links int
	Background                                           string
}

const lookAtMap = `(() => {
  const shown = [...document.querySelectorAll("svg.map")].filter(c => getComputedStyle(c).display !== "none");
  const cells = [...shown[0].querySelectorAll("rect.cell")].map(c => c.getBoundingClientRect());
  const spilt = [...shown[0].querySelectorAll(".cell-name, .cell-note")].map(t => t.getBoundingClientRect())
    .filter(t => !cells.some(c => t.left >= c.left && t.right <= c.right && t.top >= c.top - 1 && t.bottom <= c.bottom + 1));
  return {
    ScrollWidth: document.documentElement.scrollWidth, InnerWidth: innerWidth, Charts: shown.length, Cells: cells.length, Spilt: spilt.length,
    Links: document.querySelectorAll(".cells-table a").length, Background: getComputedStyle(document.body).backgroundColor,
  };
})()`

// paper is the colour of a page.
var paper = map[string]string{"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 26)"}

func TestTheMapInABrowser(t *testing.T) {
	ctx := chromium.Start(t)
	dir := t.TempDir()
	wordy := sampleMap()
	wordy.Title, wordy.Cells[0].Why = strings.Repeat("averylongwordwithoutanybreak", 9), strings.Repeat("x", 400)
	for name, m := range map[string]*StabilityMap{"sample": sampleMap(), "wordy": wordy} {
		path := filepath.Join(dir, name+".html")
		var b bytes.Buffer
		if err := MapHTML(&b, m); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		for _, screen := range []screen{desk, hand} {
			t.Run(fmt.Sprintf("%s at %d in the %s", name, screen.width, screen.scheme), func(t *testing.T) {
				tab := onScreen(ctx, t, path, screen)
				seen := looked[mapLook](tab, t, lookAtMap)
				if seen.ScrollWidth > seen.InnerWidth || seen.Charts != 1 || seen.Cells != 28 || seen.Spilt != 0 || seen.Links != len(m.Cells) || seen.Background != paper[screen.scheme] {
					t.Errorf("%+v", seen)
				}
			})
		}
	}
}
