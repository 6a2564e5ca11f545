package harness

import (
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// apply gives all threads precedence, or takes it from them. It reports whether it could. p.mu is held.
func (p *precedence) apply(on bool) bool {
	threads, err := filepath.Glob("/proc/self/task/*")
	if err != nil {
		return false
	}
	applied := false
	for _, t := range threads {
		tid, err := strconv.Atoi(filepath.Base(t))
		if err != nil {
			continue
		}
		applied = policy(tid, on) == nil || applied // one that has ended meanwhile is no reason to stop
	}
	return applied
}

// policy puts a thread among the real-time ones, the last of these, or among the ordinary ones.
func policy(tid int, realTime bool) error {
	attr := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL}
	if realTime {
		attr.Policy, attr.Priority, attr.Flags = unix.SCHED_RR, 1, unix.SCHED_FLAG_RESET_ON_FORK
	}
	return unix.SchedSetAttr(tid, attr, 0)
}
