package calibration

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"github.com/lunchrush/lunchrush/internal/harness"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator"
)

// TargetFile is the target's book in an exercise's run folder: a line for each send, nanoseconds since the run's start.
const TargetFile = "target.csv"

// Options says what to calibrate with.
type Options struct {
	Exercises []Exercise
	Dir       string                    // is made, with a run folder for each exercise in it
	Version   string                    // of lunchrush
	Began     func(e Exercise)          // nil: nobody is told
	Done      func(e reports.Exercised) // likewise
}

// Run plays the exercises one after the other and compares. After each of them what was compared is in the folder. When ctx ends, or an
// exercise cannot be played, it returns what was compared until then beside an error that wraps the reason.
func Run(ctx context.Context, o Options) (*reports.Calibration, error) {
	c := &reports.Calibration{Schema: 1, At: time.Now(), Machine: harness.Fingerprint(), Lunchrush: o.Version, Exercises: []reports.Exercised{}}
	for _, e := range o.Exercises {
		c.NotPlayed = append(c.NotPlayed, e.Name)
	}
	c.Decide()
	for _, e := range o.Exercises {
		if o.Began != nil {
			o.Began(e)
		}
		done, err := play(ctx, e, filepath.Join(o.Dir, e.Name), o.Version)
		if err != nil {
			err = fmt.Errorf("the exercise %s: %w", e.Name, err)
			if len(c.Exercises) == 0 && os.MkdirAll(o.Dir, 0o755) == nil { // the others have written
				err = errors.Join(err, reports.WriteCalibration(o.Dir, c))
			}
			return c, err
		}
		c.Exercises, c.NotPlayed = append(c.Exercises, done), c.NotPlayed[1:]
		c.Decide()
		if err := reports.WriteCalibration(o.Dir, c); err != nil {
			return c, err
		}
		if o.Done != nil {
			o.Done(done)
		}
	}
	return c, nil
}

// play plays one exercise as any run is played, against the target in the place of the service, and judges its folder.
func play(ctx context.Context, e Exercise, dir, version string) (reports.Exercised, error) {
	done := reports.Exercised{Name: e.Name, Title: e.Title, PerSecond: e.PerSecond, Dir: dir}
	sc, err := e.scenario()
	if err != nil {
		return done, err
	}
	plan, err := simulator.NewPlan(sc, 1)
	if err != nil {
		return done, err
	}
	m := &runlog.Manifest{
		Schema: runlog.SchemaVersion, ID: filepath.Base(dir), Scenario: sc.Name, Title: sc.Title, Source: sc.Source, Profile: "target",
		Seed: 1, Speed: 1, Machines: sc.Fleet.Machines, ClockFrom: sc.Clock.From.String(), ClockTo: sc.Clock.To.String(),
		StartedAt: time.Now(), PlayForNS: int64(plan.Header.Length), Service: "a target whose delays are known",
		Machine: harness.Fingerprint(), Lunchrush: version, RefundAfterNS: int64(10 * time.Second),
	}
	log, err := runlog.Create(dir, m)
	if err != nil {
		return done, err
	}
	book, odd, echoes, err := send(ctx, e, sc, plan, m, log)
	m.Ended, m.Finished = "whole", time.Now()
	switch {
	case ctx.Err() != nil:
		m.Ended, m.Error = "interrupted", context.Cause(ctx).Error()
	case err != nil:
		m.Ended, m.Error = "error", err.Error()
	}
	if err := errors.Join(err, log.SaveManifest(m), writeBook(log, book), log.Close()); err != nil {
		return done, err
	}
	a, err := harness.Judge(dir)
	if err != nil {
		return done, err
	}
	folder, err := runlog.Open(dir)
	if err != nil {
		return done, err
	}
	said, err := readBuyers(folder)
	if err != nil {
		return done, err
	}
	truth := e.truth(dues(plan), book, time.Duration(m.PlayFromNS))
	truth.Echo = echoes
	i := slices.IndexFunc(a.Latency, func(l reports.Latency) bool { return l.Kind == simulator.SendCreate })
	done.Sends = m.Sent[simulator.SendCreate]
	done.Figures, done.Echo = reports.Calibrate(a.Latency[i], truth)
	done.Checks = e.checks(dues(plan), book, odd, said, done.Sends, done.Echo)
	return done, nil
}

