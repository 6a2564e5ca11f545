package harness

import (
	"context"
	"math"

	"github.com/lunchrush/lunchrush/reports"
)

// A search looks for the largest load that a service carries. It knows loads and outcomes, and neither services nor
// clocks, so that it is tested on services whose capacity is known.
//
// A geometric ramp goes up until a load does not pass; bisection narrows what is left to the resolution; the lower bound is
// then confirmed by trials of its own. A load is decided by the majority of its trials, but for the ramp's: there one that
// passes is enough, since the confirmation does not rely on it, and for a hopeless one, which is enough everywhere. A lower
// bound that is not confirmed becomes the upper one, and the load one step of the resolution below it is confirmed in its
// place. What the budget has left when one is confirmed narrows the bounds further, by confirmations at the middle: one that is
// refused leaves the bound that was confirmed. A trial that proves nothing is played once more.
type search struct {
	start      int     // machines
	ceiling    int     // no load beyond it is tried; 0: none
	floor      int     // nor one below this
	growth     float64 // of the ramp, > 1
	resolution float64 // between the bounds, as a share of the lower
	majority   int     // odd
	need, of   int     // confirmation

	// trial plays a load and says what came of it.
	trial func(ctx context.Context, step string, load int) (outcome string, err error)
	// replaced is told that the last trial is played again and counts no more. nil: nobody wants to know.
	replaced func()
	// afford says whether n trials of a load can still be played. nil: always.
	afford func(n, load int) bool

	votes map[int]*votes
}

// Steps of a search.
const (
	stepRamp    = "ramp"
	stepBisect  = "bisect"
	stepConfirm = "confirm"
)

type votes struct {
	passed, other, invalid int  // invalid are among the others
	again                  bool // an invalid trial was played once more
	confirmed              bool
}

// A found is the end of a search.
type found struct {
	lower, upper int // 0: none
	confirmed    bool
	stopped      string // why it ended before it was done; ""
}

// hopeless is the outcome of a trial that failed by so much that no other of that load is played.
const hopeless = "hopeless"

const outOfBudget = "the budget was used up"

// run searches until it is done, the budget does not allow another trial, or ctx ends. What it has found until then is
// returned beside the error.
func (s *search) run(ctx context.Context) (found, error) {
	s.votes = map[int]*votes{}
	for {
		stopped, err := s.ramp(ctx)
		f := s.bounds()
		if f.stopped = stopped; err != nil || f.lower == 0 {
			return f, err
		}
		short, err := s.bisect(ctx)
		if err != nil {
			return s.bounds(), err
		}
		f = s.bounds()
		if f.stopped = stopped; stopped == "" {
			f.stopped = short
		}
		done, err := s.settle(ctx, &f)
		if f.confirmed && err == nil {
			return s.narrow(ctx, f)
		}
		if done || err != nil {
			return f, err
		}
	}
}

// settle confirms the lower bound or, where it is refused, the load that is one step of the resolution below it, and so on. It is not
// done when it has come down to where nothing is known.
func (s *search) settle(ctx context.Context, f *found) (done bool, err error) {
	stopped := f.stopped
	for load := f.lower; load > 0; {
		ended, err := s.confirm(ctx, load)
		*f = s.bounds()
		switch f.stopped = stopped; {
		case err != nil:
			return false, err
		case f.confirmed:
			return true, nil
		case ended:
			f.stopped = outOfBudget
			return true, nil
		}
		if f.lower == 0 {
			return false, nil
		}
		load = max(f.lower, int(float64(load)/(1+s.resolution)))
	}
	return false, nil
}

// ramp goes up from the start, or down when not even that passes, until there is a load on either side or no other to try. It
// says why it stopped short, "" if it did not.
func (s *search) ramp(ctx context.Context) (stopped string, err error) {
	for {
		f, load := s.bounds(), s.start
		switch {
		case f.lower > 0 && f.upper > 0:
			return "", nil
		case f.lower > 0:
			load = max(f.lower+1, int(math.Round(float64(f.lower)*s.growth)))
		case f.upper > 0 && 2*s.votes[f.upper].invalid > s.votes[f.upper].other:
			return "", nil // the harness cannot offer it: less would say no more of the service
		case f.upper > 0:
			load = min(f.upper-1, int(math.Round(float64(f.upper)/s.growth)))
		}
		if s.ceiling > 0 {
			load = min(load, s.ceiling)
		}
		if load < max(1, s.floor) || load == f.lower {
			return "", nil
		}
		if !s.can(1, load) {
			return outOfBudget, nil
		}
		if err := s.decide(ctx, stepRamp, load, true); err != nil {
			return "", err
		}
	}
}

