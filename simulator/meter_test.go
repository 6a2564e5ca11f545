package simulator

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestAMeterAddsUpAServiceThatIsStartedAgain(t *testing.T) {
	type told struct {
		cpu time.Duration
		rss int64
		err error
	}
	readings := []struct {
		told
		want time.Duration
		anew bool
	}{
		{told: told{cpu: 2 * time.Second, rss: 100}, want: 2 * time.Second},
		{told: told{cpu: 5 * time.Second, rss: 300}, want: 5 * time.Second},
		{told: told{err: errors.New("gone")}, want: 5 * time.Second},
		{told: told{cpu: time.Second, rss: 50}, want: 5 * time.Second, anew: true},
		{told: told{cpu: 4 * time.Second, rss: 80}, want: 8 * time.Second},
	}
	n := 0
	m := &meter{ask: func(context.Context) (time.Duration, int64, error) {
		r := readings[n]
		return r.cpu, r.rss, r.err
	}}
	for ; n < len(readings); n++ {
		got, err := m.read(t.Context())
		if want := readings[n]; got.cpu != want.want || got.anew != want.anew || (err == nil) != (want.err == nil) {
			t.Errorf("reading %d: %+v, %v; want %s, %v, anew %v", n, got, err, want.want, want.err, want.anew)
		}
	}
	if m.mostResident() != 300 {
		t.Errorf("most resident %d bytes, want 300", m.mostResident())
	}
	if _, err := new(meter).read(t.Context()); err == nil {
		t.Error("a meter that nobody can ask knows something")
	}
}
