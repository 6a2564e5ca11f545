package simulator

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

const (
	feedEvery = time.Second     // how often orders are put on the timeline
	feedAhead = 3 * time.Second // and how long before they are due: a hundred thousand sends need not exist at once

	provisionTimeout = time.Minute
	collectTimeout   = time.Minute
	partingTimeout   = 2 * time.Second // for everything that is still done after an interrupt
)

// Play plays the plan against the service and returns when its books are in the run folder: provision, play, drain,
// collect. When ctx ends it stops sending at once, collects what can be had within two seconds, and returns an error
// that wraps ctx's cause. The manifest is filled in and saved in any case.
func (w *World) Play(ctx context.Context, target Target) (Outcome, error) {
	if err := target.Validate(); err != nil {
		return Outcome{}, err
	}
	p := &play{World: w, target: target.filled(), internal: &http.Client{Transport: loopbackTransport(4)}}
	defer p.internal.CloseIdleConnections()
	err := p.run(ctx)
	sum := w.ledger.totals()
	return Outcome{
		Drained: p.drained, Collected: p.collected,
		Paid: sum.Paid, Dropped: sum.Dropped, Refunded: sum.Refunds, Losses: sum.Losses,
	}, err
}

// A play is one Play.
type play struct {
	*World
	target             Target
	internal           *http.Client // of the internal listener; dials loopback only
	buyers             *buyers
	next               int // first order that was not pushed yet
	nextProbe          int
	nextCall           int
	drained, collected bool
}

// run is the whole of a play. Whatever goes wrong, everything it started has ended when it returns.
func (p *play) run(ctx context.Context) (err error) {
	m := p.cfg.Manifest
	p.ledger.inTime = time.Duration(m.RefundAfterNS)
	if err := p.writePlan(); err != nil {
		return err
	}
	watching, stopWatching := context.WithCancel(context.WithoutCancel(ctx))
	var watcher sync.WaitGroup
	watcher.Go(func() { p.watch.run(watching, p.internal, p.target) })
	defer func() {
		stopWatching()
		watcher.Wait()
		err = errors.Join(err, p.watch.err, p.closeFiles())
		err = errors.Join(err, p.enter(PhaseEnd))
	}()

	if err := errors.Join(p.enter(PhaseProvision), p.provision(ctx)); err != nil {
		if ctx.Err() != nil {
			return interrupted(ctx, PhaseProvision)
		}
		return err
	}
	err = p.send(ctx)
	return errors.Join(err, p.enter(PhaseCollect), p.collect(ctx))
}

// writePlan puts the plan into the run folder and its digest into the manifest.
func (p *play) writePlan() error {
	f, err := p.cfg.Log.File(runlog.PlanFile)
	if err != nil {
		return err
	}
	enc, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest), zstd.WithEncoderConcurrency(1))
	if err == nil {
		_, err = p.cfg.Plan.WriteTo(enc)
		err = errors.Join(err, enc.Close())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	p.manifestMu.Lock()
	defer p.manifestMu.Unlock()
	p.cfg.Manifest.PlanSHA256 = p.cfg.Plan.SHA256()
	p.cfg.Manifest.Planned = p.cfg.Plan.sends()
	p.cfg.Manifest.PlayForNS = int64(p.cfg.Plan.Header.Length)
	return nil
}

// sends counts what the plan itself makes due: what follows from answers (retries, results) is not known before.
func (p *Plan) sends() map[string]int {
	n := map[string]int{SendCreate: len(p.Orders), SendProbe: len(p.Probes)}
	for i := range p.Orders {
		o := &p.Orders[i]
		if o.Buyer == BuyerAbandons {
			continue
		}
		if !o.Untold {
			n[SendNotify]++
		}
		if o.Again >= 0 {
			n[SendNotify]++
		}
		if o.Buyer == BuyerTwice {
			n[SendPay]++
		}
	}
	for i := range p.Calls {
		n[p.Calls[i].Kind]++
	}
	return n
}

