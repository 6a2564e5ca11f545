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
	"syscall"

	"github.com/lunchrush/lunchrush/service/process"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "orders:", err)
		os.Exit(1)
	}
}

// Options are the flags.
type options struct {
	orders  int
	rounds  int
	buyers  int
	profile string
}

// run is the program. With the arguments of `lunchrush serve` it is the service, under a profiler.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "serve" {
		return profiled(ctx, args[1:], os.Stdin, stdout, stderr)
	}
	o := options{}
	f := flag.NewFlagSet("orders", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.orders, "orders", 600, "orders of each side in a round")
	f.IntVar(&o.rounds, "rounds", 7, "rounds; the median ratio counts")
	f.IntVar(&o.buyers, "buyers", 64, "buyers, each at a machine of its own, one order after the other")
	f.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of the service to this `file`")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.orders < o.buyers || o.rounds < 1 || o.buyers < 1 {
		return errors.New("-rounds and -buyers must be at least 1, and -orders at least -buyers")
	}
	return compare(ctx, o, stdout)
}

// compare runs both sides in turn and prints what they did.
func compare(ctx context.Context, o options, out io.Writer) (err error) {
	town, err := openTown(ctx, o.profile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, town.close()) }()
	if err := town.checkLife(ctx); err != nil {
		return err
	}
	if err := town.serve(ctx, "service", town.config(), process.Roles()); err != nil {
		return err
	}
	street, err := town.newStreet(ctx, o.buyers)
	if err != nil {
		return err
	}
	defer street.close()
	raw, err := town.openRaw(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, raw.close()) }()
	// Whoever runs first meets empty caches and tables: a small round of each is not counted.
	warm := round{orders: max(o.buyers, o.orders/5), label: "warm"}
	if _, err := town.alone(ctx, raw, warm); err != nil {
		return err
	}
	if _, err := street.trade(ctx, warm); err != nil {
		return err
	}
	fmt.Fprintf(out, "%s %s/%s, %d cores; %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), town.stack.Engine())
	t := table{options: o, connections: raw.connections, cpu: [2]usage{{}, {}}}
	for n := range o.rounds {
		r := round{orders: o.orders, label: fmt.Sprintf("r%d", n+1)}
		sides := []func() error{
			func() error {
				before, signing := town.usage(ctx), street.signing
				took, err := street.trade(ctx, r)
				t.service = append(t.service, pace{r.orders, took})
				t.cpu[0].add(town.usage(ctx).since(before))
				t.cpu[0][partSelf] -= street.signing - signing
				return err
			},
			func() error {
				before := town.usage(ctx)
				took, err := town.alone(ctx, raw, r)
				t.raw = append(t.raw, pace{r.orders, took})
				t.cpu[1].add(town.usage(ctx).since(before))
				return err
			},
		}
		if n%2 == 1 { // who goes first takes turns too
			sides[0], sides[1] = sides[1], sides[0]
		}
		for _, side := range sides {
			if err := side(); err != nil {
				return err
			}
		}
	}
	t.print(out)
	return nil
}
