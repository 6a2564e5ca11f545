package testbed

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// A service that stayed a real-time one would leave no processor to others.
func TestAChildIsOrdinaryAsSoonAsItHasBegun(t *testing.T) {
	why := onARealTimeThread(t, func() {
		if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 3); err != nil {
			t.Error(err)
			return
		}
		for range 10 {
			// The test binary itself: a program of several threads from its first moment on.
			child := exec.Command(os.Args[0])
			child.Env = append(os.Environ(), "LUNCHRUSH_TEST_HARNESS=threads") // see TestMain
			in, err := child.StdinPipe()
			if err != nil {
				t.Error(err)
				return
			}
			defer in.Close() // it waits for that
			child.SysProcAttr = childAttributes()
			out, err := child.StdoutPipe()
			if err == nil {
				err = begin(child)
			}
			if err != nil {
				t.Error(err)
				return
			}
			allOrdinary(t, child.Process.Pid, "at once")
			if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "up\n" {
				t.Errorf("the child says %q, %v", line, err)
			}
			allOrdinary(t, child.Process.Pid, "with all its threads")
			_ = child.Process.Kill()
			_ = child.Wait()
		}
		own, err := unix.SchedGetAttr(0, 0)
		if err != nil || own.Policy != unix.SCHED_RR || own.Flags&unix.SCHED_FLAG_RESET_ON_FORK == 0 {
			t.Errorf("the thread that began it: %+v, %v", own, err)
		}
	})
	if why != nil {
		t.Skip(why)
	}
}

// Without that, a child that begins on a busy machine holds up every send.
func TestAChildMayBeginAsARealTimeOne(t *testing.T) {
	var policies [2]uint32
	why := onARealTimeThread(t, func() {
		for i, on := range []bool{false, true} {
			inherit(on)
			child := exec.Command("sleep", "60")
			if err := child.Start(); err != nil {
				t.Error(err)
				return
			}
			if attr, err := unix.SchedGetAttr(child.Process.Pid, 0); err == nil {
				policies[i] = attr.Policy
			}
			_ = child.Process.Kill()
			_ = child.Wait()
		}
		inherit(false)
	})
	if why != nil {
		t.Skip(why)
	}
	if policies != [2]uint32{unix.SCHED_NORMAL, unix.SCHED_RR} {
		t.Errorf("policies %v", policies)
	}
}

// onARealTimeThread calls do on a thread that ends with it. The error says why there is none; where LUNCHRUSH_REQUIRE has
// "realtime" the test fails for that.
func onARealTimeThread(t *testing.T, do func()) error {
	t.Helper()
	why := make(chan error)
	go func() {
		runtime.LockOSThread()
		rr := &unix.SchedAttr{
			Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
		}
		err := unix.SchedSetAttr(0, rr, 0)
		if err == nil {
			do()
		}
		why <- err
	}()
	err := <-why
	if err != nil && slices.Contains(strings.Split(os.Getenv("LUNCHRUSH_REQUIRE"), ","), "realtime") {
		t.Fatal(err)
	}
	return err
}

func allOrdinary(t *testing.T, pid int, when string) {
	t.Helper()
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*")
	if err != nil || threads == nil {
		t.Errorf("no threads: %v", err)
	}
	for _, path := range threads {
		tid, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			t.Error(err)
			continue
		}
		if attr, err := unix.SchedGetAttr(tid, 0); err == nil && (attr.Policy != unix.SCHED_NORMAL || attr.Nice != 3) {
			t.Errorf("%s, of %d threads: %+v", when, len(threads), attr)
		}
	}
}
