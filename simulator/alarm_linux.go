package simulator

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// fileAlarm rings by a timerfd in the runtime's poller. An idle runtime sleeps in epoll_wait, whose time-out counts whole
// milliseconds, so its own timers ring up to one late; a timerfd is a descriptor that becomes readable at the nanosecond
// the kernel's high-resolution timers give. Nothing spins, and a push of an earlier send moves the alarm.
type fileAlarm struct {
	file *os.File
	fd   int
	rung [8]byte
}

func newAlarm(ticking bool) (alarm, error) {
	if ticking {
		return newTimerAlarm(), nil
	}
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("timerfd_create", err)
	}
	return &fileAlarm{file: os.NewFile(uintptr(fd), "timerfd"), fd: fd}, nil
}

func (a *fileAlarm) set(d time.Duration) {
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(1, d).Nanoseconds())} // 0 would disarm it
	_ = unix.TimerfdSettime(a.fd, 0, &spec, nil)                                 // fails for a bad descriptor or time only
}

func (a *fileAlarm) wait() { _, _ = a.file.Read(a.rung[:]) } // an error ends the wait, which may end early

func (a *fileAlarm) close() error { return a.file.Close() }
