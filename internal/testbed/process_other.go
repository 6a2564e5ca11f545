//go:build unix && !linux

package testbed

import (
	"context"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// childAttributes puts a child in a process group of its own, so that Ctrl-C reaches the harness alone. There is no
// parent-death signal here: what a killed harness leaves is swept by the next start.
func childAttributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

// WhileNoneBegins calls change: children begin as their parent is scheduled here.
func WhileNoneBegins(change func()) { change() }

// begin starts a child.
func begin(cmd *exec.Cmd) error { return cmd.Start() }

// startOf is when a process started.
func startOf(pid int) (string, error) {
	out, err := exec.Command("ps", "-o", "lstart=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(out)), nil
}

// standsStill is nil: there is no look at single threads here.
func standsStill(int) error { return nil }

// usageOf asks ps: CPU time as [[dd-]hh:]mm:ss[.cc], memory in KiB.
func usageOf(ctx context.Context, pid int) (Usage, error) {
	out, err := exec.CommandContext(ctx, "ps", "-o", "rss=,time=", "-p", strconv.Itoa(pid)).Output()
	if err != nil {
		return Usage{}, err
	}
	fields := strings.Fields(string(out))
	if len(fields) != 2 {
		return Usage{}, fmt.Errorf("ps says %q", out)
	}
	rss, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return Usage{}, err
	}
	clock := strings.ReplaceAll(fields[1], "-", ":")
	var seconds float64
	for i, part := range strings.Split(clock, ":") {
		n, err := strconv.ParseFloat(part, 64)
		if err != nil {
			return Usage{}, err
		}
		factor := 60.0
		if i == 1 && strings.Count(clock, ":") == 3 {
			factor = 24
		}
		seconds = seconds*factor + n
	}
	return Usage{CPU: time.Duration(seconds * float64(time.Second)), RSS: rss * 1024}, nil
}
