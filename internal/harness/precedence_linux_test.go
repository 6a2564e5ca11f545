package harness

import (
	"os/exec"
	"runtime"
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

func TestThreadsGoFirstWhileARunIsPlayed(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := &precedence{}
	given, back := p.take()
	if !given {
		back()
		t.Skip("the kernel gives this user no real-time threads")
	}
	again, backAgain := p.take()
	if !again || policyOf(t) != unix.SCHED_RR {
		t.Errorf("policy %d (given twice: %v)", policyOf(t), again)
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

// A service that inherited it would leave no processor to others.
func TestAChildOfARunHasNoPrecedence(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	p := &precedence{}
	given, back := p.take()
	defer back()
	if !given {
		t.Skip("the kernel gives this user no real-time threads")
	}
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
