package service

import (
	"errors"
	"sync"
	"time"
)

// ErrBreakerOpen is a call that was not made: the upstream has failed lately.
var ErrBreakerOpen = errors.New("circuit breaker open")

// A BreakerState is how a [Breaker] stands.
type BreakerState int

// The states.
const (
	BreakerClosed   BreakerState = iota // calls are made
	BreakerOpen                         // none is
	BreakerHalfOpen                     // one at a time is, to see
)

// A Breaker stops calling an upstream that fails, and tries again now and then.
//
// Closed, it counts the calls of the last ten seconds. When at least five ended, and half of them failed, it opens: every
// call fails at once. Two seconds later it is half open and lets a single call through; when that succeeds it closes, and
// when it fails it opens again. All figures are ours.
//
// A nil breaker lets everything through. It may be used by many goroutines at once.
type Breaker struct {
	mu      sync.Mutex                  // guards what follows
	state   BreakerState                //
	until   time.Time                   // of Open
	trying  bool                        // a trial is on its way while HalfOpen
	era     int                         // counts changes of state: what a call of an older one tells is history
	seconds [breakerWindow]breakerCount // of Closed
}

// A breakerCount is one second of the window.
type breakerCount struct {
	second        int64 // Unix
	calls, failed int
}

const (
	breakerWindow = 10 // seconds
	breakerLeast  = 5  // calls that must have ended before it opens
	breakerShare  = 0.5
	breakerPause  = 2 * time.Second
)

// NewBreaker makes a closed breaker.
func NewBreaker() *Breaker { return &Breaker{} }

// State is how the breaker stands now.
func (b *Breaker) State() BreakerState {
	if b == nil {
		return BreakerClosed
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	return b.state
}

// Do makes a call, or does not: ErrBreakerOpen. verdict says what the call's end tells of the upstream: a caller who gave up,
// or a call that never left, tells nothing.
func (b *Breaker) Do(call func() error, verdict func(error) CallVerdict) error {
	if b == nil {
		return call()
	}
	era, ok := b.enter()
	if !ok {
		return ErrBreakerOpen
	}
	told := Silent // a call that panics says nothing, and gives the trial back
	defer func() { b.leave(era, told) }()
	err := call()
	told = verdict(err)
	return err
}

// A CallVerdict is what a call's end says of the upstream.
type CallVerdict int

// The verdicts.
const (
	Silent CallVerdict = iota // nothing
	Well
	Sick
)

// turn opens the way for a trial when the pause is over. Callers hold mu.
func (b *Breaker) turn() {
	if b.state == BreakerOpen && !time.Now().Before(b.until) {
		b.become(BreakerHalfOpen)
	}
}

func (b *Breaker) become(s BreakerState) {
	b.state, b.trying = s, false
	b.era++
	switch s {
	case BreakerOpen:
		b.until = time.Now().Add(breakerPause)
	case BreakerClosed:
		b.seconds = [breakerWindow]breakerCount{} // what failed before the cure is no sign of the next illness
	case BreakerHalfOpen:
	}
}

func (b *Breaker) enter() (era int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn()
	switch b.state {
	case BreakerOpen:
		return 0, false
	case BreakerHalfOpen:
		if b.trying {
			return 0, false
		}
		b.trying = true
	case BreakerClosed:
	}
	return b.era, true
}

func (b *Breaker) leave(era int, told CallVerdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if era != b.era {
		return
	}
	switch b.state {
	case BreakerHalfOpen:
		b.trying = false
		switch told {
		case Well:
			b.become(BreakerClosed)
		case Sick:
			b.become(BreakerOpen)
		case Silent:
		}
	case BreakerClosed:
		if told != Silent && b.sick(told == Sick) {
			b.become(BreakerOpen)
		}
	case BreakerOpen:
	}
}

// sick counts a call and says whether the last seconds are enough to open. Callers hold mu.
func (b *Breaker) sick(failed bool) bool {
	now := time.Now().Unix()
	s := &b.seconds[now%breakerWindow]
	if s.second != now {
		*s = breakerCount{second: now}
	}
	s.calls++
	if failed {
		s.failed++
	}
	calls, fails := 0, 0
	for _, s := range b.seconds {
		if now-s.second < breakerWindow {
			calls, fails = calls+s.calls, fails+s.failed
		}
	}
	return failed && calls >= breakerLeast && float64(fails) >= breakerShare*float64(calls)
}
