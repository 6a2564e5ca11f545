package reports

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// WriteExercise writes the figures of one exercise as a table for a terminal: the report's percentiles, each with how far it is
// from the truth, and below them the arithmetic where that is long enough to be held to.
func WriteExercise(w io.Writer, e *Exercised) error {
	fmt.Fprintf(w, "%s: %s\n", e.Name, e.Title)
	tw := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(tw, "  %s sends, %d/s\tp50\tp90\tp99\tp99.9\n", count(int64(e.Sends)), e.PerSecond)
	for i := 0; i+len(calibrated) <= len(e.Figures); i += len(calibrated) {
		row := e.Figures[i : i+len(calibrated)]
		cells, sums, held := []string{}, []string{}, false
		for _, f := range row {
			cells = append(cells, f.cell())
			sum := ""
			if f.Arithmetic >= int64(arithmeticFrom) && f.Report >= 0 {
				sum, held = span(f.Arithmetic), true
			}
			sums = append(sums, sum)
		}
		fmt.Fprintf(tw, "  %s\t%s\n", row[0].Time, strings.Join(cells, "\t"))
		if held {
			fmt.Fprintf(tw, "    by arithmetic\t%s\n", strings.Join(sums, "\t"))
		}
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, f := range e.Figures {
		if f.Status != passed {
			fmt.Fprintf(w, "  %s %s %s: the report says %s, true is %s: %s\n", marksPlain[f.Status], f.Time, quantileName(f.Quantile), span(f.Report), span(f.Truth), f.Note)
		}
	}
	for _, c := range e.Checks {
		if c.Status != passed {
			fmt.Fprintf(w, "  %s %s: wanted %s, got %s%s\n", marksPlain[c.Status], c.Name, c.Want, c.Got, strings.TrimSuffix("; "+c.Note, "; "))
		}
	}
	_, err := fmt.Fprintf(w, "  the machine's echo meanwhile: p50 %s, p99 %s, longest %s of %s\n", span(e.Echo.P50), span(e.Echo.P99), span(e.Echo.Max), count(e.Echo.N))
	return err
}

var marksPlain = map[string]string{passed: "ok  ", failed: "FAIL", unknown: "?   "}

// cell is a figure in a table: what the report says, and how far that is from the truth.
func (f *Figure) cell() string {
	switch {
	case f.Report < 0 || f.Samples == 0:
		return f.Note
	case f.Off < 0:
		return fmt.Sprintf("%s (-%s)", span(f.Report), span(-f.Off))
	default:
		return fmt.Sprintf("%s (+%s)", span(f.Report), span(f.Off))
	}
}

func quantileName(q float64) string {
	return "p" + strings.TrimSuffix(fmt.Sprintf("%.1f", 100*q), ".0")
}

// WriteCalibrationSummary is what comes after the exercises: how many figures are right, and the outcome.
func WriteCalibrationSummary(w io.Writer, c *Calibration) error {
	right, few, all := 0, 0, 0
	for _, e := range c.Exercises {
		for _, f := range e.Figures {
			all++
			switch {
			case f.Status != passed:
			case f.Report < 0:
				few++
			default:
				right++
			}
		}
	}
	text := fmt.Sprintf("%s  %d of %d percentiles are within 1 %% or 100 µs of the target's own clock", c.Outcome, right, all-few)
	if few > 0 {
		text += fmt.Sprintf("; %d have too few samples, which the report says", few)
	}
	if len(c.NotPlayed) > 0 {
		text += "; not played: " + strings.Join(c.NotPlayed, ", ")
	}
	_, err := fmt.Fprintln(w, text)
	return err
}
