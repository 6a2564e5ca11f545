package harness

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// tree writes files under a folder.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func TestTimesAreOfTheProcessorsThatCount(t *testing.T) {
	root := tree(t, map[string]string{"stat": `cpu  600 60 60 6000 60 6 6 60 0 0
cpu0 100 10 20 1000 10 1 2 10 0 0
cpu1 200 20 20 2000 20 2 2 20 0 0
cpu2 300 30 20 3000 30 3 2 30 0 0
intr 1 2 3
`})
	k := kernel{proc: root}
	got, err := k.times([]int{0, 2})
	want := hostTimes{busy: (100 + 10 + 20 + 1 + 2 + 300 + 30 + 20 + 3 + 2) * userHZ, idle: 4000 * userHZ, iowait: 40 * userHZ, steal: 40 * userHZ}
	if err != nil || got != want {
		t.Errorf("%+v, %v, want %+v", got, err, want)
	}
	if _, err := k.times([]int{0, 7}); err == nil || !strings.Contains(err.Error(), "1 of 2 processors") {
		t.Errorf("a processor that is not there: %v", err)
	}
}

func TestPressureIsTheTotalOfItsLine(t *testing.T) {
	k := kernel{proc: tree(t, map[string]string{"pressure/io": "some avg10=1.00 avg60=2.00 avg300=3.00 total=1500000\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=250000\n"})}
	if d, err := k.pressure("io", "full"); err != nil || d != 250*time.Millisecond {
		t.Errorf("%v, %v", d, err)
	}
	if _, err := k.pressure("cpu", "some"); err == nil {
		t.Error("a kernel without it told something")
	}
}

func TestLimitOfTheControlGroupIsRead(t *testing.T) {
	tests := []struct {
		name      string
		proc      map[string]string
		cgroup    map[string]string
		quota     float64
		throttled time.Duration
		fails     bool
	}{
		{
			name: "version 2", proc: map[string]string{"self/cgroup": "0::/user.slice/a.scope\n"},
			cgroup: map[string]string{"user.slice/a.scope/cpu.max": "150000 100000\n", "user.slice/a.scope/cpu.stat": "usage_usec 1\nnr_throttled 3\nthrottled_usec 2000000\n"},
			quota:  1.5, throttled: 2 * time.Second,
		},
		{
			name: "version 2 without a limit, in a namespace of its own", proc: map[string]string{"self/cgroup": "0::/../b\n"},
			cgroup: map[string]string{"cpu.max": "max 100000\n", "cpu.stat": "usage_usec 1\n"},
		},
		{
			name: "version 1", proc: map[string]string{"self/cgroup": "5:memory:/x\n4:cpu,cpuacct:/x\n"},
			cgroup: map[string]string{"cpu/x/cpu.cfs_quota_us": "200000\n", "cpu/x/cpu.cfs_period_us": "100000\n", "cpu/x/cpu.stat": "nr_periods 1\nnr_throttled 1\nthrottled_time 3000000000\n"},
			quota:  2, throttled: 3 * time.Second,
		},
		{
			name: "version 1 without a limit", proc: map[string]string{"self/cgroup": "4:cpu,cpuacct:/\n"},
			cgroup: map[string]string{"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n", "cpu/cpu.stat": "throttled_time 0\n"},
		},
		{name: "files that are hidden", proc: map[string]string{"self/cgroup": "0::/a\n"}, fails: true},
		{name: "a quota that is none", proc: map[string]string{"self/cgroup": "0::/\n"}, cgroup: map[string]string{"cpu.max": "much 100000\n", "cpu.stat": ""}, fails: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := kernel{tree(t, tt.proc), tree(t, tt.cgroup)}
			quota, throttled, err := k.group()
			if (err != nil) != tt.fails || !tt.fails && (quota != tt.quota || throttled != tt.throttled) {
				t.Errorf("%v, %v, %v", quota, throttled, err)
			}
		})
	}
}
