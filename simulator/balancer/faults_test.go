package balancer

import (
	"context"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/simulator/mishap"
)

func TestFirstRequestsFailAndAreNotForwarded(t *testing.T) {
	in := newInstance(t, "a", nil)
	b := start(t, one(in.backend(1)))
	if err := b.SetFaults(Faults{FailFirst: 3, Status: 502}, "public"); err != nil {
		t.Fatal(err)
	}
	client := newClient(t)
	for i, want := range []int{502, 502, 502, 200, 200} {
		if status, answer := get(t, client, b.URL("public")); status != want {
			t.Errorf("request %d: %d %s, wanted %d", i+1, status, answer, want)
		}
	}
	if got := in.times()["GET /"]; got != 2 {
		t.Errorf("%d reached the backend, wanted 2", got)
	}
	if c := count(b); c.Faulted != 3 || c.Requests != 5 {
		t.Errorf("counted %+v", c)
	}
}

func TestFaultsHealAtOnce(t *testing.T) {
	in := newInstance(t, "a", nil)
	b := start(t, one(in.backend(1)))
	if err := b.SetFaults(Faults{FailShare: 1}); err != nil {
		t.Fatal(err)
	}
	client := newClient(t)
	if status, _ := get(t, client, b.URL("public")); status != http.StatusServiceUnavailable {
		t.Errorf("during: %d", status)
	}
	if err := b.SetFaults(Faults{}); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(t, client, b.URL("public")); status != 200 {
		t.Errorf("after: %d", status)
	}
}

func TestDelayIsFelt(t *testing.T) {
	in := newInstance(t, "a", nil)
	b := start(t, one(in.backend(1)))
	if err := b.SetFaults(Faults{DelayShare: 1, Delay: 200 * time.Millisecond, Jitter: 50 * time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	client := newClient(t)
	began := time.Now()
	get(t, client, b.URL("public"))
	if took := time.Since(began); took < 150*time.Millisecond {
		t.Errorf("took %v, wanted 150ms at least", took)
	}
	if c := count(b); c.Delayed != 1 {
		t.Errorf("counted %+v", c)
	}
}

func TestADelayedRequestIsDroppedWhenItsClientGoes(t *testing.T) {
	in := newInstance(t, "a", nil)
	b := start(t, one(in.backend(1)))
	if err := b.SetFaults(Faults{DelayShare: 1, Delay: time.Hour}); err != nil {
		t.Fatal(err)
	}
	conn := line(t, b.URL("public"))
	fmt.Fprint(conn, "POST /gone HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
	until(t, "it is delayed", func() bool { return count(b).Delayed == 1 })
	conn.Close()
	until(t, "it is dropped", func() bool { c := count(b); return c.Open == 0 && c.Abandoned == 1 })
}

func TestADelayedBodyIsForwardedWhole(t *testing.T) {
	in := newInstance(t, "a", func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		_, _ = w.Write(body)
	})
	b := start(t, one(in.backend(1)))
	if err := b.SetFaults(Faults{DelayShare: 1, Delay: time.Millisecond}); err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"", "short", strings.Repeat("long ", heldBodyMaxBytes)} {
		if status, answer, err := ask(newClient(t), "POST", b.URL("public"), body); status != 200 || answer != body || err != nil {
			t.Errorf("%d bytes: %d, %d bytes, %v", len(body), status, len(answer), err)
		}
	}
}

// Its client is still there, and its body is too long to be taken in: nobody would end it.
func TestClosingDoesNotWaitForADelay(t *testing.T) {
	in := newInstance(t, "a", nil)
	b := start(t, one(in.backend(1)))
	if err := b.SetFaults(Faults{DelayShare: 1, Delay: time.Hour}); err != nil {
		t.Fatal(err)
	}
	conn := line(t, b.URL("public"))
	fmt.Fprint(conn, "POST /long HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc")
	until(t, "it is delayed", func() bool { return count(b).Delayed == 1 })
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Error(err)
	}
}

// The same seed hits the same requests; the shares are what was asked for within 4 standard deviations.
func TestFaultsAreDrawnFromTheSeed(t *testing.T) {
	const n = 20_000
	f := Faults{FailShare: 0.1, DelayShare: 0.5, Delay: 100 * time.Millisecond, Jitter: 100 * time.Millisecond}
	draw := func(seed uint64, listener string) (failed, delayed []bool) {
		d := mishap.New(seed, listener)
		d.Set(f)
		for range n {
			met := d.Throw("")
			failed = append(failed, met.Status != 0)
			delayed = append(delayed, met.Delay > 0)
			if delay := met.Delay; delay < 0 || delay > 200*time.Millisecond {
				t.Fatalf("delay %v", delay)
			}
		}
		return failed, delayed
	}
	same := func(a, b []bool) (n int) {
		for i := range a {
			if a[i] == b[i] {
				n++
			}
		}
		return n
	}
	failed, delayed := draw(7, "wechat")
	if again, _ := draw(7, "wechat"); same(failed, again) != n {
		t.Error("the same seed and listener give other faults")
	}
	if other, _ := draw(8, "wechat"); same(failed, other) == n {
		t.Error("another seed gives the same faults")
	}
	if other, _ := draw(7, "alipay"); same(failed, other) == n {
		t.Error("another listener has the same faults")
	}
	within := func(what string, got []bool, share float64) {
		hits := 0
		for _, hit := range got {
			if hit {
				hits++
			}
		}
		if d := math.Abs(float64(hits) - n*share); d > 4*math.Sqrt(n*share*(1-share)) {
			t.Errorf("%s: %d of %d, wanted a share of %v", what, hits, n, share)
		}
	}
	within("failed", failed, 0.1)
	within("delayed", delayed, 0.9*0.5)
}

func TestImpossibleFaultsAreRefused(t *testing.T) {
	in := newInstance(t, "a", nil)
	b := start(t, one(in.backend(1)))
	nan := math.NaN()
	for name, f := range map[string]Faults{
		"share above 1": {FailShare: 1.1}, "share not a number": {DelayShare: nan}, "negative delay": {Delay: -1},
		"more jitter than delay": {Delay: 1, Jitter: 2}, "a failure that is none": {FailShare: 1, Status: 200},
	} {
		if err := b.SetFaults(f); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	if err := b.SetFaults(Faults{}, "nobody"); err == nil {
		t.Error("an unknown listener was taken")
	}
}
