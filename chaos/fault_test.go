package chaos

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// echo answers each line it gets with the same line.
func echo(t *testing.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	t.Cleanup(func() { l.Close(); wg.Wait() })
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer conn.Close()
				stop := context.AfterFunc(t.Context(), func() { conn.Close() })
				defer stop()
				lines := bufio.NewScanner(conn)
				for lines.Scan() {
					if _, err := conn.Write(append(lines.Bytes(), '\n')); err != nil {
						return
					}
				}
			})
		}
	})
	return l.Addr().String()
}

func openTarget(t *testing.T) *Target {
	t.Helper()
	return &Target{Name: "redis", Link: openLink(t)}
}

func openLink(t *testing.T) *Link {
	t.Helper()
	board := NewSwitchboard()
	t.Cleanup(func() {
		if err := board.Close(); err != nil {
			t.Error(err)
		}
	})
	link, err := board.Open("redis", miniredis.RunT(t).Addr(), PingRedis)
	if err != nil {
		t.Fatal(err)
	}
	return link
}

// linkSamples are the faults on links, as an author would write them.
var linkSamples = map[string]map[string]string{
	"latency":    {"by": "150ms", "jitter": "20ms"},
	"bandwidth":  {"rate": "20kB/s"},
	"slicer":     {"size": "32B", "gap": "5ms"},
	"slow-close": {"by": "150ms"},
	"hold":       nil,
	"black-hole": nil,
	"reset":      nil,
	"down":       nil,
}

func TestEveryFaultOnALinkIsFeltWhileItLastsAndOnlyThen(t *testing.T) {
	for _, k := range Kinds() {
		if k.On != OnLink {
			continue
		}
		t.Run(k.Name, func(t *testing.T) {
			t.Parallel()
			given, ok := linkSamples[k.Name]
			if !ok {
				t.Fatal("no sample of this fault: add one")
			}
			feltOnlyWhileInjected(t, openTarget(t), k.Name, given)
		})
	}
}

// feltOnlyWhileInjected measures a fault before, during and after, twice: the second time the run is canceled first.
func feltOnlyWhileInjected(t *testing.T, target *Target, inject string, given map[string]string) {
	t.Helper()
	for _, canceled := range []bool{false, true} {
		fault, err := New(inject, given)
		if err != nil {
			t.Fatal(err)
		}
		felt := func(want bool, when string) {
			t.Helper()
			patient, cancel := context.WithTimeout(t.Context(), 5*time.Second) // an engine needs a moment to notice a hang-up
			defer cancel()
			evidence, err := fault.Felt(t.Context(), target)
			for (err != nil || evidence.Felt != want) && !want && waitUntil(patient, time.Now().Add(20*time.Millisecond)) {
				evidence, err = fault.Felt(t.Context(), target)
			}
			if err != nil {
				t.Fatalf("%s: %v", when, err)
			}
			if evidence.Felt != want {
				t.Errorf("%s: felt is %v: %s", when, evidence.Felt, evidence.Text)
			}
			t.Logf("%s, %s: %s", fault, when, evidence.Text)
		}
		felt(false, "before")
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		heal, err := fault.Inject(ctx, target)
		if err != nil {
			t.Fatal(err)
		}
		felt(true, "during")
		when := "healed"
		if canceled {
			cancel()
			when = "healed after cancel"
		}
		if err := heal(context.WithoutCancel(ctx)); err != nil {
			t.Fatal(err)
		}
		felt(false, when)
	}
}

func TestHeldBytesArriveWhenTheLinkIsHealed(t *testing.T) {
	board := NewSwitchboard()
	defer board.Close()
	link, err := board.Open("echo", echo(t), PingRedis)
	if err != nil {
		t.Fatal(err)
	}
	target := &Target{Name: "echo", Link: link}
	conn, err := net.Dial("tcp", link.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	heal, err := hold{}.Inject(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("one\ntwo\n")); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	// Another fault that comes and goes on the link does not let anything through.
	slow := latency{by: time.Millisecond, direction: "answers"}
	healSlow, err := slow.Inject(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	if err := healSlow(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 8)); err == nil {
		t.Fatalf("%d bytes came through a held link", n)
	}
	if err := heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := conn.SetReadDeadline(time.Now().Add(5 * time.Second)); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(conn)
	for _, want := range []string{"one", "two"} {
		if !lines.Scan() || lines.Text() != want {
			t.Fatalf("got %q (%v), want %q", lines.Text(), lines.Err(), want)
		}
	}
}

func TestAHoldEndsThoughAReceiverHasHungUp(t *testing.T) {
	said := make(chan struct{}, 2)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer conn.Close()
				for range 6 { // a chunk of the link each
					_, _ = conn.Write(make([]byte, 40_000))
					waitUntil(t.Context(), time.Now().Add(10*time.Millisecond))
				}
				said <- struct{}{}
			}()
		}
	}()
	board := NewSwitchboard()
	defer board.Close()
	link, err := board.Open("talker", l.Addr().String(), PingGreeting)
	if err != nil {
		t.Fatal(err)
	}
	target := &Target{Name: "talker", Link: link}
	heal, err := hold{}.Inject(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", link.Addr())
	if err != nil {
		t.Fatal(err)
	}
	<-said
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil { // a reset
		t.Fatal(err)
	}
	conn.Close()
	healed := make(chan error, 1)
	go func() { healed <- heal(t.Context()) }()
	select {
	case err := <-healed:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(time.Minute):
		t.Fatal("the heal does not end")
	}
	if err := pingOnce(t.Context(), PingGreeting, link.Addr(), 0, 10*time.Second); err != nil {
		t.Errorf("nothing passes after the heal: %v", err)
	}
}

