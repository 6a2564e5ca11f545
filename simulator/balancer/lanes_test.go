package balancer

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

func TestLanesAreGivenInTheOrderOfComing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lanes{limit: func() int { return 1 }}
		if err := l.take(t.Context()); err != nil {
			t.Fatal(err)
		}
		var order []int
		leave, gone := context.WithCancel(t.Context())
		for i := range 4 {
			ctx := t.Context()
			if i == 1 {
				ctx = leave
			}
			go func() {
				if l.take(ctx) == nil {
					order = append(order, i) // one at a time: there is one lane
					l.give()
				}
			}()
			synctest.Wait()
		}
		gone()
		synctest.Wait()
		l.give()
		synctest.Wait()
		if !slices.Equal(order, []int{0, 2, 3}) || l.busy != 0 || l.waited.Load() != 4 {
			t.Errorf("order %v, %d busy, %d waited", order, l.busy, l.waited.Load())
		}
	})
}

// Whatever comes, leaves and changes: never more than the limit, nobody waits for a free lane, and all end free.
func TestLanesAreNeverLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.IntRange(0, 5), 1, 60).Draw(rt, "steps")
		synctest.Test(t, func(t *testing.T) {
			limit := 2
			l := &lanes{limit: func() int { return limit }}
			type claim struct {
				cancel context.CancelFunc
				held   bool
			}
			var claims []*claim
			pop := func(held bool) *claim {
				i := slices.IndexFunc(claims, func(c *claim) bool { return c.held == held })
				if i < 0 {
					return nil
				}
				c := claims[i]
				claims = slices.Delete(claims, i, i+1)
				return c
			}
			for _, step := range steps {
				switch step {
				case 0, 1:
					ctx, cancel := context.WithCancel(t.Context())
					c := &claim{cancel: cancel}
					claims = append(claims, c)
					go func() { c.held = l.take(ctx) == nil }()
				case 2:
					if c := pop(true); c != nil {
						l.give()
						c.cancel()
					}
				case 3:
					if c := pop(false); c != nil {
						c.cancel()
					}
				case 4: // one leaves at the very moment when its turn comes
					i := slices.IndexFunc(claims, func(c *claim) bool { return !c.held })
					if i < 0 || l.busy == 0 {
						break
					}
					c := claims[i]
					c.cancel()
					if freed := pop(true); freed != nil {
						l.give()
						freed.cancel()
					}
					synctest.Wait()
					if !c.held {
						claims = slices.DeleteFunc(claims, func(other *claim) bool { return other == c })
					}
				case 5:
					limit = 3 - limit // 2, 1, 2...
				}
				synctest.Wait()
				held := 0
				for _, c := range claims {
					if c.held {
						held++
					}
				}
				if held != l.busy || held > 2 || l.queue.Len() > 0 && held == 0 {
					t.Fatalf("%d held, %d busy, %d wait, limit %d", held, l.busy, l.queue.Len(), limit)
				}
			}
			for len(claims) > 0 {
				if c := pop(true); c != nil {
					l.give()
					c.cancel()
				} else {
					pop(false).cancel()
				}
				synctest.Wait()
			}
			if l.busy != 0 || l.queue.Len() != 0 {
				t.Fatalf("%d busy and %d waiting in the end", l.busy, l.queue.Len())
			}
		})
	})
}
