package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/scenarios"
)

func newFaults(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "faults",
		Short: "List what can be broken and how",
		Long: `List every fault: what it imitates, what it can be on, its parameters with their defaults, and a line for a scenario. To
try one without a scenario of its own: lunchrush run NAME --fault. On a stack of your own: lunchrush chaos proxy.`,
		Example: "  lunchrush faults\n  lunchrush run peak-lunch --fault 'at=11:00,for=30s,on=mysql,inject=latency,by=200ms'",
		Args:    exactly(0, "no argument"),
		RunE: func(*cobra.Command, []string) error {
			listFaults(t.out, chaos.Kinds(), harness.Sites())
			return nil
		},
	}
}

func listFaults(w io.Writer, kinds []chaos.Kind, sites []chaos.Site) {
	var on chaos.Surface
	for _, k := range kinds {
		if k.On != on {
			on = k.On
			fmt.Fprintf(w, "on a %s: %s\n\n", on, strings.Join(offering(sites, on), ", "))
		}
		fmt.Fprintf(w, "  %s\n    %s\n", k.Name, k.What)
		if len(k.Params) > 0 {
			fmt.Fprintf(w, "    parameters: %s\n", strings.Join(parameters(k), ", "))
		}
		fmt.Fprintf(w, "    - %s\n\n", k.Example)
	}
}

// offering are the names of the sites that a fault on a surface can be on.
func offering(sites []chaos.Site, on chaos.Surface) []string {
	var list []string
	for _, s := range sites {
		if slices.Contains(s.Offers, on) {
			list = append(list, s.Name)
		}
	}
	return list
}

// parameters are "by (required)" and "jitter (0s)", what must be given first.
func parameters(k chaos.Kind) []string {
	var given, optional []string
	for _, name := range slices.Sorted(maps.Keys(k.Params)) {
		if value := k.Params[name]; value != "" {
			optional = append(optional, fmt.Sprintf("%s (%s)", name, value))
		} else {
			given = append(given, name+" (required)")
		}
	}
	return append(given, optional...)
}

// faultFlags are faults on top of a scenario's own, for a quick try.
type faultFlags struct {
	texts []string
}

func (f *faultFlags) flags(c *cobra.Command) {
	c.Flags().StringArrayVar(&f.texts, "fault", nil,
		"one more fault, repeatable: at=11:56,for=60s,on=mysql,inject=latency,by=200ms (`lunchrush faults` lists them)")
}

// apply adds the flags' faults to the scenario and checks all of them together.
func (f *faultFlags) apply(s *scenarios.Scenario) error {
	if len(f.texts) == 0 {
		return nil
	}
	known := harness.Known()
	for _, text := range f.texts {
		fault, err := scenarios.ParseFault(text, known)
		if err != nil {
			return &usageError{err: err, hint: "`lunchrush faults` lists what can be injected, on what, with an example each"}
		}
		if err := s.AddFault(fault); err != nil {
			return &usageError{err: fmt.Errorf("--fault %s: %w", text, err)}
		}
	}
	if err := harness.Check(s); err != nil {
		return &usageError{err: fmt.Errorf("%s: %w", s.Name, err), hint: "`lunchrush faults` lists what can be injected, on what, with an example each"}
	}
	return nil
}
