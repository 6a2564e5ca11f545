package mysqlstore_test

import (
	"errors"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
	"github.com/lunchrush/lunchrush/service/mysqlstore"
)

// queued is a command for machine "m" that was not given to it.
func queued(t *testing.T, store *mysqlstore.Store, now time.Time) service.Command {
	t.Helper()
	o := newOrder(now)
	c := commandFor(o, now)
	must(t, store.CreateOrder(t.Context(), o, false))
	moved, err := store.Settle(t.Context(), paymentFor(o), c, now, 0)
	if err != nil || !moved {
		t.Fatal(moved, err)
	}
	return c
}

func send(t *testing.T, store *mysqlstore.Store, c service.Command) {
	t.Helper()
	if moved, err := store.SendCommand(t.Context(), c.ID); err != nil || !moved {
		t.Fatal(moved, err)
	}
}

// What a machine was given again, it may start later than whoever read the command before thinks.
func TestACommandGivenAgainIsNotCancelledByAnOldLook(t *testing.T) {
	store, _ := open(t)
	ctx, now := t.Context(), time.Now()
	c := queued(t, store, now)
	cancel := c
	cancel.ID, cancel.Kind = service.CancelID(c.OrderID), service.Cancel
	send(t, store, c)
	old, err := store.Command(ctx, c.ID)
	must(t, err)
	lost, err := store.LostCommand(ctx, "m")
	if err != nil || lost.ID != c.ID {
		t.Fatalf("%+v %v", lost, err)
	}
	if moved, err := store.ResendCommand(ctx, lost); err != nil || !moved {
		t.Fatal(moved, err)
	}
	if moved, err := store.CancelSent(ctx, old, cancel, now); err != nil || moved {
		t.Error("cancelled by an old look:", moved, err)
	}
	fresh, err := store.Command(ctx, c.ID)
	must(t, err)
	if moved, err := store.CancelSent(ctx, fresh, cancel, now); err != nil || !moved {
		t.Error("not cancelled:", moved, err)
	}
	if _, err := store.LostCommand(ctx, "m"); !errors.Is(err, service.ErrNotFound) {
		t.Error("a command that is being cancelled would be given again:", err)
	}
}

// A quick machine contradicts within the millisecond in which its command was sent: it gets it all the same.
func TestACommandIsGivenAgainWithinItsMillisecond(t *testing.T) {
	store, db := open(t)
	ctx := t.Context()
	c := queued(t, store, time.Now())
	send(t, store, c)
	// The clock stands still: the stamp is never behind it.
	_, err := db.ExecContext(ctx, `UPDATE commands SET sent_ms = sent_ms + 60000`)
	must(t, err)
	lost, err := store.LostCommand(ctx, "m")
	must(t, err)
	if moved, err := store.ResendCommand(ctx, lost); err != nil || !moved {
		t.Error("not given again:", moved, err)
	}
	if again, err := store.LostCommand(ctx, "m"); err != nil || again.SentMS != lost.SentMS+1 {
		t.Error("stamped ahead of the clock, and not found any more:", again, err)
	}
	if moved, err := store.ResendCommand(ctx, lost); err != nil || moved {
		t.Error("given again by two looks:", moved, err)
	}
}

// A machine knows its last command only. Whatever the stamps say, an older one would fall twice.
func TestOnlyTheLastCommandIsGivenAgain(t *testing.T) {
	tests := []struct {
		name  string
		apart time.Duration // of the second's stamp from the first's
	}{
		{"two in one millisecond", 0},
		{"the second by a clock that was set back", -time.Minute},
		{"the second later", time.Minute},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			store, db := open(t)
			ctx := t.Context()
			first, second := queued(t, store, time.Now()), queued(t, store, time.Now())
			send(t, store, first)
			look, err := store.LostCommand(ctx, "m")
			must(t, err)
			send(t, store, second)
			_, err = db.ExecContext(ctx, `UPDATE commands SET sent_ms = ? WHERE command_id = ?`, look.SentMS+test.apart.Milliseconds(), second.ID)
			must(t, err)
			if moved, err := store.ResendCommand(ctx, look); err != nil || moved {
				t.Error("the first is given again after a look before the second was given:", moved, err)
			}
			if lost, err := store.LostCommand(ctx, "m"); err != nil || lost.ID != second.ID {
				t.Errorf("would be given again: %+v %v, want the second", lost, err)
			}
			if _, err := store.Dispensed(ctx, second, time.Now()); err != nil {
				t.Fatal(err)
			}
			if lost, err := store.LostCommand(ctx, "m"); !errors.Is(err, service.ErrNotFound) {
				t.Errorf("the second fell, and the first would be given again: %+v %v", lost, err)
			}
		})
	}
}

// The refund timer judges by the clock that stamped.
func TestCommandsAreStampedByTheClockThatIsTold(t *testing.T) {
	store, _ := open(t)
	ctx := t.Context()
	c := queued(t, store, time.Now())
	before, err := store.Clock(ctx)
	must(t, err)
	send(t, store, c)
	after, err := store.Clock(ctx)
	must(t, err)
	c, err = store.Command(ctx, c.ID)
	must(t, err)
	if sent := time.UnixMilli(c.SentMS); sent.Before(before) || sent.After(after) {
		t.Errorf("stamped %s, between %s and %s", sent, before, after)
	}
	if off := time.Until(after).Abs(); off > time.Minute {
		t.Errorf("the clock of this machine's database is %s off", off)
	}
}
