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
