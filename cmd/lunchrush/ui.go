package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/internal/live"
	"github.com/lunchrush/lunchrush/reports"
)

// uiTokenVariable has the token of the live page where --ui-token is not given: a command line can be read by every user.
const uiTokenVariable = "LUNCHRUSH_UI_TOKEN"

// uiFlags say whether there is a live page, and where.
type uiFlags struct {
	addr, token string
	only        bool
}

func (f *uiFlags) flags(c *cobra.Command) {
	c.Flags().StringVar(&f.addr, "ui", "", "serve a live page of the run, and /metrics, at this address: 127.0.0.1:7070")
	c.Flags().StringVar(&f.token, "ui-token", "",
		"what the live page asks for, at least 16 characters; another address than a loopback one wants it (default: $"+uiTokenVariable+")")
	c.Flags().BoolVar(&f.only, "ui-watch-only", false, "the live page can only be looked at: no pause, no stop, no fault, and no proxies for them")
}

// A screen is the live page of a command. Its methods do nothing where there is none.
type screen struct {
	t    *terminal
	page *live.Page // nil: none was asked for
	only bool
	ctx  context.Context
}

// open takes the page's address, before anything is started. The context is the command's, and ends when the run is stopped on
// the page.
func (f *uiFlags) open(ctx context.Context, t *terminal) (*screen, context.Context, error) {
	if f.addr == "" {
		if f.token != "" || f.only {
			return nil, nil, &usageError{err: errors.New("--ui-token and --ui-watch-only go with --ui"), hint: "such as --ui 127.0.0.1:7070"}
		}
		return &screen{t: t, ctx: ctx}, ctx, nil
	}
	token := cmp.Or(f.token, os.Getenv(uiTokenVariable))
	if err := os.Unsetenv(uiTokenVariable); err != nil { // it is none of the service's business, which inherits the environment
		return nil, nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	page, err := live.Open(live.Config{
		Addr: f.addr, Token: token, Only: f.only, Stop: func() { cancel(errStopped) },
	})
	if err != nil {
		cancel(err)
		var refused *live.Refusal
		if errors.As(err, &refused) {
			return nil, nil, &usageError{err: fmt.Errorf("--ui: %w", err), hint: refused.Hint}
		}
		return nil, nil, &hintedError{err: fmt.Errorf("--ui: %w", err), hint: "another run may have the port; --ui 127.0.0.1:0 takes a free one"}
	}
	t.say("live: %s", page.URL())
	return &screen{t: t, page: page, only: f.only, ctx: ctx}, ctx, nil
}

func (s *screen) say(format string, args ...any) {
	if s.page != nil {
		s.page.Say(fmt.Sprintf(format, args...))
	}
}

// watching is how the harness tells the page of a run, nil without one.
func (s *screen) watching() *harness.Watching {
	if s.page == nil {
		return nil
	}
	return &harness.Watching{Begin: func(c *harness.Controls) { s.page.Begin(c) }, Second: s.page.Second, Only: s.only}
}

func (s *screen) judged(a *reports.Analysis, dir string, err error) {
	if s.page != nil {
		s.page.Judged(a, dir, err)
	}
}

// close ends the page when its browsers have got the end. An err of a run that was stopped there says so.
func (s *screen) close(err error) error {
	if s.page == nil {
		return err
	}
	if trouble := s.page.Close(); trouble != nil {
		s.t.say("closing the live page: %v", trouble)
	}
	if err != nil && errors.Is(context.Cause(s.ctx), errStopped) && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("%w: %w", errStopped, err)
	}
	return err
}

// errStopped is why a run ends that somebody stopped on the live page. To all others it is as a Ctrl-C.
var errStopped = stoppedError{}

type stoppedError struct{}

func (stoppedError) Error() string        { return "stopped on the live page" }
func (stoppedError) Is(target error) bool { return target == context.Canceled }

// commandLine is what the caller typed, without the token: it is kept in the run's folder and shown in its report.
func commandLine() []string {
	args := make([]string, 0, len(os.Args))
	hide := false
	for _, arg := range os.Args {
		switch {
		case hide:
			arg, hide = "...", false
		case arg == "--ui-token":
			hide = true
		case strings.HasPrefix(arg, "--ui-token="):
			arg = "--ui-token=..."
		}
		args = append(args, arg)
	}
	return args
}
