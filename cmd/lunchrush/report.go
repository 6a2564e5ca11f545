package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/reports"
)

func newReport(t *terminal) *cobra.Command {
	var runs string
	c := &cobra.Command{
		Use:   "report RUN",
		Short: "Judge a run folder again and rebuild its reports",
		Long: `Judge a run from its folder and write report.html, report.json, junit.xml and summary.md anew. It works on any run, also on
one whose process was killed. RUN is a folder, a run's id, or "last".

Of the folder of a capacity search its reports are concluded and written anew from the trials in capacity.json, of a gate's from the
pairs in gate.json, which a gate that was killed has too.`,
		Example: "  lunchrush report last\n  lunchrush report reports/runs/20261120-115600-peak-lunch-hardened",
		Args:    exactly(1, "a run's folder or id, or last"),
		ValidArgsFunction: func(_ *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
			ids, err := runIDs(runs)
			if err != nil {
				return nil, cobra.ShellCompDirectiveDefault
			}
			return append(ids, "last"), cobra.ShellCompDirectiveDefault
		},
		RunE: func(_ *cobra.Command, args []string) error {
			if again, err := concludeAgain(t, runs, args[0]); again {
				return err
			}
			if again, err := gateAgain(t, runs, args[0]); again {
				return err
			}
			dir, err := findRun(runs, args[0])
			if err != nil {
				return err
			}
			analysis, err := harness.Judge(dir)
			if err != nil {
				return err
			}
			_ = reports.WriteText(t.out, analysis, t.color && isTerminal(t.out))
			fmt.Fprintf(t.out, "report:  %s\n", filepath.Join(dir, "report.html"))
			return codeOf(analysis.Verdict.ExitCode)
		},
	}
	c.Flags().StringVar(&runs, "runs", filepath.Join("reports", "runs"), "folder in which runs land")
	return c
}

func findRun(runs, name string) (string, error) {
	if name == "last" {
		ids, err := runIDs(runs)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if len(ids) == 0 {
			return "", &usageError{err: fmt.Errorf("no run in %s yet", runs), hint: "`lunchrush run peak-lunch` makes one"}
		}
		return filepath.Join(runs, ids[len(ids)-1]), nil
	}
	for _, dir := range []string{name, filepath.Join(runs, name)} {
		if _, err := os.Stat(filepath.Join(dir, "run.json")); err == nil {
			return dir, nil
		}
	}
	return "", &usageError{err: fmt.Errorf("no run folder %s: there is no run.json in it", name), hint: "runs are in " + runs + "; `lunchrush report last` takes the newest"}
}

// runIDs are the runs in a folder, oldest first: the ids begin with their time.
func runIDs(runs string) ([]string, error) {
	entries, err := os.ReadDir(runs)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, entry := range entries {
		if _, err := os.Stat(filepath.Join(runs, entry.Name(), "run.json")); err == nil {
			ids = append(ids, entry.Name())
		}
	}
	sort.Strings(ids)
	return ids, nil
}
