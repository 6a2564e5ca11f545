package simulator

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

// A machine knows when it asked and how long the service let it wait: a command that was long on its way is not started, whatever the
// machine can not see of the way.
func TestWhenACommandIsTooLateToStart(t *testing.T) {
	const second = time.Second
	ms := func(d time.Duration) *int64 { n := d.Milliseconds(); return &n }
	tests := []struct {
		name   string
		c      command
		now    time.Duration
		expiry time.Duration // -1 never
	}{
		{"sent at once and here at once", command{TTLMS: ttl(20 * second), WaitedMS: ms(0), asked: 60 * second}, 60 * second, 80 * second},
		{
			"sent after the poll had waited",
			command{TTLMS: ttl(20 * second), WaitedMS: ms(24 * second), asked: 60 * second},
			84 * second, 104 * second,
		},
		{"45 s under way", command{TTLMS: ttl(20 * second), WaitedMS: ms(0), asked: 60 * second}, 105 * second, 80 * second},
		{"a service that does not tell: from receipt", command{TTLMS: ttl(20 * second), asked: 60 * second}, 105 * second, 125 * second},
		{
			"a wait that can not be true lengthens nothing",
			command{TTLMS: ttl(20 * second), WaitedMS: ms(time.Hour), asked: 60 * second},
			61 * second, 81 * second,
		},
		{"one without a time to live", command{WaitedMS: ms(0), asked: 60 * second}, 105 * second, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.c.expires(tt.now); got != tt.expiry {
				t.Errorf("expires at %s, want %s", got, tt.expiry)
			}
		})
	}
}

func TestAnAnswerThatWasLongOnItsWayStartsNothing(t *testing.T) {
	for _, late := range []time.Duration{0, 21 * time.Second} {
		t.Run(fmt.Sprintf("%s late", late), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				tn := newTown(t, fleetScenario(0), PlanOrder{Key: "o1", Device: DeviceDispenses, Takes: time.Second})
				defer tn.close()
				time.Sleep(time.Second)
				// Every machine's poll began at 0 s, at the latest 3 ms later. The command is stamped now, and its answer leaves late.
				stamped := (time.Second - 10*time.Millisecond).Milliseconds()
				time.Sleep(late)
				tn.shop.command("m00001", command{ID: "c1", Order: "o1", Kind: "dispense", Slot: 1, TTLMS: ttl(20 * time.Second), WaitedMS: &stamped})
				time.Sleep(10 * time.Second)
				dropped, refused := len(tn.booked(runlog.MachineDropped)), tn.booked(runlog.MachineRefused)
				if late == 0 && (dropped != 1 || len(refused) != 0) || late > 0 && (dropped != 0 || len(refused) != 1 || refused[0].Note != "expired") {
					t.Errorf("%d drops, refused %+v", dropped, refused)
				}
			})
		})
	}
}
