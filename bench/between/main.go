package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"time"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/simulator/balancer"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "between:", err)
		os.Exit(1)
	}
}

// Options are the flags.
type options struct {
	rate    int
	watch   time.Duration
	waiting int
	hold    time.Duration
}

// The limits wanted.
const (
	addedLimit   = time.Millisecond       // by the balancer, at the 99th percentile
	linkLimit    = 500 * time.Microsecond // by the proxy of an untroubled link, at the median
	memoryLimit  = 512 << 20              // bytes
	releaseLimit = time.Second
)

// run is the program. With the argument "backend" it is the part that it starts as a process of its own.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) (err error) {
	if len(args) == 1 && args[0] == "backend" {
		return serveBackend(stdin, stdout)
	}
	var o options
	f := flag.NewFlagSet("between", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.rate, "rate", 1000, "requests a second")
	f.DurationVar(&o.watch, "for", time.Minute, "how long the latency of each is measured, both ways together")
	f.IntVar(&o.waiting, "waiting", 8000, "requests that are held; a file each on either side")
	f.DurationVar(&o.hold, "hold", time.Minute, "how long they are held once all are in")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.rate < 10 || o.rate > 20_000 || o.watch < 2*block || o.waiting < 1 {
		return errors.New("-rate must be 10 to 20000, -for two blocks of 100ms at least, and -waiting 1 at least")
	}
	fmt.Fprintf(stdout, "%s %s/%s, %d cores\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	back, err := startBackend(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, back.close()) }()
	b, err := balancer.New(balancer.Config{
		Listeners: []balancer.Listener{{Name: "public"}},
		Pools:     []balancer.Pool{{Name: "public", Backends: []balancer.Backend{{Name: "backend", URL: back.url, Weight: 1}}}},
	})
	if err != nil {
		return err
	}
	defer func() {
		end, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		err = errors.Join(err, b.Close(end))
	}()
	links := chaos.NewSwitchboard()
	defer func() { err = errors.Join(err, links.Close()) }()
	link, err := links.Open("backend", strings.TrimPrefix(back.url, "http://"), chaos.PingHTTP)
	if err != nil {
		return err
	}
	for _, m := range []middle{
		{"balancer", b.URL("public"), .99, addedLimit},
		{"proxy of an untroubled link", "http://" + link.Addr(), .5, linkLimit},
	} {
		if err := added(ctx, o, back.url, m, stdout); err != nil {
			return err
		}
	}
	return held(ctx, o, back, b, stdout)
}

func verdict(good bool) string {
	if good {
		return "as wanted"
	}
	return "too much"
}
