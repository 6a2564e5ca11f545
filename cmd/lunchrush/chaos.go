package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/scenarios"
)

func newChaos(t *terminal) *cobra.Command {
	c := &cobra.Command{
		Use:   "chaos",
		Short: "Break links of a stack of your own",
		Args:  exactly(0, "a sub-command"),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(newChaosProxy(t))
	return c
}

// proxyLink is what the proxy's only link is called.
const proxyLink = "link"

type proxyFlags struct {
	listen, upstream, file, speaks string
	once                           bool
}

func newChaosProxy(t *terminal) *cobra.Command {
	var f proxyFlags
	var speeches []string
	for _, s := range chaos.Speeches() {
		speeches = append(speeches, s.Name)
	}
	accepted := append([]string{"auto"}, speeches...)
	c := &cobra.Command{
		Use:   "proxy --listen ADDR --upstream ADDR --file FAULTS",
		Short: "Play a timeline of faults on any TCP link",
		Long: `Listen at one address, forward to another, and play a timeline of faults on what goes through: point your service at the
first instead of the second. Each fault is measured through the link and beside it; a fault that was not felt is said so and
makes the exit code 97. Ctrl-C heals what is broken and ends; 105 if the timeline was not over yet.

The file is a scenario's list of faults with at: counted from the start and without on:, for example

  faults:
    - {at: 5s, for: 10s, inject: latency, by: 200ms}
    - {at: 20s, for: 5s, inject: hold}`,
		Example: "  lunchrush chaos proxy --listen 127.0.0.1:3307 --upstream 127.0.0.1:3306 --file faults.yaml",
		Args:    exactly(0, "no argument"),
		RunE: func(c *cobra.Command, _ []string) error {
			if err := oneOf("--speaks", f.speaks, accepted...); err != nil {
				return err
			}
			return proxy(c.Context(), t, f)
		},
	}
	c.Flags().StringVar(&f.listen, "listen", "127.0.0.1:0", "address to listen at")
	c.Flags().StringVar(&f.upstream, "upstream", "", "address to forward to")
	c.Flags().StringVar(&f.file, "file", "", "timeline of faults")
	c.Flags().StringVar(&f.speaks, "speaks", "auto", "what the upstream is measured with: auto, mysql, redis, http")
	c.Flags().BoolVar(&f.once, "once", false, "end when the timeline is over rather than on Ctrl-C")
	complete(c, "speaks", accepted...)
	return c
}

// linkFaults are the kinds that act on a link alone.
func linkFaults() scenarios.Known {
	known := harness.Known()
	for _, k := range chaos.Kinds() {
		if k.On != chaos.OnLink {
			delete(known.Faults, k.Name)
		}
	}
	sites := []chaos.Site{{Name: proxyLink, Offers: []chaos.Surface{chaos.OnLink}}}
	known.CheckFault = func(_ *scenarios.Topology, on, inject string, params map[string]string) (string, error) {
		return harness.FieldOf(chaos.Check(sites, on, inject, params))
	}
	return known
}

// proxy runs until ctx is canceled, or with --once until its timeline is over.
func proxy(ctx context.Context, t *terminal, f proxyFlags) (err error) {
	if f.upstream == "" || f.file == "" {
		return &usageError{err: errors.New("chaos proxy wants --upstream and --file"), hint: "see `lunchrush chaos proxy --help`"}
	}
	src, err := os.ReadFile(f.file)
	if err != nil {
		return &usageError{err: err}
	}
	faults, err := scenarios.LoadTimeline(f.file, src, proxyLink, linkFaults())
	if err != nil {
		return err
	}
	speech, err := speechOf(ctx, f)
	if err != nil {
		return err
	}
	board := chaos.NewSwitchboard()
	defer func() { err = errors.Join(err, board.Close()) }()
	link, err := board.OpenAt(f.listen, proxyLink, f.upstream, speech.Ping)
	if err != nil {
		return err
	}
	target := &chaos.Target{Name: proxyLink, Link: link}
	entries, err := entriesOf(faults, target)
	if err != nil {
		return &usageError{err: fmt.Errorf("%s: %w", f.file, err), hint: "let one end before the other begins"}
	}
	fmt.Fprintf(t.out, "listening on %s, forwarding to %s (%s)\n", link.Addr(), f.upstream, speech.Name)
	w := &narrator{t: t, began: time.Now()}
	if err := chaos.Play(ctx, entries, w); err != nil {
		return err
	}
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	case !f.once:
		w.say("the timeline is over; forwarding until Ctrl-C")
		<-ctx.Done()
	}
	if w.unfelt > 0 {
		return &verdictError{code: exitInconclusive}
	}
	return nil
}

func speechOf(ctx context.Context, f proxyFlags) (chaos.Speech, error) {
	all := chaos.Speeches()
	if i := slices.IndexFunc(all, func(s chaos.Speech) bool { return s.Name == f.speaks }); i >= 0 {
		return all[i], nil
	}
	speech, err := chaos.Listen(ctx, f.upstream)
	if err != nil {
		return chaos.Speech{}, &hintedError{err: fmt.Errorf("asking the upstream what it speaks: %w", err), hint: "--speaks tells it"}
	}
	return speech, nil
}

func entriesOf(faults []scenarios.Fault, target *chaos.Target) ([]chaos.Entry, error) {
	var entries []chaos.Entry
	for i, fault := range faults {
		starts := fault.Repeats(time.Duration(fault.At), time.Duration(fault.Until))
		for n, at := range starts {
			made, err := chaos.New(fault.Inject, fault.Params)
			if err != nil {
				return nil, fmt.Errorf("faults[%d].%w", i, err)
			}
			id := fmt.Sprintf("%d %s", i+1, made)
			if len(starts) > 1 {
				id += fmt.Sprintf(" (%d of %d)", n+1, len(starts))
			}
			e := chaos.Entry{ID: id, Kind: fault.Inject, Fault: made, Target: target, At: at, For: fault.For}
			for _, other := range entries {
				if chaos.Clash(e, other) {
					return nil, fmt.Errorf("%s and %s overlap: the first heal would undo both", e.ID, other.ID)
				}
			}
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// A narrator prints what happens on the timeline: it is a [chaos.Witness].
type narrator struct {
	t     *terminal
	began time.Time

	mu     sync.Mutex // guards what follows, and the lines
	unfelt int
}

func (n *narrator) say(format string, args ...any) {
	n.mu.Lock()
	defer n.mu.Unlock()
	fmt.Fprintf(n.t.out, "%7.1fs  %s\n", time.Since(n.began).Seconds(), fmt.Sprintf(format, args...))
}

// Injected implements chaos.Witness.
func (n *narrator) Injected(e chaos.Entry) { n.say("injected  %s", e.ID) }

// Felt implements chaos.Witness.
func (n *narrator) Felt(e chaos.Entry, evidence chaos.Evidence) {
	if evidence.Felt {
		n.say("felt      %s: %s", e.ID, evidence.Text)
		return
	}
	n.mu.Lock()
	n.unfelt++
	n.mu.Unlock()
	n.say("NOT FELT  %s: %s", e.ID, evidence.Text)
}

// Healed implements chaos.Witness.
func (n *narrator) Healed(e chaos.Entry, err error) {
	if err != nil {
		n.say("NOT HEALED %s: %v", e.ID, err)
		return
	}
	n.say("healed    %s", e.ID)
}
