package harness

import (
	"errors"
	"slices"
	"testing"

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
