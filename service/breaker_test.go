package service_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

var errSick = errors.New("sick")

func judge(err error) service.CallVerdict {
	switch {
	case err == nil:
		return service.Well
	case errors.Is(err, errSick):
		return service.Sick
	default:
		return service.Silent
	}
}

// calls makes n calls that end with err, and counts those that were made.
func calls(b *service.Breaker, n int, err error) (made int) {
	for range n {
		_ = b.Do(func() error { made++; return err }, judge)
	}
	return made
}

func TestBreaker(t *testing.T) {
	tests := []struct {
		name string
		run  func(t *testing.T, b *service.Breaker)
	}{{
		"opens at the fifth failure, and no call is made then", func(t *testing.T, b *service.Breaker) {
			if made := calls(b, 20, errSick); made != 5 {
				t.Errorf("%d calls, wanted 5", made)
			}
			if err := b.Do(func() error { return nil }, judge); !errors.Is(err, service.ErrBreakerOpen) {
				t.Errorf("got %v", err)
			}
		},
	}, {
		"stays closed while less than half fail", func(t *testing.T, b *service.Breaker) {
			for range 50 {
				calls(b, 2, nil)
				if calls(b, 1, errSick) != 1 {
					t.Fatal("a call was not made")
				}
			}
		},
	}, {
		"what is older than ten seconds does not count", func(t *testing.T, b *service.Breaker) {
			for range 20 { // four in any ten seconds
				calls(b, 1, errSick)
				time.Sleep(2600 * time.Millisecond)
			}
			if b.State() != service.BreakerClosed {
				t.Errorf("state %d", b.State())
			}
		},
	}, {
		"lets one call through after two seconds, and closes when it succeeds", func(t *testing.T, b *service.Breaker) {
			calls(b, 5, errSick)
			time.Sleep(2*time.Second - time.Millisecond)
			if calls(b, 3, nil) != 0 {
				t.Error("called before the pause was over")
			}
			time.Sleep(time.Millisecond)
			if b.State() != service.BreakerHalfOpen || calls(b, 1, nil) != 1 || b.State() != service.BreakerClosed {
				t.Errorf("state %d", b.State())
			}
			if calls(b, 4, errSick) != 4 || b.State() != service.BreakerClosed {
				t.Error("the failures before the cure were counted once more")
			}
		},
	}, {
		"opens again when the trial fails", func(t *testing.T, b *service.Breaker) {
			calls(b, 5, errSick)
			for range 10 {
				time.Sleep(2 * time.Second)
				if made := calls(b, 10, errSick); made != 1 {
					t.Errorf("%d calls after the pause, wanted the trial alone", made)
				}
			}
		},
	}, {
		"lets nobody else through while the trial is on its way", func(t *testing.T, b *service.Breaker) {
			calls(b, 5, errSick)
			time.Sleep(2 * time.Second)
			answer := make(chan error)
			go func() { _ = b.Do(func() error { return <-answer }, judge) }()
			synctest.Wait()
			if calls(b, 10, nil) != 0 {
				t.Error("called beside the trial")
			}
			answer <- nil
			synctest.Wait()
			if b.State() != service.BreakerClosed {
				t.Errorf("state %d", b.State())
			}
		},
	}, {
		"a trial whose caller gave up makes room for another", func(t *testing.T, b *service.Breaker) {
			calls(b, 5, errSick)
			time.Sleep(2 * time.Second)
			if calls(b, 3, errors.New("gave up")) != 3 || b.State() != service.BreakerHalfOpen {
				t.Errorf("state %d", b.State())
			}
		},
	}, {
		"a call that began before it opened does not count as its trial", func(t *testing.T, b *service.Breaker) {
			answer := make(chan error)
			go func() { _ = b.Do(func() error { return <-answer }, judge) }()
			synctest.Wait()
			calls(b, 5, errSick)
			time.Sleep(2 * time.Second)
			_ = b.State() // half open now
			answer <- nil
			synctest.Wait()
			if b.State() != service.BreakerHalfOpen {
				t.Errorf("state %d", b.State())
			}
		},
	}, {
		"a trial that panics gives its place back", func(t *testing.T, b *service.Breaker) {
			calls(b, 5, errSick)
			time.Sleep(2 * time.Second)
			func() {
				defer func() { _ = recover() }()
				_ = b.Do(func() error { panic("boom") }, judge)
			}()
			if calls(b, 1, nil) != 1 {
				t.Error("nobody may try any more")
			}
		},
	}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { tt.run(t, service.NewBreaker()) })
		})
	}
	t.Run("none lets everything through", func(t *testing.T) {
		if calls(nil, 20, errSick) != 20 {
			t.Error("a call was not made")
		}
	})
}

func TestBulkhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := service.NewBulkhead(2, time.Second)
		answer := make(chan struct{})
		for range 2 {
			go func() { _ = b.Do(t.Context(), func() error { <-answer; return nil }) }()
		}
		synctest.Wait()
		if busy, _ := b.Load(); busy != 2 || b.Limit() != 2 {
			t.Errorf("%d of %d busy", busy, b.Limit())
		}
		began := time.Now()
		err := b.Do(t.Context(), func() error { t.Error("the third call was made"); return nil })
		if !errors.Is(err, service.ErrUpstreamBusy) || time.Since(began) != time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		hurried, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if err := b.Do(hurried, func() error { t.Error("a call was made too late"); return nil }); !errors.Is(err, service.ErrUpstreamBusy) {
			t.Errorf("a caller whose time was over before its turn: %v", err)
		}
		done := make(chan error)
		go func() { done <- b.Do(t.Context(), func() error { return nil }) }()
		synctest.Wait()
		if _, waiting := b.Load(); waiting != 1 {
			t.Errorf("%d wait", waiting)
		}
		close(answer)
		if err := <-done; err != nil {
			t.Errorf("a place came free: %v", err)
		}
		synctest.Wait()
		if busy, waiting := b.Load(); busy+waiting != 0 {
			t.Errorf("afterwards %d busy, %d waiting", busy, waiting)
		}
	})
}