// Toxiproxy loses sight of such a connection when the toxic before it goes.
func TestAHoldEndsForAClientThatHungUpBesideAnotherFault(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	heard := make(chan string, 1)
	go func() {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		text, _ := io.ReadAll(conn) // up to the client's end
		heard <- string(text)
	}()
	board := NewSwitchboard()
	defer board.Close()
	link, err := board.Open("listener", l.Addr().String(), PingRedis)
	if err != nil {
		t.Fatal(err)
	}
	target := &Target{Name: "listener", Link: link}
	healSlow, err := latency{by: time.Millisecond, direction: "both"}.Inject(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	heal, err := hold{}.Inject(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", link.Addr())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Write([]byte("one")); err != nil {
		t.Fatal(err)
	}
	waitUntil(t.Context(), time.Now().Add(100*time.Millisecond))
	conn.Close()
	waitUntil(t.Context(), time.Now().Add(100*time.Millisecond))
	for _, heal := range []func(context.Context) error{healSlow, heal} {
		if err := heal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case text := <-heard:
		if text != "one" {
			t.Errorf("heard %q", text)
		}
	case <-time.After(5 * time.Second):
		t.Error("the connection is still open, and what was held never arrived")
	}
}

// A heal must not wait for a probe that waits for the fault.
func TestACancelEndsTheMeasuring(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and greets nobody
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- PingGreeting(ctx, l.Addr().String(), 0) }()
	waitUntil(t.Context(), time.Now().Add(50*time.Millisecond))
	cancel()
	select {
	case err := <-ended:
		if !errors.Is(err, os.ErrDeadlineExceeded) && !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits on, though nobody waits for it")
	}
}

func TestSilenceIsNoReset(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and greets nobody
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	board := NewSwitchboard()
	defer board.Close()
	link, err := board.Open("mute", l.Addr().String(), PingGreeting)
	if err != nil {
		t.Fatal(err)
	}
	evidence, err := reset{}.Felt(t.Context(), &Target{Name: "mute", Link: link})
	if err != nil || evidence.Felt || evidence.Text != "mute is silent, not reset" {
		t.Errorf("%+v, %v", evidence, err)
	}
}