// bisect narrows the bounds. It says why it stopped short, "" if it did not.
func (s *search) bisect(ctx context.Context) (stopped string, err error) {
	for {
		middle, wide := s.middle()
		if !wide {
			return "", nil
		}
		if !s.can(s.majority+2*s.of, middle) { // a bound that is refused leaves room for the one below
			return outOfBudget, nil
		}
		if err := s.decide(ctx, stepBisect, middle, false); err != nil {
			return "", err
		}
	}
}

// narrow goes on where bisect had to stop, from a lower bound that is confirmed. There is no majority before the confirmation: no trial
// is spent on a load that could not take the confirmed one's place.
func (s *search) narrow(ctx context.Context, f found) (found, error) {
	for {
		middle, wide := s.middle()
		if !wide {
			if f.upper > 0 {
				f.stopped = ""
			}
			return f, nil
		}
		if !s.can(s.of, middle) {
			return f, nil
		}
		ended, err := s.confirm(ctx, middle)
		stopped := f.stopped
		f = s.bounds()
		f.stopped = stopped
		if ended || err != nil {
			return f, err
		}
	}
}

// middle is the load between the bounds, and whether they are wide enough for one.
func (s *search) middle() (load int, wide bool) {
	f := s.bounds()
	if f.lower == 0 || f.upper == 0 || float64(f.upper-1) <= float64(f.lower)*(1+s.resolution) { // loads are whole machines
		return 0, false
	}
	load = int(math.Round(math.Sqrt(float64(f.lower) * float64(f.upper))))
	return min(max(load, f.lower+1), f.upper-1), true
}

// confirm plays a load until it is confirmed or refused; ended when the budget ends it before.
func (s *search) confirm(ctx context.Context, load int) (ended bool, err error) {
	passed, other := 0, 0
	for passed < s.need && other <= s.of-s.need {
		if !s.can(1, load) {
			return true, nil
		}
		yes, no, err := s.play(ctx, stepConfirm, load)
		if err != nil {
			return false, err
		}
		passed, other = passed+yes, other+no
	}
	if passed >= s.need {
		s.votes[load].confirmed = true
	} else {
		s.votes[load] = &votes{other: s.of, again: true} // refused, whatever it had before
	}
	return false, nil
}

// decide plays a load until the majority of its trials is known; with first, one that passes at once is enough.
func (s *search) decide(ctx context.Context, step string, load int, first bool) error {
	passed, other, half := 0, 0, s.majority/2+1
	for passed < half && other < half {
		if passed+other > 0 && (first && other == 0 || !s.can(1, load)) {
			break
		}
		yes, no, err := s.play(ctx, step, load)
		if err != nil {
			return err
		}
		passed, other = passed+yes, other+no
	}
	return nil
}

// play plays a load once and says how many votes that is for it, and how many against.
func (s *search) play(ctx context.Context, step string, load int) (yes, no int, err error) {
	v := s.votes[load]
	if v == nil {
		v = &votes{}
		s.votes[load] = v
	}
	outcome, err := s.trial(ctx, step, load)
	if err == nil && outcome == reports.TrialInvalid && !v.again && s.can(1, load) {
		v.again = true
		if s.replaced != nil {
			s.replaced()
		}
		outcome, err = s.trial(ctx, step, load)
	}
	if err != nil {
		return 0, 0, err
	}
	switch outcome {
	case reports.TrialPassed:
		yes = 1
	case hopeless:
		no = s.majority
	case reports.TrialInvalid:
		v.invalid++
		fallthrough
	default:
		no = 1
	}
	v.passed, v.other = v.passed+yes, v.other+no
	return yes, no, nil
}

func (s *search) can(n, load int) bool { return s.afford == nil || s.afford(n, load) }

// bounds are the least load that did not pass, and the greatest below it that did: the greatest that was confirmed, if one was.
func (s *search) bounds() (f found) {
	for load, v := range s.votes {
		if v.passed <= v.other && (f.upper == 0 || load < f.upper) {
			f.upper = load
		}
	}
	for load, v := range s.votes {
		if v.passed <= v.other || f.upper > 0 && load > f.upper {
			continue
		}
		if v.confirmed == f.confirmed && load > f.lower || v.confirmed && !f.confirmed {
			f.lower, f.confirmed = load, v.confirmed
		}
	}
	return f
}
