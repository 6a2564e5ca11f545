package chaos

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A busy machine adds to most exchanges, whether they meet the fault or not.
func TestABusyMachineNeitherHidesADelayNorMakesOneUp(t *testing.T) {
	const itself, busy = time.Millisecond, 50 * time.Millisecond
	for _, tt := range []struct {
		name  string
		delay time.Duration
	}{{"a delay that is there", 30 * time.Millisecond}, {"none", 0}} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				exchange := func(delay time.Duration) func() error {
					n := 0
					return func() error {
						if n++; n == 1 {
							return errors.New("refused")
						} else if n != 3 {
							time.Sleep(busy)
						}
						time.Sleep(itself + delay)
						return nil
					}
				}
				through, beside := compare(exchange(tt.delay), exchange(0))
				if added := through.took - beside.took; added != tt.delay || !through.ok || !beside.ok {
					t.Errorf("%s added (%+v through, %+v beside), want %s", added, through, beside, tt.delay)
				}
			})
		})
	}
}

func TestAnExchangeThatIsNeverAnsweredIsNotTimed(t *testing.T) {
	refused := errors.New("refused")
	through, beside := compare(func() error { return refused }, func() error { return nil })
	if through.ok || !errors.Is(through.err, refused) || !beside.ok {
		t.Errorf("%+v through, %+v beside", through, beside)
	}
}
