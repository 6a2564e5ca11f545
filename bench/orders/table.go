package main

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"
	"time"
)

// limit is the ratio wanted of the service's orders to the bare loop's, at least.
const limit = 0.5

// A pace is so many orders in so much time.
type pace struct {
	orders int
	took   time.Duration
}

func (p pace) perSecond() float64 { return float64(p.orders) / p.took.Seconds() }

// A table is the comparison, round by round.
type table struct {
	options
	connections  int
	service, raw []pace
	cpu          [2]usage // of all rounds: the service's, the bare loop's
}

func (t table) print(out io.Writer) {
	fmt.Fprintf(out, "\nwhole orders a second: %d of each side a round, %d buyers, %d connections to the database\n",
		t.orders, t.buyers, t.connections)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "round\tservice\tbare statements\tratio\t")
	ratios := make([]float64, len(t.service))
	for i := range t.service {
		ratios[i] = t.service[i].perSecond() / t.raw[i].perSecond()
		fmt.Fprintf(w, "%d\t%.0f/s\t%.0f/s\t%.2f\t\n", i+1, t.service[i].perSecond(), t.raw[i].perSecond(), ratios[i])
	}
	w.Flush()
	t.printCPU(out)
	slices.Sort(ratios)
	n := len(ratios)
	median := (ratios[n/2] + ratios[(n-1)/2]) / 2
	verdict := "as wanted"
	if median < limit {
		verdict = "too little"
	}
	fmt.Fprintf(out, "service / bare statements: %.2f (%.2f to %.2f), wanted at least %.1f: %s\n", median, ratios[0], ratios[n-1], limit, verdict)
}

// printCPU shows where the time goes. Where the cores are what is short, and not the disk, the ratio comes to that of the
// sums.
func (t table) printCPU(out io.Writer) {
	fmt.Fprintln(out, "CPU time per order")
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	parts := []string{partService, partMariaDB, partRedis, partSelf}
	for _, p := range parts {
		fmt.Fprintf(w, "\t%s", p)
	}
	fmt.Fprintln(w, "\ttogether\t")
	for i, side := range []string{"service", "bare statements"} {
		fmt.Fprint(w, side)
		var sum time.Duration
		for _, p := range parts {
			each := t.cpu[i][p] / time.Duration(t.orders*t.rounds)
			sum += each
			fmt.Fprintf(w, "\t%dµs", each.Microseconds())
		}
		fmt.Fprintf(w, "\t%dµs\t\n", sum.Microseconds())
	}
	w.Flush()
}
