package mysqlstore_test

import (
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/service"
)

// Two payments of one order: one was voided and waits for remedy, the other was found by a query meanwhile.
func TestAnOpenRemedyOrderStaysOpen(t *testing.T) {
	store, _ := open(t)
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Millisecond)
	paid := service.Payment{OrderID: "o", Channel: service.WeChat}
	must(t, store.RaiseRemedy(ctx, paid, service.BecauseVoid, false, now))
	must(t, store.RaiseRemedy(ctx, paid, service.BecauseUntold, true, now))
	due, err := store.DueRemedies(ctx, service.WeChat, now, 10)
	must(t, err)
	if len(due) != 1 || due[0].Reason != service.BecauseVoid {
		t.Fatalf("due: %+v", due)
	}
	r := due[0]
	if moved, err := store.ClaimRemedy(ctx, &r, now, now.Add(time.Minute)); err != nil || !moved {
		t.Fatal(moved, err)
	}
	must(t, store.RaiseRemedy(ctx, paid, service.BecauseVoid, false, now.Add(time.Second))) // voided while it is worked on
	must(t, store.RemedyDone(ctx, r, now))
	due, err = store.DueRemedies(ctx, service.WeChat, now.Add(time.Second), 10)
	must(t, err)
	if len(due) != 1 {
		t.Fatal("a payment voided meanwhile is forgotten")
	}
	r = due[0]
	_, err = store.ClaimRemedy(ctx, &r, now, now.Add(time.Minute))
	must(t, err)
	must(t, store.RemedyDone(ctx, r, now))
	if due, err = store.DueRemedies(ctx, service.WeChat, now.Add(time.Hour), 10); err != nil || len(due) != 0 {
		t.Errorf("not ended: %+v %v", due, err)
	}
	must(t, store.RaiseRemedy(ctx, paid, service.BecauseVoid, false, now))
	if due, err = store.DueRemedies(ctx, service.WeChat, now, 10); err != nil || len(due) != 1 {
		t.Errorf("not opened again: %+v %v", due, err)
	}
}
