package harness

import (
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
}

var turns precedence

// GoFirst gives this process's threads precedence until back is called, as a run does while it is played. given is false where the
// kernel refuses.
func GoFirst() (given bool, back func()) { return turns.take() }

const (
	// refresh is how soon a thread that the runtime has begun meanwhile has precedence as well: it is born without.
	refresh = 100 * time.Millisecond

	// spare is how many threads are begun ahead, so that the runtime needs no new one while a run is played. One that is born
	// to collect garbage has no precedence yet and waits for its turn, and all others wait for the collection: with six busy
	// processes on two cores 140 ms in one of a hundred cases, and 1.0 ms with 32 to spare. Six scenarios side by side use 90,
	// most of them to wait for children.
	spare = 128
)

var threads = sync.OnceFunc(func() { begin(spare) })

// begin makes the runtime have n threads, which it keeps and uses before it begins another.
func begin(n int) {
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

// take gives this process precedence until back is called; several may hold it at once. given is false where the kernel refuses.
func (p *precedence) take() (given bool, back func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	threads()
	inMemory()
	if p.players++; p.players == 1 && p.apply(true) {
		p.done = make(chan struct{})
		go p.keep(p.done)
	}
	return p.done != nil, sync.OnceFunc(func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.players--; p.players == 0 && p.done != nil {
			close(p.done)
			p.done = nil
			p.apply(false)
		}
	})
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
