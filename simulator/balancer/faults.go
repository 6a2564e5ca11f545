package balancer

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"
)

// Faults go wrong with requests at a listener, each request by itself, whatever connection it came on. The zero value is
// no fault.
type Faults struct {
	FailFirst  int           // so many requests from now on fail
	FailShare  float64       // of the others, 0 to 1
	Status     int           // of a failed request's answer; 0: 503. A failed request is not forwarded
	DelayShare float64       // of the requests that do not fail, 0 to 1
	Delay      time.Duration // before such a request is forwarded
	Jitter     time.Duration // added or taken away, evenly; at most Delay
}

func (f Faults) validate() error {
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

// A dice draws the faults of a listener's requests, in the order of their coming.
type dice struct {
	mu     sync.Mutex
	faults Faults     // guarded by mu
	failed int        // of FailFirst; guarded by mu
	chance *rand.Rand // guarded by mu
}

// newDice has a stream that is the listener's own.
func newDice(seed uint64, listener string) *dice {
	h := fnv.New64a()
	h.Write(binary.LittleEndian.AppendUint64([]byte("balancer\x00"+listener+"\x00"), seed))
	return &dice{chance: rand.New(rand.NewPCG(seed, h.Sum64()))}
}

func (d *dice) set(f Faults) {
	d.mu.Lock()
	d.faults, d.failed = f, 0
	d.mu.Unlock()
}

// throw decides about a request: the status with which it fails (0: it does not) and how long it is delayed. Every throw
// under faults takes three numbers from the stream, so that one share does not shift what the others hit.
func (d *dice) throw() (status int, delay time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.faults
	if f == (Faults{}) {
		return 0, 0
	}
	fail, slow, jitter := d.chance.Float64(), d.chance.Float64(), d.chance.Float64()
	if d.failed < f.FailFirst {
		d.failed++
		fail = -1
	}
	if fail < f.FailShare {
		return cmp.Or(f.Status, http.StatusServiceUnavailable), 0
	}
	if slow < f.DelayShare {
		return 0, f.Delay + time.Duration((2*jitter-1)*float64(f.Jitter))
	}
	return 0, 0
}
