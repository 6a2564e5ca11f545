package harness

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
	"github.com/lunchrush/lunchrush/scenarios"
)

// A paperProcess can be killed and started.
type paperProcess struct {
	mu    sync.Mutex
	up    bool
	sick  func(age time.Duration) bool // by the time since its start
	since time.Time
	acts  []string
}

func (p *paperProcess) act(name string, up bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.acts = append(p.acts, name)
	p.up, p.since = up, time.Now()
	return nil
}

func (p *paperProcess) Kill(context.Context) error   { return p.act("kill", false) }
func (p *paperProcess) Stop(context.Context) error   { return p.act("stop", false) }
func (p *paperProcess) Start(context.Context) error  { return p.act("start", true) }
func (p *paperProcess) Pause(context.Context) error  { return nil }
func (p *paperProcess) Resume(context.Context) error { return nil }
func (p *paperProcess) Ping(context.Context) error   { return nil }

func (p *paperProcess) Running() (time.Time, bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.since, p.up
}

func (p *paperProcess) ask(ctx context.Context) (bool, string) {
	p.mu.Lock()
	sick := p.sick(time.Since(p.since))
	p.mu.Unlock()
	if !sick {
		return true, "ok"
	}
	<-ctx.Done() // it does not answer
	return false, ""
}

func TestWhatDoesNotAnswerItsHealthCheckIsKilledAndStartedAgain(t *testing.T) {
	tests := []struct {
		name  string
		sick  func(age time.Duration) bool
		down  bool // a fault has felled it
		kills int
	}{
		{name: "well all the time", sick: func(time.Duration) bool { return false }},
		{name: "sick for less than three questions", sick: func(age time.Duration) bool { return age > 4500*time.Millisecond && age < 8*time.Second }},
		{name: "sick ten seconds after each start", sick: func(age time.Duration) bool { return age > 9500*time.Millisecond }, kills: 3},
		{name: "felled by a fault, which starts it again itself", sick: func(time.Duration) bool { return true }, down: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := &paperProcess{up: !tt.down, sick: tt.sick, since: time.Now()}
				began := time.Now()
				s := &supervisor{
					health: scenarios.Health{Every: 2 * time.Second, Timeout: time.Second, Fails: 3},
					now:    func() time.Duration { return time.Since(began) },
				}
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				s.watch(ctx, []patient{{"front-1", p, p.ask}})
				told := s.account()
				if len(told.Restarts) != tt.kills {
					t.Errorf("%d restarts, want %d: %+v", len(told.Restarts), tt.kills, told)
				}
				var want []string
				for range tt.kills {
					want = append(want, "kill", "start")
				}
				if !slices.Equal(p.acts, want) {
					t.Errorf("what was done: %v, want %v", p.acts, want)
				}
				if (told.Asked == 0) != tt.down {
					t.Errorf("it was asked %d times", told.Asked)
				}
				if tt.kills > 0 && told.Restarts[0] != (runlog.Restart{Instance: "front-1", AtNS: int64(15 * time.Second), Why: "no answer"}) {
					t.Errorf("the first restart is %+v", told.Restarts[0])
				}
			})
		})
	}
}
