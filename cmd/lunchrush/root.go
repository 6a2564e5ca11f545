package main

import (
	"fmt"
	"regexp"
	"runtime/debug"
	"strings"

	"github.com/spf13/cobra"
)

// version is set by release builds (-ldflags -X main.version=v1.2.3).
var version = ""

func versionText() string {
	if version != "" {
		return version
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			if s.Value == "true" {
				dirty = "+changes"
			}
		}
	}
	if len(revision) > 12 {
		revision = revision[:12]
	}
	if revision == "" {
		return "devel"
	}
	return "devel-" + revision + dirty
}

func newRoot(t *terminal) *cobra.Command {
	root := &cobra.Command{
		Use:   "lunchrush",
		Short: "Replay documented production failures against a payment service",
		Long: `lunchrush replays documented production failures of payment and vending systems against a service, shows the
collapse as it happened, shows the cure holding, and accounts for every order and every fen.

Start here:
  lunchrush list                      what can be replayed
  lunchrush run peak-lunch            the lunch peak against the hardened service, about 2 minutes
  lunchrush prove callback-serial     the documented collapse, then the cure, on the same plan

A run lands in reports/runs/<id>/ with report.html in it. The first line of a run says where it runs (containers, local or
embedded databases) and why.

Exit codes: 0 pass, 99 a limit missed, 98 money or data wrong, 97 inconclusive, 96 worse than the base, 104 a scenario file or a flag is wrong,
105 interrupted, 1 could not run.`,
		Version:       versionText(),
		SilenceErrors: true,
		SilenceUsage:  true,
	}
	root.SuggestionsMinimumDistance = 2
	root.SetOut(t.out)
	root.SetErr(t.err)
	root.SetIn(t.in)
	root.SetVersionTemplate("lunchrush {{.Version}}\n")
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return &usageError{err: plainFlagError(c, err), hint: fmt.Sprintf("see `%s --help`", c.CommandPath())}
	})
	root.AddCommand(
		newList(t), newShow(t), newPlan(t), newRun(t), newProve(t), newExplain(t), newReport(t), newCompare(t), newHistory(t), newFaults(t), newChaos(t), newServe(t), newTestbed(t), newGate(t), newSQL(t), newEmbeddedRedis(t), newCalibrate(t), newMap(t), newCapacity(t),
	)
	root.Args = func(c *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		var names []string
		for _, sub := range c.Commands() {
			if !sub.Hidden {
				names = append(names, sub.Name())
			}
		}
		hint := "commands are " + strings.Join(names, ", ")
		if near := c.SuggestionsFor(args[0]); len(near) > 0 {
			hint = fmt.Sprintf("did you mean `lunchrush %s`?", near[0])
		}
		return &usageError{err: fmt.Errorf("no such command: %s", args[0]), hint: hint}
	}
	root.RunE = func(c *cobra.Command, _ []string) error { return c.Help() }
	return root
}

var wrongValue = regexp.MustCompile(`^invalid argument ("(?s:.*)") for "(?:-., )?--([a-z-]+)" flag: strconv\.`)

// plainFlagError says what a flag wants where the parser of numbers speaks for itself.
func plainFlagError(c *cobra.Command, err error) error {
	m := wrongValue.FindStringSubmatch(err.Error())
	if m == nil {
		return err
	}
	flag := c.Flags().Lookup(m[2])
	if flag == nil {
		return err
	}
	wants := map[string]string{
		"uint64": "a whole number, 0 or more", "int": "a whole number", "float64": "a number", "bool": "true or false",
	}[flag.Value.Type()]
	if wants == "" {
		return err
	}
	return fmt.Errorf("--%s: %s is not %s", flag.Name, m[1], wants)
}

// exactly wants n positional arguments and says what is missing otherwise.
func exactly(n int, what string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == n {
			return nil
		}
		err := fmt.Errorf("%s wants %s, got %d arguments", c.Name(), what, len(args))
		return &usageError{err: err, hint: "usage: " + c.UseLine()}
	}
}
