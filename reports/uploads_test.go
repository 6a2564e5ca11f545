package reports

import (
	"fmt"
	"testing"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// uploads adds n batches of five records, one caller each. The first acked are taken, at the second send; of each of those the
// first so many records are stored.
func (b *books) uploads(n, acked, stored int) {
	b.manifest.Planned["upload"], b.manifest.Sent["upload"] = n, 2*n
	for i := range n {
		key, caller, at := fmt.Sprintf("upload%06d", i+1), fmt.Sprintf("c%d", i), int64(11+i)*second
		for try := range int64(2) {
			at += try * second
			b.add(runlog.Record{At: at, Event: runlog.CallIntent, Key: key, Channel: "upload", ID: caller, N: 5})
			switch {
			case try == 0 && i%2 == 0: // later
				b.add(runlog.Record{At: at + 1, Event: runlog.CallAnswer, Key: key, Channel: "upload", Status: 429, OK: true, Took: 1, Note: "BACKLOG"})
			case try == 0 || i >= acked: // a time-out
				b.add(runlog.Record{At: at + 1, Event: runlog.CallAnswer, Key: key, Channel: "upload", Took: 1, Note: "time-out"})
			default:
				b.add(runlog.Record{At: at + 1, Event: runlog.CallAnswer, Key: key, Channel: "upload", N: 5, Status: 202, OK: true, Took: 1})
			}
		}
		if i < acked {
			for k := range stored {
				b.uploaded(fmt.Sprintf("%s-%d", key, k+1), caller)
			}
			b.uploadTotal(caller, stored)
		}
	}
}

func (b *books) uploaded(key, caller string) {
	b.add(runlog.Record{At: 119 * second, Event: runlog.ServiceCall, Channel: "upload", Key: key, ID: caller, N: 1, Note: "stored"})
}

func (b *books) uploadTotal(caller string, n int) {
	b.add(runlog.Record{At: 119 * second, Event: runlog.ServiceCall, Channel: "upload", ID: caller, N: n, Note: "total"})
}

func TestUploadsAreAccountedFor(t *testing.T) {
	tests := []struct {
		name                     string
		story                    func(b *books)
		completed, lost, doubled float64
		timeouts, errors         float64
		restarts                 float64
		violated                 bool
	}{
		{
			name:  "all are taken at the second send and have their effect",
			story: func(b *books) { b.uploads(10, 10, 5) }, completed: 1, timeouts: 0.25, errors: 0.25,
		},
		{
			name: "few are acknowledged, and processes are restarted",
			story: func(b *books) {
				b.uploads(10, 2, 5)
				b.manifest.Health = runlog.Health{Asked: 40, Failed: 6, Restarts: []runlog.Restart{{Instance: "front-1"}, {Instance: "front-2"}}}
			},
			completed: 0.2, timeouts: 13.0 / 20, errors: 13.0 / 20, restarts: 2,
		},
		{
			name:  "an acknowledged record is lost",
			story: func(b *books) { b.uploads(10, 10, 4) }, lost: 10, timeouts: 0.25, errors: 0.25, violated: true,
		},
		{
			name:      "a record is stored twice",
			story:     func(b *books) { b.uploads(10, 10, 5); b.uploaded("upload000001-1", "c0"); b.uploadTotal("c0", 6) },
			completed: 1, doubled: 1, timeouts: 0.25, errors: 0.25, violated: true,
		},
		{
			name:      "a total counts a record twice",
			story:     func(b *books) { b.uploads(10, 10, 5); b.uploadTotal("c3", 7) },
			completed: 1, doubled: 2, timeouts: 0.25, errors: 0.25, violated: true,
		},
		{
			name:      "a total lacks a record",
			story:     func(b *books) { b.uploads(10, 10, 5); b.uploadTotal("c3", 4) },
			completed: 1, timeouts: 0.25, errors: 0.25, violated: true,
		},
		{
			name:      "a record that was never sent",
			story:     func(b *books) { b.uploads(10, 10, 5); b.uploaded("upload000099-1", "c0"); b.uploadTotal("c0", 6) },
			completed: 1, timeouts: 0.25, errors: 0.25, violated: true,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := wholeRun(t)
			b.manifest.Health = runlog.Health{Asked: 40}
			tt.story(b)
			b.add(runlog.Record{At: 120 * second, Event: runlog.Phase, Note: "end"})
			b.end()
			a := b.analyse()
			m := byName(a.Measures)
			for name, want := range map[string]float64{
				"upload.completed": tt.completed, "upload.lost": tt.lost, "upload.doubled": tt.doubled,
				"upload.timeouts": tt.timeouts, "upload.errors": tt.errors, "restarts": tt.restarts,
			} {
				if got := m[name]; !got.Known || got.Value != want {
					t.Errorf("%s is %+v, want %v", name, got, want)
				}
			}
			seen := false
			for _, c := range a.Invariants {
				if c.Name == checkUploads {
					seen = true
					if (c.Status == failed) != tt.violated {
						t.Errorf("the invariant is %+v", c)
					}
				}
			}
			if !seen || tt.violated != (a.Verdict.ExitCode == ExitViolated) {
				t.Errorf("the invariant was seen: %v; the verdict is %+v", seen, a.Verdict)
			}
		})
	}
}

func TestWithoutUploadsNothingIsSaidOfThem(t *testing.T) {
	b := wholeRun(t)
	b.manifest.Expect = map[string]string{"upload.lost": "== 0", "restarts": "== 0"}
	b.end()
	a := b.analyse()
	for _, c := range a.Invariants {
		if c.Name == checkUploads {
			t.Errorf("%+v in a run without uploads", c)
		}
	}
	for _, c := range a.Expect {
		if c.Status != unknown {
			t.Errorf("%+v: without samples nothing passes", c)
		}
	}
}

func TestUploadsOfARunThatWasCutShortMayBeOnTheirWay(t *testing.T) {
	b := wholeRun(t)
	b.uploads(3, 2, 1)
	b.manifest.Ended, b.manifest.DrainedAtNS, b.manifest.DeadlineNS = "interrupted", 0, 600*second
	b.end()
	judged := false
	for _, c := range b.analyse().Invariants {
		if c.Name == checkUploads {
			judged = true
			if c.Status != unknown || c.Note != notOver {
				t.Errorf("%+v", c)
			}
		}
	}
	if !judged {
		t.Error("nothing is said of the uploads")
	}
}
