package balancer

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

func TestRefusedConnectionsAreRefusedUntilHealed(t *testing.T) {
	blocked, release := make(chan struct{}), make(chan struct{})
	in := newInstance(t, "a", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			close(blocked)
			select {
			case <-r.Context().Done():
			case <-release:
			}
		}
	})
	defer close(release)
	b := start(t, one(in.backend(1)))
	client := newClient(t)
	base := b.URL("public")
	if status, _ := get(t, client, base); status != 200 {
		t.Fatalf("before: %d", status)
	}
	cut := make(chan error, 1)
	go func() { _, _, err := ask(newClient(t), "POST", base+"/slow", "x"); cut <- err }()
	<-blocked
	if err := b.Refuse(); err != nil {
		t.Fatal(err)
	}
	if err := <-cut; err == nil {
		t.Error("a request that was inside was answered, not cut")
	}
	for range 20 {
		if _, _, err := ask(client, "GET", base, ""); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Fatalf("during: %v, wanted connection refused", err)
		}
	}
	if err := b.Heal("public"); err != nil {
		t.Fatal(err)
	}
	if got := b.URL("public"); got != base {
		t.Errorf("healed at %s, was %s", got, base)
	}
	if status, answer := get(t, client, base); status != 200 {
		t.Errorf("after: %d %s", status, answer)
	}
}

// Every request that was held is answered after the heal, and each reached the backend once, whatever its method.
func TestHeldRequestsAreAllAnsweredOnceAfterTheHeal(t *testing.T) {
	in := newInstance(t, "a", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(w, r.Body) })
	b := start(t, one(in.backend(1)))
	client := newClient(t)
	base := b.URL("public")
	get(t, client, base+"/before")
	if err := b.Hold("public"); err != nil {
		t.Fatal(err)
	}
	const n = 200
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			body := fmt.Sprintf("body of %d", i)
			method := []string{"POST", "PUT"}[i%2]
			status, answer, err := ask(client, method, fmt.Sprintf("%s/%d", base, i), body)
			if err != nil || status != 200 || answer != body {
				t.Errorf("%d: %d %q %v", i, status, answer, err)
			}
		})
	}
	until(t, "all are held", func() bool { return count(b).Held == n })
	if got := len(in.times()); got != 1 {
		t.Errorf("%d requests went through the hold", got-1)
	}
	if c := count(b); c.State != Holding || c.Open != n {
		t.Errorf("holding: %+v", c)
	}
	if err := b.Heal(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	times := in.times()
	for i := range n {
		if got := times[fmt.Sprintf("%s /%d", []string{"POST", "PUT"}[i%2], i)]; got != 1 {
			t.Errorf("request %d reached the backend %d times", i, got)
		}
	}
	if status, _ := get(t, client, base+"/after"); status != 200 {
		t.Errorf("after: %d", status)
	}
}

