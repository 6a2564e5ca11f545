package svg

import (
	"math"
)

// A Scale maps values between Min and Max to places between From and To. A log scale needs Min > 0; values at or below
// zero are drawn at its foot. The zero Scale maps everything to 0.
type Scale struct {
	Min, Max float64
	From, To float64
	Log      bool
}

// At is the place of v, held within From and To. NaN stays NaN.
func (s Scale) At(v float64) float64 {
	if math.IsNaN(v) {
		return v
	}
	part := 0.0
	switch {
	case s.Max <= s.Min:
	case s.Log && v <= s.Min:
	case s.Log:
		part = math.Log(v/s.Min) / math.Log(s.Max/s.Min)
	default:
		part = (v - s.Min) / (s.Max - s.Min)
	}
	return s.From + min(max(part, 0), 1)*(s.To-s.From)
}

// Ticks are round values within the scale, about n of them: 1, 2 and 5 times powers of ten; on a log scale the powers of
// ten, with 2 and 5 between them where there is room.
func (s Scale) Ticks(n int) []float64 {
	if !(s.Max > s.Min) || math.IsInf(s.Max-s.Min, 0) || n < 1 {
		return []float64{s.Min}
	}
	if s.Log {
		return s.logTicks(n)
	}
	return multiples(s.Min, s.Max, roundStep((s.Max-s.Min)/float64(n)))
}

// TicksOf are the multiples, within the scale, of the first of steps that yields no more than n+1 of them; steps ascend.
func (s Scale) TicksOf(n int, steps []float64) []float64 {
	if s.Max <= s.Min || len(steps) == 0 {
		return []float64{s.Min}
	}
	return multiples(s.Min, s.Max, stepOf(s.Max-s.Min, n, steps))
}

// UpOf is the scale with Max raised to the next multiple of the step that TicksOf(n, steps) takes.
func (s Scale) UpOf(n int, steps []float64) Scale {
	if s.Max <= s.Min {
		s.Max = s.Min + 1
	}
	step := stepOf(s.Max-s.Min, n, steps)
	s.Max = math.Ceil(s.Max/step-1e-9) * step
	return s
}

// Up is the scale with Max raised to the next round value, so that its highest tick stands at the top.
func (s Scale) Up(n int) Scale {
	if math.IsInf(s.Max, 0) || math.IsInf(s.Min, 0) {
		return s
	}
	if s.Log {
		s.Min, s.Max = math.Pow(10, math.Floor(math.Log10(s.Min))), math.Pow(10, math.Ceil(math.Log10(s.Max)))
		if s.Max <= s.Min {
			s.Max = s.Min * 10
		}
		return s
	}
	if s.Max <= s.Min {
		s.Max = s.Min + 1
	}
	step := roundStep((s.Max - s.Min) / float64(n))
	s.Max = s.Min + math.Ceil((s.Max-s.Min)/step-1e-9)*step
	return s
}

func (s Scale) logTicks(n int) []float64 {
	decades := math.Log10(s.Max / s.Min)
	between := []float64{1}
	switch {
	case decades*3 <= float64(n):
		between = []float64{1, 2, 5}
	case decades*2 <= float64(n):
		between = []float64{1, 3}
	}
	every := int(max(1, math.Ceil(decades/float64(n)))) // decades apart, where there is no room for each
	var ticks []float64
	first := int(math.Floor(math.Log10(s.Min) + 1e-9))
	for e := first; ; e += every {
		for _, m := range between {
			v := m * math.Pow(10, float64(e))
			if v > s.Max*(1+1e-9) {
				return ticks
			}
			if v >= s.Min*(1-1e-9) {
				ticks = append(ticks, v)
			}
		}
	}
}

// roundStep is the smallest of 1, 2, 5 times a power of ten that is not below raw.
func roundStep(raw float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= raw*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

func stepOf(length float64, n int, steps []float64) float64 {
	for _, step := range steps {
		if length/step <= float64(n)*(1+1e-9) {
			return step
		}
	}
	return steps[len(steps)-1]
}

// tickLimit is more ticks than any drawing has room for.
const tickLimit = 1000

func multiples(from, to, step float64) []float64 {
	var ticks []float64
	if math.IsInf(from, 0) || math.IsInf(to, 0) || step <= 0 {
		return ticks
	}
	for k := math.Ceil(from/step - 1e-9); k*step <= to+step*1e-9 && len(ticks) < tickLimit; k++ {
		ticks = append(ticks, k*step+0) // +0: a tick is never "-0"
	}
	return ticks
}
