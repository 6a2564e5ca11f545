package chaos

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// clockSkew lets an instance's clock be wrong by so much: a host whose time daemon has died, a virtual machine that was
// resumed from an image. A process of ours shares its machine's clock with every other, so the wrong one is in its
// configuration (clock.offset): the instance is started again with it, and once more without it by the heal. At both ends
// it is away for as long as a restart takes, which a host that drifts is not.
type clockSkew struct{ by time.Duration }

// A Clock is an instance's clock as faults see it.
type Clock struct {
	// Set puts it wrong by offset, positive for fast, from the next start on; 0 is right.
	Set func(offset time.Duration)
	// Now asks the instance for the time, by the Date of an answer, in whole seconds.
	Now func(ctx context.Context) (time.Time, error)
}

// skewLeast is what can be told from whole seconds with certainty.
const skewLeast = 5 * time.Second

var clockSkewKind = Kind{
	Name:    "clock-skew",
	On:      OnClock,
	What:    "started again with its clock wrong, fast or slow (-10m), and with the right one when the fault ends: no time daemon",
	Params:  map[string]string{"by": ""},
	Example: `{at: "11:56", for: 60s, on: service, inject: clock-skew, by: 10m}`,
	make: func(p params) (Fault, error) {
		by, err := p.duration("by", -24*time.Hour, 24*time.Hour)
		if err != nil {
			return nil, err
		}
		if by.Abs() < skewLeast {
			return nil, mistake("by", "%s can not be told from the right time, at least %s or -%s", by, skewLeast, skewLeast)
		}
		return clockSkew{by}, nil
	},
}

func (f clockSkew) String() string {
	if f.by < 0 {
		return "clock " + f.by.Abs().String() + " slow"
	}
	return "clock " + f.by.String() + " fast"
}

// Inject implements Fault.
func (f clockSkew) Inject(ctx context.Context, t *Target) (func(context.Context) error, error) {
	if _, ok := t.Process.Running(); !ok {
		return nil, errors.New(t.Name + " does not run")
	}
	restart := func(ctx context.Context, offset time.Duration) error {
		whole, cancel := context.WithTimeout(context.WithoutCancel(ctx), restartLimit) // half a restart is a kill
		defer cancel()
		t.Clock.Set(offset)
		return errors.Join(t.Process.Stop(whole), t.Process.Start(whole))
	}
	heal := func(ctx context.Context) error { return restart(ctx, 0) }
	if err := restart(ctx, f.by); err != nil {
		return nil, errors.Join(err, heal(ctx))
	}
	return heal, nil
}

// Felt compares the instance's time with ours, both taken within one exchange.
func (f clockSkew) Felt(ctx context.Context, t *Target) (Evidence, error) {
	ctx, cancel := context.WithTimeout(ctx, restartLimit)
	defer cancel()
	asked := time.Now()
	says, err := t.Clock.Now(ctx)
	if err != nil {
		return Evidence{}, err
	}
	off := says.Sub(asked)
	return Evidence{
		Felt: (off - f.by).Abs() < skewLeast/2,
		Text: fmt.Sprintf("its answer is dated %s, %s from the right time", says.UTC().Format(time.DateTime), off.Round(time.Second)),
	}, nil
}