func TestMistakesInAFaultNameWhatIsAccepted(t *testing.T) {
	tests := []struct {
		name, inject string
		given        map[string]string
		want         string
	}{
		{"no such fault", "lateny", nil, "there are latency, bandwidth, slicer, slow-close, hold, black-hole, reset, down, kill"},
		{"no such parameter", "latency", map[string]string{"bye": "1s"}, "bye: no such parameter of latency; accepted: by, direction, jitter"},
		{"a parameter where there is none", "hold", map[string]string{"by": "1s"}, "accepted: none"},
		{"a missing parameter", "latency", nil, "by: latency needs it"},
		{"no duration", "latency", map[string]string{"by": "soon"}, `by: "soon" is no duration`},
		{"a word that is none of those", "latency", map[string]string{"by": "1s", "direction": "up"}, `direction: no such value: "up"; accepted: answers, requests, both`},
		{"a rate without its unit", "bandwidth", map[string]string{"rate": "64kB"}, `rate: "64kB" is no figure like 64kB/s`},
		{"a rate that could not be measured", "bandwidth", map[string]string{"rate": "5MB/s"}, "rate: 5MB/s is not between 1kB/s and 1MB/s"},
		{"half a connection", "connections", map[string]string{"left": "1.5"}, `left: "1.5" is no whole number`},
		{"a table's name that is a statement", "row-lock", map[string]string{"table": "a; DROP TABLE b"}, "is no name of a table"},
		{"two locks on one table", "deadlock", map[string]string{"first": "a", "then": "a"}, "then: is a as well"},
		{"a policy that Redis has not", "evict", map[string]string{"policy": "lru"}, `policy: no such value: "lru"; accepted: allkeys-lru`},
		{"more pause than time", "stall", map[string]string{"by": "1s", "every": "500ms"}, "every: 500ms is less than by, 1s"},
		{"no time to start", "restart", map[string]string{"every": "10ms"}, "every: 10ms leaves no time to start"},
		{"no share of a CPU", "limit-cpu", map[string]string{"cpus": "10%"}, `cpus: "10%" is no figure like 0.25`},
		{"more CPUs than there are", "limit-cpu", map[string]string{"cpus": "65"}, "cpus: 65 is not between 0.01 and 64"},
		{"less memory than an engine takes", "limit-memory", map[string]string{"limit": "6MB"}, "limit: 6MB is not between 8MB and"},
		{"a clock that is hardly wrong", "clock-skew", map[string]string{"by": "-1s"}, "by: -1s can not be told from the right time"},
		{"more jitter than latency", "latency", map[string]string{"by": "1ms", "jitter": "2ms"}, "jitter: 2ms is not between 0s and 500µs"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.inject, tt.given)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestALinkAwayFromLoopbackIsRefused(t *testing.T) {
	board := NewSwitchboard()
	for _, addr := range []string{"192.0.2.1:80", "example.com:80", "nonsense"} {
		if _, err := board.Open("far", addr, PingHTTP); err == nil {
			t.Errorf("%s was taken", addr)
		}
	}
}

// notes is a witness that remembers.
type notes struct {
	mu   sync.Mutex
	list []string
	felt chan struct{}
}

func (n *notes) add(s string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.list = append(n.list, s)
}

func (n *notes) Injected(e Entry) { n.add("on " + e.ID) }
func (n *notes) Felt(e Entry, ev Evidence) {
	if ev.Felt {
		n.add("felt " + e.ID)
	} else {
		n.add("not felt " + e.ID + ": " + ev.Text)
	}
	if n.felt != nil {
		n.felt <- struct{}{}
	}
}

func (n *notes) Healed(e Entry, err error) {
	if err != nil {
		n.add("heal failed " + e.ID)
		return
	}
	n.add("off " + e.ID)
}

func TestOverlappingFaultsAreAllHealedInTheirTime(t *testing.T) {
	one, two := openTarget(t), openTarget(t)
	w := &notes{}
	err := Play(t.Context(), []Entry{
		{ID: "slow", Fault: latency{by: 60 * time.Millisecond, direction: "answers"}, Target: one, For: time.Second},
		{ID: "held", Fault: hold{}, Target: two, At: 100 * time.Millisecond, For: 1200 * time.Millisecond},
	}, w)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"on slow", "felt slow", "off slow", "on held", "felt held", "off held"} {
		if !slices.Contains(w.list, want) {
			t.Errorf("no %q in %q", want, w.list)
		}
	}
	if err := pingOnce(t.Context(), PingRedis, two.Link.Addr(), 0, time.Second); err != nil {
		t.Errorf("the held link does not answer after all: %v", err)
	}
}

// A slow fault is measured until it is told to stop.
type slow struct{ hold }

func (slow) Felt(ctx context.Context, _ *Target) (Evidence, error) {
	<-ctx.Done()
	return Evidence{Text: "nothing so far"}, nil
}

func TestMeasuringMakesNoFaultLonger(t *testing.T) {
	w := &notes{}
	err := Play(t.Context(), []Entry{{ID: "it", Fault: slow{}, Target: openTarget(t), For: 50 * time.Millisecond}}, w)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"on it", "not felt it: it was over after 50ms, before it was felt: nothing so far", "off it"}
	if !slices.Equal(w.list, want) {
		t.Errorf("got %q, want %q", w.list, want)
	}
}

func TestCancelHealsWhatWasInjected(t *testing.T) {
	target := openTarget(t)
	w := &notes{felt: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		done <- Play(ctx, []Entry{
			{ID: "gone", Fault: down{}, Target: target},
			{ID: "never", Fault: hold{}, Target: target, At: time.Hour},
		}, w)
	}()
	<-w.felt
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if want := []string{"on gone", "felt gone", "off gone"}; !slices.Equal(w.list, want) {
		t.Errorf("got %q, want %q", w.list, want)
	}
	if err := pingOnce(t.Context(), PingRedis, target.Link.Addr(), 0, time.Second); err != nil {
		t.Errorf("the link does not answer after its heal: %v", err)
	}
}
