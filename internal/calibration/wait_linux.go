package calibration

import (
	"context"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// A sleeper waits for moments with the kernel's high-resolution timers: some 50 µs late, where time.Sleep is up to a
// millisecond late in an idle process, which would be a twentieth of a delay that is meant to be known.
type sleeper struct {
	mu   sync.Mutex
	idle []timer // those that nobody waits for; guarded by mu
}

// A timer is a timerfd. The number is kept beside the file: File.Fd would make its reads block a thread.
type timer struct {
	*os.File
	fd int
}

// sleep returns after d, or when ctx ends.
func (s *sleeper) sleep(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	t, err := s.take()
	if err != nil {
		pause(ctx, d) // less exact, and the target's book says by how much
		return
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	if unix.TimerfdSettime(t.fd, 0, &spec, nil) != nil {
		pause(ctx, d)
	} else {
		var rings [8]byte
		stop := context.AfterFunc(ctx, func() { _ = t.SetReadDeadline(time.Unix(1, 0)) }) // fails for a closed file only
		_, _ = t.Read(rings[:])                                                           // it rang, or ctx has ended
		if !stop() {
			_ = t.Close() // what it still holds would be taken for the next ring
			return
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, t)
}

func (s *sleeper) take() (timer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		last := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return last, nil
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return timer{}, os.NewSyscallError("timerfd_create", err)
	}
	return timer{os.NewFile(uintptr(fd), "timerfd"), fd}, nil
}

// close closes the timers. Nobody may be waiting.
func (s *sleeper) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.idle {
		_ = t.Close() // it holds nothing
	}
	s.idle = nil
}
