package calibration

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// An echo is the witness of how fast the machine is: an empty message over the loopback and back, a hundred times a second, on
// a connection that shares no code with the generator. Its times count from the moment at which each was due, so that a
// pause of the machine is in them whole.
type echo struct {
	listener net.Listener
	conn     net.Conn
	all      sync.WaitGroup
	stop     context.CancelFunc

	mu    sync.Mutex
	times []int64 // nanoseconds; guarded by mu
}

const echoEvery = 10 * time.Millisecond

// newEcho begins at once. Close ends it.
func newEcho(s *sleeper) (*echo, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	ctx, stop := context.WithCancel(context.Background())
	e := &echo{listener: l, conn: conn, stop: stop}
	e.all.Go(e.answer)
	e.all.Go(func() { e.ask(ctx, s) })
	return e, nil
}

func (e *echo) answer() {
	c, err := e.listener.Accept()
	if err != nil {
		return
	}
	defer c.Close()
	var b [1]byte
	for {
		if _, err := c.Read(b[:]); err != nil {
			return
		}
		if _, err := c.Write(b[:]); err != nil {
			return
		}
	}
}

func (e *echo) ask(ctx context.Context, s *sleeper) {
	start := time.Now()
	var b [1]byte
	for due := echoEvery; ctx.Err() == nil; {
		s.sleep(ctx, due-time.Since(start))
		if _, err := e.conn.Write(b[:]); err != nil {
			return
		}
		if _, err := e.conn.Read(b[:]); err != nil {
			return
		}
		now := time.Since(start)
		e.mu.Lock()
		e.times = append(e.times, int64(now-due))
		e.mu.Unlock()
		for due += echoEvery; due <= now; due += echoEvery { // those that a pause held up would only count it again
		}
	}
}

// close ends the echo and returns its times.
func (e *echo) close() []int64 {
	e.stop()
	_ = e.conn.Close()
	_ = e.listener.Close() // nothing is lost with either
	e.all.Wait()
	return e.times
}

// pause returns after d by the runtime's timers, or when ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
