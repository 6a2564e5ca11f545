package chaos

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A slowToStop is a process that stops, but not so fast that its Pause would see it: one thread waits for a disk.
type slowToStop struct {
	*child
	stop context.CancelFunc // the run's end comes in the midst of it
}

var errStillMoves = errors.New("still in state D after SIGSTOP")

func (p slowToStop) Pause(ctx context.Context) error {
	p.stop()
	return errors.Join(p.child.Pause(ctx), errStillMoves)
}

func (p slowToStop) Resume(ctx context.Context) error {
	return errors.Join(ctx.Err(), p.child.Resume(ctx))
}

func TestAPauseThatGoesWrongLeavesNothingStopped(t *testing.T) {
	c := startChild(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	heal, err := pause{}.Inject(ctx, &Target{Name: "mysql", Process: slowToStop{c, stop}})
	if heal != nil || !errors.Is(err, errStillMoves) {
		t.Errorf("got %v, want that it still moves", err)
	}
	if errors.Is(err, context.Canceled) {
		t.Errorf("it was let go on with a context that was over: %v", err)
	}
	if err := pingOnce(t.Context(), PingRedis, c.addr(), 0, 5*time.Second); err != nil {
		t.Errorf("it stands still: %v", err)
	}
}