func TestHeldRequestOfAClientThatLeftIsDroppedUnlessToldOtherwise(t *testing.T) {
	for _, told := range []string{"no", "by its configuration", "by HoldAll"} {
		forward := told != "no"
		t.Run("forward abandoned: "+told, func(t *testing.T) {
			in := newInstance(t, "a", nil)
			c := one(in.backend(1))
			c.ForwardAbandoned = told == "by its configuration"
			b := start(t, c)
			hold := b.Hold
			if told == "by HoldAll" {
				hold = b.HoldAll
			}
			if err := hold(); err != nil {
				t.Fatal(err)
			}
			conn := line(t, b.URL("public"))
			fmt.Fprint(conn, "POST /gone HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
			until(t, "it is held", func() bool { return count(b).Held == 1 })
			conn.Close()
			if !forward {
				until(t, "its departure is noticed", func() bool { return count(b).Abandoned == 1 })
			}
			if err := b.Heal(); err != nil {
				t.Fatal(err)
			}
			get(t, newClient(t), b.URL("public")+"/next")
			want := 0
			if forward {
				want = 1
				until(t, "it is forwarded", func() bool { return in.times()["POST /gone"] == 1 })
			}
			if got := in.times()["POST /gone"]; got != want {
				t.Errorf("reached the backend %d times, wanted %d", got, want)
			}
		})
	}
}

func TestWhatOneOutageForwardsALaterOneDrops(t *testing.T) {
	in := newInstance(t, "a", nil)
	b := start(t, one(in.backend(1)))
	for _, hold := range []func(...string) error{b.HoldAll, b.Hold} {
		if err := hold(); err != nil {
			t.Fatal(err)
		}
		if err := b.Heal(); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.Hold(); err != nil {
		t.Fatal(err)
	}
	conn := line(t, b.URL("public"))
	fmt.Fprint(conn, "POST /gone HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
	until(t, "it is held", func() bool { return count(b).Held == 1 })
	conn.Close()
	until(t, "its departure is noticed", func() bool { return count(b).Abandoned == 1 })
}

func TestOutagesReplaceEachOther(t *testing.T) {
	in := newInstance(t, "a", nil)
	b := start(t, one(in.backend(1)))
	base := b.URL("public")
	if err := b.Hold(); err != nil {
		t.Fatal(err)
	}
	cut := make(chan error, 1)
	go func() { _, _, err := ask(newClient(t), "POST", base+"/held", "x"); cut <- err }()
	fmt.Fprint(line(t, base), "POST /half HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nhalf")
	until(t, "they are held", func() bool { return count(b).Held == 2 })
	if err := b.Refuse(); err != nil {
		t.Fatal(err)
	}
	if err := <-cut; err == nil {
		t.Error("what was held is answered although the balancer refuses")
	}
	until(t, "nothing is held any more", func() bool { return count(b).Held == 0 && count(b).Abandoned == 2 })
	if err := b.Hold(); err != nil {
		t.Fatal(err)
	}
	conn := line(t, base)
	fmt.Fprint(conn, "GET /second HTTP/1.1\r\nHost: x\r\n\r\n")
	until(t, "it is held", func() bool { return count(b).Held == 1 })
	if err := b.Heal(); err != nil {
		t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || res.StatusCode != 200 {
		t.Errorf("after: %v %v", res, err)
	}
	if times := in.times(); times["POST /held"] != 0 || times["POST /half"] != 0 || times["GET /second"] != 1 {
		t.Errorf("reached the backend: %v", times)
	}
	if err := b.Refuse("nobody"); err == nil {
		t.Error("an unknown listener was taken")
	}
}

func TestOneListenerBreaksWithoutItsNeighbour(t *testing.T) {
	in := newInstance(t, "a", nil)
	c := one(in.backend(1))
	c.Listeners = []Listener{{Name: "wechat", Pool: "public"}, {Name: "alipay", Pool: "public"}}
	b := start(t, c)
	if err := b.Refuse("alipay"); err != nil {
		t.Fatal(err)
	}
	if status, _ := get(t, newClient(t), b.URL("wechat")); status != 200 {
		t.Errorf("wechat: %d", status)
	}
	if _, _, err := ask(newClient(t), "GET", b.URL("alipay"), ""); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("alipay: %v", err)
	}
}

// What is released is not slowed down by a backend that is slow to answer: all of it is with the backend at one time.
func TestHeldRequestsComeAsACrowd(t *testing.T) {
	const n = 150
	var crowd sync.WaitGroup
	crowd.Add(n)
	in := newInstance(t, "a", func(http.ResponseWriter, *http.Request) {
		crowd.Done()
		crowd.Wait()
	})
	b := start(t, one(in.backend(1)))
	if err := b.Hold(); err != nil {
		t.Fatal(err)
	}
	client := newClient(t)
	ended := make(chan error, n)
	for i := range n {
		go func() {
			_, _, err := ask(client, "POST", fmt.Sprintf("%s/%d", b.URL("public"), i), "x")
			ended <- err
		}()
	}
	until(t, "all are held", func() bool { return count(b).Held == n })
	if err := b.Heal(); err != nil {
		t.Fatal(err)
	}
	for range n {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func TestFilesThatAreLeftBoundTheConnectionsToBackends(t *testing.T) {
	const n, left = 60, 10
	var inside, most atomic.Int64
	release := make(chan struct{})
	in := newInstance(t, "a", func(_ http.ResponseWriter, r *http.Request) {
		now := inside.Add(1)
		for was := most.Load(); now > was && !most.CompareAndSwap(was, now); was = most.Load() {
		}
		<-release
		inside.Add(-1)
	})
	c := one(in.backend(1))
	c.Files = filesKept + idleKept + 2*n + left
	b := start(t, c)
	if err := b.Hold(); err != nil {
		t.Fatal(err)
	}
	client := newClient(t)
	var wg sync.WaitGroup
	for range n {
		wg.Go(func() {
			if status, answer, err := ask(client, "POST", b.URL("public"), "x"); status != 200 {
				t.Errorf("%d %s %v", status, answer, err)
			}
		})
	}
	until(t, "all are held", func() bool { return count(b).Held == n })
	if got := b.clients.Load(); got != n {
		t.Fatalf("%d clients are connected, wanted %d", got, n)
	}
	if err := b.Heal(); err != nil {
		t.Fatal(err)
	}
	until(t, "the others wait", func() bool { return count(b).WaitedFiles == n-left && inside.Load() == left })
	close(release)
	wg.Wait()
	if got := most.Load(); got != left {
		t.Errorf("%d were with the backend at one time, wanted %d", got, left)
	}
}
