package testbed

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"

	"golang.org/x/sys/unix"
)

// beginning is held for reading while a child begins, and by whoever changes how this process's threads are scheduled.
var beginning sync.RWMutex

// WhileNoneBegins calls change while no child is between its parent's program and its own: its thread is scheduled in a way of
// its own then.
func WhileNoneBegins(change func()) {
	beginning.Lock()
	defer beginning.Unlock()
	change()
}

// begin starts a child of the calling thread, which is locked. The runtime's processor stands still until the child has replaced
// its parent's program, and a garbage collection that begins meanwhile holds up every other one: on two cores with six busy
// processes 4 ms, and 8 at most. So where the thread is a real-time one, the child is one too for that time, and 0.4 ms pass.
func begin(cmd *exec.Cmd) error {
	beginning.RLock()
	defer beginning.RUnlock()
	own, err := unix.SchedGetAttr(0, 0)
	if err != nil || own.Policy != unix.SCHED_RR {
		return cmd.Start()
	}
	raw, err := unix.Getpriority(unix.PRIO_PROCESS, 0) // the thread's: 20 less its niceness
	if err != nil {
		return cmd.Start()
	}
	inherit(true) // refused to a user who may not do that: then the child waits for its turn
	err = cmd.Start()
	inherit(false)
	if err != nil {
		return err
	}
	if err := makeOrdinary(cmd.Process.Pid, int32(20-raw)); err != nil { //nolint:gosec // -20 to 19
		return errors.Join(err, cmd.Process.Kill(), cmd.Wait())
	}
	return nil
}

// inherit lets children of the calling real-time thread be what it is, or no longer.
func inherit(on bool) {
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		return
	}
	attr.Flags |= unix.SCHED_FLAG_RESET_ON_FORK
	if on {
		attr.Flags &^= unix.SCHED_FLAG_RESET_ON_FORK
	}
	_ = unix.SchedSetAttr(0, attr, 0)
}

// makeOrdinary takes a process's threads from the real-time ones, and gives them their parent's niceness, which a child of such a
// thread may have lost. It is done when it has found all as they should be: who was so before a look began has had no other children
// since.
func makeOrdinary(pid int, nice int32) error {
	for again := true; again; {
		again = false
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*", pid))
		if err != nil {
			return err
		}
		for _, path := range threads {
			tid, err := strconv.Atoi(filepath.Base(path))
			if err != nil {
				return err
			}
			attr, err := unix.SchedGetAttr(tid, 0)
			if errors.Is(err, unix.ESRCH) || err == nil && attr.Policy == unix.SCHED_NORMAL && attr.Nice >= nice {
				continue
			}
			if err == nil {
				err = unix.SchedSetAttr(tid, &unix.SchedAttr{Size: unix.SizeofSchedAttr, Policy: unix.SCHED_NORMAL, Nice: nice}, 0)
			}
			if err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("scheduling of %s: %w", path, err)
			}
			again = true
		}
	}
	return nil
}
