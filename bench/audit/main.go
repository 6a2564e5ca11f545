// Command audit measures what judging costs: the audit of many orders (default 1,000,000; the aim is at most 15 s and
// 512 MiB) and every report of a 30-minute run (at most 2 s). Each is done in a child process of its own, so that its
// memory is its own; the folders are made first, by other children. The figures are printed, never asserted.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/klauspost/compress/zstd"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "audit:", err)
		os.Exit(1)
	}
}

func run() error {
	orders := flag.Int("orders", 1_000_000, "orders of the big run")
	bad := flag.Int("bad", 1000, "how many of them go wrong: one in orders/bad is dispensed and refunded")
	child := flag.String("child", "", "internal: make or judge, in the folder that follows")
	flag.Parse()
	switch *child {
	case "make":
		return makeRun(flag.Arg(0), *orders, *bad)
	case "judge":
		return judge(flag.Arg(0))
	}

	dir, err := os.MkdirTemp("", "lunchrush-audit-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, b := range []struct {
		name, aim string
		orders    int
	}{
		{"audit of " + strconv.Itoa(*orders) + " orders", "15 s, 512 MiB", *orders},
		// 600 machines at the peak's 6 orders a second.
		{"reports of a 30-minute run (10800 orders)", "2 s", 10_800},
	} {
		folder := filepath.Join(dir, strconv.Itoa(b.orders))
		if _, err := self(folder, "make", b.orders, *bad); err != nil {
			return err
		}
		books, err := os.Stat(filepath.Join(folder, runlog.BooksFile))
		if err != nil {
			return err
		}
		c, err := self(folder, "judge", b.orders, *bad)
		if err != nil {
			return err
		}
		fmt.Printf("%-44s %6.2f s  %6.2f CPU-s  %5d MiB  (books %d MiB; aim %s)\n%s", b.name, c.wall.Seconds(), c.cpu.Seconds(), c.rss>>20,
			books.Size()>>20, b.aim, c.out)
	}
	return nil
}

// A cost is what a child process used.
type cost struct {
	wall, cpu time.Duration
	rss       int64 // greatest resident memory, bytes
	out       string
}

// self runs this program as a child.
func self(folder, what string, orders, bad int) (cost, error) {
	exe, err := os.Executable()
	if err != nil {
		return cost{}, err
	}
	cmd := exec.Command(exe, "-child", what, "-orders", strconv.Itoa(orders), "-bad", strconv.Itoa(bad), folder)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, os.Stderr
	start := time.Now()
	if err := cmd.Run(); err != nil {
		return cost{}, fmt.Errorf("%s: %w", what, err)
	}
	p := cmd.ProcessState
	usage, ok := p.SysUsage().(*syscall.Rusage)
	if !ok {
		return cost{}, errors.New("this system does not tell a child's memory")
	}
	return cost{time.Since(start), p.UserTime() + p.SystemTime(), usage.Maxrss << 10, out.String()}, nil
}

func judge(dir string) error {
	start := time.Now()
	f, err := runlog.Open(dir)
	if err != nil {
		return err
	}
	a, err := reports.Analyse(f)
	if err != nil {
		return err
	}
	judged := time.Since(start)
	if err := reports.Write(dir, a); err != nil {
		return err
	}
	fmt.Printf("  judged in %.2f s, all written after %.2f s: %s\n", judged.Seconds(), time.Since(start).Seconds(), a.Verdict.Headline)
	return nil
}

