package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator"
)

func newList(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the scenarios",
		Long: `List the scenarios of the catalogue: name, length of a default run, and what it replays. Those with an as-was side can be
proved: the failure as documented, then the cure.`,
		Example: "  lunchrush list",
		Args:    exactly(0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			all, err := catalogue()
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, "NAME\tPLAYS\tPROVES\tWHAT IT REPLAYS")
			for _, s := range all {
				proves := "-"
				if len(s.AsWas) > 0 {
					proves = "yes"
				}
				fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", s.Name, roundSeconds(s.Length()), proves, s.Title)
			}
			return w.Flush()
		},
	}
}

func newShow(t *terminal) *cobra.Command {
	c := &cobra.Command{
		Use:   "show NAME",
		Short: "Show a scenario's file and what it asks of the service",
		Long: `Show the scenario as it is written, after checking it. NAME is a name of the catalogue or the path of a file of your own;
a copy of what is shown is a good start for one:

  lunchrush show peak-lunch > my-peak.yaml`,
		Example:           "  lunchrush show callback-serial",
		Args:              exactly(1, "the name of a scenario or a file"),
		ValidArgsFunction: completeScenarios,
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := findScenario(args[0]); err != nil {
				return err
			}
			src, err := scenarios.Source(args[0])
			if err != nil { // findScenario took it, so it is a file
				src, err = os.ReadFile(args[0])
			}
			if err != nil {
				return err
			}
			_, err = t.out.Write(src)
			return err
		},
	}
	return c
}

func newPlan(t *terminal) *cobra.Command {
	var o overrides
	var svg, jsonl string
	c := &cobra.Command{
		Use:   "plan NAME",
		Short: "Draw a scenario's demand and say what a run would send",
		Long: `Make the plan of a run without running it: the demand curve, the orders by channel, buyer and machine behaviour, and the
plan's SHA-256. The plan is a pure function of scenario and seed.`,
		Example:           "  lunchrush plan peak-lunch\n  lunchrush plan peak-night --seed 7 --svg demand.svg --out plan.jsonl",
		Args:              exactly(1, "the name of a scenario or a file"),
		ValidArgsFunction: completeScenarios,
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := o.load(args[0])
			if err != nil {
				return err
			}
			plan, err := simulator.NewPlan(s, o.seed)
			if err != nil {
				return err
			}
			if err := simulator.DrawDemand(t.out, s, plan, t.outWidth()); err != nil {
				return err
			}
			printPlan(t.out, plan)
			if svg != "" {
				if err := writeFile(svg, func(f *os.File) error { return simulator.DemandSVG(f, s, plan) }); err != nil {
					return err
				}
				t.say("demand curve: %s", svg)
			}
			if jsonl != "" {
				if err := writeFile(jsonl, func(f *os.File) error { _, err := plan.WriteTo(f); return err }); err != nil {
					return err
				}
				t.say("plan: %s", jsonl)
			}
			return nil
		},
	}
	o.flags(c)
	c.Flags().StringVar(&svg, "svg", "", "write the demand curve to this SVG file")
	c.Flags().StringVar(&jsonl, "out", "", "write the plan to this file, one JSON object a line")
	return c
}

// printPlan says what chance has decided, so that two plans can be told apart at a glance.
func printPlan(w io.Writer, p *simulator.Plan) {
	channels, buyers, devices := map[string]int{}, map[string]int{}, map[string]int{}
	again := 0
	for _, o := range p.Orders {
		channels[o.Channel]++
		buyers[o.Buyer]++
		devices[o.Device]++
		if o.Again >= 0 {
			again++
		}
	}
	fmt.Fprintf(w, "\nchannels  %s\nbuyers    %s\nmachines  %s\n", counted(channels), counted(buyers), counted(devices))
	fmt.Fprintf(w, "notifies  %d sent twice by plan, %d probes that must be refused\n", again, len(p.Probes))
	fmt.Fprintf(w, "seed %d, sha256 %s\n", p.Header.Seed, p.SHA256())
}

// counted lists counts, the largest first: "wechat 383, alipay 175".
func counted(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %d", name, counts[name])
	}
	return strings.Join(names, ", ")
}

// overrides are the flags that change a scenario, shared by plan, run and prove.
type overrides struct {
	seed     uint64
	speed    float64
	machines int

	given func(flag string) bool // set by flags
}

func (o *overrides) flags(c *cobra.Command) {
	o.given = c.Flags().Changed
	c.Flags().Uint64Var(&o.seed, "seed", 1, "seed of everything that chance decides")
	c.Flags().Float64Var(&o.speed, "speed", 0, "how many times faster the demand curve runs; 1 is real time (default: the scenario's)")
	c.Flags().IntVar(&o.machines, "machines", 0, "machines in the fleet (default: the scenario's)")
}

// load finds the scenario and applies the overrides.
func (o *overrides) load(name string) (*scenarios.Scenario, error) {
	s, err := findScenario(name)
	if err != nil {
		return nil, err
	}
	if err := harness.Check(s); err != nil {
		return nil, &usageError{err: err, hint: "`lunchrush serve --switches` and `lunchrush faults` list what there is"}
	}
	if o.given("speed") {
		if err := s.SetSpeed(o.speed); err != nil {
			return nil, &usageError{err: fmt.Errorf("--speed: %w", err), hint: "1 is real time, 90 plays 90 minutes in one"}
		}
	}
	if o.given("machines") {
		if err := s.SetMachines(o.machines); err != nil {
			return nil, &usageError{err: fmt.Errorf("--machines: %w", err)}
		}
	}
	return s, nil
}

func writeFile(name string, write func(*os.File) error) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	defer func() {
		if closeErr := f.Close(); err == nil {
			err = closeErr
		}
	}()
	return write(f)
}

func catalogue() ([]*scenarios.Scenario, error) {
	return scenarios.Catalogue(harness.Known())
}

// findScenario loads and checks a scenario; whatever is wrong with it is the caller's mistake.
func findScenario(name string) (*scenarios.Scenario, error) {
	s, err := scenarios.Find(name, harness.Known())
	var problems scenarios.Problems
	if err != nil && !errors.As(err, &problems) {
		return nil, &usageError{err: err, hint: "`lunchrush list` shows the scenarios; a file is named by its path"}
	}
	return s, err
}

func completeScenarios(_ *cobra.Command, args []string, prefix string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	all, err := catalogue()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	for _, s := range all {
		if strings.HasPrefix(s.Name, prefix) {
			names = append(names, s.Name+"\t"+s.Title)
		}
	}
	return names, cobra.ShellCompDirectiveDefault // a file of the caller's own is welcome too
}
