package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/process"
)

func newServe(t *terminal) *cobra.Command {
	var roles []string
	var config string
	var switches bool
	c := &cobra.Command{
		Use:   "serve --config FILE",
		Short: "Serve the reference vending-payment service",
		Long: `Serve the reference service, in one process or split by role. The configuration is YAML: addresses, keys, and the switches
that turn each mitigation off again (--switches lists them with the incident each belongs to). "-" reads it from stdin, so
that keys stand in no argument list and no environment.

When it listens it prints one line of JSON with both addresses; logs go to stderr. SIGTERM drains: readiness fails, running
requests and rows are finished, then it ends.`,
		Example: "  lunchrush serve --config service.yaml\n  lunchrush serve --role gate,jobs --config - < gate.yaml\n  lunchrush serve --switches",
		Args:    exactly(0, "no argument"),
		RunE: func(c *cobra.Command, _ []string) error {
			if switches {
				return printSwitches(t)
			}
			if config == "" {
				return &usageError{err: errors.New("serve wants --config"), hint: "--config - reads it from stdin"}
			}
			for _, role := range roles {
				if err := oneOf("--role", role, process.Roles()...); err != nil {
					return err
				}
			}
			text, err := readConfig(t.in, config)
			if err != nil {
				return err
			}
			cfg, err := service.ParseConfig(text)
			if err != nil {
				return &usageError{err: fmt.Errorf("%s: %w", config, err), hint: "`lunchrush serve --switches` lists the switches"}
			}
			return process.Serve(c.Context(), cfg, roles, t.out, t.err)
		},
	}
	c.Flags().StringSliceVar(&roles, "role", process.Roles(), "roles of this process")
	c.Flags().StringVar(&config, "config", "", "configuration file, - for stdin")
	c.Flags().BoolVar(&switches, "switches", false, "list the switches and end")
	return c
}

func readConfig(stdin io.Reader, name string) ([]byte, error) {
	if name == "-" {
		return io.ReadAll(io.LimitReader(stdin, 1<<20))
	}
	return os.ReadFile(name)
}

func printSwitches(t *terminal) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SWITCH\tDEFAULT\tACCEPTS\tINCIDENT\tWHAT IT DOES")
	for _, s := range slices.SortedFunc(slices.Values(service.Switches()), func(a, b service.Switch) int {
		return strings.Compare(a.Key, b.Key)
	}) {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", s.Key, s.Default, s.Accepts, s.Incident, s.Doc)
	}
	return w.Flush()
}

func newTestbed(t *terminal) *cobra.Command {
	c := &cobra.Command{
		Use:   "testbed",
		Short: "See and clean the places where runs happen",
		Args:  exactly(0, "a sub-command"),
		RunE:  func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	c.AddCommand(&cobra.Command{
		Use:   "clean",
		Short: "Remove what killed runs left: containers, child processes, temporary folders",
		Long: `Remove what runs that were killed left behind. Only what carries lunchrush's own label or is written in its own state file is
touched; a process is ended only when its id and its start time both match.`,
		Args: exactly(0, "no argument"),
		RunE: func(c *cobra.Command, _ []string) error {
			sweep, err := testbed.Clean(c.Context())
			printSweep(t, sweep)
			return err
		},
	})
	c.AddCommand(&cobra.Command{
		Use:   "check [NAME]",
		Short: "Say which testbed a run would take here, and why",
		Long: `Say which testbed a run would take on this machine, and why not the ones before it. With a NAME (containers, local, embedded)
say whether that one can be had, and what to do when it cannot. Nothing is started.`,
		Example: "  lunchrush testbed check\n  lunchrush testbed check containers",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			want := "auto"
			if len(args) == 1 {
				want = args[0]
			}
			if err := oneOf("testbed check", want, "auto", testbed.Containers, testbed.Local, testbed.Embedded); err != nil {
				return err
			}
			choice, err := harness.Choose(c.Context(), want, nil)
			if err != nil {
				return err
			}
			fmt.Fprintf(t.out, "%s%s\n", choice.Name, because(choice.Why))
			return nil
		},
	})
	return c
}

// newEmbeddedRedis is the child process in which the embedded testbed runs a Redis.
func newEmbeddedRedis(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:    "embedded-redis",
		Hidden: true,
		Args:   exactly(0, "no argument"),
		RunE: func(c *cobra.Command, _ []string) error {
			return testbed.RunMiniredis(c.Context(), t.in, t.out)
		},
	}
}

func printSweep(t *terminal, s testbed.Sweep) {
	for _, found := range []struct {
		what string
		list []string
	}{{"process", s.Processes}, {"container", s.Containers}, {"folder", s.Folders}} {
		for _, name := range found.list {
			fmt.Fprintf(t.out, "removed %s %s\n", found.what, name)
		}
	}
	for _, note := range s.Notes {
		fmt.Fprintln(t.out, note)
	}
	if s.Running > 0 {
		fmt.Fprintf(t.out, "left alone: %d testbeds of runs that are going on\n", s.Running)
	}
	if s.Empty() {
		fmt.Fprintln(t.out, "nothing was left behind")
	}
}
