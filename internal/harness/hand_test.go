package harness

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/reports"
	"github.com/lunchrush/lunchrush/scenarios"
	"github.com/lunchrush/lunchrush/simulator"
)

// A paperStack is a testbed by name; nothing runs on it.
type paperStack struct {
	testbed.Stack
	name string
}

func (s paperStack) Name() string                       { return s.name }
func (s paperStack) Part(testbed.Part) testbed.Instance { return nil }

func (s paperStack) Keeps(name testbed.Part) bool {
	return s.name != testbed.Embedded || name != testbed.PartMySQL
}
func (s paperStack) Halt(context.Context, testbed.Part) error { return errors.New("paper") }

func (s paperStack) Restart(context.Context, testbed.Part) (testbed.Instance, string, error) {
	return nil, "", errors.New("paper")
}

// A handRig is a run in which the cache's link is real, and nothing else.
type handRig struct {
	*Controls
	dir   string
	log   *runlog.Writer
	m     *runlog.Manifest
	board *faults
	ended chan error
	stop  context.CancelFunc
}

func newHandRig(t *testing.T, on, fault string, only bool) *handRig {
	t.Helper()
	text := quiet
	if fault != "" {
		text += "faults:\n  - " + fault + "\n"
	}
	sc, err := scenarios.Load("x.yaml", []byte(text), Known())
	if err != nil {
		t.Fatal(err)
	}
	plan, err := simulator.NewPlan(sc, 1)
	if err != nil {
		t.Fatal(err)
	}
	r := &handRig{dir: filepath.Join(t.TempDir(), "run"), m: &runlog.Manifest{Scenario: "x", StartedAt: time.Now()}, ended: make(chan error, 1)}
	if r.log, err = runlog.Create(r.dir, r.m); err != nil {
		t.Fatal(err)
	}
	world, err := simulator.New(simulator.Config{Scenario: sc, Plan: plan, Manifest: r.m, Log: r.log, Steered: !only})
	if err != nil {
		t.Fatal(err)
	}
	if r.board, err = newFaults(sc); err != nil {
		t.Fatal(err)
	}
	r.m.Faults = r.board.plans
	stack := paperStack{name: on}
	r.board.reach(sc, stack)
	cache := miniredis.RunT(t)
	if _, err := r.board.open(siteRedisCache, cache.Addr(), chaos.PingRedis); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(world.Close(), r.log.Close(), r.board.Close()); err != nil {
			t.Error(err)
		}
	})
	r.Controls = newControls(Options{Scenario: sc, Watching: &Watching{Only: only}}, plan, r.m, world, r.board, stack, r.log)
	return r
}

// begin is the play's beginning.
func (r *handRig) begin(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r.stop = stop
	t.Cleanup(stop)
	go func() { r.ended <- r.play(ctx) }()
	r.until(t, "the play has begun", func() bool { _, err := r.playing(); return !errors.Is(err, ErrNotPlaying) })
}

func (r *handRig) until(t *testing.T, what string, come func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(time.Minute)
	for !come() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within a minute: %s; faults are %+v", what, r.Faults())
		}
	}
}

func (r *handRig) state(id string) string {
	f, _ := r.seen.find(id)
	return f.State()
}

// booked are the events about faults, in their order.
func (r *handRig) booked(t *testing.T, id string) (events []string) {
	t.Helper()
	if err := r.log.Flush(); err != nil {
		t.Fatal(err)
	}
	folder, err := runlog.Open(r.dir)
	if err != nil {
		t.Fatal(err)
	}
	for rec, err := range folder.Records() {
		if err != nil {
			t.Fatal(err)
		}
		if rec.ID == id {
			event := strings.TrimPrefix(string(rec.Event), "run.")
			if rec.Event == runlog.ByHand {
				event += " " + rec.Note
			}
			events = append(events, event)
		}
	}
	return events
}

func by(d string) map[string]string { return map[string]string{"by": d} }

