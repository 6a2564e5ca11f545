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
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// A service that stayed a real-time one would leave no processor to others.
func TestAChildIsOrdinaryAsSoonAsItHasBegun(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and the thread ends with this goroutine
		rr := &unix.SchedAttr{
			Size: unix.SizeofSchedAttr, Policy: unix.SCHED_RR, Priority: 1, Flags: unix.SCHED_FLAG_RESET_ON_FORK,
		}
		if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 3); err != nil {
			t.Error(err)
			return
		}
		if err := unix.SchedSetAttr(0, rr, 0); err != nil {
			if slices.Contains(strings.Split(os.Getenv("LUNCHRUSH_REQUIRE"), ","), "realtime") {
				t.Error(err)
			}
			t.Log(err)
			return
		}
		for range 10 {
			// The test binary itself: a program of several threads from its first moment on.
			child := exec.Command(os.Args[0], "-test.run=^TestAProcessOfSeveralThreads$")
			child.Env = append(os.Environ(), "LUNCHRUSH_TEST_THREADS=1")
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
	}()
	<-done
}

func TestAProcessOfSeveralThreads(t *testing.T) {
	if os.Getenv("LUNCHRUSH_TEST_THREADS") == "" {
		t.Skip("the child of another test")
	}
	var begun sync.WaitGroup
	for range 8 {
		begun.Add(1)
		go func() {
			runtime.LockOSThread()
			begun.Done()
			select {}
		}()
	}
	begun.Wait()
	os.Stdout.WriteString("up\n")
	<-t.Context().Done() // it is killed
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
