package service_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// occupy keeps a worker busy until release is called.
func occupy(p *service.Pool) (release func()) {
	free, running := make(chan struct{}), make(chan struct{})
	go func() {
		_ = p.Do(context.Background(), service.NewWork, func() error { close(running); <-free; return nil })
	}()
	<-running
	return sync.OnceFunc(func() { close(free) })
}

func TestPool(t *testing.T) {
	nothing := func() error { return nil }
	t.Run("a full queue turns work away, new work first", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := service.NewPool(1, 2, 0)
			release := occupy(p)
			for range 2 { // the first waits, in new work's half; the second finds that half full
				go func() { _ = p.Do(t.Context(), service.NewWork, nothing) }()
			}
			synctest.Wait()
			if busy, waiting := p.Load(); busy != 1 || waiting != 1 {
				t.Errorf("busy %d, waiting %d", busy, waiting)
			}
			if err := p.Do(t.Context(), service.NewWork, nothing); !errors.Is(err, service.ErrOverloaded) {
				t.Errorf("new work: %v", err)
			}
			done := make(chan error)
			go func() { done <- p.Do(t.Context(), service.PaidWork, nothing) }()
			synctest.Wait()
			if err := p.Do(t.Context(), service.PaidWork, nothing); !errors.Is(err, service.ErrOverloaded) {
				t.Errorf("paid work over the bound: %v", err)
			}
			release()
			if err := <-done; err != nil {
				t.Error(err)
			}
			synctest.Wait()
			if busy, waiting := p.Load(); busy != 0 || waiting != 0 {
				t.Errorf("afterwards: busy %d, waiting %d", busy, waiting)
			}
		})
	})
	t.Run("paid work goes first", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := service.NewPool(1, -1, 0)
			release := occupy(p)
			var mu sync.Mutex
			var order []service.Class
			for _, class := range []service.Class{service.NewWork, service.NewWork, service.PaidWork} {
				go func() {
					_ = p.Do(t.Context(), class, func() error {
						mu.Lock()
						defer mu.Unlock()
						order = append(order, class)
						return nil
					})
				}()
				synctest.Wait()
			}
			release()
			synctest.Wait()
			if !slices.Equal(order, []service.Class{service.PaidWork, service.NewWork, service.NewWork}) {
				t.Errorf("order %v", order)
			}
		})
	})
	t.Run("a pool that takes all alike serves them as they came", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := service.NewPool(1, 2, 0).Alike()
			release := occupy(p)
			var mu sync.Mutex
			var order []service.Class
			for _, class := range []service.Class{service.NewWork, service.PaidWork} { // the whole queue is anyone's
				go func() {
					_ = p.Do(t.Context(), class, func() error {
						mu.Lock()
						defer mu.Unlock()
						order = append(order, class)
						return nil
					})
				}()
				synctest.Wait()
			}
			if err := p.Do(t.Context(), service.PaidWork, nothing); !errors.Is(err, service.ErrOverloaded) {
				t.Errorf("over the bound: %v", err)
			}
			release()
			synctest.Wait()
			if !slices.Equal(order, []service.Class{service.NewWork, service.PaidWork}) {
				t.Errorf("order %v", order)
			}
		})
	})
	t.Run("work that waited for the deadline is turned away, and leaves no trace", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := service.NewPool(1, 10, 2*time.Second)
			release := occupy(p)
			began := time.Now()
			if err := p.Do(t.Context(), service.PaidWork, nothing); !errors.Is(err, service.ErrOverloaded) || time.Since(began) != 2*time.Second {
				t.Errorf("%v after %s", err, time.Since(began))
			}
			release()
			synctest.Wait()
			if err := p.Do(t.Context(), service.PaidWork, nothing); err != nil {
				t.Error(err)
			}
		})
	})
	t.Run("without a bound everything waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := service.NewPool(1, -1, 0)
			release := occupy(p)
			for range 1000 {
				go func() { _ = p.Do(t.Context(), service.NewWork, nothing) }()
			}
			synctest.Wait()
			if _, waiting := p.Load(); waiting != 1000 {
				t.Errorf("waiting %d", waiting)
			}
			release()
			synctest.Wait()
		})
	})
	t.Run("whoever leaves makes room", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			p := service.NewPool(1, 1, 0)
			release := occupy(p)
			defer release()
			ctx, cancel := context.WithCancel(t.Context())
			left := make(chan error)
			go func() { left <- p.Do(ctx, service.PaidWork, nothing) }()
			synctest.Wait()
			cancel()
			if err := <-left; !errors.Is(err, context.Canceled) {
				t.Error(err)
			}
			if _, waiting := p.Load(); waiting != 0 {
				t.Errorf("waiting %d", waiting)
			}
		})
	})
}
