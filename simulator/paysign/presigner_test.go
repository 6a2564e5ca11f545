package paysign_test

import (
	"context"
	"errors"
	"net/http"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/simulator/paysign"
)

func TestPresignerSignsForTheMomentDueSoonestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := paysign.NewPresigner(t.Context(), 1, 0)
		defer p.Close()
		start := time.Now()
		var order []time.Duration
		busy := make(chan struct{})
		job := func(due time.Duration, make func()) paysign.Job {
			return paysign.Job{
				Due: start.Add(due),
				Make: func(now time.Time) (http.Header, []byte, error) {
					make()
					order = append(order, now.Sub(start))
					return nil, nil, nil
				},
				Done: func(http.Header, []byte, error) {},
			}
		}
		if err := p.Submit(job(time.Hour, func() { <-busy })); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // the only worker has begun the first
		for _, due := range []time.Duration{30 * time.Second, 2 * time.Second, 15 * time.Second, time.Second} {
			if err := p.Submit(job(due, func() {})); err != nil {
				t.Fatal(err)
			}
		}
		if n := p.Waiting(); n != 4 {
			t.Errorf("%d waiting, want 4", n)
		}
		close(busy)
		synctest.Wait()
		if want := []time.Duration{time.Hour, time.Second, 2 * time.Second, 15 * time.Second, 30 * time.Second}; !slices.Equal(order, want) {
			t.Errorf("signed for %v, want %v", order, want)
		}
	})
}

func TestPresignerRefusesWhenFullAndGivesBackWhenClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := paysign.NewPresigner(t.Context(), 1, 2)
		busy := make(chan struct{})
		var mu sync.Mutex
		var got []error
		job := paysign.Job{
			Make: func(time.Time) (http.Header, []byte, error) { <-busy; return nil, []byte("x"), nil },
			Done: func(_ http.Header, _ []byte, err error) {
				mu.Lock()
				defer mu.Unlock()
				got = append(got, err)
			},
		}
		submit := func(want error) {
			t.Helper()
			if err := p.Submit(job); !errors.Is(err, want) {
				t.Fatalf("got %v, want %v", err, want)
			}
		}
		submit(nil)
		synctest.Wait()
		submit(nil)
		submit(nil)
		submit(paysign.ErrFull)
		closed := make(chan struct{})
		go func() { p.Close(); p.Close(); close(closed) }()
		synctest.Wait()
		submit(paysign.ErrClosed)
		close(busy)
		<-closed
		if want := []error{nil, paysign.ErrClosed, paysign.ErrClosed}; !slices.Equal(got, want) {
			t.Errorf("the jobs came back with %v, want %v", got, want)
		}
	})
}

func TestPresignerStopsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		p := paysign.NewPresigner(ctx, 3, 0)
		cancel()
		synctest.Wait()
		if err := p.Submit(paysign.Job{}); !errors.Is(err, paysign.ErrClosed) {
			t.Errorf("got %v, want ErrClosed", err)
		}
		p.Close() // returns: the workers have ended
	})
}

// A run has the runtime use more threads than there are cores: those that sign must not.
func TestPresignerLeavesACoreToTheSendsThoughThereAreMoreThreads(t *testing.T) {
	cores := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4 * cores))
	synctest.Test(t, func(t *testing.T) {
		p := paysign.NewPresigner(t.Context(), 0, 0)
		defer p.Close()
		var begun atomic.Int32
		over := make(chan struct{})
		for range 4 * cores {
			if err := p.Submit(paysign.Job{
				Make: func(time.Time) (http.Header, []byte, error) { begun.Add(1); <-over; return nil, nil, nil },
				Done: func(http.Header, []byte, error) {},
			}); err != nil {
				t.Fatal(err)
			}
		}
		synctest.Wait()
		if got, want := int(begun.Load()), max(1, cores-1); got != want {
			t.Errorf("%d sign at once on %d cores, want %d", got, cores, want)
		}
		close(over)
		synctest.Wait()
	})
}
