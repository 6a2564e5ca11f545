package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// childAttributes puts a child in a process group of its own, so that Ctrl-C reaches the harness alone and it can stop its
// parts in order, and lets it die with the harness.
func childAttributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

// startOf is when a process started: clock ticks after boot, and the boot. A zombie has no start: it is gone.
func startOf(pid int) (string, error) {
	fields, err := statOf(pid)
	if err != nil {
		return "", err
	}
	if state := fields[0]; state == "Z" || state == "X" {
		return "", errors.New("has ended")
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", err
	}
	return fields[19] + "@" + string(bytes.TrimSpace(boot)), nil
}

// usageOf reads CPU time in steps of 10 ms.
func usageOf(_ context.Context, pid int) (Usage, error) {
	const ticksPerSecond = 100 // USER_HZ, the same on every Linux that Go supports
	fields, err := statOf(pid)
	if err != nil {
		return Usage{}, err
	}
	var n [3]int64
	for i, at := range []int{11, 12, 21} { // utime, stime, rss in pages
		if n[i], err = strconv.ParseInt(fields[at], 10, 64); err != nil {
			return Usage{}, err
		}
	}
	return Usage{
		CPU: time.Duration(n[0]+n[1]) * (time.Second / ticksPerSecond),
		RSS: n[2] * int64(os.Getpagesize()),
	}, nil
}

// statOf returns the fields of /proc/pid/stat after the command's name, which may hold blanks and parentheses: proc(5).
func statOf(pid int) ([]string, error) {
	data, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	end := bytes.LastIndexByte(data, ')')
	fields := strings.Fields(string(data[end+1:]))
	if end < 0 || len(fields) < 22 {
		return nil, fmt.Errorf("/proc/%d/stat: %d fields", pid, len(fields))
	}
	return fields, nil
}