func TestAFaultByHandTakesTheWayOfTheOthers(t *testing.T) {
	r := newHandRig(t, testbed.Local, "", false)
	if _, err := r.Inject(siteRedisCache, "latency", by("50ms"), time.Minute); !errors.Is(err, ErrNotPlaying) {
		t.Errorf("before the play: %v", err)
	}
	if err := r.Pause(); !errors.Is(err, ErrNotPlaying) {
		t.Errorf("a pause before the play: %v", err)
	}
	r.begin(t)
	id, err := r.Inject(siteRedisCache, "latency", by("50ms"), time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	r.until(t, "the fault is felt", func() bool { f, _ := r.seen.find(id); return f.State() == reports.FaultOn && f.Evidence != "" })
	if f, _ := r.seen.find(id); !f.Felt || !f.ByHand {
		t.Errorf("the fault is %+v", f)
	}
	if m := r.Manifest(); len(m.Faults) != 1 || !m.Faults[0].ByHand || m.Faults[0].ID != id || !m.Touched() {
		t.Errorf("the manifest has %+v", m.Faults)
	}
	if _, err := r.Inject(siteRedisCache, "latency", by("10ms"), time.Second); err == nil || !strings.Contains(err.Error(), "each would undo the other") {
		t.Errorf("the same once more: %v", err)
	}
	other, err := r.Inject(siteRedisCache, "bandwidth", map[string]string{"rate": "20kB/s"}, time.Minute)
	if err != nil {
		t.Errorf("another kind beside it: %v", err)
	}

	if err := r.Heal(id); err != nil {
		t.Error(err)
	}
	r.until(t, "the fault is healed", func() bool { return r.state(id) == reports.FaultHealed })
	r.until(t, "it can be injected again", func() bool {
		_, err := r.Inject(siteRedisCache, "latency", by("10ms"), time.Minute)
		return err == nil
	})
	if err := r.Heal(id); err == nil {
		t.Error("what is healed was healed again")
	}
	if got := strings.Join(r.booked(t, id), ", "); got != "by-hand inject, fault-on, fault-felt, by-hand heal, fault-off" {
		t.Errorf("the books have %s", got)
	}

	// The end of the run heals what is still on.
	r.until(t, "the other is on", func() bool { return r.state(other) == reports.FaultOn })
	r.stop()
	if err := <-r.ended; err != nil {
		t.Errorf("the play ended with %v", err)
	}
	for _, f := range r.Faults() {
		if f.State() != reports.FaultHealed {
			t.Errorf("at the end %s is %s", f.ID, f.State())
		}
	}
	if _, err := r.Inject(siteRedisCache, "latency", by("50ms"), time.Minute); !errors.Is(err, ErrNotPlaying) {
		t.Errorf("after the end: %v", err)
	}
}

func TestAFaultByHandIsRefusedAsOthersAre(t *testing.T) {
	const planned = `{at: "11:10", for: 5s, on: redis-cache, inject: latency, by: 50ms}` // 10 s after the beginning
	tests := []struct {
		name, bed, on, inject string
		params                map[string]string
		long                  time.Duration
		want                  string // "" for none
	}{
		{"no such fault", testbed.Local, siteRedisCache, "rust", nil, time.Minute, `inject: no such fault: "rust"`},
		{"no such part", testbed.Local, "moon", "hold", nil, time.Minute, `on: there is no "moon"`},
		{"a part of another topology", testbed.Local, "front-1", "kill", nil, time.Minute, `on: there is no "front-1"`},
		{"a part that this run has not", testbed.Local, siteReplica, "hold", nil, time.Minute, `on: there is no "mysql-replica"`},
		{"a part that does not offer it", testbed.Local, siteWeChat, "kill", nil, time.Minute, "on: kill acts on a process"},
		{"no parameter", testbed.Local, siteRedisCache, "latency", nil, time.Minute, "by: latency needs it"},
		{"too short", testbed.Local, siteRedisCache, "hold", nil, time.Millisecond, "for: 1ms is not between 1s and 10m0s"},
		{"too long", testbed.Local, siteRedisCache, "hold", nil, time.Hour, "for: 1h0m0s is not between 1s and 10m0s"},
		{"a limit where nothing is held to one", testbed.Local, siteMySQL, "limit-cpu", map[string]string{"cpus": "0.1"}, time.Minute, "on: mysql is a process on the local testbed"},
		{"what the embedded database can not", testbed.Embedded, siteMySQL, "kill", nil, time.Minute, "on: mysql keeps nothing on the embedded testbed"},
		{"what a miniredis can not", testbed.Embedded, siteRedisCache, "stall", nil, time.Minute, "on: redis-cache is a miniredis"},
		{"one that would last into its like of the timeline", testbed.Local, siteRedisCache, "latency", by("1ms"), time.Minute, "for: 1 latency 50ms on redis-cache acts on redis-cache within that time"},
		{"one that is over by then", testbed.Local, siteRedisCache, "latency", by("1ms"), time.Second, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newHandRig(t, tt.bed, planned, false)
			r.begin(t)
			_, err := r.Inject(tt.on, tt.inject, tt.params, tt.long)
			var mistake *chaos.Mistake
			switch {
			case tt.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case tt.want != "" && (!errors.As(err, &mistake) || !strings.HasPrefix(err.Error(), tt.want)):
				t.Errorf("got %v, want %s", err, tt.want)
			}
			r.stop()
			if err := <-r.ended; err != nil {
				t.Error(err)
			}
			if m := r.Manifest(); m.Touched() != (tt.want == "") {
				t.Errorf("the manifest has %+v", m.Faults)
			}
		})
	}
}

