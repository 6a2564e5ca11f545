package simulator

import (
	"math"
	"sync"
	"time"
)

// prices are the price labels of the whole street, with what they said before: the truth that a told price is held
// against. A nil board knows nothing and finds every price right.
type prices struct {
	mu   sync.Mutex
	tags map[place][]tag // ascending; guarded by mu
}

type place struct {
	machine string
	slot    int
}

// A tag is a price from a moment of the run on.
type tag struct {
	from time.Duration
	fen  int64
}

func newPrices() *prices { return &prices{tags: make(map[place][]tag)} }

// set puts a price on a slot from a moment on. Moments of one slot must ascend.
func (p *prices) set(machine string, slot int, fen int64, from time.Duration) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	at := place{machine, slot}
	p.tags[at] = append(p.tags[at], tag{from, fen})
}

// unsettled is the moment of a price that has been announced and not confirmed.
const unsettled = time.Duration(math.MaxInt64)

// announce says that a slot is about to get a price: it may be told from now on, and so may the one before.
func (p *prices) announce(machine string, slot int, fen int64) { p.set(machine, slot, fen, unsettled) }

// settle says from when on only the announced price is right.
func (p *prices) settle(machine string, slot int, from time.Duration) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	tags := p.tags[place{machine, slot}]
	if n := len(tags); n > 0 && tags[n-1].from == unsettled {
		tags[n-1].from = from
	}
}

// label is what the slot's label said at a moment, 0 when it had none.
func (p *prices) label(machine string, slot int, at time.Duration) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	fen := int64(0)
	for _, t := range p.tags[place{machine, slot}] {
		if t.from <= at {
			fen = t.fen
		}
	}
	return fen
}

// was reports whether the slot had that price at a moment, or has had it since.
func (p *prices) was(machine string, slot int, fen int64, at time.Duration) bool {
	if p == nil {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	tags := p.tags[place{machine, slot}]
	for i, t := range tags {
		if over := i+1 < len(tags) && tags[i+1].from < at; !over && t.fen == fen {
			return true
		}
	}
	return false
}
