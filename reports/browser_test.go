package reports

import (
	"context"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/lunchrush/lunchrush/internal/chromium"
)

// A screen is what a page is looked at on.
type screen struct {
	width, height int64
	scheme        string // "light" or "dark"
}

var (
	desk   = screen{1280, 800, "light"}
	hand   = screen{390, 844, "dark"}
	narrow = screen{360, 740, "light"}
)

// onScreen opens a page's file on a screen. When the test ends, whatever the browser had to say against the page fails it.
func onScreen(ctx context.Context, t *testing.T, path string, s screen) (tab context.Context) {
	t.Helper()
	tab, end := chromedp.NewContext(ctx)
	url := "file://" + path
	against := &chromium.Complaints{Origins: []string{url}}
	t.Cleanup(func() {
		if heard := against.Heard(); len(heard) > 0 {
			t.Errorf("the browser complains: %q", heard)
		}
		end()
	})
	if err := against.Listen(tab); err != nil {
		t.Fatal(err)
	}
	scheme := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: s.scheme}}}
	if _, err := chromedp.Call(tab, emulation.SetEmulatedMedia, scheme); err != nil {
		t.Fatal(err)
	}
	if err := chromedp.Do(tab, chromedp.EmulateViewport(s.width, s.height), chromedp.Navigate(url)); err != nil {
		t.Fatal(err)
	}
	return tab
}

// looked is what a script sees of the page.
func looked[T any](tab context.Context, t *testing.T, script string) T {
	t.Helper()
	seen, err := chromedp.Run(tab, chromedp.Evaluate[T](script))
	if err != nil {
		t.Fatal(err)
	}
	return seen
}
