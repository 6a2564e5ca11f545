package reports

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
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

func TestTheMapInABrowser(t *testing.T) {
	ctx := browser(t)
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
		for _, screen := range []struct {
			width, height int64
			scheme, page  string
		}{{1280, 800, "light", "rgb(255, 255, 255)"}, {390, 844, "dark", "rgb(20, 23, 26)"}} {
			t.Run(fmt.Sprintf("%s at %d in the %s", name, screen.width, screen.scheme), func(t *testing.T) {
				tab, end := chromedp.NewContext(ctx)
				defer end()
				against := &complaints{page: "file://" + path}
				if err := against.listen(tab); err != nil {
					t.Fatal(err)
				}
				scheme := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: screen.scheme}}}
				if _, err := chromedp.Call(tab, emulation.SetEmulatedMedia, scheme); err != nil {
					t.Fatal(err)
				}
				if err := chromedp.Do(tab, chromedp.EmulateViewport(screen.width, screen.height), chromedp.Navigate(against.page)); err != nil {
					t.Fatal(err)
				}
				seen, err := chromedp.Run(tab, chromedp.Evaluate[mapLook](lookAtMap))
				if err != nil {
					t.Fatal(err)
				}
				if heard := against.heard(); len(heard) > 0 {
					t.Errorf("the browser complains: %q", heard)
				}
				if seen.ScrollWidth > seen.InnerWidth || seen.Charts != 1 || seen.Cells != 28 || seen.Spilt != 0 || seen.Links != len(m.Cells) || seen.Background != screen.page {
					t.Errorf("%+v", seen)
				}
			})
		}
	}
}
