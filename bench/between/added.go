package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/lunchrush/lunchrush/simulator"
)

// block is how long requests go one way before the next turn.
const block = 100 * time.Millisecond

// warm is left out at the beginning, while connections are made.
const warm = 2 * time.Second

// latenessLimit is what the 99th percentile of the sends may be late by in a measurement that counts, as in every run.
const latenessLimit = 5 * time.Millisecond

// round is how long it takes until each way has some 1,000 requests: enough for a 99th percentile of its own.
const round = 2 * time.Second

var ways = [2]string{"straight", "through"}

// A middle is something between callers and the service, and what it may add.
type middle struct {
	name     string
	url      string
	quantile float64
	limit    time.Duration
}

// added sends at a steady rate, by turns straight and through the middle, and prints both distributions and their
// difference.
func added(ctx context.Context, o options, straight string, m middle, out io.Writer) error {
	t := simulator.NewTimeline(simulator.TimelineConfig{Start: time.Now()})
	var (
		mu       sync.Mutex
		took     [2][]time.Duration
		rounds   = make([][2][]time.Duration, int(o.watch/round)+1)
		lateness []time.Duration
		failed   int
	)
	body := []byte(`{"request_id":"o000001","machine_id":"m00001","slot":7,"channel":"wechat","buyer_id":"buyer-0001"}`)
	header := http.Header{"Content-Type": {"application/json"}}
	chance := rand.New(rand.NewPCG(1, 2))
	begin := time.Second // from now: all is pushed before the first is due
	first := 0
	for i := range int((warm + o.watch) / block) {
		if i%2 == 0 {
			first = chance.IntN(2)
		}
		way := (first + i) % 2
		from := time.Duration(i) * block
		for k := range o.rate / int(time.Second/block) {
			due := from + time.Duration(k)*time.Second/time.Duration(o.rate)
			counts := from >= warm
			err := t.Push(simulator.Send{
				Due: begin + due, Kind: ways[way], Method: http.MethodPost, URL: [2]string{straight, m.url}[way] + "/v1/orders",
				Header: header, Body: body,
				Done: func(a simulator.Answer) {
					mu.Lock()
					defer mu.Unlock()
					switch {
					case a.Status != http.StatusOK:
						failed++
					case counts:
						took[way] = append(took[way], a.At-a.Sent)
						r := &rounds[(from-warm)/round]
						r[way] = append(r[way], a.At-a.Sent)
						lateness = append(lateness, a.Sent-a.Due)
					}
				},
			})
			if err != nil {
				return err
			}
		}
	}
	t.Close()
	if err := t.Run(ctx); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d requests were not answered 200", failed)
	}
	fmt.Fprintf(out, "\n%s: from send to answer at %d requests/s, blocks of %v straight and through by turns, %v in all\n", m.name, o.rate, block, o.watch)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "\trequests\tp50\tp90\tp99\tp99.9\t")
	for way, name := range ways {
		slices.Sort(took[way])
		fmt.Fprintf(w, "%s\t%d\t", name, len(took[way]))
		for _, q := range []float64{.5, .9, .99, .999} {
			fmt.Fprintf(w, "%v\t", at(took[way], q).Round(time.Microsecond))
		}
		fmt.Fprintln(w)
	}
	fmt.Fprint(w, "difference\t\t")
	for _, q := range []float64{.5, .9, .99, .999} {
		fmt.Fprintf(w, "%v\t", (at(took[1], q) - at(took[0], q)).Round(time.Microsecond))
	}
	fmt.Fprintln(w)
	w.Flush()
	slices.Sort(lateness)
	late := at(lateness, .99)
	more := at(took[1], m.quantile) - at(took[0], m.quantile)
	said := verdict(more <= m.limit)
	if late > latenessLimit {
		said = "not a measurement: the machine had no time to send when it was due"
	}
	fmt.Fprintf(out, "sent late by %v at p99\nadded at p%g: %v, wanted at most %v: %s\n",
		late.Round(time.Microsecond), 100*m.quantile, more.Round(time.Microsecond), m.limit, said)
	var each []time.Duration
	for _, r := range rounds {
		if len(r[0]) >= 100 && len(r[1]) >= 100 {
			slices.Sort(r[0])
			slices.Sort(r[1])
			each = append(each, at(r[1], m.quantile)-at(r[0], m.quantile))
		}
	}
	if slices.Sort(each); len(each) > 0 {
		fmt.Fprintf(out, "by rounds of %v, which a stall of the machine spoils one at a time: %v (%v to %v)\n", round,
			at(each, .5).Round(time.Microsecond), each[0].Round(time.Microsecond), each[len(each)-1].Round(time.Microsecond))
	}
	return nil
}

// at is the quantile of a sorted list.
func at(list []time.Duration, q float64) time.Duration {
	return list[min(len(list)-1, int(q*float64(len(list))))]
}
