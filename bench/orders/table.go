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
	cpu          []usage // of the service's rounds
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
	fmt.Fprint(out, "CPU time per order, while the service runs:")
	sum := usage{}
	for _, u := range t.cpu {
		for name, cpu := range u {
			sum[name] += cpu
		}
	}
	for _, name := range []string{"service", "MariaDB", "Redis cache", "Redis queue"} {
		fmt.Fprintf(out, " %s %dµs", name, sum[name].Microseconds()/int64(t.orders*len(t.cpu)))
	}
	slices.Sort(ratios)
	n := len(ratios)
	median := (ratios[n/2] + ratios[(n-1)/2]) / 2
	verdict := "as wanted"
	if median < limit {
		verdict = "too little"
	}
	fmt.Fprintf(out, "\nservice / bare statements: %.2f (%.2f to %.2f), wanted at least %.1f: %s\n", median, ratios[0], ratios[n-1], limit, verdict)
}
