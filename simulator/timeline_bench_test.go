package simulator

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// The cost of a send and how late it leaves, next to vegeta's own attack at the same rate with the same body, against a
// sink in another process. What `make bench` prints as ratios.
//
//	go test -run '^$' -bench 'Timeline|Vegeta' -benchtime 1x ./simulator

const benchFor = 5 * time.Second

// TestSinkProcess is the sink: a second process of this test binary.
func TestSinkProcess(t *testing.T) {
	if os.Getenv("LUNCHRUSH_SINK") == "" {
		t.Skip("it is the sink of the benchmarks, which start it themselves")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fmt.Printf("sink %s\n", l.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // the end of the benchmark
		_ = l.Close()
	}()
	_ = http.Serve(l, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) }))
}

func sink(b *testing.B) string {
	b.Helper()
	cmd := exec.CommandContext(b.Context(), os.Args[0], "-test.run=^TestSinkProcess$")
	cmd.Env = append(os.Environ(), "LUNCHRUSH_SINK=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if addr, ok := strings.CutPrefix(lines.Text(), "sink "); ok {
			return "http://" + addr + "/"
		}
	}
	b.Fatal("the sink did not start")
	return ""
}

var benchBody = bytes.Repeat([]byte("x"), 1000)

func benchRates(b *testing.B, run func(b *testing.B, url string, rate int)) {
	url := sink(b)
	for _, rate := range []int{1000, 2000, 8000} {
		b.Run(fmt.Sprint(rate), func(b *testing.B) {
			for range b.N {
				before, _ := ownUsage()
				run(b, url, rate)
				after, _ := ownUsage()
				b.ReportMetric(float64((after-before).Microseconds())/float64(rate)/benchFor.Seconds(), "µs-cpu/send")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func BenchmarkVegeta(b *testing.B) {
	benchRates(b, func(b *testing.B, url string, rate int) {
		header := http.Header{"Content-Type": {"application/json"}}
		target := vegeta.NewStaticTargeter(vegeta.Target{Method: "POST", URL: url, Body: benchBody, Header: header})
		enc := vegeta.NewEncoder(io.Discard)
		sent := 0
		for r := range vegeta.NewAttacker().Attack(target, vegeta.Rate{Freq: rate, Per: time.Second}, benchFor, "bench") {
			if r.Code == 200 {
				sent++
			}
			_ = enc.Encode(r)
		}
		b.ReportMetric(float64(sent)/benchFor.Seconds(), "sends/s")
	})
}

// BenchmarkTimeline books an intent and an answer for each send, keeps the three histograms and writes results.bin.
func BenchmarkTimeline(b *testing.B) {
	benchRates(b, func(b *testing.B, url string, rate int) {
		start := time.Now()
		log, err := runlog.Create(b.TempDir(), &runlog.Manifest{})
		if err != nil {
			b.Fatal(err)
		}
		hlog, err := log.File(runlog.LatencyFile)
		if err != nil {
			b.Fatal(err)
		}
		results, err := log.File(runlog.ResultsFile)
		if err != nil {
			b.Fatal(err)
		}
		lat, err := NewLatency(start, hlog)
		if err != nil {
			b.Fatal(err)
		}
		tl := NewTimeline(TimelineConfig{Start: start, Latency: lat, Result: vegeta.NewEncoder(results)})
		ledger := newLedger(0, 0)
		book := func(r runlog.Record) { ledger.note(&r); log.Book(r) }
		push := func(i int) {
			id := fmt.Sprintf("EV-%032d", i)
			due := 100*time.Millisecond + time.Duration(i)*time.Second/time.Duration(rate)
			_ = tl.Push(Send{
				Due: due, Kind: SendNotify, Method: "POST", URL: url, Header: jsonHeader, Body: benchBody,
				Intent: func(at time.Duration) {
					book(runlog.Record{At: int64(at), Event: runlog.NotifyIntent, Order: id, Channel: "wechat", ID: id, N: 1, Due: int64(due)})
				},
				Done: func(a Answer) {
					book(runlog.Record{At: int64(a.At), Event: runlog.NotifyAnswer, Order: id, Channel: "wechat", ID: id, N: 1, Status: a.Status, OK: a.Status == 200, Took: int64(a.At - a.Sent)})
				},
			})
		}
		n := rate * int(benchFor/time.Second)
		next := 0
		feeder := newAgenda(tl.now)
		var feed func()
		feed = func() {
			for upTo := min(n, next+rate); next < upTo; next++ {
				push(next)
			}
			if next == n {
				tl.Close()
				return
			}
			feeder.after(tl.now()+900*time.Millisecond, feed)
		}
		feed()
		var wg sync.WaitGroup
		stop := make(chan struct{})
		feeding, stopFeeding := context.WithCancel(b.Context())
		wg.Go(func() { feeder.run(feeding) })
		wg.Go(func() {
			tick := time.NewTicker(time.Second)
			defer tick.Stop()
			for {
				select {
				case <-tick.C:
					_, _ = lat.Second()
				case <-stop:
					return
				}
			}
		})
		if err := tl.Run(b.Context()); err != nil {
			b.Fatal(err)
		}
		close(stop)
		stopFeeding()
		wg.Wait()
		_, err = lat.Second()
		if err != nil {
			b.Fatal(err)
		}
		if err := lat.Interval(tl.now()); err != nil {
			b.Fatal(err)
		}
		_ = hlog.Close()
		_ = results.Close()
		if err := log.Close(); err != nil {
			b.Fatal(err)
		}
		c := tl.Counts()[SendNotify]
		late := lat.Total(SendNotify, TimeLateness)
		b.ReportMetric(float64(c.OK)/benchFor.Seconds(), "sends/s")
		b.ReportMetric(float64(late.ValueAtPercentile(50))/1e6, "ms-late-p50")
		b.ReportMetric(float64(late.ValueAtPercentile(99))/1e6, "ms-late-p99")
		b.ReportMetric(float64(tl.Bound()), "bound")
	})
}
