// Package measure reads what a process costs, and sums up repeated measurements.
package measure

import (
	"cmp"
	"math"
	"slices"
)

// Spread is the middle and the ends of some measurements of one thing.
type Spread struct{ Median, Min, Max float64 }

// SpreadOf sums up the values; it is zero without any.
func SpreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	sorted := slices.Sorted(slices.Values(values))
	middle := len(sorted) / 2
	median := sorted[middle]
	if len(sorted)%2 == 0 {
		median = (sorted[middle-1] + sorted[middle]) / 2
	}
	return Spread{Median: median, Min: sorted[0], Max: sorted[len(sorted)-1]}
}

// Percentile returns the smallest of the sorted values that at least p percent of
// them do not exceed; zero without values.
func Percentile[T cmp.Ordered](sorted []T, p float64) T {
	if len(sorted) == 0 {
		var zero T
		return zero
	}
	rank := int(math.Ceil(p*float64(len(sorted))/100 - 1e-9)) // 99.9 has no exact binary form
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// Slope returns by how much y grows for each unit of x, by the straight line that
// fits best (least squares); zero if the values of x do not differ.
func Slope(x, y []float64) float64 {
	var meanX, meanY float64
	for i := range x {
		meanX += x[i] / float64(len(x))
		meanY += y[i] / float64(len(y))
	}
	var above, below float64
	for i := range x {
		above += (x[i] - meanX) * (y[i] - meanY)
		below += (x[i] - meanX) * (x[i] - meanX)
	}
	if below == 0 {
		return 0
	}
	return above / below
}