// What is offered can be asked for: each offer's own example is taken by the check that Inject makes.
func TestTheOffersAreWhatThisRunCanBear(t *testing.T) {
	for _, bed := range []string{testbed.Containers, testbed.Local, testbed.Embedded} {
		t.Run(bed, func(t *testing.T) {
			r := newHandRig(t, bed, "", false)
			offers := r.Offers()
			find := func(kind string) []string {
				i := slices.IndexFunc(offers, func(o Offer) bool { return o.Name == kind })
				if i < 0 {
					return nil
				}
				return offers[i].Sites
			}
			if got := find("latency"); !slices.Contains(got, siteMySQL) || !slices.Contains(got, siteService) || slices.Contains(got, siteReplica) {
				t.Errorf("latency can be on %q", got)
			}
			if got := find("kill"); slices.Contains(got, siteMySQL) != (bed != testbed.Embedded) || !slices.Contains(got, siteRedisQueue) {
				t.Errorf("kill can be on %q", got)
			}
			if got := find("limit-cpu"); (len(got) > 0) != (bed == testbed.Containers) {
				t.Errorf("limit-cpu can be on %q", got)
			}
			if got := find("stall"); (len(got) > 0) != (bed != testbed.Embedded) {
				t.Errorf("stall can be on %q", got)
			}
			if got := find("outage"); got != nil {
				t.Errorf("there is no balancer, and outage can be on %q", got)
			}
			for _, o := range offers {
				for _, site := range o.Sites {
					var m *chaos.Mistake
					if err := chaos.Check(r.sites(), site, o.Name, nil); errors.As(err, &m) && (m.Field == "on" || m.Field == "inject") {
						t.Errorf("%s on %s is offered: %v", o.Name, site, err)
					}
				}
			}
		})
	}
}

func TestARunThatIsOnlyWatchedCanNotBeTouched(t *testing.T) {
	r := newHandRig(t, testbed.Local, "", true)
	r.begin(t)
	if r.Offers() != nil || !r.WatchedOnly() {
		t.Error("faults are offered")
	}
	_, injected := r.Inject(siteRedisCache, "latency", by("1ms"), time.Minute)
	for act, err := range map[string]error{"inject": injected, "pause": r.Pause(), "resume": r.Resume(), "heal": r.Heal("x")} {
		if !errors.Is(err, ErrOnlyWatched) {
			t.Errorf("%s: %v", act, err)
		}
	}
	r.stop()
	if err := <-r.ended; err != nil {
		t.Error(err)
	}
}

// A fault that could not be injected has done nothing: whoever asked for it is told, and the run goes on as it was planned. One
// that can not be healed spoils the rest, and is the run's error.
func TestWhatGoesWrongWithAFaultByHand(t *testing.T) {
	r := newHandRig(t, testbed.Local, "", false)
	r.begin(t)
	id, err := r.Inject(siteMySQL, "latency", by("1ms"), time.Minute) // it has no link here: the fault panics
	if err != nil {
		t.Fatal(err)
	}
	r.until(t, "the fault has failed", func() bool { return r.state(id) == reports.FaultFailed })
	if f, _ := r.seen.find(id); !strings.Contains(f.Note, "panicked") || r.m.Touched() {
		t.Errorf("the fault is %+v, the manifest has %+v", f, r.m.Faults)
	}
	spoilt, err := r.Inject(siteRedisCache, "down", nil, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	r.until(t, "the second is on", func() bool { f, _ := r.seen.find(spoilt); return f.Evidence != "" })
	squatter, err := net.Listen("tcp", r.board.targets[siteRedisCache].Link.Addr()) // the link can not come up again
	if err != nil {
		t.Fatal(err)
	}
	defer squatter.Close()
	r.stop()
	if err := <-r.ended; err == nil || !strings.Contains(err.Error(), "healing by hand 2: ") {
		t.Errorf("the play ended with %v", err)
	}
	if r.state(spoilt) != reports.FaultFailed {
		t.Errorf("the fault is %s", r.state(spoilt))
	}
}
