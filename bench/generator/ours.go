package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"runtime/pprof"
	"sync"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/simulator"
)

// ours is lunchrush's timeline, in a process of its own.
type ours struct {
	profile string // file to write a CPU profile to; "" for none
}

func (ours) name() string { return "lunchrush" }

// An order to the sending process, on its stdin.
type sendOrder struct {
	URL      string        `json:"url"`
	Rate     int           `json:"rate"`
	Duration time.Duration `json:"duration_ns"`
	Sheet    string        `json:"sheet"`
	Dir      string        `json:"dir"`
	Profile  string        `json:"profile"`
}

func (u ours) send(ctx context.Context, s shot) (c cost, err error) {
	self, err := os.Executable()
	if err != nil {
		return c, err
	}
	dir, err := os.MkdirTemp(s.dir, "run-")
	if err != nil {
		return c, err
	}
	order, err := json.Marshal(sendOrder{s.url, s.rate, s.duration, s.sheet.path, dir, u.profile})
	if err != nil {
		return c, err
	}
	cmd := exec.CommandContext(ctx, self, "send")
	cmd.Stdin = bytes.NewReader(order)
	out, cpu, err := output(cmd)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal(out, &c); err != nil {
		return c, fmt.Errorf("reading the sender's answer: %w", err)
	}
	// The whole process counts, its start included, as with the others.
	c.CPU = cpu
	return c, nil
}

// feedAhead is how long before they are due the simulator's channels put notifications on the timeline.
const feedAhead = 150 * time.Millisecond

// send is the sending process: it plays an order as the simulator plays its notifications, with the same books.
func send(ctx context.Context, stdin io.Reader, stdout io.Writer) (err error) {
	var o sendOrder
	if err := json.NewDecoder(stdin).Decode(&o); err != nil {
		return fmt.Errorf("reading the order: %w", err)
	}
	text, err := os.ReadFile(o.Sheet)
	if err != nil {
		return err
	}
	var sheet sheet
	if err := json.Unmarshal(text, &sheet); err != nil {
		return fmt.Errorf("reading the sheet: %w", err)
	}

	if o.Profile != "" {
		f, err := os.Create(o.Profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}

	start := time.Now()
	log, err := runlog.Create(o.Dir, &runlog.Manifest{Scenario: "bench", StartedAt: start})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	results, err := log.File(runlog.ResultsFile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, results.Close()) }()
	hlog, err := log.File(runlog.LatencyFile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hlog.Close()) }()
	latency, err := simulator.NewLatency(start, hlog)
	if err != nil {
		return err
	}
	timeline := simulator.NewTimeline(simulator.TimelineConfig{
		Start: start, Latency: latency, Result: vegeta.NewEncoder(results),
	})

	s := shot{url: o.URL, rate: o.Rate, duration: o.Duration, sheet: &sheet}
	var all sync.WaitGroup
	var feedErr, secondErr error
	ended := make(chan struct{})
	all.Go(func() { feedErr = feed(ctx, timeline, log, s, start) })
	all.Go(func() { secondErr = everySecond(latency, start, ended) })
	err = timeline.Run(ctx)
	close(ended)
	all.Wait()
	if err := errors.Join(err, feedErr, secondErr); err != nil {
		return err
	}
	counts := timeline.Counts()[simulator.SendNotify]
	c := cost{Sent: counts.Sent, OK: counts.OK}
	if h := latency.Total(simulator.SendNotify, simulator.TimeLateness); h != nil {
		c.LatenessP99 = time.Duration(h.ValueAtQuantile(99))
	}
	return json.NewEncoder(stdout).Encode(c)
}

// feed puts the sends on the timeline, evenly spaced, each shortly before it is due.
func feed(ctx context.Context, timeline *simulator.Timeline, log *runlog.Writer, s shot, start time.Time) error {
	defer timeline.Close()
	tick := time.NewTicker(feedAhead / 3)
	defer tick.Stop()
	begin := time.Since(start) + feedAhead
	for i := 0; i < s.sends(); {
		for ; i < s.sends(); i++ {
			due := begin + time.Duration(float64(i)/float64(s.rate)*float64(time.Second))
			if due > time.Since(start)+feedAhead {
				break
			}
			if err := timeline.Push(notification(log, s, i, due)); err != nil {
				return err
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// notification is one send, booked as the simulator's channels book theirs.
func notification(log *runlog.Writer, s shot, i int, due time.Duration) simulator.Send {
	n := &s.sheet.Notes[i%len(s.sheet.Notes)]
	record := runlog.Record{
		Key: fmt.Sprintf("o%06d", i), Order: fmt.Sprintf("20170804115600%06d", i), Channel: "wechat",
		ID: fmt.Sprintf("EV-wechat-%08d", i), Txn: fmt.Sprintf("42000000012017080411%08d", i), N: 1,
	}
	return simulator.Send{
		Due: due, Kind: simulator.SendNotify, Method: http.MethodPost, URL: s.url, Header: n.Header, Body: n.Body, Timeout: 5 * time.Second,
		Intent: func(at time.Duration) {
			r := record
			r.At, r.Event, r.Due = int64(at), runlog.NotifyIntent, int64(due)
			log.Book(r)
		},
		Done: func(a simulator.Answer) {
			r := record
			r.At, r.Event, r.Status, r.OK, r.Took = int64(a.At), runlog.NotifyAnswer, a.Status, a.Status == http.StatusOK, int64(a.At-a.Sent)
			log.Book(r)
		},
	}
}

// everySecond does with the histograms what a run does: each second is merged, each ten are written to the log.
func everySecond(latency *simulator.Latency, start time.Time, ended <-chan struct{}) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for n := 1; ; n++ {
		select {
		case <-tick.C:
			if _, err := latency.Second(); err != nil {
				return err
			}
			if n%10 == 0 {
				if err := latency.Interval(time.Since(start)); err != nil {
					return err
				}
			}
		case <-ended:
			_, err := latency.Second()
			return errors.Join(err, latency.Interval(time.Since(start)))
		}
	}
}
