package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/reports"
)

// compareFlags are what compare takes besides its two sides.
type compareFlags struct {
	runs, format, html    string
	doubtful, across, all bool
}

func newCompare(t *terminal) *cobra.Command {
	var o compareFlags
	c := &cobra.Command{
		Use:   "compare A B",
		Short: "Put two groups of runs of one plan side by side",
		Long: `Compare the runs of A with those of B: every measure with its medians, its change, and whether the runs show a difference at
all (Mann-Whitney, p <= 0.05). ~ is none: within chance, under 10 ms, or too few runs to tell. A page with the curves of both
laid over each other is written beside the table.

A and B are each a run folder, a run's id, "last", a folder of run folders, a pattern ('reports/runs/*-hardened'), or several of
these with commas between them. All runs must have played the same plan, or several plans each as often on both sides; a side
must be of one profile and setting, and it is those in which A and B may differ. Runs that were inconclusive or did not end are
named and left out.

Nothing is judged: the exit code is 0 whatever the difference, and 104 when the runs cannot be compared.`,
		Example: `  lunchrush compare 'reports/runs/*-callback-serial-as-was' 'reports/runs/*-callback-serial-hardened'
  lunchrush compare before/ after/ --html before-after.html
  lunchrush compare before/ after/ --format json > compare.json`,
		Args: exactly(2, "two groups of runs"),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			ids, _ := runIDs(o.runs) // none where there is no such folder
			return ids, cobra.ShellCompDirectiveDefault
		},
		RunE: func(c *cobra.Command, args []string) error { return o.run(c.Context(), t, args[0], args[1]) },
	}
	c.Flags().StringVar(&o.runs, "runs", filepath.Join("reports", "runs"), "folder in which runs land")
	c.Flags().StringVar(&o.format, "format", "text", "what is printed: text, markdown or json")
	c.Flags().StringVar(&o.html, "html", "", "where the page is written, or none (default compare.html in the folder of --runs)")
	c.Flags().BoolVar(&o.doubtful, "doubtful", false, "take runs too that were inconclusive or did not end; every output names them")
	c.Flags().BoolVar(&o.across, "across-machines", false, "take runs of different machines, testbeds or engines; every output says so")
	c.Flags().BoolVar(&o.all, "all", false, "list the measures too that are the same in every run")
	return c
}

func (o *compareFlags) run(ctx context.Context, t *terminal, a, b string) error {
	formats := []string{"text", "markdown", "json"}
	if !slices.Contains(formats, o.format) {
		return &usageError{err: fmt.Errorf("--format: no such value: %q", o.format), hint: "accepted: " + strings.Join(formats, ", ")}
	}
	left, err := o.group(ctx, a)
	if err != nil {
		return err
	}
	right, err := o.group(ctx, b)
	if err != nil {
		return err
	}
	c, err := reports.Compare(left, right, o.across)
	var mixed *reports.Mixed
	if errors.As(err, &mixed) {
		return &usageError{err: err, hint: o.advice(mixed)}
	}
	if err != nil {
		return err
	}
	switch o.format {
	case "json":
		err = reports.CompareJSON(t.out, c)
	case "markdown":
		err = reports.CompareMarkdown(t.out, c, o.all)
	default:
		err = reports.CompareText(t.out, c, o.all, t.color && isTerminal(t.out))
	}
	if err != nil || o.html == "none" {
		return err
	}
	page := o.html
	if page == "" {
		page = filepath.Join(o.runs, "compare.html")
	}
	if err := reports.WriteComparePage(page, c); err != nil {
		return err
	}
	t.say("page: %s", page)
	return nil
}

func (o *compareFlags) advice(m *reports.Mixed) string {
	if m.Around {
		return "runs of different surroundings differ by them; --across-machines compares them all the same, and says so"
	}
	return "name the runs of one scenario, seed and setting: a pattern such as '" + filepath.Join(o.runs, "*-callback-serial-hardened") + "' picks them"
}

// group reads the runs of one side, and refuses a side of which nothing is left.
func (o *compareFlags) group(ctx context.Context, arg string) (reports.Group, error) {
	dirs, err := findRuns(o.runs, arg)
	if err != nil {
		return reports.Group{}, err
	}
	g, err := reports.ReadGroup(ctx, dirs, o.doubtful)
	if err != nil || len(g.Runs) > 0 {
		return g, err
	}
	var why []string
	for _, l := range g.Left {
		why = append(why, fmt.Sprintf("%s: %s", l.Dir, l.Why))
	}
	return g, &usageError{
		err:  fmt.Errorf("%s: no run that can be compared:\n  %s", arg, strings.Join(why, "\n  ")),
		hint: "--doubtful takes runs that were inconclusive or did not end",
	}
}

// findRuns are the run folders that an argument names: a run, a folder of runs, a pattern, or several with commas between
// them. Each is given once.
func findRuns(runs, arg string) ([]string, error) {
	var dirs []string
	parts := []string{arg}
	if _, err := os.Stat(arg); err != nil { // a folder's name may have a comma in it
		parts = strings.Split(arg, ",")
	}
	for _, part := range parts {
		found, err := findSome(runs, part)
		if err != nil {
			return nil, err
		}
		dirs = append(dirs, found...)
	}
	seen := map[string]bool{}
	return slices.DeleteFunc(dirs, func(dir string) bool {
		whole, err := filepath.Abs(dir)
		if err != nil {
			whole = dir
		}
		if resolved, err := filepath.EvalSymlinks(whole); err == nil {
			whole = resolved
		}
		again := seen[whole]
		seen[whole] = true
		return again
	}), nil
}

func findSome(runs, part string) ([]string, error) {
	places := []string{part}
	if strings.ContainsAny(part, "*?[") {
		if _, err := os.Stat(part); err != nil {
			found, err := filepath.Glob(part)
			if err != nil {
				return nil, &usageError{err: fmt.Errorf("%s: %w", part, err), hint: "* stands for any letters, ? for one, [ab] for a or b"}
			}
			if len(found) == 0 {
				return nil, &usageError{err: fmt.Errorf("%s: nothing has such a name", part), hint: "runs are in " + runs + "; the shell needs quotes around a pattern"}
			}
			places = found
		}
	}
	var dirs []string
	for _, place := range places {
		info, err := os.Stat(place)
		if err == nil && !info.IsDir() && len(places) > 1 {
			continue // a pattern takes an index.html along
		}
		if dir, err := findRun(runs, place); err == nil {
			dirs = append(dirs, dir)
			continue
		}
		ids, err := runIDs(place)
		if err != nil || len(ids) == 0 {
			return nil, &usageError{
				err:  fmt.Errorf("%s is no run folder, and there is none in it: no run.json", part),
				hint: "a run's folder or id, last, a folder of run folders, a pattern, or several with commas between; runs are in " + runs,
			}
		}
		sort.Strings(ids)
		for _, id := range ids {
			dirs = append(dirs, filepath.Join(place, id))
		}
	}
	return dirs, nil
}
