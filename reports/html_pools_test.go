package reports

import (
	"testing"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

func TestAPoolIsFullAfterTheLastFault(t *testing.T) {
	const second = int64(1e9)
	front := workerPools[0]
	row := func(at int64, phase string, busy, limit int) runlog.Sample {
		return runlog.Sample{AtNS: at * second, Phase: phase, FrontBusy: busy, FrontLimit: limit}
	}
	tests := []struct {
		name    string
		samples []runlog.Sample
		healed  int64
		want    float64
		n       int
	}{
		{"nobody told", []runlog.Sample{row(1, "play", 0, 0), row(2, "play", -1, 0)}, 0, never, 0},
		{"a service that does not answer is not counted", []runlog.Sample{row(1, "play", 4, 4), row(2, "play", -1, 0)}, 0, 1, 1},
		{"half of the time", []runlog.Sample{row(1, "play", 4, 4), row(2, "play", 3, 4)}, 0, 0.5, 2},
		{"what was before the heal does not count", []runlog.Sample{row(1, "play", 4, 4), row(2, "play", 4, 4), row(3, "play", 0, 4)}, 2 * second, 0, 1},
		{"nor what is drained", []runlog.Sample{row(1, "play", 1, 4), row(2, "drain", 4, 4)}, 0, 0, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, n := fullAfter(tt.samples, tt.healed, front)
			if n != tt.n || n > 0 && got != tt.want {
				t.Errorf("%v of %d, want %v of %d", got, n, tt.want, tt.n)
			}
		})
	}
}

func TestAFullPoolIsDrawn(t *testing.T) {
	sample := func(busy int) *timeline {
		return &timeline{samples: []runlog.Sample{{AtNS: 1, GateBusy: 1, GateLimit: 4}, {AtNS: 2, GateBusy: busy, GateLimit: 4}}}
	}
	if p, ever := sample(4).workers(); !ever || len(p.series) != 1 || p.series[0].name != "gate" || p.series[0].points[1].Y != 1 {
		t.Errorf("drawn %v: %+v", ever, p.series)
	}
	if _, ever := sample(3).workers(); ever {
		t.Error("a pool that never was full is drawn")
	}
}
