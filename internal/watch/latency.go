package watch

import (
	"math"
	"slices"
)

// samples keeps an even selection of a series, so that a watch of any length
// fits in bounded memory: when full, every second one goes.
type samples struct {
	values []float64
	stride int
	skip   int
}

const maxSamples = 1 << 17

func (s *samples) add(v float64) {
	s.skip++
	if s.skip < s.stride {
		return
	}
	s.skip = 0
	if len(s.values) == maxSamples {
		for i := range maxSamples / 2 {
			s.values[i] = s.values[2*i]
		}
		s.values = s.values[:maxSamples/2]
		s.stride = max(1, s.stride) * 2
	}
	s.values = append(s.values, v)
}

// Percentiles sums up a series in milliseconds.
type Percentiles struct {
	N   int     `json:"n"`
	Min float64 `json:"min"`
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// percentiles uses the nearest-rank definition.
func (s *samples) percentiles() Percentiles {
	n := len(s.values)
	if n == 0 {
		return Percentiles{}
	}
	v := slices.Sorted(slices.Values(s.values))
	rank := func(q float64) float64 { return v[max(0, int(math.Ceil(q*float64(n)))-1)] }
	return Percentiles{N: n, Min: v[0], P50: rank(0.50), P95: rank(0.95), P99: rank(0.99), Max: v[n-1]}
}
