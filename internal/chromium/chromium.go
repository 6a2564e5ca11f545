// Package chromium starts a real browser for a test that looks at a page. The browser ends with the test.
package chromium

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is how long a test waits for its browser in all.
const patience = 5 * time.Minute

// Start starts a chromium. Without one the test is skipped with the reason, or fails where LUNCHRUSH_REQUIRE names "browser".
func Start(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "headless-shell"} {
		if found, err := exec.LookPath(name); err == nil {
			path = found
			break
		}
	}
	if path == "" {
		const why = "no chromium on PATH: the page was not looked at in a browser"
		if slices.Contains(strings.Split(os.Getenv("LUNCHRUSH_REQUIRE"), ","), "browser") {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	// What chromium leaves behind when it is told to go lies in a folder of ours. It has sockets there: the path is short.
	dir, err := os.MkdirTemp("", "chromium-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.Env("TMPDIR="+dir))
	if os.Geteuid() == 0 {
		options = append(options, chromedp.NoSandbox) // chromium refuses its sandbox to root
	}
	deadline, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	allocator, stop := chromedp.NewExecAllocator(deadline, options...)
	t.Cleanup(stop)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("starting %s: %v", path, err)
	}
	return ctx
}

// Until waits until an expression of JavaScript is true in the page, and fails the test with what is there when it never is. It
// asks the browser from outside: a page's own policy may forbid to evaluate anything.
func Until(ctx context.Context, t *testing.T, expression string) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for {
		ok, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("!!("+expression+")"))
		if err == nil && ok {
			return
		}
		select {
		case <-tick.C: // an error may be the page's that is just being left
		case <-ctx.Done():
			t.Fatalf("%s: %v", expression, context.Cause(ctx))
		case <-limit.C:
			text, _ := chromedp.Run(ctx, chromedp.Evaluate[string]("document.body.innerText"))
			t.Fatalf("it never came to be that %s (%v):\n%s", expression, err, text)
		}
	}
}

// Complaints collects what the browser has to say against a page: console messages, exceptions, policy violations, and any
// request that does not begin with one of its origins.
type Complaints struct {
	Origins []string

	mu  sync.Mutex
	all []string // guarded by mu
}

// Listen begins to collect.
func (c *Complaints) Listen(ctx context.Context) error {
	return chromedp.Listen(ctx, func(event any) {
		switch e := event.(type) {
		case *runtime.EventExceptionThrown:
			c.add("exception: " + e.ExceptionDetails.Text)
		case *runtime.EventConsoleAPICalled:
			c.add(fmt.Sprintf("console.%s", e.Type))
		case *cdplog.EventEntryAdded:
			c.add(fmt.Sprintf("log: %s: %s", e.Entry.Level, e.Entry.Text))
		case *network.EventRequestWillBeSent:
			own := slices.ContainsFunc(c.Origins, func(o string) bool { return strings.HasPrefix(e.Request.URL, o) })
			if !own {
				c.add("request: " + e.Request.URL)
			}
		}
	})
}

func (c *Complaints) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, what)
}

// Heard is what was collected so far.
func (c *Complaints) Heard() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.all)
}
