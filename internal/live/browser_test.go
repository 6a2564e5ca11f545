package live

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/lunchrush/lunchrush/internal/chromium"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/simulator"
)

// shoot keeps a picture of the page where LUNCHRUSH_SCREENSHOTS names a folder, for somebody to look at.
func shoot(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	dir := os.Getenv("LUNCHRUSH_SCREENSHOTS")
	if dir == "" {
		return
	}
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), shot, 0o644); err != nil {
		t.Fatal(err)
	}
}

// do runs a line of JavaScript in the page, as a hand would.
func do(ctx context.Context, t *testing.T, script string) {
	t.Helper()
	if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("(() => {"+script+"; return true})()")); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
}

// fill is what a hand does to the fault form.
func fill(fault, field, value string) string {
	return fmt.Sprintf(`
		const select = document.querySelector("select[name=inject]");
		select.value = %q;
		select.dispatchEvent(new Event("change", {bubbles: true}));
		document.querySelector("fieldset:not([hidden]) [name='%s']").value = %q;
		document.querySelector("form.inject button").click()`, fault, field, value)
}

func TestTheLivePageInABrowser(t *testing.T) {
	browser := chromium.Start(t)
	screens := []struct {
		width, height int64
		scheme        string
	}{{1280, 900, "light"}, {390, 844, "dark"}}
	for _, screen := range screens {
		t.Run(fmt.Sprintf("%d wide in the %s", screen.width, screen.scheme), func(t *testing.T) {
			ctx, end := chromedp.NewContext(browser)
			defer end()
			stopped := make(chan struct{}, 1)
			p, err := Open(Config{Addr: "127.0.0.1:0", Stop: func() { stopped <- struct{}{} }})
			if err != nil {
				t.Fatal(err)
			}
			closed := false
			defer func() {
				if !closed {
					p.end()
					_ = p.Close() // the test has failed already
				}
			}()
			p.Say("peak-lunch, hardened: starting the databases")
			against := &chromium.Complaints{Origins: []string{p.URL(), "data:,"}}
			if err := against.Listen(ctx); err != nil {
				t.Fatal(err)
			}
			scheme := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: screen.scheme}}}
			if _, err := chromedp.Call(ctx, emulation.SetEmulatedMedia, scheme); err != nil {
				t.Fatal(err)
			}
			if err := chromedp.Do(ctx, chromedp.EmulateViewport(screen.width, screen.height), chromedp.Navigate(p.URL())); err != nil {
				t.Fatal(err)
			}
			until := func(expression string) { t.Helper(); chromium.Until(ctx, t, expression) }
			text := func(id string) string { return fmt.Sprintf("document.getElementById(%q).innerText", id) }
			until(text("head") + `.includes("starting the databases")`)

			// Numbers move.
			run := newFakeRun()
			p.Begin(run)
			for range 3 {
				p.Second(run.second(nil))
			}
			until(text("figure-orders") + `.includes("20.0/s")`)
			for range 5 {
				p.Second(run.second(func(s *simulator.Second) { s.Sample.Creates, s.Sample.Backlog = 37, 5150 }))
			}
			until(text("figure-orders") + `.includes("37.0/s")`)
			until(text("figure-backlog") + `.includes("5,150")`)
			until(`document.querySelectorAll("#chart svg path").length > 6`)

			// A fault by hand, with what is missing said first.
			do(ctx, t, fill("table-lock", "p.table", "no such thing"))
			until(`document.querySelector("#said.refused").innerText.includes("is no name of a table")`)
			do(ctx, t, fill("latency", "p.by", "200ms"))
			until(text("faults") + `.includes("felt: 203ms added")`)
			until(text("said") + `.includes("asked for") && !document.querySelector("#said.refused")`)
			until(text("head") + `.includes("INCONCLUSIVE")`)
			until(`document.querySelector("select[name=inject]").value === "latency"`)
			run.mu.Lock()
			if len(run.injected) != 1 || run.injected[0].Encode() != "for=20s&inject=latency&on=mysql&p.by=200ms&p.direction=answers&p.jitter=0s" {
				t.Errorf("the form sent %v", run.injected)
			}
			run.mu.Unlock()
			for range 4 {
				p.Second(run.second(nil))
			}
			until(text("chart") + `.includes("by hand")`)

			// A pause, and its end.
			do(ctx, t, `document.querySelector("form[action='/pause'] button").click()`)
			until(`document.querySelector("#head .verdict").innerText.toLowerCase() === "held"`)
			for range 3 {
				p.Second(run.second(nil))
			}
			until(text("chart") + `.includes("plan held by hand")`)
			shoot(ctx, t, fmt.Sprintf("live-%d", screen.width))
			if width, err := chromedp.Run(ctx, chromedp.Evaluate[int64]("document.documentElement.scrollWidth")); err != nil || width > screen.width {
				t.Errorf("the page is %d wide in a window of %d (%v)", width, screen.width, err)
			}
			do(ctx, t, `document.querySelector("form[action='/resume'] button").click()`)
			until(`document.querySelector("#head .verdict").innerText.toLowerCase() === "playing"`)
			do(ctx, t, `document.querySelector("form[action='/heal'] button").click()`)
			until(text("faults") + `.includes("healed")`)

			// The end: the page turns into the report, and stays when the harness is gone.
			do(ctx, t, `document.querySelector(".stop summary").click(); document.querySelector("form[action='/stop'] button").click()`)
			<-stopped
			dir := t.TempDir()
			page := "<!doctype html><title>report</title><link rel=icon href=data:,><h1>FAIL: 3 orders lost</h1>"
			if err := os.WriteFile(filepath.Join(dir, "report.html"), []byte(page), 0o644); err != nil {
				t.Fatal(err)
			}
			p.Judged(&reports.Analysis{Run: runlog.Manifest{Profile: "hardened"}, Verdict: reports.Verdict{Outcome: reports.Fail, Headline: "3 orders lost"}}, dir, nil)
			until(text("past") + `.includes("3 orders lost")`)
			closed = true
			if err := p.Close(); err != nil {
				t.Error(err)
			}
			until(`location.pathname === "/report" && document.body.innerText.includes("FAIL: 3 orders lost")`)
			for _, heard := range against.Heard() {
				if !strings.Contains(heard, "status of 400") { // the refusal that we asked for
					t.Errorf("the browser complains: %s", heard)
				}
			}
		})
	}
}

