package main

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/internal/calibration"
	"github.com/lunchrush/lunchrush/reports"
)

func newCalibrate(t *terminal) *cobra.Command {
	var runs string
	var asJSON bool
	var names []string
	for _, e := range calibration.Exercises() {
		names = append(names, e.Name)
	}
	c := &cobra.Command{
		Use:   "calibrate [EXERCISE...]",
		Short: "Check the figures of reports against a target whose delays are known",
		Long: `Play the generator against a target of its own whose delays are known, judge the runs as any run is judged, and compare the
reported percentiles of response, service and lateness with the target's book of when each request came and when it was
answered. A figure may be off by 1 % or 100 µs, whichever is more. All exercises take about two minutes:

` + exerciseList() + `
The stalls are compared with arithmetic too: whoever is due during the stall waits for the rest of it and for those before him.

Meanwhile an empty message goes to and fro on the loopback. What is off, and no more than the slowest of these, is the machine's
doing: the calibration is inconclusive. The folder has every exercise's run folder, with the target's book in target.csv, and
calibration.json.

Exit codes: 0 every figure is right; 99 one is wrong; 97 the machine was too slow to tell; 105 interrupted; 1 could not run.`,
		Example:   "  lunchrush calibrate\n  lunchrush calibrate stall one-worker\n  lunchrush calibrate --json > calibration.json",
		ValidArgs: names,
		RunE: func(c *cobra.Command, args []string) error {
			chosen, err := calibration.Choose(args)
			if err != nil {
				return &usageError{err: err, hint: "without a name all of them are played"}
			}
			return runCalibration(c.Context(), t, chosen, filepath.Join(runs, time.Now().Format("20060102-150405")+"-calibration"), asJSON)
		},
	}
	c.Flags().StringVar(&runs, "runs", filepath.Join("reports", "runs"), "folder in which the calibration's folder is made")
	c.Flags().BoolVar(&asJSON, "json", false, "print calibration.json instead of the tables")
	return c
}

func exerciseList() string {
	var b strings.Builder
	for _, e := range calibration.Exercises() {
		fmt.Fprintf(&b, "  %-11s %s\n", e.Name, e.Title)
	}
	return b.String()
}

func runCalibration(ctx context.Context, t *terminal, chosen []calibration.Exercise, dir string, asJSON bool) error {
	found, err := calibration.Run(ctx, calibration.Options{
		Exercises: chosen, Dir: dir, Version: versionText(),
		Began: func(e calibration.Exercise) { t.say("%s: %d s", e.Name, e.Seconds) },
		Done: func(e reports.Exercised) {
			if !asJSON {
				_ = reports.WriteExercise(t.out, &e) // to a terminal
				fmt.Fprintln(t.out)
			}
		},
	})
	if err != nil && ctx.Err() == nil {
		return err
	}
	if asJSON {
		enc := json.NewEncoder(t.out)
		enc.SetIndent("", "  ")
		if err := enc.Encode(found); err != nil {
			return err
		}
	} else {
		_ = reports.WriteCalibrationSummary(t.out, found) // to a terminal
	}
	t.say("calibration: %s", filepath.Join(dir, reports.CalibrationFile))
	if err != nil {
		return fmt.Errorf("interrupted: %w", context.Cause(ctx))
	}
	return codeOf(found.ExitCode)
}
