// Package mishap lets single requests of an HTTP server go wrong: some fail, some come late, some are never answered. Each
// request is drawn by itself, whatever connection it came on; a fault on a connection would hit all of its requests or none.
//
// The package decides only. The server that owns the [Dice] answers, waits and counts.
package mishap

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Faults go wrong with requests. The zero value is no fault.
type Faults struct {
	FailFirst  int           // of each kind of request, so many from now on fail
	FailShare  float64       // of the others, 0 to 1
	Status     int           // of a failed request's answer; 0: 503. A failed request has no effect
	Code       string        // of that answer; "": the server's own
	DelayShare float64       // of the requests that do not fail, 0 to 1
	Delay      time.Duration // before such a request is looked at; an hour is never
	Jitter     time.Duration // added or taken away, evenly; at most Delay
}

// Validate tells what is wrong with f.
func (f Faults) Validate() error {
	switch {
	case !(f.FailShare >= 0 && f.FailShare <= 1) || !(f.DelayShare >= 0 && f.DelayShare <= 1):
		return fmt.Errorf("shares of %v and %v: they must be 0 to 1", f.FailShare, f.DelayShare)
	case f.FailFirst < 0 || f.Delay < 0 || f.Jitter < 0 || f.Jitter > f.Delay:
		return fmt.Errorf("delay %v ± %v, first %d: nothing may be negative", f.Delay, f.Jitter, f.FailFirst)
	case f.Status != 0 && (f.Status < 400 || f.Status > 599):
		return fmt.Errorf("status %d: a failure has 400 to 599", f.Status)
	}
	return nil
}

// A Dice draws the faults of a server's requests, in the order of their coming. It is safe for concurrent use.
type Dice struct {
	mu     sync.Mutex
	faults []*active  // guarded by mu
	chance *rand.Rand // guarded by mu
}

// An active is one set of faults that is on.
type active struct {
	Faults
	failed map[string]int // of FailFirst, by kind of request
}

// New makes dice without faults. Their stream of chance is a pure function of seed and name.
func New(seed uint64, name string) *Dice {
	h := fnv.New64a()
	h.Write(binary.LittleEndian.AppendUint64([]byte("balancer\x00"+name+"\x00"), seed))
	return &Dice{chance: rand.New(rand.NewPCG(seed, h.Sum64()))}
}

// Set replaces all faults. The zero Faults heals.
func (d *Dice) Set(f Faults) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.faults = nil; f != (Faults{}) {
		d.faults = []*active{{Faults: f, failed: map[string]int{}}}
	}
}

// Add puts faults on top of those there are; remove takes exactly these off again.
func (d *Dice) Add(f Faults) (remove func()) {
	a := &active{Faults: f, failed: map[string]int{}}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = append(d.faults, a)
	return func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.faults = slices.DeleteFunc(d.faults, func(other *active) bool { return other == a })
	}
}

// An Outcome is what becomes of a request.
type Outcome struct {
	Status int    // with which it fails; 0: it does not
	Code   string // of the failure's answer; "": the server's own
	Delay  time.Duration
}

// kindsMax bounds the kinds of request that one fault counts. Further ones are one kind.
const kindsMax = 10_000

// Throw decides about a request of a kind, such as its route. Every throw under faults takes three numbers from the stream
// for each of them, so that one share does not shift what the others hit.
func (d *Dice) Throw(kind string) (o Outcome) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, f := range d.faults {
		fail, slow, jitter := d.chance.Float64(), d.chance.Float64(), d.chance.Float64()
		if f.FailFirst > 0 {
			counted := kind
			if _, seen := f.failed[kind]; !seen && len(f.failed) >= kindsMax {
				counted = ""
			}
			if f.failed[counted] < f.FailFirst {
				f.failed[counted]++
				fail = -1
			}
		}
		switch {
		case o.Status != 0: // it has failed already; the stream goes on all the same
		case fail < f.FailShare:
			o = Outcome{Status: cmp.Or(f.Status, http.StatusServiceUnavailable), Code: f.Code}
		case slow < f.DelayShare:
			o.Delay += f.Delay + time.Duration((2*jitter-1)*float64(f.Jitter))
		}
	}
	return o
}
