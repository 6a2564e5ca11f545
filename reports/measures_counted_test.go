package reports

import (
	"testing"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

func TestACounterIsWhatItGrewOverTheRun(t *testing.T) {
	tests := []struct {
		name string
		told []int
		want float64
		n    int
	}{
		{"a service that tells nothing is not known", []int{-1, -1}, never, 0},
		{"no row at all", nil, never, 0},
		{"nothing was counted", []int{0, 0, 0}, 0, 3},
		{"what was counted before the first row counts", []int{3, 3, 7}, 7, 3},
		{"a second in which nobody knew is passed over", []int{3, -1, 7}, 7, 2},
		{"a restarted service begins again at 0", []int{3, 5, 1, 2}, 7, 4},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			samples := make([]runlog.Sample, len(tt.told))
			for i, v := range tt.told {
				samples[i] = runlog.Sample{DBErrors1213: v, DBErrors1040: -1}
			}
			measures := measure(&evidence{run: new(runlog.Manifest), tally: new(tally), samples: samples})
			for _, m := range measures {
				if m.Name == "db.errors_1040" && m.Known {
					t.Errorf("%+v, of which nobody told", m)
				}
				if m.Name == "db.errors_1213" && (m.Known != (tt.n > 0) || m.Samples != tt.n || tt.n > 0 && m.Value != tt.want) {
					t.Errorf("%+v, want %v of %d", m, tt.want, tt.n)
				}
			}
		})
	}
}
