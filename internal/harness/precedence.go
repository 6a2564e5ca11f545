package harness

import (
	"io"
	"runtime"
	"sync"
	"time"
)

// precedence lets the threads of this process run before all ordinary ones of the machine while a run is played, where the
// kernel allows it to this user. A send that is due then leaves at once, however busy service and databases keep the
// processors: on two cores that were 45 % busy a thread that slept until a due time woke up 3.06 ms late in one of a hundred
// cases, and 0.05 ms with precedence.
//
// It is for those who wait for a moment, not for work: a run is judged by another process, see [JudgeBy]. Children have none of it,
// the kernel sees to that.
type precedence struct {
	mu      sync.Mutex
	players int           // guarded by mu
	done    chan struct{} // guarded by mu; ends the refresher
	vigil   io.Closer     // guarded by mu; keeps the processors awake until it is closed, see keepAwake
}

var turns precedence

// Given is what the kernel gave to this user.
type Given struct {
	First bool // this process's threads run before all ordinary ones of the machine
	Awake bool // its processors do not sleep
}

// GoFirst gives this process's threads precedence, and processors that are awake, until back is called, as a run has them while it
// is played.
func GoFirst() (given Given, back func()) { return turns.take() }

const (
	// refresh is how soon a thread that the runtime has begun meanwhile has precedence as well: it is born without.
	refresh = 100 * time.Millisecond

	// spare is how many threads are begun ahead, so that the runtime needs no new one while a run is played. One that is born
	// to collect garbage has no precedence yet and waits for its turn, and all others wait for the collection: with six busy
	// processes on two cores 140 ms in one of a hundred cases, and 1.0 ms with 32 to spare. Six scenarios side by side use 90,
	// most of them to wait for children.
	spare = 128
)

var threads = sync.OnceFunc(func() { beginThreads(spare) })

// beginThreads makes the runtime have n threads, which it keeps and uses before it begins another.
func beginThreads(n int) {
	var begun, all sync.WaitGroup
	begun.Add(n)
	all.Add(1)
	for range n {
		go func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			begun.Done()
			all.Wait()
		}()
	}
	begun.Wait()
	all.Done()
}

// take gives this process precedence until back is called; several may hold it at once.
func (p *precedence) take() (given Given, back func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	threads()
	inMemory()
	if p.players++; p.players == 1 {
		p.begin()
	}
	return Given{First: p.done != nil, Awake: p.vigil != nil}, sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.players--; p.players == 0 {
			p.end()
		}
	})
}

// begin and end: p.mu is held.
func (p *precedence) begin() {
	if vigil, err := keepAwake(); err == nil {
		p.vigil = vigil
	}
	if p.apply(true) {
		p.done = make(chan struct{})
		go p.keep(p.done)
	}
}

func (p *precedence) end() {
	if p.done != nil {
		close(p.done)
		p.done = nil
		p.apply(false)
	}
	if p.vigil != nil {
		_ = p.vigil.Close() // a device's: nothing is written by it
		p.vigil = nil
	}
}

func (p *precedence) keep(done <-chan struct{}) {
	tick := time.NewTicker(refresh)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		p.mu.Lock()
		if p.done == done {
			p.apply(true)
		}
		p.mu.Unlock()
	}
}
