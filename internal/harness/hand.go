package harness

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator"
)

// How long a fault by hand may last, and how many there may be in one run. Ours.
const (
	handShortest = time.Second
	handLongest  = 10 * time.Minute
	handMost     = 100
)

// Watching is for somebody who looks at a run while it goes on.
type Watching struct {
	// Begin is called with the run's controls as soon as its world exists. They work until Run returns.
	Begin func(*Controls)

	// Second is told of each second of the run; see [simulator.Config].Sampled.
	Second func(simulator.Second)

	// Only lets nobody touch the run. Without it every link of the run goes through a proxy of ours from its start, so that it
	// can be broken, which its report says.
	Only bool
}

// steered reports whether the run may be touched.
func (o *Options) steered() bool { return o.Watching != nil && !o.Watching.Only }

// viaProxies is what a reader must know of a run that could be touched.
const viaProxies = "the run could be paused and broken by hand: all its links went through proxies of ours (--ui)"

// Controls are a run's, while it goes on: what there is to see, and what may be done to it by hand. They are safe for
// concurrent use.
//
// What is done by hand is booked, is in the manifest, and makes the run inconclusive: it is another than the one that was
// planned. A fault by hand takes the way of those of the timeline: the same targets, its evidence, its heal.
type Controls struct {
	world    *simulator.World
	faults   *faults
	log      *runlog.Writer
	stack    testbed.Stack
	topology scenarios.Topology
	base     runlog.Manifest // as it was when the world was made
	seen     *faultBoard
	demand   *reports.Demand
	length   time.Duration
	only     bool
	steering sync.Mutex // one act at a time

	mu     sync.Mutex // guards what follows
	ctx    context.Context
	over   bool
	count  int // of faults by hand so far
	active map[string]handFault
	all    sync.WaitGroup
	failed error // of heals: what could not be undone spoils the rest of the run
}

// A handFault is one that is on, or about to be.
type handFault struct {
	entry chaos.Entry
	heal  context.CancelFunc
}

// What is wrong with an act by hand.
var (
	ErrOnlyWatched = errors.New("this run is only watched")
	ErrNotPlaying  = errors.New("the run does not play: it has not begun, or it is over")
)

func newControls(o Options, plan *simulator.Plan, m *runlog.Manifest, world *simulator.World, broken *faults, stack testbed.Stack, log *runlog.Writer) *Controls {
	c := &Controls{
		world: world, faults: broken, log: log, stack: stack, topology: o.Scenario.Topology, base: *m, seen: newFaultBoard(broken.plans),
		demand: reports.NewDemand(plan.Header.Length), length: plan.Header.Length, only: !o.steered(), active: make(map[string]handFault),
	}
	for i := range plan.Orders {
		c.demand.Add(plan.Orders[i].Due)
	}
	return c
}

// play lets faults be injected until ctx ends, and returns when all of them are healed. Its error is what could not be.
func (c *Controls) play(ctx context.Context) error {
	c.mu.Lock()
	c.ctx = ctx
	c.mu.Unlock()
	<-ctx.Done()
	c.mu.Lock()
	c.over = true
	c.mu.Unlock()
	c.all.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

// Manifest is the run's as far as a watcher needs it: what it is, its times, its pauses and faults so far. A pause that goes on
// ends now, so that the rest of the plan lies ahead.
func (c *Controls) Manifest() runlog.Manifest {
	m := c.base
	c.world.Times(&m)
	if n := len(m.Pauses); n > 0 && m.Pauses[n-1].ToNS == 0 {
		m.Pauses[n-1].ToNS = max(m.Pauses[n-1].FromNS, int64(c.world.Now()))
	}
	return m
}

// Demand is the planned load, at its moments as they are now.
func (c *Controls) Demand() []reports.DemandPoint {
	m := c.Manifest()
	return c.demand.Points(&m)
}

// Faults are those of the timeline and those by hand, as they are now.
func (c *Controls) Faults() []reports.LiveFault {
	m := c.Manifest()
	list := c.seen.all()
	for i := range list {
		if f := &list[i]; !f.Injected && !f.ByHand {
			f.FromNS = m.Moment(f.FromNS)
		}
	}
	return list
}

// Now is the moment of the run.
func (c *Controls) Now() time.Duration { return c.world.Now() }

// Progress is the state of the run.
func (c *Controls) Progress() simulator.Progress { return c.world.Progress() }

// WatchedOnly reports whether nothing may be done by hand.
func (c *Controls) WatchedOnly() bool { return c.only }

// Paused reports whether the plan is held.
func (c *Controls) Paused() bool { return c.world.Paused() }

// Pause holds the plan; see [simulator.World.Pause].
func (c *Controls) Pause() error { return c.steer(c.world.Pause) }

// Resume lets it go on.
func (c *Controls) Resume() error { return c.steer(c.world.Resume) }

func (c *Controls) steer(act func() error) error {
	if _, err := c.playing(); err != nil {
		return err
	}
	return act()
}

// playing is the context of what is done by hand.
func (c *Controls) playing() (context.Context, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.only:
		return nil, ErrOnlyWatched
	case c.ctx == nil || c.over:
		return nil, ErrNotPlaying
	}
	return c.ctx, nil
}

// An Offer is a kind of fault with what it can be on in this run.
type Offer struct {
	chaos.Kind
	Sites []string
}

// Offers are the faults that can be injected by hand, none where the run is only watched.
func (c *Controls) Offers() []Offer {
	if c.only {
		return nil
	}
	var offers []Offer
	for _, k := range chaos.Kinds() {
		o := Offer{Kind: k}
		for _, s := range c.sites() {
			if slices.Contains(s.Offers, k.On) && unable(c.stack, s.Name, k.Name) == nil {
				o.Sites = append(o.Sites, s.Name)
			}
		}
		if len(o.Sites) > 0 {
			offers = append(offers, o)
		}
	}
	return offers
}

