package chaos

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// A slowDeath takes a second to end, and leaves when its caller does.
type slowDeath struct {
	Process
	dead, started bool
}

func (p *slowDeath) Kill(ctx context.Context) error {
	select {
	case <-time.After(time.Second):
		p.dead = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *slowDeath) Start(context.Context) error {
	p.started = true
	return nil
}

func TestAKillThatIsHealedWhileItIsInjectedIsHealed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		p := &slowDeath{}
		heal, err := kill{restart: true}.Inject(ctx, &Target{Name: "service", Process: p})
		if err != nil || !p.dead {
			t.Fatalf("dead %v, %v", p.dead, err)
		}
		if err := heal(t.Context()); err != nil || !p.started {
			t.Errorf("started %v, %v", p.started, err)
		}
	})
}
