package harness

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// policyOf is the calling thread's.
func policyOf(t *testing.T) uint32 {
	t.Helper()
	attr, err := unix.SchedGetAttr(0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return attr.Policy
}

// takeOrSkip gives precedence, or skips the test where the kernel refuses it, or fails it where LUNCHRUSH_REQUIRE has "realtime".
func takeOrSkip(t *testing.T, p *precedence) (back func()) {
	t.Helper()
	given, back := p.take()
	if given.First {
		return back
	}
	back()
	const why = "the kernel gives this user no real-time threads"
	if slices.Contains(strings.Split(os.Getenv("LUNCHRUSH_REQUIRE"), ","), "realtime") {
		t.Fatal(why)
	}
	t.Skip(why)
	return nil
}

func TestThreadsGoFirstWhileARunIsPlayed(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := &precedence{}
	back := takeOrSkip(t, p)
	again, backAgain := p.take()
	if !again.First || policyOf(t) != unix.SCHED_RR {
		t.Errorf("policy %d (given twice: %v)", policyOf(t), again.First)
	}
	back()
	back() // does nothing more
	if got := policyOf(t); got != unix.SCHED_RR {
		t.Errorf("policy %d while another run is played", got)
	}
	backAgain()
	if got := policyOf(t); got != unix.SCHED_NORMAL {
		t.Errorf("policy %d after the last run", got)
	}
}

// A thread that is born in a busy second waits for its turn, and a garbage collection for the thread.
func TestThreadsAreBegunBeforeTheyAreNeeded(t *testing.T) {
	p := &precedence{}
	_, back := p.take()
	defer back()
	if tasks, err := filepath.Glob("/proc/self/task/*"); err != nil || len(tasks) < spare {
		t.Errorf("%d threads, want %d to spare (%v)", len(tasks), spare, err)
	}
}

// Who runs it with nice wants it nice again.
func TestThreadsAreAsNiceAfterwardsAsTheyWere(t *testing.T) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and the thread ends with this goroutine
		if err := unix.Setpriority(unix.PRIO_PROCESS, unix.Gettid(), 7); err != nil {
			t.Error(err)
			return
		}
		p := &precedence{}
		given, back := p.take()
		back()
		attr, err := unix.SchedGetAttr(0, 0)
		if err != nil || attr.Policy != unix.SCHED_NORMAL || attr.Nice != 7 {
			t.Errorf("%+v, %v (given: %v)", attr, err, given.First)
		}
	}()
	<-done
}

// A service that inherited it would leave no processor to others.
func TestAChildOfARunHasNoPrecedence(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := &precedence{}
	defer takeOrSkip(t, p)()
	child := exec.Command("sleep", "60")
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = child.Process.Kill(); _ = child.Wait() }()
	attr, err := unix.SchedGetAttr(child.Process.Pid, 0)
	if err != nil || attr.Policy != unix.SCHED_NORMAL || attr.Nice != 0 {
		t.Errorf("%+v, %v", attr, err)
	}
}