// enter begins a phase.
func (p *play) enter(phase string) error {
	p.mu.Lock()
	p.phase = phase
	if (phase == PhaseCollect || phase == PhaseEnd) && p.over == 0 {
		p.over = p.Now()
	}
	p.mu.Unlock()
	p.book(runlog.Record{Event: runlog.Phase, Note: phase})
	p.count()
	p.manifestMu.Lock()
	defer p.manifestMu.Unlock()
	return errors.Join(p.cfg.Log.Flush(), p.cfg.Log.SaveManifest(p.cfg.Manifest))
}

// count writes the sends so far into the manifest.
func (p *play) count() {
	sent, unsent := map[string]int{}, map[string]int{}
	for kind, c := range p.timeline.Counts() {
		sent[kind] = c.Sent
		if c.Unsent > 0 {
			unsent[kind] = c.Unsent
		}
	}
	bound, over := p.timeline.Bound(), p.latency.Over()
	p.manifestMu.Lock()
	defer p.manifestMu.Unlock()
	m := p.cfg.Manifest
	m.Sent, m.Unsent = sent, unsent
	m.Generator.Workers, m.Generator.Bound, m.Generator.OverRange = p.timeline.workers, bound, over
	p.watch.cost(&m.Generator)
}

// provision tells the service of the machines, and of what the workloads need; making the sheets books the stock.
func (p *play) provision(ctx context.Context) error {
	for _, kind := range workloadSends() { // in a fixed order
		if w := p.beside[kind]; w != nil {
			if err := w.provision(ctx, p.target); err != nil {
				return fmt.Errorf("preparing the workload %s: %w", kind, err)
			}
		}
	}
	ctx, cancel := context.WithTimeout(ctx, provisionTimeout)
	defer cancel()
	for _, sheet := range p.fleet.sheets() {
		req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.target.Internal+"/internal/machines", bytes.NewReader(sheet))
		if err != nil {
			return err
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := p.internal.Do(req)
		if err != nil {
			return fmt.Errorf("telling the service of the machines: %w", err)
		}
		text, _ := io.ReadAll(io.LimitReader(resp.Body, 200)) // only for the error
		_ = resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			return fmt.Errorf("telling the service of the machines: %s: %s", resp.Status, bytes.TrimSpace(text))
		}
	}
	return nil
}

// send is the phases in which traffic runs, play and drain.
func (p *play) send(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return interrupted(ctx, PhaseProvision)
	}
	sending, stop := context.WithCancel(ctx)
	defer stop()
	var all sync.WaitGroup
	var timelineErr error
	dead := make(chan struct{}) // the timeline ended by itself
	all.Go(func() {
		defer close(dead)
		if err := p.timeline.Run(sending); !errors.Is(err, context.Canceled) {
			timelineErr = err
		}
	})
	all.Go(func() { p.agenda.run(sending) })

	began, own, served := p.spent(ctx)
	// The machines' first polls are spread over a while; the plan begins when they all wait for their commands.
	from := began + 500*time.Millisecond + time.Duration(p.cfg.Plan.Header.Machines)*pollApart
	deadline := from + p.cfg.Plan.Header.Length + p.cfg.Scenario.Drain
	p.clock.begin(from)
	p.mu.Lock()
	p.from, p.until = from, deadline
	if warm := time.Duration(p.cfg.Manifest.WarmUpNS); warm > 0 {
		p.warm = from + warm
	}
	p.mu.Unlock()
	p.manifestMu.Lock()
	p.cfg.Manifest.PlayFromNS, p.cfg.Manifest.DeadlineNS = int64(from), int64(deadline)
	p.manifestMu.Unlock()

	err := p.enter(PhasePlay)
	p.buyers = &buyers{st: p.st, channels: p.channels, fleet: p.fleet, public: p.target.Public, until: deadline - time.Second}
	p.channels.begin(p.target.WeChat, p.target.Alipay)
	p.identity.begin(p.target.Internal)
	for _, w := range p.beside {
		w.begin(p.target, from, deadline)
	}
	p.fleet.begin(sending, p.target.Public, p.target.Polls)
	if p.cfg.Begun != nil {
		all.Go(func() { p.cfg.Begun(sending, from) })
	}
	if err == nil {
		p.feed()
		err = p.playOut(ctx, dead)
	}
	ended, ownEnd, servedEnd := p.spent(ctx)
	p.manifestMu.Lock()
	g := &p.cfg.Manifest.Generator
	g.WallNS, g.CPUNS, g.ServiceCPU = int64(ended-began), int64(ownEnd-own), int64(servedEnd-served)
	p.manifestMu.Unlock()
	if err == nil {
		err = p.enter(PhaseDrain)
	}
	if err == nil {
		p.mu.Lock()
		deadline = p.until
		p.mu.Unlock()
		err = p.drain(ctx, dead, deadline)
	}

	// The machines first: their polls and beats would be answers that no one waits for. Then the sends in flight get a
	// moment, unless the run was interrupted.
	p.fleet.stop()
	if err == nil {
		p.timeline.drop()
	}
	p.timeline.Close()
	for limit := p.Now() + partingTimeout; err == nil && p.timeline.InFlight() > 0 && p.Now() < limit; {
		if p.pause(ctx, dead, 10*time.Millisecond) != nil {
			break
		}
	}
	stop()
	all.Wait()
	return errors.Join(err, timelineErr)
}

