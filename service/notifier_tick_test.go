package service

import (
	"testing"
	"time"
)

func TestPollsThatFindNothingEndTogether(t *testing.T) {
	at := func(d time.Duration) time.Time { return time.Date(2017, 8, 4, 11, 56, 0, 0, time.UTC).Add(d) }
	tests := []struct {
		name            string
		now, wait, want time.Duration
	}{
		{"on the grid the wait is whole", 0, 25 * time.Second, 25 * time.Second},
		{"beside it, it ends on the grid before", 30 * time.Millisecond, 25 * time.Second, 25*time.Second - 30*time.Millisecond},
		{"never by more than the grid", 50*time.Millisecond - 1, 25 * time.Second, 25*time.Second - 50*time.Millisecond + 1},
		{"a short wait keeps its length", 30 * time.Millisecond, 999 * time.Millisecond, 999 * time.Millisecond},
		{"none stays none", 30 * time.Millisecond, 0, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := untilTick(at(test.now), test.wait); got != test.want {
				t.Errorf("waits %s, want %s", got, test.want)
			}
		})
	}
}
