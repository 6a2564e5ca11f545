package testbed

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// take puts the calling thread where a child is to run: what it starts from now on is born there. The thread is of no
// use to others afterwards, since a priority that was given away does not come back; it must end with its goroutine.
func (p place) take() error {
	if p.processors != nil {
		set := setOf(p.processors)
		if err := unix.SchedSetaffinity(0, &set); err != nil {
			return fmt.Errorf("processors %s: %w", processorList(p.processors), err)
		}
	}
	if p.nice != 0 {
		if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), p.nice); err != nil {
			return fmt.Errorf("niceness %d: %w", p.nice, err)
		}
	}
	return nil
}

// wall bounds the memory of a child that has started.
func (p place) wall(pid int) error {
	if p.data == 0 {
		return nil
	}
	limit := unix.Rlimit{Cur: p.data, Max: p.data}
	if err := unix.Prlimit(pid, unix.RLIMIT_DATA, &limit, nil); err != nil {
		return fmt.Errorf("memory limit: %w", err)
	}
	return nil
}

// KeepTo makes this process run on some processors only, until back is called. Threads that begin meanwhile are born
// there, too.
func KeepTo(processors []int) (back func() error, err error) {
	var before unix.CPUSet
	if err := unix.SchedGetaffinity(0, &before); err != nil {
		return nil, fmt.Errorf("this process's processors: %w", err)
	}
	back = func() error { return allThreads(&before) }
	set := setOf(processors)
	if err := allThreads(&set); err != nil {
		return nil, errors.Join(err, back())
	}
	return back, nil
}

// allThreads holds every thread of this process to a set. It goes over them until no new one has appeared: a thread that
// began between is from one that was not held yet.
func allThreads(set *unix.CPUSet) error {
	held := map[string]bool{}
	for {
		threads, err := filepath.Glob("/proc/self/task/*")
		if err != nil {
			return err
		}
		fresh := false
		for _, t := range threads {
			if held[t] {
				continue
			}
			held[t], fresh = true, true
			tid, err := strconv.Atoi(filepath.Base(t))
			if err != nil {
				return err
			}
			if err := unix.SchedSetaffinity(tid, set); err != nil && !errors.Is(err, unix.ESRCH) {
				return fmt.Errorf("holding this process to its processors: %w", err)
			}
		}
		if !fresh {
			return nil
		}
	}
}

// Processors are those that this process may run on.
func Processors() ([]int, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &set); err != nil {
		return nil, err
	}
	var list []int
	for n := range len(set) * 64 {
		if set.IsSet(n) {
			list = append(list, n)
		}
	}
	return list, nil
}

func setOf(processors []int) (set unix.CPUSet) {
	for _, n := range processors {
		set.Set(n)
	}
	return set
}
