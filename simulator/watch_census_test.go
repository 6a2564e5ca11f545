package simulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// process is the nth process that was started at an instance's address.
func process(name string, n int) Instance {
	return Instance{Internal: "http://" + name, Since: time.Unix(int64(n), 0)}
}

// counts1213 is what a process tells that has counted n deadlocks, and has n requests waiting at its front.
func counts1213(n int) serviceMetrics {
	m := unknownMetrics()
	m.counted[2], m.workers[0] = n, pool{0, n, 10}
	return m
}

func TestACensusAddsUpWhatEachProcessHasCounted(t *testing.T) {
	const silent, unknown = -2, -1
	a, b := process("a", 1), process("b", 1)
	type second map[Instance]int
	tests := []struct {
		name    string
		seconds []second
		counted []int // in the row of each second
		waiting []int
		ends    bool // with the last of these seconds
	}{
		{
			"two that have counted differently do not grow by it",
			[]second{{a: 500, b: 300}, {a: 500, b: 300}, {a: 501, b: 300}},
			[]int{800, 800, 801},
			[]int{800, 800, 801},
			false,
		},
		{
			"one that is started again counts from 0, and the other goes on",
			[]second{{a: 500, b: 300}, {b: 310}, {process("a", 2): 4, b: 311}},
			[]int{800, 810, 815},
			[]int{800, 310, 315},
			false,
		},
		{
			"one that was started again has counted more than it had before",
			[]second{{a: 5, b: 3}, {process("a", 2): 9, b: 3}},
			[]int{8, 17},
			[]int{8, 12},
			false,
		},
		{
			"one that was started again by somebody who did not say so",
			[]second{{a: 500, b: 300}, {a: 2, b: 300}, {a: 3, b: 300}},
			[]int{800, 802, 803},
			[]int{800, 302, 303},
			false,
		},
		{
			"one that has begun anew and not counted yet tells nothing of the counter",
			[]second{{a: 5, b: 3}, {a: unknown, b: 3}, {a: 7, b: 3}},
			[]int{8, 8, 15},
			[]int{8, 3, 10},
			false,
		},
		{
			"one is added and taken away again",
			[]second{{a: 10}, {a: 11, b: 6}, {a: 12, b: 8}, {a: 12}},
			[]int{10, 17, 20, 20},
			[]int{10, 17, 20, 12},
			false,
		},
		{
			"while one that has counted is silent nobody knows the sum",
			[]second{{a: 10, b: 1}, {a: silent, b: 2}, {a: silent, b: 3}, {a: 40, b: 3}},
			[]int{11, unknown, unknown, 43},
			[]int{11, 2, 3, 43},
			false,
		},
		{
			"one that is silent and has counted nothing takes nothing from the others",
			[]second{{a: 0, b: 1}, {a: silent, b: 2}},
			[]int{1, 2},
			[]int{1, 2},
			false,
		},
		{
			"in the last second what is known is told",
			[]second{{a: 10, b: 1}, {a: silent, b: 2}},
			[]int{11, 12},
			[]int{11, 2},
			true,
		},
		{
			"nobody answers",
			[]second{{a: silent, b: silent}, {a: 1, b: silent}, {}, {a: silent}},
			[]int{unknown, 1, unknown, unknown},
			[]int{unknown, 1, unknown, unknown},
			false,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCensus()
			for n, s := range tt.seconds {
				var asked []Instance
				told := map[Instance]serviceMetrics{}
				for i, v := range s {
					asked = append(asked, i)
					if v != silent {
						told[i] = counts1213(v)
					}
				}
				got := c.take(asked, told, tt.ends && n == len(tt.seconds)-1)
				if got.counted[2] != tt.counted[n] || got.workers[0].waiting != tt.waiting[n] || got.workers[0].limit != 10*len(told) {
					t.Errorf("second %d: counted %d, want %d; waiting %d, want %d; limit %d of %d", n+1, got.counted[2], tt.counted[n], got.workers[0].waiting, tt.waiting[n], got.workers[0].limit, len(told))
				}
				if got.counted[0] != unknown || got.goroutines != unknown {
					t.Errorf("second %d: what nobody told is %+v", n+1, got)
				}
			}
		})
	}
}

func TestACensusNeverFallsAndEndsWithWhatAllProcessesEverTold(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		c := newCensus()
		lives := make([]int, rapid.IntRange(1, 4).Draw(t, "addresses")) // starts so far
		counts, heard := make([]int, len(lives)), make([]int, len(lives))
		ended, before := 0, -1
		for range rapid.IntRange(1, 20).Draw(t, "seconds") {
			var asked []Instance
			told := map[Instance]serviceMetrics{}
			for i := range lives {
				switch rapid.SampledFrom([]string{"goes on", "silent", "again", "down"}).Draw(t, "fate") {
				case "again":
					lives[i]++
					ended += heard[i]
					counts[i], heard[i] = rapid.IntRange(0, 50).Draw(t, "count"), 0
					fallthrough
				case "goes on":
					counts[i] += rapid.IntRange(0, 50).Draw(t, "rise")
					heard[i] = counts[i]
					told[process(fmt.Sprint(i), lives[i])] = counts1213(counts[i])
					fallthrough
				case "silent":
					asked = append(asked, process(fmt.Sprint(i), lives[i]))
				}
			}
			want := ended
			for _, n := range heard {
				want += n
			}
			got := c.take(asked, told, true).counted[2]
			if len(told) == 0 {
				want = -1
			} else if got < before {
				t.Fatalf("the sum fell from %d to %d", before, got)
			} else {
				before = got
			}
			if got != want {
				t.Fatalf("sum %d, want %d", got, want)
			}
		}
	})
}

