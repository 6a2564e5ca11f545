package chaos

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A reluctant process ends, and its Stop is an error all the same.
type reluctant struct{ *child }

var errReluctant = errors.New("it went its own way")

func (p reluctant) Stop(ctx context.Context) error {
	return errors.Join(p.child.Stop(ctx), errReluctant)
}

func TestARestartStartsWhatHasEndedHoweverItsStopWent(t *testing.T) {
	c := startChild(t)
	first, _ := c.Running()
	fault, err := New("restart", nil)
	if err != nil {
		t.Fatal(err)
	}
	heal, err := fault.Inject(t.Context(), &Target{Name: "redis", Process: reluctant{c}})
	if err != nil {
		t.Fatal(err)
	}
	patient, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for {
		if since, ok := c.Running(); ok && since.After(first) {
			break
		}
		if !waitUntil(patient, time.Now().Add(5*time.Millisecond)) {
			t.Error("it stays away while the fault lasts")
			break
		}
	}
	if err := heal(t.Context()); !errors.Is(err, errReluctant) {
		t.Errorf("its heal says %v, and not what was wrong with the stop", err)
	}
}
