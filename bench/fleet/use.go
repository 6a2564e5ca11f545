package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/lunchrush/lunchrush/internal/testbed"
)

// A use is what a process has used by a moment.
type use struct {
	at  time.Duration // since the town was opened
	cpu time.Duration
	rss int64 // bytes
}

// look asks the system about every process.
func (t *town) look(ctx context.Context) (map[string]use, error) {
	seen := map[string]use{}
	var errs []error
	for name, part := range map[string]testbed.Instance{
		serviceName: t.service, "MariaDB": t.stack.Part(testbed.PartMySQL),
		"Redis cache": t.stack.Part(testbed.PartCache), "Redis queue": t.stack.Part(testbed.PartQueue),
	} {
		u, err := part.Usage(ctx)
		errs = append(errs, err)
		seen[name] = use{time.Since(t.began), u.CPU, u.RSS}
	}
	u, err := useOf(t.street.Process.Pid)
	u.at = time.Since(t.began)
	seen[simulatorName] = u
	return seen, errors.Join(append(errs, err)...)
}

// ticksPerSecond is the kernel's USER_HZ, the same on every Linux that Go runs on.
const ticksPerSecond = 100

// useOf reads a process's times and memory from /proc/PID/stat, proc(5).
func useOf(pid int) (use, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return use{}, err
	}
	// The second field is the program's name in brackets and may hold anything; after it come state (the 3rd) and on.
	_, rest, _ := strings.Cut(string(text), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 22 {
		return use{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields))
	}
	var n [3]int64
	for i, field := range []int{14, 15, 24} { // utime, stime, rss
		if n[i], err = strconv.ParseInt(fields[field-3], 10, 64); err != nil {
			return use{}, err
		}
	}
	return use{cpu: time.Duration(n[0]+n[1]) * time.Second / ticksPerSecond, rss: n[2] * int64(os.Getpagesize())}, nil
}
