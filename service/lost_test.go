package service_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// commandStore has one command. Its first answer to SendCommand is lost after it took effect.
type commandStore struct {
	service.Store
	command  service.Command
	answered bool
}

func (s *commandStore) SendCommand(context.Context, string, time.Time) (bool, error) {
	moved := s.command.State == service.Queued
	s.command.State = service.Sent
	if !s.answered {
		s.answered = true
		return false, errors.New("invalid connection")
	}
	return moved, nil
}

func (s *commandStore) LostCommand(context.Context, string) (service.Command, error) {
	if s.command.State != service.Sent {
		return service.Command{}, service.ErrNotFound
	}
	return s.command, nil
}

func (s *commandStore) ResendCommand(context.Context, service.Command, time.Time) (bool, error) {
	return true, nil
}

// oncePushed holds the command's push once.
type oncePushed struct {
	service.PushQueue
	list []service.Command
}

func (q *oncePushed) Pop(context.Context, string) (c service.Command, found bool, err error) {
	if len(q.list) > 0 {
		c, q.list, found = q.list[0], q.list[1:], true
	}
	return c, found, nil
}

// The database sent the command and could not say so. The machine polls as before, and gets it.
func TestACommandWhoseSendingWasNotAnsweredIsFoundByTheNextPoll(t *testing.T) {
	store := &commandStore{}
	queue := &oncePushed{}
	n := service.NewNotifier(service.Parts{
		Store: store, Pushes: queue, Metrics: service.NewMetrics(), Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	// A poll before, so that the notifier knows what the machine has.
	if _, _, found, err := n.Poll(t.Context(), "m1", "", 0); found || err != nil {
		t.Fatalf("found %v, %v", found, err)
	}
	store.command = service.Command{ID: "c1", OrderID: "o1", MachineID: "m1", Kind: service.Dispense, State: service.Queued}
	queue.list = []service.Command{store.command}
	if _, _, _, err := n.Poll(t.Context(), "m1", "", 0); err == nil {
		t.Fatal("no error, although the database did not answer")
	}
	if c, _, found, err := n.Poll(t.Context(), "m1", "", 0); !found || err != nil || c.ID != "c1" {
		t.Errorf("the next poll: %+v, found %v, %v", c, found, err)
	}
}

// hangingQueue is a Redis that takes connections and answers nothing.
type hangingQueue struct{ service.PushQueue }

func (hangingQueue) Push(ctx context.Context, _ service.Command) error {
	<-ctx.Done()
	return ctx.Err()
}

// unfetchedStore has a command that no machine fetched.
type unfetchedStore struct{ jobStore }

func (*unfetchedStore) UnfetchedCommands(context.Context, time.Time, time.Time, int) ([]service.Command, error) {
	return []service.Command{{ID: "c1", MachineID: "m1", Kind: service.Dispense}}, nil
}

// A hurriedWaker counts the calls, and those that had no time left.
type hurriedWaker struct{ called, late int }

func (w *hurriedWaker) Wake(ctx context.Context, _, _ string) error {
	if w.called++; ctx.Err() != nil {
		w.late++
	}
	return ctx.Err()
}

// The notifier can be woken without Redis, also when Redis hangs instead of refusing.
func TestAQueueThatHangsLeavesTimeForTheWakeUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		waker := &hurriedWaker{}
		jobs := service.NewJobs(service.Parts{
			Profile: service.Default().Switches, Store: &unfetchedStore{}, Pushes: hangingQueue{}, Metrics: service.NewMetrics(),
			Log: slog.New(slog.DiscardHandler), Now: time.Now,
		}, waker)
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		jobs.Run(ctx)
		if waker.called == 0 || waker.late != 0 {
			t.Errorf("%d wake-ups, %d of them too late", waker.called, waker.late)
		}
	})
}
