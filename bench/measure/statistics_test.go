package measure

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSpreadOf(t *testing.T) {
	for name, tt := range map[string]struct {
		values []float64
		want   Spread
	}{
		"none": {nil, Spread{}},
		"one":  {[]float64{3}, Spread{3, 3, 3}},
		"odd":  {[]float64{9, 1, 2}, Spread{2, 1, 9}},
		"even": {[]float64{4, 1, 2, 8}, Spread{3, 1, 8}},
	} {
		t.Run(name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, SpreadOf(tt.values)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestPercentile(t *testing.T) {
	thousand := make([]int, 1000)
	for i := range thousand {
		thousand[i] = i + 1
	}
	for _, tt := range []struct {
		sorted []int
		p      float64
		want   int
	}{
		{nil, 50, 0},
		{[]int{7}, 99.9, 7},
		{[]int{1, 2}, 50, 1},
		{[]int{1, 2, 3}, 50, 2},
		{thousand, 0, 1},
		{thousand, 50, 500},
		{thousand, 99, 990},
		{thousand, 99.9, 999},
		{thousand, 100, 1000},
	} {
		if got := Percentile(tt.sorted, tt.p); got != tt.want {
			t.Errorf("percentile %v of %d values = %d, want %d", tt.p, len(tt.sorted), got, tt.want)
		}
	}
}

func TestSlope(t *testing.T) {
	tests := []struct {
		name string
		x, y []float64
		want float64
	}{
		{"nothing", nil, nil, 0},
		{"one point", []float64{1}, []float64{5}, 0},
		{"a line", []float64{1, 2, 4}, []float64{3, 5, 9}, 2},
		{"a plateau", []float64{1, 2, 3}, []float64{7, 7, 7}, 0},
		// Anscombe's first data set: y = 3.00 + 0.500 x.
		{"Anscombe", []float64{10, 8, 13, 9, 11, 14, 6, 4, 12, 7, 5},
			[]float64{8.04, 6.95, 7.58, 8.81, 8.33, 9.96, 7.24, 4.26, 10.84, 4.82, 5.68}, 0.5001},
	}
	for _, tt := range tests {
		if got := Slope(tt.x, tt.y); math.Abs(got-tt.want) > 1e-4 {
			t.Errorf("%s: a slope of %v, want %v", tt.name, got, tt.want)
		}
	}
}