// send plays the plan; everything that it starts has ended when it returns.
func send(ctx context.Context, e Exercise, sc *scenarios.Scenario, plan *simulator.Plan, m *runlog.Manifest, log *runlog.Writer) (book []entry, odd int, echoes []int64, err error) {
	var t *target
	world, err := simulator.New(simulator.Config{
		Scenario: sc, Plan: plan, Manifest: m, Log: log, Workers: e.Workers,
		Begun: func(_ context.Context, from time.Duration) { t.begin(from) },
	})
	if err != nil {
		return nil, 0, nil, err
	}
	defer func() { err = errors.Join(err, world.Close()) }()
	if t, err = newTarget(e, len(plan.Orders), m.StartedAt); err != nil {
		return nil, 0, nil, err
	}
	defer func() {
		err = errors.Join(err, t.close())
		book, odd = t.entries()
	}()
	var s sleeper
	defer s.close()
	witness, err := newEcho(&s)
	if err != nil {
		return nil, 0, nil, err
	}
	defer func() { echoes = witness.close() }()
	given, back := harness.GoFirst() // as any run has it
	defer back()
	m.Generator.First, m.Generator.Awake = given.First, given.Awake
	_, err = world.Play(ctx, t.target())
	return nil, 0, nil, err
}

// truth is what the target's book and the plan say of each send that arrived and, of a stall, what arithmetic says of all. A
// sender whose patience ended first waited for so long, whatever the target did afterwards.
func (e Exercise) truth(due []time.Duration, book []entry, zero time.Duration) reports.Truth {
	var t reports.Truth
	for n, b := range book {
		if b.arrived == 0 {
			continue
		}
		served := b.answered - b.arrived
		if b.answered == 0 {
			served = b.planned - b.arrived
		}
		if e.Patience > 0 {
			served = min(served, int64(e.Patience))
		}
		late := b.arrived - int64(zero+due[n])
		t.Service[0] = append(t.Service[0], served)
		t.Lateness[0] = append(t.Lateness[0], late)
		t.Response[0] = append(t.Response[0], late+served)
	}
	if e.StallFor == 0 { // nothing to be worked out: the target's book has what it was asked to do
		return t
	}
	for _, took := range e.Arithmetic(due) {
		t.Service[1] = append(t.Service[1], took.Service)
		t.Lateness[1] = append(t.Lateness[1], took.Lateness)
		t.Response[1] = append(t.Response[1], took.Response)
	}
	return t
}

// buyersBook is what the generator's own books say of the sends.
type buyersBook struct {
	intents, taken, indeterminate, refused int
}

func readBuyers(f *runlog.Folder) (b buyersBook, err error) {
	for r, err := range f.Records() {
		if err != nil {
			return b, err
		}
		switch r.Event {
		case runlog.BuyerIntent:
			b.intents++
		case runlog.BuyerAnswer:
			switch {
			case r.Status == 0:
				b.indeterminate++
			case r.OK:
				b.taken++
			default:
				b.refused++
			}
		default:
		}
	}
	return b, nil
}

// writeBook writes the target's book.
func writeBook(log *runlog.Writer, book []entry) (err error) {
	f, err := log.File(TargetFile)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return bookCSV(f, book)
}

func bookCSV(w io.Writer, book []entry) error {
	out := csv.NewWriter(w)
	rows := [][]string{{"key", "arrived_ns", "planned_ns", "answered_ns"}}
	for n, b := range book {
		rows = append(rows, []string{
			fmt.Sprintf("o%06d", n+1), strconv.FormatInt(b.arrived, 10), strconv.FormatInt(b.planned, 10), strconv.FormatInt(b.answered, 10),
		})
	}
	return out.WriteAll(rows)
}
