package rediscache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lunchrush/lunchrush/service"
)

// wakeups is the channel on which every notifier hears which machine has something to fetch.
const wakeups = "lr:wake"

// listTTL forgets the list of a machine that never comes back. What was in it is pushed again from the database.
const listTTL = 10 * time.Minute

func listKey(machineID string) string { return "lr:push:" + machineID }

// PushQueue is a list of commands per machine.
type PushQueue struct{ client *redis.Client }

var _ service.PushQueue = (*PushQueue)(nil)

// NewPushQueue makes a queue at host:port; it does not connect yet.
func NewPushQueue(address string) *PushQueue { return &PushQueue{redis.NewClient(options(address))} }

// element is a command as the list holds it: whole, so that a poll needs no read of the database.
type element struct {
	ID      string `json:"c"`
	OrderID string `json:"o"`
	Slot    int    `json:"s"`
	Kind    string `json:"k"`
}

// Push appends a command, once however often it is pushed, and wakes the notifiers: one round trip.
func (q *PushQueue) Push(ctx context.Context, c service.Command) error {
	text, err := json.Marshal(element{c.ID, c.OrderID, c.Slot, c.Kind})
	if err != nil {
		return err
	}
	_, err = q.client.Pipelined(ctx, func(p redis.Pipeliner) error {
		key := listKey(c.MachineID)
		p.LRem(ctx, key, 0, text)
		p.LPush(ctx, key, text)
		p.Expire(ctx, key, listTTL)
		p.Publish(ctx, wakeups, c.MachineID)
		return nil
	})
	return err
}

// Pop takes the oldest command.
func (q *PushQueue) Pop(ctx context.Context, machineID string) (service.Command, bool, error) {
	text, err := q.client.RPop(ctx, listKey(machineID)).Bytes()
	if errors.Is(err, redis.Nil) {
		return service.Command{}, false, nil
	}
	if err != nil {
		return service.Command{}, false, err
	}
	var e element
	if err := json.Unmarshal(text, &e); err != nil {
		return service.Command{}, false, fmt.Errorf("push queue of machine %s: %w", machineID, err)
	}
	return service.Command{ID: e.ID, OrderID: e.OrderID, MachineID: machineID, Slot: e.Slot, Kind: e.Kind, State: service.Queued}, true, nil
}

// Listen hears the wake-ups until ctx ends. The client subscribes anew when the connection breaks; what was published
// meanwhile is found by the machines' next polls.
func (q *PushQueue) Listen(ctx context.Context, wake func(machineID string)) error {
	sub := q.client.Subscribe(ctx, wakeups)
	defer sub.Close()
	if _, err := sub.Receive(ctx); err != nil {
		return err
	}
	messages := sub.Channel(redis.WithChannelSize(1000))
	for {
		select {
		case <-ctx.Done():
			return nil
		case m, ok := <-messages:
			if !ok {
				return errors.New("subscription closed")
			}
			wake(m.Payload)
		}
	}
}

// Ping asks whether Redis answers.
func (q *PushQueue) Ping(ctx context.Context) error { return q.client.Ping(ctx).Err() }

// Close closes the connections.
func (q *PushQueue) Close() error { return q.client.Close() }
