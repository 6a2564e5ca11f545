package harness

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lunchrush/lunchrush/chaos"
	"github.com/lunchrush/lunchrush/internal/testbed"
)

func TestAServiceThatIsKilledAfterTheRunIsANoteAndEveryOtherErrorStays(t *testing.T) {
	other := errors.New("the engine does not answer")
	front, gate := &testbed.Killed{Part: "front-1"}, &testbed.Killed{Part: "gate-2"}
	const busy = " was still busy when the run was over and had been counted; it was killed"
	tests := []struct {
		name  string
		err   error
		notes []string
		rest  error
	}{
		{"it stopped", nil, nil, nil},
		{"one process was killed", front, []string{"front-1" + busy}, nil},
		{"two of a topology were", errors.Join(nil, errors.Join(front, gate)), []string{"front-1" + busy, "gate-2" + busy}, nil},
		{"one was, and something else went wrong", errors.Join(front, other), []string{"front-1" + busy}, other},
		{"something else went wrong", other, nil, other},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			notes, rest := sortKilled(tt.err)
			if !slices.Equal(notes, tt.notes) {
				t.Errorf("notes %q, want %q", notes, tt.notes)
			}
			if tt.rest == nil && rest != nil || tt.rest != nil && !errors.Is(rest, tt.rest) {
				t.Errorf("left: %v, want %v", rest, tt.rest)
			}
			var killed *testbed.Killed
			if errors.As(rest, &killed) {
				t.Errorf("%v is still an error", killed)
			}
		})
	}
}

// The instance that a fault adds is stopped when it is healed, and the others are started again.
func TestWhatHasToBeKilledWhenAFaultStopsItIsStartedAgainAndIsANote(t *testing.T) {
	f := new(faults)
	town := new(town)
	stubborn := func(name string) *part {
		return newPart(&part{
			name: name,
			halt: func(_ context.Context, i testbed.Instance) error {
				return errors.Join(i.Kill(), &testbed.Killed{Part: name})
			},
			start: func(context.Context) (testbed.Instance, error) { return newPaperPart(), nil },
		}, newPaperPart())
	}
	one, two, added := stubborn("front-1"), stubborn("front-2"), stubborn("front-3")
	f.parts = []*part{two, one}
	for _, p := range []*part{one, two, added} {
		town.instances = append(town.instances, &instance{part: p})
	}
	clock := &chaos.Clock{Set: func(time.Duration) {}}
	warmth := &chaos.Warmth{Chill: func(time.Duration, int, int) error { return nil }, Warm: func() {}}
	for _, tt := range []struct {
		inject string
		given  map[string]string
		target *chaos.Target
	}{
		{"restart", nil, &chaos.Target{Name: "front-1", Process: one}},
		{"cold-start", map[string]string{"by": "10ms"}, &chaos.Target{Name: "front-1", Process: one, Warmth: warmth}},
		{"clock-skew", map[string]string{"by": "10m"}, &chaos.Target{Name: "front-2", Process: two, Clock: clock}},
	} {
		fault, err := chaos.New(tt.inject, tt.given)
		if err != nil {
			t.Fatal(err)
		}
		heal, err := fault.Inject(t.Context(), tt.target)
		if err != nil {
			t.Errorf("%s: %v", tt.inject, err)
			continue
		}
		if err := heal(t.Context()); err != nil {
			t.Errorf("%s: healing: %v", tt.inject, err)
		}
		if _, ok := tt.target.Process.Running(); !ok {
			t.Errorf("%s: it does not run after all", tt.inject)
		}
	}
	if err := added.Stop(t.Context()); err != nil {
		t.Errorf("taking away what was added: %v", err)
	}
	const killed = " did not end in time when a fault stopped it, and was killed"
	want := []string{"front-1" + killed + ", 2 times", "front-2" + killed + ", 2 times", "front-3" + killed}
	if got := f.stubborn(town); !slices.Equal(got, want) {
		t.Errorf("notes %q, want %q", got, want)
	}
	left := (*testbed.Killed)(nil)
	if err := one.end(t.Context()); !errors.As(err, &left) {
		t.Errorf("the last stop says %v, not that it had to be killed", err)
	}
	if got := f.stubborn(town); !slices.Equal(got, want) {
		t.Errorf("the last stop is no fault's: %q", got)
	}
}
