package testbed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
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

// standsStill is nil when every thread of a process has been stopped.
func standsStill(pid int) error {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	if err != nil {
		return err
	}
	for _, path := range threads {
		if fields, err := readStat(path); err == nil && fields[0] != "T" && fields[0] != "t" {
			return fmt.Errorf("%s: still in state %s after SIGSTOP", path, fields[0])
		}
	}
	return nil
}

func statOf(pid int) ([]string, error) { return readStat(fmt.Sprintf("/proc/%d/stat", pid)) }

// readStat returns the fields of a stat file after the command's name, which may hold blanks and parentheses: proc(5).
func readStat(path string) ([]string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	end := bytes.LastIndexByte(data, ')')
	fields := strings.Fields(string(data[end+1:]))
	if end < 0 || len(fields) < 22 {
		return nil, fmt.Errorf("%s: %d fields", path, len(fields))
	}
	return fields, nil
}
