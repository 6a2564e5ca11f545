package reports

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// books builds a run folder from lines as people would tell them: "paid o1 350", "drops o1". Times are seconds.
type books struct {
	t        *testing.T
	manifest runlog.Manifest
	records  []runlog.Record
	samples  []runlog.Sample
	sends    map[string][]time.Duration // tag -> what latency.hlog holds
	plan     string
	kill     bool // leave the folder as a killed writer would
}

const second = int64(time.Second)

// wholeRun is a run that lasted 100 s of play from 10 s on, with the refund deadline at 30 s, and ended well.
func wholeRun(t *testing.T) *books {
	t.Helper()
	b := &books{t: t, plan: "{\"length_ns\":100000000000}\n", sends: make(map[string][]time.Duration)}
	b.manifest = runlog.Manifest{
		ID: "run", Scenario: "peak-lunch", Profile: "hardened", Seed: 1, Speed: 1, Machines: 2, ClockFrom: "11:00", ClockTo: "11:02",
		StartedAt: time.Date(2026, 11, 20, 3, 0, 0, 0, time.UTC), Ended: "whole", PlayFromNS: 10 * second, PlayForNS: 100 * second,
		DrainedAtNS: 120 * second, DeadlineNS: 170 * second, RefundAfterNS: 30 * second, Testbed: "local",
		Planned: map[string]int{"create": 300}, Sent: map[string]int{"create": 300, "notify": 300}, Unsent: map[string]int{},
		Machine:   runlog.Fingerprint{Cores: 2},
		Generator: runlog.GeneratorCost{CPUNS: 10 * second, WallNS: 100 * second, ServiceCPU: 20 * second, ServiceRSS: 50 << 20},
	}
	for i := range 300 {
		for _, tag := range []string{"create.response", "create.service", "notify.response", "notify.service"} {
			b.sends[tag] = append(b.sends[tag], time.Duration(i+1)*time.Millisecond)
		}
		b.sends["create.lateness"] = append(b.sends["create.lateness"], time.Millisecond)
	}
	return b
}

func (b *books) add(r runlog.Record) { b.records = append(b.records, r) }

// tell adds the records of a story, one event a line: second, event, order, and what else the event needs.
func (b *books) tell(story string) {
	b.t.Helper()
	for line := range strings.Lines(story) {
		w := strings.Fields(line)
		if len(w) == 0 {
			continue
		}
		var at float64
		if _, err := fmt.Sscan(w[0], &at); err != nil {
			b.t.Fatalf("%q: %v", line, err)
		}
		r := runlog.Record{At: int64(at * float64(second)), Order: w[2], Key: "k" + w[2], Machine: "m1", Slot: 1, Channel: "wechat"}
		more := append(w[3:], "", "", "")
		var n int
		switch w[1] {
		case "asks":
			r.Event, r.Order = runlog.BuyerIntent, ""
		case "answered": // status, order id unless it failed; what he is told it costs, what the label says
			fmt.Sscan(more[0], &r.Status)
			fmt.Sscan(or(more[1], "350"), &r.Fen)
			fmt.Sscan(or(more[2], "0"), &r.Paid)
			r.Event = runlog.BuyerAnswer
			if r.Status != 201 {
				r.Order, r.Fen, r.Paid = "", 0, 0
			}
		case "prepay":
			fmt.Sscan(more[0], &r.Fen)
			r.Event = runlog.ChannelPrepay
		case "paid": // fen, transaction
			fmt.Sscan(more[0], &r.Fen)
			r.Event, r.ID = runlog.ChannelPaid, or(more[1], "t"+w[2])
		case "refunded": // fen, refund, transaction
			fmt.Sscan(more[0], &r.Fen)
			r.Event, r.ID, r.Txn = runlog.ChannelRefunded, or(more[1], "r"+w[2]), or(more[2], "t"+w[2])
		case "notify": // n, note
			fmt.Sscan(or(more[0], "1"), &n)
			r.Event, r.ID, r.Txn, r.N, r.Note = runlog.NotifyIntent, "n"+w[2], "t"+w[2], n, more[1]
		case "acked":
			fmt.Sscan(or(more[0], "1"), &n)
			r.Event, r.ID, r.Txn, r.N, r.Status, r.OK, r.Took = runlog.NotifyAnswer, "n"+w[2], or(more[1], "t"+w[2]), n, 200, true, int64(12*time.Millisecond)
		case "refused":
			r.Event, r.ID, r.Txn, r.N, r.Status = runlog.NotifyAnswer, "n"+w[2], "t"+w[2], 1, 503
		case "command":
			r.Event, r.ID, r.Note = runlog.MachineCommand, or(more[0], "c"+w[2]), "dispense"
		case "drops":
			r.Event, r.ID = runlog.MachineDropped, or(more[0], "c"+w[2])
		case "jams":
			r.Event, r.ID = runlog.MachineJammed, or(more[0], "c"+w[2])
		case "says": // state, paid, transaction, amount
			r.Event, r.Note, r.Fen = runlog.ServiceOrder, more[0], 350
			fmt.Sscan(more[1], &r.Paid)
			r.Txn = more[2]
			fmt.Sscan(more[3], &r.Fen)
		case "queued": // consume status, status, seconds from creation to consumption
			r.Event, r.Txn = runlog.ServiceQueue, "t"+w[2]
			fmt.Sscan(or(more[0], "2"), &r.Status)
			r.Note = or(more[1], "5")
			r.CreatedMS = b.manifest.StartedAt.UnixMilli()
			var s int64
			fmt.Sscan(or(more[2], "1"), &s)
			r.DoneMS = r.CreatedMS + 1000*s
		case "remedied":
			r.Event, r.N, r.Note = runlog.ServiceRemedy, 1, "unknown-here done"
		default:
			b.t.Fatalf("%q: no such event", line)
		}
		b.add(r)
	}
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}

