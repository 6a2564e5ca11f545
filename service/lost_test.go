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

// commandStore has the machine's last command. A sending may have its effect, and then do what sent says.
type commandStore struct {
	service.Store
	command service.Command
	sent    func() error // nil: it is answered
}

func (s *commandStore) SendCommand(context.Context, string) (bool, error) {
	moved := s.command.State == service.Queued
	s.command.State = service.Sent
	if s.sent != nil {
		return moved, s.sent()
	}
	return moved, nil
}

func (s *commandStore) LostCommand(context.Context, string) (service.Command, error) {
	if s.command.State != service.Sent {
		return service.Command{}, service.ErrNotFound
	}
	return s.command, nil
}

func (s *commandStore) ResendCommand(context.Context, service.Command) (bool, error) {
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

var firstCommand = service.Command{ID: "c1", OrderID: "o1", MachineID: "m1", Kind: service.Dispense, State: service.Queued}

// lineTo is a notifier that knows what the machine m1 has: nothing.
func lineTo(t *testing.T, store service.Store, queue service.PushQueue) *service.Notifier {
	t.Helper()
	n := service.NewNotifier(service.Parts{
		Store: store, Pushes: queue, Metrics: service.NewMetrics(), Log: slog.New(slog.DiscardHandler), Now: time.Now,
	})
	if _, _, found, err := n.Poll(t.Context(), "m1", "", 0); found || err != nil {
		t.Fatalf("found %v, %v", found, err)
	}
	return n
}

func findsTheFirst(t *testing.T, n *service.Notifier) {
	t.Helper()
	if c, _, found, err := n.Poll(t.Context(), "m1", "", 0); !found || err != nil || c.ID != "c1" {
		t.Errorf("the next poll: %+v, found %v, %v", c, found, err)
	}
}

// The database sent the command and could not say so. The machine polls as before, and gets it.
func TestACommandWhoseSendingWasNotAnsweredIsFoundByTheNextPoll(t *testing.T) {
	store := &commandStore{}
	queue := &oncePushed{}
	n := lineTo(t, store, queue)
	store.command, queue.list = firstCommand, []service.Command{firstCommand}
	store.sent = func() error { return errors.New("invalid connection") }
	if _, _, _, err := n.Poll(t.Context(), "m1", "", 0); err == nil {
		t.Fatal("no error, although the database did not answer")
	}
	findsTheFirst(t, n)
}

// The machine was given a command by another process, which died with the answer. It comes back here and knows of nothing, as
// before: that there was a command, this process has heard.
func TestWhatAnotherProcessLostIsFoundByTheNextPoll(t *testing.T) {
	store := &commandStore{}
	n := lineTo(t, store, &oncePushed{})
	n.WakeMachine("m1") // while it waits elsewhere
	store.command = firstCommand
	store.command.State = service.Sent
	findsTheFirst(t, n)
}

// The machine's line breaks here, it is given a command elsewhere, and that answer is lost.
func TestWhatWasLostElsewhereAfterTheLineBrokeIsFound(t *testing.T) {
	store := &commandStore{}
	n := lineTo(t, store, &oncePushed{})
	gone, hangUp := context.WithCancel(t.Context())
	hangUp()
	if _, _, found, err := n.Poll(gone, "m1", "", time.Minute); found || err != nil {
		t.Fatalf("found %v, %v", found, err)
	}
	store.command = firstCommand
	store.command.State = service.Sent
	findsTheFirst(t, n)
}

// The machine's line breaks while its command is being sent, and its new poll waits already when that has happened: nobody
// hears the old poll's answer, whether the database could say so or not.
func TestACommandThatWasGivenToAPollThatWasReplacedIsGivenToTheNewOne(t *testing.T) {
	for _, test := range []struct {
		name string
		err  error
	}{{"the sending was answered", nil}, {"and was not", errors.New("invalid connection")}} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &commandStore{}
				queue := &oncePushed{}
				n := lineTo(t, store, queue)
				anew := make(chan service.Command, 1)
				store.command, queue.list = firstCommand, []service.Command{firstCommand}
				store.sent = func() error {
					store.command.State = service.Queued // not committed yet: the new poll finds nothing
					go func() {
						c, _, _, err := n.Poll(t.Context(), "m1", "", time.Minute)
						if err != nil {
							t.Error(err)
						}
						anew <- c
					}()
					synctest.Wait()
					store.command.State = service.Sent
					return test.err
				}
				_, _, _, _ = n.Poll(t.Context(), "m1", "", 0)
				began := time.Now()
				if c := <-anew; c.ID != "c1" || time.Since(began) > time.Second {
					t.Errorf("the new poll was answered with %q after %s", c.ID, time.Since(began))
				}
			})
		})
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

// The machine's line broke without a word: its old poll waits on at another process, and its new one here. A push wakes both, and the old
// one takes it.
func TestWhatAPushGaveToTheMachinesOldPollElsewhereIsFoundByItsNewOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &commandStore{}
		n := lineTo(t, store, &oncePushed{}) // what the push held is taken already
		found := make(chan bool, 1)
		go func() {
			c, _, ok, err := n.Poll(t.Context(), "m1", "", 30*time.Second)
			found <- ok && err == nil && c.ID == "c1"
		}()
		synctest.Wait()
		store.command = firstCommand
		store.command.State = service.Sent
		n.WakeMachine("m1")
		if began := time.Now(); !<-found || time.Since(began) > time.Second {
			t.Errorf("it is not given the command, or only after %s", time.Since(began))
		}
	})
}
