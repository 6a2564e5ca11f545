package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/reports"
)

func newHistory(t *terminal) *cobra.Command {
	var (
		last int
		html string
		only []string
	)
	standard := filepath.Join("reports", "runs")
	c := &cobra.Command{
		Use:   "history [DIR]",
		Short: "Show the runs of a folder over time",
		Long: `Read the reports of all runs in DIR (` + standard + ` without one) and show how each scenario went over time, by profile and
testbed: verdicts, and every measure whose last runs differ from those before (Mann-Whitney, p <= 0.05, on the newest run's
machine; runs that prove nothing are shown and not counted). The page has a chart of every measure, with the programs that ran
and links to the reports.

No run is judged again: a folder without a report is named, and left out.`,
		Example: `  lunchrush history
  lunchrush history artifacts/ --scenario peak-lunch --last 10`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return exactly(1, "at most one folder of runs")(c, args)
		},
		RunE: func(_ *cobra.Command, args []string) error {
			dir := standard
			if len(args) == 1 {
				dir = args[0]
			}
			if last < 1 {
				return &usageError{err: fmt.Errorf("--last: %d is not 1 or more", last), hint: "a change takes 4 runs, and 4 before them"}
			}
			if _, err := os.Stat(filepath.Join(dir, "run.json")); err == nil {
				return &usageError{err: fmt.Errorf("%s is one run", dir), hint: fmt.Sprintf("its history is that of the folder it is in: lunchrush history %s", filepath.Dir(filepath.Clean(dir)))}
			}
			h, err := reports.ReadHistory(dir, last, only)
			var path *fs.PathError
			switch {
			case errors.As(err, &path):
				return &usageError{err: err, hint: "a history is of a folder of run folders; `lunchrush run peak-lunch` makes one in " + standard}
			case err != nil:
				return err
			}
			if err := reports.HistoryText(t.out, h, t.color && isTerminal(t.out)); err != nil {
				return err
			}
			if len(h.Tracks) == 0 {
				return &usageError{err: fmt.Errorf("%s: nothing to show", dir), hint: "`lunchrush run peak-lunch` makes a run in " + standard}
			}
			page := html
			if page == "none" {
				return nil
			}
			if page == "" {
				page = filepath.Join(dir, reports.HistoryFile)
			}
			if err := reports.WriteHistoryPage(page, h); err != nil {
				return err
			}
			t.say("page: %s", page)
			return nil
		},
	}
	c.Flags().IntVar(&last, "last", 5, "how many runs are held against those before them")
	c.Flags().StringVar(&html, "html", "", "where the page is written, or none (default history.html in DIR)")
	c.Flags().StringArrayVar(&only, "scenario", nil, "only the runs of this scenario; repeatable")
	return c
}
