package stats

import (
	"math"
	"testing"
)

func TestManyOfAShareAreAsLikelyAsTheBinomialSays(t *testing.T) {
	for _, tt := range []struct {
		name  string
		n, r  int
		share float64
		want  float64
	}{
		{"none or more are certain", 7, 0, 0.3, 1},
		{"all of ten", 10, 10, 0.5, 1.0 / 1024},
		{"eight of ten or more", 10, 8, 0.5, 56.0 / 1024},
		{"one of 299 or more is the complement of none", 299, 1, 0.01, 1 - math.Pow(0.99, 299)},
		{"half of a great many", 1_000_001, 500_001, 0.5, 0.5},
		{"what cannot be told from never", 1_000_000, 500_000, 0.01, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := AtLeast(tt.n, tt.r, tt.share); math.Abs(got-tt.want) > 1e-8 {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