// sites are those of the run that faults can have.
func (c *Controls) sites() []chaos.Site {
	return slices.DeleteFunc(sitesOf(c.topology), func(s chaos.Site) bool { return c.faults.targets[s.Name] == nil })
}

// Inject breaks something now, for so long. It returns at once: what becomes of the fault is among the [Controls.Faults]. An
// error that is a [*chaos.Mistake] is the caller's.
func (c *Controls) Inject(on, inject string, params map[string]string, long time.Duration) (id string, err error) {
	c.steering.Lock()
	defer c.steering.Unlock()
	run, err := c.playing()
	if err != nil {
		return "", err
	}
	if err := chaos.Check(c.sites(), on, inject, params); err != nil {
		return "", err
	}
	if err := unable(c.stack, on, inject); err != nil {
		return "", &chaos.Mistake{Field: "on", What: err.Error()}
	}
	if long < handShortest || long > handLongest {
		return "", &chaos.Mistake{Field: "for", What: fmt.Sprintf("%s is not between %s and %s", long, handShortest, handLongest)}
	}
	made, err := chaos.New(inject, params)
	if err != nil {
		return "", err
	}
	if c.count >= handMost {
		return "", fmt.Errorf("there were %d faults by hand in this run: that is all there can be", handMost)
	}
	e := chaos.Entry{
		ID: fmt.Sprintf("by hand %d: %s on %s", c.count+1, made, on), Kind: inject, Fault: made, Target: c.faults.targets[on],
		At: c.world.PlanNow(), For: long,
	}
	if other := c.clash(e); other != "" {
		return "", &chaos.Mistake{Field: "for", What: fmt.Sprintf("%s acts on %s within that time: each would undo the other", other, on)}
	}
	c.count++
	ctx, heal := context.WithCancel(run)
	c.mu.Lock()
	if c.over {
		c.mu.Unlock()
		heal()
		return "", ErrNotPlaying
	}
	c.active[e.ID] = handFault{e, heal}
	c.all.Go(func() { c.playHand(ctx, e) })
	c.mu.Unlock()
	return e.ID, nil
}

// clash is the fault that must not overlap with e and does, "" when there is none. What is healed can not; where the plan
// was held it is told from the plan's time, which is never too short.
func (c *Controls) clash(e chaos.Entry) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range c.active {
		if chaos.Clash(e, other.entry) {
			return other.entry.ID
		}
	}
	for _, other := range c.faults.entries {
		if f, ok := c.seen.find(other.ID); ok && f.ToNS == 0 && chaos.Clash(e, other) {
			return other.ID
		}
	}
	return ""
}

// playHand is the whole of one fault by hand.
func (c *Controls) playHand(ctx context.Context, e chaos.Entry) {
	now := func(context.Context, time.Duration) bool { return true }
	w := &handWitness{chronicler: chronicler{world: c.world, log: c.log, seen: c.seen}}
	c.seen.add(runlog.FaultPlan{ID: e.ID, What: e.Fault.String(), On: e.Target.Name, FromNS: int64(c.world.Now()), ForNS: int64(e.For), ByHand: true})
	w.book(runlog.Record{Event: runlog.ByHand, ID: e.ID, Note: "inject"})
	err := chaos.PlayBy(ctx, []chaos.Entry{e}, now, w)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.active[e.ID].heal()
	delete(c.active, e.ID)
	switch {
	case err == nil:
	case w.injected:
		c.failed = errors.Join(c.failed, err)
	default: // it has done nothing: whoever asked for it is told, and the run goes on
		c.seen.failed(e.ID, err)
	}
	c.failed = errors.Join(c.failed, w.err)
}

// Heal ends a fault by hand before its time.
func (c *Controls) Heal(id string) error {
	if _, err := c.playing(); err != nil {
		return err
	}
	c.mu.Lock()
	f, ok := c.active[id]
	c.mu.Unlock()
	if !ok {
		return fmt.Errorf("no fault by hand is on that is called %q", id)
	}
	c.log.Book(runlog.Record{At: int64(c.world.Now()), Event: runlog.ByHand, ID: id, Note: "heal"})
	f.heal()
	return nil
}

// A handWitness puts a fault into the manifest before it is booked: the books tell of nothing that run.json does not know.
type handWitness struct {
	chronicler
	injected bool
	err      error
}

// Injected implements chaos.Witness.
func (w *handWitness) Injected(e chaos.Entry) {
	w.injected = true
	plan := runlog.FaultPlan{ID: e.ID, What: e.Fault.String(), On: e.Target.Name, FromNS: int64(e.At), ForNS: int64(e.For), ByHand: true}
	w.err = w.world.Amend(func(m *runlog.Manifest) { m.Faults = append(slices.Clip(m.Faults), plan) })
	w.chronicler.Injected(e)
}

// reach makes all that the run has breakable, whatever the scenario breaks of it.
func (f *faults) reach(sc *scenarios.Scenario, stack testbed.Stack) {
	for _, s := range sitesOf(sc.Topology) {
		if s.Name == siteReplica && !slices.Contains(sc.Needs, "replica") {
			continue
		}
		if f.targets[s.Name] == nil {
			f.targets[s.Name] = &chaos.Target{Name: s.Name}
		}
		for _, on := range s.Offers {
			if on == chaos.OnContainer && stack.Name() != testbed.Containers {
				continue
			}
			f.wants[s.Name] = append(f.wants[s.Name], on)
		}
	}
}