// spent is the processor time of the harness and of the service up to now.
func (p *play) spent(ctx context.Context) (now, own, served time.Duration) {
	served = p.watch.used(ctx)
	own, _ = ownUsage()
	return p.Now(), own, served
}

// feed pushes the orders, probes and calls that are due soon, and puts itself on the agenda for the next ones.
func (p *play) feed() {
	every, ahead := feedEvery, feedAhead
	if p.cfg.Steered {
		every, ahead = steeredEvery, steeredAhead
	}
	upTo, from := p.clock.feed(ahead)
	plan := p.cfg.Plan
	for ; p.next < len(plan.Orders) && plan.Orders[p.next].Due <= upTo; p.next++ {
		if p.buyers.order(&plan.Orders[p.next], from+plan.Orders[p.next].Due) != nil {
			return // the run is over
		}
	}
	for ; p.nextProbe < len(plan.Probes) && plan.Probes[p.nextProbe].Due <= upTo; p.nextProbe++ {
		p.channels.probe(plan.Probes[p.nextProbe], from+plan.Probes[p.nextProbe].Due)
	}
	for ; p.nextCall < len(plan.Calls) && plan.Calls[p.nextCall].Due <= upTo; p.nextCall++ {
		c := &plan.Calls[p.nextCall]
		if w := p.beside[c.Kind]; w != nil { // a plan that is played again may be of another version
			w.call(c, from+c.Due)
		}
	}
	if p.next < len(plan.Orders) || p.nextProbe < len(plan.Probes) || p.nextCall < len(plan.Calls) {
		p.agenda.after(p.Now()+every, p.feed)
	}
}

// playOut returns at the plan's end, or with the reason why not.
func (p *play) playOut(ctx context.Context, dead <-chan struct{}) error {
	if err := p.clock.await(ctx, dead, p.cfg.Plan.Header.Length); err != nil {
		return fmt.Errorf("in phase %s: %w", PhasePlay, err)
	}
	return nil
}

// errTimelineEnded is the reason when sends stopped although no one asked; the timeline's own error is told beside it.
var errTimelineEnded = errors.New("the timeline ended early")

func (p *play) pause(ctx context.Context, dead <-chan struct{}, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return interrupted(ctx, "")
	case <-dead:
		if ctx.Err() != nil {
			return interrupted(ctx, "")
		}
		return errTimelineEnded
	}
}

