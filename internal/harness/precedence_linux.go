package harness

import (
	"os"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// apply gives all threads precedence, or makes them again what the process was. It reports whether it could. p.mu is held.
func (p *precedence) apply(on bool) (applied bool) {
	testbed.WhileNoneBegins(func() { applied = p.applyToAll(on) })
	return applied
}

func (p *precedence) applyToAll(on bool) bool {
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

// usual is how this process is scheduled when it plays nothing: SCHED_OTHER, unless somebody began it as less than that.
var usual = sync.OnceValue(func() uint32 {
	attr, err := unix.SchedGetAttr(os.Getpid(), 0)
	if err == nil && (attr.Policy == unix.SCHED_BATCH || attr.Policy == unix.SCHED_IDLE) {
		return attr.Policy
	}
	return unix.SCHED_NORMAL
})

// policy puts a thread among the real-time ones, the last of these, or among the usual ones, as nice as it was. That its children are
// not real-time stays said: whoever has no privileges may not take that back.
func policy(tid int, realTime bool) error {
	attr := &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: usual(), Flags: unix.SCHED_FLAG_RESET_ON_FORK}
	if realTime {
		attr.Policy, attr.Priority = unix.SCHED_RR, 1
	} else if raw, err := unix.Getpriority(unix.PRIO_PROCESS, tid); err == nil {
		attr.Nice = int32(20 - raw) //nolint:gosec // -20 to 19
	}
	return unix.SchedSetAttr(tid, attr, 0)
}
