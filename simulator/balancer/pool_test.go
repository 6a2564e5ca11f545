package balancer

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// newTestPool has backends a, b, c... with these weights, and no connections.
func newTestPool(ctx context.Context, probe func(context.Context, string) error) *pool {
	return &pool{
		name: "test", logger: slog.New(slog.DiscardHandler), check: Check{}.filled(), probe: probe, ctx: ctx,
		transport: newTransport(time.Second, 1), changed: make(chan struct{}),
	}
}

func (p *pool) mustPut(t interface{ Fatal(...any) }, b Backend) {
	if err := p.put(b); err != nil {
		t.Fatal(err)
	}
}

func picks(p *pool, n int) string {
	var got strings.Builder
	for range n {
		if b := p.pick(nil); b == nil {
			got.WriteByte('-')
		} else {
			got.WriteString(b.name)
		}
	}
	return got.String()
}

func TestPick(t *testing.T) {
	tests := []struct {
		name    string
		weights []int
		want    string
	}{
		{"equal weights take turns", []int{1, 1, 1}, "abcabcabc"},
		{"nginx's own example is spread as nginx spreads it", []int{5, 1, 1}, "aabacaa"},
		{"the heavy one is never starved nor bunched", []int{2, 1}, "abaaba"},
		{"weight 0 gets nothing", []int{1, 0}, "aaa"},
		{"nobody with a weight is nobody", []int{0, 0}, "--"},
		{"nobody at all", nil, "--"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := newTestPool(t.Context(), nil)
			for i, w := range tt.weights {
				p.mustPut(t, Backend{Name: string(rune('a' + i)), URL: "http://127.0.0.1:1", Weight: w})
			}
			if got := picks(p, len(tt.want)); got != tt.want {
				t.Errorf("got %s, wanted %s", got, tt.want)
			}
		})
	}
}

// Over every cycle of the sum of the weights each backend is picked exactly as often as it weighs.
func TestSharesAreExactOverACycle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.IntRange(0, 100), 1, 8).Draw(t, "weights")
		p := newTestPool(context.Background(), nil)
		sum := 0
		for i, w := range weights {
			p.mustPut(t, Backend{Name: string(rune('a' + i)), URL: "http://127.0.0.1:1", Weight: w})
			sum += w
		}
		for cycle := range 3 {
			got := picks(p, sum)
			for i, w := range weights {
				if n := strings.Count(got, string(rune('a'+i))); n != w {
					t.Fatalf("cycle %d: backend %d of weight %d was picked %d times", cycle, i, w, n)
				}
			}
		}
	})
}

func TestWeightsAndBackendsChangeLive(t *testing.T) {
	p := newTestPool(t.Context(), nil)
	a := Backend{Name: "a", URL: "http://127.0.0.1:1", Weight: 1}
	b := Backend{Name: "b", URL: "http://127.0.0.1:2", Weight: 1}
	p.mustPut(t, a)
	p.mustPut(t, b)
	share := func(name string, n int) int { return strings.Count(picks(p, n), name) }
	if got := share("b", 10); got != 5 {
		t.Errorf("b of equal weight got %d of 10", got)
	}
	if err := p.weigh("b", 4); err != nil {
		t.Fatal(err)
	}
	if got := share("b", 100); got != 80 {
		t.Errorf("b of weight 4 to 1 got %d of 100", got)
	}
	b.Weight = 9
	p.mustPut(t, b)
	if got := share("b", 100); got != 90 {
		t.Errorf("b put again with 9 to 1 got %d of 100", got)
	}
	if err := p.remove("a"); err != nil {
		t.Fatal(err)
	}
	if got := share("b", 10); got != 10 {
		t.Errorf("b alone got %d of 10", got)
	}
	for _, err := range []error{p.remove("a"), p.weigh("a", 1), p.weigh("b", -1)} {
		if err == nil {
			t.Error("a mistake was taken")
		}
	}
}

