package simulator

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

func TestAPlanClockStandsStillInAPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := newPlanClock(func() time.Duration { return time.Since(start) })
		c.begin(2 * time.Second)
		time.Sleep(5 * time.Second) // 3 s of the plan
		if upTo, zero := c.feed(time.Second); upTo != 4*time.Second || zero != 2*time.Second {
			t.Fatalf("the timeline is to have the plan up to %v from %v on", upTo, zero)
		}
		if from, ok := c.hold(time.Minute); !ok || from != 6*time.Second {
			t.Fatalf("it is held from %v on: %v", from, ok)
		}

		arrived := make(chan time.Duration, 1)
		go func() {
			if c.await(t.Context(), nil, 10*time.Second) == nil {
				arrived <- time.Since(start)
			}
		}()
		if err := c.await(t.Context(), nil, 4*time.Second); err != nil || time.Since(start) != 6*time.Second {
			t.Fatalf("what the timeline had is there at %v: %v", time.Since(start), err)
		}
		time.Sleep(20 * time.Second)
		if upTo, _ := c.feed(time.Second); upTo != 4*time.Second || c.planned() != 4*time.Second || c.paused() != 20*time.Second {
			t.Fatalf("after 20 s of a pause the plan is at %v, is fed up to %v and has moved by %v", c.planned(), upTo, c.paused())
		}
		if to, by := c.release(); to != 26*time.Second || by != 20*time.Second {
			t.Fatalf("the pause ends at %v and has moved the plan by %v", to, by)
		}
		if at := <-arrived; at != 32*time.Second {
			t.Fatalf("10 s of the plan come at %v, want 2 s + 10 s + 20 s", at)
		}

		// A pause that ends before it takes effect moves nothing.
		c.feed(time.Second)
		from, ok := c.hold(time.Minute)
		to, by := c.release()
		if !ok || from != to || by != 0 || c.paused() != 20*time.Second {
			t.Fatalf("from %v to %v by %v", from, to, by)
		}
		if _, ok := c.hold(11 * time.Second); ok {
			t.Error("a plan that the timeline has to its end was held")
		}
	})
}

func TestAWaitForTheHeldPlanEndsWithItsContextOrTheTimeline(t *testing.T) {
	c := newPlanClock(func() time.Duration { return 0 })
	c.begin(0)
	c.hold(time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.await(ctx, nil, time.Minute); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	dead := make(chan struct{})
	close(dead)
	if err := c.await(t.Context(), dead, time.Minute); !errors.Is(err, errTimelineEnded) {
		t.Errorf("got %v", err)
	}
}

func TestAPausedRunSendsItsWholePlanLater(t *testing.T) {
	s := smallScenario()
	s.Payments.Probes = 0
	var g *playground
	held, refused := 0, 0
	g = newPlayground(t, s, func(c *Config) {
		c.Steered = true
		c.Sampled = func(second Second) {
			switch {
			case second.Sample.Phase == PhaseDrain && refused == 0:
				if err := g.Pause(); errors.Is(err, ErrNoPlan) {
					refused++
				}
			case second.Sample.Phase != PhasePlay || g.PlanNow() < 2*time.Second || held > 3:
			case held == 0:
				if err := errors.Join(g.Pause(), g.Resume(), g.Pause()); err != nil {
					t.Error(err)
				}
				if err := g.Pause(); !errors.Is(err, ErrPaused) {
					t.Errorf("twice: %v", err)
				}
				held++
			case held < 3:
				held++
			default:
				if err := g.Resume(); err != nil {
					t.Error(err)
				}
				if err := g.Resume(); !errors.Is(err, ErrNotPaused) {
					t.Errorf("twice: %v", err)
				}
				held++
			}
		}
	})
	if err := g.Pause(); !errors.Is(err, ErrNoPlan) {
		t.Errorf("before the play: %v", err)
	}
	service := newPaperService(t, g.ServiceSettings())
	defer service.close()
	out, err := g.Play(t.Context(), service.target())
	if err != nil {
		t.Fatal(err)
	}
	n := g.cfg.Plan.Header.Orders
	if !out.Drained || g.m.Sent[SendCreate] != n || held != 4 || refused != 1 {
		t.Errorf("%+v; sent %v of %d orders; step %d, refused %d", out, g.m.Sent, n, held, refused)
	}
	if len(g.m.Pauses) != 2 || g.m.Pauses[0].FromNS != g.m.Pauses[0].ToNS || !g.m.Touched() {
		t.Fatalf("the manifest has %+v", g.m.Pauses)
	}
	p := g.m.Pauses[1]
	if long := time.Duration(p.ToNS - p.FromNS); long < time.Second {
		t.Errorf("the plan was held for %v", long)
	}
	if want := g.m.PlayFromNS + g.m.PlayForNS + (p.ToNS - p.FromNS) + int64(s.Drain); g.m.DeadlineNS != want {
		t.Errorf("the deadline is %d, want %d", g.m.DeadlineNS, want)
	}
	due := map[string]int64{}
	for _, o := range g.cfg.Plan.Orders {
		due[o.Key] = int64(o.Due)
	}
	books := g.records(t)
	moved := 0
	for _, r := range books[runlog.BuyerIntent] {
		if want := g.m.Moment(due[r.Key]); r.Due != want {
			t.Errorf("%s was due at %d, want %d", r.Key, r.Due, want)
		}
		if r.Due > p.FromNS && r.Due <= p.ToNS {
			t.Errorf("%s was due in the pause", r.Key)
		}
		if r.Due > p.ToNS {
			moved++
		}
	}
	if moved == 0 || moved == n {
		t.Errorf("of %d orders %d came after the pause", n, moved)
	}
	var asked []string
	for _, r := range books[runlog.ByHand] {
		asked = append(asked, r.Note)
	}
	if len(asked) != 4 || asked[0] != "pause" || asked[3] != "resume" {
		t.Errorf("the books have %q", asked)
	}
}
