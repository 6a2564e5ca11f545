package reports

import (
	"math"
	"testing"

	"github.com/lunchrush/lunchrush/internal/runlog"
)

func TestHowLongABacklogTookToBeBack(t *testing.T) {
	// One sample a second.
	rows := func(backlog ...int) (list []runlog.Sample) {
		for i, n := range backlog {
			list = append(list, runlog.Sample{AtNS: int64(i) * second, Backlog: n})
		}
		return list
	}
	until := func(seconds int64) []Fault { return []Fault{{ToNS: 1 * second}, {ToNS: seconds * second}} }
	tests := []struct {
		name    string
		samples []runlog.Sample
		faults  []Fault
		want    float64 // seconds; NaN: not known
	}{
		{"it counts from the end of the last fault", rows(0, 50, 100, 80, 40, 5, 0), until(2), 3},
		{"a backlog that still grows then is not back before it was a twentieth of what it was then", rows(0, 100, 120, 60, 6, 0), until(1), 4},
		{"without faults it counts from the peak", rows(0, 50, 100, 80, 40, 5, 0), nil, 3},
		{"a run that ended before is extrapolated", rows(0, 100, 90, 80), until(1), 9.5},
		{"samples in which the service did not answer are left out", rows(0, 100, -1, -1, 5), until(1), 3},
		{"one that never fell has no drain time", rows(0, 100, 110, 100), until(1), math.NaN()},
		{"there never was one", rows(0, 0, 0), until(1), math.NaN()},
		{"the run ended with the fault", rows(0, 10, 20), until(5), math.NaN()},
		{"nobody looked", nil, nil, math.NaN()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, n := backlogDrain(tt.samples, tt.faults)
			if math.IsNaN(tt.want) {
				if n != 0 || !math.IsNaN(got) {
					t.Errorf("%v of %d samples, want none", got, n)
				}
				return
			}
			if n == 0 || math.Abs(got/1e9-tt.want) > 0.01 {
				t.Errorf("%v s of %d samples, want %v s", got/1e9, n, tt.want)
			}
		})
	}
}