func TestSlowStartCurve(t *testing.T) {
	tests := []struct {
		name  string
		curve SlowStart
		up    time.Duration
		want  float64 // of weight 100
	}{
		{"off", SlowStart{}, 0, 100},
		{"the floor is 10 % by default", SlowStart{Window: 10 * time.Second}, 0, 10},
		{"a straight line by default", SlowStart{Window: 10 * time.Second}, 5 * time.Second, 50},
		{"full weight at its end", SlowStart{Window: 10 * time.Second}, 10 * time.Second, 100},
		{"and after it", SlowStart{Window: 10 * time.Second}, time.Hour, 100},
		{"aggression 2 rises earlier", SlowStart{Window: 10 * time.Second, Aggression: 2}, 2500 * time.Millisecond, 50},
		{"aggression 0.5 rises later", SlowStart{Window: 10 * time.Second, Aggression: 0.5}, 5 * time.Second, 25},
		{"Dubbo's warm-up of 10 min after 3 min", SlowStart{Window: 10 * time.Minute, Min: 0.01}, 3 * time.Minute, 30},
		{"Dubbo's warm-up is at least 1", SlowStart{Window: 10 * time.Minute, Min: 0.01}, time.Second, 1},
		{"a clock that went back", SlowStart{Window: 10 * time.Second}, -time.Second, 10},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.curve.Weight(100, tt.up); math.Abs(got-tt.want) > 1e-9 {
				t.Errorf("got %v, wanted %v", got, tt.want)
			}
		})
	}
}

// A newcomer among old ones gets what the curve says, in the very picks.
func TestNewcomerIsPickedByTheCurve(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPool(t.Context(), nil)
		p.slowStart = SlowStart{Window: 100 * time.Second}
		p.mustPut(t, Backend{Name: "a", URL: "http://127.0.0.1:1", Weight: 10})
		time.Sleep(time.Hour)
		p.mustPut(t, Backend{Name: "b", URL: "http://127.0.0.1:2", Weight: 10})
		for _, step := range []struct {
			up   time.Duration
			want int // of 1100: 100 w / (1 + w)
		}{{0, 100}, {25 * time.Second, 220}, {50 * time.Second, 367}, {100 * time.Second, 550}} {
			began := time.Now()
			got := strings.Count(picks(p, 1100), "b")
			if got < step.want-1 || got > step.want+1 {
				t.Errorf("after %v: %d of 1100, wanted %d", step.up, got, step.want)
			}
			if step.up < 50*time.Second {
				time.Sleep(25*time.Second - time.Since(began))
			} else {
				time.Sleep(50 * time.Second)
			}
		}
	})
}

// readiness is what probes find, by URL.
type readiness struct {
	mu    sync.Mutex
	bad   map[string]bool // guarded by mu
	asked []time.Time     // guarded by mu
}

func (r *readiness) set(url string, bad bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.bad[url] = bad
}

func (r *readiness) probe(_ context.Context, url string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, time.Now())
	if r.bad[url] {
		return errors.New("answered 503")
	}
	return nil
}

func TestHealthCheckTakesOutAndBringsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const check = "http://127.0.0.1:9/readyz"
		r := &readiness{bad: map[string]bool{check: true}}
		p := newTestPool(t.Context(), r.probe)
		p.check = Check{Interval: time.Second, Timeout: time.Second, Rise: 2, Fall: 3}
		p.slowStart = SlowStart{Window: 100 * time.Second}
		p.mustPut(t, Backend{Name: "a", URL: "http://127.0.0.1:1", Weight: 1})
		p.mustPut(t, Backend{Name: "b", URL: "http://127.0.0.1:2", CheckURL: check, Weight: 1})
		defer p.close()
		in := func(after time.Duration) bool {
			time.Sleep(after)
			synctest.Wait()
			out, _ := p.out()
			return !slices.Contains(out, "b")
		}
		if in(500 * time.Millisecond) {
			t.Fatal("a newcomer that does not pass is in")
		}
		if got := picks(p, 4); got != "aaaa" {
			t.Fatalf("while it is out: %s", got)
		}
		r.set(check, false)
		if !in(time.Second) {
			t.Fatal("a newcomer is out after its first pass")
		}
		r.set(check, true)
		for i := range 2 {
			if !in(time.Second) {
				t.Fatalf("out after %d failures", i+1)
			}
		}
		r.set(check, false)
		if !in(time.Second) {
			t.Fatal("out, although no three failed in a row")
		}
		r.set(check, true)
		if in(3 * time.Second) {
			t.Fatal("in after three failures")
		}
		r.set(check, false)
		if in(time.Second) {
			t.Fatal("in after one pass")
		}
		if !in(time.Second) {
			t.Fatal("out after two passes")
		}
		// It came in half a second ago: its slow start begins anew.
		p.mu.Lock()
		w := p.weight(p.backends[1], time.Now())
		p.mu.Unlock()
		if w != 0.1 {
			t.Errorf("weighs %v after its return, wanted 0.1", w)
		}
		for i := 1; i < len(r.asked); i++ {
			if gap := r.asked[i].Sub(r.asked[i-1]); gap != time.Second {
				t.Errorf("check %d came %v after the one before", i, gap)
			}
		}
	})
}

func TestNewcomerIsInAfterItsFirstPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPool(t.Context(), (&readiness{}).probe)
		p.mustPut(t, Backend{Name: "a", URL: "http://127.0.0.1:1", CheckURL: "http://127.0.0.1:9/readyz", Weight: 1})
		defer p.close()
		synctest.Wait()
		if got := picks(p, 1); got != "a" {
			t.Errorf("got %s at once", got)
		}
	})
}

func TestWhatIsGoneIsNoLongerAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &readiness{}
		p := newTestPool(t.Context(), r.probe)
		be := Backend{Name: "a", URL: "http://127.0.0.1:1", CheckURL: "http://127.0.0.1:9/readyz", Weight: 1}
		p.mustPut(t, be)
		defer p.close()
		asked := func(while time.Duration) int {
			time.Sleep(while)
			synctest.Wait()
			r.mu.Lock()
			defer r.mu.Unlock()
			n := len(r.asked)
			r.asked = nil
			return n
		}
		if got := asked(19 * time.Second); got != 10 {
			t.Errorf("asked %d times in 19 s, wanted every 2 s", got)
		}
		be.URL = "http://127.0.0.1:2"
		p.mustPut(t, be)
		if got := asked(19 * time.Second); got != 10 {
			t.Errorf("after it moved: asked %d times in 19 s", got)
		}
		if err := p.remove("a"); err != nil {
			t.Fatal(err)
		}
		if got := asked(19 * time.Second); got != 0 {
			t.Errorf("after it was removed: asked %d times", got)
		}
	})
}

func TestEjectionIsForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newTestPool(t.Context(), nil)
		p.eject = Eject{Failures: 3, For: 10 * time.Second}
		p.mustPut(t, Backend{Name: "a", URL: "http://127.0.0.1:1", Weight: 1})
		p.mustPut(t, Backend{Name: "b", URL: "http://127.0.0.1:2", Weight: 1})
		b := p.backends[1]
		p.unanswered(b)
		p.unanswered(b)
		p.answered(b)
		p.unanswered(b)
		p.unanswered(b)
		if got := picks(p, 4); got != "abab" {
			t.Fatalf("before three in a row: %s", got)
		}
		p.unanswered(b)
		if got := picks(p, 4); got != "aaaa" {
			t.Fatalf("ejected: %s", got)
		}
		time.Sleep(10*time.Second - 1)
		if got := picks(p, 4); got != "aaaa" {
			t.Fatalf("ejected still: %s", got)
		}
		time.Sleep(time.Nanosecond)
		if got := picks(p, 4); strings.Count(got, "b") != 2 {
			t.Fatalf("back: %s", got)
		}
	})
}