// A harness that is killed tells nobody. The page must not pretend.
func TestAPageWithoutItsHarnessSaysSo(t *testing.T) {
	ctx := chromium.Start(t)
	p, err := Open(Config{Addr: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	run := newFakeRun()
	p.Begin(run)
	p.Second(run.second(nil))
	if err := chromedp.Do(ctx, chromedp.Navigate(p.URL())); err != nil {
		t.Fatal(err)
	}
	chromium.Until(ctx, t, `document.getElementById("figure-orders")`)
	chromium.Until(ctx, t, `document.getElementById("link").hidden`)
	if err := p.server.Close(); err != nil {
		t.Error(err)
	}
	<-p.served
	chromium.Until(ctx, t, `document.getElementById("link").innerText.includes("does not answer")`)
}

// A browser sends a form's origin by the page's own rules: a request made by hand does not show whether it may enter.
func TestTheTokenIsGivenInABrowser(t *testing.T) {
	ctx := chromium.Start(t)
	const token = "sesame-sesame-sesame"
	p, err := Open(Config{Addr: "127.0.0.1:0", Token: token})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		p.end()
		_ = p.Close()
	}()
	p.Say("starting the databases")
	if err := chromedp.Do(ctx, chromedp.Navigate(p.URL())); err != nil {
		t.Fatal(err)
	}
	give := func(token string) {
		t.Helper()
		chromium.Until(ctx, t, `document.querySelector("input[name=token]")`)
		do(ctx, t, fmt.Sprintf(`document.querySelector("input[name=token]").value = %q; document.querySelector("form button").click()`, token))
	}
	give(token + "x")
	chromium.Until(ctx, t, `document.body.innerText.includes("That is not the token.")`)
	give(token)
	chromium.Until(ctx, t, `document.getElementById("head") && document.getElementById("head").innerText.includes("starting the databases")`)
}
