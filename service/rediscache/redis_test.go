package rediscache_test

import (
	"context"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/rediscache"
)

func TestTheCacheForgetsInTime(t *testing.T) {
	server := miniredis.RunT(t)
	c := rediscache.NewCache(server.Addr())
	defer c.Close()
	ctx := t.Context()
	if _, found, err := c.Get(ctx, "k"); found || err != nil {
		t.Fatal(found, err)
	}
	for _, k := range []string{"k", "l"} {
		if err := c.Put(ctx, k, "v", time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if v, found, err := c.Get(ctx, "k"); v != "v" || !found || err != nil {
		t.Fatal(v, found, err)
	}
	if err := c.Drop(ctx, "k", "never"); err != nil {
		t.Fatal(err)
	}
	if err := c.Drop(ctx); err != nil {
		t.Errorf("dropping nothing: %v", err)
	}
	if _, found, _ := c.Get(ctx, "k"); found {
		t.Error("dropped and there")
	}
	server.FastForward(2 * time.Minute)
	if _, found, _ := c.Get(ctx, "l"); found {
		t.Error("there after its time")
	}
	server.Close()
	if _, _, err := c.Get(ctx, "k"); err == nil {
		t.Error("no error of a dead server")
	}
}

func command(id string) service.Command {
	return service.Command{ID: id, OrderID: "o-" + id, MachineID: "m1", Slot: 3, Kind: service.Dispense, State: service.Queued}
}

func TestPushesComeInOrderAndOnce(t *testing.T) {
	server := miniredis.RunT(t)
	q := rediscache.NewPushQueue(server.Addr())
	defer q.Close()
	ctx := t.Context()
	for _, id := range []string{"a", "b", "a"} { // the last is a job's second push
		if err := q.Push(ctx, command(id)); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"b", "a"} {
		if c, found, err := q.Pop(ctx, "m1"); c != command(id) || !found || err != nil {
			t.Errorf("%+v %v %v", c, found, err)
		}
	}
	if _, found, err := q.Pop(ctx, "m1"); found || err != nil {
		t.Error("a third", found, err)
	}
	if _, _, err := q.Pop(ctx, "m2"); err != nil {
		t.Error(err)
	}
}

func TestAPushWakes(t *testing.T) {
	server := miniredis.RunT(t)
	q := rediscache.NewPushQueue(server.Addr())
	defer q.Close()
	ctx, cancel := context.WithCancel(t.Context())
	woken, ended := make(chan string, 10), make(chan error, 1)
	go func() { ended <- q.Listen(ctx, func(id string) { woken <- id }) }()
	for heard := false; !heard; {
		if err := q.Push(ctx, command("a")); err != nil {
			t.Fatal(err)
		}
		select {
		case id := <-woken:
			if id != "m1" {
				t.Errorf("woken for %s", id)
			}
			heard = true
		case <-time.After(10 * time.Millisecond): // not subscribed yet
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