// interrupted is the error of a run whose context ended. It wraps both what ended it and the context's error.
func interrupted(ctx context.Context, phase string) error {
	err := ctx.Err()
	if cause := context.Cause(ctx); !errors.Is(cause, err) {
		err = fmt.Errorf("%w: %w", err, cause)
	}
	if phase != "" {
		return fmt.Errorf("in phase %s: %w", phase, err)
	}
	return err
}

const (
	drainEvery = 200 * time.Millisecond
	// A send that will leave by itself within this time is waited for: a planned duplicate, a retry, a result.
	drainAhead = 5 * time.Second
)

// drain waits until every paid order is settled by the channels' and the machines' books, the service says it has no
// backlog, and its own book agrees; or for the deadline, which is no error: the judge finds what is open.
func (p *play) drain(ctx context.Context, dead <-chan struct{}, deadline time.Duration) error {
	var asked time.Duration
	for p.Now() < deadline {
		if p.quiet() && p.Now()-asked >= time.Second {
			asked = p.Now()
			if p.serviceIsDone(ctx) && p.quiet() {
				p.drained = true
				p.manifestMu.Lock()
				p.cfg.Manifest.DrainedAtNS = int64(p.Now())
				p.manifestMu.Unlock()
				return nil
			}
		}
		if err := p.pause(ctx, dead, min(drainEvery, deadline-p.Now())); err != nil {
			return fmt.Errorf("in phase %s: %w", PhaseDrain, err)
		}
	}
	return nil
}

// quiet reports whether nothing more will happen by itself on our side.
func (p *play) quiet() bool {
	if p.next < len(p.cfg.Plan.Orders) || p.nextCall < len(p.cfg.Plan.Calls) || p.buyers.busy.Load() > 0 || p.ledger.totals().Open > 0 {
		return false
	}
	for _, w := range p.beside {
		if !w.idle() {
			return false
		}
	}
	kinds := append([]string{SendCreate, SendPay, SendNotify, SendResult, SendProbe}, workloadSends()...)
	for kind, c := range p.timeline.Counts() {
		if slices.Contains(kinds, kind) && c.Offered > c.OK+c.Failed {
			return false
		}
	}
	if next, some := p.timeline.NextDue(kinds...); some && next <= p.Now()+drainAhead {
		return false
	}
	return p.fleet.idle() // goods that fall late, or a second time, fall though nobody waits for them
}

// serviceIsDone asks the service whether it has anything left to do for an order that was paid.
func (p *play) serviceIsDone(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	b, err := askBacklog(ctx, p.internal, p.target.Internal)
	if err != nil || b.Waiting > 0 || b.Pushes > 0 || b.Uploads > 0 {
		return false
	}
	done := true
	whole, err := readBook(ctx, p.internal, p.target.Internal, func(l *bookLine) {
		if l.Table == "order" && !l.settled() && (l.PaidFen > 0 || p.ledger.paid(l.OrderID)) {
			done = false
		}
	})
	return err == nil && whole && done
}

// collect copies the service's own book.
func (p *play) collect(ctx context.Context) error {
	limit := collectTimeout
	if ctx.Err() != nil {
		limit = partingTimeout
	}
	asking, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(partingTimeout, cancel) })
	defer stop()
	at := int64(p.Now())
	whole, err := readBook(asking, p.internal, p.target.Internal, func(l *bookLine) {
		if r, ok := l.record(); ok {
			r.At = at
			p.book(r)
		}
	})
	p.collected = err == nil && whole
	switch {
	case ctx.Err() != nil: // the run has its reason to be partial already
		if err != nil {
			p.note(fmt.Sprintf("the service's own book was not collected: %v", err))
		}
		return nil
	case err != nil:
		return fmt.Errorf("collecting the service's own book: %w", err)
	case !whole:
		return errors.New("collecting the service's own book: it breaks off before its last line")
	}
	return nil
}

// note adds to the manifest's notes.
func (p *play) note(text string) {
	p.manifestMu.Lock()
	defer p.manifestMu.Unlock()
	p.cfg.Manifest.Notes = append(p.cfg.Manifest.Notes, text)
}
