package harness

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// A paperBox is an instance that takes limits.
type paperBox struct {
	*paperPart
	limits testbed.Limits
}

func (b *paperBox) Limits(context.Context) (testbed.Limits, error) { return b.limits, nil }
func (b *paperBox) Counts(context.Context) (testbed.Counts, error) { return testbed.Counts{}, nil }
func (b *paperBox) SetCPUs(context.Context, float64) error         { return nil }

func (b *paperBox) SetMemory(_ context.Context, bytes int64) error {
	b.limits.Memory = bytes
	return nil
}

func (b *paperBox) end(why error) {
	b.why = why
	close(b.exited)
}

func TestAnEndForWantOfMemoryIsTheFaultsOnlyWhileItTakesMemory(t *testing.T) {
	const begun, less = 64 << 20, 32 << 20
	for _, tt := range []struct {
		name    string
		healed  bool
		after   time.Duration
		why     error
		ordered bool
	}{
		{"held to less", false, time.Hour, testbed.ErrOutOfMemory, true},
		{"told of just after the heal", true, time.Second, testbed.ErrOutOfMemory, true},
		{"long after the heal", true, toldWithin + time.Second, testbed.ErrOutOfMemory, false},
		{"held to less, and ended by something else", false, time.Second, errors.New("signal: killed"), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				box := &paperBox{newPaperPart(), testbed.Limits{Memory: begun}}
				p := newPart(&part{name: "redis-cache"}, box)
				if err := p.SetMemory(t.Context(), less); err != nil {
					t.Fatal(err)
				}
				if tt.healed {
					if err := p.SetMemory(t.Context(), begun); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(tt.after)
				box.end(tt.why)
				synctest.Wait()
				select {
				case err := <-p.died:
					if tt.ordered {
						t.Errorf("nobody ordered it: %v", err)
					}
				default:
					if !tt.ordered {
						t.Error("it is taken for the fault's doing")
					}
				}
			})
		})
	}
}

// A stubbornPart is told to die by an engine that does not answer in time.
type stubbornPart struct {
	*paperPart
	dies time.Duration // after the answer was given up; 0: it does not
}

func (s *stubbornPart) Kill() error {
	if s.dies > 0 {
		time.AfterFunc(s.dies, func() { _ = s.paperPart.Kill() })
	}
	return context.DeadlineExceeded
}

func TestAKillWhoseAnswerIsLateHasKilledOrHasSpared(t *testing.T) {
	t.Run("it dies all the same", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := newPart(&part{name: "service"}, &stubbornPart{newPaperPart(), 100 * time.Millisecond})
			if err := p.Kill(t.Context()); err != nil {
				t.Errorf("the kill failed: %v", err)
			}
			synctest.Wait()
			if len(p.died) > 0 {
				t.Error("its death was ordered")
			}
		})
	})
	t.Run("it lives, and dies later by itself", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := &stubbornPart{newPaperPart(), 0}
			p := newPart(&part{name: "service"}, s)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := p.Kill(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the kill ended with %v", err)
			}
			_ = s.paperPart.Kill()
			synctest.Wait()
			if len(p.died) != 1 {
				t.Error("nobody is told of its death")
			}
		})
	})
}
