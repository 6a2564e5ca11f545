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
	"text/tabwriter"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

// Options are the flags.
type options struct {
	machines    int
	warm, watch time.Duration
	profile     string // prefix of profile files
}

// The limits wanted of simulator and service together.
const (
	memoryLimitMiB = 1024
	cpuLimit       = 0.20 // of one core
)

// run is the program. Its first argument may name a part that it starts as a process of its own.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "street":
			return street(ctx, os.Stdin, stdout)
		case "serve":
			return serve(ctx, os.Stdin, stdout, stderr)
		}
	}
	o := options{}
	f := flag.NewFlagSet("fleet", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.IntVar(&o.machines, "machines", 10_000, "machines in the street")
	f.DurationVar(&o.warm, "warm", 30*time.Second, "how long all machines have been waiting before it counts: a round of polls and beats")
	f.DurationVar(&o.watch, "for", 50*time.Second, "how long it counts: two polls of each machine")
	f.StringVar(&o.profile, "profile", "", "write profiles of both processes to files whose names begin with this `prefix`")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.machines < 1 || o.machines > 15_000 || o.watch < time.Second {
		return errors.New("-machines must be 1 to 15000, a file each on either side, and -for at least 1s")
	}
	return measure(ctx, o, stdout)
}

// measure starts everything, waits until all machines do, and looks twice.
func measure(ctx context.Context, o options, out io.Writer) (err error) {
	t, err := openTown(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, t.close()) }()
	fmt.Fprintf(out, "%s %s/%s, %d cores; %s\n", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), t.stack.Engine())
	if err := t.allWait(ctx, o.machines); err != nil {
		return err
	}
	if err := t.pause(ctx, o.warm); err != nil {
		return err
	}
	polls, beats, err := t.answered(ctx)
	if err != nil {
		return err
	}
	before, err := t.look(ctx)
	if err != nil {
		return err
	}
	if err := t.pause(ctx, o.watch); err != nil {
		return err
	}
	after, err := t.look(ctx)
	if err != nil {
		return err
	}
	morePolls, moreBeats, err := t.answered(ctx)
	if err != nil {
		return err
	}
	if waiting, err := t.waiting(ctx); err != nil || waiting < o.machines*95/100 {
		return errors.Join(err, fmt.Errorf("%d of %d machines wait in the end: they were not idle", waiting, o.machines))
	}
	seconds := o.watch.Seconds()
	fmt.Fprintf(out, "%d machines: %.0f polls and %.0f heartbeats a second, %s after %s of the same\n",
		o.machines, (morePolls-polls)/seconds, (moreBeats-beats)/seconds, o.watch, o.warm)
	table{o, before, after}.print(out)
	return nil
}

// A table is what each process used between two looks.
type table struct {
	options
	before, after map[string]use
}

func (t table) print(out io.Writer) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\tresident\tof one core\t")
	var mib int64
	var cores float64
	line := func(name string) {
		u := t.after[name]
		share := (u.cpu - t.before[name].cpu).Seconds() / (u.at - t.before[name].at).Seconds()
		fmt.Fprintf(w, "%s\t%d MiB\t%.1f %%\t\n", name, u.rss>>20, 100*share)
		if name == simulatorName || name == serviceName {
			mib, cores = mib+u.rss>>20, cores+share
		}
	}
	for _, name := range []string{simulatorName, serviceName} {
		line(name)
	}
	fmt.Fprintf(w, "together\t%d MiB\t%.1f %%\t\n", mib, 100*cores)
	for _, name := range []string{"MariaDB", "Redis cache", "Redis queue"} {
		line(name)
	}
	w.Flush()
	verdict := func(good bool) string {
		if good {
			return "as wanted"
		}
		return "too much"
	}
	fmt.Fprintf(out, "memory together: %d MiB, wanted at most %d: %s\n", mib, memoryLimitMiB, verdict(mib <= memoryLimitMiB))
	fmt.Fprintf(out, "CPU together: %.1f %% of one core, wanted at most %.0f %%: %s\n", 100*cores, 100*cpuLimit, verdict(cores <= cpuLimit))
}