// end adds the service's last line: its book is whole.
func (b *books) end() {
	n := 0
	for _, r := range b.records {
		if r.Event == runlog.ServiceOrder {
			n++
		}
	}
	b.add(runlog.Record{At: 125 * second, Event: runlog.ServiceEnd, N: n})
}

// folder writes the run.
func (b *books) folder() *runlog.Folder {
	b.t.Helper()
	dir := b.t.TempDir()
	must := func(err error) {
		b.t.Helper()
		if err != nil {
			b.t.Fatal(err)
		}
	}
	w, err := runlog.Create(dir, &b.manifest)
	must(err)
	for _, r := range b.records {
		w.Book(r)
	}
	for _, s := range b.samples {
		must(w.Sample(s))
	}
	if b.plan != "" {
		b.manifest.PlanSHA256 = writePlan(b.t, w, b.plan)
	}
	if len(b.sends) > 0 {
		writeLog(b.t, w, b.sends)
	}
	must(w.SaveManifest(&b.manifest))
	if b.kill {
		must(w.Flush())
		b.t.Cleanup(func() { _ = w.Close() })
	} else {
		must(w.Close())
	}
	f, err := runlog.Open(dir)
	must(err)
	return f
}

func (b *books) analyse() *Analysis {
	b.t.Helper()
	a, err := Analyse(b.folder())
	if err != nil {
		b.t.Fatal(err)
	}
	return a
}

func writeLog(t *testing.T, w *runlog.Writer, sends map[string][]time.Duration) {
	t.Helper()
	f, err := w.File(runlog.LatencyFile)
	if err != nil {
		t.Fatal(err)
	}
	log := hdrhistogram.NewHistogramLogWriter(f)
	if err := log.OutputLogFormatVersion(); err != nil {
		t.Fatal(err)
	}
	for tag, values := range sends {
		// Two histograms for each tag, as two workers would leave.
		for half := range 2 {
			h := newHistogram()
			for i, v := range values {
				if i%2 == half {
					record(h, int64(v))
				}
			}
			h.SetTag(tag)
			h.SetStartTimeMs(1000)
			h.SetEndTimeMs(2000)
			if err := log.OutputIntervalHistogram(h); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}
