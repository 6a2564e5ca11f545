package harness

import (
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/lunchrush/lunchrush/internal/testbed"
	"github.com/lunchrush/lunchrush/scenarios"
)

func TestCeilingIsWhatTheHarnessCanKeepOpen(t *testing.T) {
	for _, tt := range []struct {
		name     string
		topology scenarios.Topology
		files    int
		want     int
	}{
		{"one process: a file for each machine", scenarios.Topology{}, 20_000, 18_500},
		{"behind the balancer: three", scenarios.Topology{Front: 2}, 20_000, 6_166},
		{"no limit that matters", scenarios.Topology{}, 1 << 30, 0},
		{"a limit that leaves none", scenarios.Topology{}, 1000, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, why := ceiling(tt.topology, tt.files); got != tt.want || (why == "") != (got == 0) {
				t.Errorf("%d %q", got, why)
			}
		})
	}
}

func TestProcessorsAreSharedOut(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("nobody is held to processors here")
	}
	tests := []struct {
		name             string
		topology         scenarios.Topology
		place            string
		processors       int
		apart, yield     bool
		service, grounds int
		says             string
	}{
		{"two of two are shared, and the harness goes first", scenarios.Topology{CPUs: 2, MemoryMiB: 4096}, testbed.Local, 2, false, true, 0, 0, "would take 4; its memory is held to 4096 MiB of data"},
		{"three are one too few", scenarios.Topology{CPUs: 2}, testbed.Local, 3, false, true, 0, 0, "share all 3"},
		{"of four the service has its two", scenarios.Topology{CPUs: 2}, testbed.Local, 4, true, false, 2, 2, "has 2 of 4 processors to itself"},
		{"a share of a processor is one", scenarios.Topology{CPUs: 0.5}, testbed.Local, 3, true, false, 1, 2, "has 1 of 3"},
		{"containers are the engine's", scenarios.Topology{CPUs: 2, MemoryMiB: 512}, testbed.Containers, 2, false, false, 0, 0, "held to 512 MiB by its container"},
		{"containers have processors of their own, too", scenarios.Topology{CPUs: 2}, testbed.Containers, 8, true, false, 2, 6, "has 2 of 8"},
		{"each process of several counts", scenarios.Topology{CPUs: 1, Front: 2, Gate: 1}, testbed.Local, 8, true, false, 6, 2, "has 6 of 8"},
		{"a service without a limit may have all", scenarios.Topology{}, testbed.Local, 16, false, true, 0, 0, "share all 16 processors; the harness goes first; its memory is not limited"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all := make([]int, tt.processors)
			for i := range all {
				all[i] = 2 * i // numbers may have gaps
			}
			r := RoomFor(tt.topology, tt.place, all)
			if r.Apart != tt.apart || r.Held.Yield != tt.yield || len(r.Held.Service) != tt.service || len(r.Held.Ground) != tt.grounds || !slices.Equal(r.Own, r.Held.Ground) {
				t.Errorf("%+v", r)
			}
			if !strings.Contains(r.Says, tt.says) {
				t.Errorf("%q lacks %q", r.Says, tt.says)
			}
			for _, p := range r.Held.Service {
				if slices.Contains(r.Held.Ground, p) {
					t.Errorf("processor %d is given twice", p)
				}
			}
		})
	}
}