func TestTheWatchAsksEveryInstanceAndNoneHoldsUpTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w, log, dir := watchedWorld(t)
		// front-1 counts 500 and then no more, front-2 one a second from 300 on. Between 3.5 s and 5.5 s front-1 hangs; at 6.5 s
		// front-2 is killed, and at 8.5 s it is there again with nothing but its own figures. A gate is there all along.
		a, b, again, gate := process("front-1", 1), process("front-2", 1), process("front-2", 9), process("gate-1", 1)
		var atDoor atomic.Int64
		client := &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			answer := func(body string) (*http.Response, error) {
				return &http.Response{StatusCode: 200, Request: r, Body: io.NopCloser(strings.NewReader(body))}, nil
			}
			if r.URL.Path != "/metrics" {
				return answer(`{"waiting":4,"oldest_ms":1500}`)
			}
			if err := r.Context().Err(); err != nil {
				return nil, err // the one that hangs was asked first, and the others after it
			}
			at := w.Now()
			name := r.URL.Host
			if name == "door" { // as a balancer does it: in turns
				name = []string{"front-1", "front-2"}[atDoor.Add(1)%2]
			}
			switch {
			case name == "gate-1":
				return answer("lunchrush_workers_waiting{role=\"gate\"} 7\nlunchrush_workers_limit{role=\"gate\"} 32\nlunchrush_binds_waiting 2\nlunchrush_binds_total{outcome=\"failed\"} 6\n")
			case name == "front-1" && at > 3500*time.Millisecond && at < 5500*time.Millisecond:
				<-r.Context().Done()
				return nil, r.Context().Err()
			case name == "front-1":
				return answer("lunchrush_db_errors_total{number=\"1213\"} 500\nlunchrush_workers_waiting{role=\"front\"} 20\nlunchrush_workers_limit{role=\"front\"} 4\n")
			case at > 6500*time.Millisecond && at < 8500*time.Millisecond:
				return nil, errors.New("connection refused")
			}
			n := 300 + int(at/time.Second)
			if at > 8500*time.Millisecond {
				n = 1
			}
			return answer(fmt.Sprintf("lunchrush_db_errors_total{number=\"1213\"} %d\nlunchrush_workers_waiting{role=\"front\"} 3\nlunchrush_workers_limit{role=\"front\"} 4\n", n))
		})}
		target := Target{Internal: "http://door", Instances: func() []Instance {
			switch at := w.Now(); {
			case at < 6500*time.Millisecond:
				return []Instance{a, b, gate}
			case at < 8500*time.Millisecond:
				return []Instance{a, gate}
			}
			return []Instance{a, again, gate}
		}}
		ctx, cancel := context.WithCancel(t.Context())
		watched := make(chan struct{})
		watcher := newWatch(w)
		go func() {
			defer close(watched)
			watcher.run(ctx, client, target)
		}()
		time.Sleep(9*time.Second + 500*time.Millisecond)
		cancel()
		<-watched
		if err := errors.Join(watcher.err, log.Close()); err != nil {
			t.Fatal(err)
		}
		folder, err := runlog.Open(dir)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := folder.Samples()
		if err != nil {
			t.Fatal(err)
		}
		type row struct{ errors, waiting, limit int }
		want := []row{{801, 23, 8}, {802, 23, 8}, {803, 23, 8}, {-1, 3, 4}, {-1, 3, 4}, {806, 23, 8}, {806, 20, 4}, {806, 20, 4}, {807, 23, 8}, {807, 23, 8}}
		if len(rows) != len(want) {
			t.Fatalf("%d rows, want %d", len(rows), len(want))
		}
		for i, r := range rows {
			if due := min(time.Duration(i+1)*time.Second, 9*time.Second+500*time.Millisecond); time.Duration(r.AtNS) != due {
				t.Errorf("row %d is of %v, want %v", i, time.Duration(r.AtNS), due)
			}
			if got := (row{r.DBErrors1213, r.FrontWaiting, r.FrontLimit}); got != want[i] {
				t.Errorf("row %d: %+v, want %+v", i, got, want[i])
			}
			if r.GateWaiting != 7 || r.GateLimit != 32 || r.BindsFailed != 6 || r.BindsWaiting != 2 || r.Backlog != 4 {
				t.Errorf("row %d: of the gate, and of the door: %+v", i, r)
			}
		}
	})
}
