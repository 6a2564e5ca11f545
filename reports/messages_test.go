package reports

import (
	"fmt"
	"testing"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// batches adds n sends of ten messages, one a second from 11 s on; of each the first so many are stored half a second later.
func (b *books) batches(n, stored int) {
	b.manifest.Planned["message"], b.manifest.Sent["message"] = n, n
	sums := map[string]int{}
	for i := range n {
		key, machine, at := fmt.Sprintf("message%06d", i+1), fmt.Sprintf("m%d", i%3), int64(11+i)*second
		b.add(runlog.Record{At: at, Event: runlog.CallIntent, Key: key, Channel: "message", ID: machine, N: 10})
		b.add(runlog.Record{At: at + 1, Event: runlog.CallAnswer, Key: key, Channel: "message", N: 10, Status: 200, OK: true, Took: 1})
		for k := range stored {
			b.stored(fmt.Sprintf("%s-%d", key, k+1), machine, at+second/2)
			sums[machine] += 2
		}
	}
	for machine, sum := range sums {
		b.add(runlog.Record{At: 119 * second, Event: runlog.ServiceCall, Channel: "message", ID: machine, N: sum, Note: "total"})
	}
}

func (b *books) stored(key, machine string, at int64) {
	b.add(runlog.Record{
		At: 119 * second, Event: runlog.ServiceCall, Channel: "message", Key: key, ID: machine, N: 2, Note: "stored",
		DoneMS: b.manifest.StartedAt.UnixMilli() + at/1e6,
	})
}

func (b *books) queueSecond(at int64, inFlight, refused, queued int) {
	b.add(runlog.Record{At: at * second, Event: runlog.QueueSecond, N: inFlight, Status: refused, Fen: int64(queued)})
}

func TestMessagesAreAccountedFor(t *testing.T) {
	tests := []struct {
		name                string
		story               func(b *books)
		unfinished, gap     float64
		overLimit, inFlight float64
		violated, unknown   bool
	}{
		{
			name:       "all stored, one send a second",
			story:      func(b *books) { b.batches(5, 10); b.queueSecond(12, 80, 0, 40); b.queueSecond(13, 40, 0, 0) },
			unfinished: 0, gap: 1e9, inFlight: 80,
		},
		{
			name:       "some are never stored: nothing came through up to the end",
			story:      func(b *books) { b.batches(5, 8); b.queueSecond(12, 1200, 7, 40); b.queueSecond(13, 1200, 5, 10) },
			unfinished: 10, gap: 125e9 - 15.5e9, inFlight: 1200, overLimit: 12,
		},
		{
			name:       "some are neither stored nor in the queue any more: they were deleted before they had their effect",
			story:      func(b *books) { b.batches(5, 8); b.queueSecond(12, 80, 0, 10); b.queueSecond(13, 80, 0, 9) },
			unfinished: 10, gap: 125e9 - 15.5e9, inFlight: 80, violated: true,
		},
		{
			name: "as many as were deleted are stored of a send that had no answer: it makes up for none of them",
			story: func(b *books) {
				b.batches(5, 8)
				key := "message000006"
				b.add(runlog.Record{At: 16 * second, Event: runlog.CallIntent, Key: key, Channel: "message", ID: "m0", N: 10})
				b.add(runlog.Record{At: 17 * second, Event: runlog.CallAnswer, Key: key, Channel: "message", N: 10})
				for k := range 10 {
					b.stored(fmt.Sprintf("%s-%d", key, k+1), "m0", 17*second)
				}
				b.add(runlog.Record{At: 119 * second, Event: runlog.ServiceCall, Channel: "message", ID: "m0", N: 52, Note: "total"})
				b.queueSecond(12, 80, 0, 0)
			},
			unfinished: 10, gap: 125e9 - 17e9, inFlight: 80, violated: true,
		},
		{
			name:       "none is stored",
			story:      func(b *books) { b.batches(5, 0); b.queueSecond(12, 50, 0, 50) },
			unfinished: 50, gap: 114e9, inFlight: 50, unknown: true,
		},
		{
			name: "a message that was never sent",
			story: func(b *books) {
				b.batches(5, 10)
				b.queueSecond(12, 1, 0, 0)
				b.stored("message000099-1", "m0", 20*second)
			},
			gap: 1e9, inFlight: 1, violated: true,
		},
		{
			name: "a total that counts a message twice",
			story: func(b *books) {
				b.batches(5, 10)
				b.queueSecond(12, 1, 0, 0)
				b.add(runlog.Record{At: 119 * second, Event: runlog.ServiceCall, Channel: "message", ID: "m1", N: 42, Note: "total"})
			},
			gap: 1e9, inFlight: 1, violated: true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := wholeRun(t)
			tt.story(b)
			b.add(runlog.Record{At: 120 * second, Event: runlog.Phase, Note: "end"})
			b.end()
			a := b.analyse()
			m := byName(a.Measures)
			for name, want := range map[string]float64{
				"message.unfinished": tt.unfinished, "message.gap_max": tt.gap, "message.over_limit": tt.overLimit, "message.in_flight_max": tt.inFlight,
			} {
				if got := m[name]; !got.Known || got.Value != want {
					t.Errorf("%s is %+v, want %v", name, got, want)
				}
			}
			for _, c := range a.Invariants {
				if c.Name == checkMessages && ((c.Status == failed) != tt.violated || (c.Status == unknown) != tt.unknown) {
					t.Errorf("the invariant is %+v", c)
				}
			}
			if tt.violated != (a.Verdict.ExitCode == ExitViolated) {
				t.Errorf("the verdict is %+v", a.Verdict)
			}
		})
	}
}

func TestWhatWasSentAfterTheLastLookAtTheQueueIsNotLost(t *testing.T) {
	b := wholeRun(t)
	b.batches(5, 8)
	b.queueSecond(12, 80, 0, 0)
	b.manifest.Ended, b.manifest.DrainedAtNS, b.manifest.DeadlineNS = "interrupted", 0, 600*second
	b.add(runlog.Record{At: 120 * second, Event: runlog.Phase, Note: "end"})
	b.end()
	a := b.analyse()
	for _, c := range a.Invariants {
		if c.Name == checkMessages && (c.Status != unknown || c.Note != notOver) {
			t.Errorf("of a run that was cut short: %+v", c)
		}
	}
}

func TestWithoutMessagesNothingIsSaidOfThem(t *testing.T) {
	b := wholeRun(t)
	b.manifest.Expect = map[string]string{"message.unfinished": "== 0"}
	b.end()
	a := b.analyse()
	for _, c := range a.Invariants {
		if c.Name == checkMessages {
			t.Errorf("%+v in a run without messages", c)
		}
	}
	if a.Expect[0].Status != unknown {
		t.Errorf("%+v: without samples nothing passes", a.Expect[0])
	}
}
