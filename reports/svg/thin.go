package svg

import "math"

// Thin returns at most 2 points for each of n equal stretches of X: the lowest and the highest of the stretch, in their
// order. A peak of one second is seen as it was, however long the run. A stretch that holds only gaps stays one gap.
// Points must ascend in X; few points come back as they are.
func Thin(points []Point, n int) []Point {
	if n < 1 || len(points) <= 2*n {
		return points
	}
	first, last := points[0].X, points[len(points)-1].X
	if last <= first {
		return points[:1]
	}
	thin := make([]Point, 0, 2*n+2)
	for i := 0; i < len(points); {
		stretch := stretchOf(points[i].X, first, last, n)
		low, high, end := -1, -1, i
		for ; end < len(points) && stretchOf(points[end].X, first, last, n) == stretch; end++ {
			if math.IsNaN(points[end].Y) {
				continue
			}
			if low < 0 || points[end].Y < points[low].Y {
				low = end
			}
			if high < 0 || points[end].Y > points[high].Y {
				high = end
			}
		}
		switch {
		case low < 0:
			thin = append(thin, points[i])
		case low == high:
			thin = append(thin, points[low])
		default:
			thin = append(thin, points[min(low, high)], points[max(low, high)])
		}
		i = end
	}
	return thin
}

func stretchOf(x, first, last float64, n int) int {
	return min(int((x-first)/(last-first)*float64(n)), n-1)
}
