package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"text/tabwriter"
	"time"
)

// A table is one comparison: what each sender's sends cost, round by round.
type table struct {
	rate     int
	duration time.Duration
	costs    map[string][]cost
}

// limits are the ratios wanted of lunchrush's CPU time per send to another's.
var limits = map[string]float64{"vegeta": 1.3, "k6": 0.5}

func (t table) print(out io.Writer, senders []sender) {
	fmt.Fprintf(out, "\n%d sends/s for %s, CPU time per send of the whole process\n", t.rate, t.duration)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprint(w, "round\t")
	for _, s := range senders {
		fmt.Fprintf(w, "%s\t", s.name())
	}
	fmt.Fprintln(w, "lateness p99\t")
	ours := t.costs["lunchrush"]
	for round := range ours {
		fmt.Fprintf(w, "%d\t", round+1)
		for _, s := range senders {
			fmt.Fprintf(w, "%s\t", micro(t.costs[s.name()][round].each()))
		}
		fmt.Fprintf(w, "%s\t\n", micro(ours[round].LatenessP99))
	}
	w.Flush()
	for _, s := range senders {
		sent, ok := 0, 0
		for _, c := range t.costs[s.name()] {
			sent, ok = sent+c.Sent, ok+c.OK
		}
		planned := int(t.duration.Seconds()*float64(t.rate)) * len(t.costs[s.name()])
		if sent != planned || ok != sent {
			fmt.Fprintf(out, "%s sent %d of %d, answered 200: %d\n", s.name(), sent, planned, ok)
		}
		if limit, compared := limits[s.name()]; compared {
			r := t.ratio(s.name())
			verdict := "as wanted"
			if r > limit {
				verdict = "too much"
			}
			fmt.Fprintf(out, "lunchrush / %s: %.2f, wanted at most %.1f: %s\n", s.name(), r, limit, verdict)
		}
	}
}

// ratio is the median over the rounds of what a send costs us and what it costs another in the same round.
func (t table) ratio(other string) float64 {
	ratios := make([]float64, len(t.costs[other]))
	for i, c := range t.costs[other] {
		ratios[i] = float64(t.costs["lunchrush"][i].each()) / float64(c.each())
	}
	slices.Sort(ratios)
	n := len(ratios)
	return (ratios[n/2] + ratios[(n-1)/2]) / 2
}

func micro(d time.Duration) string {
	return fmt.Sprintf("%.1fµs", float64(d)/float64(time.Microsecond))
}

// machine names the machine, and warns where it is seen to be busy with something else.
func machine() string {
	text := fmt.Sprintf("%s %s/%s, %d cores", runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	var load float64
	if f, err := os.Open("/proc/loadavg"); err == nil { // Linux only
		defer f.Close()
		if _, err := fmt.Fscan(f, &load); err == nil && load > float64(runtime.NumCPU())/2 {
			text += fmt.Sprintf("; load average %.1f before it began: the figures are of a busy machine", load)
		}
	}
	return text
}
