package testbed_test

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// threads tells of each thread of a process where it may run and how nice it is.
func threads(t *testing.T, pid string) (held []string) {
	t.Helper()
	tasks, err := filepath.Glob("/proc/" + pid + "/task/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, task := range tasks {
		status, err := os.ReadFile(filepath.Join(task, "status"))
		if err != nil {
			continue // it has ended
		}
		tid, err := strconv.Atoi(filepath.Base(task))
		if err != nil {
			t.Fatal(err)
		}
		priority, err := unix.Getpriority(unix.PRIO_PROCESS, tid)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(status)) {
			if list, ok := strings.CutPrefix(line, "Cpus_allowed_list:"); ok {
				held = append(held, fmt.Sprintf("processors %s nice %d", strings.TrimSpace(list), 20-priority)) // the system call's own way to tell it
			}
		}
	}
	slices.Sort(held)
	return slices.Compact(held)
}

func TestPartsAreHeldToTheirPlacesAndTheHarnessIsNot(t *testing.T) {
	choice := require(t, testbed.Local)
	all, err := testbed.Processors()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 2 {
		t.Skipf("two processors are needed to hold a part to one of them, there are %v", all)
	}
	before := threads(t, "self")
	first, last := all[0], all[len(all)-1]
	binary, err := fakeService()
	if err != nil {
		t.Fatal(err)
	}
	stack, err := testbed.Start(t.Context(), choice, testbed.Spec{
		RunID: "holding", LogDir: t.TempDir(), Binary: binary, Notice: func(string) {},
		Held: testbed.Holding{Service: []int{last}, Ground: []int{first}, Yield: true, Wall: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := stack.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	service, err := stack.StartService(t.Context(), testbed.ServiceSpec{Name: "service", Roles: []string{"front"}, Config: []byte("{}"), CPUs: 1, MemoryMiB: 512})
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []struct {
		name      string
		instance  testbed.Instance
		processor int
	}{
		{"service", service, last}, {"mysql", stack.Part(testbed.PartMySQL), first}, {"redis", stack.Part(testbed.PartQueue), first},
	} {
		pid := strconv.Itoa(part.instance.(interface{ PID() int }).PID())
		if got, want := threads(t, pid), []string{fmt.Sprintf("processors %d nice 10", part.processor)}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", part.name, got, want)
		}
		limits, err := os.ReadFile("/proc/" + pid + "/limits")
		if err != nil {
			t.Fatal(err)
		}
		walled := strings.Contains(strings.Join(strings.Fields(string(limits)), " "), "Max data size 536870912 536870912 bytes")
		if walled != (part.name == "service") {
			t.Errorf("%s: a wall of 512 MiB: %v\n%s", part.name, walled, limits)
		}
	}
	// The threads that keep the children are held as they are; no other is.
	if got := threads(t, "self"); !slices.Contains(got, before[0]) {
		t.Errorf("the harness: %q, before: %q", got, before)
	}
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() {
			runtime.LockOSThread() // and never unlocked: what was born here is seen here
			var set unix.CPUSet
			if err := unix.SchedGetaffinity(0, &set); err != nil || set.Count() != len(all) {
				t.Errorf("a new thread of the harness may run on %d of %d processors, %v", set.Count(), len(all), err)
			}
		})
	}
	wait.Wait()
}

func TestHarnessIsKeptToSomeProcessorsAndGetsTheOthersBack(t *testing.T) {
	all, err := testbed.Processors()
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 2 {
		t.Skipf("two processors are needed to hold a part to one of them, there are %v", all)
	}
	before := threads(t, "self")
	back, err := testbed.KeepTo(all[:1])
	if err != nil {
		t.Fatal(err)
	}
	for _, held := range threads(t, "self") {
		if !strings.HasPrefix(held, fmt.Sprintf("processors %d nice", all[0])) {
			t.Errorf("a thread is still at %s", held)
		}
	}
	if now, err := testbed.Processors(); err != nil || !slices.Equal(now, all[:1]) {
		t.Errorf("%v, %v", now, err)
	}
	if err := back(); err != nil {
		t.Fatal(err)
	}
	if got := threads(t, "self"); !slices.Equal(got, before) {
		t.Errorf("%q, before: %q", got, before)
	}
}
