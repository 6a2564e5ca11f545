package harness

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// A kernel is where the files are in which Linux tells of a machine and of this process's control group. Elsewhere, and in
// containers that hide some, what is missing is unknown.
type kernel struct{ proc, cgroup string }

var thisKernel = kernel{"/proc", "/sys/fs/cgroup"}

// hostTimes is what processors have done so far, all together.
type hostTimes struct{ busy, idle, iowait, steal time.Duration }

// userHZ is in what /proc counts processor time: the same on every Linux that Go supports.
const userHZ = time.Second / 100

// times adds up the lines of some processors in /proc/stat.
func (k kernel) times(processors []int) (sum hostTimes, err error) {
	text, err := os.ReadFile(filepath.Join(k.proc, "stat"))
	if err != nil {
		return sum, err
	}
	found := 0
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		name, ok := "", false
		if len(fields) >= 9 {
			name, ok = strings.CutPrefix(fields[0], "cpu")
		}
		number, err := strconv.Atoi(name)
		if !ok || err != nil || !slices.Contains(processors, number) {
			continue
		}
		var n [8]time.Duration // user nice system idle iowait irq softirq steal
		for i := range n {
			v, err := strconv.ParseInt(fields[i+1], 10, 64)
			if err != nil {
				return sum, fmt.Errorf("/proc/stat: %s: %w", fields[0], err)
			}
			n[i] = time.Duration(v) * userHZ
		}
		found++
		sum.busy += n[0] + n[1] + n[2] + n[5] + n[6]
		sum.idle, sum.iowait, sum.steal = sum.idle+n[3], sum.iowait+n[4], sum.steal+n[7]
	}
	if found != len(processors) {
		return sum, fmt.Errorf("/proc/stat has %d of %d processors", found, len(processors))
	}
	return sum, nil
}

// pressure is how long somebody ("some") or everybody ("full") has waited for a resource so far: cpu, io, memory.
func (k kernel) pressure(resource, who string) (time.Duration, error) {
	text, err := os.ReadFile(filepath.Join(k.proc, "pressure", resource))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) == 0 || fields[0] != who {
			continue
		}
		for _, f := range fields[1:] {
			if total, ok := strings.CutPrefix(f, "total="); ok {
				us, err := strconv.ParseInt(total, 10, 64)
				return time.Duration(us) * time.Microsecond, err
			}
		}
	}
	return 0, errors.New("/proc/pressure/" + resource + " has no line " + who)
}

// group is the CPU limit of this process's control group, in cores (0: none), and for how long it has had to wait for its
// next share so far.
func (k kernel) group() (quota float64, throttled time.Duration, err error) {
	text, err := os.ReadFile(filepath.Join(k.proc, "self", "cgroup"))
	if err != nil {
		return 0, 0, err
	}
	for line := range strings.Lines(string(text)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		if len(part) != 3 {
			continue
		}
		switch {
		case part[1] == "":
			// Version 2. In a namespace of its own the group is the root of what is mounted.
			for _, dir := range []string{filepath.Join(k.cgroup, path.Clean("/"+part[2])), k.cgroup} {
				if q, t, err := unified(dir); err == nil {
					return q, t, nil
				}
			}
		case strings.Contains(","+part[1]+",", ",cpu,"):
			for _, dir := range []string{filepath.Join(k.cgroup, "cpu", path.Clean("/"+part[2])), filepath.Join(k.cgroup, "cpu")} {
				if q, t, err := legacy(dir); err == nil {
					return q, t, nil
				}
			}
		}
	}
	return 0, 0, errors.New("this process's control group does not tell of its processor time")
}

// unified reads cpu.max and cpu.stat.
func unified(dir string) (quota float64, throttled time.Duration, err error) {
	text, err := os.ReadFile(filepath.Join(dir, "cpu.max"))
	if err != nil {
		return 0, 0, err
	}
	fields := strings.Fields(string(text))
	if len(fields) == 2 && fields[0] != "max" {
		q, err1 := strconv.ParseFloat(fields[0], 64)
		p, err2 := strconv.ParseFloat(fields[1], 64)
		if err := errors.Join(err1, err2); err != nil || p <= 0 {
			return 0, 0, errors.Join(err, errors.New("cpu.max: no period"))
		}
		quota = q / p
	}
	us, err := counted(filepath.Join(dir, "cpu.stat"), "throttled_usec")
	return quota, time.Duration(us) * time.Microsecond, err
}

// legacy reads the files of version 1.
func legacy(dir string) (quota float64, throttled time.Duration, err error) {
	q, err := number(filepath.Join(dir, "cpu.cfs_quota_us"))
	if err != nil {
		return 0, 0, err
	}
	p, err := number(filepath.Join(dir, "cpu.cfs_period_us"))
	if err != nil {
		return 0, 0, err
	}
	if q > 0 && p > 0 {
		quota = float64(q) / float64(p)
	}
	ns, err := counted(filepath.Join(dir, "cpu.stat"), "throttled_time")
	return quota, time.Duration(ns), err
}

func number(file string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
}

// counted reads a line "name value".
func counted(file, name string) (int64, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 2 && fields[0] == name {
			return strconv.ParseInt(fields[1], 10, 64)
		}
	}
	return 0, nil // a group without a limit may not count
}
