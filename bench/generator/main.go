package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	if err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "generator:", err)
		os.Exit(1)
	}
}

// Options are the flags.
type options struct {
	rates    []int
	rounds   int
	duration time.Duration
	k6       bool
	profile  string
}

// run is the program. Its first argument may name one of the parts that it starts as processes of their own.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 {
		switch args[0] {
		case "sink":
			return sink(ctx, os.Stdin, stdout)
		case "send":
			return send(ctx, os.Stdin, stdout)
		}
	}
	o := options{}
	f := flag.NewFlagSet("generator", flag.ContinueOnError)
	f.SetOutput(stderr)
	rates := f.String("rates", "2000,8000", "sends per second, one comparison each")
	f.IntVar(&o.rounds, "rounds", 3, "rounds of each comparison; the median ratio counts")
	f.DurationVar(&o.duration, "for", 5*time.Second, "how long each sender sends in a round")
	f.BoolVar(&o.k6, "k6", true, "compare with k6 "+k6Version+" too, where it can be built")
	f.StringVar(&o.profile, "cpuprofile", "", "write a CPU profile of lunchrush's own sender to this `file`, its last round's")
	if err := f.Parse(args); err != nil {
		return err
	}
	for text := range strings.SplitSeq(*rates, ",") {
		rate, err := strconv.Atoi(text)
		if err != nil || rate < 1 || rate > 100_000 {
			return fmt.Errorf("-rates: %q is not a number from 1 to 100000", text)
		}
		o.rates = append(o.rates, rate)
	}
	if o.rounds < 1 || o.duration < time.Second {
		return errors.New("-rounds must be at least 1 and -for at least 1s")
	}
	dir, err := os.MkdirTemp("", "lunchrush-generator-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	return compare(ctx, o, dir, stdout)
}

// compare builds the others, runs all senders in turn and prints what they cost.
func compare(ctx context.Context, o options, dir string, out io.Writer) error {
	senders := []sender{ours{profile: o.profile}}
	v, err := buildVegeta(ctx, dir)
	if err != nil {
		return err
	}
	senders = append(senders, v)
	if o.k6 {
		if k, err := buildK6(ctx, dir); err != nil {
			fmt.Fprintf(out, "k6 %s: not built: %v\n", k6Version, err)
		} else {
			senders = append(senders, k)
		}
	}
	sheet, err := newSheet(filepath.Join(dir, "targets.json"))
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s\n", machine())
	for _, rate := range o.rates {
		table := table{rate: rate, duration: o.duration, costs: map[string][]cost{}}
		for round := range o.rounds {
			for i := range senders {
				// Each round begins with another sender, so that none always runs on the warmer machine.
				s := senders[(i+round)%len(senders)]
				c, err := once(ctx, s, shot{rate: rate, duration: o.duration, sheet: sheet, dir: dir})
				if err != nil {
					return fmt.Errorf("%s at %d/s: %w", s.name(), rate, err)
				}
				table.costs[s.name()] = append(table.costs[s.name()], c)
			}
		}
		table.print(out, senders)
	}
	return nil
}

// once runs one sender against a fresh sink.
func once(ctx context.Context, s sender, what shot) (cost, error) {
	sink, err := startSink(ctx)
	if err != nil {
		return cost{}, err
	}
	what.url = sink.url
	c, err := s.send(ctx, what)
	received, sinkErr := sink.stop()
	if err := errors.Join(err, sinkErr); err != nil {
		return cost{}, err
	}
	// Who counts what did not arrive would look cheap.
	c.Sent = received
	return c, nil
}