// makeRun writes the folder of a run that went well but for bad orders.
func makeRun(dir string, orders, bad int) error {
	const perSecond = 6
	length := time.Duration(orders) * time.Second / perSecond
	m := &runlog.Manifest{
		ID: "bench", Scenario: "bench", Profile: "hardened", Seed: 1, Speed: 1, Machines: 600, ClockFrom: "00:00", ClockTo: "24:00",
		StartedAt: time.Date(2026, 11, 20, 4, 0, 0, 0, time.UTC), Ended: "whole", PlayForNS: int64(length), DrainedAtNS: int64(length + 30*time.Second),
		DeadlineNS: int64(length + time.Minute), RefundAfterNS: int64(30 * time.Second),
		Planned: map[string]int{"create": orders}, Sent: map[string]int{"create": orders, "notify": orders}, Unsent: map[string]int{},
		Machine:   runlog.Fingerprint{Cores: 2},
		Generator: runlog.GeneratorCost{CPUNS: int64(length) / 10, WallNS: int64(length), ServiceCPU: int64(length) / 10, ServiceRSS: 1 << 26},
		Expect:    map[string]string{"loss.total": "== 0", "notify.p99": "< 1s"},
	}
	w, err := runlog.Create(dir, m)
	if err != nil {
		return err
	}
	every := max(1, orders/max(1, bad))
	for i := range orders {
		at := int64(i) * int64(time.Second) / perSecond
		ms := int64(time.Millisecond)
		key, order := fmt.Sprintf("o%06d", i), fmt.Sprintf("20261120%013d", i)
		machine, slot, txn := fmt.Sprintf("m%05d", i%600), i%40+1, fmt.Sprintf("4200%022d", i)
		base := runlog.Record{Key: key, Order: order, Channel: "wechat"}
		say := func(after int64, e runlog.Event, more func(*runlog.Record)) {
			r := base
			r.At, r.Event = at+after, e
			more(&r)
			w.Book(r)
		}
		say(0, runlog.BuyerIntent, func(r *runlog.Record) { r.Order, r.Machine, r.Slot, r.Due = "", machine, slot, at })
		say(4*ms, runlog.BuyerAnswer, func(r *runlog.Record) { r.Fen, r.Status, r.Took, r.OK = 350, 201, 4*ms+int64(i%997), true })
		say(3000*ms, runlog.ChannelPaid, func(r *runlog.Record) { r.Fen, r.ID = 350, txn })
		say(3300*ms, runlog.NotifyIntent, func(r *runlog.Record) { r.ID, r.Txn, r.N, r.Due = "n"+key, txn, 1, at+3300*ms })
		say(3310*ms, runlog.NotifyAnswer, func(r *runlog.Record) {
			r.ID, r.Txn, r.N, r.Status, r.OK, r.Took = "n"+key, txn, 1, 200, true, 10*ms+int64(i%991)
		})
		say(4500*ms, runlog.MachineDropped, func(r *runlog.Record) { r.Key, r.Channel, r.Machine, r.Slot, r.ID = "", "", machine, slot, "c"+order })
		if i%every == every-1 {
			say(31_000*ms, runlog.ChannelRefunded, func(r *runlog.Record) { r.Fen, r.ID, r.Txn = 350, "r"+order, txn })
		}
	}
	for i := range orders {
		ms := int64(i) * 1000 / perSecond
		w.Book(runlog.Record{
			At: m.DrainedAtNS, Event: runlog.ServiceOrder, Key: fmt.Sprintf("o%06d", i), Order: fmt.Sprintf("20261120%013d", i),
			Machine: fmt.Sprintf("m%05d", i%600), Slot: i%40 + 1, Channel: "wechat", Fen: 350, Paid: 350, Txn: fmt.Sprintf("4200%022d", i),
			Note: "DISPENSED", CreatedMS: m.StartedAt.UnixMilli() + ms, PaidMS: m.StartedAt.UnixMilli() + ms + 3000, DoneMS: m.StartedAt.UnixMilli() + ms + 4500,
		})
	}
	w.Book(runlog.Record{At: m.DrainedAtNS, Event: runlog.ServiceEnd, N: orders})
	for s := time.Second; s <= length && s <= 12*time.Hour; s += time.Second {
		err := w.Sample(runlog.Sample{
			AtNS: int64(s), Phase: "play", Offered: 18, Sent: 18, OK: 18, Creates: 6, Paid: 6, Dropped: 6, CreateP50MS: 3 + float64(s%7), CreateP99MS: 9 + float64(s%5),
			NotifyP50MS: 2, NotifyP99MS: 8, LatenessP99: 1, Backlog: int(s/time.Second) % 5, BacklogAge: 0.2, ServiceCPU: 0.3, ServiceRSS: 1 << 26, HarnessCPU: 0.1,
		})
		if err != nil {
			return err
		}
	}
	return errors.Join(makePlan(w, orders, perSecond), makeLatency(w, orders), w.SaveManifest(m), w.Close())
}

func makePlan(w *runlog.Writer, orders, perSecond int) error {
	f, err := w.File(runlog.PlanFile)
	if err != nil {
		return err
	}
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	enc := json.NewEncoder(z)
	length := time.Duration(orders) * time.Second / time.Duration(perSecond)
	err = enc.Encode(map[string]any{"schema": 1, "length_ns": length, "orders": orders})
	for i := 0; err == nil && i < orders; i++ {
		_, err = fmt.Fprintf(z, `{"key":"o%06d","due_ns":%d,"machine":"m%05d","slot":%d,"channel":"wechat","buyer":"pays","think_ns":3000000000,"notify_ns":300000000,`+
			`"again_ns":-1,"device":"dispenses","takes_ns":1200000000,"create_ns":180000000,"query_ns":20000000,"refund_ns":30000000,"unionid_ns":5000000}`+"\n",
			i, int64(i)*int64(time.Second)/int64(perSecond), i%600, i%40+1)
	}
	return errors.Join(err, z.Close(), f.Close())
}

func makeLatency(w *runlog.Writer, orders int) error {
	f, err := w.File(runlog.LatencyFile)
	if err != nil {
		return err
	}
	log := hdrhistogram.NewHistogramLogWriter(io.Writer(f))
	for _, kind := range []string{"create", "notify", "result", "heartbeat"} {
		for part, typical := range map[string]time.Duration{"response": 5 * time.Millisecond, "service": 4 * time.Millisecond, "lateness": 400 * time.Microsecond} {
			h := hdrhistogram.New(1_000, 120e9, 3)
			for i := range orders {
				if err := h.RecordValue(int64(typical) * int64(1+i%17) / 4); err != nil {
					return err
				}
			}
			h.SetTag(kind + "." + part)
			if err := log.OutputIntervalHistogram(h); err != nil {
				return err
			}
		}
	}
	return f.Close()
}
