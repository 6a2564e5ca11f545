package simulator

import (
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// fileAlarm rings by a timerfd in the runtime's poller. An idle runtime sleeps in epoll_wait, whose time-out counts whole
// milliseconds, so its own timers ring up to one late; a timerfd becomes readable when the kernel's high-resolution
// timer says so, some 30 µs late where time.Sleep is 600. Nothing spins, and a push of an earlier send moves the alarm.
//
// It is never read: the poller listens for the edge, which each ring is, and a read would cost two system calls a send.
type fileAlarm struct {
	file  *os.File
	conn  syscall.RawConn
	fd    int
	start time.Time
	due   atomic.Int64 // since start
}

func newAlarm(ticking bool) (alarm, error) {
	if ticking {
		return newTimerAlarm(), nil
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	a := &fileAlarm{file: os.NewFile(uintptr(fd), "timerfd"), fd: fd, start: time.Now()}
	if a.conn, err = a.file.SyscallConn(); err != nil {
		_ = a.file.Close()
		return nil, err
	}
	return a, nil
}

func (a *fileAlarm) set(d time.Duration) {
	d = max(1, d) // 0 would disarm it
	a.due.Store(int64(time.Since(a.start) + d))
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(int64(d))}
	_ = unix.TimerfdSettime(a.fd, 0, &spec, nil) // fails for a bad descriptor or time only
}

func (a *fileAlarm) wait() {
	// The poller forgets what rang before this call, and then calls the function: first to ask whether there is anything
	// to wait for, so a ring in between is not missed, then after the edge.
	asked := false
	_ = a.conn.Read(func(uintptr) bool { // fails for a closed file only, and then ends the wait, which may end early
		rang := asked || int64(time.Since(a.start)) >= a.due.Load()
		asked = true
		return rang
	})
}

func (a *fileAlarm) close() error { return a.file.Close() }
